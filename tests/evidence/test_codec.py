"""Canonical JSON, DAG-CBOR, CIDs and columns: one encoding each; hostile bytes are refused."""

from __future__ import annotations

import time
from typing import Any

import multiformats
import numpy as np
import pytest
from aleph_cid import CidHasher
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import FormatError
from oracle.evidence.codec import (
    DAG_CBOR,
    MAX_BLOCK,
    MAX_DEPTH,
    RAW,
    Block,
    Link,
    cbor_block,
    cells,
    column,
    decode_cbor,
    decode_json,
    encode_cbor,
    encode_json,
    integers,
    read_cbor,
    split,
    table_rows,
    text_table,
)
from tests.evidence.canonicity import check
from tests.evidence.golden.vectors import typed
from tests.evidence.strategies import cbor_values, damage, json_values, links, quick


@quick
@given(cbor_values)
def test_cbor__any_value__round_trips(value: Any) -> None:
    assert decode_cbor(encode_cbor(value)) == value


@quick
@given(json_values)
def test_json__any_value__round_trips(value: Any) -> None:
    assert decode_json(encode_json(value)) == value


@quick
@given(cbor_values, damage())
def test_cbor__damaged__refused_or_canonical(value: Any, change: Any) -> None:
    check(change(encode_cbor(value)), decode_cbor, encode_cbor)


@quick
@given(json_values, damage())
def test_json__damaged__refused_or_canonical(value: Any, change: Any) -> None:
    check(change(encode_json(value)), decode_json, encode_json)


@quick
@given(st.binary(max_size=60))
def test_decoders__random_bytes__refused_or_canonical(data: bytes) -> None:
    check(data, decode_cbor, encode_cbor)
    check(data, decode_json, encode_json)


@quick
@given(cbor_values)
def test_cbor__any_value__equals_ipld_dag_cbor(javascript: Any, value: Any) -> None:
    assert javascript("cbor", value=typed(value)) == encode_cbor(value).hex()


@quick
@given(json_values)
def test_json__any_value__equals_ecmascript(javascript: Any, value: Any) -> None:
    assert javascript("json", value=value) == encode_json(value).hex()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("0000", id="bytes left over"),
        pytest.param("1800", id="long 0"),
        pytest.param("190017", id="long 23"),
        pytest.param("1a0000ffff", id="long 65535"),
        pytest.param("1b00000000ffffffff", id="long 2^32 - 1"),
        pytest.param("3800", id="long -1"),
        pytest.param("580161", id="long length of bytes"),
        pytest.param("780161", id="long length of a text"),
        pytest.param("980100", id="long length of a list"),
        pytest.param("b801616100", id="long length of a map"),
        pytest.param("a2616200616100", id="keys unsorted"),
        pytest.param("a262616100616200", id="keys sorted by bytes, not by length"),
        pytest.param("a2616100616101", id="key repeated"),
        pytest.param("a10001", id="key an integer"),
        pytest.param("a1416101", id="key a byte string"),
        pytest.param("a1810001", id="key a list"),
        pytest.param("f90000", id="half float"),
        pytest.param("fa00000000", id="float"),
        pytest.param("fb3ff0000000000000", id="double"),
        pytest.param("f97e00", id="NaN"),
        pytest.param("9fff", id="indefinite list"),
        pytest.param("bfff", id="indefinite map"),
        pytest.param("5f4161ff", id="indefinite bytes"),
        pytest.param("7f6161ff", id="indefinite text"),
        pytest.param("ff", id="break"),
        pytest.param("f7", id="undefined"),
        pytest.param("f8ff", id="simple value"),
        pytest.param("f814", id="long false"),
        pytest.param("1c", id="reserved length"),
        pytest.param("61ff", id="text that isn't UTF-8"),
        pytest.param("63eda080", id="lone surrogate"),
        pytest.param("c001", id="tag 0, date"),
        pytest.param("c24101", id="tag 2, big integer"),
        pytest.param("c249010000000000000000", id="tag 2, 2^64"),
        pytest.param("c4821b7fffffffffffffff01", id="tag 4, decimal"),
        pytest.param("d81e820100", id="tag 30, a fraction by zero"),
        pytest.param("d8236128", id="tag 35, regular expression"),
        pytest.param("d81c81d81d00", id="tag 28, a list in itself"),
        pytest.param("d901028101", id="tag 258, set"),
        pytest.param("d9d9f700", id="tag 55799, self-described"),
        pytest.param("d82a00", id="tag 42 of an integer"),
        pytest.param("d82a40", id="tag 42 of nothing"),
        pytest.param("d82a58250001551220" + "00" * 31, id="CID too short"),
        pytest.param("d82a58250101551220" + "00" * 32, id="CID without its zero byte"),
        pytest.param("d82a58250001701220" + "00" * 32, id="CID of codec dag-pb"),
        pytest.param("d82a58250001551b20" + "00" * 32, id="CID of another hash"),
        pytest.param("d82b40", id="tag 43"),
        pytest.param("9bffffffffffffffff", id="list of 2^64 - 1"),
        pytest.param("9a40000000", id="list of 2^30"),
        pytest.param("bbffffffffffffffff", id="map of 2^64 - 1"),
        pytest.param("5bffffffffffffffff", id="bytes of 2^64 - 1"),
        pytest.param("7b7fffffffffffffff", id="text of 2^63 - 1"),
    ],
)
def test_cbor__not_dag_cbor__refused(data: str) -> None:
    with pytest.raises(FormatError):
        decode_cbor(bytes.fromhex(data))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" 1",
        b"1 ",
        b"01",
        b"-0",
        b"1.0",
        b"1e2",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"1" * 5000,
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"[1,]",
        b'"\\u0061"',
        b'"\\ud800"',
        b'{"\\ud800":1}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1",
        '"a"'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 900 + b"]" * 900,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_json__not_canonical__refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        decode_json(text)


