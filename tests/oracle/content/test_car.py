"""CARs: what is written is read back, by others too, and hostile files do no harm."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.content.car import CarReader, write_car
from oracle.content.dag import links_of, walk
from oracle.content.local import LocalContent
from oracle.errors import ContentMissing, FormatError
from oracle.evidence.codec import (
    DAG_CBOR,
    MAX_BLOCK,
    RAW,
    Block,
    Link,
    cbor_block,
    encode_cbor,
)
from oracle.evidence.hashing import sha256

# Written by Kubo 0.41: `ipfs dag import` of ours, then `ipfs dag export` of the root.
GOLDEN = Path(__file__).parent / "golden" / "tree.car"
LEAVES = [Block(RAW, b"leaf %d" % number) for number in range(3)]
INNER = cbor_block("inner", {"leaves": [LEAVES[0].link, LEAVES[1].link]})
OUTER = cbor_block(
    "outer", {"inner": [INNER.link, LEAVES[1].link], "others": {"last": LEAVES[2].link}}
)
TREE = {block.link: block.data for block in (*LEAVES, INNER, OUTER)}


def car_of(roots: list[Link], blocks: list[tuple[Link, bytes]]) -> bytes:
    file = io.BytesIO()
    assert write_car(file, roots, blocks) == len(blocks)
    return file.getvalue()


def read(data: bytes) -> tuple[list[Link], list[tuple[Link, bytes]]]:
    reader = CarReader(io.BytesIO(data))
    return list(reader.roots), list(reader)


def section(cid: bytes, data: bytes) -> bytes:
    size, prefix = len(cid) + len(data), b""
    while size > 127:
        prefix, size = prefix + bytes([size % 128 + 128]), size // 128
    return prefix + bytes([size]) + cid + data


WHOLE = car_of([OUTER.link], list(walk([OUTER.link], TREE.__getitem__)))
HEADER = car_of([OUTER.link], [])
LEAF = section(LEAVES[0].link.binary, LEAVES[0].data)


def test_write__a_tree__is_what_kubo_writes() -> None:
    assert GOLDEN.read_bytes() == WHOLE


def test_walk__a_tree__comes_depth_first_and_once() -> None:
    found = [link for link, _ in walk([OUTER.link, LEAVES[2].link], TREE.__getitem__)]
    expected = [OUTER, INNER, LEAVES[0], LEAVES[1], LEAVES[2]]
    assert found == [block.link for block in expected]


def test_walk__long_chain__needs_no_recursion() -> None:
    blocks = [cbor_block("chain", {"next": None})]
    for _ in range(3_000):
        blocks.append(cbor_block("chain", {"next": blocks[-1].link}))
    held = {block.link: block.data for block in blocks}
    assert sum(1 for _ in walk([blocks[-1].link], held.__getitem__)) == 3_001


def test_links_of__index_that_is_no_dag_cbor__is_refused_by_name() -> None:
    link = Link(DAG_CBOR, sha256(b"\xff"))
    with pytest.raises(FormatError, match=str(link)):
        links_of(link, b"\xff")
    assert links_of(Link(RAW, sha256(b"\xff")), b"\xff") == []


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=10),
    st.lists(st.sampled_from([RAW, DAG_CBOR]), min_size=10, max_size=10),
)
def test_read__what_was_written__is_the_same(parts: list[bytes], codecs: list[int]) -> None:
    pairs = zip(codecs, parts, strict=False)
    blocks = [(Link(codec, sha256(data)), data) for codec, data in pairs]
    roots = [link for link, _ in blocks[:3]]
    assert read(car_of(roots, blocks)) == (roots, blocks)


@given(st.data())
def test_read__file_that_is_cut_anywhere__hands_out_whole_blocks_and_then_fails(
    data: st.DataObject,
) -> None:
    length = data.draw(st.integers(0, len(WHOLE) - 1))
    whole = read(WHOLE)[1]
    ends = {len(car_of([OUTER.link], whole[:count])) for count in range(len(whole))}
    got: list[tuple[Link, bytes]] = []
    try:
        for one in CarReader(io.BytesIO(WHOLE[:length])):
            got.append(one)
    except FormatError:
        assert length not in ends
    else:
        assert length in ends  # cut between blocks: what is missing shows under the roots
    assert got == whole[: len(got)]


@given(st.data())
def test_read__a_flipped_bit__is_never_believed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(WHOLE) - 1))
    bit = data.draw(st.integers(0, 7))
    altered = bytearray(WHOLE)
    altered[place] ^= 1 << bit
    try:
        roots, blocks = read(bytes(altered))
    except FormatError:
        return
    assert all(sha256(block) == link.digest for link, block in blocks)
    # What is left to flip are a CID's codec and a root's digest: both show in the roots' tree.
    assert (roots, blocks) != read(WHOLE)


@given(st.binary(max_size=200))
def test_read__any_bytes__are_refused_or_read(data: bytes) -> None:
    for prefix in (b"", HEADER):
        try:
            _, blocks = read(prefix + data)
        except FormatError:
            continue
        assert all(sha256(block) == link.digest for link, block in blocks)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x00", "ends too early"),
        (b"\x05abc", "ends within the header"),
        (b"\x80", "ends within the header"),
        (b"\xff" * 9 + b"\x01", "over 9 bytes"),
        (b"\xff" * 8 + b"\x7f", "the header of the CAR has 9223372036854775807 bytes"),
        (b"\x81\x80\x40", "over 1048576"),
        (section(b"", encode_cbor([])), "no CAR of version 1"),
        (section(b"", encode_cbor({"version": 2})), "no CAR of version 1"),
        (section(b"", encode_cbor({"roots": [], "version": 1})), "no root"),
        (section(b"", encode_cbor({"version": 1})), "has roots and version"),
        (section(b"", encode_cbor({"roots": [1], "version": 1})), "roots are CIDs"),
        (section(b"", encode_cbor({"roots": OUTER.link, "version": 1})), "roots are CIDs"),
        (
            section(b"", encode_cbor({"roots": [OUTER.link], "version": 1, "x": 1})),
            "has roots and version",
        ),
    ],
)
def test_read__header_that_is_none__is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        CarReader(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00", "block 2 of the CAR has 0 bytes"),
        (b"\x23" + b"x" * 35, "block 2 of the CAR has 35 bytes"),
        (b"\x80\x00", "block 2 of the CAR isn't in its shortest form"),
        (b"\xff\xff\xff\xff\x0f", "block 2 of the CAR has 4294967295 bytes, over"),
        (section(LEAVES[0].link.binary, b"x" * (MAX_BLOCK + 1))[:40], "over 1048612"),
        (section(LEAVES[0].link.binary, b"another"), "block 2 of the CAR holds other bytes"),
        (section(b"\x12\x20" + bytes(34), b""), "a kind that DDLP has none of"),  # CIDv0
        (section(b"\x01\x70\x12\x20" + bytes(32), b""), "a kind that DDLP has none of"),  # dag-pb
        (section(b"\x01\x55\x1b\x20" + bytes(32), b""), "a kind that DDLP has none of"),  # keccak
        (LEAF[:-1], "ends within block 2"),
        (LEAF[:1], "ends within block 2"),
    ],
)
def test_read__block_that_is_none__is_refused_after_the_good_ones(
    data: bytes, message: str
) -> None:
    blocks = iter(CarReader(io.BytesIO(HEADER + LEAF + data)))
    assert next(blocks) == (LEAVES[0].link, LEAVES[0].data)
    with pytest.raises(FormatError, match=message):
        next(blocks)


def test_write__block_that_can_not_be_had__raises_what_the_source_raises(tmp_path: Path) -> None:
    content = LocalContent(tmp_path)
    content.put(OUTER.data, DAG_CBOR)
    with pytest.raises(ContentMissing, match=str(INNER.link)):
        write_car(
            io.BytesIO(),
            [OUTER.link],
            walk([OUTER.link], lambda link: content.get(link.digest, link.codec)),
        )


def test_write__more_roots_than_a_header_holds__is_refused() -> None:
    file = io.BytesIO()
    roots = [Link(RAW, number.to_bytes(32, "big")) for number in range(30_000)]
    with pytest.raises(FormatError, match="30000 roots are too many"):
        write_car(file, roots, [])
    assert file.getvalue() == b""
