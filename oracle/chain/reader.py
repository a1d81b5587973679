"""The chain as a node tells it: blocks, events, and what follows from them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from web3 import Web3

from oracle.chain.deployment import Deployment, verify_code
from oracle.chain.events import EventDecoder
from oracle.chain.facts import campaign_facts, operator_set
from oracle.chain.proofs import to_bytes, to_int
from oracle.chain.rpc import get_logs, request
from oracle.chain.transactions import read_contract, read_struct
from oracle.errors import ChainError, ChainReorg, UnknownCampaign
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent, Claimed, OperatorSet
from oracle.protocol.facts import Block, ChainFacts


class Web3Reader:
    """A `ChainReader` over a node; safe for several threads.

    `finality` is "finalized" (what can't be undone) or "latest". Events are read once and kept;
    every look at the head checks that the last block read is still the chain's.

    Raises ChainError where the node's chain isn't the deployment's, or a contract's code isn't this
    installation's.
    """

    def __init__(self, w3: Web3, deployment: Deployment, finality: str = "finalized") -> None:
        if finality not in {"finalized", "latest"}:
            raise ChainError(f"finality is {finality!r}: name finalized or latest")
        self.w3 = w3
        self.deployment = deployment
        self.finality = finality
        self._decoder = EventDecoder(deployment.addresses)
        self._lock = threading.RLock()
        self._events: list[ChainEvent] = []
        self._blocks: dict[int, Block] = {}
        verify_code(w3, deployment)
        # What was read last, and what the next look at the head compares with.
        self._read_to = self._fetch(hex(deployment.first_block - 1))

    # -- blocks ------------------------------------------------------------------------------

    def head(self) -> Block:
        """Return the newest block that counts; ChainReorg where blocks read before are gone."""
        with self._lock:
            head = self._fetch(self.finality)
            if head.number < self._read_to.number:
                newest = self._fetch("latest").number
                if newest < self._read_to.number:
                    self._raise_reorg(f"the chain ends at block {newest}")
                # Nodes behind one address may be a little apart: what was final stays final.
                return self._read_to
            if self._fetch(hex(self._read_to.number)).hash != self._read_to.hash:
                self._raise_reorg("it has another hash now")
            return head

    def newest(self) -> Block:
        """Return the newest block, final or not: its time is the chain's clock."""
        return self._fetch("latest")

    def block(self, number: int) -> Block:
        """Return one block; ChainError where the chain has none of that number."""
        with self._lock:
            known = self._blocks.get(number)
        if known is None:
            known = self._fetch(hex(number))
            with self._lock:
                # Only what counts is kept: newer blocks may still be replaced.
                if number <= self._read_to.number:
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
            if head.number > self._read_to.number:
                self._read(self._read_to.number + 1, head.number)
                if self._fetch(hex(head.number)).hash != head.hash:
                    self._raise_reorg("it was replaced while it was read")
                self._read_to = head
            return [event for event in self._events if event.block <= last]

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

    def _read(self, first: int, last: int) -> None:
        """Append the events of blocks `first` to `last`."""
        addresses = [checksum(address) for address in self._decoder.addresses]
        logs = get_logs(self.w3, addresses, [], first, last)
        self._events += [event for event in map(self._decode, logs) if event is not None]

    def _decode(self, log: dict[str, Any]) -> ChainEvent | None:
        return self._decoder.decode(
            log,
            block=to_int(log["blockNumber"], "blockNumber"),
            index=to_int(log["logIndex"], "logIndex"),
            transaction=to_bytes(log["transactionHash"], "transactionHash"),
        )

    def _fetch(self, tag: str) -> Block:
        found = request(self.w3, "eth_getBlockByNumber", tag, False)
        if found is None:
            raise ChainError(f"the node has no block {tag}: let it catch up, or use another one")
        return Block(
            to_int(found["number"], "number"),
            to_bytes(found["hash"], "hash"),
            to_int(found["timestamp"], "timestamp"),
        )

    def _raise_reorg(self, how: str) -> None:
        raise ChainReorg(
            f"block {self._read_to.number} was read before, but {how}: the chain lost blocks. "
            "Start again from a state that was saved together with this chain"
        )
