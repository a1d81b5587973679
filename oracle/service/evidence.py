"""What a receipt's published evidence comes to."""

from __future__ import annotations

from oracle.errors import ProtocolFault
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow, decode_log
from oracle.evidence.results import Evidence
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

    Raises ProtocolFault `RECEIPT-DIFFERS` where the evidence comes to another receipt,
    ContentMissing where a block is nowhere.
    """
    _, evidence, supplement = read_published(receipt, fetch)
    rows = read_log(campaign, evidence, fetch)
    result = decide(campaign, previous, rows, supplement)
    if result.receipt != receipt:
        raise ProtocolFault(
            "RECEIPT-DIFFERS", f"epoch {receipt.epoch}", "the evidence comes to another receipt"
        )
    return result


def read_log(campaign: Campaign, evidence: Evidence, fetch: Fetch) -> list[LogRow]:
    """Return the log up to a receipt's cut, from the shards of its evidence and of all before
    it."""
    shards = list(evidence.log)
    while evidence.previous is not None:
        evidence = Evidence.decode(fetch(evidence.previous), fetch)
        shards[:0] = evidence.log
    return [row for link in shards for row in decode_log(fetch(link), campaign.facts.campaign)]
