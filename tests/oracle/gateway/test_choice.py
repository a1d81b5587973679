"""Which candidate a gateway leases."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.gateway.choice import expected_gain, most_informative

VOTES = st.lists(st.integers(0, 50), min_size=2, max_size=20)


def test_most_informative__uncertain_items__come_before_decided_ones() -> None:
    votes = {1: [4, 0, 0], 2: [2, 2, 0], 3: [1, 0, 0], 4: [0, 0, 0]}
    order = []
    left = [1, 2, 3, 4]
    while left:
        order.append(most_informative(left, votes.__getitem__, lambda _: 0))
        left.remove(order[-1])
    assert order[0] == 4
    assert order[-1] == 1


def test_most_informative__equals__fewest_slots_then_the_first() -> None:
    votes = {item: [0, 0] for item in range(4)}
    assert most_informative([3, 1, 2], votes.__getitem__, lambda _: 0) == 3
    slots = {3: 2, 1: 1, 2: 1}
    assert most_informative([3, 1, 2], votes.__getitem__, slots.__getitem__) == 1


def test_most_informative__finishing__takes_begun_items_before_new_ones() -> None:
    votes = {1: [0, 0], 2: [1, 0], 3: [1, 1], 4: [3, 0], 5: [2, 2]}
    slots = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
    order = []
    left = [1, 2, 3, 4, 5]
    while left:
        best = most_informative(left, votes.__getitem__, slots.__getitem__, finish=3)
        order.append(best)
        left.remove(best)
    # At the minimum an item counts by what is uncertain: the torn one nearly as a new one.
    assert order == [3, 2, 1, 5, 4]


@given(VOTES)
def test_expected_gain__any_votes__lies_between_nothing_and_a_first_label(
    votes: list[int],
) -> None:
    assert 0 <= expected_gain(votes) <= expected_gain([0] * len(votes))


def test_expected_gain__classes_renamed__is_the_same() -> None:
    gains = {expected_gain(votes) for votes in permutations([3, 1, 0, 0])}
    assert len(gains) == 1


@pytest.mark.parametrize("votes", [[], [7]])
def test_expected_gain__one_class_or_none__is_nothing(votes: list[int]) -> None:
    assert expected_gain(votes) == 0
