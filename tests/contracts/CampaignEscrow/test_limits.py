"""Amounts at the limit of a word's part, empty lists, and who counts as the bond's payer."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.support.system import UNIT, ZERO_ADDRESS, System, events, load, payout_tree

MOST = 2**96 - 1


@pytest.fixture
def silent(system: System) -> Any:
    """A token without limits that returns nothing, allowed, much of it the requester's."""
    token = load("mocks/SilentToken")
    token.mint(system.requester, 2**100)
    system.escrow.set_token(token.address, True, sender=system.governance)
    return token


def test_create__most_that_fits__is_kept_beside_its_neighbours(system: System, silent: Any) -> None:
    campaign = system.create(
        token=silent.address, budget=MOST, bond=MOST, epoch_cap=MOST, fee_bps=10_000
    )
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond, state.epoch_cap) == (MOST, MOST, MOST)
    assert (state.fee_bps, state.requester, state.gateway) == (
        10_000,
        system.requester,
        system.gateway,
    )
    assert state.token == silent.address
    assert state.created_at == boa.env.evm.patch.timestamp


@pytest.mark.parametrize("change", [{"budget": MOST + 1}, {"bond": MOST + 1}])
def test_create__one_more__is_refused(system: System, silent: Any, change: dict[str, int]) -> None:
    with system.refused("CampaignEscrow: amount too large"):
        system.create(token=silent.address, **change)


def test_fund_and_raise_bond__up_to_the_most__and_no_further(system: System, silent: Any) -> None:
    campaign = system.create(token=silent.address)
    for function, room in (("fund", MOST - system.BUDGET), ("raise_bond", MOST - system.BOND)):
        call = getattr(system.escrow, function)
        with system.refused("CampaignEscrow: amount too large"):
            call(campaign, room + 1, sender=system.requester)
        call(campaign, room, sender=system.requester)
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond) == (MOST, MOST)
    assert state.created_at == boa.env.evm.patch.timestamp


def test_claim__token_that_returns_nothing__is_paid(system: System, silent: Any) -> None:
    campaign = system.create(token=silent.address)
    receipt, tree = system.pay(campaign, {system.contributor: 7 * UNIT})
    system.claim(receipt, tree, system.contributor, 7 * UNIT)
    assert silent.balanceOf(system.contributor) == 7 * UNIT


def test_refund__token_that_returns_nothing__pays_the_payers(system: System, silent: Any) -> None:
    campaign = system.create(token=silent.address)
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True))
    system.escrow.refund(campaign, sender=system.requester)
    assert silent.balanceOf(system.requester) == 2**100
    assert system.escrow.pledge(system.requester, system.requester, silent.address) == 0


def test_claim__token_that_returns_false__stays_due(system: System) -> None:
    with boa.env.prank(system.governance):
        token = load("mocks/FalseToken")
        token.mint(system.requester, 10_000 * UNIT)
        system.escrow.set_token(token.address, True)
    system.approve(system.requester, token=token)
    campaign = system.create(token=token.address)
    receipt, tree = system.pay(campaign, {system.contributor: 7 * UNIT})
    token.set_broken(True)
    with system.refused("CampaignEscrow: transfer failed"):
        system.claim(receipt, tree, system.contributor, 7 * UNIT)
    token.set_broken(False)
    system.claim(receipt, tree, system.contributor, 7 * UNIT)
    assert token.balanceOf(system.contributor) == 7 * UNIT


def test_lists__empty__change_nothing(system: System, campaign: int) -> None:
    system.pay(campaign, {system.contributor: UNIT})
    before = system.state()
    escrow = system.escrow
    escrow.claim_many([], sender=system.stranger)
    assert events(escrow) == []
    escrow.claim_batch(campaign, 1, [], [], sender=system.stranger)
    assert events(escrow) == []
    token = system.token.address
    assert escrow.withdraw_fees(token, [], sender=system.operators[0].address) == 0
    assert escrow.fees_of(system.operators[0].address, token, []) == 0
    assert system.state() == before


def test_lists__one_longer_than_the_most__are_refused(system: System, campaign: int) -> None:
    accounts = [boa.env.generate_address() for _ in range(65)]
    receipt, tree = system.pay(campaign, dict.fromkeys(accounts, UNIT))
    rows = [(account, UNIT, 1, 1) for account in accounts]
    proofs = [tree.proof(row) for row in rows]
    one = (campaign, receipt.epoch, *rows[0], proofs[0])
    operator, token, signers = system.operators[0].address, system.token.address, 1 << 32 | 0b011
    escrow = system.escrow
    for function, most, arguments in (
        ("claim_batch", 64, lambda n: (campaign, receipt.epoch, rows[:n], proofs[:n])),
        ("claim_many", 16, lambda n: ([one] * n,)),
        ("withdraw_fees", 32, lambda n: (token, [signers] * n)),
        ("withdraw_treasury_fees", 32, lambda n: (token, [signers] * n)),
    ):
        before = system.state()
        with boa.reverts():  # by the decoder, which gives no reason
            getattr(escrow, function)(*arguments(most + 1), sender=operator)
        assert system.state() == before
        getattr(escrow, function)(*arguments(most), sender=operator)
    assert [system.balance(account) for account in accounts] == [UNIT] * 64 + [0]


def test_claim_batch__leaves_without_proofs__are_refused(system: System, campaign: int) -> None:
    _, tree = system.pay(campaign, {system.contributor: UNIT})
    leaf = (system.contributor, UNIT, 1, 1)
    for leaves, proofs in (([leaf], []), ([], [tree.proof(leaf)])):
        with system.refused("CampaignEscrow: leaves and proofs differ"):
            system.escrow.claim_batch(campaign, 1, leaves, proofs, sender=system.stranger)


