"""MACE: a worker either knows, and tells the truth, or spams by a habit of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import digamma

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.canonical import Canonical
from oracle.consensus.estimators.frame import Float, Labels
from oracle.errors import InputError

STRATEGY_PRIOR = 10.0


@dataclass
class MACE(Estimator):
    """Multi-annotator competence estimation, best of several random starts.

    D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, "Learning Whom to Trust with MACE",
    NAACL-HLT 2013, aclanthology.org/N13-1132.

    n_restarts: random starts, run side by side; that of the greatest marginal likelihood is kept.
    n_iter: iterations of each. method: "vb" (variational Bayes, with a Beta(alpha, beta) prior on
    spamming and a Dirichlet prior of 10 on habits) or "em". smoothing: taken for crowd-kit's sake,
    which replaces it by 0.01 / classes too. default_noise: spread of the starts. random_state:
    seed. verbose: taken for crowd-kit's sake; nothing is ever printed.

    A start belongs to what a worker has labeled, so neither names nor the order of rows matter.
    crowd-kit's results differ: its parameter rows follow names in order of appearance while its
    counts come sorted by name, its restarts share one seed, and products of more than a few labels
    vanish in its likelihood.

    After fit: `probas_`, `labels_`; `spamming_` (DataFrame by worker: probabilities of spamming and
    of knowing); `thetas_` (DataFrame by worker and class: habits of spamming); `skills_` (Series by
    worker: the probability of knowing); `log_likelihoods_` (array, one per start); `n_iter_`;
    `converged_`: whether the last iteration moved no probability of the kept start by 0.001.
    """

    n_restarts: int = 10
    n_iter: int = 50
    method: str = "vb"
    smoothing: float = 0.1
    default_noise: float = 0.5
    alpha: float = 0.5
    beta: float = 0.5
    random_state: int = 0
    verbose: int = 0

    def fit(self, data: Any) -> Self:
        """Fit to `data`; raises `InputError`."""
        if self.method not in ("vb", "em"):
            raise InputError("method must be 'vb' or 'em'")
        if self.n_restarts < 1:
            raise InputError("n_restarts must be at least 1")
        labels = Labels.of(data)
        rows = Canonical.of(labels)
        n_tasks, n_workers, n_classes = labels.shape
        starts = self.n_restarts
        # Entry (task, class; worker, class) counts labels: a label speaks for one class only.
        votes = csr_array(
            (
                np.ones(rows.task.size),
                (rows.task * n_classes + rows.label, rows.worker * n_classes + rows.label),
            ),
            shape=(n_tasks * n_classes, n_workers * n_classes),
        )
        labels_of_cell = votes.sum(axis=0).reshape(n_workers, n_classes, 1)
        spamming, habits = self._random_starts(n_workers, n_classes)
        posterior = np.full((n_tasks, n_classes, starts), 1 / max(n_classes, 1))
        for step in range(self.n_iter + 1):
            before = posterior
            # A worker's own class gains log(1 + knowing / (spamming · habit)) over all others.
            chance = spamming[:, :1] * habits
            gain = np.log1p(spamming[:, 1:] / chance)
            scores = votes @ gain.reshape(n_workers * n_classes, starts)
            scores = scores.reshape(n_tasks, n_classes, starts)
            top = scores.max(axis=1, keepdims=True, initial=0.0)
            posterior = np.exp(scores - top)
            total = posterior.sum(axis=1, keepdims=True)
            posterior /= total
            if step == self.n_iter:
                break
            right = votes.T @ posterior.reshape(n_tasks * n_classes, starts)
            right = right.reshape(n_workers, n_classes, starts)
            knew = right * spamming[:, 1:] / (chance + spamming[:, 1:])
            spammed = labels_of_cell - knew
            knowing = np.stack([spammed.sum(axis=1), knew.sum(axis=1)], axis=1)
            spamming = self._rates(knowing, [[self.alpha], [self.beta]], n_classes)
            habits = self._rates(spammed, STRATEGY_PRIOR, n_classes)

        self.log_likelihoods_ = (
            (np.log(total) + top).sum(axis=(0, 1))
            + (labels_of_cell * np.log(chance)).sum(axis=(0, 1))
            - n_tasks * np.log(max(n_classes, 1))
        )
        kept = int(np.argmax(self.log_likelihoods_))
        self.n_iter_ = self.n_iter
        moved = np.abs(posterior[..., kept] - before[..., kept]).max(initial=0)
        self.converged_ = bool(moved < 1e-3)
        probas = np.ascontiguousarray(posterior[rows.task_rank, :, kept])
        self.probas_ = labels.per_task(probas)
        self.labels_ = labels.most_probable(probas)
        self.spamming_ = pd.DataFrame(
            spamming[rows.worker_rank, :, kept], labels.workers, ["spamming", "knowing"]
        )
        self.thetas_ = pd.DataFrame(
            habits[rows.worker_rank, :, kept], labels.workers, labels.classes
        )
        self.skills_ = labels.per_worker(spamming[rows.worker_rank, 1, kept], "skill")
        return self

    def _random_starts(self, n_workers: int, n_classes: int) -> tuple[Float, Float]:
        """First parameters: (workers, 2, starts) and (workers, classes, starts)."""
        random = np.random.default_rng(self.random_state)
        spamming = random.uniform(1, 2 + self.default_noise, (self.n_restarts, n_workers, 2))
        habits = random.uniform(1, 2 + self.default_noise, (self.n_restarts, n_workers, n_classes))
        spamming /= spamming.sum(axis=2, keepdims=True)
        habits /= habits.sum(axis=2, keepdims=True)
        return np.moveaxis(spamming, 0, 2), np.moveaxis(habits, 0, 2)

    def _rates(self, counts: Float, prior: Any, n_classes: int) -> Any:
        """Rates from counts along axis 1."""
        if self.method == "em":
            counts = counts + 0.01 / n_classes
            return counts / counts.sum(axis=1, keepdims=True)
        counts = counts + np.asarray(prior)
        return np.exp(digamma(counts) - digamma(counts.sum(axis=1, keepdims=True)))
