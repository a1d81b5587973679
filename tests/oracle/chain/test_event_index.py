"""Events kept apart by what is asked of them: as a look through all of them would find."""

from __future__ import annotations

import random

import pytest

from oracle.chain.event_index import EventIndex
from oracle.chain.facts import FACTS, SEATS
from oracle.ports import ChainEvent

NAMES = ("CampaignCreated", "ReceiptPosted", "Delegated", "OperatorSynced", "Paid", "Staked")


def events_of(seed: int, blocks: range) -> list[ChainEvent]:
    dice = random.Random(seed)
    found = []
    for block in blocks:
        for index in range(dice.randrange(4)):
            arguments = {"campaign": dice.randrange(3)}
            event = ChainEvent("any", dice.choice(NAMES), arguments, block, index, bytes(32))
            found.append(event)
    return found


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_index__also_after_blocks_were_forgotten__is_what_a_look_through_all_finds(
    seed: int, whole: bool
) -> None:
    index = EventIndex(whole=whole)
    index.add(events_of(seed, range(40)))
    index.forget(25)
    again = events_of(seed + 100, range(25, 50))
    index.add(again)
    everything = [*(one for one in events_of(seed, range(40)) if one.block < 25), *again]
    kept = [one for one in everything if whole or one.name in FACTS | SEATS]
    for last in (-1, 24, 30, 60):
        known = [one for one in everything if one.block <= last]
        assert index.all(last) == [one for one in kept if one.block <= last]
        assert index.created(last) == [one for one in known if one.name == "CampaignCreated"]
        assert index.of_seats(last) == [one for one in known if one.name in SEATS]
        for campaign in range(4):
            assert index.of_campaign(campaign, last) == [
                one for one in known if one.name in FACTS and one.arguments["campaign"] == campaign
            ]
