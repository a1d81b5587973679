"""What the chain says of one campaign, as far as the rules read it: plain data, no client.

Operators build it from their node, the auditor from events it has proven; `decide` sees only this.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from oracle.evidence.structs import Domain, Receipt


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number, 32-byte hash and timestamp (Unix seconds)."""

    number: int
    hash: bytes
    timestamp: int


class Anchors(Mapping[int, Block]):
    """The blocks at `numbers`, an ascending range, as `blocks` has them, and `newer` those that may
    still be undone. A campaign has one more every minute for as long as it runs: facts of different
    blocks share what doesn't change.
    """

    def __init__(
        self, numbers: range, blocks: Mapping[int, Block], newer: Mapping[int, Block]
    ) -> None:
        self.numbers, self._blocks, self._newer = numbers, blocks, newer

    def __getitem__(self, number: int) -> Block:
        if number not in self.numbers:
            raise KeyError(number)
        return self._newer.get(number) or self._blocks[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


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

    @property
    def newest_anchor(self) -> Block | None:
        """The last anchor; None before the first."""
        return self.anchors[self._anchor_numbers[-1]] if self.anchors else None

    def first_anchor(self, timestamp: int) -> Block | None:
        """The first anchor at or after a time (Unix seconds); None where there is none yet."""
        numbers = self._anchor_numbers
        at = bisect_left(numbers, timestamp, key=lambda number: self.anchors[number].timestamp)
        return self.anchors[numbers[at]] if at < len(numbers) else None

    @cached_property
    def _anchor_numbers(self) -> Sequence[int]:
        return self.anchors.numbers if isinstance(self.anchors, Anchors) else sorted(self.anchors)

    def last_finalized(self, block: int) -> Receipt | None:
        """The newest receipt finalized at or before `block`."""
        return _newest(self._finalized, block)

    @cached_property
    def _finalized(self) -> _Newest:
        done = [one for one in self.settlements if one.finalized_block is not None]
        return _by_block((one.finalized_block or 0, one.receipt) for one in done)

    def attempt(self, previous: bytes, posted: int | None = None) -> int:
        """How many receipts that follow the one with digest `previous` were voided, of the first
        `posted` receipts (by default all)."""
        return sum(
            settled.voided_block is not None and settled.receipt.previous == previous
            for settled in self.settlements[:posted]
        )

    def last_posted(self, block: int) -> Receipt | None:
        """The newest receipt posted at or before `block`."""
        return _newest(self._posted, block)

    @cached_property
    def _posted(self) -> _Newest:
        return _by_block((one.posted_block, one.receipt) for one in self.settlements)


_Newest = tuple[list[int], list[Receipt]]  # blocks, and the receipt of the highest epoch by each


def _by_block(receipts: Iterable[tuple[int, Receipt]]) -> _Newest:
    blocks: list[int] = []
    newest: list[Receipt] = []
    for block, receipt in sorted(receipts, key=lambda one: one[0]):
        higher = not newest or receipt.epoch > newest[-1].epoch
        blocks.append(block)
        newest.append(receipt if higher else newest[-1])
    return blocks, newest


def _newest(known: _Newest, block: int) -> Receipt | None:
    at = bisect_right(known[0], block)
    return known[1][at - 1] if at else None
