"""An order of rows that depends on who labeled what with whom, not on names or on row order.

Methods that start from random numbers need it: with numbers drawn by row or by sorted name,
renaming a worker or shuffling rows would change the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.estimators.frame import Codes, Labels

UInt64 = NDArray[np.uint64]
ROUNDS = 4  # colour refinement: after r rounds a signature tells apart what differs within 2r steps


@dataclass(frozen=True)
class Canonical:
    """The labels with tasks, workers and rows renumbered; codes int32 (L,), rows ascending.

    `task_rank` (tasks,) and `worker_rank` (workers,) give the new number of each old code. Where
    two workers or tasks stand in exactly the same relations, either may come first.
    """

    task: Codes
    worker: Codes
    label: Codes
    task_rank: Codes
    worker_rank: Codes

    @classmethod
    def of(cls, labels: Labels) -> Canonical:
        """Renumber by signatures that are sums of hashes, and so know no order."""
        n_tasks, n_workers, _ = labels.shape
        said = _mixed(labels.label.astype(np.uint64) + np.uint64(1))
        task = np.zeros(n_tasks, dtype=np.uint64)
        worker = np.zeros(n_workers, dtype=np.uint64)
        for _ in range(ROUNDS):
            worker = _sums(labels.worker, _mixed(said + task[labels.task]), n_workers)
            task = _sums(labels.task, _mixed(said ^ worker[labels.worker]), n_tasks)
        task_rank, worker_rank = _rank(task), _rank(worker)
        task_code, worker_code = task_rank[labels.task], worker_rank[labels.worker]
        order = np.lexsort((labels.label, worker_code, task_code))
        return cls(
            task_code[order], worker_code[order], labels.label[order], task_rank, worker_rank
        )


def _mixed(values: UInt64) -> UInt64:
    """A bijection that scatters bits: the finaliser of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _sums(keys: Codes, values: UInt64, size: int) -> UInt64:
    """Sums modulo 2^64 by key."""
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], np.arange(size))
    return np.add.reduceat(values[order], starts) if keys.size else np.zeros(size, np.uint64)


def _rank(signatures: UInt64) -> Codes:
    rank = np.empty(signatures.size, dtype=np.int32)
    rank[np.argsort(signatures, kind="stable")] = np.arange(signatures.size, dtype=np.int32)
    return rank
