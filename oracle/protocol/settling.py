"""Figures become money: pay, bond, cap, slashes and terms, and the receipt that says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from oracle.consensus import (
    Consensus,
)
from oracle.evidence.entries import LogRow, encode_log
from oracle.evidence.hashing import ZERO32
from oracle.evidence.manifest import PPM
from oracle.evidence.results import (
    ContributorResult,
    Evidence,
    ItemResults,
    PayoutLeaf,
    SlashLeaf,
)
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.facts import Block
from oracle.protocol.judging import Judged, Table, judge
from oracle.protocol.ledger import Filings, Ledger, Secrets
from oracle.protocol.openings import all_filings
from oracle.quality.incentives import Terms, next_terms
from oracle.quality.payment import Capped, apply_cap, payout
from oracle.quality.slashing import slash


def settle(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
    ledger: Ledger,
    table: Table,
    closed: Mapping[int, tuple[int, int]],
    anchor: Block,
    gold: Mapping[int, bytes],
    secrets: Secrets,
    attempt: int,
) -> EpochResult:
    """Turn what was judged into leaves, totals and terms; encode the evidence; make the receipt.

    `closed` maps every closed item to the epoch and status it closed with; `anchor` is the cut's
    block, at which budget, bond and cap are read.
    """
    manifest, facts, bounded = campaign.manifest, campaign.facts, ledger.bounded
    final, epoch = supplement.final, supplement.epoch
    funding = facts.funding_at(anchor.number)
    before = previous.receipt if previous is not None else None

    consensus = table.consensus(gold=table.gold)
    judged = judge(table, consensus, final, closed)
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
        row = _contributor(judged, number, account, owed.get(account, 0))
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
            n_classes=manifest.chances,
            epoch=epoch,
            cap=manifest.slash_cap,
            previous=slashed.get(account, 0),
        )
        if amount:
            slashes.append(SlashLeaf(account, amount))

    capped, bond_charge = _cap(
        previous, wanted, funding.budget, funding.epoch_cap, bond_charge, bounded.fee_bps
    )
    by_account = {row.account: row for row in contributors}
    leaves = tuple(
        _leaf(account, cumulative, by_account.get(account))
        for account, cumulative in sorted(capped.cumulative.items())
    )
    terms = _next_terms(ledger, epoch, judged)
    items = _item_results(table, closed, consensus)
    log_before = before.log_head if before is not None else ZERO32
    log_from = before.log_position if before is not None else 0
    log_blocks = encode_log(facts.campaign, rows[log_from:], before=log_before)
    supplement_index, supplement_shards = supplement.encode()
    evidence = Evidence(
        campaign=facts.campaign,
        epoch=epoch,
        attempt=attempt,
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
        attempt=attempt,
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
        labels=table.opened,
        filings=all_filings(previous, supplement),
        cuts=(
            *(previous.cuts if previous is not None else ()),
            _cut(rows, anchor, previous, supplement),
        ),
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


def _cut(
    rows: Sequence[LogRow], anchor: Block, previous: EpochResult | None, supplement: Supplement
) -> tuple[int, Block, Filings]:
    return rows[-1].position, anchor, all_filings(previous, supplement)[-1]


def _contributor(
    judged: Judged | None, number: int, account: bytes, owed: int
) -> ContributorResult:
    if judged is None:
        return ContributorResult(account, 0, 0, 0, 0, 0, 0, 0, False, owed, 0)
    return ContributorResult(
        account=account,
        labels=int(judged.counts[number]),
        rewards=judged.rewards[number],
        matches=int(judged.matches[number]),
        judged=int(judged.judged[number]),
        agreement=int(judged.agreement[number]),
        gold_right=int(judged.right[number]),
        gold_total=int(judged.total[number]),
        passed=judged.passed[number],
        faulted=owed,
        unjudged=judged.unjudged[number],
    )


def _faulted(ledger: Ledger, epoch: int, bond: int) -> tuple[dict[bytes, int], int]:
    """What the bond owes for labels that a gateway fault touched: in log order, unbacked leases
    last, while the bond lasts."""
    touched = [label for label in ledger.labels.faulted() if label.leased.epoch <= epoch]
    touched.sort(key=lambda one: (one.leased.fault == "LEASE-UNBACKED", one.position, one.index))
    owed: defaultdict[bytes, int] = defaultdict(int)
    charged = 0
    for label in touched:
        amount = min(label.leased.reward, bond - charged)
        owed[label.contributor] += amount
        charged += amount
    return owed, charged


def _leaf(account: bytes, cumulative: int, row: ContributorResult | None) -> PayoutLeaf:
    if row is None:
        return PayoutLeaf(account, cumulative, 0, 0)
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


def _overall(judged: Judged | None) -> int:
    """Share of judged labels that match their reference, ppm, rounded down."""
    if judged is None or not int(judged.judged.sum()):
        return 0
    return int(judged.matches.sum()) * PPM // int(judged.judged.sum())


def _next_terms(ledger: Ledger, epoch: int, judged: Judged | None) -> Terms:
    now = ledger.terms(epoch)
    return next_terms(
        now.reward,
        now.threshold_ppm,
        matches=int(judged.matches.sum()) if judged is not None else 0,
        judged=int(judged.judged.sum()) if judged is not None else 0,
        limits=ledger.bounded.limits,
    )


def _item_results(
    table: Table,
    closed: Mapping[int, tuple[int, int]],
    consensus: Consensus | None,
) -> ItemResults:
    items = sorted(closed)
    epochs, status = zip(*(closed[item] for item in items), strict=True) if items else ((), ())
    numbers = table.numbers_of(items)
    known = numbers >= 0
    answers = np.zeros(len(items), dtype=np.uint32)
    labels = np.zeros(len(items), dtype=np.uint32)
    posteriors = np.zeros((len(items), table.sizes["n_classes"]), dtype=np.uint32)
    counts = np.bincount(table.items, minlength=len(table.item_numbers))
    labels[known] = counts[numbers[known]]
    # Of an item with labels that a gateway fault touched alone there is nothing to infer.
    if consensus is not None:
        answers[known] = consensus.answer[numbers[known]]
        posteriors[known] = consensus.posterior_ppm[numbers[known]]
    return ItemResults(
        np.array(items, dtype=np.uint32),
        np.array(epochs, dtype=np.uint32),
        np.array(status, dtype=np.uint32),
        answers,
        labels,
        posteriors,
    )
