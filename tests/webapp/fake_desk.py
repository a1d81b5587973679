"""A platform in memory behind the page: checks all that a browser signs and seals, pays on demand,
and can misbehave.
"""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import nacl.public

from oracle.errors import (
    AccessRefusal,
    DDLPError,
    GatewayRefusal,
    InputError,
    SignatureError,
    UnknownCampaign,
)
from oracle.evidence import entries, structs
from oracle.evidence.campaign import SealedOpening, commit_label, label_salt
from oracle.evidence.codec import decode_cbor, decode_json
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.evidence.signing import address_of, recover, sign
from oracle.evidence.tasks import read_task
from oracle.gateway.campaign_files import Item, Shown
from oracle.ports import (
    CampaignView,
    ClaimResult,
    ContributorStatus,
    ItemPart,
    ItemView,
    LeasedItem,
    LeaseReply,
    LoggedEntry,
    Media,
    Network,
    OperatorsView,
)
from oracle.replay.showcase import Showcase
from tests.webapp.fake_appeals import FakeAppeals
from tests.webapp.fake_earnings import FakeEarnings
from tests.webapp.fake_growth import FakeGrowth
from tests.webapp.fake_market import FakeMarket

UNIT = 10**18
DIGITS = {"type": "categorical", "classes": list("0123456789")}
GATEWAY_KEY = keccak256(b"gateway of the fake desk")
GUIDELINES = """Each picture shows one handwritten digit, scanned at low resolution.

Choose the digit that the writer most likely meant. A one may have a foot or a flag; a seven may
have a bar through it.

Skip a picture only if you can't tell at all."""
CONSENT = """Your answers, your wallet address and the time of each submission become public when a
round closes, and stay so.

Your network address and how long you took never become public.

You may stop at any time. What you have earned until then stays yours."""


