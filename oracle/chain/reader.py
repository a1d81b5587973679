"""The chain as a node tells it: blocks, events, and what follows from them."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from web3 import Web3

from oracle.chain.deployment import Deployment, verify_code
from oracle.chain.events import EventDecoder
from oracle.chain.facts import campaign_facts, operator_set
from oracle.chain.indexer import Indexer
from oracle.chain.memory import MemoryEvents
from oracle.chain.transactions import read_contract, read_struct
from oracle.errors import ChainError, StoreConflict, UnknownCampaign
from oracle.evidence.hashing import keccak256
from oracle.ports import ChainEvent, Claimed, EventStore, OperatorSet
from oracle.protocol.facts import Block, ChainFacts


class Web3Reader:
    """A `ChainReader` over one node or several; safe for several threads.

    `finality` is that of `Indexer`. Events are read once, and kept in `store`: with a store on disk
    a process goes on where the last one was.

    Raises ChainError where the node's chain isn't the deployment's, or a contract's code isn't this
    installation's; StoreConflict where the store is another deployment's.
    """

    def __init__(
        self,
        w3: Web3,
        deployment: Deployment,
        finality: str | int = "finalized",
        store: EventStore | None = None,
    ) -> None:
        self.w3 = w3
        self.deployment = deployment
        self.finality = finality
        self._store = store if store is not None else MemoryEvents()
        self._decoder = EventDecoder(deployment.addresses)
        self._indexer = Indexer(
            w3, self._decoder.addresses, deployment.first_block, self._store, finality
        )
        self._lock = threading.RLock()
        verify_code(w3, deployment)
        self._store.open(keccak256(deployment.to_json().encode()))
        # The events up to `_tip`; those up to `_checkpoint` can't change any more.
        self._events: list[ChainEvent] = []
        self._tip: Block | None = None
        self._checkpoint = -1
        self._blocks: dict[int, Block] = {}

    # -- blocks ------------------------------------------------------------------------------

    def head(self) -> Block:
        """Return the newest block that counts, read to its end; ChainReorg where blocks that can't
        be undone are gone."""
        with self._lock:
            try:
                head = self._indexer.follow()
            except StoreConflict:
                head = self._indexer.follow()  # another process reads into the same database
            self._take_in()
            return head

    def newest(self) -> Block:
        """Return the newest block, final or not: its time is the chain's clock."""
        return self._indexer.newest()

    def block(self, number: int) -> Block:
        """Return one block; ChainError where the chain has none of that number."""
        with self._lock:
            known = self._blocks.get(number) or self._store.block(number)
            if known is None:
                known = self._indexer.block(number)
                if number <= self._checkpoint:
                    self._store.keep(known)
            # Only what counts is remembered: newer blocks may still be replaced.
            if number <= self._checkpoint:
                self._blocks[number] = known
        return known

    # -- events ------------------------------------------------------------------------------

    def events(self, to_block: int | None = None) -> Sequence[ChainEvent]:
        """Return all events of DDLP's contracts up to a block (the head by default), in order."""
        with self._lock:
            head = self.head()
            last = head.number if to_block is None else to_block
            if last > head.number:
                raise ChainError(f"block {last} doesn't count yet: the head is block {head.number}")
            return self._events[: bisect_right(self._events, last, key=_block_of)]

    def facts(self, campaign: int, anchor_blocks: int, to_block: int | None = None) -> ChainFacts:
        """Return what the rules need of a campaign up to a block (the head by default)."""
        last = self.head().number if to_block is None else to_block
        return campaign_facts(
            self.events(last),
            campaign,
            chain_id=self.deployment.chain_id,
            addresses=self.deployment.addresses,
            window_seconds=self.deployment.parameters.window_seconds,
            anchor_blocks=anchor_blocks,
            to_block=last,
            block=self.block,
        )

    def manifest(self, campaign: int) -> bytes:
        """Return the digest of a campaign's manifest, which names `anchor_blocks` for `facts`."""
        return self.campaign(campaign)["manifest"]  # type: ignore[no-any-return]

    def operators(self, to_block: int | None = None) -> OperatorSet:
        """Return the operator set as of the end of a block (the head by default)."""
        last = self.head().number if to_block is None else to_block
        return operator_set(self.events(last), last)

    # -- state at the newest block -------------------------------------------------------------

    def balance(self, token: bytes, account: bytes) -> int:
        """Return an account's tokens, base units."""
        return int(read_contract(self.w3, "LabelToken", token, "balanceOf", account))

    def claimed(self, campaign: int, account: bytes) -> Claimed:
        """Return what an account has drawn from a campaign."""
        escrow = self.deployment.escrow
        return Claimed(
            *read_contract(self.w3, "CampaignEscrow", escrow, "claimed", campaign, account)
        )

    def campaign(self, campaign: int) -> dict[str, Any]:
        """Return all that the escrow keeps of a campaign, by the names of ICampaignEscrow.Campaign.

        Addresses and digests are bytes. Raises UnknownCampaign where it doesn't exist.
        """
        state = read_struct(self.w3, "CampaignEscrow", self.deployment.escrow, "campaign", campaign)
        if state["requester"] == bytes(20):
            raise UnknownCampaign(f"campaign {campaign} doesn't exist: create it first")
        return state

    def progress(self, campaign: int) -> dict[str, Any]:
        """Return how far a campaign's receipts are, by the names of IReceiptBoard.Progress."""
        return read_struct(self.w3, "ReceiptBoard", self.deployment.board, "progress", campaign)

    # -- small parts ---------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Decode what the store holds beyond the events known here."""
        recent = self._store.recent()
        tip = recent[-1]
        if tip == self._tip:
            return
        first = self._checkpoint + 1
        if self._tip is not None and self._tip in recent:
            first = self._tip.number + 1
        del self._events[bisect_left(self._events, first, key=_block_of) :]
        found = map(self._decoder.decode_log, self._store.logs(first))
        self._events += [event for event in found if event is not None]
        self._tip, self._checkpoint = tip, recent[0].number


def _block_of(event: ChainEvent) -> int:
    return event.block
