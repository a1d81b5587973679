"""Dawid-Skene with a hierarchy of priors, for workers who give few labels.

A worker's confusion rows are drawn around the worker's accuracy, which is drawn around the crowd's:
partial pooling, as in B. Paun et al., "Comparing Bayesian Models of Annotation", TACL 6, 2018,
doi:10.1162/tacl_a_00040. Each level is a posterior mean given the one above it, so all is counting.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit
from oracle.consensus.fixed import Int64
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus
from oracle.consensus.skills import DEFAULT_HIERARCHY, Hierarchical


def bayesian_dawid_skene(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    prior: Hierarchical = DEFAULT_HIERARCHY,
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
