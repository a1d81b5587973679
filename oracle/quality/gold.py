"""Gold: items with known answers, mixed in unseen, that say whether a contributor beats chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import Int64
from oracle.errors import InputError
from oracle.quality.exact import rejects_chance

PASS_ALPHA = (5, 100)
JUDGES = 2  # so many others an item needs before they can judge a label, or contradict gold


def gold_stands(expected: Int64, reference: Int64, others: Int64) -> NDArray[np.bool_]:
    """Which labels are on gold that counts.

    `expected`: int64 (L,) gold answer of each label's item, -1 where it is not gold. `reference`
    and `others`: from `leave_one_out` with gold NOT given, so that gold can't vouch for itself.
    Gold that at least two others contradict is likely wrong itself, and counts for nothing. Returns
    bool (L,).
    """
    contradicted = (others >= JUDGES) & (reference != expected)
    stands: NDArray[np.bool_] = (expected >= 0) & ~contradicted
    return stands


def gold_tallies(
    workers: Int64, labels: Int64, expected: Int64, stands: NDArray[np.bool_], n_workers: int
) -> tuple[Int64, Int64]:
    """Right and total gold labels per contributor, int64 (n_workers,) each.

    `workers`, `labels`, `expected`: int64 (L,); `stands`: bool (L,) from `gold_stands`.
    """
    total = tally(workers[stands], n_workers)
    right = tally(workers[stands & (labels == expected)], n_workers)
    return right, total


def tally(keys: Int64, size: int) -> Int64:
    """How often each key from 0 to size - 1 occurs, int64 (size,)."""
    counts = np.zeros(size, dtype=np.int64)
    np.add.at(counts, keys, 1)
    return counts


def passed(right: int, total: int, n_classes: int) -> bool:
    """Whether gold rejects "accuracy ≤ one in the number of classes" at 5 %."""
    if n_classes < 2:
        raise InputError("chance needs at least two classes")
    return rejects_chance(right, total, 1, n_classes, *PASS_ALPHA)
