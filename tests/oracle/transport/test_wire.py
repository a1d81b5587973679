"""The wire: what is written is read again, and garbage is refused, whatever it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from oracle.errors import FormatError
from oracle.ports import Holding, LogPage, Missing, Vote
from oracle.transport import wire
from tests.support.transport import (
    CERTIFICATE,
    FILINGS,
    GOLD,
    MISSING,
    OPENED,
    PROPOSAL,
    digest_of,
    log_rows,
)

HOLDING = Holding(log_rows(1)[0], (digest_of(1),), (), (CERTIFICATE,))
REFUSAL = Vote(None, "CODE", "näher", "message", MISSING)
EXAMPLES: list[tuple[Callable[[Any], bytes], Callable[[bytes], Any], Any]] = [
    (wire.encode_rows, wire.decode_rows, log_rows(5)),
    (wire.encode_rows, wire.decode_rows, ()),
    (wire.encode_page, wire.decode_page, LogPage(log_rows(2), (b"sealed", b""))),
    (wire.encode_filing, wire.decode_filing, FILINGS[0]),
    (wire.encode_opened, wire.decode_opened, OPENED[0]),
    (wire.encode_certificate, wire.decode_certificate, CERTIFICATE),
    (wire.encode_holding, wire.decode_holding, Holding(None, (), (), ())),
    (
        wire.encode_holding,
        wire.decode_holding,
        Holding(log_rows(1)[0], (digest_of(1),), (), (CERTIFICATE,)),
    ),
    (wire.encode_missing, wire.decode_missing, MISSING),
    (wire.encode_missing, wire.decode_missing, Missing()),
    (wire.encode_vote, wire.decode_vote, REFUSAL),
    (wire.encode_vote, wire.decode_vote, Vote(bytes(65))),
]
DECODERS = [
    wire.decode_rows,
    wire.decode_place,
    wire.decode_page,
    wire.decode_reveal,
    wire.decode_digests,
    wire.decode_filing,
    wire.decode_opened,
    wire.decode_certificate,
    wire.decode_holding,
    wire.decode_proposal,
    wire.decode_missing,
    wire.decode_vote,
]


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
def test_decode__what_encode_wrote__is_the_same(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], value: Any
) -> None:
    assert decode(encode(value)) == value


def test_decode_proposal__what_encode_wrote__encodes_to_the_same_bytes() -> None:
    data = wire.encode_proposal(PROPOSAL)
    assert wire.encode_proposal(wire.decode_proposal(data)) == data


def test_decode_reveal__what_encode_wrote__is_the_same() -> None:
    assert wire.decode_reveal(wire.encode_reveal(digest_of(1), GOLD)) == (digest_of(1), GOLD)


def test_decode_proposal__shard_left_out__is_refused() -> None:
    parts = wire.unpack(wire.encode_proposal(PROPOSAL))
    parts[3] = wire.pack(wire.unpack(parts[3])[:-1])
    with pytest.raises(FormatError, match="which isn't sent along"):
        wire.decode_proposal(wire.pack(parts))


def test_decode_rows__hash_of_an_entry__is_computed_never_taken() -> None:
    rows = log_rows(2)
    forged = replace(rows[0], entry_hash=digest_of(1))
    assert wire.decode_rows(wire.encode_rows([forged]))[0] == rows[0]


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
@pytest.mark.parametrize("change", [b"\0", b"\0\0\0\0\0", b"\xff" * 8])
def test_decode__bytes_too_many__is_refused(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], value: Any, change: bytes
) -> None:
    with pytest.raises(FormatError):
        decode(encode(value) + change)


@given(st.binary(max_size=400), st.sampled_from(DECODERS))
def test_decode__garbage__is_read_or_refused_and_nothing_else(
    data: bytes, decode: Callable[[bytes], Any]
) -> None:
    with contextlib.suppress(FormatError):
        decode(data)


@given(st.data())
def test_decode__valid_bytes_altered__is_read_or_refused_and_nothing_else(
    data: st.DataObject,
) -> None:
    whole = data.draw(st.sampled_from([wire.encode_proposal(PROPOSAL), wire.encode_vote(REFUSAL)]))
    altered = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = altered[: data.draw(st.integers(0, len(altered)))]
    for decode in (wire.decode_proposal, wire.decode_vote):
        with contextlib.suppress(FormatError):
            decode(bytes(cut))
