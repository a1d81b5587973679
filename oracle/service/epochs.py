"""The operators' loop over one campaign: cut, propose, sign, post, finalize.

Every step reads the chain first and does the one thing that is due, so that a restart, a second
process or a repeated call does no harm. The operators of one deployment run in this process; each
derives every receipt itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from oracle.errors import ProtocolFault
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow, decode_log
from oracle.evidence.results import Evidence
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.ports import ChainReader, ContentStore, CutSource, ReceiptPoster
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.facts import ChainFacts, Settlement
from oracle.protocol.openings import cut_of
from oracle.protocol.terms import Bounded
from oracle.quality.payment import fills_cap
from oracle.service.operator import Operator


class Step(Enum):
    """What a call of `EpochService.step` did."""

    NOTHING = "nothing is due"
    POSTED = "posted a receipt"
    FINALIZED = "finalized a receipt"
    WAITING = "a posted receipt waits for its window"


@dataclass(frozen=True)
class Progress:
    """What a step did, and the receipt it did it to."""

    step: Step
    receipt: Receipt | None = None
    result: EpochResult | None = None


class EpochService:
    """Drives one campaign's receipts with `operators`, `threshold` of whom must sign.

    `read_campaign` returns the campaign with fresh chain facts.
    """

    def __init__(
        self,
        read_campaign: Callable[[], Campaign],
        reader: ChainReader,
        source: CutSource,
        content: ContentStore,
        poster: ReceiptPoster,
        operators: Sequence[Operator],
        *,
        threshold: int,
    ) -> None:
        if not operators or not len(operators) < 2 * threshold <= 2 * len(operators):
            raise ValueError("a quorum is more than half of the operators, and at most all")
        self._read_campaign, self._reader = read_campaign, reader
        self._source, self._content = source, content
        self._poster, self._operators, self._threshold = poster, operators, threshold
        self._results: list[EpochResult] = []

    @property
    def results(self) -> Sequence[EpochResult]:
        """The results behind the finalized receipts, oldest first, as far as `step` has followed
        them."""
        return tuple(self._results)

    def step(self) -> Progress:
        """Do what is due now: finalize the pending receipt, or cut, sign and post the next one."""
        campaign = self._read_campaign()
        facts = campaign.facts
        self._catch_up(campaign)
        pending = [one for one in facts.settlements if one.finalized_block is None]
        if pending:
            return self._finalize(campaign, pending[0])
        cut = self._due(campaign)
        if cut is None:
            return Progress(Step.NOTHING)
        epoch, final = cut
        return self._post(campaign, epoch, final=final)

    # -- following what is finalized ---------------------------------------------------------

    def _catch_up(self, campaign: Campaign) -> None:
        """Recompute the results of finalized receipts that this process doesn't hold yet."""
        settled = [
            one.receipt for one in campaign.facts.settlements if one.finalized_block is not None
        ]
        for receipt in sorted(settled, key=lambda one: one.epoch)[len(self._results) :]:
            self._results.append(recompute(campaign, self._previous, receipt, self._fetch))

    @property
    def _previous(self) -> EpochResult | None:
        return self._results[-1] if self._results else None

    def _fetch(self, link: Link) -> bytes:
        return self._content.get(link.digest, link.codec)

    def _finalize(self, campaign: Campaign, pending: Settlement) -> Progress:
        posted = self._reader.block(pending.posted_block).timestamp
        if self._reader.head().timestamp < posted + campaign.facts.window_seconds:
            return Progress(Step.WAITING, pending.receipt)
        self._poster.finalize(pending.receipt)
        return Progress(Step.FINALIZED, pending.receipt)

    # -- the next receipt --------------------------------------------------------------------

    def _due(self, campaign: Campaign) -> tuple[int, bool] | None:
        """Return the epoch to cut and whether it is final; None where nothing is to be cut yet."""
        rows = self._source.rows()
        facts, previous = campaign.facts, self._previous
        bounded = Bounded.of(campaign.manifest, facts)
        if facts.closed is not None:
            if previous is not None and previous.receipt.final and self._is_complete(facts):
                return None
            final = cut_of(campaign, previous, 0, final=True, rows=rows)
            if final is not None:
                return bounded.epoch_at(final[1].timestamp), True
        anchors = [row for row in rows if row.data[:1] == b"\x07"]
        if not anchors:
            return None
        newest = facts.anchors.get(int.from_bytes(anchors[-1].data[1:9], "big"))
        if newest is None:
            return None
        epoch = bounded.epoch_at(newest.timestamp) - 1
        before = previous.receipt.epoch if previous is not None else 0
        return (epoch, False) if epoch > before else None

    def _is_complete(self, facts: ChainFacts) -> bool:
        """Say whether the last final receipt left room below its cap: then nothing can be owed."""
        last = self._results[-1].receipt
        before = self._results[-2].receipt if len(self._results) > 1 else None
        settled = before.payout_total + before.fee_total if before is not None else 0
        charged = before.bond_charge if before is not None else 0
        cap = facts.funding[-1].epoch_cap + last.bond_charge - charged
        return not fills_cap(last.payout_total, fee_bps=facts.fee_bps, limit=settled + cap)

    def _post(self, campaign: Campaign, epoch: int, *, final: bool) -> Progress:
        rows = self._source.rows()
        previous = self._previous
        done = frozenset(previous.closed) if previous is not None else frozenset()
        leader = self._operators[epoch % len(self._operators)]
        seed, gold = self._source.reveal(epoch, final=final)
        retired = previous.secrets.batches if previous is not None else {}
        held = leader.hold(self._source, rows, done)
        supplement = leader.lead(
            campaign,
            previous,
            rows,
            Supplement(
                campaign.facts.campaign,
                epoch,
                final,
                seed,
                tuple(row for row in gold if row.epoch not in retired),
                (),
                tuple(held),
            ),
        )
        signatures: list[bytes] = []
        result: EpochResult | None = None
        refusals: list[str] = []
        for operator in self._operators:
            own = held if operator is leader else operator.hold(self._source, rows, done)
            try:
                result, signature = operator.endorse(campaign, previous, rows, supplement, own)
            except ProtocolFault as fault:
                refusals.append(str(fault))
                continue
            signatures.append(signature)
            if len(signatures) == self._threshold:
                break
        if result is None or len(signatures) < self._threshold:
            raise ProtocolFault(
                "QUORUM",
                f"epoch {epoch}",
                f"only {len(signatures)} would sign: {'; '.join(refusals)}",
            )
        for block in result.blocks:
            self._content.put(block.data, block.codec)
        if self._poster.post(result.receipt, signatures).transaction is None:
            return Progress(Step.WAITING, result.receipt)  # it stands already, and isn't final yet
        return Progress(Step.POSTED, result.receipt, result)


def recompute(
    campaign: Campaign, previous: EpochResult | None, receipt: Receipt, fetch: Fetch
) -> EpochResult:
    """Derive the result behind a receipt from its published evidence.

    Raises ProtocolFault `RECEIPT-DIFFERS` where the evidence comes to another receipt,
    ContentMissing where a block is nowhere.
    """
    evidence = Evidence.decode(fetch(Link(DAG_CBOR, receipt.evidence)), fetch)
    supplement_block = fetch(evidence.supplement)
    supplement = Supplement.decode(supplement_block, fetch)
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
