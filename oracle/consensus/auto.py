"""The method that needs no choosing: a stack of models of skill.

Which model of skill suits a crowd depends on how many labels its workers give, and on whether they
confuse classes or just err. How well labels are foretold that were held out settles it: it chooses
the weights of the models in the average. No truth is asked, and nothing is left to set.
docs/CONSENSUS.md has what was measured.

Stacking: Y. Yao, A. Vehtari, D. Simpson, A. Gelman, "Using Stacking to Average Bayesian Predictive
Distributions", Bayesian Analysis 13(3), 2018, doi:10.1214/17-BA1091.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.em import ITERATIONS, fit
from oracle.consensus.fixed import PPM, Int64, shares_ppm
from oracle.consensus.held_out import label_chances
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers
from oracle.consensus.skills import (
    DEFAULT_ACCURACY,
    DEFAULT_HIERARCHY,
    DEFAULT_PRIOR,
    SkillModel,
)
from oracle.consensus.sums import Block, blocks_of, counted_skills

MODELS: tuple[SkillModel, ...] = (DEFAULT_ACCURACY, DEFAULT_PRIOR, DEFAULT_HIERARCHY)
CLASS_WEIGHT_PPM = 4 * PPM
FOLDS = 4
STACKING_ITERATIONS = 60
PART_BITS = 12  # a label's parts in the weights: 10^8 labels of them stay below 2^42
_GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)  # of 2^64: multiples spread evenly, without a period


def auto(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
    iterations: int = ITERATIONS,
    record: Int64 | None = None,
) -> Consensus:
    """Fit one accuracy per worker, confusion rows, and rows around accuracies; weigh and average.

    Arguments as in `one_coin`. Items are parted by their numbers, so other numbers may give other
    weights; row order and worker names make no difference. Raises `InputError`.
    """
    table = LabelTable.of(
        items,
        workers,
        labels,
        n_items=n_items,
        n_workers=n_workers,
        n_classes=n_classes,
        gold=gold,
    )
    blocks = blocks_of(table)
    learn = partial(fit, iterations=iterations, record=record, class_weight_ppm=CLASS_WEIGHT_PPM)
    members = [learn(table, model=model, blocks=blocks) for model in MODELS]
    weights = stack([_unseen_chances(table, member, learn) for member in members])
    return _average(table, blocks, members, weights)


def _unseen_chances(table: LabelTable, member: Consensus, learn: Callable[..., Consensus]) -> Int64:
    """Chance of each label, int64 (L,) in Q30, by skills learned from other folds of the items.

    Skills fitted to an item's own labels, even at second hand, foretell them too well; the more so,
    the freer the model.
    """
    fold = (np.arange(table.n_items, dtype=np.uint64) * _GOLDEN_RATIO) >> np.uint64(62)
    chances = np.empty(table.items.size, dtype=np.int64)
    for number in range(FOLDS):
        inside = fold == number
        held = inside[table.items]
        result = learn(
            _rows(table, ~held, np.where(inside, -1, table.gold)),
            model=member.model,
        )
        nothing = np.zeros_like(result.posterior_ppm)  # of the items held out is in any count
        unseen = replace(result, posterior_ppm=nothing, counted_ppm=nothing)
        chances[held] = label_chances(unseen, _rows(table, held, table.gold))
    return chances


def _rows(table: LabelTable, chosen: NDArray[np.bool_], gold: Int64) -> LabelTable:
    columns = (column[chosen] for column in (table.items, table.workers, table.labels))
    items, workers, labels = columns
    return replace(table, items=items, workers=workers, labels=labels, gold=gold)


def stack(chances: list[Int64]) -> Int64:
    """Weights in ppm, summing to 1,000,000, under whose mixture labels are foretold best.

    `chances`: for each model int64 (L,) in Q30, at least 1. Expectation-maximisation from equal
    weights, a fixed number of iterations; parts of a label are rounded to the nearest 2^-12.
    """
    weights: Int64 = shares_ppm(np.ones((1, len(chances)), dtype=np.int64))[0]
    if not chances[0].size:
        return weights
    for _ in range(STACKING_ITERATIONS):
        parts = [weight * chance for weight, chance in zip(weights, chances, strict=True)]
        mixture = np.sum(parts, axis=0)
        half = mixture >> 1
        sums = [int((((part << PART_BITS) + half) // mixture).sum()) for part in parts]
        weights = shares_ppm(np.array([sums]))[0]
    return weights


def _average(
    table: LabelTable, blocks: list[Block], members: list[Consensus], weights: Int64
) -> Consensus:
    """The weighted mean of the members' posteriors, and the skills counted against it."""
    weighted = [w * member.posterior_ppm for w, member in zip(weights, members, strict=True)]
    posterior = shares_ppm(np.sum(weighted, axis=0))
    label_counts = np.bincount(table.items, minlength=table.n_items)
    seen = (label_counts > 0) | (table.gold >= 0)
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        counted_ppm=posterior,
        skills=counted_skills(table, blocks, posterior),
        record=members[0].record,
        class_counts=posterior[seen].sum(axis=0),
        class_weight_ppm=CLASS_WEIGHT_PPM,
        model=None,
        n_iter=max(member.n_iter for member in members),
        converged=all(member.converged for member in members),
        members=tuple(members),
        weights_ppm=tuple(weights.tolist()),
    )
