"""Openings sealed to operators: who can read them, and what a reader refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from oracle.content.sealing import encryption_key, open_sealed, seal_opening
from oracle.errors import FormatError
from oracle.evidence.campaign import SealedOpening
from oracle.evidence.codec import encode_cbor, encode_json
from tests.support.world import key_of

OPERATORS = [key_of(f"operator {number}") for number in range(3)]
KEYS = [encryption_key(operator) for operator in OPERATORS]


@given(
    answers=st.lists(st.text(max_size=50), min_size=1, max_size=100),
    seed=st.binary(min_size=32, max_size=32),
)
def test_open_sealed__by_each_operator__gives_answers_and_seed(
    answers: list[str], seed: bytes
) -> None:
    plain = tuple(encode_json(answer) for answer in answers)
    block = seal_opening(plain, seed, KEYS).block
    assert {open_sealed(block.data, operator) for operator in OPERATORS} == {(plain, seed)}
    for answer in plain:
        assert len(answer) < 6 or answer not in block.data
    assert seed not in block.data


def test_seal_opening__in_any_order_of_keys__has_one_box_a_key() -> None:
    boxes = seal_opening([b'"7"'], b"\1" * 32, [*KEYS[::-1], KEYS[0]]).boxes
    assert [key for key, _ in boxes] == sorted(KEYS)


def test_open_sealed__by_an_outsider__is_refused() -> None:
    block = seal_opening([b'"7"'], b"\1" * 32, KEYS).block
    with pytest.raises(FormatError, match="no box for this operator"):
        open_sealed(block.data, key_of("outsider"))


def test_open_sealed__a_box_that_was_altered__is_refused() -> None:
    sealed = seal_opening([b'"7"'], b"\1" * 32, KEYS[:1])
    (key, box) = sealed.boxes[0]
    altered = SealedOpening(((key, box[:-1] + bytes([box[-1] ^ 1])),))
    with pytest.raises(FormatError, match="not sealed to this operator"):
        open_sealed(altered.block.data, OPERATORS[0])
    with pytest.raises(FormatError, match="not sealed to this operator"):
        open_sealed(SealedOpening(((key, b""),)).block.data, OPERATORS[0])


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"not cbor",
        encode_cbor([]),
        encode_cbor({"answers": []}),
        encode_cbor({"answers": "7", "seed": b"\1" * 32}),
        encode_cbor({"answers": [7], "seed": b"\1" * 32}),
        encode_cbor({"answers": ['"7"'], "seed": b"\1" * 31}),
        encode_cbor({"answers": ['"7"'], "seed": "text"}),
        encode_cbor({"answers": ['"7"'], "seed": b"\1" * 32, "more": 1}),
    ],
)
def test_open_sealed__a_box_of_something_else__is_refused(plain: bytes) -> None:
    box = SealedBox(PublicKey(KEYS[0])).encrypt(plain)
    with pytest.raises(FormatError):
        open_sealed(SealedOpening(((KEYS[0], box),)).block.data, OPERATORS[0])
