"""One index over all content of a campaign, so that a single CID stands for it (docs/FORMATS.md,
section 10). No receipt names it: whoever keeps a campaign's content makes it from what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from oracle.errors import FormatError
from oracle.evidence.codec import DAG_CBOR, RAW, Block, Link, cbor_block, decode_json, split
from oracle.evidence.manifest import Manifest


def media_link(record: bytes) -> Link | None:
    """Return the media that an item record names, where it is one block; larger media (UnixFS) and
    URLs aren't ours."""
    with suppress(FormatError, KeyError, TypeError, AttributeError):
        return Link.parse(decode_json(record)["media"]["cid"])
    return None


def encode_archive(
    manifest: Manifest, evidence: Sequence[bytes], media: Iterable[Link]
) -> tuple[Block, list[Block]]:
    """Return the index of a campaign's content and the shards that list its media.

    `evidence` are the digests of its receipts' evidence in the order posted; order and repeats of
    `media` don't matter.
    """
    shards = [
        cbor_block("media", {"links": list(part)}) for part in split(sorted(set(media), key=str))
    ]
    index = cbor_block(
        "campaign",
        {
            "manifest": manifest.link,
            "guidelines": Link(RAW, manifest.guidelines),
            "consent": Link(RAW, manifest.consent),
            "items": Link(DAG_CBOR, manifest.items),
            "gold": Link(DAG_CBOR, manifest.gold_commitments),
            "evidence": [Link(DAG_CBOR, digest) for digest in evidence],
            "media": [shard.link for shard in shards],
        },
    )
    return index, shards
