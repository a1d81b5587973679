"""Each label held out: what the rest of the table says of its item, and of the label.

An item is weighed by skills and class shares of all other items: its own part is taken out of every
count. Otherwise a label would raise the weight of whoever agrees with it, and so vouch for itself.
What remains is its part in the posteriors of other items, by way of its worker's skill, which is of
second order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oracle.consensus.fixed import (
    PPM,
    Int64,
    exp_fixed,
    log_fixed,
    softmax_ppm,
)
from oracle.consensus.labels import LabelTable, stable_order
from oracle.consensus.result import Consensus, clamp_gold
from oracle.consensus.skills import Tally, crowd_accuracy_ppm

CHUNK_NUMBERS = 1 << 17  # labels × classes held at a time


@dataclass(frozen=True)
class HeldOut:
    """Some labels, held out one at a time.

    rows: (n,) their numbers in the table. without: (n, n_classes) score of each class of the item
    from its other labels. own: (n, n_classes) what the label itself would add. others: (n,) labels
    that the item has beside it.
    """

    rows: Int64
    without: Int64
    own: Int64
    others: Int64


def held_out(consensus: Consensus, table: LabelTable) -> Iterator[HeldOut]:
    """All labels of `table`, in chunks of whole items; `consensus` of one model."""
    order = stable_order(table.items, table.n_items)
    counts = np.bincount(table.items, minlength=table.n_items)
    ends = np.cumsum(counts)
    of_worker = Tally.of(consensus.skills, consensus.record)
    first, done = 0, 0
    while done < order.size:
        most = done + max(1, CHUNK_NUMBERS // table.n_classes)
        last = max(first + 1, int(np.searchsorted(ends, most, side="right")))
        yield _chunk(consensus, table, order[done : ends[last - 1]], of_worker, counts)
        first, done = last, int(ends[last - 1])


def _chunk(
    consensus: Consensus, table: LabelTable, rows: Int64, of_worker: Tally, counts: Int64
) -> HeldOut:
    """`rows` of the table, those of one item together."""
    assert consensus.model is not None
    item, worker, label = table.items[rows], table.workers[rows], table.labels[rows]
    counted = consensus.counted_ppm[item]
    tally = Tally(
        said=consensus.skills[worker, :, label] - counted,
        asked=of_worker.asked[worker, :, 0] - counted,
        right=of_worker.right[worker, :, 0] - np.take_along_axis(counted, label[:, None], axis=1),
        given=of_worker.given[worker, :, 0] - counted.sum(axis=1, keepdims=True),
        same=label[:, None] == np.arange(table.n_classes),
        n_classes=table.n_classes,
    )
    own = consensus.model.label_scores(tally, crowd_accuracy_ppm(consensus.skills))
    others = counts[item] - 1
    starts = np.flatnonzero(np.diff(item, prepend=np.int64(-1)))
    sums = np.add.reduceat(own, starts, axis=0)
    without = np.repeat(sums, np.diff(starts, append=item.size), axis=0) - own
    if consensus.class_weight_ppm:
        # Their denominator is the same for every class, and decides nothing.
        shares = consensus.class_counts + consensus.class_weight_ppm
        without += log_fixed(np.maximum(shares - consensus.posterior_ppm[item], 1))
    return HeldOut(rows, without, own, others)


def label_chances(consensus: Consensus, table: LabelTable) -> Int64:
    """How well each label is foretold by all the others: its chance, int64 (L,) in Q30, at least 1.

    A worker's rates are weighed by the posterior of the item without the label, or by gold. It
    needs no truth, and punishes a posterior too sure of itself.
    """
    chances = np.empty(table.items.size, dtype=np.int64)
    for chunk in held_out(consensus, table):
        gold = table.gold[table.items[chunk.rows]]
        posterior = clamp_gold(softmax_ppm(chunk.without), gold)
        chances[chunk.rows] = (posterior * exp_fixed(chunk.own)).sum(axis=1) // PPM
    return np.maximum(chances, 1)
