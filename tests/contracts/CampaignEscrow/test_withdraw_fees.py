"""Operators' fees: equal shares of what each quorum signed, by pull."""

from __future__ import annotations

from tests.support.system import UNIT, System, events

FIRST_TWO = 1 << 32 | 0b011
LAST_TWO = 1 << 32 | 0b110


def test_withdraw_fees__signers__share_equally(system: System, campaign: int) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT})
    assert [log[1]["quorum"] for log in events(system.board) if log[0] == "Settled"] == [FIRST_TWO]
    token = system.token.address
    assert system.escrow.fee_pool(token, FIRST_TWO) == 5 * UNIT
    first, second, third = (operator.address for operator in system.operators)
    assert system.escrow.fees_of(first, token, [FIRST_TWO]) == 5 * UNIT // 2
    # naming a quorum twice pays once
    system.escrow.withdraw_fees(token, [FIRST_TWO, FIRST_TWO], sender=first)
    assert [log for log in events(system.escrow) if log[0] == "FeesWithdrawn"] == [
        (
            "FeesWithdrawn",
            {"operator": first, "token": token, "quorum": FIRST_TWO, "amount": 5 * UNIT // 2},
        )
    ]
    system.escrow.withdraw_fees(token, [FIRST_TWO], sender=second)
    assert system.balance(first) == system.balance(second) == 5 * UNIT // 2
    with system.refused("CampaignEscrow: not a signer"):
        system.escrow.withdraw_fees(token, [FIRST_TWO], sender=third)
    with system.refused("CampaignEscrow: not a signer"):
        system.escrow.withdraw_fees(token, [2 << 32 | 0b011], sender=first)
    assert system.escrow.fees_of(first, token, [FIRST_TWO]) == 0


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
    assert system.escrow.withdraw_fees(token, [FIRST_TWO, LAST_TWO], sender=second) == 150


def test_withdraw_fees__after_the_set_changed__old_signers_are_paid(
    system: System, campaign: int
) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT})
    system.set_operators([system.operators[2].address], 1)
    first = system.operators[0].address
    paid = system.escrow.withdraw_fees(system.token.address, [FIRST_TWO], sender=first)
    assert paid == 5 * UNIT // 2
