"""Dawid-Skene truth inference in integers: each worker has a confusion matrix, each class a share.

A. P. Dawid, A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Applied Statistics 28(1), 1979, doi:10.2307/2346806. Confusion rows and class shares are
Dirichlet posterior means, so one worker, one class or one item is no special case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit_blocks
from oracle.consensus.labels import (
    Columns,
    check_n_labels,
    check_sizes,
    checked_gold,
    in_chunks,
    items_and_cells,
)
from oracle.consensus.result import Consensus
from oracle.consensus.skills import DEFAULT_PRIOR, SkillPrior
from oracle.consensus.sums import grouped


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
    cluster: str | None = None,
) -> Consensus:
    """Integer expectation-maximisation from the shares of the vote.

    `items`, `workers`, `labels`: integers (L,), in memory or mapped from a file; `gold`: integers
    (n_items,), -1 where unknown, clamped where known. Runs `iterations` times, or until an
    iteration changes no posterior, after which no further one can. `cluster`: address of a Dask
    scheduler whose workers compute; by default this process does, over its cores. Row order, worker
    names and machines make no difference. Raises `InputError`.
    """
    return dawid_skene_in_chunks(
        in_chunks(items, workers, labels),
        n_items=n_items,
        n_workers=n_workers,
        n_classes=n_classes,
        gold=gold,
        iterations=iterations,
        prior=prior,
        cluster=cluster,
    )


def dawid_skene_in_chunks(
    chunks: Iterable[Columns],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    prior: SkillPrior = DEFAULT_PRIOR,
    cluster: str | None = None,
) -> Consensus:
    """`dawid_skene` of more labels than one would hold as columns: 10^8 in 8 GB.

    `chunks`: columns items, workers, labels, some rows at a time, read once. An item's rows may be
    in any chunks. How rows are cut makes no difference. Raises `InputError`.
    """
    check_sizes(n_items, n_workers, n_classes)
    rows, n_labels = [], 0
    for chunk in chunks:
        rows.append(items_and_cells(*chunk, n_items, n_workers, n_classes))
        n_labels += rows[-1][0].size
        check_n_labels(n_labels)
    known = checked_gold(gold, n_items, n_classes)
    return fit_blocks(
        grouped(rows, known, n_workers * n_classes, n_classes),
        prior,
        shape=(n_items, n_workers, n_classes),
        iterations=iterations,
        cluster=cluster,
    )
