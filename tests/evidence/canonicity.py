"""The property of every decoder: what it takes, it would write with exactly the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from oracle.errors import ContentMissing, FormatError
from oracle.evidence.codec import Block, Link, decode_cbor, encode_cbor


def check(data: bytes, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> None:
    """Refused by FormatError, or encoded again to `data`; any other exception fails the test."""
    try:
        value = decode(data)
    except FormatError:
        return
    assert encode(value) == data


class Shelf:
    """Blocks by link: the `fetch` that decoders of an index take."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = {block.link: block.data for block in blocks}

    def __call__(self, link: Link) -> bytes:
        if link not in self.blocks:
            raise ContentMissing(str(link))
        return self.blocks[link]

    def check(
        self,
        index: bytes,
        decode: Callable[[bytes, Shelf], Any],
        encode: Callable[[Any], Block],
    ) -> None:
        """As `check`, for an index whose shards may be missing."""
        try:
            value = decode(index, self)
        except (FormatError, ContentMissing):
            return
        assert encode(value).data == index

    def exchange(self, index: bytes, shard: Block, data: bytes) -> bytes:
        """Put `data` in the place of `shard`; return the index that links to it instead."""
        changed = Block(shard.codec, data)
        self.blocks[changed.link] = data
        return encode_cbor(_relink(decode_cbor(index), shard.link, changed.link))


def _relink(value: Any, old: Link, new: Link) -> Any:
    if isinstance(value, dict):
        return {key: _relink(part, old, new) for key, part in value.items()}
    if isinstance(value, list):
        return [_relink(part, old, new) for part in value]
    return new if value == old else value
