from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import InputError
from oracle.quality.incentives import Limits, error_ppm, next_terms

LIMITS = Limits(
    reward_min=80,
    reward_max=120,
    reward_step_ppm=100_000,
    threshold_min_ppm=900_000,
    threshold_max_ppm=990_000,
    threshold_step_ppm=10_000,
    target_error_ppm=100_000,
)


@pytest.mark.parametrize(
    ("matches", "judged", "reward", "threshold", "reason"),
    [
        (
            80,
            100,
            110,
            960_000,
            "error 20.0 % is above the target 10.0 %: reward raised, threshold",
        ),
        (98, 100, 90, 940_000, "error 2.0 % is below half the target 10.0 %: reward lowered, t"),
        (93, 100, 100, 950_000, "error 7.0 % is near the target 10.0 %: reward unchanged, thr"),
        (0, 29, 100, 950_000, "only 29 judged labels, too few to tell: reward unchanged, thr"),
    ],
)
def test_next_terms__golden__steps_towards_the_target(matches, judged, reward, threshold, reason):
    terms = next_terms(100, 950_000, matches=matches, judged=judged, limits=LIMITS)
    assert (terms.reward, terms.threshold_ppm) == (reward, threshold)
    assert terms.reason.startswith(reason)


def test_next_terms__at_the_limit__says_unchanged():
    terms = next_terms(120, 990_000, matches=0, judged=100, limits=LIMITS)
    assert (terms.reward, terms.threshold_ppm) == (120, 990_000)
    assert terms.reason.endswith("reward unchanged, threshold unchanged")


@given(st.integers(80, 120), st.integers(900_000, 990_000), st.integers(0, 99), st.integers(0, 99))
def test_next_terms__any_error__moves_one_bounded_step(reward, threshold, matches, wrong):
    terms = next_terms(reward, threshold, matches=matches, judged=matches + wrong, limits=LIMITS)
    assert 80 <= terms.reward <= 120
    assert 900_000 <= terms.threshold_ppm <= 990_000
    assert abs(terms.reward - reward) * 10 <= reward + 9
    assert abs(terms.threshold_ppm - threshold) <= 10_000


def test_error_ppm__nothing_judged__is_zero():
    assert error_ppm(0, 0) == 0
    assert error_ppm(2, 3) == 333_333


def test_next_terms__impossible_input__raises():
    with pytest.raises(InputError, match="matches"):
        next_terms(100, 950_000, matches=2, judged=1, limits=LIMITS)
    with pytest.raises(InputError, match="minimum"):
        next_terms(100, 950_000, matches=0, judged=1, limits=replace(LIMITS, reward_min=121))
