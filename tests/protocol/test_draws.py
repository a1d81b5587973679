"""Draws: fixed by their inputs, spread evenly, and open to nobody's choice."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from oracle.evidence.hashing import keccak256
from oracle.protocol.draws import CANDIDATES, candidates, draw, gold_item, is_gold

SEED, ANCHOR, CONTRIBUTOR = b"\x01" * 32, b"\x02" * 32, b"\x03" * 20

GOLDEN_DRAW = "3033b9ab8aa3466d6d5a674e3159302c9f5a1fd41468f1c4a32247dd5e7a4307"
GOLDEN_CANDIDATES = [583, 740, 594, 371, 229, 249, 953, 907]
GOLDEN_GOLD = 123


def test_draw__golden_vector() -> None:
    drawn = draw(SEED, ANCHOR, CONTRIBUTOR, 7)
    assert drawn == keccak256(SEED + ANCHOR + CONTRIBUTOR + (7).to_bytes(8, "big"))
    assert drawn.hex() == GOLDEN_DRAW
    assert list(islice(candidates(drawn, 1000, lambda _: True), CANDIDATES)) == GOLDEN_CANDIDATES
    assert gold_item(drawn, list(range(100, 137)), lambda _: True) == GOLDEN_GOLD


def test_candidates__differ_and_are_eligible() -> None:
    drawn = draw(SEED, ANCHOR, CONTRIBUTOR, 0)
    found = list(candidates(drawn, 50, lambda item: item % 2 == 0))
    assert len(found) == len(set(found)) == 25
    assert all(item % 2 == 0 for item in found)


def test_candidates__none_eligible__yields_nothing_and_ends() -> None:
    assert list(candidates(draw(SEED, ANCHOR, CONTRIBUTOR, 0), 50, lambda _: False)) == []


def test_candidates__first__falls_evenly_over_items() -> None:
    counts = Counter(
        next(candidates(draw(SEED, ANCHOR, CONTRIBUTOR, ordinal), 10, lambda _: True))
        for ordinal in range(10_000)
    )
    # 10,000 draws over 10 items: six standard deviations are 180.
    assert all(abs(counts[item] - 1000) < 180 for item in range(10))


def test_is_gold__share__is_what_was_asked_for() -> None:
    golds = sum(
        is_gold(draw(SEED, ANCHOR, CONTRIBUTOR, ordinal), 250_000) for ordinal in range(10_000)
    )
    assert abs(golds - 2500) < 260  # six standard deviations
    assert not is_gold(b"\0" * 32, 0)
    assert is_gold(b"\xff" * 32, 1_000_000)


def test_gold_item__probes_cyclically_from_its_place() -> None:
    drawn = draw(SEED, ANCHOR, CONTRIBUTOR, 1)
    batch = [10, 11, 12, 13, 14]
    first = gold_item(drawn, batch, lambda _: True)
    assert first is not None
    after = batch[(batch.index(first) + 1) % 5]
    assert gold_item(drawn, batch, lambda item: item != first) == after
    assert gold_item(drawn, batch, lambda _: False) is None
    assert gold_item(drawn, [], lambda _: True) is None
