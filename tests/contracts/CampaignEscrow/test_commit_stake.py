"""What contributors do beside claiming: delegate, commit stake."""

from __future__ import annotations

import boa

from tests.support.system import CONTRIBUTOR, UNIT, ZERO_ADDRESS, System, events


def test_delegate__by_contract_wallet__logs_the_delegation(system: System, campaign: int) -> None:
    terms = {"generation": 3, "valid_until": 2**64 - 1, "consent": b"\x03" * 32}
    system.escrow.delegate(campaign, system.stranger, *terms.values(), sender=system.contributor)
    assert events(system.escrow) == [
        (
            "Delegated",
            {
                "campaign": campaign,
                "contributor": system.contributor,
                "session_key": system.stranger,
                **terms,
            },
        )
    ]
    with system.refused("CampaignEscrow: no such campaign"):
        system.escrow.delegate(
            campaign + 1, system.stranger, *terms.values(), sender=system.contributor
        )


def test_commit_stake__part_of_stake__is_locked_for_the_campaign(
    system: System, campaign: int
) -> None:
    system.stake(system.contributor, 100 * UNIT)
    system.escrow.commit_stake(campaign, 40 * UNIT, sender=system.contributor)
    expires_at = boa.env.evm.patch.timestamp + system.LOCK
    assert events(system.escrow)[-1] == (
        "StakeCommitted",
        {
            "campaign": campaign,
            "contributor": system.contributor,
            "amount": 40 * UNIT,
            "expires_at": expires_at,
        },
    )
    subject = campaign.to_bytes(32, "big")
    lock = system.vault.lock_of(CONTRIBUTOR, system.contributor, subject)
    assert (lock.amount, lock.expires_at) == (40 * UNIT, expires_at)
    with system.refused("StakeVault: not enough free stake"):
        system.escrow.commit_stake(campaign, 61 * UNIT, sender=system.contributor)
    with system.refused("CampaignEscrow: no such campaign"):
        system.escrow.commit_stake(campaign + 1, 1, sender=system.contributor)


def test_reserve_and_settle__by_others_than_the_board__are_refused(
    system: System, campaign: int
) -> None:
    receipt = system.receipt(campaign).values()
    with system.refused("CampaignEscrow: not the board"):
        system.escrow.reserve(receipt, sender=system.governance)
    with system.refused("CampaignEscrow: not the board"):
        system.escrow.settle(receipt, 1, sender=system.governance)
    assert system.escrow.campaign(0).requester == ZERO_ADDRESS
