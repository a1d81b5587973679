"""A refund that the token lets one payee have and not the other, as blacklists do."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.CampaignEscrow.test_prove_fork import GATEWAY, prove
from tests.support.system import UNIT, System, events, load


def bonded(system: System, token: Any, *, complete: bool = True) -> int:
    """A campaign in `token` whose bond the gateway paid; complete, it is ready to be refunded."""
    with boa.env.prank(system.governance):
        system.escrow.set_token(token.address, True)
    for payer in (system.requester, system.gateway):
        token.mint(payer, 10_000 * UNIT)
        system.approve(payer, token=token)
    system.escrow.pledge_bond(system.requester, token.address, system.BOND, sender=system.gateway)
    campaign = system.create(
        token=token.address, bond_payer=system.gateway, gateway=GATEWAY.address
    )
    if complete:
        system.close(campaign)
        system.settle(system.receipt(campaign, final=True))
    return campaign


@pytest.mark.parametrize("blocked", ["gateway", "requester"])
def test_refund__one_payee_blocked__pays_the_other_and_holds_the_rest(
    system: System, blocked: str
) -> None:
    token = load("mocks/BlockingToken")
    campaign = bonded(system, token)
    amounts = {"requester": system.BUDGET, "gateway": system.BOND}
    accounts = {"requester": system.requester, "gateway": system.gateway}
    before = {name: token.balanceOf(account) for name, account in accounts.items()}
    token.set_blocked(accounts[blocked], True)
    system.escrow.refund(campaign, sender=system.requester)
    assert [one for one in events(system.escrow) if one[0] != "Transfer"] == [
        (
            "RefundHeld",
            {
                "campaign": campaign,
                "payee": accounts[blocked],
                "token": token.address,
                "amount": amounts[blocked],
            },
        ),
        (
            "Refunded",
            {
                "campaign": campaign,
                "requester": system.requester,
                "bond_payer": system.gateway,
                "budget": system.BUDGET,
                "bond": system.BOND,
                "forfeited": 0,
            },
        ),
    ]
    for name, account in accounts.items():
        paid = 0 if name == blocked else amounts[name]
        assert token.balanceOf(account) == before[name] + paid
        held = system.escrow.pledge(account, account, token.address)
        assert held == amounts[name] - paid
    assert token.balanceOf(system.escrow.address) == amounts[blocked]

    account = accounts[blocked]
    with system.refused("CampaignEscrow: pledge too small"):
        system.escrow.withdraw_pledge(account, token.address, 1, sender=system.stranger)
    token.set_blocked(account, False)
    system.escrow.withdraw_pledge(account, token.address, amounts[blocked], sender=account)
    assert token.balanceOf(account) == before[blocked] + amounts[blocked]
    assert token.balanceOf(system.escrow.address) == 0


def test_refund__token_that_returns_false__waits(system: System) -> None:
    token = load("mocks/FalseToken")
    campaign = bonded(system, token)
    token.set_broken(True)
    with system.refused("CampaignEscrow: transfer failed"):
        system.escrow.refund(campaign, sender=system.requester)
    token.set_broken(False)
    system.escrow.refund(campaign, sender=system.requester)
    assert token.balanceOf(system.escrow.address) == 0


def test_refund__treasury_blocked__pays_the_payers_and_holds_the_forfeit(system: System) -> None:
    token = load("mocks/BlockingToken")
    campaign = bonded(system, token, complete=False)
    prove(system, campaign)
    boa.env.time_travel(blocks=2)
    system.settle(system.receipt(campaign, final=True))
    treasury = system.treasury.address
    forfeit = system.BOND // 4
    token.set_blocked(treasury, True)
    before = token.balanceOf(system.gateway)
    system.escrow.refund(campaign, sender=system.requester)
    assert token.balanceOf(system.requester) == 10_000 * UNIT
    assert token.balanceOf(system.gateway) == before + system.BOND - forfeit
    assert system.escrow.pledge(treasury, treasury, token.address) == forfeit
    with system.refused("BlockingToken: blocked"):
        system.escrow.withdraw_treasury_fees(token.address, [], sender=system.stranger)

    token.set_blocked(treasury, False)
    paid = system.escrow.withdraw_treasury_fees(token.address, [], sender=system.stranger)
    assert paid == forfeit == system.treasury.general(token.address)
    withdrawn = {
        "payer": treasury,
        "requester": treasury,
        "token": token.address,
        "amount": forfeit,
    }
    credited = {"campaign": 0, "token": token.address, "pot": 0, "amount": forfeit}
    assert [one for one in events(system.escrow) if one[0] != "Transfer"] == [
        ("PledgeWithdrawn", withdrawn),
        ("Credited", credited),
    ]
    assert token.balanceOf(system.escrow.address) == 0
    assert system.escrow.withdraw_treasury_fees(token.address, [], sender=system.stranger) == 0


def test_refund__bond_payer_blocked_by_the_token__requester_paid_and_bond_held(
    system: System,
) -> None:
    """Budget and bond leave in one transaction: a blacklist must not make one payer the other's
    hostage. What the token refuses waits as a pledge of the payee to themselves.
    """
    sponsor = system.challenger
    with boa.env.prank(system.governance):
        token = load("mocks/BlockingToken")
        system.escrow.set_token(token.address, True)
        for payer in (system.requester, sponsor):
            token.mint(payer, system.BUDGET)
    for payer in (system.requester, sponsor):
        system.approve(payer, token=token)
    system.escrow.pledge_bond(system.requester, token.address, system.BOND, sender=sponsor)
    campaign = system.create(token=token.address, bond_payer=sponsor)
    system.close(campaign)
    boa.env.time_travel(seconds=system.ABANDON)
    system.escrow.abandon(campaign, sender=system.requester)
    boa.env.time_travel(seconds=system.NOTICE)

    token.set_blocked(sponsor, True)
    system.escrow.refund(campaign, sender=system.requester)
    assert token.balanceOf(system.requester) == system.BUDGET
    assert token.balanceOf(sponsor) == system.BUDGET - system.BOND
    assert system.escrow.pledge(sponsor, sponsor, token.address) == system.BOND

    token.set_blocked(sponsor, False)
    system.escrow.withdraw_pledge(sponsor, token.address, system.BOND, sender=sponsor)
    assert token.balanceOf(sponsor) == system.BUDGET
    assert token.balanceOf(system.escrow.address) == 0