def test_claim__later_leaf_with_lower_counters__keeps_the_higher(
    system: System, campaign: int
) -> None:
    for accepted, submitted in ((9, 20), (7, 30), (8, 10)):
        leaf = (system.contributor, UNIT, accepted, submitted)
        tree = payout_tree([leaf])
        receipt = system.receipt(campaign, payoutRoot=tree.root, payoutTotal=UNIT)
        system.settle(receipt)
        system.escrow.claim(campaign, receipt.epoch, *leaf, tree.proof(leaf))
    claimed = system.escrow.claimed(campaign, system.contributor)
    assert (claimed.cumulative, claimed.accepted, claimed.submitted) == (UNIT, 9, 30)


def test_create__own_address_as_bond_payer__pays_at_once(system: System) -> None:
    before = system.balance(system.requester)
    campaign = system.create(bond_payer=system.requester)
    assert system.balance(system.requester) == before - system.BUDGET - system.BOND
    assert system.escrow.campaign(campaign).bond_payer == system.requester


def test_abandon__by_the_bonds_payer__is_announced(system: System) -> None:
    system.mint(system.gateway, system.BOND)
    system.approve(system.gateway)
    terms = (system.requester, system.token.address, system.BOND)
    system.escrow.pledge_bond(*terms, sender=system.gateway)
    campaign = system.create(bond_payer=system.gateway)
    system.close(campaign)
    boa.env.time_travel(seconds=system.ABANDON)
    with system.refused("CampaignEscrow: not a payer"):
        system.escrow.abandon(campaign, sender=system.stranger)
    system.escrow.abandon(campaign, sender=system.gateway)
    boa.env.time_travel(seconds=system.NOTICE)
    with system.refused("CampaignEscrow: not a payer"):
        system.escrow.refund(campaign, sender=system.stranger)
    system.escrow.refund(campaign, sender=system.gateway)
    assert system.balance(system.gateway) == system.BOND


def test_create__while_paused__is_refused_until_the_pause_ends(
    system: System, campaign: int
) -> None:
    system.board.pause(sender=system.guardian)
    boa.env.time_travel(seconds=system.MAX_PAUSE - 1)
    with system.refused("CampaignEscrow: paused"):
        system.create()
    system.escrow.fund(campaign, 1, sender=system.requester)
    boa.env.time_travel(seconds=1)
    assert system.create() == campaign + 1


def test_treasury__is_the_vaults(system: System) -> None:
    assert system.escrow.treasury() == system.vault.treasury() == system.treasury.address


def test_set_token__zero__is_refused(system: System) -> None:
    with system.refused("CampaignEscrow: token is zero"):
        system.escrow.set_token(ZERO_ADDRESS, True, sender=system.governance)


def test_is_allowed__follows_the_owner(system: System) -> None:
    escrow, token = system.escrow, system.token.address
    assert escrow.is_allowed(token)
    assert not escrow.is_allowed(system.stranger)
    escrow.set_token(token, False, sender=system.governance)
    assert events(escrow) == [("TokenSet", {"token": token, "allowed": False})]
    assert not escrow.is_allowed(token)


def test_create_with_permit__delisted_token__is_refused(system: System) -> None:
    escrow, token = system.escrow, system.token.address
    escrow.set_token(token, False, sender=system.governance)
    terms = [token, 1, 1, 1, 500, system.gateway, b"\x07" * 32, ZERO_ADDRESS]
    permit = [2**256 - 1, 27, b"\x00" * 32, b"\x00" * 32]
    with system.refused("CampaignEscrow: token not allowed"):
        escrow.create_with_permit(*terms, *permit, sender=system.requester)


def test_fund_with_permit__delisted_token__is_refused(system: System, campaign: int) -> None:
    escrow = system.escrow
    escrow.set_token(system.token.address, False, sender=system.governance)
    permit = [2**256 - 1, 27, b"\x00" * 32, b"\x00" * 32]
    with system.refused("CampaignEscrow: token not allowed"):
        escrow.fund_with_permit(campaign, 1, *permit, sender=system.requester)


def test_create_with_permit__pledged_bond__permits_the_budget_alone(system: System) -> None:
    signer = Account.from_key(b"\x33" * 32)
    system.mint(signer.address, system.BUDGET)
    system.mint(system.gateway, system.BOND)
    system.approve(system.gateway)
    pledge = (signer.address, system.token.address, system.BOND)
    system.escrow.pledge_bond(*pledge, sender=system.gateway)
    token, escrow = system.token, system.escrow
    kinds = {"owner": "address", "spender": "address", "value": "uint256"}
    kinds |= {"nonce": "uint256", "deadline": "uint256"}
    values = (signer.address, escrow.address, system.BUDGET, 0, 2**256 - 1)
    domain = {
        "name": "DDLP Label Token",
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": token.address,
    }
    fields = {"Permit": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    message = dict(zip(kinds, values, strict=True))
    signed = signer.sign_message(encode_typed_data(domain, fields, message))
    terms = [token.address, system.BUDGET, system.BOND, system.CAP, system.FEE_BPS]
    terms += [system.gateway, b"\x07" * 32, system.gateway]
    r, s = signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
    campaign = escrow.create_with_permit(*terms, 2**256 - 1, signed.v, r, s, sender=signer.address)
    assert system.balance(signer.address) == 0
    assert escrow.campaign(campaign).bond_payer == system.gateway
    assert token.allowance(signer.address, escrow.address) == 0
