"""KOS: iterative message passing for binary labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.canonical import Canonical
from oracle.consensus.estimators.frame import Labels
from oracle.errors import InputError


@dataclass
class KOS(Estimator):
    """Tasks and workers pass messages along labels: how positive a task, how reliable a worker.

    D. R. Karger, S. Oh, D. Shah, "Budget-Optimal Task Allocation for Reliable Crowdsourcing
    Systems", Operations Research 62(1), 2014, doi:10.1287/opre.2013.1235. Two classes at most.

    n_iter: rounds. random_state: seed of the first messages, normal with mean and variance 1. They
    belong to what was labeled, so neither names nor the order of rows matter. Messages are scaled
    in each round, which changes no sign and overflows never.

    After fit: `labels_` (the lower label among equals), `scores_` (Series by task: the last
    message, positive for the higher label), `n_iter_`, `converged_` (whether the last round changed
    no answer). The method gives no probabilities, and `fit_predict_proba` says so.
    """

    n_iter: int = 100
    random_state: int = 0

    def fit(self, data: Any) -> Self:
        """Fit to `data`; raises `InputError` where labels have more than two classes."""
        labels = Labels.of(data)
        n_tasks, n_workers, n_classes = labels.shape
        if n_classes > 2:
            raise InputError(f"KOS takes two classes, not {n_classes}: use DawidSkene")
        rows = Canonical.of(labels)
        sign = 2.0 * rows.label - 1.0 if n_classes == 2 else np.zeros(rows.label.size)
        message = np.random.default_rng(self.random_state).normal(1, 1, rows.task.size)
        positive = before = np.zeros(n_tasks, dtype=np.bool_)
        for _ in range(self.n_iter):
            part = sign * message
            to_task = np.bincount(rows.task, part, minlength=n_tasks)
            before, positive = positive, to_task > 0
            part = sign * (to_task[rows.task] - part)
            of_worker = np.bincount(rows.worker, part, minlength=n_workers)[rows.worker] - part
            largest = np.abs(of_worker).max(initial=0)
            if largest == 0:  # no worker's tasks bind them to others: what remains is the vote
                message = np.ones(rows.task.size)
                break
            message = of_worker / largest
        scores = np.bincount(rows.task, sign * message, minlength=n_tasks)
        self.n_iter_ = self.n_iter
        self.converged_ = bool(np.array_equal(before, positive))
        self.scores_ = pd.Series(scores[rows.task_rank], index=labels.tasks, name="score")
        answer = (self.scores_.to_numpy() > 0).astype(np.intp)
        self.labels_ = pd.Series(labels.classes.take(answer), labels.tasks, name="agg_label")
        return self

    def fit_predict_proba(self, data: Any, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """KOS has no probabilities; raises `InputError`."""
        raise InputError("KOS gives no probabilities: use scores_, or another method")
