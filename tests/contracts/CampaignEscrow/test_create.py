"""Creating a campaign: what is locked, what is refused, whoever pays."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_utils import keccak

from tests.support.system import UNIT, ZERO, ZERO_ADDRESS, System, events, load

MANIFEST = b"\x07" * 32


def permit(system: System, owner: Any, value: int, deadline: int) -> tuple[int, bytes, bytes]:
    """An EIP-2612 permit for the escrow, by eth-account."""
    domain = {
        "name": "DDLP Label Token",
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": system.token.address,
    }
    names = [("owner", "address"), ("spender", "address"), ("value", "uint256")]
    names += [("nonce", "uint256"), ("deadline", "uint256")]
    message = {
        "owner": owner.address,
        "spender": system.escrow.address,
        "value": value,
        "nonce": system.token.nonces(owner.address),
        "deadline": deadline,
    }
    fields = {"Permit": [{"name": name, "type": kind} for name, kind in names]}
    signed = Account.sign_typed_data(owner.key, domain, fields, message)
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


@pytest.fixture
def signer(system: System) -> Any:
    """A requester with a key, for permits, that has approved nothing."""
    account = Account.from_key(keccak(text="requester"))
    system.mint(account.address, 10_000 * UNIT)
    return account


def create_with_permit(system: System, signer: Any, signature: Any, deadline: int) -> int:
    terms = (system.BUDGET, system.BOND, system.CAP, system.FEE_BPS)
    return int(
        system.escrow.create_with_permit(
            system.token.address,
            *terms,
            system.gateway,
            MANIFEST,
            ZERO_ADDRESS,
            deadline,
            *signature,
            sender=signer.address,
        )
    )


def test_create__budget_and_bond__are_locked(system: System) -> None:
    before = system.balance(system.requester)
    campaign = system.create()
    log = events(system.escrow)[-1]
    assert campaign == system.escrow.campaign_count()
    assert log == (
        "CampaignCreated",
        {
            "campaign": campaign,
            "requester": system.requester,
            "token": system.token.address,
            "budget": system.BUDGET,
            "bond": system.BOND,
            "epoch_cap": system.CAP,
            "fee_bps": system.FEE_BPS,
            "gateway": system.gateway,
            "manifest": MANIFEST,
            "bond_payer": system.requester,
        },
    )
    state = system.escrow.campaign(campaign)
    assert state.requester == state.bond_payer == system.requester
    assert (state.token, state.gateway) == (system.token.address, system.gateway)
    assert (state.budget, state.bond, state.epoch_cap) == (system.BUDGET, system.BOND, system.CAP)
    assert (state.fee_bps, state.manifest) == (system.FEE_BPS, MANIFEST)
    assert (state.created_at, state.closed_at) == (boa.env.evm.patch.timestamp, 0)
    assert (state.payout_total, state.fee_total, state.reserved, state.claimed) == (0, 0, 0, 0)
    assert not state.complete
    assert not state.refunded
    assert system.balance(system.requester) == before - system.BUDGET - system.BOND
    assert system.balance(system.escrow) == system.BUDGET + system.BOND


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"budget": 0}, "budget is zero"),
        ({"epoch_cap": 0}, "cap is zero"),
        ({"bond": System.CAP - 1}, "bond below cap"),
        ({"fee_bps": System.MIN_FEE_BPS - 1}, "fee below minimum"),
        ({"fee_bps": 10_001}, "fee above 100 %"),
        ({"gateway": ZERO_ADDRESS}, "gateway is zero"),
        ({"manifest": ZERO}, "manifest is zero"),
    ],
)
def test_create__bad_terms__is_refused(
    system: System, changes: dict[str, Any], reason: str
) -> None:
    with system.refused(f"CampaignEscrow: {reason}"):
        system.create(**changes)


def test_create__more_than_2_to_96__is_refused(system: System) -> None:
    token = load("mocks/FalseToken")
    system.escrow.set_token(token.address, True, sender=system.governance)
    token.mint(system.requester, 2**98)
    system.approve(system.requester, token=token)
    with system.refused("CampaignEscrow: amount too large"):
        system.create(token=token.address, budget=2**96)
    campaign = system.create(token=token.address, budget=2**96 - 1, bond=2**96 - 1)
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond, state.epoch_cap) == (2**96 - 1, 2**96 - 1, system.CAP)


def test_create__delisted_token__is_refused(system: System, campaign: int) -> None:
    system.escrow.set_token(system.token.address, False, sender=system.governance)
    with system.refused("CampaignEscrow: token not allowed"):
        system.create()
    with system.refused("CampaignEscrow: token not allowed"):
        system.escrow.fund(campaign, 1, sender=system.requester)


def test_create__delisted_token__everything_else_goes_on(system: System, campaign: int) -> None:
    system.escrow.set_token(system.token.address, False, sender=system.governance)
    system.escrow.raise_bond(campaign, 1, sender=system.requester)
    receipt, tree = system.pay(campaign, {system.contributor: UNIT, system.stranger: UNIT})
    system.claim(receipt, tree, system.contributor, UNIT)
    system.close(campaign)
    system.settle(system.receipt(campaign, payoutRoot=tree.root, final=True))
    system.escrow.refund(campaign, sender=system.requester)
    assert system.balance(system.contributor) == UNIT


def test_create__pledged_bond__is_taken_from_the_pledge(system: System) -> None:
    system.mint(system.gateway, system.BOND)
    system.approve(system.gateway)
    system.escrow.pledge_bond(
        system.requester, system.token.address, system.BOND, sender=system.gateway
    )
    terms = {
        "payer": system.gateway,
        "requester": system.requester,
        "token": system.token.address,
    }
    assert events(system.escrow)[-1] == ("Pledged", {**terms, "amount": system.BOND})
    before = system.balance(system.requester)
    campaign = system.create(bond_payer=system.gateway)
    assert system.balance(system.requester) == before - system.BUDGET
    assert system.escrow.campaign(campaign).bond_payer == system.gateway
    assert system.escrow.pledge(*terms.values()) == 0
    with system.refused("CampaignEscrow: pledge too small"):
        system.create(bond_payer=system.gateway)


def test_create__pledge_to_another__is_refused(system: System) -> None:
    system.mint(system.gateway, system.BOND)
    system.approve(system.gateway)
    system.escrow.pledge_bond(
        system.stranger, system.token.address, system.BOND, sender=system.gateway
    )
    with system.refused("CampaignEscrow: pledge too small"):
        system.create(bond_payer=system.gateway)


def test_withdraw_pledge__unused__comes_back(system: System) -> None:
    system.mint(system.gateway, 10)
    system.approve(system.gateway)
    place = (system.requester, system.token.address)
    system.escrow.pledge_bond(*place, 10, sender=system.gateway)
    with system.refused("CampaignEscrow: pledge too small"):
        system.escrow.withdraw_pledge(*place, 11, sender=system.gateway)
    with system.refused("CampaignEscrow: pledge too small"):
        system.escrow.withdraw_pledge(*place, 1, sender=system.requester)
    system.escrow.withdraw_pledge(*place, 10, sender=system.gateway)
    assert events(system.escrow)[-1] == (
        "PledgeWithdrawn",
        {
            "payer": system.gateway,
            "requester": system.requester,
            "token": system.token.address,
            "amount": 10,
        },
    )
    assert system.balance(system.gateway) == 10


def test_create_with_permit__valid__needs_no_approval(system: System, signer: Any) -> None:
    deadline = boa.env.evm.patch.timestamp + 60
    signature = permit(system, signer, system.BUDGET + system.BOND, deadline)
    campaign = create_with_permit(system, signer, signature, deadline)
    assert system.escrow.campaign(campaign).requester == signer.address
    assert system.token.allowance(signer.address, system.escrow.address) == 0


def test_fund_with_permit__valid__needs_no_approval(
    system: System, signer: Any, campaign: int
) -> None:
    deadline = boa.env.evm.patch.timestamp + 60
    signature = permit(system, signer, 7, deadline)
    system.escrow.fund_with_permit(campaign, 7, deadline, *signature, sender=signer.address)
    assert system.escrow.campaign(campaign).budget == system.BUDGET + 7
    assert system.token.allowance(signer.address, system.escrow.address) == 0


def test_create_with_permit__used_by_another_first__falls_back(system: System, signer: Any) -> None:
    deadline = boa.env.evm.patch.timestamp + 60
    value = system.BUDGET + system.BOND
    signature = permit(system, signer, value, deadline)
    system.token.permit(
        signer.address, system.escrow.address, value, deadline, *signature, sender=system.stranger
    )
    campaign = create_with_permit(system, signer, signature, deadline)
    assert system.escrow.campaign(campaign).budget == system.BUDGET


def test_create_with_permit__invalid_without_allowance__is_refused(
    system: System, signer: Any
) -> None:
    deadline = boa.env.evm.patch.timestamp + 60
    signature = permit(system, signer, 1, deadline)
    with system.refused("erc20: insufficient allowance"):
        create_with_permit(system, signer, signature, deadline)


def test_create_with_permit__broken_permit__falls_back_to_allowance(system: System) -> None:
    token = load("mocks/BrokenPermitToken")
    system.escrow.set_token(token.address, True, sender=system.governance)
    token.mint(system.requester, 10_000 * UNIT)
    system.approve(system.requester, token=token)
    terms = (system.BUDGET, system.BOND, system.CAP, system.FEE_BPS)
    campaign = system.escrow.create_with_permit(
        token.address,
        *terms,
        system.gateway,
        MANIFEST,
        ZERO_ADDRESS,
        0,
        27,
        ZERO,
        ZERO,
        sender=system.requester,
    )
    assert system.escrow.campaign(campaign).budget == system.BUDGET
    system.escrow.fund_with_permit(campaign, 5, 0, 27, ZERO, ZERO, sender=system.requester)
    assert system.escrow.campaign(campaign).budget == system.BUDGET + 5
