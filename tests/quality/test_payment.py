import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import InputError
from oracle.quality.payment import apply_cap, expected_reward, fee_total, fills_cap, payout

amounts = st.one_of(st.integers(0, 30), st.integers(0, 10**24))
leaves = st.dictionaries(st.sampled_from([bytes([n]) * 20 for n in range(6)]), amounts)
fees = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("passed", "agreement", "pay"),
    [
        (True, 1_000_000, 10**21),
        (True, 0, 3 * 10**20),
        (False, 0, 0),
        (False, 500_000, 35 * 10**19),
    ],
)
def test_payout__golden__is_base_and_agreement(passed, agreement, pay):
    assert payout(10**21, 300_000, passed, agreement) == pay


def test_payout__not_whole__is_rounded_down_once():
    # 7 · (.3 + .7 · .333333) = 3.73…
    assert payout(7, 300_000, True, 333_333) == 3


@given(st.integers(0, 10**30), st.integers(0, 10**6), st.booleans(), st.integers(0, 10**6))
def test_payout__more_evidence__never_pays_less(reward, base, passed, agreement):
    pay = payout(reward, base, passed, agreement)
    assert 0 <= pay <= reward
    assert pay <= payout(reward, base, True, agreement)
    assert pay <= payout(reward, base, passed, min(agreement + 1, 10**6))
    assert pay <= payout(reward + 1, base, passed, agreement)


@pytest.mark.parametrize("bad", [(-1, 0, 0), (1, 10**6 + 1, 0), (1, 0, -1)])
def test_payout__out_of_range__raises(bad):
    reward, base, agreement = bad
    with pytest.raises(InputError):
        payout(reward, base, True, agreement)


def test_apply_cap__golden__serves_in_account_order_and_splits_at_the_boundary():
    previous = {b"a" * 20: 50, b"d" * 20: 9}
    wanted = {b"c" * 20: 40, b"a" * 20: 80, b"b" * 20: 40, b"d" * 20: 5}
    result = apply_cap(previous, wanted, cap=63, fee_bps=500)
    # 59 paid and 2 of fee before: 119 + ⌊5.95⌋ = 124 = 59 + 2 + 63
    assert result.cumulative == {b"a" * 20: 80, b"b" * 20: 30, b"d" * 20: 9}
    assert (result.payout_total, result.fee_total, result.waiting) == (119, 5, 50)


@given(leaves, leaves, amounts, fees)
def test_apply_cap__any_leaves__uses_the_cap_to_the_last_unit(previous, wanted, cap, fee_bps):
    result = apply_cap(previous, wanted, cap=cap, fee_bps=fee_bps)
    paid_before = sum(previous.values())
    fee_before = fee_total(paid_before, fee_bps)
    goal = {
        account: max(previous.get(account, 0), wanted.get(account, 0))
        for account in {*previous, *wanted}
    }
    assert all(result.cumulative.get(account, 0) >= old for account, old in previous.items())
    assert all(amount <= goal[account] for account, amount in result.cumulative.items())
    assert 0 not in result.cumulative.values()
    assert list(result.cumulative) == sorted(result.cumulative)
    assert result.payout_total == sum(result.cumulative.values())
    assert result.fee_total == result.payout_total * fee_bps // 10_000
    spent = result.payout_total - paid_before + result.fee_total - fee_before
    assert spent <= cap
    assert result.waiting == sum(goal.values()) - result.payout_total
    if result.waiting:
        one_more = result.payout_total + 1
        assert one_more - paid_before + fee_total(one_more, fee_bps) - fee_before > cap
    # who is served before somebody waiting is served whole
    served = [result.cumulative.get(account, 0) for account in sorted(goal)]
    short = [got < goal[account] for got, account in zip(served, sorted(goal), strict=True)]
    if any(short):
        after = sorted(goal)[short.index(True) + 1 :]
        assert all(result.cumulative.get(a, 0) == previous.get(a, 0) for a in after)


@given(leaves, st.lists(leaves, min_size=1, max_size=4), st.integers(1, 10**24), fees)
def test_apply_cap__receipt_after_receipt__never_falls_and_ends_paid(first, later, cap, fee_bps):
    current = apply_cap({}, first, cap=cap, fee_bps=fee_bps)
    for wanted in later:
        following = apply_cap(
            current.cumulative,
            wanted,
            cap=cap,
            fee_bps=fee_bps,
            previous_fee=current.fee_total,
        )
        assert following.fee_total >= current.fee_total
        assert all(
            following.cumulative[account] >= old for account, old in current.cumulative.items()
        )
        current = following
    whole = apply_cap(current.cumulative, later[-1], cap=10**30, fee_bps=fee_bps)
    assert whole.waiting == 0


@given(leaves, leaves, amounts, fees)
def test_apply_cap__insertion_order__makes_no_difference(previous, wanted, cap, fee_bps):
    backwards = dict(reversed(wanted.items()))
    result = apply_cap(previous, wanted, cap=cap, fee_bps=fee_bps)
    assert apply_cap(previous, backwards, cap=cap, fee_bps=fee_bps) == result


@pytest.mark.parametrize(
    "bad", [{"cap": -1}, {"fee_bps": 10_001}, {"previous": {b"a": -1}}, {"wanted": {b"a": -1}}]
)
def test_apply_cap__out_of_range__raises(bad):
    good = {"previous": {}, "wanted": {b"a": 1}, "cap": 1, "fee_bps": 0}
    assert apply_cap(**good).cumulative == {b"a": 1}
    with pytest.raises(InputError):
        apply_cap(**good | bad)


@given(st.integers(0, 10**24), st.integers(0, 10_000), st.integers(0, 10**24))
def test_fills_cap__is_the_escrows_rule(total: int, fee: int, limit: int) -> None:
    one_more = total + 1 + (total + 1) * fee // 10_000
    assert fills_cap(total, fee_bps=fee, limit=limit) == (one_more > limit)


def test_fills_cap__whatever_the_cap_leaves_waiting__was_filled() -> None:
    account, cap = b"\x01" * 20, 1_000
    bound = apply_cap({}, {account: 10_000}, cap=cap, fee_bps=500)
    assert bound.waiting
    assert fills_cap(bound.payout_total, fee_bps=500, limit=cap)
    free = apply_cap({}, {account: 900}, cap=cap, fee_bps=500)
    assert not free.waiting
    assert not fills_cap(free.payout_total, fee_bps=500, limit=cap)


@pytest.mark.parametrize(
    ("classes", "share"),
    [
        # 50 labels, 85 % matches, a prior of 4 labels at chance 1 / classes, base 30 %:
        # agreement ⌊50 (.85 - 1 / K) / (54 (1 - 1 / K))⌋ in ppm: 648,148 and 771,604; then
        # ⌊300,000 + .7 · agreement⌋, as a payment rounds
        (2, 753_703),
        (10, 840_122),
    ],
)
def test_expected_reward__by_hand(classes: int, share: int) -> None:
    assert expected_reward(1_000_000, 300_000, classes) == share


@given(st.integers(0, 10**24), st.integers(0, 1_000_000), st.integers(2, 256))
def test_expected_reward__lies_between_base_and_reward(
    reward: int, base: int, classes: int
) -> None:
    assert reward * base // 1_000_000 <= expected_reward(reward, base, classes) <= reward
