"""A gateway that signed two heads for one position: who shows them, and what it costs the bond."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_utils import keccak, to_canonical_address

from oracle.evidence.structs import Domain, Head
from tests.support.system import OPERATOR, UNIT, ZERO, System, compact, events

GATEWAY = Account.from_key(keccak(text="a gateway that forks"))
ENTRY, HEAD, OTHER = b"\x0e" * 32, b"\x01" * 32, b"\x02" * 32
SignedHead = tuple[bytes, bytes, bytes, bytes]


def signed(
    system: System, campaign: int, head: bytes, position: int = 7, account: Any = GATEWAY
) -> SignedHead:
    """A head as the gateway's log carries it, by the project's own encoder."""
    domain = Domain(boa.env.evm.patch.chain_id, to_canonical_address(system.escrow.address))
    digest = Head(campaign, position, ENTRY, head).digest(domain)
    return (ENTRY, head, *compact(account.unsafe_sign_hash(digest)))


@pytest.fixture
def campaign(system: System) -> int:
    return system.create(gateway=GATEWAY.address)


def prove(system: System, campaign: int, **signer: Any) -> tuple[SignedHead, SignedHead]:
    both = signed(system, campaign, HEAD, **signer), signed(system, campaign, OTHER)
    system.escrow.prove_fork(campaign, 7, *both, sender=system.stranger)
    return both


def test_prove_fork__open_campaign__closes_it_and_marks_it(system: System, campaign: int) -> None:
    before = system.escrow.campaign(campaign)
    first, second = prove(system, campaign)
    assert events(system.escrow) == [
        (
            "ForkProven",
            {
                "campaign": campaign,
                "caller": system.stranger,
                "position": 7,
                "first": first,
                "second": second,
            },
        ),
        ("CampaignClosed", {"campaign": campaign, "caller": system.stranger}),
    ]
    after = system.escrow.campaign(campaign)
    assert after == before._replace(
        forked=True,
        closed_at=boa.env.evm.patch.timestamp,
        closed_block=boa.env.evm.patch.block_number,
    )
    with system.refused("CampaignEscrow: fork is proven"):
        system.escrow.prove_fork(campaign, 7, first, second, sender=system.stranger)


def test_prove_fork__closed_campaign__keeps_its_closing(system: System, campaign: int) -> None:
    system.close(campaign)
    before = system.escrow.campaign(campaign)
    prove(system, campaign)
    assert [name for name, _ in events(system.escrow)] == ["ForkProven"]
    assert system.escrow.campaign(campaign) == before._replace(forked=True)


def test_prove_fork__not_a_fork__is_refused(system: System, campaign: int) -> None:
    head, other = signed(system, campaign, HEAD), signed(system, campaign, OTHER)
    with system.refused("CampaignEscrow: heads don't differ"):
        system.escrow.prove_fork(campaign, 7, head, head)
    not_its = "CampaignEscrow: not the gateway's"
    with system.refused(not_its):  # of another place in the log
        system.escrow.prove_fork(campaign, 7, head, signed(system, campaign, OTHER, 8))
    with system.refused(not_its):  # of another campaign
        system.escrow.prove_fork(campaign, 7, head, signed(system, campaign + 1, OTHER))
    with system.refused(not_its):  # another's word, first or second
        stranger = signed(system, campaign, OTHER, account=system.outsider)
        system.escrow.prove_fork(campaign, 7, stranger, head)
    with system.refused(not_its):
        system.escrow.prove_fork(campaign, 7, head, stranger)
    with system.refused(not_its):  # no signature at all
        system.escrow.prove_fork(campaign, 7, head, (ENTRY, OTHER, ZERO, ZERO))
    with system.refused("CampaignEscrow: no such campaign"):
        system.escrow.prove_fork(campaign + 1, 7, head, other)
    system.escrow.prove_fork(campaign, 7, head, other)


def test_prove_fork__refunded_campaign__is_too_late(system: System, campaign: int) -> None:
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True))
    system.escrow.refund(campaign, sender=system.requester)
    with system.refused("CampaignEscrow: campaign is refunded"):
        prove(system, campaign)


@pytest.mark.parametrize(
    ("charge", "forfeited"),
    [(0, 75), (10, 75), (225, 75), (260, 40), (300, 0)],
    ids=["no charge", "some", "all but a quarter", "into the quarter", "the whole bond"],
)
def test_refund__forked__leaves_a_quarter_of_the_bond_or_the_rest(
    system: System, campaign: int, charge: int, forfeited: int
) -> None:
    prove(system, campaign)
    boa.env.time_travel(blocks=2)
    amounts = {system.contributor: charge * UNIT} if charge else {}
    if charge:
        system.pay(campaign, amounts, final=True, bondCharge=charge * UNIT, feeTotal=0)
    else:
        system.settle(system.receipt(campaign, final=True))
    before = system.balance(system.requester)
    system.escrow.refund(campaign, sender=system.stranger)
    refunded = dict(events(system.escrow))["Refunded"]
    bond = (300 - charge - forfeited) * UNIT
    assert (refunded["bond"], refunded["forfeited"]) == (bond, forfeited * UNIT)
    assert system.balance(system.requester) == before + refunded["budget"] + bond
    assert system.balance(system.treasury) == forfeited * UNIT
    pots = [args for name, args in events(system.escrow) if name == "Credited"]
    expected = {
        "campaign": campaign,
        "token": system.token.address,
        "pot": 1,
        "amount": forfeited * UNIT,
    }
    assert pots == ([expected] if forfeited else [])
    state = system.escrow.campaign(campaign)
    assert (state.bond, state.forked, state.refunded) == (charge * UNIT, True, True)
    assert system.balance(system.escrow) == sum(amounts.values())


def test_refund__forked__contributors_share_what_was_forfeited(
    system: System, campaign: int
) -> None:
    prove(system, campaign)
    boa.env.time_travel(blocks=2)
    amounts = {system.contributor: 60 * UNIT, system.stranger: 20 * UNIT}
    receipt, tree = system.pay(campaign, amounts, final=True)
    system.escrow.refund(campaign, sender=system.stranger)
    for account, share in ((system.contributor, 3), (system.stranger, 1)):
        leaf = (account, amounts[account], 1, 1)
        paid = system.treasury.compensate(1, *leaf, tree.proof(leaf), sender=system.challenger)
        assert paid == 75 * UNIT * share // 4
    system.claim(receipt, tree, system.contributor, 60 * UNIT)
    assert system.balance(system.treasury) == 0


def test_prove_fork__mark__survives_what_shares_its_word(system: System, campaign: int) -> None:
    prove(system, campaign)
    system.escrow.fund(campaign, 5, sender=system.requester)
    system.escrow.raise_bond(campaign, 7, sender=system.requester)
    state = system.escrow.campaign(campaign)
    assert state.forked
    assert (state.budget, state.bond) == (system.BUDGET + 5, system.BOND + 7)
    assert state.created_at == boa.env.evm.patch.timestamp


def test_prove_fork__operators_stake__is_untouched(system: System, campaign: int) -> None:
    members = [operator.address for operator in system.operators]
    before = [system.vault.position(OPERATOR, member) for member in members]
    prove(system, campaign)
    assert [system.vault.position(OPERATOR, member) for member in members] == before
