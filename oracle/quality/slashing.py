"""Slashing only on statistical proof: gold must reject "accuracy at or above the floor"."""

from __future__ import annotations

from oracle.errors import InputError
from oracle.quality.bounds import slashing_floor_ppm
from oracle.quality.exact import rejects_floor

ALPHA_DEN = 1_000_000  # α = 10⁻⁶ per contributor and campaign


def slash(
    right: int,
    total: int,
    *,
    floor_ppm: int,
    n_classes: int,
    epoch: int,
    cap: int,
    previous: int,
) -> int:
    """Cumulative slash of a contributor in base units of stake.

    `right` of `total`: gold that stands. The test is repeated every epoch, so epoch e (from 1)
    spends α / (e(e + 1)), which sums to α however long the campaign lasts. A proof costs `cap`, the
    amount that the manifest names; nothing else costs anything, and what was slashed stays. Raises
    `InputError`.
    """
    if epoch < 1 or cap < 0 or previous < 0:
        raise InputError("slashing needs epoch >= 1 and amounts >= 0")
    floor = slashing_floor_ppm(floor_ppm, n_classes)
    proven = rejects_floor(right, total, floor, 1, ALPHA_DEN * epoch * (epoch + 1))
    return max(previous, cap if proven else 0)