def digit_picture(number: int, size: int = 8) -> bytes:
    """Return a small grey PNG that differs by item number."""
    rows = b"".join(
        b"\0" + bytes(255 if (x * 7 + y * (number + 3)) % 8 < 3 else 20 for x in range(size))
        for y in range(size)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def _part(shown: Item | Shown) -> ItemPart:
    return ItemPart(shown.text, shown.media.type if shown.media is not None else None)


@dataclass
class Account:
    """What the fake knows of one contributor."""

    generation: int = 0
    session_keys: set[bytes] = field(default_factory=set)
    lease: LoggedEntry | None = None
    leased: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    submitted: int = 0
    accepted: int = 0
    earned: int = 0
    claimed: int = 0


class FakeDesk:
    """A `LabelingDesk`; `fault` makes the gateway lie, `failure` makes every call raise."""

    def __init__(
        self,
        *,
        items: int = 25,
        development: bool = True,
        lease_seconds: int = 600,
        showcase: Showcase | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.now, self.begun = now, now()
        self.showcase = showcase
        self.lease_seconds = lease_seconds
        self.operator_keys = [nacl.public.PrivateKey(bytes([n]) * 32) for n in (1, 2, 3)]
        self.chain = Network(
            chain_id=31337,
            name="Local devnet",
            development=development,
            genesis=keccak256(str(now()).encode()),
            escrow=b"\x5f" * 20,
            token=b"\x70" * 20,
            symbol="LABEL",
            decimals=18,
        )
        self.view = CampaignView(
            number=1,
            title=showcase.title if showcase else "Handwritten digits",
            description="Which digit does each small picture show?",
            task=showcase.task if showcase else DIGITS,
            measured=showcase is not None and read_task(showcase.task).measured,
            guideline=sha256(GUIDELINES.encode()),
            guideline_text=GUIDELINES,
            consent=sha256(CONSENT.encode()),
            consent_text=CONSENT,
            gateway=address_of(GATEWAY_KEY),
            operator_keys=tuple(bytes(key.public_key) for key in self.operator_keys),
            reward=UNIT // 20,
            expected_reward=UNIT * 42 // 1000,
            base_share=300_000,
            seconds_per_item=3,
            item_count=items,
            items_closed=4,
            accepting=True,
        )
        self.market, self.earnings = FakeMarket(self), FakeEarnings(self)
        self.appeals = FakeAppeals(self)
        self.growth = FakeGrowth(self)
        self.accounts: dict[bytes, Account] = {}
        self.rows: list[entries.LogRow] = []
        self.answers: dict[tuple[bytes, int], Any] = {}
        self.waits: list[LeaseReply] = []
        self.fault: str | None = None
        self.failure: DDLPError | None = None
        self.restricted = False
        self.covered = 0
        self.check_qualified: Callable[[int, bytes], None] = lambda campaign, contributor: None
        self.check_expert: Callable[[int, bytes], None] = lambda campaign, contributor: None
        self._lock = threading.RLock()

    @property
    def domain(self) -> structs.Domain:
        return structs.Domain(self.chain.chain_id, self.chain.escrow)

    def item_id(self, number: int) -> bytes:
        return sha256(f"item {number}".encode())

    def finalize(self) -> None:
        """Pay every pending label in full, as if an epoch had been finalized."""
        with self._lock:
            self.covered = len(self.rows)
            for account in self.accounts.values():
                account.earned += (account.submitted - account.accepted) * self.view.reward
                account.accepted = account.submitted

    # --- LabelingDesk ---

    def network(self) -> Network:
        self._maybe_fail()
        return self.chain

    def campaigns(self) -> Sequence[CampaignView]:
        self._maybe_fail()
        return [self.view]

    def campaign(self, campaign: int) -> CampaignView:
        self._check(campaign)
        return self.view

    def operators(self, campaign: int) -> OperatorsView:
        self._check(campaign)
        members = tuple(sorted(address_of(bytes([n]) * 32) for n in (1, 2, 3)))
        return OperatorsView(b"\xb0" * 20, members, 2, int(self.begun), 600)

    def delegate(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        with self._lock:
            self._check(campaign)
            if known := self._find(entry):
                return known
            parsed = entries.decode_entry(entry)
            if not isinstance(parsed, entries.Delegation) or parsed.contributor != contributor:
                raise InputError(
                    "this is no delegation of yours: sign in with the wallet that signed it"
                )
            if parsed.consent != self.view.consent:
                raise GatewayRefusal(
                    "consent", "the terms have changed: reload and read them again"
                )
            if (
                recover(parsed.struct(campaign).digest(self.domain), parsed.signature)
                != contributor
            ):
                raise SignatureError("the delegation is signed by another wallet: sign it again")
            account = self._account(contributor)
            if parsed.generation > account.generation:
                account.generation, account.session_keys = parsed.generation, set()
            account.session_keys.add(parsed.session_key)
            return self._append(entry)

    def lease(self, campaign: int, contributor: bytes, count: int) -> LeaseReply:
        with self._lock:
            self._check(campaign)
            if self.waits:
                return self.waits.pop(0)
            self.check_qualified(campaign, contributor)
            account = self._account(contributor)
            if not account.session_keys:
                raise GatewayRefusal(
                    "no_delegation", "agree to the terms first: nothing is leased before"
                )
            if account.lease is None or not account.leased or self._expiry(account) <= self.now():
                free = [n for n in range(self.view.item_count) if n not in account.seen][:count]
                if not free:
                    return LeaseReply(None, (), "You have labeled everything here. Thank you!")
                expiry = int(self.now()) + self.lease_seconds
                lease = entries.Lease(contributor, self.view.reward, expiry, tuple(free))
                account.lease = self._append(entries.encode_entry(lease))
                account.leased = free
                account.seen.update(free)
            items = tuple(LeasedItem(number, self.item_id(number)) for number in account.leased)
            return LeaseReply(account.lease, items)

    def submit(
        self,
        campaign: int,
        contributor: bytes,
        entry: bytes,
        answers: Sequence[bytes],
        seed: bytes,
        opening: bytes,
    ) -> LoggedEntry:
        with self._lock:
            self._check(campaign)
            if known := self._find(entry):
                return known
            parsed = entries.decode_entry(entry)
            account = self._account(contributor)
            if not isinstance(parsed, entries.Submission) or parsed.contributor != contributor:
                raise InputError(
                    "this is no submission of yours: sign in with the wallet that labeled"
                )
            signer = recover(parsed.struct(campaign).digest(self.domain), parsed.signature)
            if signer not in account.session_keys:
                raise SignatureError("the session key isn't delegated: agree to the terms again")
            if not set(parsed.items) <= set(account.leased) or self._expiry(account) <= self.now():
                raise GatewayRefusal(
                    "lease_lapsed", "the time for these items ran out: take new ones"
                )
            if parsed.guideline != self.view.guideline or sha256(opening) != parsed.opening:
                raise InputError(
                    "the submission names another guideline or opening: reload the page"
                )
            for place, (item, label) in enumerate(zip(parsed.items, parsed.labels, strict=True)):
                digest = sha256(answers[place])
                if commit_label(self.item_id(item), digest, label_salt(seed, place)) != label:
                    raise InputError("a label doesn't match its answer: reload the page")
            self._check_boxes(opening, answers, seed)
            for item, answer in zip(parsed.items, answers, strict=True):
                self.answers[contributor, item] = decode_json(answer)
                account.leased.remove(item)
            account.submitted += len(answers)
            return self._append(entry)

    def skip(self, campaign: int, contributor: bytes, item: int, reason: int) -> LoggedEntry:
        with self._lock:
            self._check(campaign)
            account = self._account(contributor)
            if item not in account.leased:
                raise GatewayRefusal("not_leased", "this item isn't yours any more: take new ones")
            account.leased.remove(item)
            return self._append(entries.encode_entry(entries.Skip(contributor, item, reason)))

    def status(self, campaign: int, contributor: bytes) -> ContributorStatus:
        with self._lock:
            self._check(campaign)
            account = self._account(contributor)
            return ContributorStatus(
                generation=account.generation,
                session_keys=tuple(sorted(account.session_keys)),
                submitted=account.submitted,
                pending=account.submitted - account.accepted,
                accepted=account.accepted,
                earned=account.earned,
                claimed=account.claimed,
                balance=account.claimed,
                reward=self.view.reward,
                expected_reward=self.view.expected_reward,
                covered=self.covered,
            )

    def claim(self, campaign: int, contributor: bytes) -> ClaimResult:
        with self._lock:
            self._check(campaign)
            account = self._account(contributor)
            amount = account.earned - account.claimed
            if not amount:
                raise InputError(
                    "there is nothing to claim yet: pay comes when a round is finalized"
                )
            account.claimed = account.earned
            return ClaimResult(
                keccak256(contributor + amount.to_bytes(32, "big")), amount, account.claimed
            )

    def item(self, campaign: int, item: int, viewer: bytes | None) -> ItemView:
        self._check_shown(item, viewer)
        found = self._item(campaign, item)
        if found is None:
            return ItemView(ItemPart(None, "image/png"), None)
        second = found.second
        return ItemView(_part(found), None if second is None else _part(second))

    def _check_shown(self, item: int, viewer: bytes | None) -> None:
        if not self.restricted or (viewer is not None and item in self._account(viewer).seen):
            return
        try:
            cases = self.appeals.waiting(1, viewer) if viewer is not None else []
        except GatewayRefusal:
            cases = []
        if not any(case.item == item for case in cases):
            raise AccessRefusal("ITEM-RESTRICTED", "shown to others alone: sign in as one of them")

    def media(
        self, campaign: int, item: int, viewer: bytes | None, *, second: bool = False
    ) -> Media:
        self._check_shown(item, viewer)
        found = self._item(campaign, item)
        if found is None:
            return Media("image/png", digit_picture(item), public=not self.restricted)
        shown = found.second if second else found
        if shown is None or shown.media is None or shown.media.data is None:
            raise InputError(f"item {item} holds no media block: show its text, or its URL")
        return Media(shown.media.type, shown.media.data, public=not self.restricted)

    def _item(self, campaign: int, item: int) -> Item | None:
        self._check(campaign)
        if item >= self.view.item_count:
            raise InputError(f"the campaign has no item {item}: reload the page")
        return self.showcase.make(item)[0] if self.showcase is not None else None

    # --- inside ---

    def _account(self, contributor: bytes) -> Account:
        return self.accounts.setdefault(contributor, Account())

    def _expiry(self, account: Account) -> int:
        assert account.lease is not None
        lease = account.lease.row.entry
        assert isinstance(lease, entries.Lease)
        return lease.expiry

    def _check(self, campaign: int) -> None:
        self._maybe_fail()
        if campaign != self.view.number:
            raise UnknownCampaign(f"there is no campaign {campaign}: choose one from the list")

    def _maybe_fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _check_boxes(self, opening: bytes, answers: Sequence[bytes], seed: bytes) -> None:
        boxes = dict(SealedOpening.decode(opening).boxes)
        for key in self.operator_keys:
            text = nacl.public.SealedBox(key).decrypt(boxes[bytes(key.public_key)])
            if decode_cbor(text) != {
                "answers": [answer.decode() for answer in answers],
                "seed": seed,
            }:
                raise InputError("the sealed opening holds other answers: reload the page")

    def _find(self, entry: bytes) -> LoggedEntry | None:
        for at, row in enumerate(self.rows):
            if row.data == entry:
                return LoggedEntry(self.rows[at - 1].head if at else ZERO32, row)
        return None

    def _append(self, entry: bytes) -> LoggedEntry:
        before = self.rows[-1].head if self.rows else ZERO32
        position = len(self.rows) + (0 if self.fault == "fork" else 1)
        head = entries.next_head(before, keccak256(entry))
        signed = structs.Head(self.view.number, position, keccak256(entry), head)
        key = keccak256(b"somebody else") if self.fault == "signer" else GATEWAY_KEY
        row = entries.LogRow(
            position, entry, keccak256(entry), head, sign(key, signed.digest(self.domain))
        )
        self.rows.append(row)
        if self.fault == "entry":
            return LoggedEntry(before, replace(row, data=row.data[:-1] + bytes([row.data[-1] ^ 1])))
        return LoggedEntry(before, row)
