"""Dawid-Skene truth inference in integers: each worker has a confusion matrix, each class a share.

A. P. Dawid, A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28(1), 1979, doi:10.2307/2346806. Confusion rows and class shares are
Dirichlet posterior means, so one worker, one class or one item is no special case.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus
from oracle.consensus.skills import DEFAULT_PRIOR, SkillPrior


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
    table = LabelTable.of(
        items,
        workers,
        labels,
        n_items=n_items,
        n_workers=n_workers,
        n_classes=n_classes,
        gold=gold,
    )
    return fit(table, prior, iterations=iterations)
