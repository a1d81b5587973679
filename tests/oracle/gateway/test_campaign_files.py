"""From a requester's files to content, manifest and secrets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.content.local import LocalContent
from oracle.errors import FormatError, InputError
from oracle.evidence.campaign import commit_label, decode_gold, decode_items
from oracle.evidence.codec import DAG_CBOR, MAX_BLOCK, RAW, decode_json, encode_json
from oracle.evidence.hashing import sha256
from oracle.evidence.manifest import Manifest
from oracle.gateway.campaign_files import (
    CampaignFiles,
    Gold,
    Item,
    ItemMedia,
    answer_validator,
    build_campaign,
    decode_item,
    read_gold,
    read_items,
)
from oracle.gateway.secrets import GatewaySecrets
from tests.support.world import key_of, manifest_document

SECRET = key_of("secret")
ITEMS = [Item(f"item {number}", text=f"text {number}") for number in range(40)]
GOLD = [Gold(f"item {number}", str(number % 3)) for number in range(18)]


def terms(**changes: Any) -> dict[str, Any]:
    return manifest_document(**changes)


def build(**changes: Any) -> CampaignFiles:
    arguments: dict[str, Any] = {
        "terms": terms(),
        "items": ITEMS,
        "gold": GOLD,
        "guidelines": "Read.",
        "consent": "Agree.",
        "gold_epochs": 3,
        "secret": SECRET,
    }
    arguments.update(changes)
    first, second, third = (arguments.pop(name) for name in ("terms", "items", "gold"))
    return build_campaign(first, second, third, **arguments)


# --- what is built --------------------------------------------------------------------------------


def test_publish__a_campaign__can_be_read_from_its_manifest_alone(tmp_path: Path) -> None:
    files = build()
    content = LocalContent(tmp_path)
    digest = files.publish(content)
    manifest = Manifest.decode(content.get(digest, RAW))
    assert manifest == files.manifest
    ids = decode_items(
        content.get(manifest.items, DAG_CBOR), lambda link: content.get(link.digest, link.codec)
    )
    names = [decode_item(content.get(one, RAW)).name for one in ids]
    assert names == [ITEMS[place].name for place in files.order]
    assert sorted(names) == sorted(item.name for item in ITEMS)
    assert decode_json(content.get(manifest.guidelines, RAW)) == "Read."
    assert decode_json(content.get(manifest.consent, RAW)) == "Agree."
    batches = decode_gold(content.get(manifest.gold_commitments, DAG_CBOR))
    for epoch, batch in enumerate(batches, 1):
        opened = [
            commit_label(ids[row.item], sha256(row.answer), row.salt)
            for row in files.secrets.batch(epoch)
        ]
        assert opened == batch


def test_build__gold__is_spread_evenly_by_class() -> None:
    files = build()
    for epoch in (1, 2, 3):
        batch = files.secrets.batch(epoch)
        assert [row.index for row in batch] == list(range(6))
        assert Counter(row.answer for row in batch) == {b'"0"': 2, b'"1"': 2, b'"2"': 2}
    by_name = {ITEMS[place].name: number for number, place in enumerate(files.order)}
    assert {row.item: row.answer for row in files.secrets.gold} == {
        by_name[row.item]: encode_json(row.answer) for row in GOLD
    }
    assert len({row.salt for row in files.secrets.gold}) == 18


def test_build__neither_index_nor_batches__tell_the_requesters_order() -> None:
    files = build()
    assert sorted(files.order) == list(range(40))
    assert files.order != tuple(range(40))
    # The gold stood first in the file; in the index it is spread.
    assert max(row.item for row in files.secrets.gold) >= 20
    other = build(secret=key_of("another"))
    assert other.order != files.order
    assert other.manifest.gold_commitments != files.manifest.gold_commitments


def test_build__the_same_secret__gives_the_same_bytes_and_none_gives_fresh_ones() -> None:
    assert build().manifest == build().manifest
    assert build().blocks == build().blocks
    assert build(secret=None).secrets.last_seed != build(secret=None).secrets.last_seed


def test_build__public_blocks__hold_no_gold_and_no_seed() -> None:
    files = build()
    public = b"".join(block.data for block in files.blocks)
    assert files.secrets.last_seed not in public
    assert SECRET not in public
    for row in files.secrets.gold:
        assert row.salt not in public


def test_build__no_gold__is_a_campaign_without_batches() -> None:
    files = build(gold=[])
    assert files.secrets.gold == ()
    assert files.manifest.gold_count == 0


def test_build__media__are_blocks_named_by_their_records(tmp_path: Path) -> None:
    image = b"\x89PNG" + bytes(range(256))
    files = build(items=[Item("one", media=ItemMedia("image/png", data=image))], gold=[])
    content = LocalContent(tmp_path)
    files.publish(content)
    item = decode_item(content.get(sha256(files.blocks[1].data), RAW))
    assert item.media is not None
    assert item.media.cid is not None
    assert content.get(sha256(image), RAW) == image


def test_build__restricted__publishes_commitments_only(tmp_path: Path) -> None:
    files = build(terms=terms(privacy="restricted"))
    public, private = LocalContent(tmp_path / "public"), LocalContent(tmp_path / "private")
    with pytest.raises(InputError, match="private folder"):
        files.publish(public)
    assert list(public.iterate()) == []
    files.publish(public, private)
    everything = b"".join(public.get(link.digest, link.codec) for link in public.iterate())
    assert b"text 7" not in everything
    ids = decode_items(
        public.get(files.manifest.items, DAG_CBOR),
        lambda link: public.get(link.digest, link.codec),
    )
    records = [decode_item(private.get(one, RAW)) for one in ids]
    assert {item.name for item in records} == {item.name for item in ITEMS}
    # A salt of its own hides each record's text behind its id.
    assert len({item.salt for item in records}) == 40


@settings(max_examples=40)
@given(
    names=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=30, unique=True),
    text=st.text(max_size=200),
    secret=st.binary(min_size=32, max_size=32),
)
def test_build__any_texts__are_canonical_blocks(names: list[str], text: str, secret: bytes) -> None:
    files = build(
        items=[Item(name, text) for name in names],
        gold=[Gold(name, "1") for name in names[:3]],
        gold_epochs=1,
        secret=secret,
        guidelines=text,
    )
    held = {(block.digest, block.codec): block.data for block in files.blocks}
    ids = decode_items(
        held[files.manifest.items, DAG_CBOR], lambda link: held[link.digest, link.codec]
    )
    assert [decode_item(held[one, RAW]) for one in ids] == [
        Item(names[place], text) for place in files.order
    ]
    assert Manifest.decode(files.manifest.block.data) == files.manifest


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": []}, "at least one item"),
        ({"items": [Item("one")]}, r"item 1 \('one'\): give it text"),
        ({"items": [Item("", "text")]}, "item 1: give it a name"),
        ({"items": [Item("one", "a"), Item("one", "b")]}, "item 2: the name 'one' is item 1's"),
        ({"items": [Item("one", "\ud800")]}, r"item 1 \('one'\)"),
        (
            {"items": [Item("one", media=ItemMedia("image/png", b"x" * (MAX_BLOCK + 1)))]},
            "over 1 MiB: add it to IPFS",
        ),
        ({"items": [Item("one", media=ItemMedia("png", b"x"))]}, "MIME type"),
        ({"items": [Item("one", media=ItemMedia("image/png"))]}, "exactly one of"),
        (
            {"items": [Item("one", media=ItemMedia("image/png", url="https://x/y"))]},
            "needs the sha256",
        ),
        (
            {"items": [Item("a", media=ItemMedia("a/b", url="file:///x", sha256="0" * 64))]},
            "https://",
        ),
        ({"gold": [Gold("nobody", "1")]}, "gold 1: there is no item named 'nobody'"),
        ({"gold": [*GOLD, GOLD[0]]}, "gold 19: item 'item 0' has a gold answer already"),
        ({"gold": [Gold("item 0", "eleven")]}, "gold 1: the answer .* none of the task's classes"),
        ({"gold": [Gold("item 0", 0.5)]}, "gold 1: a float"),
        ({"gold_epochs": 0}, "set gold_epochs"),
        ({"gold_epochs": 19}, "18 gold items can't fill 19 epochs"),
        ({"secret": b"short"}, "32 random bytes"),
        ({"guidelines": "x" * MAX_BLOCK}, "the guidelines: .*over 1 MiB"),
        ({"consent": "\ud800"}, "the consent"),
        ({"terms": {}}, "need a section 'task'"),
        ({"terms": terms(epochSeconds=0)}, "terms: manifest, epochSeconds"),
        ({"terms": terms(task__schema={"type": "nonsense"})}, "no JSON Schema"),
        ({"terms": terms(task__schema={"type": "integer"})}, "refuses the class '0'"),
        ({"terms": terms(task__schema={"$ref": "http://127.0.0.1/x"})}, "self-contained"),
    ],
)
def test_build__input_that_cannot_be__names_place_and_remedy(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    "record",
    [
        b"7",
        b'{"name": "one"}',
        b"{}",
        b'{"name":"one","other":1}',
        b'{"media":{"type":"a/b"},"name":"one"}',
        b'{"media":{"cid":"b","extra":"x","type":"a/b"},"name":"one"}',
        b'{"name":"one","salt":"xy"}',
    ],
)
def test_decode_item__what_is_no_record__is_refused(record: bytes) -> None:
    with pytest.raises(FormatError):
        decode_item(record)


# --- files ----------------------------------------------------------------------------------------


def test_read__json_lines__give_items_and_gold(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"image")
    digest = "ab" * 32
    lines = [
        {"name": "one", "media": {"path": "one.png", "type": "image/png"}},
        {"name": "two", "text": "line\u2028separator"},
        {"name": "three", "media": {"url": "https://x/y", "sha256": digest, "type": "image/png"}},
    ]
    items = tmp_path / "items.jsonl"
    items.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    assert read_items(items) == [
        Item("one", media=ItemMedia("image/png", data=b"image")),
        Item("two", "line\u2028separator"),
        Item("three", media=ItemMedia("image/png", url="https://x/y", sha256=digest)),
    ]
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"item": "one", "answer": "7"}\n')
    assert read_gold(gold) == [Gold("one", "7")]


@pytest.mark.parametrize(
    ("reader", "line", "message"),
    [
        (read_items, "not json", r"line 2: not JSON"),
        (read_items, "[]", "line 2: one JSON object per line"),
        (read_items, '{"text": "x"}', "line 2: name and text are strings"),
        (read_items, '{"name": 7}', "line 2: name and text are strings"),
        (read_items, '{"name": "x", "txt": "y"}', r"line 2: unknown \['txt'\]"),
        (read_items, '{"name": "x", "media": "y"}', "line 2: media is an object"),
        (read_items, '{"name": "x", "media": {"path": "no", "type": "a/b"}}', "can't be read"),
        (read_items, '{"name": "x", "media": {"cid": "b"}}', "MIME type"),
        (read_gold, '{"item": "x"}', "line 2: write"),
        (read_gold, '{"item": 1, "answer": "7"}', "line 2: write"),
    ],
)
def test_read__a_line_that_cannot_be__is_named(
    tmp_path: Path, reader: Callable[[Path], Any], line: str, message: str
) -> None:
    first = {read_items: '{"name": "a", "text": "b"}', read_gold: '{"item": "a", "answer": "7"}'}
    path = tmp_path / "lines.jsonl"
    path.write_text(f"{first[reader]}\n{line}\n")
    with pytest.raises(InputError, match=message):
        reader(path)


def test_read_items__no_such_file__is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.jsonl can't be read"):
        read_items(tmp_path / "nothing.jsonl")


def test_answer_validator__schema_and_classes__both_count() -> None:
    check = answer_validator(build().manifest)
    assert check("7") is None
    assert "is not of type 'string'" in str(check(7))
    assert "none of the task's classes" in str(check("11"))


# --- secrets --------------------------------------------------------------------------------------


def test_secrets__saved__are_private_and_read_back(tmp_path: Path) -> None:
    secrets = build().secrets
    path = tmp_path / "secrets.json"
    secrets.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert GatewaySecrets.load(path) == secrets
    with pytest.raises(InputError, match="name another file"):
        secrets.save(path)
    assert GatewaySecrets.load(path) == secrets


def test_secrets__readable_by_others__are_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    build().secrets.save(path)
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        GatewaySecrets.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1}'])
def test_secrets__damaged__are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match="damaged"):
        GatewaySecrets.load(path)
    with pytest.raises(InputError, match="can't be read"):
        GatewaySecrets.load(tmp_path / "nothing.json")


def test_secrets__printed__show_no_secret() -> None:
    secrets = build().secrets
    for shown in (repr(secrets), str(secrets), f"{secrets}"):
        assert secrets.last_seed.hex() not in shown
        assert str(secrets.last_seed) not in shown
        assert "salt" not in shown


def test_secrets__beyond_the_chain_of_seeds__say_so() -> None:
    secrets = replace(build().secrets, epochs=3)
    assert sha256(secrets.seed(3)) == secrets.seed(2)
    with pytest.raises(InputError, match="beyond"):
        secrets.seed(4)
    assert secrets.batch(4) == []


def test_read_items__media_that_leaves_the_folder__is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"not yours")
    folder = tmp_path / "campaign"
    folder.mkdir()
    line = {"name": "a", "media": {"path": "../secret.png", "type": "image/png"}}
    (folder / "items.jsonl").write_text(json.dumps(line))
    with pytest.raises(InputError, match=r"leaves .*campaign: put the file there"):
        read_items(folder / "items.jsonl")
    (folder / "own.png").write_bytes(b"mine")
    line["media"]["path"] = "own.png"
    (folder / "items.jsonl").write_text(json.dumps(line))
    assert read_items(folder / "items.jsonl")[0].media.data == b"mine"
