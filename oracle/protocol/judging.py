"""Which items close, what they are, and how far each contributor agrees: labels become figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from oracle.consensus import (
    METHODS,
    Closing,
    Consensus,
    closes,
    item_posterior,
    leave_one_out,
)
from oracle.consensus.fixed import Int64
from oracle.errors import ProtocolFault
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import (
    AGREED,
    AMBIGUOUS,
    FINAL,
    GOLD,
    ItemResults,
)
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from oracle.protocol.columns import OpenLabels
from oracle.protocol.ledger import Ledger
from oracle.quality.agreement import (
    Agreement,
    judged_labels,
    measure_agreement,
    unjudgeable_labels,
)
from oracle.quality.gold import gold_stands, gold_tallies


class _Sizes(TypedDict):
    n_items: int
    n_workers: int
    n_classes: int


class Table:
    """The opened labels that decide something, as arrays: items and accounts numbered densely, in
    ascending order."""

    def __init__(
        self,
        manifest: Manifest,
        labels: OpenLabels,
        gold: Mapping[int, int],
        ledger: Ledger,
    ) -> None:
        self.manifest, self.ledger, self.opened = manifest, ledger, labels
        leases = ledger.labels.leases_of(labels)
        sound = np.asarray(ledger.leases.fault)[leases] == 0
        items = labels.items[sound].astype(np.int64)
        self.item_numbers = np.union1d(items, np.array(sorted(gold), dtype=np.int64))
        self.accounts = ledger.labels.accounts()
        self.items = np.searchsorted(self.item_numbers, items)
        self.workers = labels.numbered_by(self.accounts)[sound]
        self.classes = labels.classes[sound].astype(np.int64)
        self.rewards = np.asarray(ledger.leases.reward)[leases[sound]]
        self.gold = np.full(len(self.item_numbers), -1, dtype=np.int64)
        self.gold[self.numbers_of(sorted(gold))] = [gold[item] for item in sorted(gold)]
        self.sizes = _Sizes(
            n_items=len(self.item_numbers),
            n_workers=len(self.accounts),
            n_classes=len(manifest.classes),
        )

    def numbers_of(self, items: Sequence[int]) -> Int64:
        """The table's numbers of items; -1 for those that it hasn't."""
        wanted = np.array(items, dtype=np.int64)
        numbers = np.searchsorted(self.item_numbers, wanted)
        known = np.append(self.item_numbers, -1)[numbers] == wanted
        return np.where(known, numbers, -1)

    def consensus(self, *, gold: Int64 | None) -> Consensus:
        """The campaign's consensus method over the table; gold clamped where given."""
        method = METHODS[self.manifest.method]
        return method(self.items, self.workers, self.classes, gold=gold, **self.sizes)

    def sum_rewards(self, chosen: NDArray[np.bool_]) -> list[int]:
        """The rewards of chosen labels (n,), summed by account."""
        rewards = self.ledger.leases.rewards.values
        keys, counts = np.unique(
            self.workers[chosen] * len(rewards) + self.rewards[chosen], return_counts=True
        )
        sums = [0] * len(self.accounts)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            account, reward = divmod(key, len(rewards))
            sums[account] += count * rewards[reward]
        return sums


def close_items(
    table: Table,
    previous: EpochResult | None,
    supplement: Supplement,
    gold: Mapping[int, int],
) -> dict[int, tuple[int, int]]:
    """Check that each newly opened item may close; return all closed items -> (epoch, status)."""
    closed: dict[int, tuple[int, int]] = {}
    if previous is not None:
        rows = ItemResults.of(previous.evidence.items)
        ends = zip(rows.epochs.tolist(), rows.status.tolist(), strict=True)
        closed.update(zip(rows.items.tolist(), ends, strict=True))
    epoch = supplement.epoch
    closed.update((row.item, (epoch, GOLD)) for row in supplement.gold)
    items = sorted({row.item for row in supplement.openings} - set(gold) - set(closed))
    statuses = closing_statuses(table, previous, items, epoch=epoch, final=supplement.final)
    for item, status in statuses.items():
        if status is None:
            raise ProtocolFault(
                "ITEM-OPEN", f"item {item}", "was opened with neither agreement nor all its labels"
            )
        closed[item] = (epoch, status)
    return closed


