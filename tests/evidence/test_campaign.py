"""A campaign's content: items, gold, seeds, commitments, sealed openings, the manifest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import FormatError
from oracle.evidence.campaign import (
    SealedOpening,
    commit_label,
    decode_gold,
    decode_items,
    draw_seeds,
    earlier_seed,
    encode_gold,
    encode_items,
    label_salt,
)
from oracle.evidence.codec import (
    RAW,
    SHARD_ROWS,
    Block,
    Link,
    decode_cbor,
    encode_cbor,
    encode_json,
)
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.manifest import Manifest
from tests.evidence.canonicity import Shelf, check
from tests.evidence.strategies import (
    damage,
    digests,
    gold_batches,
    manifests,
    openings,
    quick,
    swap,
)

ids = st.lists(digests, max_size=5, unique=True)
field_swap = swap().map(lambda change: lambda data: change(decode_cbor(data)))


@quick
@given(ids, st.booleans())
def test_items__any__round_trip(items: list[bytes], records_public: bool) -> None:
    index, shards = encode_items(items, records_public=records_public)
    assert decode_items(index.data, Shelf(shards)) == items


@quick
@given(ids, st.booleans(), damage() | field_swap)
def test_items__index_or_shard_damaged__refused_or_canonical(
    items: list[bytes], records_public: bool, change: Any
) -> None:
    index, shards = encode_items(items, records_public=records_public)
    shelf = Shelf(shards)

    def encode(decoded: list[bytes]) -> Block:
        candidates = [encode_items(decoded, records_public=public)[0] for public in (True, False)]
        return next((block for block in candidates if block.data == data), candidates[0])

    data = change(index.data)
    shelf.check(data, decode_items, encode)
    for shard in shards:
        data = shelf.exchange(index.data, shard, change(shard.data))
        shelf.check(data, decode_items, encode)


def test_items__more_than_a_shard__are_cut_and_cut_otherwise_refused() -> None:
    items = [sha256(number.to_bytes(4, "big")) for number in range(SHARD_ROWS + 1)]
    index, shards = encode_items(items, records_public=True)
    assert [len(decode_cbor(shard.data)["ids"]) // 32 for shard in shards] == [SHARD_ROWS, 1]
    assert decode_items(index.data, Shelf(shards)) == items
    assert decode_cbor(shards[1].data)["records"] == [Link(RAW, items[-1])]

    few = items[:4]
    (whole,) = encode_items(few, records_public=True)[1]
    halves = [encode_items(part, records_public=True)[1][0] for part in (few[:2], few[2:])]
    for parts, good in (([whole], True), (halves, False)):
        fields = {"v": 1, "kind": "items", "count": 4, "shards": [part.link for part in parts]}
        if good:
            assert decode_items(encode_cbor(fields), Shelf(parts)) == few
        else:
            with pytest.raises(FormatError):
                decode_items(encode_cbor(fields), Shelf(parts))


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", 1), ("count", 3), ("count", True), ("shards", []), ("shards", None), ("v", True)],
)
def test_items__index_field_wrong__refused(field: str, value: Any) -> None:
    index, shards = encode_items([bytes(32), b"\1" * 32], records_public=False)
    assert len(decode_items(index.data, Shelf(shards))) == 2
    with pytest.raises(FormatError):
        decode_items(encode_cbor({**decode_cbor(index.data), field: value}), Shelf(shards))


def test_items__repeated_id_or_other_records__refused() -> None:
    for items, records in (
        ([bytes(32)] * 2, []),
        ([bytes(32)], [Link(RAW, b"\1" * 32)]),
        ([bytes(32), b"\1" * 32], [Link(RAW, bytes(32))]),
        ([bytes(32)], None),
    ):
        shard = Block(
            0x71,
            encode_cbor(
                {"v": 1, "kind": "items-shard", "ids": b"".join(items), "records": records}
            ),
        )
        index = {"v": 1, "kind": "items", "count": len(items), "shards": [shard.link]}
        with pytest.raises(FormatError):
            decode_items(encode_cbor(index), Shelf([shard]))


@quick
@given(gold_batches, damage(), swap())
def test_gold__any__round_trips_and_damaged_is_refused_or_canonical(
    batches: list[list[bytes]], change: Any, exchange: Any
) -> None:
    data = encode_gold(batches).data
    assert decode_gold(data) == batches
    for other in (change(data), exchange(decode_cbor(data))):
        check(other, decode_gold, lambda decoded: encode_gold(decoded).data)


@quick
@given(openings, damage(), swap())
def test_opening__any__round_trips_and_damaged_is_refused_or_canonical(
    opening: SealedOpening, change: Any, exchange: Any
) -> None:
    data = opening.block.data
    assert SealedOpening.decode(data) == opening
    for other in (change(data), exchange(decode_cbor(data))):
        check(other, SealedOpening.decode, lambda decoded: decoded.block.data)


@pytest.mark.parametrize(
    "boxes",
    [
        [[b"\2" * 32, b""], [b"\1" * 32, b""]],
        [[b"\1" * 32, b""], [b"\1" * 32, b"x"]],
        [[b"\1" * 31, b""]],
        [[b"", b""]],
        [["\1" * 32, b""]],
        [[b"\1" * 32, "text"]],
        [[b"\1" * 32]],
        [b"\1" * 32],
        {},
        None,
    ],
)
def test_opening__other_boxes__refused(boxes: Any) -> None:
    good = [[b"\1" * 32, b""], [b"\2" * 32, b""]]
    block = {"v": 1, "kind": "opening", "boxes": good}
    assert len(SealedOpening.decode(encode_cbor(block)).boxes) == 2
    with pytest.raises(FormatError):
        SealedOpening.decode(encode_cbor({**block, "boxes": boxes}))


@quick
@given(digests, st.integers(0, 8))
def test_draw_seeds__each__is_the_hash_of_the_next(last: bytes, epochs: int) -> None:
    seeds = draw_seeds(last, epochs)
    assert len(seeds) == epochs + 1
    assert seeds[-1] == last
    for epoch in range(epochs):
        assert sha256(seeds[epoch + 1]) == seeds[epoch]
        assert earlier_seed(last, epochs - epoch) == seeds[epoch]


@quick
@given(digests, st.integers(0, 2**16), digests, digests)
def test_label__salt_and_commitment__are_the_formulas_of_the_formats(
    seed: bytes, index: int, item: bytes, answer: bytes
) -> None:
    salt = label_salt(seed, index)
    assert salt == keccak256(seed + index.to_bytes(32, "big"))
    assert commit_label(item, answer, salt) == keccak256(item + answer + salt)


@quick
@given(manifests(), damage())
def test_manifest__any__round_trips_and_damaged_is_refused_or_canonical(
    manifest: Manifest, change: Any
) -> None:
    data = manifest.block.data
    assert Manifest.decode(data) == manifest
    check(change(data), Manifest.decode, lambda decoded: decoded.block.data)


@quick
@given(manifests())
def test_manifest__classes__have_numbers_and_answer_digests(manifest: Manifest) -> None:
    for number, name in enumerate(manifest.classes):
        assert manifest.class_numbers[encode_json(name)] == number
        assert manifest.answer_digests[number] == sha256(encode_json(name))
    assert manifest.link == Link(RAW, sha256(manifest.block.data))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("version", 2),
        ("version", True),
        ("title", ""),
        ("task.type", "regression"),
        ("task.classes", []),
        ("task.classes", ["a", "a"]),
        ("task.classes", [7]),
        ("guidelines", "00" * 31),
        ("guidelines", "0x" + "00" * 32),
        ("guidelines", "AB" * 32),
        ("guidelines", "00" * 32 + "\n"),
        ("itemCount", 0),
        ("itemCount", "1"),
        ("itemCount", True),
        ("gold.share", 1_000_001),
        ("gold.extra", 1),
        ("assignment", "taken"),
        ("consensus.redundancyMin", 10),
        ("consensus.redundancyMin", 0),
        ("consensus.method", "vote"),
        ("payment.reward", 5),
        ("payment.reward", "05"),
        ("payment.reward", "-5"),
        ("payment.reward", "5\n"),
        ("payment.reward", "٥"),
        ("payment.reward", str(2**128)),
        ("payment.rewardMax", str(2**128)),
        ("payment.rewardMin", str(2**128 - 1)),
        ("auditors", ["0x12"]),
        ("auditors", ["0x" + "12" * 20 + "\n"]),
        ("graceSeconds", 3600),
        ("extra", 1),
    ],
)
def test_manifest__one_member_wrong__refused_with_its_name(place: str, value: Any) -> None:
    document = _document()
    assert Manifest.from_document(document).item_count == 720
    *folders, name = place.split(".")
    target = document
    for folder in folders:
        target = target[folder]
    target[name] = value
    with pytest.raises(FormatError, match=folders[0] if folders else f"{name}|top|schema"):
        Manifest.from_document(document)


def test_manifest__each_member_missing__refused() -> None:
    def without(value: dict[str, Any]) -> Any:
        for name, member in value.items():
            yield {key: part for key, part in value.items() if key != name}
            if isinstance(member, dict) and name not in ("schema", "quotas"):
                for part in without(member):
                    yield {**value, name: part}

    documents = list(without(_document()))
    assert len(documents) > 40
    for document in documents:
        with pytest.raises(FormatError):
            Manifest.from_document(document)


@pytest.mark.parametrize("document", [None, [], 1, "x", {}])
def test_manifest__no_manifest_at_all__refused(document: Any) -> None:
    with pytest.raises(FormatError):
        Manifest.decode(encode_json(document))


def _document() -> dict[str, Any]:
    digest = "0f" * 32
    return copy.deepcopy(
        {
            "version": 1,
            "title": "Digits",
            "description": "",
            "task": {"type": "categorical", "classes": ["0", "1"], "schema": {}},
            "guidelines": digest,
            "consent": digest,
            "items": digest,
            "itemCount": 720,
            "gold": {
                "commitments": digest,
                "count": 72,
                "share": 100_000,
                "newcomerShare": 300_000,
                "newcomerItems": 10,
            },
            "drawSeed": digest,
            "assignment": "drawn",
            "consensus": {
                "method": "dawid-skene",
                "version": 1,
                "redundancyMin": 3,
                "redundancyMax": 5,
                "threshold": 950_000,
                "escalation": "ambiguous",
            },
            "payment": {
                "policy": "agreement",
                "version": 1,
                "base": 400_000,
                "reward": "50",
                "rewardMin": "10",
                "rewardMax": "100",
                "rewardStep": 50_000,
                "thresholdMin": 900_000,
                "thresholdMax": 990_000,
                "thresholdStep": 10_000,
                "target": 900_000,
            },
            "slashing": {"floor": 500_000, "cap": "1000"},
            "qualification": {"minimumTier": 0},
            "privacy": "public",
            "quotas": {},
            "auditors": ["0x" + "12" * 20],
            "secondsPerItem": 10,
            "epochSeconds": 3600,
            "leaseSeconds": 600,
            "graceSeconds": 60,
            "anchorBlocks": 10,
        }
    )
