"""What every method returns, and the rules that all share: gold, answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.consensus.fixed import PPM, Int64, Integers
from oracle.consensus.skills import SkillModel


@dataclass(frozen=True)
class Consensus:
    """The inferred answers and the skills they rest on; arrays are int64.

    posterior_ppm: (n_items, n_classes), rows sum to exactly 1,000,000.
    answer: (n_items,) class of the greatest posterior, the lowest class among equals; -1 for an
        item with neither label nor gold.
    counted_ppm: the posterior that `skills` were counted against: the same one, but for weighted
        majority, whose weights come from the plain vote.
    skills: (n_workers, n_classes, n_classes) soft counts in ppm of a label: [w, t, l] is how often
        w said l where the answer is t. Stored, they are the skills of the next epoch.
    record: (n_workers, 2) right answers and labels of earlier campaigns, in ppm of a label.
    class_counts: (n_classes,) soft number of items per class in ppm of an item.
    class_weight_ppm: pseudo-items per class in the shares of the classes; 0 where a method votes,
        and has no shares.
    model: how counts become rates.
    n_iter: iterations run; converged: whether the last one changed nothing.
    members, weights_ppm: where a method averages several results, those, and what each weighs; then
        `model` is None.
    """

    posterior_ppm: Int64
    answer: Int64
    counted_ppm: Int64
    skills: Int64
    record: Int64
    class_counts: Int64
    class_weight_ppm: int
    model: SkillModel | None
    n_iter: int
    converged: bool
    members: tuple[Consensus, ...] = ()
    weights_ppm: tuple[int, ...] = ()


def clamp_gold(posterior_ppm: Integers, gold: Int64) -> Integers:
    """The posterior with certainty on the gold answer where gold is known."""
    known = np.flatnonzero(gold >= 0)
    posterior_ppm[known] = 0
    posterior_ppm[known, gold[known]] = PPM
    return posterior_ppm


def answers(posterior_ppm: Int64, label_counts: Int64, gold: Int64) -> Int64:
    """Class of the greatest posterior, lowest among equals; -1 where nothing is known."""
    best = posterior_ppm.argmax(axis=1).astype(np.int64)
    return np.where((label_counts > 0) | (gold >= 0), best, np.int64(-1))
