"""What every method returns, and the log score that consensus, leave-one-out and closing share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oracle.consensus.fixed import PPM, Int64
from oracle.consensus.labels import Groups, LabelTable
from oracle.consensus.skills import SkillPrior


@dataclass(frozen=True)
class Consensus:
    """The inferred answers and the skills they rest on, all int64.

    posterior_ppm: (n_items, n_classes), rows sum to exactly 1,000,000.
    answer: (n_items,) class of the greatest posterior, the lowest class among equals; -1 for an
        item with neither label nor gold.
    log_confusion: (n_workers, n_classes, n_classes), Q24: entry [w, t, l] is what a label l by
        worker w adds to the score of class t.
    log_prior: (n_classes,), Q24: the score of each class before any label.
    skills: (n_workers, n_classes, n_classes) soft counts in ppm of a label: [w, t, l] is how often
        w said l where the answer is t. Stored, they are the skills of the next epoch.
    class_counts: (n_classes,) soft number of items per class in ppm of an item.
    prior: what the skills were smoothed with; None where a method learns no skills.
    n_iter: iterations run; converged: whether the last one changed nothing.
    """

    posterior_ppm: Int64
    answer: Int64
    log_confusion: Int64
    log_prior: Int64
    skills: Int64
    class_counts: Int64
    prior: SkillPrior | None
    n_iter: int
    converged: bool


def class_scores(
    table: LabelTable, by_item: Groups, log_confusion: Int64, log_prior: Int64
) -> Iterator[tuple[Int64, Int64]]:
    """For each class in turn: every label's part in the score of its item, and the items' scores.

    Yields `(parts, scores)`, int64 (L,) in the order of `by_item` and int64 (n_items,), Q24. One
    class at a time keeps memory at a few columns whatever the number of classes.
    """
    cell = (table.workers * table.n_classes + table.labels)[by_item.order]
    for klass in range(table.n_classes):
        parts = np.take(log_confusion[:, klass, :].reshape(-1), cell)
        yield parts, by_item.sum(parts) + log_prior[klass]


def clamp_gold(posterior_ppm: Int64, gold: Int64) -> Int64:
    """The posterior with certainty on the gold answer where gold is known."""
    known = np.flatnonzero(gold >= 0)
    posterior_ppm[known] = 0
    posterior_ppm[known, gold[known]] = PPM
    return posterior_ppm


def answers(posterior_ppm: Int64, label_counts: Int64, gold: Int64) -> Int64:
    """Class of the greatest posterior, lowest among equals; -1 where nothing is known."""
    best = posterior_ppm.argmax(axis=1).astype(np.int64)
    return np.where((label_counts > 0) | (gold >= 0), best, np.int64(-1))
