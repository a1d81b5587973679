"""Majority vote in the same shape as every other method: each label adds one to its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.em import checked_record
from oracle.consensus.fixed import LOG_ONE, Int64, shares_ppm
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers, clamp_gold
from oracle.consensus.skills import SkillModel, Tally
from oracle.consensus.sums import blocks_of, counted_skills


@dataclass(frozen=True)
class OneVote:
    """Every label is a vote, whoever gives it."""

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """As in `SkillModel`."""
        return np.broadcast_to(LOG_ONE * tally.same.astype(np.int64), tally.said.shape)


def majority_vote(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
) -> Consensus:
    """The class with most labels, the lowest among equals; posteriors are the shares of the vote.

    Arguments as in `dawid_skene`. An item without a label has equal shares and the answer -1.
    Raises `InputError`.
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
    posterior = vote_shares(table, table.votes())
    return voted(table, posterior, posterior, OneVote())


def vote_shares(table: LabelTable, votes: Int64) -> Int64:
    """Votes (n_items, n_classes), weighted or not, as posteriors in ppm; gold clamped."""
    none = votes.sum(axis=1) == 0
    return clamp_gold(shares_ppm(votes + none[:, None]), table.gold)


def voted(table: LabelTable, posterior: Int64, counted: Int64, model: SkillModel) -> Consensus:
    """The result of a vote; skills are counted against `counted`, int64 (n_items, n_classes)."""
    label_counts = np.bincount(table.items, minlength=table.n_items)
    seen = (label_counts > 0) | (table.gold >= 0)
    blocks = blocks_of(table)
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        counted_ppm=counted,
        skills=counted_skills(table, blocks, counted),
        record=checked_record(None, table.n_workers),
        class_counts=posterior[seen].sum(axis=0),
        class_weight_ppm=0,
        model=model,
        n_iter=1,
        converged=True,
    )
