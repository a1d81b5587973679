"""Incentive control: reward and threshold follow the error in bounded steps, and say why."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.consensus.fixed import PPM
from oracle.errors import InputError
from oracle.quality.bounds import clamp

MIN_JUDGED = 30  # below this the error is noise, and terms stay


@dataclass(frozen=True)
class Limits:
    """What the requester declared. Rewards in base units; steps are shares of the current value in
    ppm (reward) and ppm to add (threshold); `target_error_ppm` is the error aimed at."""

    reward_min: int
    reward_max: int
    reward_step_ppm: int
    threshold_min_ppm: int
    threshold_max_ppm: int
    threshold_step_ppm: int
    target_error_ppm: int


@dataclass(frozen=True)
class Terms:
    """Reward in base units, closing threshold in ppm, and why they are what they are."""

    reward: int
    threshold_ppm: int
    reason: str


def error_ppm(matches: int, judged: int) -> int:
    """Share of judged labels that disagree with their leave-one-out reference, rounded down."""
    return (judged - matches) * PPM // judged if judged else 0


def next_terms(
    reward: int, threshold_ppm: int, *, matches: int, judged: int, limits: Limits
) -> Terms:
    """Terms of the next epoch from the judged labels of the campaign.

    Error above the target raises reward and threshold by one step each; error below half the target
    lowers them by one step; in between, or with fewer than 30 judged labels, they stay. Both are
    held within their limits. Raises `InputError`.
    """
    if not 0 <= matches <= judged:
        raise InputError("matches must be from 0 to judged")
    if limits.reward_min > limits.reward_max or limits.threshold_min_ppm > limits.threshold_max_ppm:
        raise InputError("a minimum exceeds its maximum")
    error, target = error_ppm(matches, judged), limits.target_error_ppm
    if judged < MIN_JUDGED:
        direction, cause = 0, f"only {judged} judged labels, too few to tell"
    elif error > target:
        direction, cause = 1, f"error {_percent(error)} is above the target {_percent(target)}"
    elif 2 * error < target:
        direction, cause = (
            -1,
            f"error {_percent(error)} is below half the target {_percent(target)}",
        )
    else:
        direction, cause = 0, f"error {_percent(error)} is near the target {_percent(target)}"
    stepped = reward * (PPM + direction * limits.reward_step_ppm) // PPM
    next_reward = clamp(stepped, limits.reward_min, limits.reward_max)
    next_threshold = clamp(
        threshold_ppm + direction * limits.threshold_step_ppm,
        limits.threshold_min_ppm,
        limits.threshold_max_ppm,
    )
    reason = (
        f"{cause}: reward {_moved(reward, next_reward)}, "
        f"threshold {_moved(threshold_ppm, next_threshold)}"
    )
    return Terms(next_reward, next_threshold, reason)


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 1_000} %"


def _moved(old: int, new: int) -> str:
    if new == old:
        return "unchanged"
    return "raised" if new > old else "lowered"
