"""Log entries and log shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import FormatError
from oracle.evidence import structs
from oracle.evidence.codec import decode_cbor, encode_cbor
from oracle.evidence.entries import (
    SHARD_BYTES,
    SHARD_ENTRIES,
    Anchor,
    Entry,
    Lease,
    LogRow,
    Skip,
    Submission,
    chain_rows,
    decode_entry,
    decode_log,
    encode_entry,
    encode_log,
    slice_bytes,
)
from oracle.evidence.hashing import ZERO32, keccak256
from tests.evidence.canonicity import check
from tests.evidence.strategies import damage, log_entries, logs, quick, submissions, swap

Log = tuple[int, bytes, list[LogRow]]


@quick
@given(log_entries)
def test_entry__any__round_trips(entry: Entry) -> None:
    data = encode_entry(entry)
    assert data[0] == entry.KIND
    assert decode_entry(data) == entry


@quick
@given(log_entries, damage())
def test_entry__damaged__refused_or_canonical(entry: Entry, change: Any) -> None:
    check(change(encode_entry(entry)), decode_entry, encode_entry)


@quick
@given(st.integers(0, 255), st.binary(max_size=300))
def test_entry__random_bytes__refused_or_canonical(kind: int, body: bytes) -> None:
    check(bytes([kind]) + body, decode_entry, encode_entry)


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_entry__unknown_kind__refused(kind: int) -> None:
    with pytest.raises(FormatError):
        decode_entry(bytes([kind]) + bytes(200))


def test_encode_entry__field_of_another_width__refused() -> None:
    anchor = Anchor(1, ZERO32)
    lease = Lease(bytes(20), 1, 2, (3,))
    submission = Submission(bytes(20), 1, ZERO32, ZERO32, 2, (ZERO32, ZERO32), (1, 2), b"\1" * 65)
    for entry in (anchor, lease, submission):
        assert decode_entry(encode_entry(entry)) == entry
    for wrong in (
        replace(anchor, block_hash=bytes(31)),
        replace(anchor, block_hash=bytes(33)),
        replace(lease, contributor=bytes(21)),
        replace(submission, items=(1,)),
        replace(submission, items=(1, 2, 3)),
        replace(submission, labels=(ZERO32,)),
        replace(submission, labels=(bytes(31), bytes(33))),
        replace(submission, signature=bytes(64)),
    ):
        with pytest.raises(FormatError):
            encode_entry(wrong)
    for too_large in (
        replace(anchor, block_number=2**64),
        replace(lease, reward=2**128),
        replace(lease, items=(2**32,)),
        replace(lease, items=(0,) * 65_536),
        replace(lease, expiry=-1),
    ):
        with pytest.raises(OverflowError):
            encode_entry(too_large)


def test_entry_struct__signed_kinds__carry_the_entry_s_fields() -> None:
    submission = Submission(
        b"\1" * 20, 2, b"\3" * 32, b"\4" * 32, 5, (b"\6" * 32,), (7,), bytes(65)
    )
    assert submission.struct(9) == structs.Submission(
        b"\1" * 20, 9, 2, b"\3" * 32, (7,), (b"\6" * 32,), b"\4" * 32, 5
    )


@quick
@given(logs())
def test_log__any__round_trips(log: Log) -> None:
    campaign, before, rows = log
    (block,) = encode_log(campaign, rows, before=before)
    assert decode_log(block.data, campaign) == rows
    with pytest.raises(FormatError):
        decode_log(block.data, campaign ^ 1)


@quick
@given(logs(), damage())
def test_log__damaged__refused_or_canonical(log: Log, change: Any) -> None:
    campaign, before, rows = log
    (block,) = encode_log(campaign, rows, before=before)
    check_log(change(block.data), campaign)


@quick
@given(logs(), swap())
def test_log__field_exchanged__refused_or_canonical(log: Log, change: Any) -> None:
    campaign, before, rows = log
    (block,) = encode_log(campaign, rows, before=before)
    check_log(change(decode_cbor(block.data)), campaign)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", True),
        ("first", 0),
        ("first", -1),
        ("first", True),
        ("first", 2**64 - 1),
        ("before", bytes(31)),
        ("before", bytes(64)),
        ("campaign", bytes(31)),
        ("lengths", bytes(4)),
        ("lengths", b""),
        ("signatures", bytes(65)),
        ("entries", b""),
        ("entries", "text"),
    ],
)
def test_log__one_field_wrong__refused(field: str, value: Any) -> None:
    rows = list(chain_rows([(encode_entry(Skip(bytes(20), 1, 0)), bytes(65))] * 2))
    (block,) = encode_log(7, rows, before=ZERO32)
    assert decode_log(block.data, 7) == rows
    with pytest.raises(FormatError):
        decode_log(encode_cbor({**decode_cbor(block.data), field: value}), 7)


def test_log__of_no_entries__has_no_shards() -> None:
    assert encode_log(7, [], before=ZERO32) == []
    (block,) = encode_log(7, list(chain_rows([(b"\0", bytes(65))])), before=ZERO32)
    empty = {**decode_cbor(block.data), "lengths": b"", "entries": b"", "signatures": b""}
    with pytest.raises(FormatError):
        decode_log(encode_cbor(empty), 7)


@pytest.mark.parametrize(
    ("count", "size", "shards"),
    [
        (SHARD_ENTRIES, 2, [SHARD_ENTRIES]),
        (SHARD_ENTRIES + 1, 2, [SHARD_ENTRIES, 1]),
        (4, SHARD_BYTES // 4, [4]),
        (5, SHARD_BYTES // 4, [4, 1]),
        (4, SHARD_BYTES // 4 + 1, [3, 1]),
        (2, SHARD_BYTES + 1, [1, 1]),
    ],
)
def test_log__many_or_large_entries__cut_where_the_formats_say(
    count: int, size: int, shards: list[int]
) -> None:
    rows = list(chain_rows((number.to_bytes(size, "big"), bytes(65)) for number in range(count)))
    blocks = encode_log(7, rows, before=ZERO32)
    parts = [decode_log(block.data, 7) for block in blocks]
    assert [len(part) for part in parts] == shards
    assert [row for part in parts for row in part] == rows


def test_log__shard_over_its_limit__refused() -> None:
    for count, size in ((SHARD_ENTRIES + 1, 1), (2, SHARD_BYTES // 2 + 1)):
        fields = {
            "v": 1,
            "kind": "log",
            "campaign": (7).to_bytes(32, "big"),
            "first": 1,
            "before": ZERO32,
            "lengths": size.to_bytes(4, "big") * count,
            "entries": bytes(size * count),
            "signatures": bytes(65 * count),
        }
        with pytest.raises(FormatError):
            decode_log(encode_cbor(fields), 7)


def test_chain_rows__heads__are_keccak_of_the_head_before_and_the_entry() -> None:
    first, second = chain_rows([(b"a", bytes(65)), (b"b", bytes(65))])
    assert first.head == keccak256(ZERO32 + keccak256(b"a"))
    assert second.head == keccak256(first.head + keccak256(b"b"))
    assert (first.position, second.position) == (1, 2)
    assert second.signed_head(7) == structs.Head(7, 2, keccak256(b"b"), second.head)


def test_log__row_that_is_no_entry__stands_in_the_log_but_does_not_parse() -> None:
    rows = list(chain_rows([(b"\xffgarbage", bytes(65))]))
    (block,) = encode_log(7, rows, before=ZERO32)
    (row,) = decode_log(block.data, 7)
    with pytest.raises(FormatError):
        _ = row.entry


@quick
@given(st.lists(submissions().map(encode_entry), max_size=4))
def test_slice_bytes__lengths__cut_and_must_use_all(parts: list[bytes]) -> None:
    data, lengths = b"".join(parts), [len(part) for part in parts]
    assert slice_bytes(data, lengths) == parts
    for wrong in ([*lengths, 1], [len(data) + 1]):
        with pytest.raises(FormatError):
            slice_bytes(data, wrong)


def check_log(data: bytes, campaign: int) -> None:
    def encode(rows: list[LogRow]) -> bytes:
        before = decode_cbor(data)["before"]
        (block,) = encode_log(campaign, rows, before=before)
        return block.data

    check(data, lambda block: decode_log(block, campaign), encode)
