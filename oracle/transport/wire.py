"""How what the ports take and return is written on the wire (docs/FORMATS.md, section 9).

A message is a list of parts: each its length in 4 bytes, big-endian, then its bytes; a part may be
a list itself. What is read is bounded by the body it came in, and raises FormatError where it isn't
exactly what it should be; whether it is true is for whoever reads it to check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from oracle.errors import FormatError
from oracle.evidence.codec import Link, cells, column, decode_cbor, encode_cbor, integers, whole
from oracle.evidence.entries import LogRow, slice_bytes
from oracle.evidence.hashing import keccak256, sha256, word
from oracle.evidence.supplement import GoldOpening, Supplement
from oracle.ports import (
    Filing,
    Holding,
    LeaseCertificate,
    LogPage,
    Missing,
    OpenedSubmission,
    Proposal,
    Vote,
)

T = TypeVar("T")
SIGNATURE = 65


def pack(parts: Sequence[bytes]) -> bytes:
    """Write a list of parts."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def unpack(data: bytes, count: int | None = None) -> list[bytes]:
    """Undo `pack`; FormatError unless there are `count` parts, where it is given."""
    parts, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        part = data[at + 4 : at + 4 + size]
        if len(data) < at + 4 or len(part) != size:
            raise FormatError("a message ends too early")
        parts.append(part)
        at += 4 + size
    if count is not None and len(parts) != count:
        raise FormatError(f"a message has {len(parts)} parts instead of {count}")
    return parts


# -- the log ---------------------------------------------------------------------------------------


def encode_rows(rows: Sequence[LogRow]) -> bytes:
    """Write log rows; an entry's hash follows from its bytes."""
    return pack(
        [
            column([row.position for row in rows], "u64"),
            b"".join(row.head for row in rows),
            b"".join(row.signature for row in rows),
            column([len(row.data) for row in rows], "u32"),
            b"".join(row.data for row in rows),
        ]
    )


def decode_rows(data: bytes) -> tuple[LogRow, ...]:
    """Undo `encode_rows`."""
    positions, heads, signatures, lengths, entries = unpack(data, 5)
    count = len(positions) // 8
    texts = slice_bytes(entries, integers(lengths, "u32", count).tolist())
    places = integers(positions, "u64", count).tolist()
    fields = zip(
        places, texts, cells(heads, 32, count), cells(signatures, SIGNATURE, count), strict=True
    )
    return tuple(
        LogRow(position, text, keccak256(text), head, signature)
        for position, text, head, signature in fields
    )


def encode_page(page: LogPage) -> bytes:
    """Write a page of the log with its sealed openings."""
    return pack([encode_rows(page.rows), pack(page.openings)])


def decode_page(data: bytes) -> LogPage:
    """Undo `encode_page`."""
    rows, openings = unpack(data, 2)
    return LogPage(decode_rows(rows), tuple(unpack(openings)))


def encode_reveal(seed: bytes, gold: Sequence[GoldOpening]) -> bytes:
    """Write a draw seed and gold."""
    return pack([seed, _encode_gold(gold)])


def decode_reveal(data: bytes) -> tuple[bytes, tuple[GoldOpening, ...]]:
    """Undo `encode_reveal`."""
    seed, gold = unpack(data, 2)
    return _sized(seed, 32), _decode_gold(gold)


def encode_opened_epoch(epoch: int, final: bool, seed: bytes, gold: Sequence[GoldOpening]) -> bytes:
    """Write what opens an epoch."""
    return pack([column([epoch, int(final)], "u64"), encode_reveal(seed, gold)])


def decode_opened_epoch(data: bytes) -> tuple[int, bool, bytes, tuple[GoldOpening, ...]]:
    """Undo `encode_opened_epoch`."""
    which, opened = unpack(data, 2)
    epoch, final = integers(which, "u64", 2).tolist()
    return epoch, bool(final), *decode_reveal(opened)


def _encode_gold(gold: Sequence[GoldOpening]) -> bytes:
    return pack(
        [encode_cbor([one.epoch, one.index, one.item, one.answer, one.salt]) for one in gold]
    )


def _decode_gold(data: bytes) -> tuple[GoldOpening, ...]:
    return tuple(_gold_opening(decode_cbor(part)) for part in unpack(data))


def _gold_opening(value: object) -> GoldOpening:
    match value:
        case [epoch, index, item, bytes(answer), bytes(salt)]:
            return GoldOpening(whole(epoch), whole(index), whole(item), answer, _sized(salt, 32))
    raise FormatError("an opened gold item is epoch, index, item, answer and salt")


# -- what contributors ask -------------------------------------------------------------------------


def encode_place(position: int, entry_hash: bytes) -> bytes:
    """Write a log position and the hash of the entry that should stand there."""
    return pack([column([position], "u64"), entry_hash])


def decode_place(data: bytes) -> tuple[int, bytes]:
    """Undo `encode_place`."""
    position, entry_hash = unpack(data, 2)
    [place] = integers(position, "u64", 1).tolist()
    return place, _sized(entry_hash, 32)


# -- what operators hold ---------------------------------------------------------------------------


def encode_digests(digests: Sequence[bytes]) -> bytes:
    """Write 32-byte digests."""
    return b"".join(digests)


def decode_digests(data: bytes) -> tuple[bytes, ...]:
    """Undo `encode_digests`."""
    return tuple(cells(data, 32))


