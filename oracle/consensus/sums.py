"""Sums over the labels of an item and over those of a (worker, label) pair, fast and exact.

Items are cut into blocks, and blocks run over threads. Sums of integers are exact in any order, so
neither blocks nor threads change a bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int32, Int64, Integers, softmax_by_class
from oracle.consensus.labels import LabelTable, stable_order
from oracle.consensus.result import discounted

P = TypeVar("P")
T = TypeVar("T")
BLOCK_LABELS = 1 << 18
BLOCK_NUMBERS = 1 << 19  # of one table, items × scores of an item
LABELS_A_CELL = 8  # in a block at least, so that sums of cells cost less than labels do
SHORT = 256  # a level with fewer keys costs more as a step of its own than in the tail
_INT32 = (1 << 31) - 1


@dataclass(frozen=True)
class Jagged:
    """Entries grouped by key, level by level: level j holds the j-th entry of every key with one.

    A sum by key is then a few long additions. Levels that would be short are one tail, by key.
    """

    keys: Int64  # (G,) distinct keys, those with most entries first
    counts: Int64  # (G,) entries of each
    levels: list[Int64]  # level j: entries of the first len(level) keys
    tail: Int64  # entries beyond the levels, those of one key together
    tail_starts: NDArray[np.intp]  # where in `tail` each of the first keys begins

    @classmethod
    def by(cls, keys: Integers, entries: Integers, size: int) -> Jagged:
        """Group `entries` (L,) by `keys` (L,), each from 0 to `size` - 1."""
        entries = entries[stable_order(keys, size)].astype(np.int64, copy=False)
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
        return cls(occurring, counts, levels, tail, ends - rest)

    @property
    def most(self) -> int:
        """Entries of the key with most."""
        return int(self.counts[0]) if self.counts.size else 0

    def sum(self, table: Integers) -> Integers:
        """Sums of rows of `table` (n, K), which entries index: (G, K), as `keys`.

        In the integers of the table: the caller sees to it that `most` of them fit.
        """
        if not self.levels:
            return np.zeros((0, table.shape[1]), dtype=table.dtype)
        total: Integers = np.take(
            table, self.levels[0], axis=0, mode="clip"
        )  # spares checks: all are inside
        for level in self.levels[1:]:
            total[: level.size] += np.take(table, level, axis=0, mode="clip")
        if self.tail.size:
            rest = np.take(table, self.tail, axis=0, mode="clip")
            total[: self.tail_starts.size] += np.add.reduceat(rest, self.tail_starts, axis=0)
        return total


@dataclass(frozen=True)
class CellScores:
    """What a label adds to each of an item's scores: a row for each cell."""

    table: Int32  # (cells, K), Q24
    reach: int  # no entry, nor a difference of two, is larger

    @classmethod
    def of(cls, table: Int64) -> CellScores:
        """From int64 (cells, K); a logarithm in Q24 is below 2^30, and so is a vote."""
        lowest, highest = (int(table.min()), int(table.max())) if table.size else (0, 0)
        reach = max(abs(lowest), abs(highest), highest - lowest)
        return cls(np.ascontiguousarray(table, dtype=np.int32), reach)


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
        by_item = Jagged.by(items, cells, gold.size)
        place = np.full(gold.size, -1)
        place[by_item.keys] = np.arange(by_item.keys.size)
        unlabeled = np.flatnonzero(place < 0)
        order = np.concatenate([by_item.keys, unlabeled])
        n_labels = np.concatenate([by_item.counts, np.zeros(unlabeled.size, dtype=np.int64)])
        by_cell = Jagged.by(cells, place[items], n_cells)
        return cls(first + order, n_labels, gold[order], by_item, by_cell)

    def posterior(
        self, scores: CellScores, log_prior: Int64, correlation_permille: int = 0
    ) -> Int32:
        """Posterior of the items in ppm, a row for each class: int32 (K, n).

        `log_prior`: int64 (K,), Q24, at most 0.
        """
        fits = self.by_item.most * scores.reach - int(log_prior.min()) <= _INT32
        narrow = fits and not correlation_permille
        table: Integers = scores.table if narrow else scores.table.astype(np.int64)
        total = self.label_sums(table)
        if correlation_permille:
            total = discounted(total.astype(np.int64), self.n_labels, correlation_permille)
        total += log_prior.astype(total.dtype)[:, None]
        return softmax_by_class(total)

    def label_sums(self, table: Integers) -> Integers:
        """Sums over each item's labels of rows of `table` (cells, K): (K, n)."""
        sums: Integers = np.zeros((table.shape[1], self.items.size), dtype=table.dtype)
        sums[:, : self.by_item.keys.size] = self.by_item.sum(table).T
        return sums

    def soft_counts(self, posterior_ppm: Int32) -> Integers:
        """Sums over each cell's labels of posteriors (K, n): (cells, K), as `by_cell.keys`."""
        fits = self.by_cell.most * PPM <= _INT32
        by_item: Integers = np.empty(
            posterior_ppm.shape[::-1], dtype=np.int32 if fits else np.int64
        )
        for klass, column in enumerate(posterior_ppm):  # numpy copies a transpose far slower
            by_item[:, klass] = column
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
