"""The log: entry kinds as fixed-width bytes, their hash chain and the shards that publish it
(docs/FORMATS.md, section 4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from oracle.errors import FormatError
from oracle.evidence import structs
from oracle.evidence.codec import Block, cbor_block, cells, column, integers, read_cbor, whole
from oracle.evidence.hashing import ZERO32, keccak256, uint
from oracle.evidence.signing import recover

MAX_LABELS = 100
SHARD_ENTRIES = 512
SHARD_BYTES = 786_432
NO_SIGNATURE = b"\0" * 65


Signers = dict[tuple[int, structs.Domain], bytes]  # by campaign and domain


class Signed:
    """What carries somebody's `signature` of the EIP-712 struct that `struct` returns."""

    signature: bytes

    def struct(self, campaign: int) -> structs.Struct:
        """The struct that was signed."""
        raise NotImplementedError

    def signer(self, campaign: int, domain: structs.Domain) -> bytes:
        """Return the 20-byte address that signed; SignatureError where nobody can have.

        What was recovered is kept beside the fields: every epoch verifies the log from its start.
        """
        known = self._known_signers
        if (campaign, domain) not in known:
            digest = self.struct(campaign).digest(domain)
            known[campaign, domain] = recover(digest, self.signature)
        return known[campaign, domain]

    def remember_signer(self, campaign: int, domain: structs.Domain, signer: bytes) -> None:
        """Take an address that `signer` gave for an equal object elsewhere."""
        self._known_signers[campaign, domain] = signer

    def remember_signers(self, signers: Signers) -> None:
        """Take several."""
        self._known_signers.update(signers)

    @cached_property
    def _known_signers(self) -> Signers:
        return {}


@dataclass(frozen=True)
class Delegation(Signed):
    """A delegation taken into the log; `source` is 0 for a signature, 1 for an event of
    CampaignEscrow.
    """

    KIND: ClassVar[int] = 1
    source: int
    contributor: bytes
    session_key: bytes
    generation: int
    valid_until: int
    consent: bytes
    signature: bytes

    def body(self) -> bytes:
        """The fields' bytes."""
        return b"".join(
            (
                uint(self.source, 1),
                self.contributor,
                self.session_key,
                uint(self.generation, 8),
                uint(self.valid_until, 8),
                self.consent,
                self.signature,
            )
        )

    def struct(self, campaign: int) -> structs.Delegation:
        """The EIP-712 struct that the contributor's wallet signed."""
        return structs.Delegation(
            self.contributor,
            self.session_key,
            campaign,
            self.generation,
            self.valid_until,
            self.consent,
        )


@dataclass(frozen=True)
class Lease:
    """Items (numbers in the item index) given to a contributor at `reward` base units each until
    `expiry`.
    """

    KIND: ClassVar[int] = 2
    contributor: bytes
    reward: int
    expiry: int
    items: tuple[int, ...]

    def body(self) -> bytes:
        """The fields' bytes."""
        return b"".join(
            (
                self.contributor,
                uint(self.reward, 16),
                uint(self.expiry, 8),
                _numbers(self.items),
            )
        )


@dataclass(frozen=True)
class Submission(Signed):
    """A signed submission, with the leased item that each label is for."""

    KIND: ClassVar[int] = 3
    contributor: bytes
    sequence: int
    guideline: bytes
    opening: bytes
    submitted_at: int
    labels: tuple[bytes, ...]
    items: tuple[int, ...]
    signature: bytes

    def body(self) -> bytes:
        """The fields' bytes."""
        return b"".join(
            (
                self.contributor,
                uint(self.sequence, 8),
                self.guideline,
                self.opening,
                uint(self.submitted_at, 8),
                uint(len(self.labels), 2),
                *self.labels,
                *(uint(item, 4) for item in self.items),
                self.signature,
            )
        )

    def struct(self, campaign: int) -> structs.Submission:
        """The EIP-712 struct that the session key signed."""
        return structs.Submission(
            self.contributor,
            campaign,
            self.sequence,
            self.guideline,
            self.items,
            self.labels,
            self.opening,
            self.submitted_at,
        )


@dataclass(frozen=True)
class Skip:
    """A leased item given back: reason 0 skipped, 1 unclear, 2 broken media, 3 offensive."""

    KIND: ClassVar[int] = 4
    contributor: bytes
    item: int
    reason: int

    def body(self) -> bytes:
        """The fields' bytes."""
        return self.contributor + uint(self.item, 4) + uint(self.reason, 1)


