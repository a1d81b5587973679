import time
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import InputError
from oracle.quality.exact import rejects_chance, rejects_floor, upper_tail_at_most


def upper_tail(successes, trials, rate):
    return sum(
        comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(successes, trials + 1)
    )


fractions = st.fractions(0, 1, max_denominator=1_000_000)


@given(st.data(), st.integers(0, 40), fractions, fractions)
def test_upper_tail_at_most__any_case__is_the_exact_comparison(data, trials, rate, level):
    successes = data.draw(st.integers(0, trials))
    tail = upper_tail(successes, trials, rate)
    for at in (level, tail):  # the tail itself is the sharpest level there is
        expected = tail <= at
        ratios = rate.as_integer_ratio(), at.as_integer_ratio()
        assert upper_tail_at_most(successes, trials, *ratios) == expected


@given(st.data(), st.integers(1, 40), st.integers(0, 1_000_000), fractions)
def test_rejects_floor__any_case__is_the_exact_lower_tail(data, trials, floor_ppm, alpha):
    successes = data.draw(st.integers(0, trials))
    rate = Fraction(floor_ppm, 1_000_000)
    lower = sum(
        comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(successes + 1)
    )
    result = rejects_floor(successes, trials, floor_ppm, *alpha.as_integer_ratio())
    assert result == (lower <= alpha)


@pytest.mark.parametrize(
    ("successes", "trials", "passes"),
    [(0, 0, False), (1, 1, False), (2, 2, True), (2, 5, False), (3, 5, True), (4, 15, False)],
)
def test_rejects_chance__golden_ten_classes__at_5_percent(successes, trials, passes):
    # 1 of 1 is .1; 2 of 2 .01; 2 of 5 .0815; 3 of 5 .0086; 4 of 15 .0556
    assert rejects_chance(successes, trials, 1, 10, 5, 100) == passes


@pytest.mark.parametrize(
    ("successes", "trials", "rejected"),
    [(0, 19, False), (0, 20, True), (1, 24, False), (1, 25, True), (0, 0, False)],
)
def test_rejects_floor__golden_one_half__at_one_in_a_million(successes, trials, rejected):
    # 2^-20 < 10^-6 < 2^-19; 26 / 2^25 < 10^-6 < 25 / 2^24
    assert rejects_floor(successes, trials, 500_000, 1, 1_000_000) == rejected


def test_exact__ten_thousand_trials__takes_well_under_a_second():
    start = time.perf_counter()
    assert rejects_chance(1_060, 10_000, 1, 10, 5, 100)
    assert not rejects_chance(1_030, 10_000, 1, 10, 5, 100)
    assert rejects_floor(4_800, 10_000, 550_000, 1, 1_000_000)
    assert not rejects_floor(5_400, 10_000, 550_000, 1, 1_000_000)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "case",
    [
        (2, 1, (1, 2), (1, 2)),
        (-1, 1, (1, 2), (1, 2)),
        (1, 100_001, (1, 2), (1, 2)),
        (1, 1, (3, 2), (1, 2)),
        (1, 1, (1, 2), (1, 0)),
    ],
)
def test_upper_tail_at_most__impossible_case__raises(case):
    assert upper_tail_at_most(1, 1, (1, 2), (1, 2))
    with pytest.raises(InputError):
        upper_tail_at_most(*case)
