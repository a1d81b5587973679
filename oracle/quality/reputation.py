"""Reputation: how sure one may be of somebody's skill, and the tier that follows from it.

A label is right by knowing or by chance: P(right) = θ + (1 - θ)c, where θ is the skill and c what
blind answers reach (the correction for guessing of test theory; Holzinger 1924, DOI
10.1037/h0070793). What receipts say of a person's labels, right or wrong, older ones with less
weight, gives P(right) the posterior Beta(right + 1, wrong + 1) from a uniform prior (Jøsang and
Ismail 2002, The Beta Reputation System, with their forgetting by time). Its 5 % quantiles, brought
to θ, bound the skill from below and above.

No float decides: weights are integers in ppm, and P(Beta(a, b) ≤ x) = P(Binomial(a + b - 1, x) ≥ a)
(DLMF 8.17.5) is tested exactly. Whoever reads the same receipts finds the same tier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import isqrt

from oracle.consensus.fixed import PPM
from oracle.errors import InputError
from oracle.quality.exact import upper_tail_at_most

TAIL = (5, 100)  # what lies outside either bound
STEP_SECONDS = 30 * 86_400
HALF_LIFE_STEPS = 6  # a label counts half after 180 days
# 2^(-k/6) in ppm, rounded: the weights within one half-life.
_WEIGHTS = (1_000_000, 890_899, 793_701, 707_107, 629_961, 561_231)
CAMPAIGN_LABELS = 500  # of one campaign count at most so many,
MOST_LABELS = 1_000  # and in all: more would say the same, and age away more slowly
REQUESTER_LABELS = 10  # a requester counts from so many labels on


@dataclass(frozen=True)
class Tier:
    """What a tier takes, `lower_ppm` of skill beyond doubt, shown to `requesters` distinct ones;
    and how many leased items it allows unsubmitted in a campaign."""

    number: int
    lower_ppm: int
    requesters: int
    open_items: int


TIERS = (
    Tier(0, 0, 0, 10),
    Tier(1, 500_000, 2, 100),
    Tier(2, 700_000, 3, 100),
    Tier(3, 850_000, 4, 100),
)


@dataclass(frozen=True)
class Totals:
    """What a finalized receipt of time `at` (Unix seconds) says of one person in one campaign:
    `right` of `judged` labels since the campaign began."""

    at: int
    right: int
    judged: int


@dataclass(frozen=True)
class Track:
    """One person's totals in one campaign of `requester` (20 bytes), oldest first, where blind
    answers are right in `chance_ppm`."""

    requester: bytes
    chance_ppm: int
    totals: tuple[Totals, ...]


@dataclass(frozen=True)
class Reputation:
    """Labels that count (whole, after their weights), of how many requesters, what chance reaches,
    and the skill that follows, ppm."""

    right: int
    wrong: int
    requesters: int
    chance_ppm: int
    lower_ppm: int
    mean_ppm: int
    upper_ppm: int
    tier: int

    @property
    def labels(self) -> int:
        """How many labels count."""
        return self.right + self.wrong


def reputation(tracks: Sequence[Track], now: int) -> Reputation:
    """Return the reputation that somebody's tracks make at `now`, Unix seconds of the chain.

    A campaign in which blind answers are always right tells nothing. Raises InputError for totals
    out of order or above what was judged.
    """
    right = wrong = chance = 0
    by_requester: defaultdict[bytes, int] = defaultdict(int)
    for track in tracks:
        if not 0 <= track.chance_ppm <= PPM:
            raise InputError("chance is a share in ppm: give 0 to 1,000,000")
        own_right, own_wrong = _scaled(*_weighed(track.totals, now), CAMPAIGN_LABELS)
        if track.chance_ppm == PPM:
            continue
        right, wrong = right + own_right, wrong + own_wrong
        chance += track.chance_ppm * (own_right + own_wrong)
        by_requester[track.requester] += own_right + own_wrong
    chance_ppm = -(-chance // (right + wrong)) if right + wrong else 0
    requesters = sum(labels >= REQUESTER_LABELS for labels in by_requester.values())
    right, wrong = _scaled(right, wrong, MOST_LABELS)
    lower = _skill_ppm(1000 * lower_permille(right, wrong), chance_ppm)
    upper = _skill_ppm(1000 * (1000 - lower_permille(wrong, right)), chance_ppm)
    mean = _skill_ppm((right + 1) * PPM // (right + wrong + 2), chance_ppm)
    return Reputation(
        right, wrong, requesters, chance_ppm, lower, mean, upper, tier_of(lower, requesters)
    )


def tier_of(lower_ppm: int, requesters: int) -> int:
    """Return the highest tier whose bound and number of requesters are both reached."""
    return max(
        tier.number
        for tier in TIERS
        if lower_ppm >= tier.lower_ppm and requesters >= tier.requesters
    )


def additions(totals: Sequence[Totals]) -> list[tuple[int, int, int]]:
    """Return what each receipt added: time, right labels, wrong labels.

    Consensus may judge a label anew. What a later receipt takes back counts nowhere: additions are
    never negative, and add up to the newest totals.
    """
    rights, wrongs = [one.right for one in totals], [one.judged - one.right for one in totals]
    if any(one.right < 0 or one.right > one.judged for one in totals) or any(
        later.at < one.at for one, later in pairwise(totals)
    ):
        raise InputError("totals go from old to new, right ones at most all that were judged")
    for counts in (rights, wrongs):
        for place in reversed(range(len(counts) - 1)):
            counts[place] = min(counts[place], counts[place + 1])
    return [
        (one.at, right - right_before, wrong - wrong_before)
        for one, right, right_before, wrong, wrong_before in zip(
            totals, rights, [0, *rights], wrongs, [0, *wrongs], strict=False
        )
    ]


def weight_ppm(age_seconds: int) -> int:
    """Return what a label of some age weighs, ppm: half after 180 days, falling in steps of 30."""
    halves, rest = divmod(max(0, age_seconds) // STEP_SECONDS, HALF_LIFE_STEPS)
    return _WEIGHTS[rest] >> min(halves, 64)


@lru_cache(maxsize=1 << 16)
def lower_permille(right: int, wrong: int) -> int:
    """Return the 5 % quantile of Beta(right + 1, wrong + 1), rounded down to a thousandth.

    That of wrong and right, taken from 1,000, is the 95 % quantile, rounded up.
    """
    labels = right + wrong
    # Mean less 1.64 standard deviations: where to look first. The exact tests alone decide.
    spread = isqrt(2_700_000 * (right + 1) * (wrong + 1) // ((labels + 2) ** 2 * (labels + 3)))
    least = most = max(0, 1000 * (right + 1) // (labels + 2) - spread)
    step = 1
    while least > 0 and not _beyond_doubt(right, labels, least):
        most, least, step = least, max(0, least - step), 2 * step
    step = 1
    while most < 1000 and (most == least or _beyond_doubt(right, labels, most)):
        least, most, step = most, min(1000, most + step), 2 * step
    while most - least > 1:
        middle = (least + most) // 2
        if _beyond_doubt(right, labels, middle):
            least = middle
        else:
            most = middle
    return least


def _beyond_doubt(right: int, labels: int, permille: int) -> bool:
    """Whether P(share of right ones ≤ permille) is at most 5 %."""
    return upper_tail_at_most(right + 1, labels + 1, (permille, 1000), TAIL)


def _weighed(totals: Sequence[Totals], now: int) -> tuple[int, int]:
    """Right and wrong labels with their weights: whole numbers, rounded to the person's cost."""
    right = wrong = 0
    for at, more_right, more_wrong in additions(totals):
        weight = weight_ppm(now - at)
        right, wrong = right + weight * more_right, wrong + weight * more_wrong
    return right // PPM, -(-wrong // PPM)


def _scaled(right: int, wrong: int, most: int) -> tuple[int, int]:
    """The same share of right ones in at most `most` labels, rounded to the person's cost."""
    if right + wrong <= most:
        return right, wrong
    kept = right * most // (right + wrong)
    return kept, most - kept


def _skill_ppm(share_ppm: int, chance_ppm: int) -> int:
    """The way from chance to one at which a share of right labels is, rounded down."""
    return max(0, (share_ppm - chance_ppm) * PPM // (PPM - chance_ppm))
