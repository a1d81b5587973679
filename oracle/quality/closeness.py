"""How close two answers are, in ppm: for tasks whose answers are measured, not counted.

Integers only, and no choice between equals that could be made differently: the same two answers
give the same number everywhere. docs/FORMATS.md, section 3.1, states the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM
from oracle.evidence.tasks import RegionTask, SpanTask, Task

Mask = NDArray[np.bool_]


def closeness_ppm(task: Task, one: Any, other: Any) -> int:
    """How close two valid answers (JSON values) are: 1,000,000 for equal ones, rounded down."""
    if isinstance(task, RegionTask):
        return regions_ppm(one, other, task.shape)
    if isinstance(task, SpanTask):
        return spans_ppm(one, other)
    return text_ppm(one, other)


def regions_ppm(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], shape: str
) -> int:
    """Intersection over union of matched regions, over the number of regions of the longer list.

    Regions are matched one to one within their class so that the sum is greatest; what is left over
    counts 0. Two empty lists are equal.
    """
    if not one and not other:
        return PPM
    if shape == "box":
        overlaps = [[box_ppm(a["box"], b["box"]) for b in other] for a in one]
    else:
        size = max(max(point) for region in (*one, *other) for point in region["points"])
        first, second = (
            [covered_cells(region["points"], size) for region in regions]
            for regions in (one, other)
        )
        overlaps = [[cells_ppm(a, b) for b in second] for a in first]
    table = [
        [ppm if a["class"] == b["class"] else 0 for ppm, b in zip(row, other, strict=True)]
        for row, a in zip(overlaps, one, strict=True)
    ]
    return greatest_matching(table) // max(len(one), len(other))


def box_ppm(one: Sequence[int], other: Sequence[int]) -> int:
    """Intersection over union of two boxes `[left, top, right, bottom]`."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both * PPM // (areas - both)


def cells_ppm(one: Mask, other: Mask) -> int:
    """Intersection over union of two sets of cells, as of polygons; 0 where both are empty."""
    either = int((one | other).sum())
    return int((one & other).sum()) * PPM // either if either else 0


def covered_cells(points: Sequence[Sequence[int]], size: int) -> Mask:
    """Which unit cells have their centre inside a polygon by the even-odd rule, bool (size, size)
    by row and column.

    A centre is inside where an odd number of edges cross its row's centre line left of it; one that
    an edge goes through lies left of that edge. The crossing is a floor division of integers.
    """
    toggles = np.zeros((size, size + 1), dtype=np.int64)
    for (x, y), (u, v) in zip(points, [*points[1:], points[0]], strict=True):
        if y == v:
            continue
        (x1, y1), (x2, y2) = ((x, y), (u, v)) if y < v else ((u, v), (x, y))
        rows = np.arange(y1, y2, dtype=np.int64)
        rise, run = y2 - y1, x2 - x1
        # The first column c whose centre (2c + 1) / 2 lies right of the crossing.
        crossing = 2 * x1 * rise + (2 * rows + 1 - 2 * y1) * run
        columns = (crossing - rise) // (2 * rise) + 1
        np.add.at(toggles, (rows, columns), 1)
    inside: Mask = np.cumsum(toggles[:, :size], axis=1) % 2 == 1
    return inside


def greatest_matching(table: Sequence[Sequence[int]]) -> int:
    """The greatest sum of cells with no two in one row or column, of a table of numbers >= 0.

    The sum is unique even where the matching isn't. Source: Kuhn, "The Hungarian method for the
    assignment problem", 1955, DOI 10.1002/nav.3800020109; here by shortest augmenting paths.
    """
    rows = [list(row) for row in table]
    if not rows or not rows[0]:
        return 0
    if len(rows) > len(rows[0]):
        rows = [list(column) for column in zip(*rows, strict=True)]
    width = len(rows[0])
    row_price, column_price = [0] * len(rows), [0] * width
    row_of = [-1] * width
    for start in range(len(rows)):
        # Dijkstra from a free row to a free column; the least cost is the greatest sum, negated.
        row, end = start, -1
        least, before, done = [1 << 62] * width, [-1] * width, [False] * width
        reached: list[tuple[int, int]] = []
        distance = 0
        while end < 0:
            came_by = reached[-1][0] if reached else -1
            for column in range(width):
                cost = -rows[row][column] - row_price[row] - column_price[column]
                if not done[column] and distance + cost < least[column]:
                    least[column], before[column] = distance + cost, came_by
            column = min((c for c in range(width) if not done[c]), key=least.__getitem__)
            distance, done[column] = least[column], True
            reached.append((column, distance))
            row = row_of[column]
            end = column if row < 0 else -1
        row_price[start] += distance
        for column, at in reached[:-1]:
            row_price[row_of[column]] += distance - at
            column_price[column] -= distance - at
        while end >= 0:
            row_of[end] = row_of[before[end]] if before[end] >= 0 else start
            end = before[end]
    return sum(rows[row][column] for column, row in enumerate(row_of) if row >= 0)


def spans_ppm(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> int:
    """F1 over characters with their class: twice what both mark, over what each marks. Two empty
    lists are equal."""
    marked = sum(span["end"] - span["start"] for span in (*one, *other))
    both = sum(
        max(0, min(a["end"], b["end"]) - max(a["start"], b["start"]))
        for a in one
        for b in other
        if a["class"] == b["class"]
    )
    return 2 * both * PPM // marked if marked else PPM


def text_ppm(one: str, other: str) -> int:
    """One minus the edit distance over the longer length, in code points. Two empty texts are
    equal."""
    longer = max(len(one), len(other))
    return (longer - edit_distance(one, other)) * PPM // longer if longer else PPM


def edit_distance(one: str, other: str) -> int:
    """How many code points to insert, delete or replace to turn one text into the other.

    Source: Levenshtein, 1966; bit-parallel after Hyyrö, "A bit-vector algorithm for computing
    Levenshtein and Damerau edit distances", 2003, on integers of any length.
    """
    if not one:
        return len(other)
    every, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    places: dict[str, int] = {}
    for place, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << place
    # Bit i: whether the distance rises or falls from row i to row i + 1 of the current column.
    rises, falls, distance = every, 0, len(one)
    for character in other:
        equal = places.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = (falls | ~(diagonal | rises)) & every
        right_falls = diagonal & rises
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1 | 1) & every
        right_falls = right_falls << 1 & every
        rises = (right_falls | ~(diagonal | right_rises)) & every
        falls = right_rises & diagonal
    return distance
