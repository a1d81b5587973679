"""Which items close, what they are, and how far each contributor agrees: labels become figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

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
from oracle.evidence.codec import decode_json
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import (
    AGREED,
    AMBIGUOUS,
    COLLECTED,
    FINAL,
    GOLD,
    ItemResults,
)
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from oracle.protocol.columns import OpenLabels
from oracle.protocol.ledger import Ledger
from oracle.quality.agreement import (
    judged_labels,
    measure_agreement,
    passed_by_agreement,
    unjudgeable_labels,
)
from oracle.quality.closeness import closeness_ppm
from oracle.quality.gold import gold_stands, gold_tallies, passed
from oracle.quality.measured import GoldTally, gold_withstands


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
        gold: Mapping[int, bytes],
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
        self.measured = manifest.task.measured
        self.rewards = np.asarray(ledger.leases.reward)[leases[sound]]
        self.gold = np.full(len(self.item_numbers), -1, dtype=np.int64)
        self.gold_answers = gold
        if not self.measured:
            numbers = [manifest.class_numbers[gold[item]] for item in sorted(gold)]
            self.gold[self.numbers_of(sorted(gold))] = numbers
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

    def consensus(self, *, gold: Int64 | None) -> Consensus | None:
        """The campaign's consensus method over the table, gold clamped where given; None where
        there is nothing to infer, or answers are measured."""
        if self.measured or not len(self.item_numbers):
            return None
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
    gold: Mapping[int, bytes],
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
    opened counts towards the maximum only. Where answers are measured there is no posterior: an
    item closes with the minimum of labels.
    """
    ledger, sizes = table.ledger, table.sizes
    numbers = table.numbers_of(items)
    asked = np.zeros(sizes["n_items"] + 1, dtype=bool)
    asked[numbers[numbers >= 0]] = True
    chosen = asked[table.items]
    if not chosen.any():
        return dict.fromkeys(items, FINAL if final else None)
    given = ledger.labels.counts()
    low, high = ledger.bounded.redundancy_min, ledger.bounded.redundancy_max
    if table.measured:
        counts = np.bincount(table.items[chosen], minlength=sizes["n_items"] + 1)
        return {
            item: COLLECTED
            if counts[number] >= low or given[item] >= high
            else (FINAL if final else None)
            for item, number in zip(items, numbers.tolist(), strict=True)
        }
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
    counts = np.bincount(own, minlength=sizes["n_items"]).astype(np.int64)
    found = closes(posterior, counts, ledger.terms(epoch).threshold_ppm, low, high)
    statuses: dict[int, int | None] = {}
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
    """The table, judged: per account (n,) judged labels and those that match, `agreement` in ppm,
    gold right and in all, whether it has passed, sums of rewards, labels."""

    matches: Int64
    judged: Int64
    agreement: Int64
    right: Int64
    total: Int64
    passed: list[bool]
    rewards: list[int]
    unjudged: list[int]
    counts: Int64


def judge(
    table: Table, consensus: Consensus | None, final: bool, closed: Mapping[int, object]
) -> Judged | None:
    """Judge every contributor by the campaign's payment policy; None while nothing is opened.

    `consensus` has gold clamped, None where answers are measured; `closed` are the campaign's
    closed items.
    """
    if not len(table.item_numbers):
        return None
    if consensus is None:
        return _judge_by_gold(table, final)
    return _judge_by_agreement(table, consensus, final, closed)


def _judge_by_agreement(
    table: Table, consensus: Consensus, final: bool, closed: Mapping[int, object]
) -> Judged:
    """Hold every label against its leave-one-out reference, and gold against those who label it.

    When `final`, rewards of labels that no two others can judge are kept apart, to be paid in full.
    """
    sizes = table.sizes
    workers, classes, n_classes = table.workers, table.classes, sizes["n_classes"]
    expected = table.gold[table.items] if len(table.items) else table.items
    plain = table.consensus(gold=None)
    assert plain is not None
    free_reference, others = leave_one_out(plain, table.items, workers, classes, **sizes)
    stands = gold_stands(expected, free_reference, others)
    reference, _ = leave_one_out(consensus, table.items, workers, classes, gold=table.gold, **sizes)
    judged = judged_labels(expected, stands, others)
    numbers = table.numbers_of(sorted(closed))
    answers = consensus.answer[numbers[numbers >= 0]]
    answer_counts = np.bincount(answers[answers >= 0], minlength=n_classes).astype(np.int64)
    agreement = measure_agreement(
        workers,
        classes,
        reference,
        judged,
        n_workers=sizes["n_workers"],
        n_classes=n_classes,
        answer_counts=answer_counts,
        final=final,
    )
    right, total = gold_tallies(workers, classes, expected, stands, sizes["n_workers"])
    alone = unjudgeable_labels(stands, others) & final
    through = [passed(int(r), int(t), n_classes) for r, t in zip(right, total, strict=True)]
    if final:
        rows = zip(agreement.matches, agreement.judged, agreement.chance_ppm, strict=True)
        through = [
            known or passed_by_agreement(int(matches), int(count), int(chance), n_classes)
            for known, (matches, count, chance) in zip(through, rows, strict=True)
        ]
    return Judged(
        agreement.matches,
        agreement.judged,
        agreement.ppm,
        right,
        total,
        through,
        table.sum_rewards(~alone),
        table.sum_rewards(alone),
        _label_counts(table),
    )


def _judge_by_gold(table: Table, final: bool) -> Judged:
    """Measure every label on gold against it, and gold against those who label it."""
    task, match = table.manifest.task, table.manifest.task.match_ppm
    tallies = [GoldTally() for _ in table.accounts]
    for item, answer in sorted(table.gold_answers.items()):
        rows = np.flatnonzero(table.items == table.numbers_of([item])[0]).tolist()
        gold = decode_json(answer)
        given = [decode_json(table.opened.texts[table.classes[row]]) for row in rows]
        to_gold = [closeness_ppm(task, one, gold) for one in given]

        def between(one: int, other: int, given: list[Any] = given) -> int:
            return closeness_ppm(task, given[one], given[other])

        for label, row in enumerate(rows):
            if gold_withstands(label, to_gold, between, match):
                tallies[table.workers[row]].add(to_gold[label], match)
    right = np.array([one.right for one in tallies], dtype=np.int64)
    total = np.array([one.total for one in tallies], dtype=np.int64)
    return Judged(
        right,
        total,
        np.array([one.agreement_ppm for one in tallies], dtype=np.int64),
        right,
        total,
        [one.passed(final=final) for one in tallies],
        table.sum_rewards(np.ones(len(table.items), dtype=bool)),
        [0] * len(table.accounts),
        _label_counts(table),
    )


def _label_counts(table: Table) -> Int64:
    return np.bincount(table.workers, minlength=table.sizes["n_workers"]).astype(np.int64)
