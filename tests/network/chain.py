"""A chain in memory with the contracts' rules that receipts, forks and money meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from oracle.errors import ChainError, ContentMissing, DDLPError
from oracle.evidence.codec import Block as ContentBlock
from oracle.evidence.codec import Link
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import ZERO32
from oracle.evidence.results import SlashLeaf
from oracle.evidence.signing import recover
from oracle.evidence.structs import Receipt
from oracle.gateway.campaign_files import CampaignFiles
from oracle.ports import PayoutClaim, Sent
from oracle.protocol.facts import Settlement
from tests.support.gateway import MemoryChain
from tests.support.world import BLOCK_SECONDS


class MemoryContent:
    """A `ContentStore` in a dict that everybody reads."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[int, bytes], bytes] = {}
        self.evidence: set[bytes] = set()  # every evidence index that was ever published

    def put(self, data: bytes, codec: int) -> bytes:
        block = ContentBlock(codec, data)
        self.blocks[codec, block.digest] = data
        if b"hevidence" in data[:400]:
            self.evidence.add(block.digest)
        return block.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        try:
            return self.blocks[codec, digest]
        except KeyError:
            raise ContentMissing(f"{Link(codec, digest)} is nowhere: ask again later") from None

    def has(self, digest: bytes, codec: int) -> bool:
        return (codec, digest) in self.blocks

    def iterate(self) -> list[Link]:
        return sorted((Link(codec, digest) for codec, digest in self.blocks), key=str)

    def fetch(self, link: Link) -> bytes:
        return self.get(link.digest, link.codec)


@dataclass(frozen=True)
class Posted:
    """A receipt that the chain took, with its signers."""

    receipt: Receipt
    signers: frozenset[bytes]


@dataclass
class Money:
    """What the escrow would hold of a campaign, base units."""

    budget: int
    bond: int
    totals: tuple[int, int, int] = (0, 0, 0)  # payouts, fees, bond charge, as finalized
    history: list[Posted] = field(default_factory=list)


class SimulatedChain(MemoryChain):
    """A `ChainReader` and `ReceiptPoster` whose blocks the simulation mines."""

    def __init__(
        self,
        files: CampaignFiles,
        members: Sequence[bytes],
        threshold: int,
        *,
        budget: int,
        bond: int,
        epoch_cap: int,
    ) -> None:
        super().__init__(files, budget=budget, bond=bond, epoch_cap=epoch_cap)
        self.members, self.threshold = tuple(members), threshold
        self.money = Money(budget, bond)
        self.posted_at: dict[bytes, int] = {}
        self.forked = False

    def post(self, receipt: Receipt, signatures: Sequence[bytes]) -> Sent:
        """Take a receipt as the board and the escrow do."""
        digest = receipt.digest(self.known.board_domain)
        if digest in self.posted_at:
            return Sent(None, self.newest.number, 0)
        before = self._finalized()
        last = before.digest(self.known.board_domain) if before is not None else ZERO32
        signers = {recover(digest, one) for one in signatures}
        self._check(not self._pending(), "one is pending")
        self._check(len(signers) == len(signatures) >= self.threshold, "too few signatures")
        self._check(signers <= set(self.members), "signed by a stranger")
        self._check(receipt.previous == last, "doesn't follow the last one")
        self._check(receipt.attempt == self.known.attempt(last), "another attempt")
        self._check(receipt.as_of < self.newest.number, "anchor not in the past")
        self._check(not receipt.final or self.known.closed is not None, "final before close")
        if before is not None:
            self._check(receipt.epoch > before.epoch, "epoch not new")
            self._check(receipt.log_position >= before.log_position, "log position fell")
            self._check(receipt.label_count >= before.label_count, "label count fell")
        payouts, fees, charge = self.money.totals
        funding = self.known.funding[-1]
        rise = receipt.payout_total + receipt.fee_total - payouts - fees
        self._check(receipt.payout_total >= payouts and receipt.fee_total >= fees, "totals fell")
        self._check(charge <= receipt.bond_charge <= funding.bond, "bond charge")
        self._check(rise <= funding.epoch_cap + receipt.bond_charge - charge, "over the cap")
        spent = receipt.payout_total + receipt.fee_total - receipt.bond_charge
        self._check(spent <= funding.budget, "over the budget")
        self.mine(BLOCK_SECONDS)
        self._settle(Settlement(receipt, self.newest.number, None))
        self.posted_at[digest] = self.newest.number
        self.money.history.append(Posted(receipt, frozenset(signers)))
        return Sent(b"\1" * 32, self.newest.number, 1)

    def finalize(self, receipt: Receipt) -> Sent:
        """Finalize the pending receipt once its window is over."""
        pending = self._pending()
        if pending is None or pending.receipt != receipt:
            return Sent(None, self.newest.number, 0)
        posted = self.block(pending.posted_block).timestamp
        over = self.newest.timestamp >= posted + self.known.window_seconds
        self._check(over, "the window runs")
        self.mine(BLOCK_SECONDS)
        self._replace(pending, finalized_block=self.newest.number)
        self.money.totals = (receipt.payout_total, receipt.fee_total, receipt.bond_charge)
        return Sent(b"\2" * 32, self.newest.number, 1)

    def void(self) -> bool:
        """A challenge is upheld: the pending receipt, if there is one, is void."""
        pending = self._pending()
        if pending is None:
            return False
        self.mine(BLOCK_SECONDS)
        self._replace(pending, voided_block=self.newest.number)
        return True

    def prove_fork(self, campaign: int, first: LogRow, second: LogRow) -> Sent:
        """Check two heads as the escrow does; the campaign closes."""
        if self.forked:
            return Sent(None, self.newest.number, 0)
        for row in (first, second):
            signer = row.signer(campaign, self.known.escrow_domain)
            self._check(signer == self.known.gateway, "not the gateway's")
        self._check(first.position == second.position, "another position")
        self._check(first.head != second.head, "heads don't differ")
        self.forked = True
        if self.known.closed is None:
            self.close()
        return Sent(b"\3" * 32, self.newest.number, 1)

    def execute_slash(
        self, campaign: int, epoch: int, leaf: SlashLeaf, proof: Sequence[bytes]
    ) -> Sent:
        """Nobody has staked anything here."""
        return Sent(None, self.newest.number, 0)

    def claim(self, claim: PayoutClaim) -> Sent:
        raise DDLPError("nobody claims in the simulation")

    def claim_batch(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        raise DDLPError("nobody claims in the simulation")

    # -- small parts -------------------------------------------------------------------------

    def finalized(self) -> list[Receipt]:
        """The finalized receipts, oldest first."""
        return [one.receipt for one in self.known.settlements if one.finalized_block is not None]

    def _finalized(self) -> Receipt | None:
        found = self.finalized()
        return found[-1] if found else None

    def _pending(self) -> Settlement | None:
        for one in self.known.settlements:
            if one.finalized_block is None and one.voided_block is None:
                return one
        return None

    def _settle(self, settlement: Settlement) -> None:
        self.known = replace(self.known, settlements=(*self.known.settlements, settlement))

    def _replace(self, old: Settlement, **changes: int) -> None:
        new = replace(old, **changes)
        settlements = tuple(new if one is old else one for one in self.known.settlements)
        self.known = replace(self.known, settlements=settlements)

    def _check(self, holds: bool, reason: str) -> None:
        if not holds:
            raise ChainError(f"reverted: {reason}")
