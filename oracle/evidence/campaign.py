"""A campaign's content beside its manifest: items, gold commitments, draw seeds, label commitments
(docs/FORMATS.md, sections 2, 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.errors import FormatError
from oracle.evidence.codec import (
    RAW,
    Block,
    Link,
    cbor_block,
    cells,
    read_cbor,
    split,
)
from oracle.evidence.hashing import keccak256, sha256, word

Fetch = Callable[[Link], bytes]


def label_salt(seed: bytes, index: int) -> bytes:
    """Return the salt of label number `index` of a submission with the 32-byte `seed`."""
    return keccak256(seed + word(index))


def commit_label(item_id: bytes, answer_digest: bytes, salt: bytes) -> bytes:
    """Return the commitment to an answer; gold commitments are made the same way."""
    return keccak256(item_id + answer_digest + salt)


def draw_seeds(last: bytes, epochs: int) -> list[bytes]:
    """Return seeds 0 to `epochs` of the hash chain that ends in `last` (seed number `epochs`)."""
    seeds = [last]
    for _ in range(epochs):
        seeds.append(sha256(seeds[-1]))
    return seeds[::-1]


def earlier_seed(seed: bytes, steps: int) -> bytes:
    """Return the seed `steps` epochs before `seed`."""
    for _ in range(steps):
        seed = sha256(seed)
    return seed


def encode_items(ids: Sequence[bytes], *, records_public: bool) -> tuple[Block, list[Block]]:
    """Return the item index and its shards for item ids (32 bytes each) in order."""
    shards = [
        cbor_block(
            "items-shard",
            {
                "ids": b"".join(part),
                "records": [Link(RAW, item) for item in part] if records_public else [],
            },
        )
        for part in split(ids)
    ]
    index = cbor_block("items", {"count": len(ids), "shards": [shard.link for shard in shards]})
    return index, shards


def decode_items(index: bytes, fetch: Fetch) -> list[bytes]:
    """Return the item ids of an index, fetching its shards by link."""
    fields = read_cbor(index, "items", ("count", "shards"))
    ids: list[bytes] = []
    public = False
    for link in links(fields["shards"]):
        shard = read_cbor(fetch(link), "items-shard", ("ids", "records"))
        ids.extend(cells(shard["ids"], 32))
        public = public or shard["records"] != []
    if len(set(ids)) != len(ids) or encode_items(ids, records_public=public)[0].data != index:
        raise FormatError(
            "the item index repeats an item, counts others than its shards do, or is cut otherwise"
        )
    return ids


def encode_gold(batches: Sequence[Sequence[bytes]]) -> Block:
    """Return the block of gold commitments; batch number e-1 is for epoch e."""
    return cbor_block("gold", {"batches": [b"".join(batch) for batch in batches]})


def decode_gold(data: bytes) -> list[list[bytes]]:
    """Return the gold commitments by batch."""
    fields = read_cbor(data, "gold", ("batches",))
    if not isinstance(fields["batches"], list):
        raise FormatError("gold: batches is a list")
    return [cells(batch, 32) for batch in fields["batches"]]


def links(value: object) -> list[Link]:
    """Check that a decoded value is a list of links."""
    if not isinstance(value, list) or not all(isinstance(part, Link) for part in value):
        raise FormatError("expected a list of CIDs")
    return value


@dataclass(frozen=True)
class SealedOpening:
    """An opening block: answers and seed, sealed once to each operator's 32-byte X25519 key, sorted
    by key.
    """

    boxes: tuple[tuple[bytes, bytes], ...]

    @property
    def block(self) -> Block:
        """The block whose digest the submission names."""
        return cbor_block("opening", {"boxes": [list(box) for box in self.boxes]})

    @classmethod
    def decode(cls, data: bytes) -> SealedOpening:
        """Parse an opening block."""
        boxes = read_cbor(data, "opening", ("boxes",))["boxes"]
        if not isinstance(boxes, list):
            raise FormatError("opening: boxes is a list")
        pairs = []
        for box in boxes:
            if not isinstance(box, list) or len(box) != 2:
                raise FormatError("opening: a box is a key and sealed bytes")
            if not isinstance(box[1], bytes) or len(cells(box[0], 32)) != 1:
                raise FormatError("opening: a box is a key and sealed bytes")
            pairs.append((box[0], box[1]))
        if [key for key, _ in pairs] != sorted({key for key, _ in pairs}):
            raise FormatError("opening: boxes are sorted by key, without repeats")
        return cls(tuple(pairs))