@pytest.mark.parametrize("value", [1.0, {"a": [0.5]}, 2**53, {1: 2}, "\ud800", b"", object()])
def test_encode_json__no_canonical_form__refused(value: Any) -> None:
    with pytest.raises(FormatError):
        encode_json(value)


@pytest.mark.parametrize("value", [1.0, {1: 2}, 2**64, -(2**64) - 1, "\ud800", object(), {1}])
def test_encode_cbor__no_canonical_form__refused(value: Any) -> None:
    with pytest.raises(FormatError):
        encode_cbor({"a": [value]})


def test_nesting__at_the_limit__passes__beyond__refused() -> None:
    for opening, closing in ((b"\x81", b""), (b"\xa1\x61a", b"")):
        decode_cbor(opening * MAX_DEPTH + b"\x00" + closing)
        for depth in (MAX_DEPTH + 1, 500, 300_000):
            with pytest.raises(FormatError):
                decode_cbor(opening * depth + b"\x00")
    decode_json(b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH)
    with pytest.raises(FormatError):
        decode_json(b"[" * MAX_DEPTH + b"[1]" + b"]" * MAX_DEPTH)
    value: Any = 1
    for _ in range(5000):
        value = [value]
    for encode in (encode_cbor, encode_json):
        with pytest.raises(FormatError):
            encode(value)


def test_cbor__lists_shared_again_and_again__refused_at_once() -> None:
    depth = 22
    shared = b"\xd8\x1c\x82" * depth + b"\xd8\x1c\x80"
    shared += b"".join(encode_shared(number) for number in range(depth, 0, -1))
    started = time.process_time()
    with pytest.raises(FormatError):
        decode_cbor(shared)
    assert time.process_time() - started < 1


def encode_shared(number: int) -> bytes:
    return b"\xd8\x1d" + encode_cbor(number)


def test_block__one_byte_over_1_mib__refused() -> None:
    assert len(Block(RAW, bytes(MAX_BLOCK)).data) == MAX_BLOCK
    with pytest.raises(FormatError):
        Block(RAW, bytes(MAX_BLOCK + 1))
    text = b'"' + b"a" * (MAX_BLOCK - 2) + b'"'
    assert len(decode_json(text)) == MAX_BLOCK - 2
    with pytest.raises(FormatError):
        decode_json(b'"' + b"a" * (MAX_BLOCK - 1) + b'"')
    cbor = b"\x5a" + (MAX_BLOCK - 5).to_bytes(4, "big") + bytes(MAX_BLOCK - 5)
    assert len(decode_cbor(cbor)) == MAX_BLOCK - 5
    with pytest.raises(FormatError):
        decode_cbor(b"\x5a" + (MAX_BLOCK - 4).to_bytes(4, "big") + bytes(MAX_BLOCK - 4))


def test_read_cbor__other_kind_version_or_keys__refused() -> None:
    block = {"v": 1, "kind": "x", "a": 0}
    assert read_cbor(encode_cbor(block), "x", ("a",)) == block
    others: list[Any] = [
        {**block, "v": 2},
        {**block, "v": True},
        {**block, "kind": "y"},
        {**block, "b": 0},
        {"v": 1, "kind": "x"},
        {"kind": "x", "a": 0},
        [1],
        1,
    ]
    for other in others:
        with pytest.raises(FormatError):
            read_cbor(encode_cbor(other), "x", ("a",))


@quick
@given(links)
def test_link__text_and_binary__round_trip_and_equal_multiformats(link: Link) -> None:
    assert Link.parse(str(link)) == link
    assert Link.from_binary(link.binary) == link
    codec = {RAW: "raw", DAG_CBOR: "dag-cbor"}[link.codec]
    cid = multiformats.CID("base32", 1, codec, ("sha2-256", link.digest))
    assert str(cid) == str(link)
    assert bytes(cid) == link.binary


