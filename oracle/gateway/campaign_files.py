"""From a requester's files to a campaign: content blocks, the manifest, and the gateway's secrets.

Everything is validated before anything is written; an error names the file's line and what to do.
"""

from __future__ import annotations

import json
import secrets as randomness
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import referencing

from oracle.content.batch import put_all
from oracle.errors import FormatError, InputError
from oracle.evidence.campaign import commit_label, draw_seeds, encode_gold, encode_items
from oracle.evidence.codec import (
    MAX_BLOCK,
    RAW,
    Block,
    Link,
    encode_json,
    json_block,
    parse_json,
)
from oracle.evidence.hashing import keccak256, sha256, word
from oracle.evidence.manifest import Manifest
from oracle.evidence.supplement import GoldOpening
from oracle.evidence.tasks import TASK_SCHEMAS, Task, read_task
from oracle.gateway.secrets import GatewaySecrets
from oracle.ports import ContentStore

# Enough draw seeds for two years of hourly epochs; the chain costs a hash each.
DRAW_EPOCHS = 20_000


@dataclass(frozen=True)
class ItemMedia:
    """What an item shows: a block's `data`, a `cid`, or a `url` with its content's SHA-256."""

    type: str
    data: bytes | None = None
    cid: str | None = None
    url: str | None = None
    sha256: str | None = None

    @property
    def reference(self) -> dict[str, str]:
        """The `media` of an item record."""
        if self.data is not None:
            return {"cid": str(Link(RAW, sha256(self.data))), "type": self.type}
        if self.cid is not None:
            return {"cid": self.cid, "type": self.type}
        assert self.url is not None
        assert self.sha256 is not None
        return {"url": self.url, "sha256": self.sha256, "type": self.type}


@dataclass(frozen=True)
class Shown:
    """One side of a comparison: text or media, or both."""

    text: str | None = None
    media: ItemMedia | None = None

    @property
    def document(self) -> dict[str, Any]:
        """Its part of an item record."""
        document: dict[str, Any] = {}
        if self.text is not None:
            document["text"] = self.text
        if self.media is not None:
            document["media"] = self.media.reference
        return document


@dataclass(frozen=True)
class Item:
    """One thing to label. `salt` (32 bytes) hides a restricted campaign's record behind its id;
    `second` is what a pairwise comparison holds the first against."""

    name: str
    text: str | None = None
    media: ItemMedia | None = None
    salt: bytes | None = None
    second: Shown | None = None

    @property
    def record(self) -> Block:
        """The item record; its digest is the item's id."""
        document: dict[str, Any] = {"name": self.name}
        if self.text is not None:
            document["text"] = self.text
        if self.media is not None:
            document["media"] = self.media.reference
        if self.salt is not None:
            document["salt"] = self.salt.hex()
        if self.second is not None:
            document["second"] = self.second.document
        return json_block(document)

    @property
    def media_parts(self) -> tuple[ItemMedia, ...]:
        """All media that it shows."""
        found = (self.media, self.second.media if self.second is not None else None)
        return tuple(media for media in found if media is not None)


def decode_item(record: bytes) -> Item:
    """Parse an item record's bytes; FormatError where it is none."""
    try:
        document = parse_json(record.decode())  # whether it is canonical shows below
        salt, second = document.get("salt"), document.get("second")
        item = Item(
            document["name"],
            document.get("text"),
            _referenced(document.get("media")),
            None if salt is None else bytes.fromhex(salt),
            None if second is None else Shown(second.get("text"), _referenced(second.get("media"))),
        )
        if item.record.data == record:
            return item
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise FormatError("not an item record: it needs a name, and text or media") from error
    raise FormatError("an item record holds name, text, media, salt and second, and nothing else")


def _referenced(media: Any) -> ItemMedia | None:
    if media is None:
        return None
    return ItemMedia(media["type"], None, media.get("cid"), media.get("url"), media.get("sha256"))


@dataclass(frozen=True)
class Gold:
    """A known answer: the item's name, and the answer as a JSON value."""

    item: str
    answer: Any


@dataclass(frozen=True)
class CampaignFiles:
    """A campaign ready to be published.

    `blocks` are the public ones, children before the index that links them, the manifest last;
    `private` are the records and media of a restricted campaign, which only consented people get.
    `order[number]` is the place, in the requester's list, of the item that the index calls
    `number`.
    """

    manifest: Manifest
    blocks: tuple[Block, ...]
    private: tuple[Block, ...]
    secrets: GatewaySecrets
    order: tuple[int, ...]

    def publish(self, content: ContentStore, private: ContentStore | None = None) -> bytes:
        """Store the blocks and return the manifest's digest.

        InputError where a restricted campaign names no `private` store, before anything is stored.
        """
        if self.private and private is None:
            raise InputError("a restricted campaign needs a private folder for records and media")
        for block in self.private:
            assert private is not None
            private.put(block.data, block.codec)
        put_all(content, self.blocks)
        return self.manifest.block.digest


