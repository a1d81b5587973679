"""What a receipt's published evidence comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from oracle.errors import ProtocolFault
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow, decode_log
from oracle.evidence.results import Evidence
from oracle.evidence.signing import checksum
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.resume import Settled


def read_published(receipt: Receipt, fetch: Fetch) -> Settled:
    """Return a receipt with the evidence and the supplement that were published for it; FormatError
    or ContentMissing where a block isn't what it should be, or nowhere."""
    evidence = Evidence.decode(fetch(Link(DAG_CBOR, receipt.evidence)), fetch)
    return receipt, evidence, Supplement.decode(fetch(evidence.supplement), fetch)


def recompute(
    campaign: Campaign, previous: EpochResult | None, receipt: Receipt, fetch: Fetch
) -> EpochResult:
    """Derive the result behind a receipt from its published evidence.

    Raises ProtocolFault `RECEIPT-DIFFERS` where the evidence comes to another receipt, with the
    first item that differs as its place,
    ContentMissing where a block is nowhere.
    """
    _, evidence, supplement = read_published(receipt, fetch)
    rows = read_log(campaign, evidence, fetch)
    result = decide(campaign, previous, rows, supplement)
    if result.receipt != receipt:
        place = f"epoch {receipt.epoch}, {first_difference(receipt, evidence, result)}"
        raise ProtocolFault("RECEIPT-DIFFERS", place, "the evidence comes to another receipt")
    return result


def first_difference(receipt: Receipt, evidence: Evidence, result: EpochResult) -> str:
    """Name the first item that a receipt's evidence has otherwise than `result`; else the first
    account with another payout, slash or standing; else the receipt's first such member."""
    ours = result.evidence
    items = ({row.item: row for row in one.items} for one in (evidence, ours))
    different = _different(*items)
    if different:
        return f"item {min(different)}"
    for name in ("leaves", "slashes", "contributors"):
        rows = ({row.account: row for row in getattr(one, name)} for one in (evidence, ours))
        accounts = _different(*rows)
        if accounts:
            return f"{name}, {checksum(min(accounts))}"
    names = (one.name for one in fields(receipt))
    return next(one for one in names if getattr(receipt, one) != getattr(result.receipt, one))


def _different(one: Mapping[Any, object], other: Mapping[Any, object]) -> list[Any]:
    return [key for key in {*one, *other} if one.get(key) != other.get(key)]


def read_log(campaign: Campaign, evidence: Evidence, fetch: Fetch) -> list[LogRow]:
    """Return the log up to a receipt's cut, from the shards of its evidence and of all before
    it."""
    shards = list(evidence.log)
    while evidence.previous is not None:
        evidence = Evidence.decode(fetch(evidence.previous), fetch)
        shards[:0] = evidence.log
    return [row for link in shards for row in decode_log(fetch(link), campaign.facts.campaign)]
