"""Operators' fees, by pull: the treasury's share, and equal shares of the rest for the signers."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import UNIT, ZERO_ADDRESS, System, events, load

FIRST_TWO = 1 << 32 | 0b011
LAST_TWO = 1 << 32 | 0b110


def of_treasury(fee: int) -> int:
    return fee * System.TREASURY_BPS // 10_000


def each_of_two(fee: int) -> int:
    return (fee - of_treasury(fee)) // 2


def test_withdraw_fees__signers__share_equally(system: System, campaign: int) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT})
    assert [log[1]["quorum"] for log in events(system.board) if log[0] == "Settled"] == [FIRST_TWO]
    token, share = system.token.address, each_of_two(5 * UNIT)
    assert system.escrow.fee_pool(token, FIRST_TWO) == 5 * UNIT
    first, second, third = (operator.address for operator in system.operators)
    assert system.escrow.fees_of(first, token, [FIRST_TWO]) == share
    # naming a quorum twice pays once
    assert system.escrow.withdraw_fees(token, [FIRST_TWO, FIRST_TWO], sender=first) == share
    withdrawn = {"operator": first, "token": token, "quorum": FIRST_TWO, "amount": share}
    assert events(system.escrow) == [
        ("FeesWithdrawn", withdrawn),
        ("Transfer", {"sender": system.escrow.address, "receiver": first, "value": share}),
    ]
    system.escrow.withdraw_fees(token, [FIRST_TWO], sender=second)
    assert system.balance(first) == system.balance(second) == share
    with system.refused("CampaignEscrow: not a signer"):
        system.escrow.withdraw_fees(token, [FIRST_TWO], sender=third)
    with system.refused("CampaignEscrow: not a signer"):
        system.escrow.withdraw_fees(token, [2 << 32 | 0b011], sender=first)
    assert system.escrow.fees_of(first, token, [FIRST_TWO]) == 0
    assert system.escrow.withdraw_fees(token, [FIRST_TWO], sender=first) == 0
    assert events(system.escrow) == []


def test_withdraw_fees__remainder__waits_for_the_next_fee(system: System, campaign: int) -> None:
    amounts = {system.contributor: 30, system.stranger: 30}
    system.pay(campaign, amounts, feeTotal=3)
    first = system.operators[0].address
    token = system.token.address
    assert system.escrow.withdraw_fees(token, [FIRST_TWO], sender=first) == 1
    system.pay(campaign, dict.fromkeys(amounts, 60), feeTotal=6)
    assert system.escrow.withdraw_fees(token, [FIRST_TWO], sender=first) == 2


def test_withdraw_fees__two_quorums__pays_both(system: System, campaign: int) -> None:
    for signers, total in ((system.operators[:2], 100), (system.operators[1:], 300)):
        receipt = system.receipt(
            campaign, payoutRoot=b"\x01" * 32, payoutTotal=total * 20, feeTotal=total
        )
        system.settle(receipt, signers)
    second = system.operators[1].address
    token = system.token.address
    due = each_of_two(100) + each_of_two(200)
    assert system.escrow.withdraw_fees(token, [FIRST_TWO, LAST_TWO], sender=second) == due


def test_withdraw_fees__after_the_set_changed__old_signers_are_paid(
    system: System, campaign: int
) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT})
    system.set_operators([system.operators[2].address], 1)
    first = system.operators[0].address
    paid = system.escrow.withdraw_fees(system.token.address, [FIRST_TWO], sender=first)
    assert paid == each_of_two(5 * UNIT)


def test_withdraw_fees__signers_slashed_since__are_backed_to_the_unit(
    system: System, campaign: int
) -> None:
    # a peer's slash takes the fees' backing: here stake is one vault, fees are another's money
    system.pay(campaign, {system.contributor: 50 * UNIT})
    first = system.operators[0].address
    receipt = system.receipt(campaign, payoutRoot=b"\x01" * 32)
    system.post(receipt)
    system.rule(system.challenge(receipt), 2)
    assert not system.board.is_active(first)
    token, fee = system.token.address, 50 * UNIT * system.FEE_BPS // 10_000
    for operator in system.operators[:2]:
        paid = system.escrow.withdraw_fees(token, [FIRST_TWO], sender=operator.address)
        assert paid == each_of_two(fee)
    assert system.escrow.withdraw_treasury_fees(token, [FIRST_TWO]) == of_treasury(fee)


def test_withdraw_treasury_fees__by_anybody__goes_to_the_general_balance(
    system: System, campaign: int
) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT})
    token, share, treasury = system.token.address, of_treasury(5 * UNIT), system.treasury.address
    assert system.escrow.fees_of(treasury, token, [FIRST_TWO]) == share
    paid = system.escrow.withdraw_treasury_fees(token, [FIRST_TWO], sender=system.stranger)
    assert paid == share
    assert events(system.escrow) == [
        (
            "FeesWithdrawn",
            {"operator": treasury, "token": token, "quorum": FIRST_TWO, "amount": share},
        ),
        ("Transfer", {"sender": system.escrow.address, "receiver": treasury, "value": share}),
        ("Credited", {"campaign": 0, "token": token, "pot": 0, "amount": share}),
    ]
    assert system.treasury.general(token) == system.balance(treasury) == share
    assert system.escrow.withdraw_treasury_fees(token, [FIRST_TWO]) == 0
    assert events(system.escrow) == []


def test_fees__treasury_and_signers__never_exceed_the_pool(system: System, campaign: int) -> None:
    token = system.token.address
    people = [system.treasury.address, *(one.address for one in system.operators[:2])]
    for fee in range(1, 30):
        receipt = system.receipt(
            campaign, payoutRoot=b"\x01" * 32, payoutTotal=20 * fee, feeTotal=fee
        )
        system.settle(receipt)
        shares = [system.escrow.fees_of(one, token, [FIRST_TWO]) for one in people]
        assert sum(shares) <= fee < sum(shares) + len(people)


def test_credit_fees__by_the_board__joins_the_quorums_pool(system: System, campaign: int) -> None:
    token, half = system.token.address, system.CHALLENGE_BOND // 2
    receipt = system.receipt(campaign)
    system.post(receipt)
    system.rule(system.challenge(receipt), 1)
    credited = {"token": token, "quorum": FIRST_TWO, "amount": half}
    assert ("FeesCredited", credited) in events(system.arbitrator)
    assert system.escrow.fee_pool(token, FIRST_TWO) == half
    first = system.operators[0].address
    assert system.escrow.withdraw_fees(token, [FIRST_TWO], sender=first) == each_of_two(half)
    with system.refused("CampaignEscrow: not the board"):
        system.escrow.credit_fees(token, FIRST_TWO, 1, sender=system.stranger)


@pytest.mark.parametrize(("share", "refused"), [(10_000, False), (10_001, True)])
def test_treasury_bps__above_all__is_refused(system: System, share: int, refused: bool) -> None:
    # another system's addresses: only the constructor's own checks matter here
    arguments = (system.ABANDON, system.NOTICE, system.LOCK, 0, share)
    reason = "share above 100 %" if refused else "vault is wired elsewhere"
    with boa.reverts(f"CampaignEscrow: {reason}"):
        load("CampaignEscrow", system.vault.address, ZERO_ADDRESS, *arguments)
    assert system.escrow.treasury_bps() == system.TREASURY_BPS
