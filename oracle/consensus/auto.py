"""The method that needs no choosing: an average over models of skill, with correlated labels.

Which model of skill suits a crowd depends on how many labels its workers give, and on whether they
confuse classes or just err; that labels of one item repeat one another (what is hard is hard for
everybody) makes every one of them too sure. So an item's posterior is the mean over a ladder of
models, from confusion matrices to one accuracy per worker, all counting against that mean; and the
correlation is that under which labels are best foretold by the other labels of their item. No truth
is asked, and nothing is left to set. docs/CONSENSUS.md has what was measured.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit
from oracle.consensus.fixed import PPM, Int64
from oracle.consensus.held_out import log_likelihood
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus
from oracle.consensus.skills import Hierarchical, OneCoin
from oracle.consensus.sums import blocks_of

LADDER = (Hierarchical(4 * PPM), Hierarchical(16 * PPM), OneCoin())
CLASS_WEIGHT_PPM = 4 * PPM
CORRELATIONS_PERMILLE = (0, 20, 50, 100, 200, 400)


def auto(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    record: Int64 | None = None,
) -> Consensus:
    """Fit the ladder under rising correlations, until labels are foretold no better.

    Arguments as in `one_coin`. Among equal likelihoods the lower correlation counts. Raises
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
    blocks = blocks_of(table)
    best, likelihood = None, 0
    for correlation in CORRELATIONS_PERMILLE:
        result = fit(
            table,
            LADDER,
            iterations=iterations,
            record=record,
            class_weight_ppm=CLASS_WEIGHT_PPM,
            correlation_permille=correlation,
            blocks=blocks,
        )
        foretold = log_likelihood(result, table)
        if best is not None and foretold <= likelihood:
            break
        best, likelihood = result, foretold
    assert best is not None  # the ladder has a first rung
    return best
