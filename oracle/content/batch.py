"""Many blocks into a content store at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from oracle.evidence.codec import Block
from oracle.ports import ContentStore

AT_ONCE = 8  # blocks on their way: a daemon's answer to one takes 10 ms, most of it waiting


def put_all(content: ContentStore, blocks: Sequence[Block]) -> None:
    """Store blocks, several at a time; the last one, which links them, once all others are stored.

    Raises what `put` raises for the first that isn't stored.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="put") as pool:
        list(pool.map(lambda block: content.put(block.data, block.codec), blocks[:-1]))
    for block in blocks[-1:]:
        content.put(block.data, block.codec)