@dataclass(frozen=True)
class Adjudication(Signed):
    """An expert's signed answer; `item` is the item's id."""

    KIND: ClassVar[int] = 5
    expert: bytes
    item: bytes
    answer_digest: bytes
    reason: bytes
    signature: bytes

    def body(self) -> bytes:
        """The fields' bytes."""
        return self.expert + self.item + self.answer_digest + self.reason + self.signature

    def struct(self, campaign: int) -> structs.Adjudication:
        """The EIP-712 struct that the expert signed."""
        return structs.Adjudication(
            self.expert, campaign, self.item, self.answer_digest, self.reason
        )


@dataclass(frozen=True)
class Appeal(Signed):
    """A contributor's signed objection; `submission` is the EIP-712 digest of the submission."""

    KIND: ClassVar[int] = 6
    contributor: bytes
    submission: bytes
    index: int
    reason: bytes
    signature: bytes

    def body(self) -> bytes:
        """The fields' bytes."""
        return b"".join(
            (
                self.contributor,
                self.submission,
                uint(self.index, 2),
                self.reason,
                self.signature,
            )
        )

    def struct(self, campaign: int) -> structs.Appeal:
        """The EIP-712 struct that the contributor signed."""
        return structs.Appeal(self.contributor, campaign, self.submission, self.index, self.reason)


@dataclass(frozen=True)
class Anchor:
    """A finalized block at a multiple of K: the log's only clock."""

    KIND: ClassVar[int] = 7
    block_number: int
    block_hash: bytes

    def body(self) -> bytes:
        """The fields' bytes."""
        return uint(self.block_number, 8) + self.block_hash


Entry = Delegation | Lease | Submission | Skip | Adjudication | Appeal | Anchor


def encode_entry(entry: Entry) -> bytes:
    """Return the entry's bytes; OverflowError or FormatError where a field doesn't fit."""
    data = bytes([entry.KIND]) + entry.body()
    if decode_entry(data) != entry:
        raise FormatError(f"an entry's field has the wrong width: {entry!r}"[:300])
    return data


def decode_entry(data: bytes) -> Entry:
    """Parse an entry's bytes; FormatError unless they are exactly one entry."""
    take = _Cursor(data)
    kind = take.number(1)
    entry: Entry
    if kind == Delegation.KIND:
        entry = Delegation(
            take.number(1),
            take.part(20),
            take.part(20),
            take.number(8),
            take.number(8),
            take.part(32),
            take.part(65),
        )
    elif kind == Lease.KIND:
        contributor, reward, expiry = take.part(20), take.number(16), take.number(8)
        entry = Lease(contributor, reward, expiry, take.items(take.number(2)))
    elif kind == Submission.KIND:
        contributor, sequence = take.part(20), take.number(8)
        guideline, opening, submitted_at = take.part(32), take.part(32), take.number(8)
        count = take.number(2)
        commitments = take.part(32 * count)
        entry = Submission(
            contributor,
            sequence,
            guideline,
            opening,
            submitted_at,
            tuple(commitments[at : at + 32] for at in range(0, 32 * count, 32)),
            take.items(count),
            take.part(65),
        )
    elif kind == Skip.KIND:
        entry = Skip(take.part(20), take.number(4), take.number(1))
    elif kind == Adjudication.KIND:
        entry = Adjudication(
            take.part(20), take.part(32), take.part(32), take.part(32), take.part(65)
        )
    elif kind == Appeal.KIND:
        entry = Appeal(take.part(20), take.part(32), take.number(2), take.part(32), take.part(65))
    elif kind == Anchor.KIND:
        entry = Anchor(take.number(8), take.part(32))
    else:
        raise FormatError(f"no log entry is of kind {kind}")
    take.finish()
    return entry


def next_head(previous: bytes, entry_hash: bytes) -> bytes:
    """Return the log's head after an entry."""
    return keccak256(previous + entry_hash)


