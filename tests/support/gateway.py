"""A real gateway on a real database and content folder, over a chain that is a list of blocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from oracle.content.local import LocalContent
from oracle.content.sealing import encryption_key, seal_opening
from oracle.evidence import entries
from oracle.evidence.campaign import commit_label, label_salt
from oracle.evidence.codec import encode_json
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Receipt
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, build_campaign
from oracle.gateway.gateway import Gateway
from oracle.ports import ChainEvent, Claimed, LoggedEntry, OperatorSet
from oracle.protocol.facts import Block, ChainDelegation, ChainFacts, Funding, Settlement
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from tests.support.world import BLOCK_SECONDS, START, TOKEN, key_of, manifest_document

REQUESTER = address_of(key_of("requester"))
OPERATORS = [key_of(f"operator {number} encryption") for number in range(3)]


class MemoryChain:
    """A `ChainReader` of one campaign whose blocks the test mines; every block is final at once."""

    def __init__(self, files: CampaignFiles, *, budget: int, bond: int, epoch_cap: int) -> None:
        self.step = files.manifest.anchor_blocks
        created = self._block(self.step)
        self.known = ChainFacts(
            chain_id=31337,
            escrow=address_of(key_of("escrow")),
            board=address_of(key_of("board")),
            campaign=7,
            token=address_of(key_of("token")),
            gateway=address_of(key_of("gateway")),
            manifest=files.manifest.block.digest,
            fee_bps=500,
            window_seconds=60,
            created=created,
            funding=(Funding(created.number, budget, bond, epoch_cap),),
            settlements=(),
            delegations=(),
            closed=None,
            anchors={created.number: created},
        )
        self.newest = created
        self.paid: dict[bytes, int] = {}  # by account, base units

    def mine(self, seconds: int) -> None:
        """Add blocks for `seconds`."""
        for _ in range(max(1, seconds // BLOCK_SECONDS)):
            self.newest = self._block(self.newest.number + 1)
            if self.newest.number % self.step == 0:
                anchors = {**self.known.anchors, self.newest.number: self.newest}
                self.known = replace(self.known, anchors=anchors)

    def settle(self, receipt: Receipt) -> None:
        """Post and finalize a receipt in a new block."""
        self.mine(BLOCK_SECONDS)
        settled = Settlement(receipt, self.newest.number, self.newest.number)
        self.known = replace(self.known, settlements=(*self.known.settlements, settled))

    def close(self) -> None:
        """Close the campaign in a new block."""
        self.mine(BLOCK_SECONDS)
        self.known = replace(self.known, closed=self.newest)

    def delegate(self, contributor: bytes, session_key: bytes, consent: bytes) -> None:
        """A contract wallet delegates in a new block."""
        self.mine(BLOCK_SECONDS)
        event = ChainDelegation(self.newest.number, contributor, session_key, 0, 2**40, consent)
        self.known = replace(self.known, delegations=(*self.known.delegations, event))

    def _block(self, number: int) -> Block:
        time = START + (number - self.step) * BLOCK_SECONDS
        return Block(number, keccak256(b"block" + number.to_bytes(8, "big")), time)

    # What a ChainReader has beside the facts; no gateway asks for it.

    def facts(self, campaign: int, anchor_blocks: int, to_block: int | None = None) -> ChainFacts:
        assert (campaign, anchor_blocks, to_block) == (7, self.step, None)
        return self.known

    def head(self) -> Block:
        return self.newest

    def block(self, number: int) -> Block:
        return self._block(number)

    def events(self, to_block: int | None = None) -> Sequence[ChainEvent]:
        created = {"campaign": 7, "requester": REQUESTER, "token": self.known.token}
        block = self.known.created.number
        return (ChainEvent("CampaignEscrow", "CampaignCreated", created, block, 0, ZERO32),)

    def operators(self, to_block: int | None = None) -> OperatorSet:
        return OperatorSet(0, 2, (), frozenset(), {})

    def balance(self, token: bytes, account: bytes) -> int:
        return self.paid.get(account, 0)

    def claimed(self, campaign: int, account: bytes) -> Claimed:
        return Claimed(self.paid.get(account, 0), 0, 0)


class SteadyClock:
    """A clock that stands still."""

    def now(self) -> int:
        return START


class GatewayScene:
    """A campaign of `items` text items (`gold` of them known) and its gateway.

    The right class of an item is its name's last digit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        items: int = 60,
        gold: int = 12,
        gold_epochs: int = 2,
        budget: int = 1_000 * TOKEN,
        bond: int = 1_000 * TOKEN,
        epoch_cap: int = 500 * TOKEN,
        database_url: str | None = None,
        **changes: Any,
    ) -> None:
        self.folder = folder
        self.database_url = database_url or f"sqlite:///{folder / 'gateway.db'}"
        terms = manifest_document(**changes)
        sources = [Item(f"item {number}", text=f"What is {number}?") for number in range(items)]
        self.files = build_campaign(
            terms,
            sources,
            [Gold(f"item {number}", str(number % 10)) for number in range(gold)],
            guidelines="Read, then answer.",
            consent="Your answers are paid and published.",
            gold_epochs=gold_epochs,
            secret=key_of("campaign secret"),
        )
        self.truth = [str(place % 10) for place in self.files.order]
        self.content = LocalContent(folder / "content")
        self.private = LocalContent(folder / "private")
        self.files.publish(self.content, self.private)
        self.chain = MemoryChain(self.files, budget=budget, bond=bond, epoch_cap=epoch_cap)
        self.random = random.Random(0)
        self._engines: list[Engine] = []
        self.gateway = self.start()
        self.gateway.follow()

    def start(self, **options: Any) -> Gateway:
        """Start a gateway on the same database, as a process does after a restart."""
        self.engine = open_database(self.database_url)
        self._engines.append(self.engine)
        self.store = SqlLabelStore(self.engine)
        return Gateway(
            7,
            manifest=self.files.manifest,
            reader=self.chain,
            content=self.content,
            store=self.store,
            secrets=self.files.secrets,
            key=key_of("gateway"),
            clock=SteadyClock(),
            operator_keys=[encryption_key(key) for key in OPERATORS],
            private=self.private if self.files.private else None,
            **options,
        )

    def close(self) -> None:
        """Close all connections to the database."""
        for engine in self._engines:
            engine.dispose()

    def pass_time(self, seconds: int) -> None:
        """Mine blocks and let the gateway follow."""
        self.chain.mine(seconds)
        self.gateway.follow()

    def pass_anchors(self, count: int) -> None:
        """Let `count` anchors pass."""
        self.pass_time(count * self.chain.step * BLOCK_SECONDS)

    def delegation(self, name: str, generation: int = 0, **changes: Any) -> entries.Delegation:
        """Sign a delegation of `name` to its session key of that generation."""
        entry = entries.Delegation(
            0,
            address_of(key_of(name)),
            address_of(key_of(f"{name} session {generation}")),
            generation,
            2**40,
            self.files.manifest.consent,
            entries.NO_SIGNATURE,
        )
        entry = replace(entry, **changes)
        digest = entry.struct(7).digest(self.chain.known.escrow_domain)
        return replace(entry, signature=sign(key_of(name), digest))

    def join(self, *names: str) -> None:
        """Delegate and wait until they may draw."""
        for name in names:
            self.gateway.delegate(self.delegation(name))
        self.pass_anchors(2)

    def submission(
        self, name: str, items: Sequence[int], answers: Sequence[str] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Make the arguments of `Gateway.submit`; the right answers by default."""
        chosen = [self.truth[item] for item in items] if answers is None else answers
        plain = [encode_json(answer) for answer in chosen]
        seed = self.random.randbytes(32)
        opening = seal_opening(plain, seed, [encryption_key(key) for key in OPERATORS]).block.data
        labels = tuple(
            commit_label(self.gateway.item_ids[item], sha256(answer), label_salt(seed, index))
            for index, (item, answer) in enumerate(zip(items, plain, strict=True))
        )
        entry = entries.Submission(
            address_of(key_of(name)),
            self.random.getrandbits(60),
            self.files.manifest.guidelines,
            sha256(opening),
            START,
            labels,
            tuple(items),
            entries.NO_SIGNATURE,
        )
        entry = self.sign(replace(entry, **changes), f"{name} session 0")
        return {"entry": entry, "answers": plain, "seed": seed, "opening": opening}

    def sign(self, entry: entries.Submission, signer: str) -> entries.Submission:
        """Sign a submission with the key derived from `signer`."""
        digest = entry.struct(7).digest(self.chain.known.escrow_domain)
        return replace(entry, signature=sign(key_of(signer), digest))

    def lease(self, name: str, count: int = 5) -> list[int]:
        """Lease items; return their numbers."""
        return [one.number for one in self.gateway.lease(address_of(key_of(name)), count).items]

    def work(self, name: str, count: int = 5) -> LoggedEntry:
        """Lease and label items rightly."""
        return self.gateway.submit(**self.submission(name, self.lease(name, count)))
