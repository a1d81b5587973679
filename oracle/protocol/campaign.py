"""A campaign as the rules know it, and what a cut of it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from oracle.consensus import (
    Consensus,
)
from oracle.errors import ProtocolFault
from oracle.evidence.codec import Block as ContentBlock
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import (
    Evidence,
    ItemResults,
)
from oracle.evidence.structs import Receipt
from oracle.protocol.columns import OpenLabels
from oracle.protocol.facts import Block, ChainFacts
from oracle.protocol.ledger import Filings, Ledger, Secrets
from oracle.protocol.terms import Bounded
from oracle.quality.incentives import Terms


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

    @cached_property
    def bounded(self) -> Bounded:
        """The manifest's parameters as they count."""
        return Bounded.of(self.manifest, self.facts)


@dataclass(frozen=True)
class EpochResult:
    """What a cut comes to: the receipt to sign, its evidence, and the state that the next epoch
    builds on.

    `blocks` holds every content block of the evidence (results, log shards, supplement) but not
    those of earlier epochs. `cuts` are the log positions and blocks at which this receipt and those
    before it cut the log, in order, with what was filed for each. `rejected` lists log entries that
    break a rule and were skipped, `gateway_faults` what the bond pays for.
    """

    receipt: Receipt
    evidence: Evidence
    blocks: tuple[ContentBlock, ...]
    labels: OpenLabels
    filings: tuple[Filings, ...]
    cuts: tuple[tuple[int, Block, Filings], ...]
    gold: Mapping[int, bytes]  # the items of opened batches, and their answers
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
        rows = ItemResults.of(self.evidence.items)
        return dict(zip(rows.items.tolist(), rows.epochs.tolist(), strict=True))
