"""What `ddlp operator run` runs: one operator, in every campaign whose gateway it knows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from web3 import Web3

from oracle.bootstrap import CampaignReader, WallClock, chain_stores
from oracle.chain.deployment import Deployment
from oracle.chain.keys import digest_signer
from oracle.chain.poster import Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.transactions import Fees, Signer
from oracle.content.sealing import open_sealed
from oracle.content.stores import CatchUp
from oracle.errors import UnknownCampaign
from oracle.evidence.entries import Anchor, LogRow
from oracle.evidence.structs import Domain
from oracle.operations.health import (
    Check,
    check_content,
    check_database,
    check_disk,
    check_head,
    check_nodes,
    looked_at,
)
from oracle.operations.loop import Measured
from oracle.ports import ContentStore, FilingDesk, OperatorSet, Peer
from oracle.processes.folder import Peers
from oracle.protocol.facts import ChainFacts
from oracle.service.asking import at_once
from oracle.service.member import Member, Progress, Timing, is_complete
from oracle.store.database import open_database
from oracle.store.operators import SqlOperatorStore
from oracle.transport.authentication import Identity
from oracle.transport.client import Caller, HttpFeed, HttpPeer

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 1.0
OVER = "over"  # noted of a campaign that rests
NO_ANCHORS = 1 << 62  # a distance at which no block is an anchor
Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """What `ask` returns, asked for once a second at most; threads may share it."""

    def __init__(self, ask: Callable[[], Value]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known: Value | None = None
        self._asked = float("-inf")

    def __call__(self) -> Value:
        """Return it; raises what `ask` raises."""
        with self._lock:
            if self._known is None or time.monotonic() - self._asked > REMEMBERED_SECONDS:
                self._known, self._asked = self._ask(), time.monotonic()
            return self._known


def chain_time(reader: Web3Reader) -> Remembered[int]:
    """Return the chain's clock: Unix seconds of the newest block, asked for once a second."""
    return Remembered(lambda: reader.newest().timestamp)


