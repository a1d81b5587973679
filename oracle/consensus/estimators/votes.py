"""Votes and weighted votes: MajorityVote, GoldMajorityVote, Wawa, ZeroBasedSkill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.frame import Codes, Float, Labels, best
from oracle.consensus.estimators.sums import counting_sort
from oracle.errors import InputError

MANY = 32  # labels of one task and class


class Votes:
    """Labels by task and class, to be summed, and by worker, to be judged."""

    def __init__(self, labels: Labels) -> None:
        n_tasks, n_workers, n_classes = labels.shape
        cell = labels.task.astype(np.int64) * n_classes + labels.label
        starts, worker = counting_sort(cell, labels.worker, n_tasks * n_classes)
        shape = (n_tasks * n_classes, n_workers)
        self.shape = n_tasks, n_classes
        self.matrix = csr_array((np.ones(worker.size), worker, starts), shape=shape)
        first = _first_in_group(worker, starts).astype(np.float64)
        self.once = csr_array((first, worker, starts), shape=shape)  # a repeated row counts once

    def tally(self, weights: Float | None = None) -> Float:
        """Votes, or sums of workers' weights (workers,), by task and class."""
        if weights is None:
            sums = np.diff(self.matrix.indptr).astype(np.float64)
        else:
            sums = self.matrix @ weights
        return sums.reshape(self.shape)

    def accuracy(self, answers: Any) -> Float:
        """Share of each worker's labels that equal the answers' codes (tasks,), -1 unknown.

        A repeated row counts once; NaN where a worker has no label on a task that has an answer.
        """
        right = answers[:, None] == np.arange(self.shape[1])
        counted = np.repeat(answers >= 0, self.shape[1])
        matches = self.once.T @ right.reshape(-1).astype(np.float64)
        asked = self.once.T @ counted.astype(np.float64)
        return np.divide(matches, asked, out=np.full(asked.size, np.nan), where=asked > 0)


def _first_in_group(values: Codes, starts: Codes) -> NDArray[np.bool_]:
    """Whether a value is the first of its kind in its group, bool (L,); groups are contiguous."""
    sizes = np.diff(starts)
    group = np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)
    largest = int(sizes.max(initial=0))
    if largest > MANY:
        repeated: NDArray[np.bool_] = (
            pd.DataFrame({"g": group, "v": values}).duplicated().to_numpy()
        )
        return ~repeated
    first = np.ones(values.size, dtype=np.bool_)
    for lag in range(1, largest):
        first[lag:] &= (values[lag:] != values[:-lag]) | (group[lag:] != group[:-lag])
    return first


@dataclass
class MajorityVote(Estimator):
    """The label with most votes, or with the greatest sum of weights; the lowest among equals.

    on_missing_skill: what to do with labels of workers without a given weight: "error", "ignore"
    (drop them) or "value" (use `default_skill`). After fit: `probas_` are the shares of the vote,
    `skills_` (Series by worker) the share of a worker's labels that equal the answer.
    """

    on_missing_skill: str = "error"
    default_skill: float | None = None

    def fit(self, data: Any, skills: Any = None) -> Self:
        """Fit to `data`, weighing workers by `skills` (Series by worker); raises `InputError`."""
        labels = Labels.of(data)
        weights = None
        if skills is not None:
            weights = pd.Series(skills).reindex(labels.workers).to_numpy(dtype=np.float64)
            labels, weights = self._known_only(labels, weights)
        votes = Votes(labels)
        tally = votes.tally(weights)
        self.probas_ = labels.per_task(tally / tally.sum(axis=1, keepdims=True))
        self.labels_ = labels.most_probable(tally)
        self.skills_ = labels.per_worker(votes.accuracy(best(tally)), "skill").dropna()
        self.n_iter_, self.converged_ = 1, True
        return self

    def _known_only(self, labels: Labels, weights: Float) -> tuple[Labels, Float]:
        missing = np.isnan(weights)
        if self.on_missing_skill not in ("error", "ignore", "value"):
            raise InputError("on_missing_skill must be 'error', 'ignore' or 'value'")
        if (self.on_missing_skill == "value") != (self.default_skill is not None):
            raise InputError("default_skill goes with on_missing_skill='value', and only with it")
        if self.default_skill is not None:
            return labels, np.where(missing, self.default_skill, weights)
        if not missing.any():
            return labels, weights
        if self.on_missing_skill == "error":
            raise InputError(
                f"{int(missing.sum())} workers have no skill: give it, or set on_missing_skill"
            )
        rows = ~missing[labels.worker]
        kept = Labels(
            labels.task[rows],
            labels.worker[rows],
            labels.label[rows],
            labels.tasks,
            labels.workers,
            labels.classes,
        )
        without = len(labels.tasks) - np.unique(kept.task).size
        if without:
            raise InputError(f"{without} tasks have no worker with a skill: give one for each")
        return kept, np.where(missing, 0.0, weights)


