"""Majority vote weighted by how often a worker agrees with the plain one, in integers.

Known as Wawa, worker agreement with aggregate: two counts and no iteration. A worker's vote weighs
the share of their labels that equal the plain vote's answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64
from oracle.consensus.labels import Groups, LabelTable
from oracle.consensus.majority_vote import vote_shares, voted
from oracle.consensus.result import Consensus
from oracle.consensus.skills import Tally

WEIGHT_BITS = 14  # a weight of one is 2^14: counts of 10^14 and sums of 10^8 weights stay in range


@dataclass(frozen=True)
class VoteWeight:
    """A vote weighs its worker's share of labels that agree, in 2^-14, at least one unit."""

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """As in `SkillModel`."""
        return np.where(tally.same, weights(tally.right, tally.given), np.int64(0))


def weights(right: Int64, given: Int64) -> Int64:
    """Share of labels that agree, in 2^-14, rounded down; one unit where none does."""
    shares: Int64 = (right << WEIGHT_BITS) // np.maximum(given, 1)
    return np.maximum(shares, 1)


def weighted_majority(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
) -> Consensus:
    """The class with the greatest weight of votes, the lowest among equals; posteriors are shares.

    Arguments as in `dawid_skene`; gold stands in for the plain vote where it is known. `skills` are
    counted against the plain vote's answers. Raises `InputError`.
    """
    table = LabelTable.of(
        items,
        workers,
        labels,
        n_items=n_items,
        n_workers=n_workers,
        n_classes=n_classes,
        gold=gold,
    )
    plain = vote_shares(table, table.votes()).argmax(axis=1)
    counted = PPM * (plain[:, None] == np.arange(n_classes))
    given = np.bincount(table.workers, minlength=n_workers)
    agrees = table.labels == plain[table.items]
    right = np.bincount(table.workers[agrees], minlength=n_workers)
    by_cell = Groups.by(table.items * n_classes + table.labels, n_items * n_classes)
    vote = weights(right, given)[table.workers]
    votes = by_cell.sum(vote[by_cell.order]).reshape(n_items, n_classes)
    return voted(table, vote_shares(table, votes), counted, VoteWeight())
