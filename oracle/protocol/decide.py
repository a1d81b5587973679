"""From log to money: the one place where the rules become payouts (SPEC, section 5.6).

`decide` is a pure function of manifest, chain facts, the previous result, the log and the
supplement. Operators sign what it returns, auditors compare it byte for byte; nobody else computes
pay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypedDict

import numpy as np

from oracle.consensus import (
    Closing,
    Consensus,
    closes,
    dawid_skene,
    item_posterior,
    leave_one_out,
    majority_vote,
)
from oracle.consensus.fixed import Int64
from oracle.errors import FormatError, InputError, ProtocolFault
from oracle.evidence.campaign import commit_label, earlier_seed
from oracle.evidence.codec import Block as ContentBlock
from oracle.evidence.entries import LogRow, Submission, decode_entry, encode_log
from oracle.evidence.hashing import ZERO32, sha256
from oracle.evidence.manifest import PPM, Manifest
from oracle.evidence.results import (
    AGREED,
    AMBIGUOUS,
    FINAL,
    GOLD,
    ContributorResult,
    Evidence,
    ItemResult,
    PayoutLeaf,
    SlashLeaf,
)
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import FILED, Opening, Supplement
from oracle.protocol.facts import Block, ChainFacts
from oracle.protocol.ledger import Ledger, Secrets
from oracle.protocol.terms import Bounded
from oracle.quality.agreement import (
    Agreement,
    judged_labels,
    measure_agreement,
    passed_by_agreement,
    unjudgeable_labels,
)
from oracle.quality.gold import gold_stands, gold_tallies, passed
from oracle.quality.incentives import Terms, next_terms
from oracle.quality.payment import Capped, apply_cap, payout
from oracle.quality.slashing import slash


@dataclass(frozen=True)
class Campaign:
    """A campaign as `decide` knows it: manifest, item ids (32 bytes each, by number), gold
    commitments by batch, chain facts."""

    manifest: Manifest
    item_ids: Sequence[bytes]
    gold: Sequence[Sequence[bytes]]
    facts: ChainFacts

    def __post_init__(self) -> None:
        if self.manifest.block.digest != self.facts.manifest:
            raise ProtocolFault(
                "MANIFEST",
                f"campaign {self.facts.campaign}",
                "is not the one whose digest is on chain",
            )
        if len(self.item_ids) != self.manifest.item_count:
            raise ProtocolFault("MANIFEST", "itemCount", "differs from the item index")
        if sum(map(len, self.gold)) != self.manifest.gold_count:
            raise ProtocolFault("MANIFEST", "gold.count", "differs from the gold commitments")


@dataclass(frozen=True)
class OpenLabel:
    """An opened label: where it stands, and the class it names."""

    position: int
    index: int
    item: int
    contributor: bytes
    klass: int


@dataclass(frozen=True)
class EpochResult:
    """What a cut comes to: the receipt to sign, its evidence, and the state that the next epoch
    builds on.

    `blocks` holds every content block of the evidence (results, log shards, supplement) but not
    those of earlier epochs. `rejected` lists log entries that break a rule and were skipped,
    `gateway_faults` what the bond pays for.
    """

    receipt: Receipt
    evidence: Evidence
    blocks: tuple[ContentBlock, ...]
    labels: tuple[OpenLabel, ...]
    gold: Mapping[int, int]
    secrets: Secrets
    consensus: Consensus | None
    accounts: tuple[bytes, ...]
    terms: Terms
    waiting: int
    rejected: tuple[tuple[int, ProtocolFault], ...]
    gateway_faults: tuple[tuple[int, ProtocolFault], ...]
    ledger: Ledger

    @property
    def closed(self) -> dict[int, int]:
        """Closed items and the epoch each closed in."""
        return {row.item: row.epoch for row in self.evidence.items}


def cut_of(
    campaign: Campaign,
    previous: EpochResult | None,
    epoch: int,
    *,
    final: bool,
    rows: Sequence[LogRow],
) -> tuple[int, Block] | None:
    """Return the position and block of the anchor that cuts `epoch`, None while the log lacks it.

    An epoch is cut at the first anchor at or after its end; the final one at the first after close
    plus the longest lease; a further final one at the end of the last receipt's epoch.
    """
    facts = campaign.facts
    bounded = Bounded.of(campaign.manifest, facts)
    if not final:
        named = bounded.boundary(epoch)
    elif facts.closed is None:
        return None
    else:
        named = facts.closed.timestamp + campaign.manifest.lease_seconds
        if previous is not None and previous.receipt.final:
            named = max(named, bounded.boundary(previous.receipt.epoch))
    for row in rows:
        if row.data[:1] == b"\x07":
            anchor = facts.anchors.get(int.from_bytes(row.data[1:9], "big"))
            if anchor is not None and anchor.timestamp >= named:
                return row.position, anchor
    return None


def decide(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    supplement: Supplement,
) -> EpochResult:
    """Compute an epoch's receipt and evidence.

    `log` are the campaign's rows from position 1 to at least the cut; `previous` is the result
    behind the last finalized receipt. Raises ProtocolFault where log or supplement break a rule
    that no honest operator signs over, InputError where the log doesn't reach the cut yet.
    """
    manifest = campaign.manifest
    place = f"epoch {supplement.epoch}"
    if supplement.campaign != campaign.facts.campaign:
        raise ProtocolFault("SUPPLEMENT", place, "is of another campaign")
    rows, anchor = _rows_to_cut(campaign, previous, log, supplement, place)
    gold, secrets = _open_gold(campaign, previous, supplement)
    ledger = _read_log(campaign, previous, rows, supplement, secrets)
    _check_epoch(ledger, supplement, previous, place)

    labels = _open_labels(campaign, ledger, previous, supplement, gold)
    table = _Table(manifest, labels, gold, ledger)
    items = _close_items(table, previous, supplement, gold)
    return _settle(
        campaign, previous, rows, supplement, ledger, table, items, anchor, gold, secrets
    )


def propose(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    held: Supplement,
) -> Supplement:
    """Return the supplement for a cut: of all openings that are held, those of the items that
    close.

    `held` has seed, gold batches and filings as they are to be opened, and every opening of an item
    that hasn't closed yet. Openings that count for nothing (no such label, or a wrong commitment)
    are left out. Raises as `decide`.
    """
    manifest = campaign.manifest
    rows, _ = _rows_to_cut(campaign, previous, log, held, f"epoch {held.epoch}")
    gold, secrets = _open_gold(campaign, previous, held)
    ledger = _read_log(campaign, previous, rows, held, secrets)
    valid = [row for row in held.openings if _opens(campaign, ledger, row) is None]
    everything = replace(held, openings=tuple(valid))
    labels = _open_labels(campaign, ledger, previous, everything, gold)
    table = _Table(manifest, labels, gold, ledger)
    items = sorted({row.item for row in valid} - set(gold))
    verdicts = _verdicts(table, previous, items, epoch=held.epoch, final=held.final)
    closing = {item for item, status in verdicts.items() if status is not None} | set(gold)
    return replace(held, openings=tuple(row for row in valid if row.item in closing))


def _rows_to_cut(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    supplement: Supplement,
    place: str,
) -> tuple[list[LogRow], Block]:
    cut = cut_of(campaign, previous, supplement.epoch, final=supplement.final, rows=log)
    if cut is None:
        raise InputError(f"{place}: the log holds no anchor for its cut yet: follow it further")
    position, anchor = cut
    rows = list(takewhile(lambda row: row.position <= position, log))
    if previous is not None:
        at = previous.receipt.log_position
        if len(rows) < at or (at and rows[at - 1].head != previous.receipt.log_head):
            raise ProtocolFault(
                "LOG-FORK", place, "the log doesn't extend the last finalized logHead"
            )
    return rows, anchor


def _read_log(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
    secrets: Secrets,
) -> Ledger:
    """Apply the log up to the cut, then the filings; mark what an unopened seed or batch
    touches."""
    closed = previous.closed if previous is not None else {}
    ledger = Ledger(campaign.manifest, campaign.facts, closed=closed, secrets=secrets)
    ledger.read(rows)
    _file(ledger, supplement, previous)
    _mark_unopened(ledger, campaign, supplement, secrets)
    return ledger


# -- what the supplement opens ---------------------------------------------------------------


def _check_epoch(
    ledger: Ledger, supplement: Supplement, previous: EpochResult | None, place: str
) -> None:
    before = previous.receipt.epoch if previous is not None else 0
    newest = ledger.epoch - (0 if supplement.final else 1)
    if supplement.epoch <= before or supplement.epoch != newest:
        raise ProtocolFault(
            "EPOCH",
            place,
            f"the newest epoch that this cut covers is {newest}, the last receipt's {before}",
        )


def _open_gold(
    campaign: Campaign, previous: EpochResult | None, supplement: Supplement
) -> tuple[dict[int, int], Secrets]:
    """Check the seed and the opened gold; return all known gold (item -> class) and secrets."""
    manifest = campaign.manifest
    place = f"epoch {supplement.epoch}"
    gold = dict(previous.gold) if previous is not None else {}
    seeds = dict(previous.secrets.seeds) if previous is not None else {}
    batches = dict(previous.secrets.batches) if previous is not None else {}
    first = previous.receipt.epoch + 1 if previous is not None else 1

    if supplement.seed != ZERO32:
        if earlier_seed(supplement.seed, supplement.epoch) != manifest.draw_seed:
            raise ProtocolFault("DRAW-SEED", place, "the seed is not of the manifest's chain")
        seed = supplement.seed
        for epoch in range(supplement.epoch, first - 1, -1):
            seeds[epoch] = seed
            seed = sha256(seed)

    opened: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in supplement.gold:
        where = f"gold {row.epoch}/{row.index}"
        if not 1 <= row.epoch <= len(campaign.gold) or row.epoch in batches:
            raise ProtocolFault("GOLD-BATCH", where, "is of no batch, or of one opened before")
        if row.epoch > supplement.epoch and not supplement.final:
            raise ProtocolFault("GOLD-BATCH", where, "opens a batch before its epoch")
        batch = campaign.gold[row.epoch - 1]
        klass = manifest.class_numbers.get(row.answer)
        if row.index >= len(batch) or row.item >= manifest.item_count or klass is None:
            raise ProtocolFault("GOLD-OPENING", where, "names no gold item or no class")
        commitment = commit_label(campaign.item_ids[row.item], sha256(row.answer), row.salt)
        if commitment != batch[row.index] or row.item in gold:
            raise ProtocolFault("GOLD-OPENING", where, "doesn't open its commitment")
        opened[row.epoch][row.index] = row.item
        gold[row.item] = klass
    for epoch, places in opened.items():
        if len(places) != len(campaign.gold[epoch - 1]):
            raise ProtocolFault(
                "GOLD-PARTIAL", f"gold {epoch}", "a batch opens whole or not at all"
            )
        batches[epoch] = tuple(places[index] for index in range(len(places)))
    for epoch, batch in enumerate(campaign.gold, 1):
        if not batch:
            batches.setdefault(epoch, ())
    return gold, Secrets(seeds, batches, whole=len(gold) == manifest.gold_count)


def _file(ledger: Ledger, supplement: Supplement, previous: EpochResult | None) -> None:
    after = previous.receipt.epoch if previous is not None else 0
    for number, data in enumerate(supplement.filings):
        place = f"filing {number}"
        try:
            entry = decode_entry(data)
        except FormatError as error:
            raise ProtocolFault("FILING", place, str(error)) from error
        if not isinstance(entry, Submission):
            raise ProtocolFault("FILING", place, "only submissions are filed")
        try:
            ledger.file(entry, FILED + number, after_epoch=after)
        except ProtocolFault as fault:
            ledger.rejected.append((FILED + number, fault))


def _mark_unopened(
    ledger: Ledger, campaign: Campaign, supplement: Supplement, secrets: Secrets
) -> None:
    """An epoch whose seed or gold stays unopened: every label leased in it is the bond's."""
    if ledger.manifest.assignment == "given":
        return
    for leased in ledger.leases.values():
        if leased.epoch > supplement.epoch:
            continue
        if leased.epoch not in secrets.seeds:
            leased.fault = leased.fault or "SEED-UNOPENED"
        elif leased.epoch <= len(campaign.gold) and leased.epoch not in secrets.batches:
            leased.fault = leased.fault or "GOLD-UNOPENED"


