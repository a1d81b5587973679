"""Dawid-Skene truth inference in integers: each worker has a confusion matrix, each class a share.

A. P. Dawid, A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28(1), 1979, doi:10.2307/2346806. Confusion rows and class shares are
Dirichlet posterior means, so one worker, one class or one item is no special case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64, log_fixed, shares_ppm, softmax_ppm
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers, clamp_gold, item_scores, soft_confusion
from oracle.errors import InputError

ITERATIONS = 30
MAX_ITERATIONS = 1_000


@dataclass(frozen=True)
class SkillPrior:
    """What is believed of a worker before any label: a Dirichlet on each row of the confusion.

    accuracy_ppm: prior share of right answers; the rest is spread evenly over the other classes.
    weight_ppm: how many labels per row the prior weighs, in ppm of a label.
    """

    accuracy_ppm: int = 700_000
    weight_ppm: int = PPM

    def counts(self, n_classes: int) -> Int64:
        """Pseudo-counts (n_classes, n_classes) in ppm of a label, each at least 1."""
        if not 0 < self.accuracy_ppm < PPM or not 0 < self.weight_ppm <= 1_000 * PPM:
            raise InputError("a prior needs an accuracy between 0 and 1 and a weight up to 1000")
        right = self.weight_ppm * self.accuracy_ppm // PPM
        wrong = max(1, (self.weight_ppm - right) // (n_classes - 1))
        counts = np.full((n_classes, n_classes), wrong, dtype=np.int64)
        np.fill_diagonal(counts, max(1, right))
        return counts


DEFAULT_PRIOR = SkillPrior()


def log_confusion_of(skills: Int64, prior: SkillPrior) -> Int64:
    """Log of the posterior-mean confusion matrices, Q24.

    `skills`: soft counts int64 (n_workers, n_classes, n_classes) in ppm of a label. The posterior
    mean is the exact integral over the unknown confusion row: a label enters its item's likelihood
    linearly, and a worker labels an item once.
    """
    counts = skills + prior.counts(skills.shape[-1])
    return log_fixed(counts) - log_fixed(counts.sum(axis=-1, keepdims=True))


def log_class_prior_of(class_counts: Int64) -> Int64:
    """Log of the posterior-mean class shares, Q24, one pseudo-item per class.

    `class_counts`: int64 (n_classes,) in ppm of an item.
    """
    counts = class_counts + PPM
    return log_fixed(counts) - log_fixed(counts.sum())


def dawid_skene(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    prior: SkillPrior = DEFAULT_PRIOR,
) -> Consensus:
    """Integer expectation-maximisation from the shares of the vote.

    `items`, `workers`, `labels`: integers (L,); `gold`: integers (n_items,), -1 where unknown,
    clamped where known. Runs `iterations` times, or until an iteration changes no posterior, after
    which no further one can. Row order, worker names and the machine make no difference. Raises
    `InputError`.
    """
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise InputError(f"iterations must be from 1 to {MAX_ITERATIONS}")
    table = LabelTable.of(
        items,
        workers,
        labels,
        n_items=n_items,
        n_workers=n_workers,
        n_classes=n_classes,
        gold=gold,
    )
    by_item, by_cell = table.by_item(), table.by_worker_label()
    label_counts = by_item.counts()
    seen = (label_counts > 0) | (table.gold >= 0)

    votes = table.votes()
    posterior = clamp_gold(shares_ppm(votes + (label_counts == 0)[:, None]), table.gold)
    converged = False
    n_iter = 0
    while not converged and n_iter < iterations:
        skills = soft_confusion(posterior, table, by_cell)
        class_counts = posterior[seen].sum(axis=0)
        log_confusion = log_confusion_of(skills, prior)
        log_prior = log_class_prior_of(class_counts)
        scores = item_scores(table, by_item, log_confusion, log_prior)
        updated = clamp_gold(softmax_ppm(scores), table.gold)
        converged = bool(np.array_equal(updated, posterior))
        posterior = updated
        n_iter += 1
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        log_confusion=log_confusion,
        log_prior=log_prior,
        skills=skills,
        class_counts=class_counts,
        n_iter=n_iter,
        converged=converged,
    )
