"""What the machine, or reading beside it, brought up: each as a plain test."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.system import System, load


@pytest.fixture(scope="module")
def deployed() -> System:
    return System()


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with boa.env.anchor():
        yield deployed


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
