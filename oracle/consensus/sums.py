"""Sums over the labels of an item and over those of a (worker, label) pair, fast and exact.

Items are cut into blocks, and blocks run over threads. Sums of integers are exact in any order, so
neither blocks nor threads change a bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from oracle.consensus.fixed import PPM, Int32, Int64, Integers, softmax_by_class
from oracle.consensus.labels import LabelTable, stable_order

P = TypeVar("P")
T = TypeVar("T")
BLOCK_LABELS = 1 << 18
BLOCK_NUMBERS = 1 << 19  # of one table, items × scores of an item
LABELS_A_CELL = 8  # in a block at least, so that sums of cells cost less than labels do
BAND_ROWS = 1 << 16  # of a table, that are gathered at a time: they stay in a core's own cache
FILLING = 8  # a band is filled up by at most an eighth of it
_INT32 = (1 << 31) - 1


@dataclass(frozen=True)
class Jagged:
    """Entries grouped by key, in bands: keys with about equally many entries, one column each.

    Shorter columns are filled up with `nothing`, so a sum by key is a few long gatherings.
    """

    keys: Int64  # (G,) distinct keys, those with most entries first
    counts: Int64  # (G,) entries of each
    bands: list[Int64]  # (entries of a key, some keys), all keys in order
    nothing: int  # entries are less

    @classmethod
    def by(cls, keys: Integers, entries: Integers, size: int, nothing: int) -> Jagged:
        """Group `entries` (L,) by `keys` (L,), each from 0 to `size` - 1."""
        entries = entries[stable_order(keys, size)].astype(np.int64, copy=False)
        counts = np.bincount(keys, minlength=size)
        starts = np.cumsum(counts) - counts
        occurring = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        counts, starts = counts[occurring], starts[occurring]
        entries = np.append(entries, nothing)
        bands: list[Int64] = []
        first = 0
        while first < counts.size:
            depth = int(counts[first])
            alike = int(np.searchsorted(-counts, depth // FILLING - depth, side="right"))
            last = min(alike, first + max(1, BAND_ROWS // depth))
            below = np.arange(depth)[:, None]
            filled = below < counts[first:last]
            bands.append(entries[np.where(filled, starts[first:last] + below, -1)])
            first = last
        return cls(occurring, counts, bands, nothing)

    @property
    def most(self) -> int:
        """Entries of the key with most."""
        return int(self.counts[0]) if self.counts.size else 0

    def sum(self, table: Integers) -> Integers:
        """Sums of rows of `table` (nothing + 1, K), which entries index: (G, K), as `keys`.

        The last row of the table is zero. In the integers of the table: the caller sees to it that
        `most` of them fit.
        """
        total: Integers = np.empty((self.keys.size, table.shape[1]), dtype=table.dtype)
        first = 0
        for band in self.bands:
            last = first + band.shape[1]
            rows = np.take(table, band, axis=0, mode="clip")  # spares checks: all are inside
            np.add.reduce(rows, axis=0, out=total[first:last])
            first = last
        return total


@dataclass(frozen=True)
class CellScores:
    """What a label adds to each of an item's scores: a row for each cell."""

    table: Int32  # (cells + 1, K), Q24; the last row is zero
    reach: int  # no entry, nor a difference of two, is larger

    @classmethod
    def of(cls, table: Int64) -> CellScores:
        """From int64 (cells, K); a logarithm in Q24 is below 2^30, and so is a vote."""
        lowest, highest = (int(table.min()), int(table.max())) if table.size else (0, 0)
        reach = max(abs(lowest), abs(highest), highest - lowest)
        return cls(with_nothing(table, np.int32), reach)


def with_nothing(table: Integers, dtype: DTypeLike) -> Integers:
    """A table (n, K) with a row of zeros at its end."""
    longer: Integers = np.zeros((len(table) + 1, table.shape[1]), dtype=dtype)
    longer[:-1] = table
    return longer


@dataclass(frozen=True)
class Block:
    """Some items, those with most labels first, and all their labels.

    A cell is worker · n_classes + label.
    """

    items: Int64  # (n,)
    n_labels: Int64  # (n,)
    gold: Int64  # (n,) -1 where unknown
    by_item: Jagged  # cells by item; items without a label are last, and no keys
    by_cell: Jagged  # places in `items` by cell

    @classmethod
    def of(cls, first: int, items: Int32, cells: Int32, gold: Int64, n_cells: int) -> Block:
        """Labels of the items from `first` on, as many as `gold` has; `items` count from there."""
        by_item = Jagged.by(items, cells, gold.size, n_cells)
        place = np.full(gold.size, -1)
        place[by_item.keys] = np.arange(by_item.keys.size)
        unlabeled = np.flatnonzero(place < 0)
        order = np.concatenate([by_item.keys, unlabeled])
        n_labels = np.concatenate([by_item.counts, np.zeros(unlabeled.size, dtype=np.int64)])
        by_cell = Jagged.by(cells, place[items], n_cells, gold.size)
        return cls(first + order, n_labels, gold[order], by_item, by_cell)

    def posterior(self, scores: CellScores, log_prior: Int64) -> Int32:
        """Posterior of the items in ppm, a row for each class: int32 (K, n).

        `log_prior`: int64 (K,), Q24, at most 0.
        """
        fits = self.by_item.most * scores.reach - int(log_prior.min()) <= _INT32
        table: Integers = scores.table if fits else scores.table.astype(np.int64)
        total = self.label_sums(table)
        return softmax_by_class(total, log_prior.astype(total.dtype))

    def label_sums(self, table: Integers) -> Integers:
        """Sums over each item's labels of rows of `table` (cells + 1, K): (K, n)."""
        sums: Integers = np.zeros((self.items.size, table.shape[1]), dtype=table.dtype)
        sums[: self.by_item.keys.size] = self.by_item.sum(table)
        return sums.T

    def soft_counts(self, posterior_ppm: Int32) -> Integers:
        """Sums over each cell's labels of posteriors (K, n): (cells, K), as `by_cell.keys`."""
        fits = self.by_cell.most * PPM <= _INT32
        n_classes, n = posterior_ppm.shape
        by_item: Integers = np.zeros((n + 1, n_classes), dtype=np.int32 if fits else np.int64)
        for klass, column in enumerate(posterior_ppm):  # numpy copies a transpose far slower
            by_item[:-1, klass] = column
        return self.by_cell.sum(by_item)


