"""M-MSR: skills from agreement between workers, robust against adversaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.canonical import Canonical
from oracle.consensus.estimators.frame import Float, Labels
from oracle.consensus.estimators.votes import Votes


@dataclass
class MMSR(Estimator):
    """Matrix mean-subsequence-reduced: completes the rank-one matrix of workers' agreement.

    Q. Ma, A. Olshevsky, "Adversarial Crowdsourcing Through Robust Rank-One Matrix Completion",
    NeurIPS 2020, arXiv:2010.12181. In each step every worker's value is the mean of what the others
    imply, without the F greatest and F smallest.

    n_iter: at most so many steps; tol: stop when the matrix moves by less (Frobenius norm).
    random_state: seed of the start, which belongs to what a worker has labeled, not to names.

    After fit: `skills_` (Series by worker: log odds, the weight of a vote); `scores_` (DataFrame by
    task and class: sums of weights); `probas_` (what these log odds say of each class, classes even
    at first); `labels_`, `loss_history_`, `n_iter_`, `converged_`. Memory grows with workers².
    """

    n_iter: int = 10_000
    tol: float = 1e-10
    random_state: int | None = 0

    def fit(self, data: Any) -> Self:
        """Fit to `data`; raises `InputError`."""
        labels = Labels.of(data)
        n_tasks, _, n_classes = labels.shape
        rows = Canonical.of(labels)
        agreement, together = _agreement(rows, labels)
        others = n_classes - 1 if n_classes > 1 else 1
        covariance = (agreement * n_classes - 1) / others
        covariance[~together] = -1 / others
        values = self._complete(np.abs(covariance), together)
        values = values * _signs(np.where(together, covariance, 0))
        margin = 1 / np.sqrt(max(n_tasks, 1))
        values = np.clip(values, -1 / others + margin, 1 - margin)
        right = np.clip((values * others + 1) / max(n_classes, 1), 1e-10, 1 - 1e-10)
        skills = np.log(right * others / (1 - right))[rows.worker_rank]
        self.skills_ = labels.per_worker(skills, "skill")
        scores = Votes(labels).tally(skills)
        posterior = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        self.scores_ = labels.per_task(scores)
        self.probas_ = labels.per_task(posterior / posterior.sum(axis=1, keepdims=True))
        self.labels_ = labels.most_probable(scores)
        return self

    def predict(self, data: Any) -> pd.Series:
        """Answers for `data` (Series by task), voting with `skills_` of an earlier `fit`."""
        labels = Labels.of(data)
        weights = self._fitted("skills_").reindex(labels.workers).fillna(0.0)
        self.scores_ = labels.per_task(Votes(labels).tally(weights.to_numpy()))
        self.labels_ = labels.most_probable(self.scores_.to_numpy())
        return self.labels_

    def predict_score(self, data: Any) -> pd.DataFrame:
        """Sums of weights for `data`, by task and class."""
        self.predict(data)
        return self.scores_

    def fit_predict_score(self, data: Any) -> pd.DataFrame:
        """`fit`, and the sums of weights by task and class."""
        return self.fit(data).scores_

    def _complete(self, matrix: Float, together: NDArray[np.bool_]) -> Float:
        """Absolute values (workers,) whose outer product is close to `matrix` where observed."""
        n_workers = len(matrix)
        least = int(together.sum(axis=1).min(initial=n_workers))
        trim = max(least // 2 - 1, 0)
        u = np.random.default_rng(self.random_state).uniform(size=n_workers)
        v = u.copy()
        self.loss_history_: list[float] = []
        self.converged_ = False
        while len(self.loss_history_) < self.n_iter and not self.converged_:
            v_next = _trimmed_means(matrix, together, u, v, trim)
            u_next = _trimmed_means(matrix, together, v_next, u, trim)
            # |u'v'ᵀ - uvᵀ|² without the matrices
            squares = (u_next @ u_next) * (v_next @ v_next) + (u @ u) * (v @ v)
            loss = float(np.sqrt(max(float(squares - 2 * (u_next @ u) * (v_next @ v)), 0.0)))
            u, v = u_next, v_next
            self.loss_history_.append(loss)
            self.converged_ = loss < self.tol
        self.n_iter_ = len(self.loss_history_)
        norms = np.linalg.norm(u), np.linalg.norm(v)
        return u * np.sqrt(norms[1] / norms[0]) if min(norms) > 0 else u


def _agreement(rows: Canonical, labels: Labels) -> tuple[Float, NDArray[np.bool_]]:
    """Share of common tasks on which two workers agree, and who has common tasks: (workers²)."""
    n_tasks, n_workers, n_classes = labels.shape
    key = np.unique(rows.worker.astype(np.int64) * n_tasks + rows.task, return_index=True)[1]
    worker, task, label = rows.worker[key], rows.task[key], rows.label[key]
    ones = np.ones(key.size)
    did = csr_array((ones, (worker, task)), shape=(n_workers, n_tasks))
    said = csr_array((ones, (worker, task * n_classes + label)), (n_workers, n_tasks * n_classes))
    common = (did @ did.T).toarray()
    same = (said @ said.T).toarray()
    np.fill_diagonal(common, 0)
    together = common > 0
    return np.divide(same, common, out=np.zeros_like(same), where=together), together


def _trimmed_means(
    matrix: Float, together: NDArray[np.bool_], given: Float, own: Float, trim: int
) -> Float:
    """New values of one side, (workers,): the mean of `matrix` / `given`, its ends trimmed.

    Up to `trim` of the entries below the worker's `own` value go, and as many above.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        implied = np.where(together & (given > 0), matrix / given, np.nan)
    below = np.minimum((implied < own[:, None]).sum(axis=1), trim)
    above = np.minimum((implied > own[:, None]).sum(axis=1), trim)
    implied.sort(axis=1)  # NaN last
    count = np.isfinite(implied).sum(axis=1)
    place = np.arange(implied.shape[1])
    kept = (place >= below[:, None]) & (place < (count - above)[:, None])
    number = kept.sum(axis=1)
    sums = np.where(kept, implied, 0).sum(axis=1)
    return np.where(number > 0, sums / np.maximum(number, 1), own)


def _signs(covariance: Float) -> Float:
    """+1 for workers who mostly agree with others, -1 for those who mostly disagree: (workers,)."""
    return np.where(covariance.sum(axis=1) < 0, -1.0, 1.0)
