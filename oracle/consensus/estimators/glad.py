"""GLAD: workers have an ability, tasks a difficulty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.frame import Float, Labels
from oracle.errors import InputError

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


@dataclass
class GLAD(Estimator):
    """A label is right with probability σ(α · exp(β)), else any other class, evenly.

    α is the worker's ability, exp(β) the ease of the task, each with a normal prior of variance 1.
    J. Whitehill, P. Ruvolo, T. Wu, J. Bergsma, J. Movellan, "Whose Vote Should Count More: Optimal
    Integration of Labels from Labelers of Unknown Expertise", NIPS 2009. Expectation-maximisation;
    the M-step is by conjugate gradients, as crowd-kit has it.

    n_iter: at most so many iterations; tol: stop when the loss rises by less. labels_priors,
    alphas_priors_mean, betas_priors_mean: Series by class, worker and task (even; 1; 1).
    m_step_max_iter, m_step_tol: bounds of the conjugate gradients. silent: taken for crowd-kit's
    sake; nothing is ever printed.

    After fit: `alphas_` (Series by worker), `betas_` (Series by task), `probas_`, `labels_`,
    `loss_history_` (expected log likelihood and prior per label and class), `n_iter_`,
    `converged_`.
    """

    n_iter: int = 100
    tol: float = 1e-5
    silent: bool = True
    labels_priors: pd.Series | None = None
    alphas_priors_mean: pd.Series | None = None
    betas_priors_mean: pd.Series | None = None
    m_step_max_iter: int = 25
    m_step_tol: float = 1e-2

    def fit(self, data: Any) -> Self:
        """Fit to `data`; raises `InputError`."""
        extra = () if self.labels_priors is None else self.labels_priors.index
        labels = Labels.of(data, extra)
        n_tasks, n_workers, n_classes = labels.shape
        priors = _by_name("labels_priors", self.labels_priors, labels.classes, 1 / n_classes)
        model = _Model(
            labels,
            _by_name("alphas_priors_mean", self.alphas_priors_mean, labels.workers, 1.0),
            _by_name("betas_priors_mean", self.betas_priors_mean, labels.tasks, 1.0),
        )
        # It starts at 1 whatever the prior.
        point = np.ones(n_workers + n_tasks)
        probas = model.posterior(point, priors)
        loss = -model.loss(point, model.agreement(probas))[0]  # not per label, as in crowd-kit
        self.loss_history_: list[float] = []
        self.converged_ = False
        while len(self.loss_history_) < self.n_iter and not self.converged_:
            probas = model.posterior(point, priors)
            agreement = model.agreement(probas)
            point = minimize(
                model.loss,
                point,
                args=(agreement,),
                jac=True,
                method="CG",
                tol=self.m_step_tol,
                options={"maxiter": self.m_step_max_iter},
            ).x
            before = loss
            loss = -model.loss(point, agreement)[0] / (labels.task.size * n_classes)
            self.loss_history_.append(loss)
            self.converged_ = bool(loss - before < self.tol)
        self.n_iter_ = len(self.loss_history_)
        self.alphas_ = labels.per_worker(point[:n_workers], "alpha")
        self.betas_ = pd.Series(point[n_workers:], index=labels.tasks, name="beta")
        self.priors_ = pd.Series(priors, index=labels.classes, name="prior")
        self.probas_ = labels.per_task(probas)
        self.labels_ = labels.most_probable(probas)
        return self


class _Model:
    """The likelihood on one table of labels; a point is α (workers,) and β (tasks,) in a row."""

    def __init__(self, labels: Labels, alpha_mean: Float, beta_mean: Float) -> None:
        self.n_tasks, self.n_workers, self.n_classes = labels.shape
        # Grouped by task, sums over tasks run along memory.
        order = np.argsort(labels.task, kind="stable")
        self.task, self.worker = labels.task[order], labels.worker[order]
        self.cell = self.task.astype(np.int64) * self.n_classes + labels.label[order]
        self.starts = np.searchsorted(self.task, np.arange(self.n_tasks))
        self.mean = np.concatenate([alpha_mean, beta_mean])
        self.log_others = np.log(max(self.n_classes - 1, 1))

    def posterior(self, point: Float, priors: Float) -> Float:
        """Posterior of each class (tasks, classes)."""
        x = point[self.worker] * np.exp(point[self.n_workers :])[self.task]
        # log σ(x) for the class of the label, log (1 - σ(x)) - log (K - 1) for every other: the
        # latter is common to all classes of the task, so only the difference is summed.
        votes = np.bincount(self.cell, x + self.log_others, minlength=self.n_tasks * self.n_classes)
        scores = votes.reshape(self.n_tasks, self.n_classes) + np.log(priors)
        posterior = np.exp(scores - scores.max(axis=1, keepdims=True))
        normalised: Float = posterior / posterior.sum(axis=1, keepdims=True)
        return normalised

    def agreement(self, probas: Float) -> Float:
        """Probability that each label is right (L,)."""
        return probas.reshape(-1)[self.cell]

    def loss(self, point: Float, agreement: Float) -> tuple[float, Float]:
        """Minus the expected log likelihood and prior, and its gradient."""
        alpha = point[self.worker]
        ease = np.exp(point[self.n_workers :])[self.task]
        x = alpha * ease
        small = np.exp(-np.abs(x))
        log_sigma = np.minimum(x, 0) - np.log1p(small)
        likelihood = log_sigma.sum() - (1 - agreement) @ (x + self.log_others)
        deviation = point - self.mean
        log_prior = -0.5 * deviation @ deviation - HALF_LOG_2PI * point.size
        slope = agreement - np.where(x > 0, 1, small) / (1 + small)  # agreement - σ(x)
        gradient = np.concatenate(
            [
                np.bincount(self.worker, slope * ease, minlength=self.n_workers),
                np.add.reduceat(slope * x, self.starts),
            ]
        )
        return -float(likelihood + log_prior), deviation - gradient


def _by_name(what: str, values: pd.Series | None, names: pd.Index, default: float) -> Float:
    if values is None:
        return np.full(len(names), default)
    found: Float = values.reindex(names).to_numpy(dtype=np.float64)
    if np.isnan(found).any():
        raise InputError(f"{what} lacks {names[np.isnan(found)][0]!r}: give a value for each")
    return found