class OperatorProcess:
    """One operator: a `Stepped` for the loop, an `Offered` for its listening side.

    `state_dir` holds the database unless `database_url` names another.
    """

    def __init__(
        self,
        w3: Web3,
        deployment: Deployment,
        *,
        signer: Signer,
        sealing_key: bytes,
        peers: Peers,
        state_dir: Path,
        finality: str | int,
        content: ContentStore,
        database_url: str,
        fees: Fees | None = None,
    ) -> None:
        self.deployment, self.state_dir, self.content = deployment, state_dir, content
        self.engine = open_database(database_url)
        events, transactions = chain_stores(self.engine, deployment)
        self.reader = Web3Reader(w3, deployment, finality, events, whole=False)
        self.poster = Poster(w3, signer, deployment, transactions, fees)
        self._catch_up = CatchUp()
        self._active = Remembered(lambda: active_members(self.reader.operators()))
        self.read_campaign = CampaignReader(self.reader, content)
        self._sealing_key = sealing_key
        self.identity = Identity(
            self.poster.address,
            digest_signer(signer),
            Domain(deployment.chain_id, deployment.escrow),
            chain_time(self.reader),
        )
        self._callers = {
            address: Caller(url, address, self.identity)
            for address, url in {**peers.operators, **peers.gateways}.items()
            if address != self.poster.address
        }
        self._gateways = frozenset(peers.gateways)
        self._found: dict[int, bytes] = {}  # campaign -> its gateway's address
        self._members: dict[int, tuple[int, Member]] = {}  # with the set's version
        self._passed_over: set[int] = set()
        self._over: set[int] = set()
        self._lock = threading.RLock()

    # -- for the loop ------------------------------------------------------------------------

    def discover(self) -> None:
        """Find the campaigns whose gateway `peers.json` names; the others are told of once."""
        for event in self.reader.created():
            campaign, gateway = event.arguments["campaign"], event.arguments["gateway"]
            if campaign in self._found:
                continue
            if gateway in self._gateways:
                self._found[campaign] = gateway
                if self._store(campaign).notes(OVER):
                    self._over.add(campaign)
            elif campaign not in self._passed_over:
                self._passed_over.add(campaign)
                log.warning(
                    "campaign %d isn't followed: name gateway 0x%s in peers.json, and start again",
                    campaign,
                    gateway.hex(),
                )

    def head(self) -> int:
        """Return the number of the newest block that counts."""
        return self.reader.head().number

    def served(self) -> list[int]:
        """Return the campaigns that this operator follows, ascending: those that are over rest."""
        with self._lock:
            ended = [number for number, (_, one) in self._members.items() if one.is_over]
        for campaign in ended:
            self._rest(campaign)
        return [one for one in sorted(self._found) if not self._rests(one)]

    def _rests(self, campaign: int) -> bool:
        # Asked of the chain each time: blocks may have been undone, or lost by a devnet's kill.
        if campaign in self._over and not is_complete(self.reader.facts(campaign, NO_ANCHORS)):
            self._over.discard(campaign)
        return campaign in self._over

    def step_campaign(self, campaign: int) -> Progress:
        """Follow chain, log and peers, and do the one thing that is due."""
        progress = self._member(campaign).step()
        self._catch_up(self.content)
        return progress

    def _rest(self, campaign: int) -> None:
        """Let a campaign that is over rest: otherwise each ever made would cost its log's memory,
        and a question to every peer with every step."""
        log.info("all is settled: the campaign rests", extra={"campaign": campaign})
        self._store(campaign).note(OVER, bytes(32), b"", now=self.reader.head().timestamp)
        with self._lock:
            self._over.add(campaign)
            self._members.pop(campaign, None)
        self.read_campaign.forget(campaign)

    def measure(self, campaign: int) -> Measured:
        """Return how far a campaign is."""
        head, member = self.reader.head(), self._member(campaign)
        manifest = self.read_campaign(campaign).manifest
        facts = self.reader.facts(campaign, manifest.anchor_blocks)
        last = facts.created
        if facts.settlements:
            last = self.reader.block(facts.settlements[-1].posted_block)
        lag = max(0, head.number - followed(member.log.rows, facts, manifest.anchor_blocks))
        age = max(0, head.timestamp - last.timestamp)
        return Measured(
            head.number,
            lag,
            len(member.log.rows),
            age,
            member.tally.signatures,
            member.tally.disagreements,
        )

    def checks(self, *, max_head_age: int, max_lag: int) -> list[Check]:
        """Look at every part; an age in seconds, a lag in blocks."""
        clock = WallClock()
        return [
            looked_at("chain", lambda: check_head(self.reader, clock, max_head_age, None, max_lag)),
            *check_nodes(self.reader.w3),
            check_database(self.engine),
            looked_at("content", lambda: check_content(self.content)),
            check_disk(self.state_dir),
        ]

    # -- for others --------------------------------------------------------------------------

    def peer(self, campaign: int) -> Peer:
        """Return this operator as its peers see it."""
        return self._offered(campaign)

    def desk(self, campaign: int) -> FilingDesk:
        """Return what it offers contributors."""
        return self._offered(campaign)

    def members(self) -> dict[bytes, bytes]:
        """Return the operators of the moment, with their encryption keys."""
        return self._active()

    # -- small parts -------------------------------------------------------------------------

    def _offered(self, campaign: int) -> Member:
        with self._lock:
            if campaign not in self._members:
                raise UnknownCampaign(f"campaign {campaign} isn't followed here: ask another")
            return self._members[campaign][1]

    def _member(self, campaign: int) -> Member:
        """Return this operator's part in a campaign, made anew where the set has changed."""
        seats = self.reader.operators()
        with self._lock:
            known = self._members.get(campaign)
            if known is None or known[0] != seats.version:
                known = seats.version, self._open(campaign, seats)
                self._members[campaign] = known
            return known[1]

    def _store(self, campaign: int) -> SqlOperatorStore:
        return SqlOperatorStore(self.engine, self.poster.address, campaign)

    def _open(self, campaign: int, seats: OperatorSet) -> Member:
        manifest = self.read_campaign(campaign).manifest
        return Member(
            partial(self.read_campaign, campaign),
            address=self.poster.address,
            signer=self.identity.sign,
            unseal=partial(open_sealed, private_key=self._sealing_key),
            members=seats.members,
            threshold=seats.threshold,
            reader=self.reader,
            feed=HttpFeed(self._callers[self._found[campaign]], campaign, self._sealing_key),
            store=self._store(campaign),
            content=self.content,
            poster=self.poster,
            timing=Timing.of(manifest.grace_seconds),
            peers=[
                HttpPeer(self._callers[address], campaign)
                for address in seats.members
                if address in self._callers
            ],
            keeps_results=False,
            asking=at_once(seats.threshold),
        )


def followed(rows: Sequence[LogRow], facts: ChainFacts, anchor_blocks: int) -> int:
    """Return the last block that leaves nothing for the log to follow: the one before the next
    anchor.
    """
    for row in reversed(rows):
        if row.data[:1] == bytes([Anchor.KIND]):
            entry = row.entry
            assert isinstance(entry, Anchor)
            return entry.block_number + anchor_blocks - 1
    return facts.created.number + anchor_blocks


def active_members(seats: OperatorSet) -> dict[bytes, bytes]:
    """Return the X25519 keys of a set's active members, by address."""
    return {one: seats.encryption_keys[one] for one in seats.members if one in seats.active}
