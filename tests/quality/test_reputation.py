from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.errors import InputError
from oracle.quality.reputation import (
    CAMPAIGN_LABELS,
    MOST_LABELS,
    STEP_SECONDS,
    TIERS,
    Totals,
    Track,
    additions,
    lower_permille,
    reputation,
    tier_of,
    weight_ppm,
)

NOW = 1_760_000_000
A, B, C, D = (bytes([number]) * 20 for number in range(4))
counts = st.integers(0, 60)


def track(
    right: int, judged: int, *, requester: bytes = A, chance: int = 100_000, at: int = NOW
) -> Track:
    return Track(requester, chance, (Totals(at, right, judged),))


def beta_cdf(right: int, wrong: int, x: Fraction) -> Fraction:
    """P(Beta(right + 1, wrong + 1) ≤ x) by integrating the polynomial x^r (1 - x)^w."""
    terms = [
        (-1) ** k * comb(wrong, k) * x ** (right + k + 1) / Fraction(right + k + 1)
        for k in range(wrong + 1)
    ]
    return sum(terms, Fraction(0)) * (right + wrong + 1) * comb(right + wrong, right)


@settings(deadline=None, max_examples=40)
@given(counts, counts)
def test_lower__any_counts__is_the_quantile_of_the_integrated_density(
    right: int, wrong: int
) -> None:
    found = lower_permille(right, wrong)
    assert beta_cdf(right, wrong, Fraction(found, 1000)) <= Fraction(1, 20)
    assert beta_cdf(right, wrong, Fraction(found + 1, 1000)) > Fraction(1, 20)


@settings(deadline=None, max_examples=60)
@given(counts, st.integers(1, 60), st.integers(0, 900_000))
def test_reputation__one_more_right__never_lowers__one_more_wrong_never_raises(
    right: int, wrong: int, chance: int
) -> None:
    before = reputation([track(right, right + wrong, chance=chance)], NOW)
    better = reputation([track(right + 1, right + wrong + 1, chance=chance)], NOW)
    worse = reputation([track(right, right + wrong + 1, chance=chance)], NOW)
    for name in ("lower_ppm", "mean_ppm", "upper_ppm"):
        assert getattr(worse, name) <= getattr(before, name) <= getattr(better, name)
    assert 0 <= before.lower_ppm <= before.mean_ppm <= before.upper_ppm <= 1_000_000


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=4), st.randoms())
def test_reputation__order_of_campaigns__changes_nothing(
    pairs: list[tuple[int, int]], random: object
) -> None:
    tracks = [
        track(right, right + wrong, requester=bytes([number]) * 20)
        for number, (right, wrong) in enumerate(pairs)
    ]
    shuffled = list(tracks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reputation(tracks, NOW) == reputation(shuffled, NOW)


def test_reputation__nothing_judged__is_wide_open_at_tier_0() -> None:
    empty = reputation([], NOW)
    assert (empty.labels, empty.tier, empty.lower_ppm, empty.upper_ppm) == (0, 0, 50_000, 950_000)


@pytest.mark.parametrize("chance", [500_000, 900_000])
def test_reputation__answers_as_good_as_chance__are_no_skill(chance: int) -> None:
    blind = reputation([track(300 * chance // 1_000_000, 300, chance=chance)], NOW)
    assert (blind.lower_ppm, blind.tier) == (0, 0)
    assert blind.mean_ppm < 10_000


def test_reputation__campaign_in_which_all_answers_are_one__tells_nothing() -> None:
    told = track(20, 20)
    assert reputation([told, track(400, 400, requester=B, chance=1_000_000)], NOW) == reputation(
        [told], NOW
    )


def test_reputation__older_labels__weigh_half_after_180_days() -> None:
    assert [weight_ppm(age * STEP_SECONDS) for age in (-1, 0, 3, 6, 12, 900)] == [
        1_000_000,
        1_000_000,
        707_107,
        500_000,
        250_000,
        0,
    ]
    old = reputation([track(100, 100, at=NOW - 6 * STEP_SECONDS)], NOW)
    assert old == reputation([track(50, 50)], NOW)
    assert reputation([track(100, 100, at=0)], NOW * 2).labels == 0


def test_reputation__many_labels__count_up_to_a_cap_by_campaign_and_in_all() -> None:
    assert reputation([track(9_000, 10_000)], NOW) == reputation([track(450, 500)], NOW)
    assert CAMPAIGN_LABELS == 500
    four = [track(500, 500, requester=bytes([number]) * 20) for number in range(4)]
    assert reputation(four, NOW).labels == MOST_LABELS


def test_additions__judged_anew__are_never_negative_and_add_up() -> None:
    totals = [Totals(1, 8, 10), Totals(2, 6, 10), Totals(3, 9, 14)]
    assert additions(totals) == [(1, 6, 2), (2, 0, 2), (3, 3, 1)]
    assert additions([]) == []


@given(st.lists(st.tuples(counts, counts), max_size=6))
def test_additions__any_totals__end_at_the_newest(pairs: list[tuple[int, int]]) -> None:
    totals = [Totals(at, right, right + wrong) for at, (right, wrong) in enumerate(pairs)]
    added = additions(totals)
    assert all(right >= 0 and wrong >= 0 for _, right, wrong in added)
    assert [sum(one[place] for one in added) for place in (1, 2)] == list(
        pairs[-1] if pairs else (0, 0)
    )


@pytest.mark.parametrize(
    "totals",
    [(Totals(1, 3, 2),), (Totals(1, -1, 2),), (Totals(2, 1, 1), Totals(1, 1, 1))],
)
def test_additions__that_cannot_be__are_refused(totals: tuple[Totals, ...]) -> None:
    with pytest.raises(InputError, match="from old to new"):
        additions(totals)
    with pytest.raises(InputError, match="share in ppm"):
        reputation([track(1, 1, chance=1_000_001)], NOW)


def test_tier__one_requester__never_suffices() -> None:
    sure = [track(500, 500, requester=requester) for requester in (A, A, A)]
    assert reputation(sure, NOW).tier == 0
    assert reputation([*sure[:1], track(10, 10, requester=B)], NOW).tier == 1
    assert reputation([*sure[:1], track(9, 9, requester=B)], NOW).tier == 0
    wide = [track(200, 200, requester=requester) for requester in (A, B, C, D)]
    assert reputation(wide, NOW).tier == 3


def test_tiers__bounds__rise_and_the_first_is_everybodys() -> None:
    assert [tier.number for tier in TIERS] == [0, 1, 2, 3]
    for tier, higher in pairwise(TIERS):
        assert tier.lower_ppm < higher.lower_ppm
        assert tier.requesters < higher.requesters
        assert tier_of(higher.lower_ppm - 1, 9) == tier.number
        assert tier_of(higher.lower_ppm, higher.requesters - 1) < higher.number
        assert tier_of(higher.lower_ppm, higher.requesters) == higher.number
    assert [tier.open_items for tier in TIERS] == [10, 100, 100, 100]
