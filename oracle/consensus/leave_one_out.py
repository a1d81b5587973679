"""The consensus of the others: what an item's answer is without the label that is judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import Int64, softmax_ppm
from oracle.consensus.held_out import held_out
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus


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
    each, in the order given. The reference is the class of the greatest score, as `held_out` has
    it, or where a method averages several results, of the greatest weighted sum of their posteriors
    in ppm; the lowest class among equals. Where `gold` is known, it is the gold answer. With no
    other label it says nothing but the class prior: ask `others` first. Raises `InputError`.
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
    reference = np.zeros(table.items.size, dtype=np.int64)
    others = np.zeros(table.items.size, dtype=np.int64)
    members = consensus.members or (consensus,)
    for chunks in zip(*(held_out(member, table) for member in members), strict=True):
        belief = chunks[0].without
        if consensus.members:
            beliefs = zip(consensus.weights_ppm, chunks, strict=True)
            belief = np.sum([w * softmax_ppm(chunk.without) for w, chunk in beliefs], axis=0)
        reference[chunks[0].rows] = belief.argmax(axis=1)
        others[chunks[0].rows] = chunks[0].others
    known = table.gold[table.items]
    return np.where(known >= 0, known, reference), others