@dataclass
class _SkillVote(Estimator):
    """Methods that learn one weight per worker by `fit`, and vote with it in `predict`."""

    def predict(self, data: Any) -> pd.Series:
        """Answers (Series by task) by a vote weighed with `skills_`; raises `InputError`."""
        vote = MajorityVote().fit(data, self._fitted("skills_"))
        self.labels_, self.probas_ = vote.labels_, vote.probas_
        return self.labels_

    def predict_proba(self, data: Any) -> pd.DataFrame:
        """Weighted shares of the vote (DataFrame by task and class); raises `InputError`."""
        self.predict(data)
        return self.probas_

    def _save(self, labels: Labels, weights: Float, tally: Float) -> None:
        """Results on the labels that the weights were learned from."""
        self.skills_ = labels.per_worker(weights, "skill")
        self.probas_ = labels.per_task(tally / tally.sum(axis=1, keepdims=True))
        self.labels_ = labels.most_probable(tally)


@dataclass
class GoldMajorityVote(_SkillVote):
    """A vote weighed by each worker's share of right answers on tasks with a known answer."""

    def fit(self, data: Any, true_labels: Any = None) -> Self:
        """Learn `skills_` from `true_labels` (Series by task); raises `InputError`.

        A worker without a label on such a task has no skill, and `predict` refuses them.
        """
        self._learn(data, true_labels)
        return self

    def fit_predict(self, data: Any, true_labels: Any = None) -> pd.Series:
        """`fit` and `predict` on the same labels; raises `InputError`."""
        labels, votes, skills = self._learn(data, true_labels)
        if np.isnan(skills).any():
            return self.predict(data)  # which says who has none
        self._save(labels, skills, votes.tally(skills))
        return self.labels_

    def fit_predict_proba(self, data: Any, true_labels: Any = None) -> pd.DataFrame:
        """`fit` and `predict_proba` on the same labels; raises `InputError`."""
        self.fit_predict(data, true_labels)
        return self.probas_

    def _learn(self, data: Any, true_labels: Any) -> tuple[Labels, Votes, Float]:
        if true_labels is None:
            raise InputError("GoldMajorityVote needs true_labels: a Series of answers by task")
        labels = Labels.of(data)
        votes = Votes(labels)
        skills = votes.accuracy(labels.gold(true_labels))
        self.skills_ = labels.per_worker(skills, "skill").dropna()
        self.n_iter_, self.converged_ = 1, True
        return labels, votes, skills


@dataclass
class Wawa(_SkillVote):
    """Worker agreement with aggregate: a vote weighed by agreement with the plain vote."""

    def fit(self, data: Any) -> Self:
        """Learn `skills_`, the share of a worker's labels that equal the plain vote's answer."""
        labels = Labels.of(data)
        votes = Votes(labels)
        skills = votes.accuracy(best(votes.tally()))
        self._save(labels, skills, votes.tally(skills))
        self.n_iter_, self.converged_ = 1, True
        return self


@dataclass
class ZeroBasedSkill(_SkillVote):
    """A vote weighed by skills that follow, step by step, the agreement with that same vote.

    n_iter: steps. lr_init: the first step's length, 1 being all the way; every `lr_steps_to_reduce`
    steps it is multiplied by `lr_reduce_factor`. eps: how far skills start above chance. After fit:
    `converged_` says whether the last step changed no skill by more than `eps`.
    """

    n_iter: int = 100
    lr_init: float = 1.0
    lr_steps_to_reduce: int = 20
    lr_reduce_factor: float = 0.5
    eps: float = 1e-5

    def fit(self, data: Any) -> Self:
        """Learn `skills_` (Series by worker) from labels alone."""
        labels = Labels.of(data)
        votes = Votes(labels)
        _, n_workers, n_classes = labels.shape
        skills = np.full(n_workers, 1 / max(n_classes, 1) + self.eps)
        rate, moved = self.lr_init, np.inf
        answer = np.full(len(labels.tasks), -1)
        agreement = skills
        self.n_iter_ = 0
        while self.n_iter_ < self.n_iter and moved > 0:  # at 0 nothing can change any more
            self.n_iter_ += 1
            if self.n_iter_ % self.lr_steps_to_reduce == 0:
                rate *= self.lr_reduce_factor
            before, answer = answer, best(votes.tally(skills))
            if not np.array_equal(before, answer):
                agreement = votes.accuracy(answer)
            change = rate * (agreement - skills)
            skills = skills + change
            moved = float(np.abs(change).max(initial=0.0))
        self.converged_ = moved <= self.eps
        self._save(labels, skills, votes.tally(skills))
        return self
