"""Sums over the labels of a task and over those of a (worker, label) pair, in blocks.

Blocks depend on the data alone, and their parts are added in their order, so the number of threads
that they run over changes no bit of a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from oracle.consensus.estimators.frame import Codes, Float, Labels

BLOCK = 1 << 16  # labels: what a block touches stays in a core's own cache


@dataclass(frozen=True)
class Pairs:
    """The pairs (worker, label) that occur, ascending: int32 (P,) each."""

    worker: Codes
    label: Codes
    starts: NDArray[np.intp]  # (workers,) where each worker's pairs begin
    count: Float  # (P,) labels of each pair

    def worker_sums(self, values: Float) -> Float:
        """Sums over each worker's pairs: (P, ...) in, (workers, ...) out."""
        return np.add.reduceat(values, self.starts, axis=0)


@dataclass(frozen=True)
class Block:
    """Some tasks, all their labels: `matrix` (tasks, P) counts labels by task and pair."""

    tasks: slice
    matrix: Any  # csr_array (tasks of the block, P)
    transposed: Any  # the same, made once: scipy checks a matrix whenever it makes one

    def label_sums(self, table: Float) -> Float:
        """Sums over each task's labels of rows of `table` (P, K): (K, tasks of the block).

        A row for each class: along the long axis, numpy is several times faster.
        """
        by_task = self.matrix @ table
        sums = np.empty((table.shape[1], len(by_task)))
        for klass, row in enumerate(sums):  # numpy copies a transpose far slower
            row[:] = by_task[:, klass]
        return sums


@dataclass(frozen=True)
class LabelSums:
    """Labels grouped by task, in blocks."""

    pairs: Pairs
    blocks: list[Block]

    @classmethod
    def of(cls, labels: Labels) -> LabelSums:
        """Group the rows by task and number the pairs that occur."""
        n_tasks, n_workers, n_classes = labels.shape
        pair, pairs = _number_pairs(labels, n_workers, n_classes)
        starts, by_task = counting_sort(labels.task, pair, n_tasks)
        ones = np.ones(labels.task.size)
        blocks = []
        for first, last in pairwise(_block_bounds(starts, pairs.count.size * n_classes)):
            low, high = starts[first], starts[last]
            parts = (ones[: high - low], by_task[low:high], starts[first : last + 1] - low)
            matrix = csr_array(parts, shape=(last - first, pairs.count.size))
            blocks.append(Block(slice(first, last), matrix, matrix.T))
        return cls(pairs, blocks)


def counting_sort(
    keys: Codes, values: NDArray[Any], size: int
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Values grouped by key, in linear time: where each key's begin (size + 1,), and values."""
    rows = np.arange(keys.size + 1, dtype=np.int32)
    columns = csr_array((values, keys, rows), shape=(keys.size, size)).tocsc()
    return columns.indptr, columns.data


def _number_pairs(labels: Labels, n_workers: int, n_classes: int) -> tuple[Codes, Pairs]:
    key = labels.worker.astype(np.int64) * n_classes + labels.label
    if n_workers * n_classes <= 4 * key.size + 1024:
        counts = np.bincount(key, minlength=n_workers * n_classes)
        occurring = np.flatnonzero(counts)
        number = np.zeros(counts.size, dtype=np.int32)
        number[occurring] = np.arange(occurring.size, dtype=np.int32)
        pair, count = number[key], counts[occurring]
    else:
        occurring, pair, count = np.unique(key, return_inverse=True, return_counts=True)
        pair = pair.astype(np.int32)
    worker = (occurring // n_classes).astype(np.int32)
    starts = np.searchsorted(worker, np.arange(n_workers))
    return pair, Pairs(
        worker, (occurring % n_classes).astype(np.int32), starts, count.astype(np.float64)
    )


def _block_bounds(starts: NDArray[np.int32], cells: int) -> NDArray[np.intp]:
    """Tasks at which blocks begin; few blocks where each one's sums would be large."""
    n_tasks, n_labels = len(starts) - 1, int(starts[-1])
    blocks = max(1, min(n_labels // max(BLOCK, cells), n_tasks))
    at = np.linspace(0, n_labels, blocks + 1)[1:-1]
    bounds: NDArray[np.intp] = np.unique([0, *np.searchsorted(starts, at), n_tasks])
    return bounds
