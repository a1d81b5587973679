"""From log to money: the one place where the rules become payouts (SPEC, section 5.6).

`decide` is a pure function of manifest, chain facts, the previous result, the log and the
supplement. Operators sign what it returns, auditors compare it byte for byte; nobody else computes
pay. The files beside it are its steps, in order: openings, judging, settling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.errors import ProtocolFault
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import ZERO32
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.facts import Block
from oracle.protocol.judging import Table, close_items, closing_statuses
from oracle.protocol.ledger import Ledger, Secrets
from oracle.protocol.openings import (
    check_epoch,
    may_open,
    open_gold,
    open_labels,
    read_log,
    rows_to_cut,
    why_not_opened,
)
from oracle.protocol.settling import settle


@dataclass(frozen=True)
class Reading:
    """Log, filings, seed and gold of a cut, read: all of a supplement's inputs but its openings."""

    rows: Sequence[LogRow]
    anchor: Block
    gold: dict[int, bytes]
    secrets: Secrets
    ledger: Ledger


def read(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    supplement: Supplement,
) -> Reading:
    """Read a cut's inputs once for `propose` and `decide`. Raises as `decide`."""
    rows, anchor = rows_to_cut(campaign, previous, log, supplement, f"epoch {supplement.epoch}")
    gold, secrets = open_gold(campaign, previous, supplement)
    ledger = read_log(campaign, previous, rows, supplement, secrets)
    return Reading(rows, anchor, gold, secrets, ledger)


def decide(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    supplement: Supplement,
    attempt: int | None = None,
    reading: Reading | None = None,
) -> EpochResult:
    """Compute an epoch's receipt and evidence.

    `attempt` is how many receipts after the previous one were voided before this one; by default,
    all that were. `reading` is what `read` gave for these inputs, whatever the openings.

    `log` are the campaign's rows from position 1 to at least the cut; `previous` is the result
    behind the last finalized receipt. Raises ProtocolFault where log or supplement break a rule
    that no honest operator signs over, InputError where the log doesn't reach the cut yet.
    """
    manifest = campaign.manifest
    place = f"epoch {supplement.epoch}"
    if supplement.campaign != campaign.facts.campaign:
        raise ProtocolFault("SUPPLEMENT", place, "is of another campaign")
    whole = reading if reading is not None else read(campaign, previous, log, supplement)
    ledger, gold = whole.ledger, whole.gold
    check_epoch(ledger, supplement, previous, place)

    labels = open_labels(campaign, ledger, previous, supplement, gold)
    table = Table(manifest, labels, gold, ledger)
    items = close_items(table, previous, supplement, gold)
    if attempt is None:
        domain = campaign.facts.board_domain
        before = previous.receipt.digest(domain) if previous is not None else ZERO32
        attempt = campaign.facts.attempt(before)
    return settle(
        campaign,
        previous,
        whole.rows,
        supplement,
        ledger,
        table,
        items,
        whole.anchor,
        gold,
        whole.secrets,
        attempt,
    )


def propose(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    held: Supplement,
    reading: Reading | None = None,
) -> Supplement:
    """Return the supplement for a cut: of all openings that are held, those of the items that
    close.

    `held` has seed, gold batches and filings as they are to be opened, and every opening of an item
    that hasn't closed yet. Openings that count for nothing (no such label, or a wrong commitment)
    are left out. Raises as `decide`.
    """
    manifest = campaign.manifest
    whole = reading if reading is not None else read(campaign, previous, log, held)
    ledger, gold = whole.ledger, whole.gold
    closed = previous.closed if previous is not None else {}
    valid = [
        row
        for row in held.openings
        if may_open(ledger, row, closed) and why_not_opened(campaign, ledger, row) is None
    ]
    everything = replace(held, openings=tuple(valid))
    labels = open_labels(campaign, ledger, previous, everything, gold)
    table = Table(manifest, labels, gold, ledger)
    items = sorted({row.item for row in valid} - set(gold) - set(closed))
    statuses = closing_statuses(table, previous, items, epoch=held.epoch, final=held.final)
    closing = {item for item, status in statuses.items() if status is not None}
    closing |= {*gold, *closed}
    return replace(held, openings=tuple(row for row in valid if row.item in closing))
