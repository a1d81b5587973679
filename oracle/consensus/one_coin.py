"""One-coin Dawid-Skene in integers: each worker has one accuracy, errors spread evenly.

Y. Zhang, X. Chen, D. Zhou, M. I. Jordan, "Spectral Methods Meet EM", JMLR 17, 2016,
doi:10.48550/arXiv.1406.3824. Accuracies are Beta posterior means around the crowd's own accuracy.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit
from oracle.consensus.fixed import Int64
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus
from oracle.consensus.skills import DEFAULT_ACCURACY, OneCoin


def one_coin(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    prior: OneCoin = DEFAULT_ACCURACY,
    record: Int64 | None = None,
) -> Consensus:
    """Integer expectation-maximisation from the shares of the vote.

    Arguments as in `dawid_skene`. `record`: integers (n_workers, 2), right answers and labels that
    a worker's reputation brings along, in ppm of a label, at most 1,000 labels. Raises
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
    return fit(table, prior, iterations=iterations, record=record)
