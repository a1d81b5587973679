"""The end of a campaign: close, abandon, refund."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import UNIT, System, events, payout_tree


def most_within_cap() -> int:
    """The largest payout total that the cap lets pass, fee included."""
    paid = System.CAP * 10_000 // (10_000 + System.FEE_BPS)
    while paid + 1 + fee_on(paid + 1) <= System.CAP:
        paid += 1
    return paid


def fee_on(paid: int) -> int:
    return paid * System.FEE_BPS // 10_000


@pytest.mark.parametrize("second", [0, 1], ids=["even", "odd"])
def test_close__by_requester__stops_commitments(system: System, campaign: int, second: int) -> None:
    """At either: the lowest bit of the time stands beside the fee, and mustn't touch it."""
    boa.env.time_travel(seconds=2 + (second - boa.env.evm.patch.timestamp) % 2)
    system.escrow.close(campaign, sender=system.requester)
    assert events(system.escrow) == [
        ("CampaignClosed", {"campaign": campaign, "caller": system.requester})
    ]
    state = system.escrow.campaign(campaign)
    assert state.closed_at == boa.env.evm.patch.timestamp
    assert state.closed_at % 2 == second
    assert state.closed_block == boa.env.evm.patch.block_number
    assert (state.requester, state.fee_bps) == (system.requester, system.FEE_BPS)
    with system.refused("CampaignEscrow: campaign is closed"):
        system.escrow.close(campaign, sender=system.requester)
    with system.refused("CampaignEscrow: campaign is closed"):
        system.escrow.commit_stake(campaign, 1, sender=system.contributor)


def test_close__by_stranger__only_when_no_receipt_comes(system: System, campaign: int) -> None:
    boa.env.time_travel(seconds=system.ABANDON - 1)
    with system.refused("CampaignEscrow: not the requester"):
        system.escrow.close(campaign, sender=system.stranger)
    system.settle(system.receipt(campaign))
    boa.env.time_travel(seconds=system.ABANDON - system.WINDOW - 1)
    with system.refused("CampaignEscrow: not the requester"):
        system.escrow.close(campaign, sender=system.stranger)
    boa.env.time_travel(seconds=1)
    system.escrow.close(campaign, sender=system.stranger)
    assert system.escrow.campaign(campaign).closed_at != 0


def test_refund__complete_final_receipt__pays_the_rest_to_each(system: System) -> None:
    system.mint(system.gateway, system.BOND)
    system.approve(system.gateway)
    system.escrow.pledge_bond(
        system.requester, system.token.address, system.BOND, sender=system.gateway
    )
    campaign = system.create(bond_payer=system.gateway)
    before = system.balance(system.requester)
    system.close(campaign)
    total = 70 * UNIT
    system.pay(
        campaign,
        {system.contributor: 50 * UNIT, system.stranger: 20 * UNIT},
        final=True,
        bondCharge=30 * UNIT,
    )
    committed = total + total * system.FEE_BPS // 10_000 - 30 * UNIT
    system.escrow.refund(campaign, sender=system.stranger)
    assert events(system.escrow)[-1] == (
        "Refunded",
        {
            "campaign": campaign,
            "requester": system.requester,
            "bond_payer": system.gateway,
            "budget": system.BUDGET - committed,
            "bond": system.BOND - 30 * UNIT,
            "forfeited": 0,
        },
    )
    assert system.balance(system.requester) == before + system.BUDGET - committed
    assert system.balance(system.gateway) == system.BOND - 30 * UNIT
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond, state.refunded) == (committed, 30 * UNIT, True)
    assert system.balance(system.escrow) == total + state.fee_total


def test_refund__twice_or_later_calls__are_refused(system: System, campaign: int) -> None:
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True))
    system.escrow.refund(campaign, sender=system.requester)
    refused = "CampaignEscrow: campaign is refunded"
    with system.refused(refused):
        system.escrow.refund(campaign, sender=system.requester)
    with system.refused(refused):
        system.escrow.fund(campaign, 1, sender=system.requester)
    with system.refused(refused):
        system.escrow.raise_bond(campaign, 1, sender=system.requester)
    with system.refused(refused):
        system.post(system.receipt(campaign, final=True))


