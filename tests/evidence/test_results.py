"""The evidence index and its result shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from oracle.errors import FormatError
from oracle.evidence.codec import RAW, Block, Link, decode_cbor, encode_cbor
from oracle.evidence.results import ContributorResult, Evidence, ItemResult, PayoutLeaf, SlashLeaf
from tests.evidence.canonicity import Shelf
from tests.evidence.strategies import damage, evidences, quick, swap

LINK = Link(RAW, bytes(32))
EMPTY = Evidence(7, 1, 0, False, LINK, None, (), LINK, (), (), (), ())
FIRST, SECOND = b"\1" * 20, b"\2" * 20


@quick
@given(evidences())
def test_evidence__any__round_trips(evidence: Evidence) -> None:
    index, shards = evidence.encode()
    assert Evidence.decode(index.data, Shelf(shards)) == evidence


@quick
@given(evidences(), damage())
def test_evidence__index_or_shard_damaged__refused_or_canonical(
    evidence: Evidence, change: Any
) -> None:
    index, shards = evidence.encode()
    _check(Shelf(shards), change(index.data))
    for shard in shards:
        shelf = Shelf(shards)
        _check(shelf, shelf.exchange(index.data, shard, change(shard.data)))


@quick
@given(evidences(), swap())
def test_evidence__field_exchanged__refused_or_canonical(evidence: Evidence, change: Any) -> None:
    index, shards = evidence.encode()
    _check(Shelf(shards), change(decode_cbor(index.data)))
    for shard in shards:
        shelf = Shelf(shards)
        _check(shelf, shelf.exchange(index.data, shard, change(decode_cbor(shard.data))))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("items", (ItemResult(1, 1, 1, 0, 3, (9, 1)), ItemResult(2, 1, 1, 0, 3, (9, 1)))),
        ("leaves", (PayoutLeaf(FIRST, 1, 2, 3), PayoutLeaf(SECOND, 1, 2, 3))),
        ("slashes", (SlashLeaf(FIRST, 1), SlashLeaf(SECOND, 1))),
        (
            "contributors",
            (
                ContributorResult(FIRST, 1, 2, 3, 4, 5, 6, 7, True, 8, 9),
                ContributorResult(SECOND, 1, 2, 3, 4, 5, 6, 7, False, 8, 9),
            ),
        ),
    ],
)
def test_encode__rows_unsorted_or_repeated__refused(name: str, rows: tuple[Any, Any]) -> None:
    index, shards = replace(EMPTY, **{name: rows}).encode()
    assert getattr(Evidence.decode(index.data, Shelf(shards)), name) == rows
    for wrong in (rows[::-1], (rows[0], rows[0])):
        with pytest.raises(FormatError):
            replace(EMPTY, **{name: wrong}).encode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", True),
        ("epoch", True),
        ("epoch", -1),
        ("attempt", False),
        ("attempt", 2**32),
        ("final", 0),
        ("campaign", bytes(31)),
        ("campaign", 7),
        ("manifest", None),
        ("manifest", bytes(36)),
        ("previous", b""),
        ("log", None),
        ("log", [None]),
        ("supplement", None),
        ("items", {}),
    ],
)
def test_decode__one_field_wrong__refused(field: str, value: Any) -> None:
    index, _ = EMPTY.encode()
    assert Evidence.decode(index.data, Shelf([])) == EMPTY
    with pytest.raises(FormatError):
        Evidence.decode(encode_cbor({**decode_cbor(index.data), field: value}), Shelf([]))


def test_decode__passed_is_neither_0_nor_1__refused() -> None:
    row = ContributorResult(FIRST, 1, 2, 3, 4, 5, 6, 7, True, 8, 9)
    index, (shard,) = replace(EMPTY, contributors=(row,)).encode()
    shelf = Shelf([shard])
    assert Evidence.decode(index.data, shelf).contributors == (row,)
    changed = encode_cbor({**decode_cbor(shard.data), "passed": b"\2"})
    with pytest.raises(FormatError):
        Evidence.decode(shelf.exchange(index.data, shard, changed), shelf)


def test_shards__many_rows__are_cut_where_a_block_holds_them() -> None:
    items = tuple(ItemResult(number, 1, 1, 0, 3, (1,) * 100) for number in range(2049))
    leaves = tuple(
        PayoutLeaf(number.to_bytes(20, "big"), 2**256 - 1, 1, 1) for number in range(8193)
    )
    evidence = replace(EMPTY, items=items, leaves=leaves)
    index, shards = evidence.encode()
    assert len(shards) == 4
    assert Evidence.decode(index.data, Shelf(shards)) == evidence


@pytest.mark.parametrize(("classes", "shards"), [(2, 2), (91, 2), (256, 3)])
def test_shards__many_classes__fit_a_block(classes: int, shards: int) -> None:
    rows = 2049
    items = tuple(ItemResult(number, 1, 1, 0, 3, (1,) * classes) for number in range(rows))
    evidence = replace(EMPTY, items=items)
    index, blocks = evidence.encode()
    assert len(blocks) == shards
    assert Evidence.decode(index.data, Shelf(blocks)) == evidence


def _check(shelf: Shelf, index: bytes) -> None:
    def encode(evidence: Evidence) -> Block:
        return evidence.encode()[0]

    shelf.check(index, Evidence.decode, encode)
