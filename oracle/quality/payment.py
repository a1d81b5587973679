"""Pay: one formula over everything closed so far, leaves that never fall, and the epoch's cap.

Amounts are Python integers in base units of the campaign's token; they may exceed 64 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.consensus.fixed import PPM
from oracle.errors import InputError
from oracle.quality.agreement import PRIOR_LABELS
from oracle.quality.measured import expected_measured_ppm

BPS = 10_000


def payout(reward_sum: int, base_ppm: int, passed: bool, agreement_ppm: int) -> int:
    """Σ reward · (base · passed + (1 - base) · agreement), rounded down once, in base units.

    `reward_sum`: the rewards of the contributor's labels on closed items. Raises `InputError`.
    """
    if reward_sum < 0 or not 0 <= base_ppm <= PPM or not 0 <= agreement_ppm <= PPM:
        raise InputError("pay needs a reward >= 0 and shares from 0 to 1,000,000 ppm")
    earned = base_ppm * PPM * passed + (PPM - base_ppm) * agreement_ppm
    return reward_sum * earned // PPM**2


def fee_total(payout_total: int, fee_bps: int) -> int:
    """The operators' fee, taken once on the total so that rounding does not grow with accounts."""
    return payout_total * fee_bps // BPS


@dataclass(frozen=True)
class Capped:
    """Leaves of a receipt within its cap.

    cumulative: every account that has a leaf. payout_total and fee_total: cumulative. waiting: what
    is wanted and not granted yet.
    """

    cumulative: dict[bytes, int]
    payout_total: int
    fee_total: int
    waiting: int


def apply_cap(
    previous: Mapping[bytes, int],
    wanted: Mapping[bytes, int],
    *,
    cap: int,
    fee_bps: int,
    previous_fee: int | None = None,
) -> Capped:
    """Raise leaves from `previous` towards `wanted`, payouts and fee together by at most `cap`.

    A leaf is the maximum of the two, so none falls. What exceeds the cap waits for the next
    receipt: accounts (20-byte addresses) are served in ascending order, the one at the boundary
    gets a part, those after it nothing. `previous_fee` is the fee already taken, by default that of
    the previous total. The total granted is the greatest P with P + ⌊P · fee / 10,000⌋ within the
    old total, the old fee and the cap; as the left side is ⌊P · (10,000 + fee) / 10,000⌋, that P
    has a closed form. Accounts that would have a leaf of zero have none. Raises `InputError`.
    """
    if cap < 0 or not 0 <= fee_bps <= BPS:
        raise InputError(f"the cap must be >= 0 and the fee from 0 to {BPS} bps")
    if any(amount < 0 for amount in (*previous.values(), *wanted.values())):
        raise InputError("amounts must be >= 0")
    before = sum(previous.values())
    fee_before = fee_total(before, fee_bps) if previous_fee is None else previous_fee
    limit = before + fee_before + cap
    greatest_total = ((limit + 1) * BPS - 1) // (BPS + fee_bps)

    room = max(0, greatest_total - before)
    waiting = 0
    cumulative: dict[bytes, int] = {}
    for account in sorted({*previous, *wanted}):
        old = previous.get(account, 0)
        rise = max(0, wanted.get(account, 0) - old)
        granted = min(rise, room)
        room -= granted
        waiting += rise - granted
        if old + granted:
            cumulative[account] = old + granted
    total = sum(cumulative.values())
    # A rate that was higher before leaves more fee than this total owes; a fee never falls.
    fee = max(fee_before, fee_total(total, fee_bps))
    return Capped(cumulative, total, fee, waiting)


def fills_cap(capped_total: int, *, fee_bps: int, limit: int) -> bool:
    """Whether one more base unit of payout, with its fee, would have exceeded `limit`.

    `limit` is what a receipt's payouts and fees may come to in all: the last ones, its cap, and
    what it adds to the bond's charge. A final receipt that fills its cap may leave something owed,
    so the escrow asks for another; this is its rule (CampaignEscrow.settle), in its rounding.
    """
    return capped_total + 1 + fee_total(capped_total + 1, fee_bps) > limit


# What an honest contributor (right nine times in ten) matches of leave-one-out answers that are
# themselves not perfect, after their first fifty labels: a forecast for the page, never a payment.
_FORECAST_LABELS, _FORECAST_MATCHES_PPM = 50, 850_000


def expected_reward(reward: int, base_ppm: int, n_classes: int) -> int:
    """What the `agreement` policy is likely to pay an honest contributor per label, base units.

    The policy's formula at 50 labels with 85 % matches and chance one in the number of classes;
    where there are none, answers are measured, as by `expected_measured_ppm`. Shown beside the
    nominal reward; decides nothing.
    """
    if not n_classes:
        return payout(reward, base_ppm, True, expected_measured_ppm())
    matches = _FORECAST_LABELS * _FORECAST_MATCHES_PPM
    chance = PPM // n_classes
    above = (matches - _FORECAST_LABELS * chance) * PPM
    agreement = above // ((_FORECAST_LABELS + PRIOR_LABELS) * (PPM - chance))
    return payout(reward, base_ppm, True, max(0, agreement))
