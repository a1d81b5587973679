"""Dawid-Skene truth inference in integers: each worker has a confusion matrix, each class a share.

A. P. Dawid, A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28(1), 1979, doi:10.2307/2346806. Confusion rows and class shares are
Dirichlet posterior means, so one worker, one class or one item is no special case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import Int64, shares_ppm
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers, clamp_gold
from oracle.consensus.skills import DEFAULT_PRIOR, SkillPrior, log_class_prior_of, log_confusion_of
from oracle.consensus.sums import Block, blocks_of, by_cell, over_threads, soft_confusion
from oracle.errors import InputError

ITERATIONS = 30
MAX_ITERATIONS = 1_000


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
    blocks = blocks_of(table)
    votes = table.votes()
    label_counts = votes.sum(axis=1)
    seen = (label_counts > 0) | (table.gold >= 0)

    posterior = clamp_gold(shares_ppm(votes + (label_counts == 0)[:, None]), table.gold)

    def expect(block: Block) -> tuple[Int64, bool]:
        """New posteriors of a block: its soft counts, and whether nothing changed."""
        before = posterior[block.items]
        after = block.posterior(likelihoods, log_prior)
        after = np.ascontiguousarray(clamp_gold(after, table.gold[block.items]))
        same = np.array_equal(before, after)
        posterior[block.items] = after
        return block.by_cell.sum(after), same

    parts = over_threads(lambda block: block.by_cell.sum(posterior[block.items]), blocks)
    converged = False
    n_iter = 0
    while True:
        skills = soft_confusion(table, blocks, parts)
        class_counts = (posterior if seen.all() else posterior[seen]).T.copy().sum(axis=1)
        log_confusion = log_confusion_of(skills, prior)
        log_prior = log_class_prior_of(class_counts)
        if converged or n_iter == iterations:  # so the skills are those of the last posterior
            break
        likelihoods = by_cell(log_confusion)
        results = over_threads(expect, blocks)
        parts = [part for part, _ in results]
        converged = all(same for _, same in results)
        n_iter += 1
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        log_confusion=log_confusion,
        log_prior=log_prior,
        skills=skills,
        class_counts=class_counts,
        prior=prior,
        n_iter=n_iter,
        converged=converged,
    )
