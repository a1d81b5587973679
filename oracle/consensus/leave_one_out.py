"""The consensus of the others: what an item's answer is without the label that is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64, log_fixed
from oracle.consensus.labels import Groups, LabelTable
from oracle.consensus.result import Consensus, class_scores
from oracle.consensus.skills import SkillPrior


def leave_one_out(
    consensus: Consensus,
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    gold: NDArray[Any] | None = None,
) -> tuple[Int64, Int64]:
    """For each label: the answer of its item without it, and how many other labels the item has.

    `consensus` comes from any method on the same labels. Returns `(reference, others)`, int64 (L,)
    each, in the order given. The reference is the class of the greatest log score without the
    label's own part, the lowest class among equals; where `gold` is known, it is the gold answer.
    With no other label it says nothing but the class prior: ask `others` first.

    Where a method learns skills, those that weigh an item's labels come from all other items: the
    item's own part is taken out of every count. Otherwise a label would raise the weight of whoever
    agrees with it, and so vouch for itself. What remains is its part in the posteriors of other
    items, by way of its worker's skill, which is of second order. Raises `InputError`.
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
    by_item = table.by_item()
    item = table.items[by_item.order]
    best = np.full(item.size, np.iinfo(np.int64).min, dtype=np.int64)
    winner = np.zeros(item.size, dtype=np.int64)
    if consensus.prior is None:
        scores = class_scores(table, by_item, consensus.log_confusion, consensus.log_prior)
    else:
        scores = _held_out_scores(consensus, consensus.prior, table, by_item)
    for klass, (parts, score) in enumerate(scores):
        without = np.take(score, item) - parts
        better = without > best  # strictly, so that equals stay with the lowest class
        best = np.where(better, without, best)
        winner = np.where(better, klass, winner)
    known = np.take(table.gold, item)
    reference = np.empty_like(winner)
    reference[by_item.order] = np.where(known >= 0, known, winner)
    others = np.take(by_item.counts(), table.items) - 1
    return reference, others


def _held_out_scores(
    consensus: Consensus, prior: SkillPrior, table: LabelTable, by_item: Groups
) -> Iterator[tuple[Int64, Int64]]:
    """As `class_scores`, each item weighed by skills and class shares of all other items."""
    item, worker, label = (
        column[by_item.order] for column in (table.items, table.workers, table.labels)
    )
    cell = worker * table.n_classes + label
    pseudo_counts = prior.counts(table.n_classes)
    for klass in range(table.n_classes):
        own = np.take(consensus.posterior_ppm[:, klass], item)
        skills = consensus.skills[:, klass, :]
        said = np.take(skills.reshape(-1), cell) - own + pseudo_counts[klass, label]
        asked = np.take(skills.sum(axis=1), worker) - own + pseudo_counts[klass].sum()
        parts = log_fixed(said) - log_fixed(asked)
        # The denominator of the class shares is the same for every class and decides nothing.
        of_class = consensus.class_counts[klass] + PPM - consensus.posterior_ppm[:, klass]
        yield parts, by_item.sum(parts) + log_fixed(np.maximum(of_class, 1))
