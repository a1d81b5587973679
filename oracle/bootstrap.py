"""The only wiring: settings and keys in, a platform out.

A `Platform` is what one process runs: a chain and its deployment, content, database, gateways,
operators and the desk. Commands, the page, replays and the demonstration all get theirs here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from eth_account.signers.local import LocalAccount
from sqlalchemy import Engine
from web3 import Web3

from oracle.chain.deployment import Deployment
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.memory import MemoryEvents, MemoryTransactions
from oracle.chain.poster import Poster
from oracle.chain.reader import RecentReader, Web3Reader
from oracle.chain.transactions import Fees
from oracle.chain.wallets import DEV_CHAIN_IDS, DevWallets
from oracle.community.community import Community
from oracle.content.local import LocalContent
from oracle.content.sealing import encryption_key, open_sealed
from oracle.content.stores import CatchUp
from oracle.errors import InputError, UnknownCampaign
from oracle.evidence.campaign import decode_gold, decode_items
from oracle.evidence.codec import DAG_CBOR, RAW, Link
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.manifest import Manifest
from oracle.gateway.campaign_files import CampaignFiles
from oracle.gateway.desk import Desk
from oracle.gateway.feed import GatewayFeed
from oracle.gateway.gateway import Gateway
from oracle.gateway.secrets import GatewaySecrets
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
from oracle.ports import ContentStore, EventStore, Network, TransactionStore
from oracle.protocol.campaign import Campaign
from oracle.service.epochs import EpochService, Progress
from oracle.service.operator import Operator
from oracle.store.database import open_database
from oracle.store.events import SqlEventStore
from oracle.store.labels import SqlLabelStore
from oracle.store.transactions import SqlTransactionStore

OPERATOR_COUNT, THRESHOLD = 3, 2


@dataclass(frozen=True, repr=False)
class Keys:
    """The private keys of a process that runs a gateway and operators."""

    gateway: bytes
    relayer: LocalAccount
    operators: tuple[LocalAccount, ...]

    @classmethod
    def of_devnet(cls, operators: int = OPERATOR_COUNT) -> Keys:
        """The well-known development keys."""
        wallets = DevWallets(min(DEV_CHAIN_IDS))
        return cls(
            bytes(wallets.gateway.key),
            wallets.relayer,
            tuple(wallets.operator(index) for index in range(operators)),
        )


def sealing_key(account: LocalAccount) -> bytes:
    """An operator's X25519 private key, derived from its signing key."""
    return keccak256(b"DDLP operator encryption" + bytes(account.key))


def establish_devnet(devnet: Devnet, keys: Keys, threshold: int = THRESHOLD) -> Deployment:
    """Return the platform's contracts on a development chain, deployed now or before."""
    sealed_to = [encryption_key(sealing_key(account)) for account in keys.operators]
    return establish(devnet, sealed_to, threshold)


def read_campaign(reader: Web3Reader, content: ContentStore, campaign: int) -> Campaign:
    """Return a campaign with fresh chain facts, its content read and verified."""
    digest = reader.manifest(campaign)
    if digest == ZERO32:
        raise UnknownCampaign(f"campaign {campaign} doesn't exist: check its number")

    def fetch(link: Link) -> bytes:
        return content.get(link.digest, link.codec)

    manifest = Manifest.decode(content.get(digest, RAW))
    return Campaign(
        manifest,
        decode_items(content.get(manifest.items, DAG_CBOR), fetch),
        decode_gold(content.get(manifest.gold_commitments, DAG_CBOR)),
        reader.facts(campaign, manifest.anchor_blocks),
    )


class CampaignReader:
    """Reads campaigns again and again: what never changes, their content, once."""

    def __init__(self, reader: Web3Reader, content: ContentStore) -> None:
        self._reader, self._content = reader, content
        self._known: dict[int, Campaign] = {}

    def __call__(self, campaign: int) -> Campaign:
        """Return a campaign with fresh chain facts, its content verified; threads may share it."""
        known = self._known.get(campaign)
        if known is None:
            known = self._known[campaign] = read_campaign(self._reader, self._content, campaign)
            return known
        facts = self._reader.facts(campaign, known.manifest.anchor_blocks)
        return replace(known, facts=facts)

    def forget(self, campaign: int) -> None:
        """Let go of a campaign's content; whoever asks for it again reads it again."""
        self._known.pop(campaign, None)