def build_campaign(
    terms: Mapping[str, Any],
    items: Sequence[Item],
    gold: Sequence[Gold],
    *,
    guidelines: str,
    consent: str,
    gold_epochs: int = 1,
    secret: bytes | None = None,
) -> CampaignFiles:
    """Build a campaign's blocks, manifest and secrets.

    `terms` is a manifest without what is computed here (`guidelines consent items itemCount
    drawSeed`, and in `gold` the `commitments` and `count`). Gold is spread over epochs 1 to
    `gold_epochs`, each class as evenly as it goes, in an order that only `secret` (32 random bytes,
    drawn when None) determines; so is the order of all items, lest a place in the index tell gold.

    Raises InputError naming the item, gold line or term at fault.
    """
    secret = randomness.token_bytes(32) if secret is None else secret
    if len(secret) != 32:
        raise InputError("the campaign's secret is 32 random bytes")
    if not items:
        raise InputError("a campaign needs at least one item: add lines to the items file")
    restricted = terms.get("privacy") == "restricted"
    if restricted:
        items = [
            replace(item, salt=_derive(secret, b"record", index))
            for index, item in enumerate(items)
        ]
    _check_items(items)
    _check_fit(items, _task(terms))

    order = _shuffled(len(items), secret, b"items")
    ordered = [items[index] for index in order]
    records = [item.record for item in ordered]
    ids = [record.digest for record in records]
    items_index, items_shards = encode_items(ids, records_public=not restricted)

    number = {item.name: place for place, item in enumerate(ordered)}
    answers = _check_gold(gold, number, terms)
    batches = _gold_batches(answers, gold_epochs, secret)
    commitments = encode_gold(
        [
            [commit_label(ids[row.item], sha256(row.answer), row.salt) for row in batch]
            for batch in batches
        ]
    )
    secrets = GatewaySecrets(
        _derive(secret, b"draws", 0), DRAW_EPOCHS, tuple(row for batch in batches for row in batch)
    )

    texts = [_text_block("guidelines", guidelines), _text_block("consent", consent)]
    document = {
        **terms,
        "guidelines": texts[0].digest.hex(),
        "consent": texts[1].digest.hex(),
        "items": items_index.digest.hex(),
        "itemCount": len(items),
        "gold": {
            **_mapping(terms, "gold"),
            "commitments": commitments.digest.hex(),
            "count": len(gold),
        },
        "drawSeed": draw_seeds(secrets.last_seed, DRAW_EPOCHS)[0].hex(),
    }
    try:
        manifest = Manifest.from_document(document)
        _ = manifest.block
    except FormatError as error:
        raise InputError(f"the campaign's terms: {error}") from error
    _check_answers_schema(manifest)

    media = [
        Block(RAW, part.data)
        for item in ordered
        for part in item.media_parts
        if part.data is not None
    ]
    shown = (*media, *records)
    indexes = (*texts, commitments, *items_shards, items_index, manifest.block)
    return CampaignFiles(
        manifest,
        indexes if restricted else (*shown, *indexes),
        shown if restricted else (),
        secrets,
        tuple(order),
    )


def read_items(path: Path) -> list[Item]:
    """Read items from JSON lines.

    A line is `{"name": …, "text": …, "media": {"path"|"cid"|"url": …, "type": …}}`, with text or
    media or both; a `path` is relative to the file's folder, a `url` comes with its `sha256`. An
    item of a pairwise comparison has a `"second": {"text": …, "media": …}` beside.
    """
    return [_item(line, path, place) for place, line in _lines(path)]


def read_gold(path: Path) -> list[Gold]:
    """Read gold from JSON lines `{"item": name, "answer": …}`."""
    found = []
    for place, line in _lines(path):
        if set(line) != {"item", "answer"} or not isinstance(line["item"], str):
            raise InputError(f'{place}: write {{"item": name, "answer": …}}, and nothing else')
        found.append(Gold(line["item"], line["answer"]))
    return found


