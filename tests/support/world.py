"""A campaign without chain, database or network: facts, log and openings made in memory.

For tests of the rules themselves. Everything is seeded; keys are derived from names. The gateway
here is honest unless a test edits its entries.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from oracle.evidence import entries
from oracle.evidence.campaign import commit_label, draw_seeds, label_salt
from oracle.evidence.codec import encode_json
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.evidence.manifest import Manifest
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import GoldOpening, Opening, Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide, propose
from oracle.protocol.facts import Block, ChainFacts, Funding, Settlement
from oracle.protocol.ledger import Ledger, Secrets
from oracle.protocol.openings import cut_of

TOKEN = 10**18
START = 1_700_000_000
BLOCK_SECONDS = 10


def key_of(name: str) -> bytes:
    """A private key derived from a name."""
    return keccak256(name.encode())


def manifest_document(**changes: Any) -> dict[str, Any]:
    """A manifest's document; nested parts are given as `part__field`."""
    digest = "11" * 32
    document: dict[str, Any] = {
        "version": 1,
        "title": "World",
        "description": "",
        "task": {
            "type": "categorical",
            "classes": [str(number) for number in range(10)],
            "schema": {"type": "string"},
        },
        "guidelines": digest,
        "consent": digest,
        "items": digest,
        "itemCount": 60,
        "gold": {
            "commitments": digest,
            "count": 0,
            "share": 200_000,
            "newcomerShare": 400_000,
            "newcomerItems": 10,
        },
        "drawSeed": digest,
        "assignment": "drawn",
        "consensus": {
            "method": "dawid-skene",
            "version": 1,
            "redundancyMin": 3,
            "redundancyMax": 5,
            "threshold": 950_000,
            "escalation": "ambiguous",
        },
        "payment": {
            "policy": "agreement",
            "version": 1,
            "base": 300_000,
            "reward": str(TOKEN // 100),
            "rewardMin": str(TOKEN // 200),
            "rewardMax": str(TOKEN // 50),
            "rewardStep": 50_000,
            "thresholdMin": 900_000,
            "thresholdMax": 990_000,
            "thresholdStep": 10_000,
            "target": 100_000,
        },
        "slashing": {"floor": 400_000, "cap": str(10 * TOKEN)},
        "qualification": {"minimumTier": 0},
        "privacy": "public",
        "quotas": {},
        "auditors": [],
        "secondsPerItem": 5,
        "epochSeconds": 3600,
        "leaseSeconds": 600,
        "graceSeconds": 60,
        "anchorBlocks": 6,
    }
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        if inner:
            document[part][inner] = value
        else:
            document[part] = value
    return document


@dataclass
class World:
    """One campaign: make it, let contributors label, cut epochs, keep their results.

    `truth` maps items to classes, `gold` lists the items of each epoch's batch. `pool` are the
    answers that people give, by number, where these aren't the task's classes.
    """

    seed: int = 0
    epochs: int = 4
    items: int = 60
    gold_per_epoch: int = 10
    budget: int = 1_000 * TOKEN
    bond: int = 1_000 * TOKEN
    epoch_cap: int = 500 * TOKEN
    fee_bps: int = 500
    changes: dict[str, Any] = field(default_factory=dict)
    pool: list[Any] | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        total = self.items + self.epochs * self.gold_per_epoch
        classes = [str(number) for number in range(10)]
        classes = self.pool or self.changes.get("task__classes", classes)
        self.truth = {item: self.random.randrange(len(classes)) for item in range(total)}
        numbers = list(range(total))
        self.random.shuffle(numbers)
        size = self.gold_per_epoch
        self.gold = [
            tuple(numbers[epoch * size : (epoch + 1) * size]) for epoch in range(self.epochs)
        ]
        self.item_ids = [keccak256(b"item" + item.to_bytes(4, "big")) for item in range(total)]
        self.answers = [encode_json(name) for name in classes]
        self.gold_openings = [
            GoldOpening(epoch, index, item, self.answers[self.truth[item]], self._salt(item))
            for epoch, batch in enumerate(self.gold, 1)
            for index, item in enumerate(batch)
        ]
        commitments = [
            [
                commit_label(self.item_ids[row.item], sha256(row.answer), row.salt)
                for row in self.gold_openings
                if row.epoch == epoch
            ]
            for epoch in range(1, self.epochs + 1)
        ]
        self.seeds = draw_seeds(keccak256(b"draws"), self.epochs + 4)
        self.gateway_key = key_of("gateway")
        self.manifest = Manifest.from_document(
            manifest_document(
                itemCount=total,
                drawSeed=self.seeds[0].hex(),
                gold__count=self.epochs * size,
                **self.changes,
            )
        )
        self.block = 6
        created = Block(self.block, self._hash(self.block), START)
        self.facts = ChainFacts(
            chain_id=31337,
            escrow=address_of(key_of("escrow")),
            board=address_of(key_of("board")),
            campaign=1,
            token=address_of(key_of("token")),
            gateway=address_of(self.gateway_key),
            manifest=self.manifest.block.digest,
            fee_bps=self.fee_bps,
            window_seconds=60,
            created=created,
            funding=(Funding(created.number, self.budget, self.bond, self.epoch_cap),),
            settlements=(),
            delegations=(),
            closed=None,
            anchors={created.number: created},
        )
        self.campaign = Campaign(self.manifest, self.item_ids, commitments, self.facts)
        batches = dict(enumerate(self.gold, 1))
        secrets = Secrets(dict(enumerate(self.seeds)), batches, True, gold_epochs=self.epochs)
        self.ledger = Ledger(self.manifest, self.facts, closed={}, secrets=secrets)
        self.rows: list[entries.LogRow] = []
        self.held: dict[tuple[int, int], Opening] = {}
        self.results: list[EpochResult] = []
        self.sequence = 0
        self.append(entries.Anchor(created.number, created.hash))

    # -- chain -------------------------------------------------------------------------------

    def _hash(self, block: int) -> bytes:
        return keccak256(b"block" + block.to_bytes(8, "big") + self.seed.to_bytes(4, "big"))

    def _salt(self, item: int) -> bytes:
        return keccak256(b"gold" + item.to_bytes(4, "big"))

    def _know(self, facts: ChainFacts) -> None:
        self.facts = facts
        self.campaign = replace(self.campaign, facts=facts)
        closed = self.results[-1].closed if self.results else {}
        self.ledger.follow(facts, closed)

    def pass_time(self, seconds: int) -> None:
        """Mine blocks for `seconds` and take every anchor into the log."""
        step = self.manifest.anchor_blocks
        end = self.block + max(1, seconds // BLOCK_SECONDS)
        while self.block < end:
            self.block += 1
            if self.block % step == 0:
                time = START + (self.block - self.facts.created.number) * BLOCK_SECONDS
                anchor = Block(self.block, self._hash(self.block), time)
                self._know(replace(self.facts, anchors={**self.facts.anchors, self.block: anchor}))
                self.append(entries.Anchor(anchor.number, anchor.hash))

    def close(self) -> None:
        """Close the campaign on chain, now."""
        self.block += 1
        time = START + (self.block - self.facts.created.number) * BLOCK_SECONDS
        self._know(replace(self.facts, closed=Block(self.block, self._hash(self.block), time)))

    def settle(self, receipt: Receipt) -> None:
        """Post and finalize a receipt in the next block."""
        self.block += 1
        settled = Settlement(receipt, self.block, self.block)
        self._know(replace(self.facts, settlements=(*self.facts.settlements, settled)))

    # -- log ---------------------------------------------------------------------------------

    def append(self, entry: entries.Entry, *, check: bool = True) -> int:
        """Append an entry as the gateway does; return its position. Without `check` a lying gateway
        appends what it wants."""
        position = len(self.rows) + 1
        data = entries.encode_entry(entry)
        before = self.rows[-1].head if self.rows else ZERO32
        head = entries.next_head(before, keccak256(data))
        row = entries.LogRow(position, data, keccak256(data), head, b"")
        digest = row.signed_head(self.facts.campaign).digest(self.facts.escrow_domain)
        self.rows.append(replace(row, signature=sign(self.gateway_key, digest)))
        if check:
            self.ledger.apply(entry, position)
            self.ledger.position, self.ledger.head = position, head
        return position

    def delegate(self, name: str, generation: int = 0, valid_until: int = 2**40) -> None:
        """Contributor `name` delegates to its session key of this generation."""
        entry = entries.Delegation(
            0,
            address_of(key_of(name)),
            address_of(key_of(f"{name} session {generation}")),
            generation,
            valid_until,
            self.manifest.consent,
            entries.NO_SIGNATURE,
        )
        digest = entry.struct(self.facts.campaign).digest(self.facts.escrow_domain)
        self.append(replace(entry, signature=sign(key_of(name), digest)))

    def lease(self, name: str, count: int) -> list[int]:
        """Lease up to `count` items by honest draws; return them (none where nothing may be
        leased)."""
        contributor = address_of(key_of(name))
        if self.ledger.draw_delay(contributor):
            return []
        count = min(count, self.ledger.open_allowance(contributor))
        items: list[int] = []
        for ahead in range(count):
            allowed = self.ledger.draw(contributor, ahead, items)
            if not allowed:
                break
            items.append(self.random.choice(allowed))
        if not items or self.ledger.latest_expiry() <= self.ledger.anchor.timestamp:
            return []
        self.append(
            entries.Lease(
                contributor, self.ledger.reward(), self.ledger.latest_expiry(), tuple(items)
            )
        )
        return items

    def submission(
        self, name: str, items: list[int], classes: list[int], generation: int = 0
    ) -> tuple[entries.Submission, list[Opening]]:
        """Make a signed submission and its openings (their position still 0)."""
        self.sequence += 1
        seed = keccak256(f"{name} {self.sequence}".encode())
        salts = [label_salt(seed, index) for index in range(len(items))]
        answers = [self.answers[klass] for klass in classes]
        labels = tuple(
            commit_label(self.item_ids[item], sha256(answer), salt)
            for item, answer, salt in zip(items, answers, salts, strict=True)
        )
        entry = entries.Submission(
            address_of(key_of(name)),
            self.sequence,
            self.manifest.guidelines,
            sha256(b"opening" + seed),
            START,
            labels,
            tuple(items),
            entries.NO_SIGNATURE,
        )
        digest = entry.struct(self.facts.campaign).digest(self.facts.escrow_domain)
        signature = sign(key_of(f"{name} session {generation}"), digest)
        openings = [
            Opening(item, 0, index, answer, salt)
            for index, (item, answer, salt) in enumerate(zip(items, answers, salts, strict=True))
        ]
        return replace(entry, signature=signature), openings

    def submit(self, name: str, items: list[int], classes: list[int], **more: Any) -> int:
        """Submit labels for leased items; the openings are held."""
        entry, openings = self.submission(name, items, classes, **more)
        position = self.append(entry)
        for opening in openings:
            self.held[position, opening.index] = replace(opening, position=position)
        return position

    def work(self, name: str, count: int, answer: Callable[[int], int]) -> int:
        """Lease and label up to `count` items; `answer` maps an item to a class. Returns how
        many."""
        items = self.lease(name, count)
        if items:
            self.submit(name, items, [answer(item) for item in items])
        return len(items)

    # -- epochs ------------------------------------------------------------------------------

    def supplement(self, *, final: bool = False) -> Supplement:
        """Propose the supplement of the newest cut."""
        epoch = self.newest_epoch(final=final)
        opened = {row.item for result in self.results for row in result.evidence.items}
        known = self.results[-1].secrets.batches if self.results else {}
        held = Supplement(
            self.facts.campaign,
            epoch,
            final,
            self.seeds[epoch],
            tuple(
                row
                for row in self.gold_openings
                if row.epoch not in known and (final or row.epoch <= epoch)
            ),
            (),
            tuple(sorted(row for row in self.held.values() if row.item not in opened)),
        )
        return propose(self.campaign, self.previous, self.rows, held)

    @property
    def previous(self) -> EpochResult | None:
        """The last settled result."""
        return self.results[-1] if self.results else None

    def newest_epoch(self, *, final: bool) -> int:
        """The newest epoch that the log can cut."""
        if not final:
            return self.ledger.epoch - 1
        cut = cut_of(self.campaign, self.previous, 0, final=True, rows=self.rows)
        assert cut is not None
        return self.ledger.bounded.epoch_at(cut[1].timestamp)

    def cut(self, *, final: bool = False) -> EpochResult:
        """Decide the newest cut and settle its receipt."""
        result = decide(self.campaign, self.previous, self.rows, self.supplement(final=final))
        self.results.append(result)
        self.settle(result.receipt)
        return result
