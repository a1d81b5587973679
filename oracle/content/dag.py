"""Blocks and what they link: the whole of an index, and a campaign's content as one index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from oracle.errors import FormatError
from oracle.evidence.archive import encode_archive, media_link
from oracle.evidence.campaign import Fetch, decode_items
from oracle.evidence.codec import DAG_CBOR, RAW, Block, Link, decode_cbor
from oracle.evidence.manifest import Manifest


def links_of(link: Link, data: bytes) -> list[Link]:
    """Return the links in a block, in their order; a raw block has none.

    FormatError where a dag-cbor block isn't DAG-CBOR.
    """
    if link.codec == RAW:
        return []
    try:
        value = decode_cbor(data)
    except FormatError as error:
        raise FormatError(f"block {link}: {error}") from error
    return list(_links_in(value))


def walk(roots: Iterable[Link], fetch: Fetch) -> Iterator[tuple[Link, bytes]]:
    """Yield every block that `roots` lead to with its bytes, once, an index before what it links.

    Depth first, as Kubo's `dag export` does. Raises what `fetch` raises.
    """
    seen: set[bytes] = set()
    ahead = list(roots)[::-1]
    while ahead:
        link = ahead.pop()
        if link.binary in seen:
            continue
        seen.add(link.binary)
        data = fetch(link)
        yield link, data
        ahead.extend(links_of(link, data)[::-1])


def archive(fetch: Fetch, manifest_digest: bytes, evidence: Sequence[bytes]) -> list[Block]:
    """Return the index of a campaign's content, and the shards that list its media.

    `evidence` are the digests of its receipts' evidence in the order posted. Of a restricted
    campaign the records and media are not content, and stay out.
    """
    manifest = Manifest.decode(fetch(Link(RAW, manifest_digest)))
    media: set[Link] = set()
    if manifest.document["privacy"] == "public":
        for item in decode_items(fetch(Link(DAG_CBOR, manifest.items)), fetch):
            named = media_link(fetch(Link(RAW, item)))
            if named is not None:
                media.add(named)
    index, shards = encode_archive(manifest, evidence, media)
    return [index, *shards]


def _links_in(value: Any) -> Iterator[Link]:
    match value:
        case Link():
            yield value
        case dict():
            for part in value.values():
                yield from _links_in(part)
        case list():
            for part in value:
                yield from _links_in(part)
