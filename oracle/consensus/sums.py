"""Sums over the labels of an item and over those of a (worker, label) pair, fast and exact.

Items are cut into blocks whose numbers stay in a core's cache, and blocks run over threads. Sums of
integers are exact in any order, so neither blocks nor threads change a bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import Int64, softmax_ppm
from oracle.consensus.labels import LabelTable, stable_order
from oracle.consensus.result import discounted

P = TypeVar("P")
T = TypeVar("T")
BLOCK_LABELS = 1 << 17
BLOCK_NUMBERS = 1 << 17  # of one table, items × scores of an item
SHORT = 256  # a level with fewer keys costs more as a step of its own than in the tail


@dataclass(frozen=True)
class Jagged:
    """Entries grouped by key, level by level: level j holds the j-th entry of every key with one.

    A sum by key is then a few long additions. Levels that would be short are one tail, by key.
    """

    keys: Int64  # (G,) distinct keys, those with most entries first
    levels: list[Int64]  # level j: entries of the first len(level) keys
    tail: Int64  # entries beyond the levels, those of one key together
    tail_starts: NDArray[np.intp]  # where in `tail` each of the first keys begins

    @classmethod
    def by(cls, keys: Int64, entries: Int64, size: int) -> Jagged:
        """Group `entries` (L,) by `keys` (L,), each from 0 to `size` - 1."""
        entries = entries[stable_order(keys, size)]
        counts = np.bincount(keys, minlength=size)
        starts = np.cumsum(counts) - counts
        occurring = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        counts, starts = counts[occurring], starts[occurring]
        levels: list[Int64] = []
        long = counts.size
        while long and (not levels or long >= SHORT):
            levels.append(entries[starts[:long] + len(levels)])
            long = int(np.searchsorted(-counts, -len(levels), side="left"))
        rest = counts[:long] - len(levels)
        ends = np.cumsum(rest)
        within = np.arange(ends[-1] if long else 0) - np.repeat(ends - rest, rest)
        tail = entries[np.repeat(starts[:long] + len(levels), rest) + within]
        return cls(occurring, levels, tail, ends - rest)

    def sum(self, table: Int64) -> Int64:
        """Sums of rows of `table` (n, K), which entries index: int64 (G, K), as `keys`."""
        if not self.levels:
            return np.zeros((0, table.shape[1]), dtype=np.int64)
        table = np.ascontiguousarray(table)
        total: Int64 = np.take(table, self.levels[0], axis=0)
        for level in self.levels[1:]:
            total[: level.size] += np.take(table, level, axis=0)
        if self.tail.size:
            rest = np.take(table, self.tail, axis=0)
            total[: self.tail_starts.size] += np.add.reduceat(rest, self.tail_starts, axis=0)
        return total


@dataclass(frozen=True)
class Block:
    """Some items and all their labels; a cell is worker · n_classes + label."""

    items: slice
    by_item: Jagged  # cells by item, counted from the block's first
    by_cell: Jagged  # such items by cell
    place: Int64  # (items,) where each item is among `by_item.keys`; last of all if it isn't

    def posterior(
        self,
        log_confusion: Int64,
        log_prior: Int64,
        n_labels: Int64 | None = None,
        correlation_permille: int = 0,
    ) -> Int64:
        """Posterior of the block's items in ppm, int64 (items, n_classes).

        `log_confusion`: int64 (cells, n_classes), Q24; `log_prior`: int64 (n_classes,), Q24;
        `n_labels`: int64 (items,), needed where labels correlate, as `discounted` has it.
        """
        sums = self.by_item.sum(log_confusion)
        if len(sums) < self.place.size:
            sums = np.vstack([sums, np.zeros_like(log_prior)])
        scores = np.take(sums, self.place, axis=0).T.copy()
        if n_labels is not None:
            scores = discounted(scores, n_labels, correlation_permille)
        scores += log_prior[:, None]
        return softmax_ppm(scores.T)


def blocks_of(table: LabelTable, n_scores: int | None = None) -> list[Block]:
    """The table in blocks of whole items, each with `n_scores` numbers: one a class by default."""
    by_item = stable_order(table.items, table.n_items)
    items = table.items[by_item]
    cells = (table.workers * table.n_classes + table.labels)[by_item]
    n_cells = table.n_workers * table.n_classes
    starts = np.searchsorted(items, np.arange(table.n_items + 1))

    def block(bounds: tuple[int, int]) -> Block:
        first, last = bounds
        rows = slice(starts[first], starts[last])
        inside = items[rows] - first
        by_item = Jagged.by(inside, cells[rows], last - first)
        place = np.full(last - first, by_item.keys.size)
        place[by_item.keys] = np.arange(by_item.keys.size)
        by_cell = Jagged.by(cells[rows], inside, n_cells)
        return Block(slice(first, last), by_item, by_cell, place)

    return over_threads(block, _bounds(starts, n_scores or table.n_classes, n_cells))


def by_cell(log_confusion: Int64) -> Int64:
    """Confusions (n_workers, n_classes, n_classes) [w, t, l] as rows by cell, columns t."""
    return np.ascontiguousarray(log_confusion.transpose(0, 2, 1)).reshape(
        -1, log_confusion.shape[1]
    )


def soft_confusion(table: LabelTable, blocks: list[Block], parts: Iterable[Int64]) -> Int64:
    """Soft confusion counts (n_workers, n_classes, n_classes) in ppm of a label: [w, t, l].

    `parts`: for each block, `by_cell.sum` of its items' posteriors in ppm.
    """
    counts = np.zeros((table.n_workers * table.n_classes, table.n_classes), dtype=np.int64)
    for block, part in zip(blocks, parts, strict=True):
        counts[block.by_cell.keys] += part
    shape = (table.n_workers, table.n_classes, table.n_classes)
    return counts.reshape(shape).transpose(0, 2, 1)


def over_threads(work: Callable[[P], T], parts: Sequence[P]) -> list[T]:
    """Run `work` on every part, over threads where there are several; results in their order."""
    threads = min(_cores(), len(parts))
    if threads < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _bounds(starts: NDArray[np.intp], n_scores: int, n_cells: int) -> list[tuple[int, int]]:
    """First and last item of each block: bounded in labels and in items times scores."""
    labels = max(BLOCK_LABELS, n_cells)  # so that summing up cells costs less than labels do
    most = max(1, BLOCK_NUMBERS // n_scores)
    bounds, first, n_items = [], 0, starts.size - 1
    while first < n_items:
        full = int(np.searchsorted(starts, starts[first] + labels, side="right")) - 1
        last = min(max(full, first + 1), first + most, n_items)
        bounds.append((first, last))
        first = last
    return bounds
