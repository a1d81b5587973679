"""The label table every method reads: checked once, grouped by item and by (worker, label).

A table is three int64 columns of equal length. Row order never matters: everything that follows is
a sum of integers over groups, and integer sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import MAX_CLASSES, Int32, Int64, Integers
from oracle.errors import InputError

# Within these limits no int64 overflows. Soft counts are at most 10^8 labels · 10^6 ppm = 10^14. A
# score adds at most 10^8 log-likelihoods of at most 43 · 2^24 < 10^9 each, so stays below 10^17.
MAX_LABELS = 100_000_000
MAX_ITEMS = 100_000_000
MAX_WORKERS = 10_000_000
CHUNK = 1 << 18  # rows
MAX_CELLS = 1 << 30  # of one dense array, items × classes or workers × classes²: 8 GiB

Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # items, workers, labels


@dataclass(frozen=True)
class Groups:
    """Rows brought together by an integer key, to be summed without a float.

    numpy's bincount counts in integers, but sums weights as floats.
    """

    order: Int64  # (L,) rows sorted by key
    keys: Int64  # (G,) the distinct keys, ascending
    starts: Int64  # (G,) where each key's rows begin in `order`
    size: int

    @classmethod
    def by(cls, keys: Int64, size: int) -> Groups:
        """Group rows by `keys`, int64 (L,) from 0 to `size` - 1."""
        order = stable_order(keys, size)
        ordered = keys[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=np.int64(-1)))
        return cls(order, ordered[starts], starts, size)

    def sum(self, ordered_values: Int64) -> Int64:
        """Sum per key of values given in `order`; int64 (L,) in, int64 (size,) out."""
        total = np.zeros(self.size, dtype=np.int64)
        if self.starts.size:
            total[self.keys] = np.add.reduceat(ordered_values, self.starts)
        return total

    def counts(self) -> Int64:
        """Rows per key, int64 (size,)."""
        total = np.zeros(self.size, dtype=np.int64)
        total[self.keys] = np.diff(self.starts, append=self.order.size)
        return total


@dataclass(frozen=True)
class LabelTable:
    """Checked labels. Columns are int64 (L,); `gold` is int64 (n_items,), -1 where unknown."""

    items: Int64
    workers: Int64
    labels: Int64
    n_items: int
    n_workers: int
    n_classes: int
    gold: Int64

    @classmethod
    def of(
        cls,
        items: NDArray[Any],
        workers: NDArray[Any],
        labels: NDArray[Any],
        *,
        n_items: int,
        n_workers: int,
        n_classes: int,
        gold: NDArray[Any] | None = None,
    ) -> LabelTable:
        """Check ranges, shapes, dtypes and limits; raises `InputError` naming what is wrong.

        The first label of a worker on an item is the one that counts by the protocol, so callers
        pass each (item, worker) pair once; repeated pairs are summed as if from the same worker
        twice.
        """
        check_sizes(n_items, n_workers, n_classes)
        item = _column("items", items, n_items)
        worker = _column("workers", workers, n_workers)
        label = _column("labels", labels, n_classes)
        if not item.size == worker.size == label.size:
            raise InputError("items, workers and labels must have the same length")
        check_n_labels(item.size)
        known = checked_gold(gold, n_items, n_classes)
        return cls(item, worker, label, n_items, n_workers, n_classes, known)

    def by_item(self) -> Groups:
        """Rows grouped by item."""
        return Groups.by(self.items, self.n_items)

    def votes(self) -> Int64:
        """Labels per item and class, int64 (n_items, n_classes)."""
        cells = self.items * self.n_classes + self.labels
        votes = np.bincount(cells, minlength=self.n_items * self.n_classes)
        return votes.reshape(self.n_items, self.n_classes)


def check_sizes(n_items: int, n_workers: int, n_classes: int) -> None:
    """Raise `InputError` beyond the limits."""
    for name, size, limit in (
        ("n_items", n_items, MAX_ITEMS),
        ("n_workers", n_workers, MAX_WORKERS),
        ("n_classes", n_classes, MAX_CLASSES),
    ):
        if not 0 <= size <= limit:
            raise InputError(f"{name} is {size}; it must be from 0 to {limit}")
    if n_classes < 2:
        raise InputError("n_classes must be at least 2: with one class there is nothing to ask")
    if n_items * n_classes > MAX_CELLS or n_workers * n_classes**2 > MAX_CELLS:
        raise InputError(
            f"{n_items} items, {n_workers} workers and {n_classes} classes need more than "
            f"{MAX_CELLS} cells: split the campaign or use majority with fewer classes"
        )


def checked_gold(gold: NDArray[Any] | None, n_items: int, n_classes: int) -> Int64:
    """Gold as int64 (n_items,), -1 where unknown, everywhere if None; raises `InputError`."""
    if gold is None:
        return np.full(n_items, -1, dtype=np.int64)
    known = _column("gold", gold, n_classes, least=-1)
    if known.size != n_items:
        raise InputError(f"gold has {known.size} entries for {n_items} items")
    return known


def check_n_labels(n_labels: int) -> None:
    """Raise `InputError` beyond the limit."""
    if n_labels > MAX_LABELS:
        raise InputError(f"more than {MAX_LABELS} labels: split the campaign")


def in_chunks(
    items: NDArray[Any], workers: NDArray[Any], labels: NDArray[Any], rows: int = CHUNK
) -> Iterator[Columns]:
    """The columns some rows at a time, unchecked."""
    columns = [np.atleast_1d(column) for column in (items, workers, labels)]
    for start in range(0, max(map(len, columns)), rows):
        item, worker, label = (column[start : start + rows] for column in columns)
        yield item, worker, label


def items_and_cells(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    n_items: int,
    n_workers: int,
    n_classes: int,
) -> tuple[Int32, Int32]:
    """Checked columns of one chunk as items and cells, worker · n_classes + label: 8 bytes a row.

    Raises `InputError`.
    """
    item = _column("items", items, n_items)
    worker = _column("workers", workers, n_workers)
    label = _column("labels", labels, n_classes)
    if not item.size == worker.size == label.size:
        raise InputError("items, workers and labels must have the same length")
    return item.astype(np.int32), (worker * n_classes + label).astype(np.int32)


def stable_order(keys: Integers, size: int) -> Int64:
    """Rows sorted by key, equal keys in their order; `keys`: integers from 0 to `size` - 1.

    Sixteen bits at a time: numpy's stable sort is by radix, and several times faster, only there.
    """
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    shift = 16
    while size > 1 << shift:
        digits = (keys[order] >> shift & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
        shift += 16
    return order


def _column(name: str, values: NDArray[Any], size: int, least: int = 0) -> Int64:
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{name} must be a one-dimensional array of integers")
    if array.size and (int(array.min()) < least or int(array.max()) >= size):
        raise InputError(f"{name} must lie from {least} to {size - 1}")
    return array.astype(np.int64, copy=False)