@quick
@given(st.binary(max_size=5000))
def test_link__of_a_raw_block__equals_aleph_cid_and_multiformats(data: bytes) -> None:
    hasher = CidHasher.for_ipfs_v1_raw_leaves()
    hasher.update(data)
    link = str(Block(RAW, data).link)
    assert link == hasher.finalize()
    digest = multiformats.multihash.digest(data, "sha2-256")
    assert link == str(multiformats.CID("base32", 1, "raw", digest))
    in_dag_cbor = multiformats.CID("base32", 1, "dag-cbor", digest)
    assert str(Block(DAG_CBOR, data).link) == str(in_dag_cbor)


@quick
@given(links, damage())
def test_link__damaged__refused_or_canonical(link: Link, change: Any) -> None:
    check(change(link.binary), Link.from_binary, lambda value: value.binary)
    text = change(str(link).encode()).decode("latin-1").encode()
    check(text, lambda data: Link.parse(data.decode()), lambda value: str(value).encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "é",
        "BAFKREIASWCGGOK7GQEDJS5XH2JIUPIEWPCM4H5PXFZXMULOJII6DZRRK7Q",
        "bafkreiaswcggok7gqedjs5xh2jiupiewpcm4h5pxfzxmulojii6dzrrk7r",
        "zafkreiaswcggok7gqedjs5xh2jiupiewpcm4h5pxfzxmulojii6dzrrk7q",
        "bafkreiaswcggok7gqedjs5xh2jiupiewpcm4h5pxfzxmulojii6dzrrk7q\n",
        "Qmf3KJRrjCx9dgR4i37NbH5AxXyB5pcgJi5P4ouJJeCHBb",
    ],
)
def test_link__other_text__refused(text: str) -> None:
    with pytest.raises(FormatError):
        Link.parse(text)


@quick
@given(st.sampled_from(("u16", "u32", "u64")), st.data())
def test_column__any_integers__round_trip(cell: str, data: st.DataObject) -> None:
    limit = 2 ** int(cell[1:]) - 1
    values = data.draw(st.lists(st.integers(0, limit) | st.just(limit), max_size=6))
    packed = column(values, cell)
    width = int(cell[1:]) // 8
    assert packed == b"".join(value.to_bytes(width, "big") for value in values)
    assert integers(packed, cell, len(values)).tolist() == values
    assert column(integers(packed, cell), cell) == packed
    for wrong in ([*values, -1], [*values, limit + 1]):
        with pytest.raises(FormatError):
            column(wrong, cell)


def test_column__numpy_array_of_the_cell__is_taken_as_it_is() -> None:
    assert column(np.array([1, 2], dtype=">u4"), "u32") == bytes.fromhex("0000000100000002")


@pytest.mark.parametrize("data", [b"123", b"12345", None, [0, 0, 0, 1], "0001", 4])
def test_columns__wrong_length_or_type__refused(data: Any) -> None:
    assert integers(b"\0\0\0\1", "u32", 1).tolist() == [1]
    assert cells(b"1234", 4, 1) == [b"1234"]
    with pytest.raises(FormatError):
        integers(data, "u32")
    with pytest.raises(FormatError):
        cells(data, 4)
    with pytest.raises(FormatError):
        integers(b"\0\0\0\1", "u32", 2)
    with pytest.raises(FormatError):
        cells(b"1234", 4, 0)


@quick
@given(st.lists(st.text(max_size=4).map(str.encode), max_size=8))
def test_text_table__any_texts__round_trip(texts: list[bytes]) -> None:
    table, indexes = text_table(texts)
    assert table_rows(table, np.array(indexes, dtype=np.int64)) == texts


@pytest.mark.parametrize(
    ("table", "indexes"),
    [
        (["b", "a"], [0, 1]),
        (["a", "a"], [0, 1]),
        (["a"], [1]),
        (["a", "b"], [0]),
        (["a"], []),
        ([b"a"], [0]),
        ("a", [0]),
        (None, []),
    ],
)
def test_table_rows__not_canonical__refused(table: Any, indexes: list[int]) -> None:
    assert table_rows(["a", "b"], np.array([1, 0])) == [b"b", b"a"]
    with pytest.raises(FormatError):
        table_rows(table, np.array(indexes, dtype=np.int64))


def test_split__rows__are_cut_into_full_shards_and_a_rest() -> None:
    assert split([], 2) == []
    assert split([1, 2, 3, 4], 2) == [[1, 2], [3, 4]]
    assert split([1, 2, 3], 2) == [[1, 2], [3]]


def test_cbor_block__fields__has_version_kind_and_dag_cbor_link() -> None:
    block = cbor_block("x", {"a": None})
    assert decode_cbor(block.data) == {"v": 1, "kind": "x", "a": None}
    assert block.link == Link(DAG_CBOR, block.digest)
