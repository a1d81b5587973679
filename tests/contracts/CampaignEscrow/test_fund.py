"""Adding money: fund, raise the bond, raise the cap; and tokens that keep a fee or fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.system import UNIT, System, events, load


@pytest.fixture
def fee_token(system: System) -> Any:
    """Keeps one hundredth of every transfer."""
    token = load("mocks/FeeToken")
    system.escrow.set_token(token.address, True, sender=system.governance)
    token.mint(system.requester, 10_000 * UNIT)
    system.approve(system.requester, token=token)
    return token


def test_fund__by_anybody__adds_to_budget(system: System, campaign: int) -> None:
    system.mint(system.stranger, 5 * UNIT)
    system.approve(system.stranger)
    system.escrow.fund(campaign, 5 * UNIT, sender=system.stranger)
    assert events(system.escrow)[-1] == (
        "Funded",
        {
            "campaign": campaign,
            "payer": system.stranger,
            "amount": 5 * UNIT,
            "budget": system.BUDGET + 5 * UNIT,
        },
    )
    assert system.escrow.campaign(campaign).budget == system.BUDGET + 5 * UNIT


def test_fund__unknown_campaign__is_refused(system: System) -> None:
    with system.refused("CampaignEscrow: no such campaign"):
        system.escrow.fund(99, 1, sender=system.requester)


def test_fund__nothing__is_refused(system: System, campaign: int) -> None:
    with system.refused("CampaignEscrow: nothing arrived"):
        system.escrow.fund(campaign, 0, sender=system.requester)


def test_fund__fee_token__counts_what_arrived(system: System, fee_token: Any) -> None:
    campaign = system.create(token=fee_token.address)
    arrived = (system.BUDGET + system.BOND) * 99 // 100
    state = system.escrow.campaign(campaign)
    assert (state.bond, state.budget) == (system.BOND, arrived - system.BOND)
    system.escrow.fund(campaign, 100, sender=system.requester)
    system.escrow.raise_bond(campaign, 1_000, sender=system.requester)
    after = system.escrow.campaign(campaign)
    assert (after.budget, after.bond) == (state.budget + 99, state.bond + 990)
    assert system.balance(system.escrow, fee_token) == after.budget + after.bond
    system.escrow.pledge_bond(system.stranger, fee_token.address, 100, sender=system.requester)
    assert system.escrow.pledge(system.requester, system.stranger, fee_token.address) == 99


def test_create__fee_token__bond_must_arrive(system: System, fee_token: Any) -> None:
    with system.refused("CampaignEscrow: bond did not arrive"):
        system.create(token=fee_token.address, budget=1)


def test_fund__transfer_returns_false__is_refused(system: System) -> None:
    token = load("mocks/FalseToken")
    system.escrow.set_token(token.address, True, sender=system.governance)
    token.mint(system.requester, 10_000 * UNIT)
    system.approve(system.requester, token=token)
    campaign = system.create(token=token.address)
    token.set_broken(True)
    with system.refused("CampaignEscrow: transfer failed"):
        system.escrow.fund(campaign, 5, sender=system.requester)
    token.set_broken(False)
    system.escrow.fund(campaign, 5, sender=system.requester)
    assert system.escrow.campaign(campaign).budget == system.BUDGET + 5


def test_raise_bond__by_anybody__adds_to_bond(system: System, campaign: int) -> None:
    system.escrow.raise_bond(campaign, 5, sender=system.requester)
    assert events(system.escrow)[-1] == (
        "BondRaised",
        {
            "campaign": campaign,
            "payer": system.requester,
            "amount": 5,
            "bond": system.BOND + 5,
        },
    )
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond) == (system.BUDGET, system.BOND + 5)


def test_raise_epoch_cap__up_to_bond__succeeds(system: System, campaign: int) -> None:
    system.escrow.raise_epoch_cap(campaign, system.BOND, sender=system.requester)
    assert events(system.escrow) == [
        (
            "EpochCapRaised",
            {"campaign": campaign, "previous": system.CAP, "current": system.BOND},
        )
    ]
    state = system.escrow.campaign(campaign)
    assert (state.epoch_cap, state.gateway) == (system.BOND, system.gateway)
    with system.refused("CampaignEscrow: bond below cap"):
        system.escrow.raise_epoch_cap(campaign, system.BOND + 1, sender=system.requester)
    with system.refused("CampaignEscrow: cap not raised"):
        system.escrow.raise_epoch_cap(campaign, system.BOND, sender=system.requester)


def test_raise_epoch_cap__by_stranger_or_after_close__is_refused(
    system: System, campaign: int
) -> None:
    with system.refused("CampaignEscrow: not the requester"):
        system.escrow.raise_epoch_cap(campaign, system.BOND, sender=system.stranger)
    system.close(campaign)
    with system.refused("CampaignEscrow: campaign is closed"):
        system.escrow.raise_epoch_cap(campaign, system.BOND, sender=system.requester)


@pytest.mark.parametrize(
    ("function", "arguments"), [("set_token", ("0x" + "11" * 20, True)), ("set_min_fee", (5,))]
)
def test_admin__by_stranger__is_refused(
    system: System, function: str, arguments: tuple[Any, ...]
) -> None:
    with system.refused("ownable: caller is not the owner"):
        getattr(system.escrow, function)(*arguments, sender=system.stranger)


def test_set_min_fee__counts_for_new_campaigns(system: System, campaign: int) -> None:
    system.escrow.set_min_fee(system.FEE_BPS + 1, sender=system.governance)
    assert events(system.escrow) == [
        ("MinFeeSet", {"previous": system.MIN_FEE_BPS, "current": system.FEE_BPS + 1})
    ]
    with system.refused("CampaignEscrow: fee below minimum"):
        system.create()
    assert system.escrow.campaign(campaign).fee_bps == system.FEE_BPS
    with system.refused("CampaignEscrow: fee above 100 %"):
        system.escrow.set_min_fee(10_001, sender=system.governance)


def test_owner__transfer__takes_two_steps(system: System) -> None:
    system.escrow.transfer_ownership(system.stranger, sender=system.governance)
    assert system.escrow.owner() == system.governance
    system.escrow.accept_ownership(sender=system.stranger)
    assert system.escrow.owner() == system.stranger
