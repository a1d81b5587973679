"""The integer methods that decide money, on a DataFrame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from oracle.consensus.dawid_skene import dawid_skene
from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.frame import Labels, ascending
from oracle.consensus.fixed import PPM
from oracle.consensus.methods import METHODS
from oracle.consensus.result import Consensus
from oracle.errors import InputError


@dataclass
class ExactEstimator(Estimator):
    """A method of `oracle.consensus` by names: the same integers, whatever the machine.

    After fit: `posterior_ppm_` (DataFrame of int64, rows sum to 1,000,000), `probas_` (the same as
    floats), `labels_`, `n_iter_`, `converged_`.
    """

    def fit(self, data: Any, true_labels: Any = None) -> Self:
        """Fit to `data`; `true_labels` (Series by task) are clamped. Raises `InputError`."""
        extra = () if true_labels is None else pd.unique(pd.Series(true_labels))
        labels = Labels.of(data, extra)
        n_tasks, n_workers, n_classes = labels.shape
        # `auto` parts tasks by number: by name, then, and not by order of appearance.
        task: Any = labels.task
        order: Any = slice(None)
        number: Any = slice(None)
        if not labels.tasks.is_monotonic_increasing:
            order = ascending(labels.tasks)
            number = np.argsort(order)
            task = number[task]
        result = self._infer(
            task,
            labels.worker,
            labels.label,
            n_items=n_tasks,
            n_workers=n_workers,
            n_classes=max(n_classes, 2),  # one class is two of which one never occurs
            gold=labels.gold(true_labels)[order],
        )
        ppm = result.posterior_ppm[number, :n_classes]
        if n_classes == 1:
            ppm = np.full_like(ppm, PPM)
        self.posterior_ppm_ = pd.DataFrame(ppm, labels.tasks, labels.classes)
        self.probas_ = self.posterior_ppm_ / PPM
        self.labels_ = pd.Series(
            labels.classes.take(np.maximum(result.answer[number], 0)), labels.tasks
        )
        self.labels_.name = "agg_label"
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        return self

    def _infer(self, *columns: Any, **sizes: Any) -> Consensus:
        raise NotImplementedError


@dataclass
class Exact(ExactEstimator):
    """Any exact method, by its name in a manifest; `auto` needs no choosing."""

    method: str = "auto"

    def _infer(self, *columns: Any, **sizes: Any) -> Consensus:
        if self.method not in METHODS:
            raise InputError(f"no method {self.method!r}: choose one of {', '.join(METHODS)}")
        return METHODS[self.method](*columns, **sizes)


@dataclass
class ExactDawidSkene(ExactEstimator):
    """`oracle.consensus.dawid_skene` by names, for who would take `DawidSkene`.

    n_iter: at most so many iterations; it stops when one changes no posterior. tol: taken so that
    it can stand in for `DawidSkene`; nothing depends on it. cluster: address of a Dask scheduler
    whose workers compute; without one this process does. The result is the same.
    """

    n_iter: int = 30
    tol: float = 0.0
    cluster: str | None = None

    def _infer(self, *columns: Any, **sizes: Any) -> Consensus:
        return dawid_skene(*columns, **sizes, iterations=self.n_iter, cluster=self.cluster)
