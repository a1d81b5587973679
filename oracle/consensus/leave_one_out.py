"""The consensus of the others: what an item's answer is without the label that is judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import Int64
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, class_scores


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

    The skills of the others stay those of the full fit, in which the judged label had its part: by
    agreeing with a worker it raised that worker's weight a little. The effect falls with the number
    of labels per worker, and is measured in `docs/CONSENSUS.md`. Raises `InputError`.
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
    scores = class_scores(table, by_item, consensus.log_confusion, consensus.log_prior)
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
