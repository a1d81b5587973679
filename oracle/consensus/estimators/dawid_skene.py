"""Dawid-Skene and its one-coin form, by expectation-maximisation from the shares of the vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.frame import Float, Labels
from oracle.consensus.estimators.sums import Block, LabelSums, Pairs
from oracle.consensus.sums import over_threads
from oracle.errors import InputError

SMALLEST = 1e-10  # probabilities are clipped to this before a logarithm


@dataclass
class DawidSkene(Estimator):
    """Each worker has a confusion matrix, each class a share.

    A. P. Dawid, A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
    Algorithm", Applied Statistics 28(1), 1979, doi:10.2307/2346806. As crowd-kit has it: error
    rates are estimated, clipped and normalised over the (worker, label) pairs that occur; a
    repeated row counts each time; the loss adds the log prior once per label.

    n_iter: at most so many iterations. tol: stop when the loss rises by less.
    initial_error_strategy: None, "assign" (take `initial_error` as the first error rates) or
    "addition" (add its counts).

    After fit: `probas_`; `priors_` (Series by class); `errors_` (DataFrame by worker and label, a
    column for each true class: how often the worker gives the label there); `loss_history_` (the
    evidence lower bound per label, after each iteration); `labels_`, `n_iter_`, `converged_`.
    """

    n_iter: int = 100
    tol: float = 1e-5
    initial_error_strategy: str | None = None

    def fit(
        self, data: Any, true_labels: Any = None, initial_error: pd.DataFrame | None = None
    ) -> Self:
        """Fit to `data`; `true_labels` (Series by task) are clamped where known.

        `initial_error`: DataFrame indexed by worker and label, a column for each class, used as
        `initial_error_strategy` says. Raises `InputError`.
        """
        extra = () if true_labels is None else pd.unique(pd.Series(true_labels))
        labels = Labels.of(data, extra)
        sums = LabelSums.of(labels)
        gold = labels.gold(true_labels)
        n_tasks, _, n_classes = labels.shape
        probas = np.empty((n_tasks, n_classes))

        one_vote = np.eye(n_classes)[sums.pairs.label]
        start = partial(_shares, probas=probas, gold=gold, votes=one_vote)
        total = _run(sums, n_classes, start)
        priors = total.classes / max(n_tasks, 1)
        errors = self._errors(total.counts, sums.pairs)
        if initial_error is not None and self.initial_error_strategy is not None:
            errors = self._with_initial(total.counts, initial_error, labels, sums.pairs)
        loss = -np.inf
        self.loss_history_: list[float] = []
        self.converged_ = False
        log_errors, log_priors = np.log(errors), np.log(np.maximum(priors, SMALLEST))
        for _ in range(self.n_iter if n_tasks else 0):
            expect = partial(
                _posterior, probas=probas, gold=gold, log_errors=log_errors, log_priors=log_priors
            )
            total = _run(sums, n_classes, expect)
            entropy = total.evidence - _inner(total.counts, log_errors) - total.classes @ log_priors
            priors = total.classes / n_tasks
            errors = self._errors(total.counts, sums.pairs)
            log_errors, log_priors = np.log(errors), np.log(np.maximum(priors, SMALLEST))
            joint = _inner(total.counts, log_errors) + total.counts.sum(axis=0) @ log_priors
            before, loss = loss, float(joint + entropy) / labels.task.size
            self.loss_history_.append(loss)
            if loss - before < self.tol:
                self.converged_ = True
                break
        self.n_iter_ = len(self.loss_history_)
        self.probas_ = labels.per_task(probas)
        self.labels_ = labels.most_probable(probas)
        self.priors_ = pd.Series(priors, index=labels.classes, name="prior")
        self.errors_ = _errors_frame(errors, labels, sums.pairs)
        self._save_skills(total.counts, labels, sums.pairs)
        return self

    def _errors(self, counts: Float, pairs: Pairs) -> Float:
        """Error rates (P, classes) from soft counts (P, classes)."""
        clipped = np.maximum(counts, SMALLEST)
        return clipped / pairs.worker_sums(clipped)[pairs.worker] if len(counts) else clipped

    def _with_initial(
        self, counts: Float, initial: pd.DataFrame, labels: Labels, pairs: Pairs
    ) -> Float:
        """The first error rates, with a history given by the caller."""
        if list(initial.index.names) != ["worker", "label"]:
            raise InputError("initial_error must be indexed by worker and label")
        missing = labels.classes.difference(initial.columns)
        if len(missing):
            raise InputError(f"initial_error has no column for {missing[0]!r}: add all classes")
        own = _errors_frame(counts, labels, pairs)
        initial = initial[labels.classes]
        if self.initial_error_strategy == "assign":
            unknown = own.index.difference(initial.index)
            if len(unknown):
                raise InputError(f"initial_error has no row for {unknown[0]!r}: add all pairs")
            history = initial
        elif self.initial_error_strategy == "addition":
            history = own.add(initial, fill_value=0.0)
        else:
            raise InputError("initial_error_strategy must be None, 'assign' or 'addition'")
        history = history.clip(lower=SMALLEST)
        history = history / history.groupby(level="worker", sort=False).transform("sum")
        rates: Float = history.reindex(own.index).to_numpy(dtype=np.float64)
        return rates

    def _save_skills(self, counts: Float, labels: Labels, pairs: Pairs) -> None:
        """Only the one-coin model has skills."""


@dataclass
class OneCoinDawidSkene(DawidSkene):
    """Each worker has one skill: the chance of a right answer, errors spread evenly.

    Y. Zhang, X. Chen, D. Zhou, M. I. Jordan, "Spectral Methods Meet EM", JMLR 17, 2016,
    doi:10.48550/arXiv.1406.3824. As `DawidSkene`, and `skills_` (Series by worker).
    """

    def _errors(self, counts: Float, pairs: Pairs) -> Float:
        if not len(counts):
            return counts
        n_classes = counts.shape[1]
        skills = _skills(counts, pairs)[pairs.worker]
        wrong = (1 - skills) / max(n_classes - 1, 1)
        errors = np.repeat(wrong[:, None], n_classes, axis=1)
        errors[np.arange(len(errors)), pairs.label] = skills
        return np.clip(errors, SMALLEST, 1 - SMALLEST)

    def _save_skills(self, counts: Float, labels: Labels, pairs: Pairs) -> None:
        self.skills_ = labels.per_worker(_skills(counts, pairs), "skill")


@dataclass
class _Sums:
    """What an iteration adds up: soft counts (P, classes), class sums (classes,), log evidence."""

    counts: Float
    classes: Float
    evidence: float = 0.0


def _run(sums: LabelSums, n_classes: int, expect: Callable[[Block], _Sums]) -> _Sums:
    """Posteriors of every block, written where `expect` says, and their sums."""
    total = _Sums(np.zeros((sums.pairs.count.size, n_classes)), np.zeros(n_classes))
    for part in over_threads(expect, sums.blocks):
        total.counts += part.counts
        total.classes += part.classes
        total.evidence += part.evidence
    return total


def _shares(block: Block, probas: Float, gold: NDArray[np.int64], votes: Float) -> _Sums:
    """The shares of the vote as posteriors."""
    return _saved(block.label_sums(votes), block, probas, gold)


def _posterior(
    block: Block, probas: Float, gold: NDArray[np.int64], log_errors: Float, log_priors: Float
) -> _Sums:
    """The posteriors given error rates and priors."""
    scores = block.label_sums(log_errors)
    scores += log_priors[:, None]
    greatest = scores.max(axis=0)
    scores -= greatest
    answer = gold[block.tasks]
    known = np.flatnonzero(answer >= 0)
    of_known = scores[answer[known], known]
    np.exp(scores, out=scores)
    evidence = np.log(scores.sum(axis=0))
    evidence[known] = of_known
    sums = _saved(scores, block, probas, gold)
    sums.evidence = float(evidence.sum() + greatest.sum())
    return sums


def _saved(weights: Float, block: Block, probas: Float, gold: NDArray[np.int64]) -> _Sums:
    """Clamp `weights` (classes, tasks of the block) to gold; save their shares, and add them up."""
    answer = gold[block.tasks]
    known = np.flatnonzero(answer >= 0)
    weights[:, known] = 0
    weights[answer[known], known] = 1
    scale = 1 / weights.sum(axis=0)
    shares = probas[block.tasks]
    for klass, row in enumerate(weights):
        np.multiply(row, scale, out=shares[:, klass])
    return _Sums(block.transposed @ shares, np.einsum("kt,t->k", weights, scale))


def _inner(left: Float, right: Float) -> float:
    """Sum of products, without BLAS: its threads would go on spinning beside ours."""
    return float(np.einsum("pk,pk->", left, right))


def _skills(counts: Float, pairs: Pairs) -> Float:
    if not len(counts):
        return np.zeros(0)
    right = counts[np.arange(len(counts)), pairs.label]
    return pairs.worker_sums(right) / pairs.worker_sums(pairs.count)


def _errors_frame(errors: Float, labels: Labels, pairs: Pairs) -> pd.DataFrame:
    index = pd.MultiIndex(
        levels=[labels.workers, labels.classes],
        codes=[pairs.worker, pairs.label],
        names=["worker", "label"],
        verify_integrity=False,
    )
    return pd.DataFrame(errors, index=index, columns=labels.classes)