def encode_filing(filing: Filing) -> bytes:
    """Write a filing."""
    return pack([filing.entry, filing.opening])


def decode_filing(data: bytes) -> Filing:
    """Undo `encode_filing`."""
    return Filing(*unpack(data, 2))


def encode_opened(opened: OpenedSubmission) -> bytes:
    """Write what opens a submission."""
    return pack([opened.entry_hash, pack(opened.answers), opened.seed])


def decode_opened(data: bytes) -> OpenedSubmission:
    """Undo `encode_opened`."""
    entry_hash, answers, seed = unpack(data, 3)
    return OpenedSubmission(_sized(entry_hash, 32), tuple(unpack(answers)), _sized(seed, 32))


def encode_certificate(certificate: LeaseCertificate) -> bytes:
    """Write a lease's confirmations."""
    return pack([encode_rows([certificate.row]), b"".join(certificate.signatures)])


def decode_certificate(data: bytes) -> LeaseCertificate:
    """Undo `encode_certificate`."""
    row, signatures = unpack(data, 2)
    return LeaseCertificate(_one(decode_rows(row)), tuple(cells(signatures, SIGNATURE)))


def encode_holding(holding: Holding) -> bytes:
    """Write what an operator holds."""
    return pack(
        [
            encode_rows([holding.newest] if holding.newest is not None else []),
            encode_digests(holding.filings),
            encode_digests(holding.opened),
            encode_each(encode_certificate, holding.certificates),
        ]
    )


def decode_holding(data: bytes) -> Holding:
    """Undo `encode_holding`."""
    newest, filings, opened, certificates = unpack(data, 4)
    rows = decode_rows(newest)
    return Holding(
        _one(rows) if rows else None,
        decode_digests(filings),
        decode_digests(opened),
        decode_each(decode_certificate, certificates),
    )


def encode_each(encode: Callable[[T], bytes], values: Sequence[T]) -> bytes:
    """Write a list of values, each by `encode`."""
    return pack([encode(value) for value in values])


def decode_each(decode: Callable[[bytes], T], data: bytes) -> tuple[T, ...]:
    """Undo `encode_each`."""
    return tuple(decode(part) for part in unpack(data))


# -- proposals and votes ---------------------------------------------------------------------------


def encode_proposal(proposal: Proposal) -> bytes:
    """Write a proposal with all that the supplement links."""
    index, shards = proposal.supplement.encode()
    numbers = [proposal.epoch, proposal.attempt, proposal.round, int(proposal.final)]
    return pack(
        [
            word(proposal.campaign),
            column(numbers, "u64"),
            encode_rows(proposal.rows),
            pack([index.data, *(shard.data for shard in shards)]),
            proposal.signature,
        ]
    )


def decode_proposal(data: bytes) -> Proposal:
    """Undo `encode_proposal`."""
    campaign, numbers, rows, blocks, signature = unpack(data, 5)
    epoch, attempt, round_, final = integers(numbers, "u64", 4).tolist()
    if final > 1:
        raise FormatError("a proposal is final or not: 1 or 0")
    return Proposal(
        int.from_bytes(_sized(campaign, 32), "big"),
        epoch,
        attempt,
        round_,
        bool(final),
        decode_rows(rows),
        _decode_supplement(unpack(blocks)),
        _sized(signature, SIGNATURE),
    )


def _decode_supplement(blocks: Sequence[bytes]) -> Supplement:
    by_digest = {sha256(block): block for block in blocks}

    def fetch(link: Link) -> bytes:
        if link.digest not in by_digest:
            raise FormatError(f"the supplement links {link}, which isn't sent along")
        return by_digest[link.digest]

    if not blocks:
        raise FormatError("a proposal brings its supplement")
    return Supplement.decode(blocks[0], fetch)


def encode_missing(missing: Missing) -> bytes:
    """Write what a proposal left out."""
    return pack(
        [
            encode_rows(missing.rows),
            encode_each(encode_filing, missing.filings),
            encode_each(encode_opened, missing.opened),
            encode_each(encode_certificate, missing.certificates),
            missing.seed,
            _encode_gold(missing.gold),
        ]
    )


def decode_missing(data: bytes) -> Missing:
    """Undo `encode_missing`."""
    rows, filings, opened, certificates, seed, gold = unpack(data, 6)
    return Missing(
        decode_rows(rows),
        decode_each(decode_filing, filings),
        decode_each(decode_opened, opened),
        decode_each(decode_certificate, certificates),
        _sized(seed, 32) if seed else b"",
        _decode_gold(gold),
    )


def encode_vote(vote: Vote) -> bytes:
    """Write a peer's answer to a proposal."""
    return pack(
        [
            vote.signature or b"",
            vote.code.encode(),
            vote.place.encode(),
            vote.message.encode(),
            encode_missing(vote.missing),
        ]
    )


def decode_vote(data: bytes) -> Vote:
    """Undo `encode_vote`."""
    signature, code, place, message, missing = unpack(data, 5)
    return Vote(
        _sized(signature, SIGNATURE) if signature else None,
        _text(code),
        _text(place),
        _text(message),
        decode_missing(missing),
    )


# -- small parts -----------------------------------------------------------------------------------


def _one(rows: tuple[LogRow, ...]) -> LogRow:
    if len(rows) != 1:
        raise FormatError(f"one log row was expected, not {len(rows)}")
    return rows[0]


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise FormatError(f"{size} bytes were expected, not {len(value)}")
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a text isn't UTF-8") from error
