from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.quality.badges import LEVELS, Deeds, badges, level


def test_level__at_each_step__rises_by_one() -> None:
    assert level(0) == (0, 1)
    for number, (least, following) in enumerate(zip(LEVELS, [*LEVELS[1:], None], strict=True), 1):
        assert level(least) == (number, following)
        assert level(least - 1)[0] == number - 1
    assert level(10**9) == (len(LEVELS), None)


@pytest.mark.parametrize(
    ("deed", "value"),
    [
        ("accepted", 1),
        ("gold_passed", 1),
        ("requesters", 3),
        ("kinds", 3),
        ("deciding", 10),
        ("weeks", 8),
        ("best_lower_ppm", 850_000),
    ],
)
def test_badges__each_rule__is_met_at_its_bound_and_not_before(deed: str, value: int) -> None:
    assert [one.earned for one in badges(Deeds(**{deed: value}))].count(True) == 1
    assert not any(one.earned for one in badges(Deeds(**{deed: value - 1})))


@given(st.builds(Deeds, **{one.name: st.integers(0, 10**6) for one in fields(Deeds)}))
def test_badges__more_deeds__take_none_away(deeds: Deeds) -> None:
    more = Deeds(**{one.name: getattr(deeds, one.name) + 1 for one in fields(Deeds)})
    for before, after in zip(badges(deeds), badges(more), strict=True):
        assert after.have >= before.have
        assert before.earned <= after.earned
