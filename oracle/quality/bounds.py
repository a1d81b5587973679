"""Protocol bounds: what no manifest can undercut, so that none can reject or slash honest work.

Each function returns the value that counts; `decide` uses no manifest value that has a bound here
without it.
"""

from __future__ import annotations

from oracle.consensus.fixed import PPM
from oracle.errors import InputError

MIN_BASE_PPM = 300_000
MIN_REDUNDANCY = 3  # where agreement decides pay: a label and two others to judge it
MAX_REDUNDANCY = 1_000
MAX_MEASURED = 20  # labels of a gold item may be compared each with each


def clamp(value: int, least: int, most: int) -> int:
    """`value`, or the bound it crosses."""
    return max(least, min(value, most))


def base_ppm(declared: int) -> int:
    """Share of the reward for passing gold, at least 300,000 ppm."""
    return clamp(declared, MIN_BASE_PPM, PPM)


def redundancy(minimum: int, maximum: int, policy: str) -> tuple[int, int]:
    """Least and most labels per item; at least 3 where agreement decides pay."""
    least = MIN_REDUNDANCY if policy == "agreement" else 1
    most = MAX_MEASURED if policy == "gold" else MAX_REDUNDANCY
    lower = clamp(minimum, least, most)
    return lower, clamp(maximum, lower, most)


def threshold_ppm(declared: int, n_classes: int) -> int:
    """Confidence that closes an item: above one in the number of classes, at most one."""
    if n_classes < 2:
        raise InputError("a threshold needs at least two classes")
    return clamp(declared, PPM // n_classes + 1, PPM)


def slashing_floor_ppm(declared: int, n_classes: int) -> int:
    """Accuracy below which stake is slashed: at most halfway between chance and one."""
    if n_classes < 2:
        raise InputError("chance needs at least two classes")
    return clamp(declared, 0, (n_classes + 1) * PPM // (2 * n_classes))


def fee_bps(declared: int, minimum: int, maximum: int) -> int:
    """Operators' fee within the escrow's bounds."""
    return clamp(declared, minimum, maximum)


def epoch_seconds(declared: int, window_seconds: int) -> int:
    """Length of an epoch, at least the window in which its receipt can be challenged."""
    return max(declared, window_seconds)