def test_refund__open_pending_or_without_final__is_refused(system: System, campaign: int) -> None:
    with system.refused("CampaignEscrow: campaign is open"):
        system.escrow.refund(campaign, sender=system.requester)
    system.close(campaign)
    with system.refused("CampaignEscrow: no complete final receipt"):
        system.escrow.refund(campaign, sender=system.requester)
    system.settle(system.receipt(campaign))
    with system.refused("CampaignEscrow: no complete final receipt"):
        system.escrow.refund(campaign, sender=system.requester)
    receipt = system.receipt(campaign, final=True)
    system.post(receipt)
    with system.refused("CampaignEscrow: receipt pending"):
        system.escrow.refund(campaign, sender=system.requester)
    system.finalize(receipt)
    system.escrow.refund(campaign, sender=system.requester)
    assert system.escrow.campaign(campaign).refunded


def test_refund__final_bound_by_cap__waits_for_another(system: System, campaign: int) -> None:
    system.close(campaign)
    paid = most_within_cap()
    fee = fee_on(paid)
    tree = payout_tree([(system.contributor, paid, 1, 1)])
    terms = {"payoutRoot": tree.root, "final": True}
    system.settle(system.receipt(campaign, payoutTotal=paid, feeTotal=fee, **terms))
    assert not system.escrow.campaign(campaign).complete
    with system.refused("CampaignEscrow: no complete final receipt"):
        system.escrow.refund(campaign, sender=system.requester)
    system.settle(system.receipt(campaign, payoutTotal=paid + 1, feeTotal=fee, **terms))
    assert system.escrow.campaign(campaign).complete
    system.escrow.refund(campaign, sender=system.requester)


def test_refund__final_one_unit_below_cap__is_complete(system: System, campaign: int) -> None:
    system.close(campaign)
    paid = most_within_cap() - 1
    tree = payout_tree([(system.contributor, paid, 1, 1)])
    terms = {"payoutRoot": tree.root, "payoutTotal": paid, "feeTotal": fee_on(paid)}
    system.settle(system.receipt(campaign, final=True, **terms))
    assert system.escrow.campaign(campaign).complete


def test_abandon__then_notice__refunds(system: System, campaign: int) -> None:
    system.pay(campaign, {system.contributor: 50 * UNIT, system.stranger: UNIT})
    system.close(campaign)
    boa.env.time_travel(seconds=system.ABANDON)
    with system.refused("CampaignEscrow: not a payer"):
        system.escrow.abandon(campaign, sender=system.stranger)
    system.escrow.abandon(campaign, sender=system.requester)
    refundable_at = boa.env.evm.patch.timestamp + system.NOTICE
    assert events(system.escrow) == [
        (
            "AbandonAnnounced",
            {
                "campaign": campaign,
                "caller": system.requester,
                "refundable_at": refundable_at,
            },
        )
    ]
    boa.env.time_travel(seconds=system.NOTICE - 1)
    with system.refused("CampaignEscrow: notice is running"):
        system.escrow.refund(campaign, sender=system.requester)
    boa.env.time_travel(seconds=1)
    with system.refused("CampaignEscrow: not a payer"):
        system.escrow.refund(campaign, sender=system.stranger)
    system.escrow.refund(campaign, sender=system.requester)
    state = system.escrow.campaign(campaign)
    assert state.refunded
    assert state.budget == state.payout_total + state.fee_total


def test_abandon__too_early_open_pending_or_complete__is_refused(
    system: System, campaign: int
) -> None:
    with system.refused("CampaignEscrow: campaign is open"):
        system.escrow.abandon(campaign, sender=system.requester)
    system.close(campaign)
    boa.env.time_travel(seconds=system.ABANDON - 25)
    with system.refused("CampaignEscrow: too early to abandon"):
        system.escrow.abandon(campaign, sender=system.requester)
    receipt = system.receipt(campaign)
    system.post(receipt)
    with system.refused("CampaignEscrow: receipt pending"):
        system.escrow.abandon(campaign, sender=system.requester)
    system.finalize(receipt)
    boa.env.time_travel(seconds=system.ABANDON - system.WINDOW - 1)
    with system.refused("CampaignEscrow: too early to abandon"):
        system.escrow.abandon(campaign, sender=system.requester)
    system.settle(system.receipt(campaign, final=True))
    boa.env.time_travel(seconds=system.ABANDON)
    with system.refused("CampaignEscrow: campaign is complete"):
        system.escrow.abandon(campaign, sender=system.requester)


def test_abandon__receipt_within_notice__voids_it(system: System, campaign: int) -> None:
    system.close(campaign)
    boa.env.time_travel(seconds=system.ABANDON)
    system.escrow.abandon(campaign, sender=system.requester)
    boa.env.time_travel(seconds=system.NOTICE - system.WINDOW)
    system.settle(system.receipt(campaign))
    boa.env.time_travel(seconds=system.WINDOW)
    with system.refused("CampaignEscrow: a receipt came"):
        system.escrow.refund(campaign, sender=system.requester)
