"""How close measured answers are: exact, symmetric, whole for equal ones, as by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.consensus.fixed import PPM
from oracle.quality.closeness import (
    box_ppm,
    cells_ppm,
    covered_cells,
    edit_distance,
    greatest_matching,
    regions_ppm,
    spans_ppm,
    text_ppm,
)


def boxes(*regions: tuple[str, int, int, int, int]) -> list[dict[str, Any]]:
    return [{"class": name, "box": list(corners)} for name, *corners in regions]


def spans(*found: tuple[str, int, int]) -> list[dict[str, Any]]:
    return [{"class": name, "start": start, "end": end} for name, start, end in found]


def square(left: int, top: int, side: int) -> list[list[int]]:
    right, bottom = left + side, top + side
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


# Golden vectors: these numbers decide pay, and stay.
@pytest.mark.parametrize(
    ("one", "other", "ppm"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], PPM),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0),  # they touch
        ([0, 0, 10, 10], [5, 0, 15, 10], 333_333),  # 50 of 150
        ([0, 0, 10, 10], [2, 2, 12, 12], 470_588),  # 64 of 136
        ([0, 0, 3, 3], [1, 1, 2, 2], 111_111),
    ],
)
def test_box_ppm__by_hand(one: list[int], other: list[int], ppm: int) -> None:
    assert box_ppm(one, other) == box_ppm(other, one) == ppm


@pytest.mark.parametrize(
    ("one", "other", "ppm"),
    [
        (boxes(), boxes(), PPM),
        (boxes(("car", 0, 0, 1, 1)), boxes(), 0),
        (boxes(("car", 0, 0, 9, 9)), boxes(("dog", 0, 0, 9, 9)), 0),  # another class
        (boxes(("car", 0, 0, 9, 9)), boxes(("car", 0, 0, 9, 9), ("car", 20, 20, 30, 30)), PPM // 2),
        (
            boxes(("car", 0, 0, 10, 10), ("dog", 0, 0, 10, 10)),
            boxes(("car", 5, 0, 15, 10), ("dog", 0, 0, 10, 10)),
            666_666,
        ),
    ],
)
def test_regions_ppm__by_hand(one: Any, other: Any, ppm: int) -> None:
    assert regions_ppm(one, other, "box") == regions_ppm(other, one, "box") == ppm


def test_regions_ppm__the_best_matching_counts_not_the_first() -> None:
    # Taken greedily, the middle box would go to the first and leave the second with nothing.
    one = boxes(("car", 0, 0, 10, 10), ("car", 4, 0, 14, 10))
    other = boxes(("car", 4, 0, 14, 10), ("car", 8, 0, 18, 10))
    straight = box_ppm(one[0]["box"], other[0]["box"]) + box_ppm(one[1]["box"], other[1]["box"])
    crossed = box_ppm(one[0]["box"], other[1]["box"]) + PPM
    assert regions_ppm(one, other, "box") == max(straight, crossed) // 2 == crossed // 2


@given(st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=5))
def test_greatest_matching__equals_trying_all(table: list[list[int]]) -> None:
    wide = table if len(table) <= 3 else [list(row) for row in zip(*table, strict=True)]
    best = max(
        sum(row[column] for row, column in zip(wide, columns, strict=True))
        for columns in permutations(range(len(wide[0])), len(wide))
    )
    assert greatest_matching(table) == best


def test_covered_cells__a_square_and_half_a_square__by_hand() -> None:
    assert covered_cells(square(1, 1, 2), 4).tolist() == [
        [False, False, False, False],
        [False, True, True, False],
        [False, True, True, False],
        [False, False, False, False],
    ]
    # The long edge goes through the centres of the diagonal: they lie left of it, so inside.
    triangle = covered_cells([[0, 0], [4, 0], [0, 4]], 4)
    assert triangle.sum(axis=1).tolist() == [4, 3, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=8))
def test_covered_cells__any_ring__as_by_exact_fractions(points: list[tuple[int, int]]) -> None:
    found = covered_cells(points, 30)
    edges = list(zip(points, [*points[1:], points[0]], strict=True))
    for row in range(0, 30, 7):
        for column in range(0, 30, 5):
            crossings = 0
            for (x, y), (u, v) in edges:
                (x1, y1), (x2, y2) = ((x, y), (u, v)) if y < v else ((u, v), (x, y))
                if y1 <= row < y2:
                    # (2c + 1) / 2 > x1 + (2r + 1 - 2 y1) (x2 - x1) / (2 (y2 - y1))
                    left = (2 * column + 1) * (y2 - y1)
                    right = 2 * x1 * (y2 - y1) + (2 * row + 1 - 2 * y1) * (x2 - x1)
                    crossings += left > right
            assert found[row, column] == (crossings % 2 == 1)


def test_cells_ppm__polygons_that_are_boxes__as_boxes() -> None:
    one, other = square(0, 0, 10), square(2, 2, 10)
    masks = covered_cells(one, 12), covered_cells(other, 12)
    assert cells_ppm(*masks) == box_ppm([0, 0, 10, 10], [2, 2, 12, 12])
    nothing = np.zeros((3, 3), dtype=bool)
    assert cells_ppm(nothing, nothing) == 0


def test_regions_ppm__polygons__start_and_direction_do_not_matter() -> None:
    one = [{"class": "car", "points": square(0, 0, 10)}]
    turned = [{"class": "car", "points": [*square(0, 0, 10)[2:], *square(0, 0, 10)[:2]][::-1]}]
    assert regions_ppm(one, turned, "points") == PPM


@pytest.mark.parametrize(
    ("one", "other", "ppm"),
    [
        (spans(), spans(), PPM),
        (spans(("name", 0, 4)), spans(), 0),
        (spans(("name", 0, 4)), spans(("place", 0, 4)), 0),
        (spans(("name", 0, 4)), spans(("name", 0, 2), ("name", 2, 4)), PPM),  # same characters
        (spans(("name", 0, 4)), spans(("name", 2, 6)), 500_000),
        (spans(("name", 0, 3)), spans(("name", 0, 4)), 857_142),
    ],
)
def test_spans_ppm__by_hand(one: Any, other: Any, ppm: int) -> None:
    assert spans_ppm(one, other) == spans_ppm(other, one) == ppm


@pytest.mark.parametrize(
    ("one", "other", "ppm"),
    [
        ("", "", PPM),
        ("a", "", 0),
        ("kitten", "sitting", 571_428),  # 3 of 7
        ("grün", "grun", 750_000),  # a code point is one sign
        ("😀😀", "😀", 500_000),
    ],
)
def test_text_ppm__by_hand(one: str, other: str, ppm: int) -> None:
    assert text_ppm(one, other) == text_ppm(other, one) == ppm


@given(st.text("abc", max_size=70), st.text("abc", max_size=70))
def test_edit_distance__equals_the_textbook_table(one: str, other: str) -> None:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    assert edit_distance(one, other) == row[-1]