def answer_validator(manifest: Manifest) -> Callable[[Any], str | None]:
    """Return a check of one answer (a JSON value): None where it is allowed, else what is wrong.

    The schema is the manifest's JSON Schema; a reference out of it is never fetched.
    """
    validator = jsonschema.Draft202012Validator(
        manifest.document["task"]["schema"], registry=referencing.Registry()
    )

    def check(answer: Any) -> str | None:
        try:
            fault = next(validator.iter_errors(answer), None)
        except (referencing.exceptions.Unresolvable, RecursionError) as error:
            raise InputError(
                f"the campaign's answer schema can't be applied ({type(error).__name__}): it must "
                "be self-contained"
            ) from error
        if fault is not None:
            return str(fault.message)[:300]
        wrong = manifest.task.fault(answer)
        return None if wrong is None else f"{json.dumps(answer)[:80]} {wrong}"

    return check


def _check_items(items: Sequence[Item]) -> None:
    names: dict[str, int] = {}
    for line, item in enumerate(items, 1):
        if not item.name:
            raise InputError(f"item {line}: give it a name")
        if item.text is None and item.media is None:
            raise InputError(f"item {line} ({item.name!r}): give it text, media, or both")
        if item.name in names:
            raise InputError(
                f"item {line}: the name {item.name!r} is item {names[item.name]}'s too: names "
                "tell items apart"
            )
        names[item.name] = line
        for media in item.media_parts:
            _check_media(media, f"item {line} ({item.name!r})")
        try:
            _ = item.record
        except FormatError as error:
            raise InputError(f"item {line} ({item.name!r}): {error}") from error


def _check_fit(items: Sequence[Item], task: Task) -> None:
    """Refuse items that the task can't be done on."""
    needs = {"boxes": "image/", "polygons": "image/", "transcription": "audio/"}.get(task.type, "")
    for line, item in enumerate(items, 1):
        place = f"item {line} ({item.name!r})"
        if (item.second is not None) != (task.type == "pairwise"):
            raise InputError(
                f"{place}: only items of pairwise tasks have a second part, and each of them has"
            )
        if needs and (item.media is None or not item.media.type.startswith(needs)):
            raise InputError(f"{place}: a task of type {task.type} needs media of type {needs}…")
        if task.type == "spans" and item.text is None:
            raise InputError(f"{place}: a task of type spans needs a text")


def _check_media(media: ItemMedia, place: str) -> None:
    given = [part for part in (media.data, media.cid, media.url) if part is not None]
    if len(given) != 1:
        raise InputError(f"{place}: media has exactly one of path, cid and url")
    if "/" not in media.type:
        raise InputError(f"{place}: media needs its MIME type, such as image/png")
    if media.data is not None and len(media.data) > MAX_BLOCK:
        raise InputError(
            f"{place}: media of {len(media.data)} bytes is over 1 MiB: add it to IPFS and give "
            "its cid, or serve it by url with sha256"
        )
    if media.url is not None:
        digest = media.sha256 or ""
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise InputError(
                f"{place}: a url needs the sha256 of what it serves, 64 lower-case hex digits"
            )
        if not media.url.startswith(("https://", "http://")):
            raise InputError(f"{place}: the url must start with https:// or http://")


def _check_gold(
    gold: Sequence[Gold], number: Mapping[str, int], terms: Mapping[str, Any]
) -> dict[int, bytes]:
    """Return the canonical answer by item number."""
    task = _task(terms)
    answers: dict[int, bytes] = {}
    for line, row in enumerate(gold, 1):
        if row.item not in number:
            raise InputError(
                f"gold {line}: there is no item named {row.item!r}: gold items stand among the "
                "items too"
            )
        if number[row.item] in answers:
            raise InputError(f"gold {line}: item {row.item!r} has a gold answer already")
        try:
            answer = encode_json(row.answer)
        except FormatError as error:
            raise InputError(f"gold {line}: {error}") from error
        wrong = task.fault(row.answer)
        if wrong is not None:
            raise InputError(f"gold {line}: the answer {answer.decode()[:80]} {wrong}")
        answers[number[row.item]] = answer
    return answers


