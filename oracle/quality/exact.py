"""Exact binomial tail tests in Python integers: no float says who passed or who is slashed."""

from __future__ import annotations

from math import comb, gcd

from oracle.consensus.fixed import PPM
from oracle.errors import InputError

MAX_TRIALS = 100_000


def upper_tail_at_most(
    successes: int, trials: int, rate: tuple[int, int], level: tuple[int, int]
) -> bool:
    """Whether P(X ≥ successes) ≤ level for X binomial over `trials` with success rate `rate`.

    `rate` and `level` are fractions (numerator, denominator) from 0 to 1. Terms are integers over
    one common denominator, each made from the last by one exact division, and the sum stops as soon
    as it is too large, or what is left can't make it so; 10,000 trials take milliseconds in the
    usual case. Raises `InputError`.
    """
    if not 0 <= successes <= trials <= MAX_TRIALS:
        raise InputError(f"a test needs 0 <= successes <= trials <= {MAX_TRIALS}")
    (hit, out_of), (level_num, level_den) = rate, level
    if not (0 <= hit <= out_of and out_of > 0 and 0 <= level_num <= level_den and level_den > 0):
        raise InputError("rates and levels are fractions from 0 to 1")
    if successes == 0 or hit == out_of:
        return level_num == level_den
    common = gcd(hit, out_of)
    hit, out_of = hit // common, out_of // common
    miss = out_of - hit
    # tail / out_of^trials ≤ level, multiplied out
    most = level_num * out_of**trials // level_den
    term = comb(trials, successes) * hit**successes * miss ** (trials - successes)
    tail = 0
    for k in range(successes, trials + 1):
        tail += term
        if tail > most:
            return False
        # From here on each term is below this one.
        if (trials - k) * hit < (k + 1) * miss and tail + (trials - k) * term <= most:
            return True
        term = term * ((trials - k) * hit) // ((k + 1) * miss)
    return True


def rejects_chance(
    successes: int,
    trials: int,
    chance_num: int,
    chance_den: int,
    alpha_num: int,
    alpha_den: int,
) -> bool:
    """Whether `successes` of `trials` reject "accuracy ≤ chance": P(X ≥ successes) ≤ α.

    Without trials nothing is rejected.
    """
    return trials > 0 and upper_tail_at_most(
        successes, trials, (chance_num, chance_den), (alpha_num, alpha_den)
    )


def rejects_floor(
    successes: int, trials: int, floor_ppm: int, alpha_num: int, alpha_den: int
) -> bool:
    """Whether `successes` of `trials` reject "accuracy ≥ floor": P(X ≤ successes) ≤ α.

    Few successes are many failures, so this is the upper tail of the failures. Without trials
    nothing is rejected.
    """
    return trials > 0 and upper_tail_at_most(
        trials - successes, trials, (PPM - floor_ppm, PPM), (alpha_num, alpha_den)
    )