def _open_labels(
    campaign: Campaign,
    ledger: Ledger,
    previous: EpochResult | None,
    supplement: Supplement,
    gold: Mapping[int, int],
) -> list[OpenLabel]:
    """Check the supplement's openings; return every label opened so far, in order of item and
    place."""
    closed_before = previous.closed if previous is not None else {}
    opened = list(previous.labels) if previous is not None else []
    for row in supplement.openings:
        place = f"opening {row.position}/{row.index}"
        if row.item in closed_before:
            raise ProtocolFault("OPENING-CLOSED", place, f"item {row.item} has closed before")
        fault = _opens(campaign, ledger, row)
        if fault is not None:
            raise fault
        contributor = ledger.labels[row.position, row.index].contributor
        klass = campaign.manifest.class_numbers[row.answer]
        opened.append(OpenLabel(row.position, row.index, row.item, contributor, klass))
    return sorted(opened, key=lambda one: (one.item, one.position, one.index))


def _opens(campaign: Campaign, ledger: Ledger, row: Opening) -> ProtocolFault | None:
    """Say why an opening opens no label that counts; None where it does."""
    place = f"opening {row.position}/{row.index}"
    label = ledger.labels.get((row.position, row.index))
    if label is None or label.item != row.item:
        return ProtocolFault("OPENING-LABEL", place, "opens no label that counts")
    klass = campaign.manifest.class_numbers.get(row.answer)
    if klass is None:
        return ProtocolFault("OPENING-ANSWER", place, "the answer is none of the classes")
    digest = campaign.manifest.answer_digests[klass]
    if commit_label(campaign.item_ids[row.item], digest, row.salt) != label.commitment:
        return ProtocolFault("OPENING-COMMITMENT", place, "doesn't open the signed commitment")
    return None


