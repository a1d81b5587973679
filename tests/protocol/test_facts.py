"""A campaign's facts, looked up in order instead of looked through: the same answers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.evidence.hashing import ZERO32
from oracle.evidence.structs import Receipt
from oracle.protocol.facts import Anchors, Block, Settlement
from tests.support.world import World


def blocks_at(numbers: range, dice: random.Random) -> dict[int, Block]:
    time, found = 0, {}
    for number in numbers:
        time += dice.randrange(1, 50)
        found[number] = Block(number, number.to_bytes(32, "big"), time)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_facts__of_many_receipts_and_anchors__answer_as_a_look_through_all(seed: int) -> None:
    dice = random.Random(seed)
    facts = World().facts
    receipt = Receipt(
        7, 1, 0, False, ZERO32, ZERO32, 0, 0, 0, ZERO32, 1, ZERO32, 6, 0, 0, 0, 1, 1, ZERO32
    )
    numbers = range(6, 6 + 3 * 60, 3)
    blocks = blocks_at(numbers, dice)
    known = {number: one for number, one in blocks.items() if number < 90}
    newer = {number: one for number, one in blocks.items() if number >= 90}
    settlements = []
    for epoch in sorted(dice.choices(range(1, 20), k=30)):
        posted = dice.randrange(200)
        finalized = dice.choice((None, posted + dice.randrange(20)))
        settled = Settlement(replace(receipt, epoch=epoch), posted, finalized)
        settlements.append(settled)
    settlements.sort(key=lambda one: one.posted_block)
    shared = replace(facts, settlements=tuple(settlements), anchors=Anchors(numbers, known, newer))
    plain = replace(shared, anchors=blocks)
    assert shared.anchors == plain.anchors
    assert shared.newest_anchor == plain.newest_anchor == blocks[numbers[-1]]
    with pytest.raises(KeyError):
        shared.anchors[7]
    for time in range(0, 2000, 7):
        late = [one for one in blocks.values() if one.timestamp >= time]
        expected = late[0] if late else None
        assert shared.first_anchor(time) == plain.first_anchor(time) == expected
    for block in range(0, 240, 3):
        final = [
            one.receipt
            for one in settlements
            if one.finalized_block is not None and one.finalized_block <= block
        ]
        newest = max(final, key=lambda one: one.epoch, default=None)
        found = shared.last_finalized(block)
        assert (found and found.epoch) == (newest and newest.epoch)
        posted_by = [one.receipt for one in settlements if one.posted_block <= block]
        last = max(posted_by, key=lambda one: one.epoch, default=None)
        assert shared.last_posted(block) == last