def blocks_of(table: LabelTable, n_scores: int | None = None) -> list[Block]:
    """The table in blocks of whole items, each with `n_scores` numbers: one a class by default."""
    rows = []
    for start in range(0, table.items.size, BLOCK_LABELS):
        some = slice(start, start + BLOCK_LABELS)
        cells = table.workers[some] * table.n_classes + table.labels[some]
        rows.append((table.items[some].astype(np.int32), cells.astype(np.int32)))
    n_cells = table.n_workers * table.n_classes
    return grouped(rows, table.gold, n_cells, n_scores or table.n_classes)


def grouped(
    rows: list[tuple[Int32, Int32]], gold: Int64, n_cells: int, n_scores: int
) -> list[Block]:
    """Labels in blocks: pieces of items and cells, int32 (L,) each; `rows` is emptied."""
    counts = np.zeros(gold.size, dtype=np.int64)
    for items, _ in rows:
        counts += np.bincount(items, minlength=gold.size)
    bounds = _bounds(np.append(0, np.cumsum(counts)), n_scores, n_cells)
    block_of_item = np.repeat(np.arange(len(bounds) - 1, dtype=np.int32), np.diff(bounds))
    pieces: list[list[tuple[Int32, Int32]]] = [[] for _ in bounds[1:]]

    def parted(_: int) -> None:
        items, cells = rows.pop()
        block = block_of_item[items]
        order = stable_order(block, len(pieces))
        items, cells = items[order], cells[order]
        ends = np.cumsum(np.bincount(block, minlength=len(pieces)))
        for piece, (start, end) in zip(pieces, pairwise([0, *ends]), strict=True):
            piece.append((items[start:end], cells[start:end]))

    over_threads(parted, range(len(rows)))

    def block(number: int) -> Block:
        first, last = bounds[number : number + 2]
        nothing = np.zeros(0, dtype=np.int32)
        parts = zip((nothing, nothing), *pieces[number], strict=True)
        items, cells = (np.concatenate(part) for part in parts)
        pieces[number].clear()
        return Block.of(first, items - np.int32(first), cells, gold[first:last], n_cells)

    return over_threads(block, range(len(pieces)))


def by_cell(log_confusion: Int64) -> Int64:
    """Confusions (n_workers, n_classes, n_classes) [w, t, l] as rows by cell, columns t."""
    return np.ascontiguousarray(log_confusion.transpose(0, 2, 1)).reshape(
        -1, log_confusion.shape[1]
    )


def counted_skills(table: LabelTable, blocks: list[Block], posterior_ppm: Int64) -> Int64:
    """Soft confusion counts by posteriors int64 (n_items, n_classes) in ppm, as `skills_of`."""
    n_classes = table.n_classes
    counts = np.zeros((n_classes, table.n_workers * n_classes), dtype=np.int64)
    for block in blocks:
        posterior = posterior_ppm[block.items].astype(np.int32)
        add_cells(counts, block.by_cell.keys, block.soft_counts(posterior.T))
    return skills_of(counts)


def add_cells(counts: Int64, cells: Int64, part: Integers) -> None:
    """Add a block's `soft_counts` (cells, n_classes) to counts (n_classes, all cells)."""
    for column, values in zip(counts, part.T, strict=True):  # numpy adds rows far slower
        column[cells] += values


def skills_of(soft_counts: Int64) -> Int64:
    """Soft counts (n_classes, all cells) as confusions (n_workers, n_classes, n_classes) [w, t, l].

    In ppm of a label.
    """
    n_classes = len(soft_counts)
    return soft_counts.reshape(n_classes, -1, n_classes).transpose(1, 0, 2)


def over_threads(work: Callable[[P], T], parts: Sequence[P]) -> list[T]:
    """Run `work` on every part, over threads where there are several; results in their order.

    `work` must not call this itself: the threads are kept, and could all wait for one another.
    """
    threads = min(_cores(), len(parts))
    if threads < 2:
        return [work(part) for part in parts]
    return list(_pool(threads).map(work, parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="consensus")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _bounds(starts: NDArray[np.intp], n_scores: int, n_cells: int) -> list[int]:
    """First item of each block, and the end: bounded in labels and in items times scores."""
    labels = max(BLOCK_LABELS, LABELS_A_CELL * n_cells)
    most = max(1, max(BLOCK_NUMBERS, LABELS_A_CELL * n_cells) // n_scores)
    bounds, n_items = [0], starts.size - 1
    while bounds[-1] < n_items:
        first = bounds[-1]
        full = int(np.searchsorted(starts, starts[first] + labels, side="right")) - 1
        bounds.append(min(max(full, first + 1), first + most, n_items))
    return bounds