@dataclass(frozen=True)
class LogRow(Signed):
    """One entry in its place: its bytes, its hash, the head after it and the gateway's signature of
    that Head.
    """

    position: int
    data: bytes
    entry_hash: bytes
    head: bytes
    signature: bytes

    @cached_property
    def entry(self) -> Entry:
        """The parsed entry; FormatError where its bytes are none (such an entry is skipped)."""
        entry = decode_entry(self.data)
        if isinstance(entry, Signed):
            entry.remember_signers(self._entry_signers)
        return entry

    def remember_entry_signer(self, campaign: int, domain: structs.Domain, signer: bytes) -> None:
        """Take the address that the entry's `signer` gave elsewhere."""
        self._entry_signers[campaign, domain] = signer

    @cached_property
    def _entry_signers(self) -> Signers:
        return {}

    def struct(self, campaign: int) -> structs.Head:
        """What `signature` signs: `signed_head`."""
        return self.signed_head(campaign)

    def signed_head(self, campaign: int) -> structs.Head:
        """The EIP-712 struct that the gateway signed."""
        return structs.Head(campaign, self.position, self.entry_hash, self.head)


def chain_rows(
    entries: Iterable[tuple[bytes, bytes]], *, first: int = 1, before: bytes = ZERO32
) -> Iterator[LogRow]:
    """Yield `(entry bytes, signature)` pairs as rows, from position `first` on, after head
    `before`.
    """
    head = before
    for position, (data, signature) in enumerate(entries, first):
        entry_hash = keccak256(data)
        head = next_head(head, entry_hash)
        yield LogRow(position, data, entry_hash, head, signature)


def encode_log(campaign: int, rows: Sequence[LogRow], *, before: bytes) -> list[Block]:
    """Cut consecutive rows into log shards; `before` is the head before the first."""
    blocks: list[Block] = []
    shard: list[LogRow] = []
    size = 0
    for row in rows:
        if shard and (len(shard) == SHARD_ENTRIES or size + len(row.data) > SHARD_BYTES):
            blocks.append(_log_block(campaign, shard, before))
            before, shard, size = shard[-1].head, [], 0
        shard.append(row)
        size += len(row.data)
    if shard:
        blocks.append(_log_block(campaign, shard, before))
    return blocks


def decode_log(data: bytes, campaign: int) -> list[LogRow]:
    """Parse one log shard; FormatError where it is not one of `campaign`."""
    fields = read_cbor(
        data, "log", ("campaign", "first", "before", "lengths", "entries", "signatures")
    )
    if fields["campaign"] != campaign.to_bytes(32, "big"):
        raise FormatError("the log shard is of another campaign")
    if not whole(fields["first"]) or len(cells(fields["before"], 32)) != 1:
        raise FormatError("a log shard names its first position, from 1, and the head before it")
    lengths = integers(fields["lengths"], "u32").tolist()
    parts = slice_bytes(fields["entries"], lengths)
    signatures = cells(fields["signatures"], 65, len(lengths))
    size_ok = len(parts) == 1 or len(fields["entries"]) <= SHARD_BYTES
    if not 0 < len(parts) <= SHARD_ENTRIES or not size_ok:
        raise FormatError("a log shard holds 1 to 512 entries of at most 786,432 bytes in all")
    whole(fields["first"] + len(parts) - 1)
    return list(
        chain_rows(
            zip(parts, signatures, strict=True),
            first=fields["first"],
            before=fields["before"],
        )
    )


def slice_bytes(data: bytes, lengths: Sequence[int]) -> list[bytes]:
    """Cut `data` into parts of the given lengths, which must use it up."""
    if not isinstance(data, bytes) or sum(lengths) != len(data):
        raise FormatError("the lengths of a shard's entries don't add up")
    parts, at = [], 0
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    return parts


def _log_block(campaign: int, rows: Sequence[LogRow], before: bytes) -> Block:
    return cbor_block(
        "log",
        {
            "campaign": campaign.to_bytes(32, "big"),
            "first": rows[0].position,
            "before": before,
            "lengths": column([len(row.data) for row in rows], "u32"),
            "entries": b"".join(row.data for row in rows),
            "signatures": b"".join(row.signature for row in rows),
        },
    )


def _numbers(items: Sequence[int]) -> bytes:
    return uint(len(items), 2) + b"".join(uint(item, 4) for item in items)


class _Cursor:
    """Reads fixed-width fields one after another."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def part(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise FormatError("a log entry ends too early")
        self._at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.part(size), "big")

    def items(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}I", self.part(4 * count))

    def finish(self) -> None:
        if self._at != len(self._data):
            raise FormatError("a log entry has bytes left over")
