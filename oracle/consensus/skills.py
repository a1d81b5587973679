"""Workers' skills: soft confusion counts, the prior that smooths them, and their logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.consensus.fixed import PPM, Int64, log_fixed
from oracle.errors import InputError


@dataclass(frozen=True)
class SkillPrior:
    """What is believed of a worker before any label: a Dirichlet on each row of the confusion.

    accuracy_ppm: prior share of right answers; the rest is spread evenly over the other classes.
    weight_ppm: how many labels per row the prior weighs, in ppm of a label.
    """

    accuracy_ppm: int = 700_000
    weight_ppm: int = PPM

    def counts(self, n_classes: int) -> Int64:
        """Pseudo-counts (n_classes, n_classes) in ppm of a label, each at least 1."""
        if not 0 < self.accuracy_ppm < PPM or not 0 < self.weight_ppm <= 1_000 * PPM:
            raise InputError("a prior needs an accuracy between 0 and 1 and a weight up to 1000")
        right = self.weight_ppm * self.accuracy_ppm // PPM
        wrong = max(1, (self.weight_ppm - right) // (n_classes - 1))
        counts = np.full((n_classes, n_classes), wrong, dtype=np.int64)
        np.fill_diagonal(counts, max(1, right))
        return counts


DEFAULT_PRIOR = SkillPrior()


def log_confusion_of(skills: Int64, prior: SkillPrior) -> Int64:
    """Log of the posterior-mean confusion matrices, Q24.

    `skills`: soft counts int64 (n_workers, n_classes, n_classes) in ppm of a label. The posterior
    mean is the exact integral over the unknown confusion row: a label enters its item's likelihood
    linearly, and a worker labels an item once.
    """
    counts = skills + prior.counts(skills.shape[-1])
    return log_fixed(counts) - log_fixed(counts.sum(axis=-1, keepdims=True))


def log_class_prior_of(class_counts: Int64) -> Int64:
    """Log of the posterior-mean class shares, Q24, one pseudo-item per class.

    `class_counts`: int64 (n_classes,) in ppm of an item.
    """
    counts = class_counts + PPM
    return log_fixed(counts) - log_fixed(counts.sum())
