"""Which items close, what they are, and how far each contributor agrees: labels become figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

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
)
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult, OpenLabel
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
        labels: Sequence[OpenLabel],
        gold: Mapping[int, int],
        ledger: Ledger,
    ) -> None:
        self.manifest, self.ledger, self.opened = manifest, ledger, labels
        leased = [ledger.leases[label.contributor, label.item] for label in labels]
        self.labels = [
            one for one, lease in zip(labels, leased, strict=True) if lease.fault is None
        ]
        self.rewards = [lease.reward for lease in leased if lease.fault is None]
        self.item_numbers = sorted({label.item for label in self.labels} | set(gold))
        self.accounts = sorted({label.contributor for label in ledger.labels.values()})
        item_of = {item: number for number, item in enumerate(self.item_numbers)}
        account_of = {account: number for number, account in enumerate(self.accounts)}
        self.item_of = item_of
        self.items = _array(item_of[label.item] for label in self.labels)
        self.workers = _array(account_of[label.contributor] for label in self.labels)
        self.classes = _array(label.klass for label in self.labels)
        self.gold = _array(gold.get(item, -1) for item in self.item_numbers)
        self.sizes = _Sizes(
            n_items=len(self.item_numbers),
            n_workers=len(self.accounts),
            n_classes=len(manifest.classes),
        )

    def consensus(self, *, gold: Int64 | None) -> Consensus:
        """The campaign's consensus method over the table; gold clamped where given."""
        method = METHODS[self.manifest.method]
        return method(self.items, self.workers, self.classes, gold=gold, **self.sizes)


def _array(values: object) -> Int64:
    return np.fromiter(values, dtype=np.int64)  # type: ignore[call-overload, no-any-return]


def close_items(
    table: Table,
    previous: EpochResult | None,
    supplement: Supplement,
    gold: Mapping[int, int],
) -> dict[int, tuple[int, int]]:
    """Check that each newly opened item may close; return all closed items -> (epoch, status)."""
    closed = (
        {row.item: (row.epoch, row.status) for row in previous.evidence.items}
        if previous is not None
        else {}
    )
    epoch = supplement.epoch
    closed.update((row.item, (epoch, GOLD)) for row in supplement.gold)
    items = sorted({row.item for row in supplement.openings} - set(gold))
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
    numbers = [table.item_of[item] for item in items if item in table.item_of]
    chosen = np.isin(table.items, np.array(numbers, dtype=np.int64))
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
    for item in items:
        number = table.item_of.get(item)
        verdict = Closing.OPEN if number is None else Closing(int(found[number]))
        if verdict is Closing.AGREED:
            statuses[item] = AGREED
        elif verdict is Closing.AMBIGUOUS or len(ledger.by_item[item]) >= high:
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
    answers = consensus.answer[
        [table.item_of[item] for item in sorted(closed) if item in table.item_of]
    ]
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
    rewards = [0] * sizes["n_workers"]
    unjudged = [0] * sizes["n_workers"]
    alone = unjudgeable_labels(stands, others)
    for worker, reward, lonely in zip(workers.tolist(), table.rewards, alone.tolist(), strict=True):
        if final and lonely:
            unjudged[worker] += reward
        else:
            rewards[worker] += reward
    counts = np.bincount(workers, minlength=sizes["n_workers"]).astype(np.int64)
    return Judged(agreement, right, total, rewards, unjudged, counts)
