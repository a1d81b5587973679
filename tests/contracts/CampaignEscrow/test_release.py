"""What a voided receipt had reserved is free again."""

from __future__ import annotations

from tests.support.system import UNIT, System, events


def test_release__voided_receipt__frees_all_of_its_reserve(system: System, campaign: int) -> None:
    system.pay(campaign, {system.contributor: 20 * UNIT})
    receipt = system.receipt(
        campaign, payoutRoot=b"\x05" * 32, payoutTotal=80 * UNIT, feeTotal=2 * UNIT
    )
    before = system.escrow.campaign(campaign)
    system.post(receipt)
    assert system.escrow.campaign(campaign).reserved == 61 * UNIT
    system.rule(system.challenge(receipt), 2)
    assert ("Released", {"campaign": campaign, "amount": 61 * UNIT}) in events(system.arbitrator)
    assert system.escrow.campaign(campaign) == before


def test_release__not_the_board__is_refused(system: System, campaign: int) -> None:
    system.post(system.receipt(campaign, payoutRoot=b"\x05" * 32, payoutTotal=UNIT))
    for caller in (system.stranger, system.requester, system.governance):
        with system.refused("CampaignEscrow: not the board"):
            system.escrow.release(campaign, sender=caller)
