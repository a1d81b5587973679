"""One seeded schedule: a campaign with its people, gateway and operators, from start to refund.

Everything but chain, links and people is the platform's own code. The seed alone decides what
happens; `Schedule(seed).run()` does it again.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from oracle.content.sealing import encryption_key, open_sealed
from oracle.errors import DDLPError
from oracle.evidence import entries as log
from oracle.evidence.campaign import decode_gold, decode_items
from oracle.evidence.codec import DAG_CBOR
from oracle.evidence.signing import address_of, sign
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, build_campaign
from oracle.ports import Peer
from oracle.protocol.campaign import Campaign
from oracle.service.member import Member, Timing
from oracle.service.memory import MemoryOperatorStore
from oracle.store.labels import SqlLabelStore
from oracle.store.schema import metadata
from tests.network.chain import MemoryContent, SimulatedChain
from tests.network.gateways import BEHAVIOURS, GatewayScene
from tests.network.liars import LIARS, Lossy, Tells
from tests.network.people import COPIER, GUESSER, HONEST, Contributor
from tests.network.remembered import remembering
from tests.support.world import key_of, manifest_document

OPERATORS, QUORUM = 4, 3
TICK = 30  # seconds between what people and operators do
EPOCHS = 2
CAMPAIGN = 7
ITEMS, GOLD = 30, 8
KINDS = (*[HONEST] * 5, *[GUESSER] * 2, COPIER)
# Rewards that the budget holds, and those that cap and bond do each. A lease holds cap for its own
# epoch: where labels of several epochs are due at once, little cap makes pay wait.
MONEY = {"ample": (10_000, 5_000), "short": (120, 60), "capped": (120, 30)}


class Violation(AssertionError):
    """An invariant doesn't hold; the message names the seed."""