# -- tables for the consensus ----------------------------------------------------------------


class _Sizes(TypedDict):
    n_items: int
    n_workers: int
    n_classes: int


class _Table:
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
        method = dawid_skene if self.manifest.method == "dawid-skene" else majority_vote
        return method(self.items, self.workers, self.classes, gold=gold, **self.sizes)


def _array(values: object) -> Int64:
    return np.fromiter(values, dtype=np.int64)  # type: ignore[call-overload, no-any-return]


def _close_items(
    table: _Table,
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
    verdicts = _verdicts(table, previous, items, epoch=epoch, final=supplement.final)
    for item, status in verdicts.items():
        if status is None:
            raise ProtocolFault(
                "ITEM-OPEN", f"item {item}", "was opened with neither agreement nor all its labels"
            )
        closed[item] = (epoch, status)
    return closed


def _verdicts(
    table: _Table,
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


def _known_skills(table: _Table, previous: EpochResult | None) -> tuple[Int64 | None, Int64 | None]:
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


# -- money -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """The table, judged: agreement and gold per account, sums of rewards per account."""

    agreement: Agreement
    right: Int64
    total: Int64
    rewards: list[int]
    unjudged: list[int]
    counts: Int64


def _judge(
    table: _Table, consensus: Consensus, final: bool, closed: Mapping[int, object]
) -> _Judged:
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
    return _Judged(agreement, right, total, rewards, unjudged, counts)


def _faulted(ledger: Ledger, epoch: int, bond: int) -> tuple[dict[bytes, int], int]:
    """What the bond owes for labels that a gateway fault touched: in log order, unbacked leases
    last, while the bond lasts."""
    touched = [
        label
        for label in ledger.labels.values()
        if label.leased.fault is not None and label.leased.epoch <= epoch
    ]
    touched.sort(key=lambda one: (one.leased.fault == "LEASE-UNBACKED", one.position, one.index))
    owed: defaultdict[bytes, int] = defaultdict(int)
    charged = 0
    for label in touched:
        amount = min(label.leased.reward, bond - charged)
        owed[label.contributor] += amount
        charged += amount
    return owed, charged


def _settle(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
    ledger: Ledger,
    table: _Table,
    closed: Mapping[int, tuple[int, int]],
    anchor: Block,
    gold: Mapping[int, int],
    secrets: Secrets,
) -> EpochResult:
    manifest, facts, bounded = campaign.manifest, campaign.facts, ledger.bounded
    final, epoch = supplement.final, supplement.epoch
    funding = facts.funding_at(anchor.number)
    classes = len(manifest.classes)
    before = previous.receipt if previous is not None else None

    consensus = table.consensus(gold=table.gold) if table.item_numbers else None
    judged = _judge(table, consensus, final, closed) if consensus is not None else None
    owed, bond_charge = _faulted(ledger, epoch, funding.bond)
    if before is not None:
        bond_charge = max(bond_charge, before.bond_charge)

    contributors: list[ContributorResult] = []
    wanted: dict[bytes, int] = {}
    slashes: list[SlashLeaf] = []
    slashed = (
        {leaf.account: leaf.cumulative for leaf in previous.evidence.slashes} if previous else {}
    )
    for number, account in enumerate(table.accounts):
        row = _contributor(judged, number, account, classes, final, owed.get(account, 0))
        contributors.append(row)
        wanted[account] = (
            payout(row.rewards, bounded.base_ppm, row.passed, row.agreement)
            + row.unjudged
            + row.faulted
        )
        amount = slash(
            row.gold_right,
            row.gold_total,
            floor_ppm=bounded.slash_floor_ppm,
            n_classes=classes,
            epoch=epoch,
            cap=manifest.slash_cap,
            previous=slashed.get(account, 0),
        )
        if amount:
            slashes.append(SlashLeaf(account, amount))

    capped, bond_charge = _cap(
        previous, wanted, funding.budget, funding.epoch_cap, bond_charge, bounded.fee_bps
    )
    leaves = tuple(
        _leaf(account, cumulative, contributors, table.accounts)
        for account, cumulative in sorted(capped.cumulative.items())
    )
    terms = _next_terms(ledger, epoch, judged)
    items = _item_results(table, closed, consensus, classes)
    log_before = before.log_head if before is not None else ZERO32
    log_from = before.log_position if before is not None else 0
    log_blocks = encode_log(facts.campaign, rows[log_from:], before=log_before)
    supplement_index, supplement_shards = supplement.encode()
    evidence = Evidence(
        campaign=facts.campaign,
        epoch=epoch,
        attempt=0,
        final=final,
        manifest=manifest.link,
        previous=previous.evidence.encode()[0].link if previous is not None else None,
        log=tuple(block.link for block in log_blocks),
        supplement=supplement_index.link,
        items=items,
        leaves=leaves,
        slashes=tuple(slashes),
        contributors=tuple(contributors),
    )
    index, shards = evidence.encode()
    receipt = Receipt(
        campaign=facts.campaign,
        epoch=epoch,
        attempt=0,
        final=final,
        evidence=index.digest,
        payout_root=evidence.payout_tree.root,
        payout_total=capped.payout_total,
        fee_total=capped.fee_total,
        bond_charge=bond_charge,
        slash_root=evidence.slash_tree.root,
        log_position=rows[-1].position,
        log_head=rows[-1].head,
        as_of=anchor.number,
        label_count=len(table.opened),
        item_count=len(closed),
        agreement=_overall(judged),
        next_reward=terms.reward,
        next_threshold=terms.threshold_ppm,
        previous=before.digest(facts.board_domain) if before is not None else ZERO32,
    )
    return EpochResult(
        receipt=receipt,
        evidence=evidence,
        blocks=(index, *shards, *log_blocks, supplement_index, *supplement_shards),
        labels=tuple(table.opened),
        gold=gold,
        secrets=secrets,
        consensus=consensus,
        accounts=tuple(table.accounts),
        terms=terms,
        waiting=capped.waiting,
        rejected=tuple(ledger.rejected),
        gateway_faults=tuple(ledger.gateway_faults),
        ledger=ledger,
    )


def _contributor(
    judged: _Judged | None, number: int, account: bytes, classes: int, final: bool, owed: int
) -> ContributorResult:
    if judged is None:
        return ContributorResult(account, 0, 0, 0, 0, 0, 0, 0, False, owed, 0)
    agreement = judged.agreement
    right, total = int(judged.right[number]), int(judged.total[number])
    matches, count = int(agreement.matches[number]), int(agreement.judged[number])
    through = passed(right, total, classes)
    if final and not through:
        chance = int(agreement.chance_ppm[number])
        through = passed_by_agreement(matches, count, chance, classes)
    return ContributorResult(
        account=account,
        labels=int(judged.counts[number]),
        rewards=judged.rewards[number],
        matches=matches,
        judged=count,
        agreement=int(agreement.ppm[number]),
        gold_right=right,
        gold_total=total,
        passed=through,
        faulted=owed,
        unjudged=judged.unjudged[number],
    )


def _leaf(
    account: bytes,
    cumulative: int,
    contributors: Sequence[ContributorResult],
    accounts: Sequence[bytes],
) -> PayoutLeaf:
    if account not in accounts:
        return PayoutLeaf(account, cumulative, 0, 0)
    row = contributors[accounts.index(account)]
    return PayoutLeaf(account, cumulative, row.matches, row.judged)


def _cap(
    previous: EpochResult | None,
    wanted: Mapping[bytes, int],
    budget: int,
    epoch_cap: int,
    bond_charge: int,
    fee_bps: int,
) -> tuple[Capped, int]:
    """Grant what cap, bond and budget allow; return it with the bond's part of it.

    The bond pays no fee, so where the cap is smaller than the fee, less than the whole charge fits:
    the charge falls to what is granted, and the rest waits.
    """
    paid = {leaf.account: leaf.cumulative for leaf in previous.evidence.leaves} if previous else {}
    before = previous.receipt if previous is not None else None
    charged = before.bond_charge if before is not None else 0
    spent = before.payout_total + before.fee_total if before is not None else 0
    fee_before = before.fee_total if before is not None else 0
    while True:
        cap = min(epoch_cap + bond_charge - charged, max(0, budget + bond_charge - spent))
        capped = apply_cap(paid, wanted, cap=cap, fee_bps=fee_bps, previous_fee=fee_before)
        if bond_charge <= capped.payout_total:
            return capped, bond_charge
        bond_charge = capped.payout_total


def _overall(judged: _Judged | None) -> int:
    """Share of judged labels that match their reference, ppm, rounded down."""
    if judged is None or not int(judged.agreement.judged.sum()):
        return 0
    return int(judged.agreement.matches.sum()) * PPM // int(judged.agreement.judged.sum())


def _next_terms(ledger: Ledger, epoch: int, judged: _Judged | None) -> Terms:
    now = ledger.terms(epoch)
    return next_terms(
        now.reward,
        now.threshold_ppm,
        matches=int(judged.agreement.matches.sum()) if judged is not None else 0,
        judged=int(judged.agreement.judged.sum()) if judged is not None else 0,
        limits=ledger.bounded.limits,
    )


def _item_results(
    table: _Table,
    closed: Mapping[int, tuple[int, int]],
    consensus: Consensus | None,
    classes: int,
) -> tuple[ItemResult, ...]:
    counts = (
        np.bincount(table.items, minlength=len(table.item_numbers)) if len(table.items) else None
    )
    results = []
    for item, (epoch, status) in sorted(closed.items()):
        number = table.item_of.get(item)
        if consensus is None or number is None:
            # Only labels that a gateway fault touched: there is nothing to infer an answer from.
            results.append(ItemResult(item, epoch, status, 0, 0, (0,) * classes))
            continue
        results.append(
            ItemResult(
                item,
                epoch,
                status,
                int(consensus.answer[number]),
                int(counts[number]) if counts is not None else 0,
                tuple(consensus.posterior_ppm[number].tolist()),
            )
        )
    return tuple(results)
