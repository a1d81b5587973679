"""From a DataFrame of labels to integer codes, and from arrays back to DataFrames by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oracle.errors import InputError

Codes = NDArray[np.int32]
Float = NDArray[np.float64]
TIE = 1e-9  # relative: probabilities closer than this are equal, as rows in another order sum to


@dataclass(frozen=True)
class Labels:
    """Labels as codes, and the names behind the codes.

    `task`, `worker`, `label`: int32 (L,), codes into `tasks`, `workers`, `classes`. Classes are in
    ascending order, so that "the lowest label" does not depend on the order of rows. Tasks and
    workers are ascending where they are integers, else in order of first appearance.
    """

    task: Codes
    worker: Codes
    label: Codes
    tasks: pd.Index
    workers: pd.Index
    classes: pd.Index

    @classmethod
    def of(cls, data: Any, extra_classes: Any = ()) -> Labels:
        """Read the columns `task`, `worker`, `label` of a DataFrame (or any mapping of columns).

        Keys may be of any hashable type. `extra_classes` are classes that may be missing among the
        labels. Raises `InputError` for a missing column, a missing value or an unhashable key.
        """
        columns = {}
        for name in ("task", "worker", "label"):
            try:
                columns[name] = data[name]
            except (KeyError, TypeError, IndexError):
                raise InputError(f"no column {name!r}: pass task, worker and label") from None
        task, tasks = _coded("task", columns["task"])
        worker, workers = _coded("worker", columns["worker"])
        label, classes = _coded("label", columns["label"])
        if not task.size == worker.size == label.size:
            raise InputError("task, worker and label must have equally many rows")
        for klass in extra_classes:
            if klass not in classes:
                classes = classes.append(_index([klass], "label"))
        order = ascending(classes)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return cls(task, worker, rank[label], tasks, workers, classes[order].rename("label"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of tasks, workers and classes."""
        return len(self.tasks), len(self.workers), len(self.classes)

    def per_task(self, table: Float) -> pd.DataFrame:
        """A table (tasks, classes) under its names."""
        return pd.DataFrame(table, index=self.tasks, columns=self.classes, copy=False)

    def per_worker(self, values: Float, name: str) -> pd.Series:
        """A column (workers,) under its names."""
        return pd.Series(values, index=self.workers, name=name, copy=False)

    def most_probable(self, table: Float) -> pd.Series:
        """The class of the greatest entry of each row (tasks, classes), the lowest among equals."""
        return pd.Series(self.classes.take(best(table)), index=self.tasks, name="agg_label")

    def gold(self, true_labels: Any) -> NDArray[np.int64]:
        """Codes of known answers, int64 (tasks,), -1 where unknown; `true_labels` by task.

        An answer that is no class gets the number of classes, which no label equals.
        """
        if true_labels is None:
            return np.full(len(self.tasks), -1)
        known = pd.Series(true_labels)
        if not known.index.is_unique:
            raise InputError("true_labels name a task twice: keep one answer for each")
        codes = self.classes.get_indexer(known.to_numpy())
        codes = np.where(codes >= 0, codes, len(self.classes))
        at = known.index.get_indexer(self.tasks)
        return np.where(at >= 0, np.append(codes, -1)[at], -1)


def best(table: Float) -> NDArray[np.intp]:
    """Column of the greatest entry of each row, the lowest among those within `TIE` of it."""
    if not table.size:
        return np.zeros(len(table), dtype=np.intp)
    columns = np.ascontiguousarray(table.T)
    greatest = columns.max(axis=0)
    lowest: NDArray[np.intp] = (columns >= greatest - TIE * np.abs(greatest)).argmax(axis=0)
    return lowest


def _coded(name: str, column: Any) -> tuple[Codes, pd.Index]:
    series = pd.Series(column, copy=False)
    values = series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < 4 * values.size + 1024:
            return _coded_integers(values, low, high, name)
    try:
        codes, names = pd.factorize(values)
    except TypeError:
        raise InputError(f"a {name} is unhashable: use strings, numbers or tuples") from None
    if codes.size and codes.min() < 0:
        raise InputError(f"a {name} is missing: drop such rows first, data.dropna()")
    return codes.astype(np.int32), _index(names, name)


def _coded_integers(values: NDArray[Any], low: int, high: int, name: str) -> tuple[Codes, pd.Index]:
    """Codes by a table of all integers from `low` to `high`, without hashing."""
    offset = values - values.dtype.type(low) if low else values
    seen = np.zeros(high - low + 1, dtype=np.int32)
    seen[offset] = 1
    names = np.flatnonzero(seen).astype(values.dtype) + values.dtype.type(low)
    if names.size == seen.size:
        return offset.astype(np.int32), pd.Index(names, name=name)
    return (np.cumsum(seen, dtype=np.int32) - 1)[offset], pd.Index(names, name=name)


def _index(names: Any, name: str) -> pd.Index:
    return pd.Index(names, name=name, tupleize_cols=False)


def ascending(names: pd.Index) -> NDArray[np.intp]:
    """Positions of the names in ascending order; by type and text where they don't compare."""
    try:
        return np.asarray(names.argsort(), dtype=np.intp)
    except TypeError:
        keys = [(type(name).__qualname__, repr(name)) for name in names]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)
