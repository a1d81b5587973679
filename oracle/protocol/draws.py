"""Draws that nobody can steer: the epoch's seed, an anchor's hash and a counter name the candidates
(docs/FORMATS.md, section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from oracle.evidence.hashing import keccak256, uint
from oracle.evidence.manifest import PPM

CANDIDATES = 8
PROBES = 1024


def draw(seed: bytes, anchor_hash: bytes, contributor: bytes, ordinal: int) -> bytes:
    """Return the 32 bytes that decide a contributor's leased item number `ordinal`."""
    return keccak256(seed + anchor_hash + contributor + uint(ordinal, 8))


def is_gold(drawn: bytes, share_ppm: int) -> bool:
    """Say whether the draw asks for a gold item."""
    return (int.from_bytes(drawn[:4], "big") * PPM) >> 32 < share_ppm


def gold_item(drawn: bytes, batch: Sequence[int], eligible: Callable[[int], bool]) -> int | None:
    """Return the gold item that the draw names: the first eligible one of `batch`, cyclically from
    the drawn place on."""
    if not batch:
        return None
    start = int.from_bytes(drawn[4:12], "big") % len(batch)
    for step in range(len(batch)):
        item = batch[(start + step) % len(batch)]
        if eligible(item):
            return item
    return None


def candidates(drawn: bytes, item_count: int, eligible: Callable[[int], bool]) -> Iterator[int]:
    """Yield the different eligible items that the draw names, in order; the first 8 are its
    candidates."""
    probed: set[int] = set()
    for probe in range(PROBES):
        item = int.from_bytes(keccak256(drawn + uint(probe, 4))[:8], "big") % item_count
        if item in probed:
            continue
        probed.add(item)
        if eligible(item):
            yield item
        if len(probed) == item_count:
            return