@dataclass(frozen=True)
class Plan:
    """What a seed decides."""

    seed: int
    gateway: str
    liar: str
    drops: float
    voids: float
    money: str  # of MONEY

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Draw the plan of a seed; consecutive seeds go through all behaviours."""
        dice = random.Random(f"plan {seed}")
        behaviours, liars = sorted(BEHAVIOURS), sorted(LIARS)
        gateway = behaviours[seed % len(behaviours)]
        return cls(
            seed,
            gateway,
            dice.choice(liars),
            dice.choice([0.0, 0.1, 0.3]),
            dice.choice([0.0, 0.0, 0.3]),
            BEHAVIOURS[gateway].needs_money or dice.choice(["ample"] * 3 + ["short", "capped"]),
        )


@lru_cache(maxsize=1)
def campaign_files() -> CampaignFiles:
    """The campaign of every schedule: thirty items, ten classes."""
    terms = manifest_document(
        epochSeconds=600,
        leaseSeconds=180,
        graceSeconds=60,
        anchorBlocks=6,
        consensus__method="dawid-skene",
        gold__share=250_000,
        gold__newcomerShare=300_000,
        gold__newcomerItems=4,
    )
    items = [Item(f"item {number}", text=f"What is {number}?") for number in range(ITEMS)]
    return build_campaign(
        terms,
        items,
        [Gold(f"item {number}", str(number % 10)) for number in range(GOLD)],
        guidelines="Read, then answer.",
        consent="Your answers are paid and published.",
        gold_epochs=EPOCHS,
        secret=key_of("campaign secret"),
    )


@dataclass
class Schedule:
    """One run. `members` and `people` replace what the platform would build, to plant faults."""

    seed: int
    plan: Plan | None = None
    member_class: Callable[..., Member] = Member
    trace: list[str] = field(default_factory=list)
    early: set[bytes] = field(default_factory=set)  # evidence published before it was posted
    occurred: Counter[str] = field(default_factory=Counter)  # what was done, how often
    _campaign: Campaign | None = None

    def __post_init__(self) -> None:
        self.plan = self.plan or Plan.of(self.seed)
        self.dice = random.Random(f"schedule {self.seed}")
        self.files = campaign_files()
        self.truth = [place % 10 for place in self.files.order]
        self.content = MemoryContent()
        self.files.publish(self.content)
        names = [f"operator {number}" for number in range(OPERATORS)]
        self.keys = sorted((key_of(name) for name in names), key=address_of)
        addresses = [address_of(key) for key in self.keys]
        reward = self.files.manifest.reward
        budget, cap = (count * reward for count in MONEY[self.plan.money])
        self.chain = SimulatedChain(
            self.files,
            addresses,
            QUORUM,
            budget=budget,
            bond=cap,
            epoch_cap=cap,
        )
        manifest = self.files.manifest
        self.item_ids = decode_items(self.content.get(manifest.items, DAG_CBOR), self.content.fetch)
        self.gold = decode_gold(self.content.get(manifest.gold_commitments, DAG_CBOR))
        self.sealing = [encryption_key(key) for key in self.keys]
        self.gateways = GatewayScene(self, BEHAVIOURS[self.plan.gateway])
        self.stores = [MemoryOperatorStore() for _ in self.keys]
        self.members = [self.start(seat) for seat in range(OPERATORS)]
        seat = random.Random(f"liar {self.seed}").randrange(OPERATORS)
        self.liar = seat if self.plan.liar != "honest" else None
        self.ports: list[Any] = list(self.members)
        if self.liar is not None:
            self.ports[self.liar] = LIARS[self.plan.liar](self, self.members[self.liar])
        self.connect()
        self.people = [
            Contributor(self, f"person {number}", kind) for number, kind in enumerate(KINDS)
        ]

    # -- parts -------------------------------------------------------------------------------

    def label_store(self) -> SqlLabelStore:
        """A gateway's database that is gone with the schedule."""
        engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        metadata.create_all(engine)
        return SqlLabelStore(engine)

    def read_campaign(self) -> Campaign:
        """The campaign with the chain's facts of now."""
        known = self.chain.known
        if self._campaign is None or self._campaign.facts is not known:
            self._campaign = Campaign(self.files.manifest, self.item_ids, self.gold, known)
        return self._campaign

    def start(self, seat: int) -> Member:
        """Start an operator, anew on what it keeps."""
        key = self.keys[seat]
        return self.member_class(
            self.read_campaign,
            address=address_of(key),
            signer=lambda digest: sign(key, digest),
            unseal=lambda block: open_sealed(block, key),
            members=[address_of(one) for one in self.keys],
            threshold=QUORUM,
            reader=self.chain,
            feed=self.gateways.feed(seat),
            store=self.stores[seat],
            content=self.content,
            poster=self.chain,
            timing=Timing.of(self.files.manifest.grace_seconds),
        )

    def connect(self) -> None:
        """Link every operator with every other."""
        for seat, member in enumerate(self.members):
            member.peers = [
                Lossy(self, port) for other, port in enumerate(self.ports) if other != seat
            ]

    def restart(self, seat: int) -> None:
        """Kill an operator and start it on its store."""
        if seat == self.liar:
            return
        self.occurred["operator restarts"] += 1
        self.members[seat] = self.ports[seat] = self.start(seat)
        self.connect()

    @property
    def honest(self) -> Sequence[Member]:
        """The operators that do as they should."""
        return [one for seat, one in enumerate(self.members) if seat != self.liar]

    def told(self, item: int) -> str | None:
        """What an operator that tells knows of an item's answers."""
        port = self.ports[self.liar] if self.liar is not None else None
        return port.answer_to(item) if isinstance(port, Tells) else None

    def asked(self) -> list[Peer]:
        """Every operator, as the page reaches it."""
        return [Lossy(self, port) for port in self.ports]

    def delegation(self, wallet: bytes, session: bytes) -> log.Delegation:
        """A wallet's signed delegation to a session key."""
        consent = self.files.manifest.consent
        entry = log.Delegation(
            0, address_of(wallet), address_of(session), 0, 2**40, consent, log.NO_SIGNATURE
        )
        digest = entry.struct(CAMPAIGN).digest(self.chain.known.escrow_domain)
        return replace(entry, signature=sign(wallet, digest))

    # -- the run -----------------------------------------------------------------------------

    def run(self) -> Schedule:
        """Play the whole campaign."""
        logging.getLogger("oracle.service").setLevel(logging.CRITICAL)
        with remembering(self.seed):
            self._play()
        return self

    def _play(self) -> None:
        bounded = self.gateways.main.bounded
        end = bounded.boundary(EPOCHS)
        while self.chain.newest.timestamp < end + 600:
            self.tick()
        if self.chain.known.closed is None:
            self.chain.close()
        for _ in range(120):
            self.tick()
            if self.settled():
                break

    def settled(self) -> bool:
        """Say whether a final receipt left nothing owed, and everybody has followed it."""
        receipts = self.chain.finalized()
        if not receipts or not receipts[-1].final or self.chain._pending() is not None:
            return False
        return all(
            len(one.results) == len(receipts) and one._is_complete(self.chain.known)
            for one in self.honest
        )

    def tick(self) -> None:
        """Let time pass, and everybody do what they would."""
        self.chain.mine(TICK)
        self.attempt(self.gateways.follow)
        for person in self.shuffled(self.people):
            person.act()
        for port in self.shuffled(self.ports):
            if self.dice.random() < 0.9:
                self.attempt(port.step)
        if self.dice.random() < 0.02:
            self.restart(self.dice.randrange(OPERATORS))
        if self.dice.random() < self.plan.voids / 4 and self.voids < 2 and self.chain.void():
            self.voids += 1
            self.occurred["receipt is voided"] += 1

        posted = {one.receipt.evidence for one in self.chain.money.history}
        self.early |= self.content.evidence - posted

    voids: int = 0

    def shuffled(self, values: Sequence[Any]) -> list[Any]:
        """The values in an order that the seed draws."""
        return self.dice.sample(list(values), len(values))

    def attempt(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Do what may fail as the platform says it does; return what came of it, None if it did."""
        try:
            return action(*arguments)
        except DDLPError as error:
            self.trace.append(f"{self.chain.newest.number} {type(error).__name__} {error}"[:200])
            return None
