"""The supplement and its shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from oracle.errors import FormatError
from oracle.evidence.codec import SHARD_ROWS, Block, decode_cbor, encode_cbor, encode_json
from oracle.evidence.entries import SHARD_BYTES
from oracle.evidence.hashing import keccak256
from oracle.evidence.supplement import FILED, GoldOpening, Opening, Supplement
from tests.evidence.canonicity import Shelf
from tests.evidence.strategies import damage, quick, supplements, swap

EMPTY = Supplement(7, 1, False, bytes(32), (), (), ())


@quick
@given(supplements())
def test_supplement__any__round_trips(supplement: Supplement) -> None:
    index, shards = supplement.encode()
    assert Supplement.decode(index.data, Shelf(shards)) == supplement


@quick
@given(supplements(), damage())
def test_supplement__index_or_shard_damaged__refused_or_canonical(
    supplement: Supplement, change: Any
) -> None:
    index, shards = supplement.encode()
    _check(Shelf(shards), change(index.data))
    for shard in shards:
        shelf = Shelf(shards)
        _check(shelf, shelf.exchange(index.data, shard, change(shard.data)))


@quick
@given(supplements(), swap())
def test_supplement__field_exchanged__refused_or_canonical(
    supplement: Supplement, change: Any
) -> None:
    index, shards = supplement.encode()
    _check(Shelf(shards), change(decode_cbor(index.data)))
    for shard in shards:
        shelf = Shelf(shards)
        _check(shelf, shelf.exchange(index.data, shard, change(decode_cbor(shard.data))))


def _gold(place: int, item: int) -> GoldOpening:
    return GoldOpening(1, place, item, b'"7"', bytes(32))


def _opening(item: int, answer: bytes = b'"7"') -> Opening:
    return Opening(item, 1, 0, answer, bytes(32))


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("gold", (_gold(0, 4), _gold(1, 5)), (_gold(1, 5), _gold(0, 4))),
        ("gold", (_gold(0, 5), _gold(1, 5)), (_gold(0, 5), _gold(0, 6))),
        ("openings", (_opening(1), _opening(2)), (_opening(2), _opening(1))),
        ("openings", (_opening(1), _opening(2)), (_opening(1), _opening(1, b'"8"'))),
        ("filings", (b"a",), (b"a", b"a")),
        # keccak256 of "b" starts with b5, that of "a" with 3a.
        ("filings", (b"a", b"b"), (b"b", b"a")),
    ],
)
def test_encode__rows_unsorted_or_repeated__refused(name: str, good: Any, wrong: Any) -> None:
    index, shards = replace(EMPTY, **{name: good}).encode()
    assert getattr(Supplement.decode(index.data, Shelf(shards)), name) == good
    with pytest.raises(FormatError):
        replace(EMPTY, **{name: wrong}).encode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", True),
        ("epoch", True),
        ("epoch", -1),
        ("epoch", None),
        ("final", 1),
        ("seed", bytes(31)),
        ("seed", bytes(64)),
        ("campaign", bytes(31)),
        ("campaign", 7),
        ("gold", [bytes(36)]),
        ("openings", None),
    ],
)
def test_decode__one_field_wrong__refused(field: str, value: Any) -> None:
    index, _ = EMPTY.encode()
    assert Supplement.decode(index.data, Shelf([])) == EMPTY
    with pytest.raises(FormatError):
        Supplement.decode(encode_cbor({**decode_cbor(index.data), field: value}), Shelf([]))


def test_shards__many_rows__are_cut_at_8192_and_cut_otherwise_refused() -> None:
    rows = tuple(
        Opening(number, FILED + number, 1, b'"7"', bytes(32)) for number in range(SHARD_ROWS + 1)
    )
    index, shards = replace(EMPTY, openings=rows).encode()
    assert [len(decode_cbor(shard.data)["items"]) // 4 for shard in shards] == [SHARD_ROWS, 1]
    assert Supplement.decode(index.data, Shelf(shards)).openings == rows

    halves = [replace(EMPTY, openings=part).encode()[1][0] for part in (rows[:1], rows[1:3])]
    cut = {**decode_cbor(index.data), "openings": [half.link for half in halves]}
    with pytest.raises(FormatError):
        Supplement.decode(encode_cbor(cut), Shelf(halves))
    empty = {**decode_cbor(halves[0].data), "table": []}
    empty = {name: b"" if isinstance(part, bytes) else part for name, part in empty.items()}
    shelf = Shelf(shards)
    with pytest.raises(FormatError):
        Supplement.decode(shelf.exchange(index.data, shards[1], encode_cbor(empty)), shelf)


def test_filings__many_bytes__are_cut_by_size() -> None:
    filings = [bytes([number]) * (SHARD_BYTES // 2) for number in range(3)]
    filings.sort(key=keccak256)
    index, shards = replace(EMPTY, filings=tuple(filings)).encode()
    assert [len(decode_cbor(shard.data)["lengths"]) // 4 for shard in shards] == [2, 1]
    assert list(Supplement.decode(index.data, Shelf(shards)).filings) == filings


def test_supplement__texts_that_overfill_a_block__are_cut_until_they_fit() -> None:
    long = {number: encode_json(f"{number:05}" * 200) for number in range(3000)}
    openings = tuple(_opening(number, text) for number, text in long.items())
    gold = tuple(replace(_gold(number, number), answer=long[number]) for number in range(1500))
    supplement = replace(EMPTY, gold=gold, openings=openings)
    index, shards = supplement.encode()
    assert Supplement.decode(index.data, Shelf(shards)) == supplement
    rows = [len(fields["items"]) // 4 for fields in (decode_cbor(one.data) for one in shards)]
    assert rows == [750, 750, 750, 563, 844, 843]
    assert max(len(one.data) for one in shards) > 500_000


def _check(shelf: Shelf, index: bytes) -> None:
    def encode(supplement: Supplement) -> Block:
        return supplement.encode()[0]

    shelf.check(index, Supplement.decode, encode)