def _gold_batches(
    answers: Mapping[int, bytes], epochs: int, secret: bytes
) -> list[list[GoldOpening]]:
    if not answers:
        return []
    if epochs < 1:
        raise InputError("gold needs at least one epoch: set gold_epochs to 1 or more")
    if epochs > len(answers):
        raise InputError(
            f"{len(answers)} gold items can't fill {epochs} epochs: add gold or name fewer epochs"
        )
    mixed = _secretly(answers, secret, b"gold")
    # By class first, then dealt like cards: each batch gets each class as evenly as it goes.
    dealt = sorted(mixed, key=lambda item: answers[item])
    batches = []
    for epoch in range(1, epochs + 1):
        # Within a batch the order is mixed again, since the dealing sorted it by class.
        batch = _secretly(dealt[epoch - 1 :: epochs], secret, b"batch")
        batches.append(
            [
                GoldOpening(epoch, index, item, answers[item], _derive(secret, b"salt", item))
                for index, item in enumerate(batch)
            ]
        )
    return batches


def _check_answers_schema(manifest: Manifest) -> None:
    schema = manifest.document["task"]["schema"]
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InputError(f"task.schema is no JSON Schema: {error.message[:300]}") from error
    check = answer_validator(manifest)
    for answer in manifest.classes:
        fault = check(answer)
        if fault is not None:
            raise InputError(f"task.schema refuses the class {answer!r}: {fault}")


def _task(terms: Mapping[str, Any]) -> Task:
    document = _mapping(terms, "task")
    schema = TASK_SCHEMAS.get(document.get("type", ""))
    if schema is None:
        raise InputError(f"task.type is one of {', '.join(sorted(TASK_SCHEMAS))}")
    fault = next(jsonschema.Draft202012Validator(schema).iter_errors(document), None)
    if fault is not None:
        place = ".".join(["task", *map(str, fault.absolute_path)])
        raise InputError(f"the campaign's terms: {place}: {fault.message}"[:500])
    try:
        return read_task(document)
    except FormatError as error:
        raise InputError(f"the campaign's terms: {error}") from error


def _text_block(name: str, text: str) -> Block:
    try:
        return json_block(text)
    except FormatError as error:
        raise InputError(f"the {name}: {error}") from error


def _derive(secret: bytes, purpose: bytes, number: int) -> bytes:
    return keccak256(secret + word(number) + purpose)


def _secretly(items: Any, secret: bytes, purpose: bytes) -> list[int]:
    return sorted(items, key=lambda item: _derive(secret, purpose, item))


def _shuffled(count: int, secret: bytes, purpose: bytes) -> list[int]:
    return _secretly(range(count), secret, purpose)


def _mapping(terms: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = terms.get(key)
    if not isinstance(value, Mapping):
        raise InputError(f"the campaign's terms need a section {key!r}")
    return value


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} can't be read as UTF-8 text: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = parse_json(line)
        except FormatError as error:
            raise InputError(f"{place}: {error}: one JSON object per line") from error
        if not isinstance(value, dict):
            raise InputError(f"{place}: one JSON object per line")
        yield place, value


def _item(line: dict[str, Any], path: Path, place: str) -> Item:
    unknown = set(line) - {"name", "text", "media", "second"}
    if unknown:
        raise InputError(
            f"{place}: unknown {sorted(unknown)}: an item has name, text, media and second"
        )
    name, text = line.get("name"), line.get("text")
    if not isinstance(name, str) or not isinstance(text, str | None):
        raise InputError(f"{place}: name and text are strings, and name is required")
    second = _second(line.get("second"), path, place)
    return Item(name, text, _media(line.get("media"), path, place), second=second)


def _second(value: Any, path: Path, place: str) -> Shown | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) - {"text", "media"} or not value:
        raise InputError(f"{place}: second is an object with text or media, or both")
    text = value.get("text")
    if not isinstance(text, str | None):
        raise InputError(f"{place}: the second text is a string")
    return Shown(text, _media(value.get("media"), path, place))


def _media(value: Any, path: Path, place: str) -> ItemMedia | None:
    if value is None:
        return None
    keys = {"path", "cid", "url", "sha256", "type"}
    if (
        not isinstance(value, dict)
        or set(value) - keys
        or not all(isinstance(part, str) for part in value.values())
    ):
        raise InputError(f"{place}: media is an object of strings with keys among {sorted(keys)}")
    data = None
    if "path" in value:
        found = (path.parent / value["path"]).resolve()
        if not found.is_relative_to(path.parent.resolve()):
            raise InputError(f"{place}: {value['path']!r} leaves {path.parent}: put the file there")
        try:
            data = found.read_bytes()
        except OSError as error:
            raise InputError(
                f"{place}: {value['path']!r} can't be read ({error.strerror}): paths are relative "
                f"to {path.parent}"
            ) from error
    media = ItemMedia(
        value.get("type", ""), data, value.get("cid"), value.get("url"), value.get("sha256")
    )
    _check_media(media, place)
    return media