def closing_statuses(
    table: Table,
    previous: EpochResult | None,
    items: Sequence[int],
    *,
    epoch: int,
    final: bool,
) -> dict[int, int | None]:
    """The status that each item (not gold) closes with, None where it stays open.

    An item's posterior comes from its own labels and the skills in `previous`. A label that nobody
    opened counts towards the maximum only.
    """
    ledger, sizes = table.ledger, table.sizes
    numbers = table.numbers_of(items)
    asked = np.zeros(sizes["n_items"] + 1, dtype=bool)
    asked[numbers[numbers >= 0]] = True
    chosen = asked[table.items]
    if not chosen.any():
        return dict.fromkeys(items, FINAL if final else None)
    skills, class_counts = _known_skills(table, previous)
    own = table.items[chosen]
    posterior = item_posterior(
        own,
        table.workers[chosen],
        table.classes[chosen],
        skills=skills,
        class_counts=class_counts,
        **sizes,
    )
    low, high = ledger.bounded.redundancy_min, ledger.bounded.redundancy_max
    counts = np.bincount(own, minlength=sizes["n_items"]).astype(np.int64)
    found = closes(posterior, counts, ledger.terms(epoch).threshold_ppm, low, high)
    statuses: dict[int, int | None] = {}
    given = ledger.labels.counts()
    for item, number in zip(items, numbers.tolist(), strict=True):
        verdict = Closing.OPEN if number < 0 else Closing(int(found[number]))
        if verdict is Closing.AGREED:
            statuses[item] = AGREED
        elif verdict is Closing.AMBIGUOUS or given[item] >= high:
            statuses[item] = AMBIGUOUS
        else:
            statuses[item] = FINAL if final else None
    return statuses


def _known_skills(table: Table, previous: EpochResult | None) -> tuple[Int64 | None, Int64 | None]:
    """The previous receipt's skills, in this table's numbering of accounts."""
    if previous is None or previous.consensus is None:
        return None, None
    classes = table.sizes["n_classes"]
    skills = np.zeros((len(table.accounts), classes, classes), dtype=np.int64)
    before = {account: number for number, account in enumerate(previous.accounts)}
    for number, account in enumerate(table.accounts):
        if account in before:
            skills[number] = previous.consensus.skills[before[account]]
    return skills, previous.consensus.class_counts


@dataclass(frozen=True)
class Judged:
    """The table, judged: agreement and gold per account, sums of rewards per account."""

    agreement: Agreement
    right: Int64
    total: Int64
    rewards: list[int]
    unjudged: list[int]
    counts: Int64


def judge(table: Table, consensus: Consensus, final: bool, closed: Mapping[int, object]) -> Judged:
    """Hold every label against its leave-one-out reference, and gold against those who label it.

    `consensus` has gold clamped; `closed` are the campaign's closed items. When `final`, rewards of
    labels that no two others can judge are kept apart, to be paid in full.
    """
    sizes = table.sizes
    workers, classes = table.workers, table.classes
    expected = table.gold[table.items] if len(table.items) else table.items
    plain = table.consensus(gold=None)
    free_reference, others = leave_one_out(plain, table.items, workers, classes, **sizes)
    stands = gold_stands(expected, free_reference, others)
    reference, _ = leave_one_out(consensus, table.items, workers, classes, gold=table.gold, **sizes)
    judged = judged_labels(expected, stands, others)
    numbers = table.numbers_of(sorted(closed))
    answers = consensus.answer[numbers[numbers >= 0]]
    answer_counts = np.bincount(answers[answers >= 0], minlength=sizes["n_classes"]).astype(
        np.int64
    )
    agreement = measure_agreement(
        workers,
        classes,
        reference,
        judged,
        n_workers=sizes["n_workers"],
        n_classes=sizes["n_classes"],
        answer_counts=answer_counts,
        final=final,
    )
    right, total = gold_tallies(workers, classes, expected, stands, sizes["n_workers"])
    alone = unjudgeable_labels(stands, others) & final
    rewards, unjudged = table.sum_rewards(~alone), table.sum_rewards(alone)
    counts = np.bincount(workers, minlength=sizes["n_workers"]).astype(np.int64)
    return Judged(agreement, right, total, rewards, unjudged, counts)
