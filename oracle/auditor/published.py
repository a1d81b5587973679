"""What a campaign's receipts point to: manifest, items, gold, and each receipt's evidence, log and
supplement, read once and shared by the verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.auditor.codes import Severity
from oracle.auditor.content import Content
from oracle.auditor.folder import Chain
from oracle.auditor.log import PublishedLog, ReadShard, ShardTask, read_shard
from oracle.auditor.report import Findings
from oracle.errors import ContentCorrupt, ContentMissing, FormatError, ProtocolFault
from oracle.evidence.campaign import decode_gold, decode_items
from oracle.evidence.codec import DAG_CBOR, RAW, Link
from oracle.evidence.hashing import ZERO32
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import Evidence, PayoutLeaf, SlashLeaf
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign


class Shelf:
    """Evidence and supplement of one receipt at a time: they are as large as the labels they tell
    of, and hashed again whenever they are read."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._held: tuple[bytes, Evidence, Supplement] | None = None

    def read(self, receipt: Receipt) -> tuple[Evidence, Supplement]:
        """Read what a receipt names; raises as `Content.fetch`, and FormatError."""
        if self._held is None or self._held[0] != receipt.evidence:
            self._held = None  # the last one goes before the next comes
            fetch = self.content.reader()
            evidence = Evidence.decode(fetch(Link(DAG_CBOR, receipt.evidence)), fetch)
            supplement = Supplement.decode(fetch(evidence.supplement), fetch)
            self._held = (receipt.evidence, evidence, supplement)
        return self._held[1:]


@dataclass(frozen=True)
class Published:
    """A posted receipt with the content behind it. `rows` are the log's from its start to the
    receipt's cut."""

    receipt: Receipt
    digest: bytes
    finalized: bool
    voided: bool
    attempt: int  # how many receipts were voided before it since the last finalized one
    leaves: tuple[PayoutLeaf, ...]
    slashes: tuple[SlashLeaf, ...]
    rows: PublishedLog
    shelf: Shelf

    @property
    def evidence(self) -> Evidence:
        """The evidence, read again where another receipt's was read since."""
        return self.shelf.read(self.receipt)[0]

    @property
    def supplement(self) -> Supplement:
        """The supplement, read again where another receipt's was read since."""
        return self.shelf.read(self.receipt)[1]

    @property
    def place(self) -> str:
        """How findings name the receipt."""
        return place_of(self.receipt)


@dataclass(frozen=True)
class CampaignContent:
    """A campaign and as many of its receipts as could be read, in order.

    `complete` says that all could; where it doesn't, a finding or an unknown verdict says why.
    """

    campaign: Campaign
    receipts: tuple[Published, ...]
    complete: bool


def place_of(receipt: Receipt) -> str:
    """How findings name a receipt."""
    return f"campaign {receipt.campaign}, epoch {receipt.epoch}"


def read_campaign(
    chain: Chain, number: int, content: Content, found: Findings
) -> CampaignContent | None:
    """Read a campaign's content; None where its manifest, items or gold can't be had."""
    place = f"campaign {number}"
    try:
        manifest = Manifest.decode(content.fetch(Link(RAW, chain.manifest_digest(number))))
        campaign = Campaign(
            manifest,
            decode_items(content.fetch(Link(DAG_CBOR, manifest.items)), content.reader()),
            decode_gold(content.fetch(Link(DAG_CBOR, manifest.gold_commitments))),
            chain.facts(number, manifest.anchor_blocks),
        )
    except (ContentMissing, ContentCorrupt) as error:
        _cannot_tell(found, f"{place}: {error}")
        return None
    except (FormatError, ProtocolFault) as error:
        code = error.code if isinstance(error, ProtocolFault) else "MANIFEST"
        found.add("consensus", code, place, f"the campaign's content is malformed: {error}")
        found.cannot_tell("money", f"{place}: its manifest or items are malformed")
        return None
    content.require_items(manifest, campaign.item_ids)
    receipts, complete = _read_receipts(campaign, content, found)
    return CampaignContent(campaign, receipts, complete)


