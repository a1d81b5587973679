"""What the demonstration promises of pay and accuracy, with ten other seeds and without a chain.

The same profiles, roster and rules as in `make demo`; draws, log, closing, consensus and pay are
the protocol's own, only blocks and people are made up.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from oracle.consensus import dawid_skene, majority_vote
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from oracle.replay.demo import ROSTER
from oracle.replay.profiles import Crowd, digit_profiles
from tests.support.world import World, key_of

SEEDS = [seed for seed in range(1, 12) if seed != 7]  # ten others than the demonstration's
ROUNDS = (7, 4)
MANIFEST = {
    "consensus__threshold": 960_000,
    "gold__share": 300_000,
    "gold__newcomerShare": 400_000,
    "gold__newcomerItems": 20,
}


def label(seed: int) -> tuple[World, Crowd, EpochResult]:
    """Let the demonstration's crowd label a campaign to its end."""
    epochs = len(ROUNDS)
    world = World(seed=seed, epochs=epochs, items=340, gold_per_epoch=24, changes=dict(MANIFEST))
    crowd = Crowd(
        seed, digit_profiles(), ROSTER, [world.truth[item] for item in sorted(world.truth)]
    )
    for member in crowd.members:
        world.delegate(member.name)
    world.pass_time(120)
    for rounds in ROUNDS:
        for _ in range(rounds):
            for member in crowd.members:
                for _ in range(member.profile.pace):
                    world.work(member.name, 10, lambda item, who=member: crowd.answer(who, item))
            world.pass_time(60)
        world.pass_time(3_600)
        world.cut()
    world.close()
    world.pass_time(1_200)
    return world, crowd, world.cut(final=True)


def pay_per_label(crowd: Crowd, result: EpochResult) -> dict[str, int]:
    """Base units per label, by profile."""
    names = {address_of(key_of(one.name)): one.profile.name for one in crowd.members}
    earned: defaultdict[str, int] = defaultdict(int)
    for leaf in result.evidence.leaves:
        earned[names[leaf.account]] += leaf.cumulative
    labels = Counter(names[one.contributor] for one in result.labels)
    return {name: earned[name] // labels[name] for name in digit_profiles()}


def right_answers(crowd: Crowd, result: EpochResult) -> tuple[int, int]:
    """How many items that aren't gold consensus and majority get right, told no gold."""
    items = sorted({one.item for one in result.labels})
    place = {item: number for number, item in enumerate(items)}
    accounts = {account: number for number, account in enumerate(result.accounts)}
    columns = [
        np.array(column, dtype=np.int64)
        for column in zip(
            *((place[one.item], accounts[one.contributor], one.klass) for one in result.labels),
            strict=True,
        )
    ]
    sizes = {"n_items": len(items), "n_workers": len(accounts), "n_classes": 10}
    exact, plain = (
        method(*columns, **sizes).answer.tolist() for method in (dawid_skene, majority_vote)
    )
    counted = [item for item in items if item not in result.gold]
    return (
        sum(exact[place[item]] == crowd.truth[item] for item in counted),
        sum(plain[place[item]] == crowd.truth[item] for item in counted),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_earnings__another_seed__cheats_earn_less_than_every_honest_profile(seed: int) -> None:
    world, crowd, result = label(seed)
    pay = pay_per_label(crowd, result)
    honest = min(pay[one.name] for one in digit_profiles().values() if one.honest)
    assert pay["spammer"] < honest / 2
    assert pay["colluder"] < honest
    assert pay["expert"] > pay["ordinary"] > pay["careless"]
    consensus, majority = right_answers(crowd, result)
    assert consensus > majority
    assert result.gateway_faults == ()
    assert len(world.results) == len(ROUNDS) + 1
    # Nobody honest is ever slashed.
    names = {address_of(key_of(one.name)): one.profile for one in crowd.members}
    assert not any(names[leaf.account].honest for leaf in result.evidence.slashes)
