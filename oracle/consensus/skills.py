"""Workers' skills: soft confusion counts, what is believed before any label, and log rates.

A rate is how often a worker says l where the answer is t. Every model of skill estimates rates by a
posterior mean, which is the exact integral over what is unknown: a label enters its item's
likelihood linearly, and a worker labels an item once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64, log_fixed
from oracle.errors import InputError

MAX_WEIGHT_PPM = 1_000 * PPM


@dataclass(frozen=True)
class Tally:
    """What workers did, in ppm of a label; arrays that broadcast to [..., t, l] or [..., t].

    said: how often the worker said l where the answer is t; asked: anything, where it is t; right:
    the answer, whatever it is; given: labels in all. same: whether t is l.
    """

    said: Int64
    asked: Int64
    right: Int64
    given: Int64
    same: NDArray[np.bool_]
    n_classes: int

    @classmethod
    def of(cls, skills: Int64, record: Int64 | None = None) -> Tally:
        """From soft counts (n_workers, n_classes, n_classes) [w, t, l], cell by cell.

        `record`: right answers and labels of other campaigns (n_workers, 2), in ppm of a label.
        """
        asked = skills.sum(axis=-1, keepdims=True)
        right = np.trace(skills, axis1=1, axis2=2)[:, None, None]
        given = asked.sum(axis=1, keepdims=True)
        if record is not None:
            right = right + record[:, :1, None]
            given = given + record[:, 1:, None]
        n_classes = skills.shape[-1]
        return cls(skills, asked, right, given, np.eye(n_classes, dtype=bool), n_classes)


class SkillModel(Protocol):
    """How counts become what a label l adds to the score of class t."""

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """For each cell of `tally` the log of its rate, Q24; or, where a method votes, its vote.

        `crowd_ppm`: accuracy of the crowd.
        """


@dataclass(frozen=True)
class SkillPrior:
    """Dawid-Skene's confusion rows, each under a Dirichlet that is the same for everybody.

    accuracy_ppm: prior share of right answers; the rest is spread evenly over the other classes.
    weight_ppm: how many labels per row the prior weighs, in ppm of a label.
    """

    accuracy_ppm: int = 700_000
    weight_ppm: int = PPM

    def counts(self, n_classes: int) -> Int64:
        """Pseudo-counts (n_classes, n_classes) in ppm of a label, each at least 1."""
        right, wrong = self._pseudo(n_classes)
        counts = np.full((n_classes, n_classes), wrong, dtype=np.int64)
        np.fill_diagonal(counts, right)
        return counts

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """As in `SkillModel`; the crowd's accuracy is not asked."""
        right, wrong = self._pseudo(tally.n_classes)
        row = right + (tally.n_classes - 1) * wrong
        said = tally.said + np.where(tally.same, right, wrong)
        return log_fixed(said) - log_fixed(tally.asked + row)

    def _pseudo(self, n_classes: int) -> tuple[int, int]:
        _check_weight(self.weight_ppm)
        if not 0 < self.accuracy_ppm < PPM:
            raise InputError("a prior needs an accuracy between 0 and 1")
        right = self.weight_ppm * self.accuracy_ppm // PPM
        return max(1, right), max(1, (self.weight_ppm - right) // (n_classes - 1))


@dataclass(frozen=True)
class OneCoin:
    """One accuracy per worker under a Beta around the crowd's accuracy; errors spread evenly.

    weight_ppm: how many labels the crowd's accuracy weighs, in ppm of a label.
    """

    weight_ppm: int = 4 * PPM

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """As in `SkillModel`."""
        right, given = self._shrunk(tally, crowd_ppm)
        wrong = log_fixed(np.maximum(given - right, 1)) - log_fixed(np.array(tally.n_classes - 1))
        rates: Int64 = np.where(tally.same, log_fixed(np.maximum(right, 1)), wrong)
        return rates - log_fixed(given)

    def accuracy_ppm(self, tally: Tally, crowd_ppm: int) -> Int64:
        """Posterior mean of the accuracy, ppm, rounded down."""
        right, given = self._shrunk(tally, crowd_ppm)
        # Four bits less where a worker has over eight million labels: the product stays below 2^63.
        shift = np.where(given >> 43 > 0, 4, 0)
        accuracy: Int64 = (right >> shift) * PPM // (given >> shift)
        return accuracy

    def _shrunk(self, tally: Tally, crowd_ppm: int) -> tuple[Int64, Int64]:
        _check_weight(self.weight_ppm)
        return tally.right + self.weight_ppm * crowd_ppm // PPM, tally.given + self.weight_ppm


DEFAULT_ACCURACY = OneCoin()


@dataclass(frozen=True)
class Hierarchical:
    """Confusion rows under a Dirichlet whose mean is the worker's own accuracy.

    That in turn is under a Beta around the crowd's: with few labels a worker is like the crowd,
    with more has an accuracy, with many a confusion matrix. weight_ppm: how many labels per row the
    accuracy weighs, in ppm of a label; accuracy: the model of the accuracy.
    """

    weight_ppm: int = 16 * PPM
    accuracy: OneCoin = DEFAULT_ACCURACY

    def label_scores(self, tally: Tally, crowd_ppm: int) -> Int64:
        """As in `SkillModel`."""
        _check_weight(self.weight_ppm)
        accuracy = self.accuracy.accuracy_ppm(tally, crowd_ppm)
        right = self.weight_ppm * accuracy // PPM
        wrong = (self.weight_ppm - right) // (tally.n_classes - 1)
        right, wrong = np.maximum(right, 1), np.maximum(wrong, 1)
        said = tally.said + np.where(tally.same, right, wrong)
        return log_fixed(said) - log_fixed(tally.asked + right + (tally.n_classes - 1) * wrong)


DEFAULT_PRIOR = SkillPrior()
DEFAULT_HIERARCHY = Hierarchical()


def log_confusion_of(skills: Int64, model: SkillModel) -> Int64:
    """Log of the confusion matrices, Q24, shape as `skills`.

    `skills`: soft counts int64 (n_workers, n_classes, n_classes) in ppm of a label.
    """
    return model.label_scores(Tally.of(skills), crowd_accuracy_ppm(skills))


def crowd_accuracy_ppm(skills: Int64) -> int:
    """Share of right answers among all labels, ppm, with one more label of which .7 is right."""
    right = int(np.trace(skills, axis1=1, axis2=2).sum()) + DEFAULT_PRIOR.accuracy_ppm
    return right * PPM // (int(skills.sum()) + PPM)


def log_class_prior_of(class_counts: Int64, weight_ppm: int = PPM) -> Int64:
    """Log of the posterior-mean class shares, Q24, with `weight_ppm` pseudo-items per class.

    `class_counts`: int64 (n_classes,) in ppm of an item.
    """
    counts = class_counts + weight_ppm
    return log_fixed(counts) - log_fixed(counts.sum())


def _check_weight(weight_ppm: int) -> None:
    if not 0 < weight_ppm <= MAX_WEIGHT_PPM:
        raise InputError("a prior needs a weight above 0, up to 1000 labels")
