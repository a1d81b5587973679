"""What the chain says of one campaign, as far as the rules read it: plain data, no client.

Operators build it from their node, the auditor from events it has proven; `decide` sees only this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from oracle.evidence.structs import Domain, Receipt


@dataclass(frozen=True)
class Block:
    """A block's number, 32-byte hash and timestamp (Unix seconds)."""

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True)
class Funding:
    """Budget, bond and epoch cap (base units, cumulative) from block `block` on."""

    block: int
    budget: int
    bond: int
    epoch_cap: int


@dataclass(frozen=True)
class Settlement:
    """A receipt that was posted at `posted_block` and, unless None, finalized at `finalized_block`
    or voided at `voided_block`."""

    receipt: Receipt
    posted_block: int
    finalized_block: int | None
    voided_block: int | None = None


@dataclass(frozen=True)
class ChainDelegation:
    """A `delegate(...)` of CampaignEscrow, for contract wallets."""

    block: int
    contributor: bytes
    session_key: bytes
    generation: int
    valid_until: int
    consent: bytes


@dataclass(frozen=True)
class ChainFacts:
    """One campaign on chain, up to some block; every list is in chain order."""

    chain_id: int
    escrow: bytes
    board: bytes
    campaign: int
    token: bytes
    gateway: bytes
    manifest: bytes
    fee_bps: int
    window_seconds: int
    created: Block
    funding: tuple[Funding, ...]
    settlements: tuple[Settlement, ...]
    delegations: tuple[ChainDelegation, ...]
    closed: Block | None
    anchors: Mapping[int, Block]

    @cached_property
    def escrow_domain(self) -> Domain:
        """The EIP-712 domain of everything but receipts."""
        return Domain(self.chain_id, self.escrow)

    @cached_property
    def board_domain(self) -> Domain:
        """The EIP-712 domain of receipts."""
        return Domain(self.chain_id, self.board)

    def funding_at(self, block: int) -> Funding:
        """Budget, bond and cap as of the end of `block`."""
        known = [step for step in self.funding if step.block <= block]
        return known[-1] if known else Funding(block, 0, 0, 0)

    def last_finalized(self, block: int) -> Receipt | None:
        """The newest receipt finalized at or before `block`."""
        known = [
            settled.receipt
            for settled in self.settlements
            if settled.finalized_block is not None and settled.finalized_block <= block
        ]
        return max(known, key=lambda receipt: receipt.epoch, default=None)

    def attempt(self, previous: bytes, posted: int | None = None) -> int:
        """How many receipts that follow the one with digest `previous` were voided, of the first
        `posted` receipts (by default all)."""
        return sum(
            settled.voided_block is not None and settled.receipt.previous == previous
            for settled in self.settlements[:posted]
        )

    def last_posted(self, block: int) -> Receipt | None:
        """The newest receipt posted at or before `block`."""
        known = [one.receipt for one in self.settlements if one.posted_block <= block]
        return max(known, key=lambda receipt: receipt.epoch, default=None)