def _read_receipts(
    campaign: Campaign, content: Content, found: Findings
) -> tuple[tuple[Published, ...], bool]:
    receipts: list[Published] = []
    facts = campaign.facts
    # the log of the last finalized receipt
    rows = PublishedLog(content.root, facts.campaign, facts.escrow_domain)
    lengths = {ZERO32: 0}
    shelf = Shelf(content)
    for number, settled in enumerate(facts.settlements):
        receipt, voided = settled.receipt, settled.voided_block is not None
        place = place_of(receipt)
        try:
            evidence, _ = shelf.read(receipt)
            shards = _read_shards(evidence, campaign, content)
        except (ContentMissing, ContentCorrupt) as error:
            if voided:  # nothing rests on it
                continue
            _cannot_tell(found, f"{place}: {error}")
            return tuple(receipts), False
        except FormatError as error:
            if voided:
                found.add("consensus", "EVIDENCE-FORMAT", place, str(error), Severity.FAULT)
                continue
            found.add("consensus", "EVIDENCE-FORMAT", place, str(error))
            found.add("money", "EVIDENCE-FORMAT", place, str(error))
            return tuple(receipts), False
        known = rows[: lengths.get(receipt.previous, len(rows))]
        log = _check_log(known, shards, receipt, voided, found)
        if log is None and voided:
            continue
        if log is None:
            return tuple(receipts), False
        finalized = settled.finalized_block is not None
        digest = receipt.digest(facts.board_domain)
        one = Published(
            receipt,
            digest,
            finalized,
            voided,
            facts.attempt(receipt.previous, number),
            evidence.leaves,
            evidence.slashes,
            log,
            shelf,
        )
        _check_index(one, receipts, campaign, found)
        receipts.append(one)
        if finalized:
            rows = log
            lengths[digest] = len(log)
    return tuple(receipts), True


def _read_shards(evidence: Evidence, campaign: Campaign, content: Content) -> list[ReadShard]:
    """Have the log's shards read; raises as `Content.fetch`, and FormatError."""
    facts = campaign.facts
    if len(set(evidence.log)) != len(evidence.log):
        raise FormatError("an index names a block twice")
    for link in evidence.log:
        content.demand(link)
    tasks = (
        ShardTask(content.root, link, facts.campaign, facts.escrow_domain) for link in evidence.log
    )
    return list(content.workers.map(read_shard, tasks))


def _check_log(
    known: PublishedLog,
    shards: Sequence[ReadShard],
    receipt: Receipt,
    voided: bool,
    found: Findings,
) -> PublishedLog | None:
    """Check that the shards go on where the last receipt's end, and end at the receipt's head;
    return the log with them."""
    place, severity = place_of(receipt), Severity.FAULT if voided else None
    position, head = len(known), known.head
    for shard in shards:
        if not shard.follows(position, head):
            # Entries that a finalized receipt has settled can't be told again otherwise.
            fork = bool(known) and shard is shards[0] and shard.first <= position + 1
            code = "LOG-FORK" if fork else "LOG-CHAIN"
            problem = f"entry {shard.first} doesn't follow entry {position}"
            found.add("consensus", code, f"{place}, log {shard.first}", problem, severity)
            if not voided:
                found.cannot_tell("money", f"{place}: its log is broken")
            return None
        position, head = position + shard.count, shard.last_head
        found.checks += shard.count
    if (position, head) != (receipt.log_position, receipt.log_head):
        problem = f"the log ends at {position}, the receipt at {receipt.log_position}"
        found.add("consensus", "LOG-HEAD", place, problem, severity)
        if not voided:
            found.cannot_tell("money", f"{place}: its log is another than the receipt's")
        return None
    return known.and_more(shards)


def _check_index(
    one: Published, earlier: Sequence[Published], campaign: Campaign, found: Findings
) -> None:
    receipt, evidence = one.receipt, one.evidence
    before = [other for other in earlier if other.digest == receipt.previous]
    previous = Link(DAG_CBOR, before[-1].receipt.evidence) if before else None
    says = (evidence.campaign, evidence.epoch, evidence.attempt, evidence.final)
    must = (receipt.campaign, receipt.epoch, receipt.attempt, receipt.final)
    found.check(
        says == must
        and evidence.manifest == campaign.manifest.link
        and evidence.previous == previous,
        "consensus",
        "EVIDENCE-INDEX",
        one.place,
        "the evidence names another campaign, epoch, manifest or predecessor than the receipt",
    )
    supplement = one.supplement
    found.check(
        (supplement.campaign, supplement.epoch, supplement.final)
        == (receipt.campaign, receipt.epoch, receipt.final),
        "consensus",
        "SUPPLEMENT",
        one.place,
        "the supplement is of another campaign or epoch than the receipt",
    )


def _cannot_tell(found: Findings, why: str) -> None:
    found.cannot_tell("money", why)
    found.cannot_tell("consensus", why)
