"""Majority vote in the same shape as every other method: each label adds one to its class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import LOG_ONE, shares_ppm
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers, clamp_gold
from oracle.consensus.sums import blocks_of, over_threads, soft_confusion


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

    Arguments as in `dawid_skene`. `log_confusion` is one where label and class agree, so a score is
    a count of votes and leave-one-out needs no case of its own. An item without a label has equal
    shares and the answer -1. Raises `InputError`.
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
    votes = table.votes()
    label_counts = votes.sum(axis=1)
    posterior = clamp_gold(shares_ppm(votes + (label_counts == 0)[:, None]), table.gold)
    one_vote = LOG_ONE * np.eye(n_classes, dtype=np.int64)
    seen = (label_counts > 0) | (table.gold >= 0)
    blocks = blocks_of(table)
    parts = over_threads(lambda block: block.by_cell.sum(posterior[block.items]), blocks)
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        log_confusion=np.broadcast_to(one_vote, (n_workers, n_classes, n_classes)),
        log_prior=np.zeros(n_classes, dtype=np.int64),
        skills=soft_confusion(table, blocks, parts),
        class_counts=posterior[seen].sum(axis=0),
        prior=None,
        n_iter=1,
        converged=True,
    )