def chain_stores(engine: Engine, deployment: Deployment) -> tuple[EventStore, TransactionStore]:
    """Return where a process keeps what it reads of the chain and what it signs: its database. On a
    development chain both end with the process, since such a chain forgets blocks when killed."""
    if deployment.chain_id in DEV_CHAIN_IDS:
        return MemoryEvents(), MemoryTransactions()
    return SqlEventStore(engine), SqlTransactionStore(engine, deployment.chain_id)


class Platform:
    """One process' parts over one deployment.

    `state_dir` holds database, content and the gateways' secrets. `finality` is "finalized", or
    "latest" where a chain can't reorg. With `finish_first` gateways prefer items that are begun.
    """

    def __init__(
        self,
        w3: Web3,
        deployment: Deployment,
        *,
        keys: Keys,
        state_dir: Path,
        finality: str | int,
        fees: Fees | None = None,
        content: ContentStore | None = None,
        database_url: str | None = None,
        finish_first: bool = False,
    ) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self.w3, self.deployment, self.keys, self.state_dir = w3, deployment, keys, state_dir
        self._finish_first = finish_first
        self.content = content if content is not None else LocalContent(state_dir / "content")
        url = database_url or f"sqlite:///{(state_dir / 'ddlp.sqlite').resolve()}"
        self.engine = open_database(url)
        self.store = SqlLabelStore(self.engine)
        self.community = Community(self.engine, self.content)
        events, transactions = chain_stores(self.engine, deployment)
        self.reader = Web3Reader(w3, deployment, finality, events)
        self.relayer = Poster(w3, keys.relayer, deployment, transactions, fees)
        self.catch_up = CatchUp()
        self._read_campaign = CampaignReader(self.reader, self.content)
        self._gateways: dict[int, Gateway] = {}
        self._services: dict[int, EpochService] = {}
        self._unopened: dict[int, bytes] = {}  # campaign -> manifest, found but not opened yet
        self._unserved: set[int] = set()
        self.resting: set[int] = set()  # over: their logs follow the chain no more
        self._lock = threading.RLock()

    # -- campaigns ---------------------------------------------------------------------------

    def create_campaign(
        self,
        files: CampaignFiles,
        requester: LocalAccount,
        *,
        budget: int,
        bond: int,
        epoch_cap: int,
        fee_bps: int,
        gateway: bytes | None = None,
    ) -> int:
        """Publish a campaign's content, keep its secrets, create it on chain; return its id.

        `gateway` is the address of who serves it, by default this process. Calling again with the
        same files returns the same campaign.
        """
        digest = files.publish(self.content)
        path = self._secrets_path(digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            files.secrets.save(path)
        campaign, _ = Poster(self.w3, requester, self.deployment).create(
            token=self.deployment.token,
            budget=budget,
            bond=bond,
            epoch_cap=epoch_cap,
            fee_bps=fee_bps,
            gateway=gateway or bytes.fromhex(self._gateway_account().address[2:]),
            manifest=digest,
        )
        return campaign

    def gateways(self) -> Mapping[int, Gateway]:
        """Return the gateways of the campaigns that name this process' gateway key, by campaign."""
        with self._lock:
            return dict(self._gateways)

    def discover(self) -> None:
        """Look for campaigns on chain that are this process' to serve; `gateway` opens
        one when it is first asked for it."""
        address = bytes.fromhex(self._gateway_account().address[2:])
        for event in self.reader.created():
            if event.arguments["gateway"] != address:
                continue
            campaign, manifest = event.arguments["campaign"], event.arguments["manifest"]
            with self._lock:
                if campaign in self._gateways or campaign in self._unserved:
                    continue
                if self._secrets_path(manifest).exists():
                    self._unopened[campaign] = manifest
                else:
                    self._unserved.add(campaign)

    def head(self) -> int:
        """Return the number of the newest block that counts."""
        return self.reader.head().number

    def served(self) -> list[int]:
        """Return the campaigns that are this process' to serve, opened or not, ascending."""
        with self._lock:
            return sorted({*self._gateways, *self._unopened})

    def gateway(self, campaign: int) -> Gateway:
        """Return a campaign's gateway; InputError where this process doesn't serve it."""
        if campaign not in self._gateways and campaign not in self._unopened:
            self.discover()
        with self._lock:
            if campaign in self._unopened:
                self._gateways[campaign] = self._open_gateway(campaign, self._unopened[campaign])
                del self._unopened[campaign]
            if campaign not in self._gateways:
                raise InputError(
                    f"campaign {campaign} isn't served here: start the process that has its "
                    "gateway key and secrets file"
                )
            return self._gateways[campaign]

    def service(self, campaign: int) -> EpochService:
        """Return the operators' service of a campaign."""
        gateway = self.gateway(campaign)
        with self._lock:
            if campaign not in self._services:
                self._services[campaign] = EpochService(
                    lambda: self.read_campaign(campaign),
                    self.reader,
                    GatewayFeed(gateway),
                    self.content,
                    self.relayer,
                    [
                        Operator.of_key(
                            bytes(one.key), partial(open_sealed, private_key=sealing_key(one))
                        )
                        for one in self.keys.operators
                    ],
                    threshold=self.reader.operators().threshold,
                )
            return self._services[campaign]

    def read_campaign(self, campaign: int) -> Campaign:
        """Return a campaign with fresh chain facts, its content read and verified."""
        return self._read_campaign(campaign)

    def step(self) -> dict[int, Progress]:
        """Do what is due everywhere: follow the chain, cut, post, finalize."""
        self.discover()
        return {campaign: self.step_campaign(campaign) for campaign in self.served()}

    def step_campaign(self, campaign: int) -> Progress:
        """Do what is due for one campaign."""
        gateway = self.gateway(campaign)
        gateway.seal_to(self.reader.operators().encryption_keys.values())
        gateway.follow()
        progress = self.service(campaign).step()
        self.catch_up(self.content)
        return progress

    def measure(self, campaign: int) -> Measured:
        """Return how far a campaign is."""
        gateway, head = self.gateway(campaign), self.reader.head()
        facts = self.reader.facts(campaign, gateway.manifest.anchor_blocks)
        last = facts.created
        if facts.settlements:
            last = self.reader.block(facts.settlements[-1].posted_block)
        newest = gateway.head()
        return Measured(
            head.number,
            max(0, head.number - gateway.followed),
            newest.position if newest is not None else 0,
            max(0, head.timestamp - last.timestamp),
        )

    def checks(self, *, max_head_age: int, max_lag: int) -> list[Check]:
        """Look at every part, as `/readyz` tells of it; an age in seconds, a lag in blocks."""
        followed = min(
            (one.followed for number, one in self.gateways().items() if number not in self.resting),
            default=None,
        )
        clock = WallClock()
        return [
            looked_at(
                "chain", lambda: check_head(self.reader, clock, max_head_age, followed, max_lag)
            ),
            *check_nodes(self.reader.w3),
            check_database(self.engine),
            looked_at("content", lambda: check_content(self.content)),
            check_disk(self.state_dir),
        ]

    # -- people ------------------------------------------------------------------------------

    def desk(self, *, name: str, paused: Callable[[], Collection[object]] = tuple) -> Desk:
        """Return the contributors' desk over this process' gateways; `name` is the chain's,
        `paused` tells which campaigns lease nothing for now.
        """
        network = Network(
            chain_id=self.deployment.chain_id,
            name=name,
            development=self.deployment.chain_id in DEV_CHAIN_IDS,
            genesis=self.deployment.genesis,
            escrow=self.deployment.escrow,
            token=self.deployment.token,
            symbol="DDLP",
            decimals=18,
        )
        return Desk(
            network,
            self.gateways,
            RecentReader(self.reader),
            self.content,
            self.relayer,
            self.store,
            paused,
            self.community.learning.check_qualified,
            self.community.learning.check_expert,
        )

    # -- small parts -------------------------------------------------------------------------

    def fetch(self, link: Link) -> bytes:
        """Return a block's verified bytes."""
        return self.content.get(link.digest, link.codec)

    def _gateway_account(self) -> LocalAccount:
        from eth_account import Account

        account: LocalAccount = Account.from_key(self.keys.gateway)
        return account

    def _secrets_path(self, manifest: bytes) -> Path:
        return self.state_dir / "secrets" / f"{manifest.hex()}.json"

    def _open_gateway(self, campaign: int, manifest: bytes) -> Gateway:
        return Gateway(
            campaign,
            manifest=Manifest.decode(self.content.get(manifest, RAW)),
            reader=self.reader,
            content=self.content,
            store=self.store,
            secrets=GatewaySecrets.load(self._secrets_path(manifest)),
            key=self.keys.gateway,
            clock=WallClock(),
            operator_keys=tuple(self.reader.operators().encryption_keys.values()),
            finish_first=self._finish_first,
        )


class WallClock:
    """This machine's clock."""

    def now(self) -> int:
        """Return Unix seconds."""
        return int(time.time())
