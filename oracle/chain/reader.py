"""The chain as a node tells it: blocks, events, and what follows from them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from web3 import Web3

from oracle.chain.deployment import Deployment, verify_code
from oracle.chain.event_index import EventIndex
from oracle.chain.events import EventDecoder
from oracle.chain.facts import campaign_facts, operator_set
from oracle.chain.indexer import Indexer
from oracle.chain.memory import MemoryEvents
from oracle.chain.transactions import read_contract, read_struct
from oracle.errors import ChainError, StoreConflict, UnknownCampaign
from oracle.evidence.hashing import keccak256
from oracle.ports import ChainEvent, Claimed, EventStore, OperatorSet
from oracle.protocol.facts import Anchors, Block, ChainFacts

PATIENCE = 10  # times as old may a recent head be while the node is being asked


class Web3Reader:
    """A `ChainReader` over one node or several; safe for several threads.

    `finality` is that of `Indexer`. Events are read once, and kept in `store`: with a store on disk
    a process goes on where the last one was. Without `whole`, `events` has those alone that facts
    and the operator set follow from, which takes a fraction of the memory.

    Raises ChainError where the node's chain isn't the deployment's, or a contract's code isn't this
    installation's; StoreConflict where the store is another deployment's.
    """

    def __init__(
        self,
        w3: Web3,
        deployment: Deployment,
        finality: str | int = "finalized",
        store: EventStore | None = None,
        *,
        whole: bool = True,
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
        self._events = EventIndex(whole=whole)
        self._tip: Block | None = None
        self._checkpoint = -1
        self._blocks: dict[int, Block] = {}
        # By first block and distance: anchors that can't change any more, and how far they go.
        self._anchors: dict[tuple[int, int], tuple[dict[int, Block], int]] = {}
        # By campaign: how many events its newest facts follow from, the last of them, and they.
        self._newest: dict[tuple[int, int], tuple[tuple[Any, ...], ChainFacts]] = {}
        self._facts: tuple[Block | None, dict[tuple[int, int, int], ChainFacts]] = (None, {})
        self._asked: tuple[Block, float] | None = None  # the head, and when the node told it

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
            self._asked = head, time.monotonic()
            return head

    def recent_head(self, seconds: float) -> Block:
        """Return the head as the node told it within the last `seconds`, or up to ten times as long
        ago while somebody else asks, else as it tells it now."""
        if (known := self._told(seconds)) is not None:
            return known
        if not self._lock.acquire(blocking=False):
            if (known := self._told(PATIENCE * seconds)) is not None:
                return known
            self._lock.acquire()
        try:
            return self._told(seconds) or self.head()  # asked by somebody else meanwhile
        finally:
            self._lock.release()

    def _told(self, seconds: float) -> Block | None:
        known = self._asked
        if known is None or time.monotonic() - known[1] >= seconds:
            return None
        return known[0]

    def newest(self) -> Block:
        """Return the newest block, final or not: its time is the chain's clock."""
        return self._indexer.newest()

    def block(self, number: int) -> Block:
        """Return one block; ChainError where the chain has none of that number."""
        if (known := self._blocks.get(number)) is not None:
            return known  # without waiting for who asks the node
        return self.blocks((number,))[number]

    def blocks(self, numbers: Iterable[int]) -> dict[int, Block]:
        """Return blocks by number; ChainError where the chain hasn't one of them."""
        with self._lock:
            wanted = list(numbers)
            missing = [number for number in wanted if number not in self._blocks]
            found = self._look_up(missing) if missing else {}
            return {number: self._blocks.get(number) or found[number] for number in wanted}

    # -- events ------------------------------------------------------------------------------

    def events(self, to_block: int | None = None) -> Sequence[ChainEvent]:
        """Return all events of DDLP's contracts up to a block (the head by default), in order."""
        with self._lock:
            return self._events.all(self._last(to_block))

    def created(self) -> Sequence[ChainEvent]:
        """Return what told of new campaigns, up to the head, in order."""
        with self._lock:
            return self._events.created(self._last(None))

    def facts(self, campaign: int, anchor_blocks: int, to_block: int | None = None) -> ChainFacts:
        """Return what the rules need of a campaign up to a block (the head by default)."""
        if to_block is not None:
            tip, facts = self._facts
            if tip == self._tip and (campaign, anchor_blocks, to_block) in facts:
                return facts[campaign, anchor_blocks, to_block]  # without waiting, as above
        with self._lock:
            last = self._last(to_block)
            if self._facts[0] != self._tip:
                self._facts = self._tip, {}
            known, name = self._facts[1], (campaign, anchor_blocks, last)
            if name not in known:
                known[name] = self._facts_at(campaign, anchor_blocks, last)
            return known[name]

    def manifest(self, campaign: int) -> bytes:
        """Return the digest of a campaign's manifest, which names `anchor_blocks` for `facts`."""
        return self.campaign(campaign)["manifest"]  # type: ignore[no-any-return]

    def operators(self, to_block: int | None = None) -> OperatorSet:
        """Return the operator set as of the end of a block (the head by default)."""
        with self._lock:
            last = self._last(to_block)
            return operator_set(self._events.of_seats(last), last)

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

    def _last(self, to_block: int | None) -> int:
        """The head, or `to_block`, for which the node is asked only where it isn't read yet."""
        if to_block is not None and self._tip is not None and to_block <= self._tip.number:
            return to_block
        head = self.head()
        if to_block is not None and to_block > head.number:
            raise ChainError(f"block {to_block} doesn't count yet: the head is block {head.number}")
        return head.number

    def _facts_at(self, campaign: int, anchor_blocks: int, last: int) -> ChainFacts:
        """Put a campaign's facts together; where nothing has happened, its anchors alone go on."""
        events = self._events.of_campaign(campaign, last)
        seen, facts = self._newest.get((campaign, anchor_blocks), ((), None))
        if facts is not None and seen == (len(events), *events[-1:]):
            assert isinstance(facts.anchors, Anchors)
            numbers = range(facts.anchors.numbers.start, last + 1, anchor_blocks)
            facts = replace(facts, anchors=self._anchors_at(numbers))
        else:
            facts = campaign_facts(
                events,
                campaign,
                chain_id=self.deployment.chain_id,
                addresses=self.deployment.addresses,
                window_seconds=self.deployment.parameters.window_seconds,
                anchor_blocks=anchor_blocks,
                to_block=last,
                blocks=self.blocks,
                anchors=self._anchors_at,
            )
        self._newest[campaign, anchor_blocks] = (len(events), *events[-1:]), facts
        return facts

    def _anchors_at(self, numbers: range) -> Mapping[int, Block]:
        """Return the blocks of a campaign's anchors; those looked up before aren't looked at."""
        name = numbers.start, numbers.step
        known, end = self._anchors.get(name, ({}, numbers.start))
        found = self.blocks(range(end, numbers.stop, numbers.step))
        final = {number: block for number, block in found.items() if number <= self._checkpoint}
        known.update(final)
        end += len(final) * numbers.step
        self._anchors[name] = known, end
        newer = {number: block for number, block in found.items() if number not in final}
        return Anchors(numbers, known, newer)

    def _look_up(self, numbers: Sequence[int]) -> dict[int, Block]:
        """Take blocks from the store, and what it lacks from the node."""
        found = {block.number: block for block in self._store.blocks(min(numbers), max(numbers))}
        asked = self._indexer.blocks([number for number in numbers if number not in found])
        self._store.keep([block for block in asked if block.number <= self._checkpoint])
        found.update((block.number, block) for block in asked)
        # Only what counts is remembered: newer blocks may still be replaced.
        self._blocks.update(
            (number, found[number]) for number in numbers if number <= self._checkpoint
        )
        return found

    def _take_in(self) -> None:
        """Decode what the store holds beyond the events known here."""
        recent = self._store.recent()
        tip = recent[-1]
        if tip == self._tip:
            return
        first = self._checkpoint + 1
        if self._tip is not None and self._tip in recent:
            first = self._tip.number + 1
        else:
            self._newest.clear()  # the same events may stand in other blocks
        self._events.forget(first)
        found = map(self._decoder.decode_log, self._store.logs(first))
        self._events.add(event for event in found if event is not None)
        self._tip, self._checkpoint = tip, recent[0].number


class RecentReader:
    """A `ChainReader` whose head is up to `seconds` old, or older while the node is being asked:
    for a page that many look at, each time with several questions. Balances and claims are asked
    of the node every time.
    """

    def __init__(self, reader: Web3Reader, seconds: float = 0.5) -> None:
        self._reader, self._seconds = reader, seconds
        self.block, self.balance, self.claimed = reader.block, reader.balance, reader.claimed

    def head(self) -> Block:
        """Return the newest block that counted within the last seconds."""
        return self._reader.recent_head(self._seconds)

    def events(self, to_block: int | None = None) -> Sequence[ChainEvent]:
        """Return all events of DDLP's contracts up to a block (the head by default), in order."""
        return self._reader.events(self._last(to_block))

    def facts(self, campaign: int, anchor_blocks: int, to_block: int | None = None) -> ChainFacts:
        """Return what the rules need of a campaign up to a block (the head by default)."""
        return self._reader.facts(campaign, anchor_blocks, self._last(to_block))

    def operators(self, to_block: int | None = None) -> OperatorSet:
        """Return the operator set as of the end of a block (the head by default)."""
        return self._reader.operators(self._last(to_block))

    def _last(self, to_block: int | None) -> int:
        return self.head().number if to_block is None else to_block
