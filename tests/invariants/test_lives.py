"""A short slice of what `make invariants` runs at length."""

from __future__ import annotations

from tests.invariants.life import Life, play


def test_lives__any_order_of_everything__money_is_safe_and_everybody_leaves() -> None:
    tally = play(Life, calls=2_000, seed=1)
    assert tally.total >= 2_000
    # the machine isn't stuck in refusals
    assert tally.accepted.total() > tally.total // 2
