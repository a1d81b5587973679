"""Credits: by vault, escrow and board; what arrived counts; one tree divides one pot."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.Treasury.conftest import give
from tests.support.system import UNIT, ZERO_ADDRESS, System, events, load, slash_tree


def test_credit__for_a_campaign__fills_its_pot(system: System, campaign: int) -> None:
    token = system.token.address
    give(system, campaign, 5)
    assert events(system.treasury) == [
        ("Credited", {"campaign": campaign, "token": token, "pot": 1, "amount": 5})
    ]
    boa.env.time_travel(seconds=10)
    give(system, campaign, 7)
    sweepable_at = boa.env.evm.patch.timestamp + system.COMPENSATION
    assert tuple(system.treasury.pot(1)) == (
        campaign,
        token,
        12,
        0,
        sweepable_at,
        0,
        0,
        0,
        False,
    )
    assert (system.treasury.pot_count(), system.treasury.open_pot(campaign, token)) == (1, 1)
    assert (system.treasury.held(token), system.treasury.general(token)) == (12, 0)


def test_credit__for_nobody__goes_to_the_general_balance(system: System) -> None:
    token = system.token.address
    give(system, 0, 5)
    assert events(system.treasury) == [
        ("Credited", {"campaign": 0, "token": token, "pot": 0, "amount": 5})
    ]
    assert (system.treasury.held(token), system.treasury.general(token)) == (5, 5)
    assert system.treasury.pot_count() == 0


@pytest.mark.parametrize("caller", ["vault", "escrow", "board"])
def test_credit__by_the_wired_contracts__is_taken(system: System, caller: str) -> None:
    system.mint(system.treasury.address, 3)
    sender = getattr(system, caller).address
    system.treasury.credit(0, system.token.address, 3, sender=sender)
    assert system.treasury.general(system.token) == 3


def test_credit__by_others__is_refused(system: System) -> None:
    system.mint(system.treasury.address, 3)
    for sender in (system.stranger, system.governance, system.arbitrator.address):
        with system.refused("Treasury: not registered"):
            system.treasury.credit(0, system.token.address, 3, sender=sender)


def test_credit__less_arrived__counts_what_did(system: System, campaign: int) -> None:
    system.mint(system.treasury.address, 3)
    for announced, counted in ((2, 2), (5, 1), (4, 0)):
        before = system.treasury.held(system.token)
        terms = (campaign, system.token.address, announced)
        system.treasury.credit(*terms, sender=system.escrow.address)
        logged = [arguments["amount"] for _, arguments in events(system.treasury)]
        assert logged == [counted] * (counted > 0)
        assert system.treasury.held(system.token) - before == counted


def test_credit__token_that_shrank_balances__does_not_fail(system: System, campaign: int) -> None:
    token = load("mocks/ReentrantToken")
    token.mint(system.treasury.address, 9)
    system.treasury.credit(campaign, token.address, 9, sender=system.escrow.address)
    token.transfer(system.stranger, 4, sender=system.treasury.address)
    system.treasury.credit(campaign, token.address, 9, sender=system.escrow.address)
    assert system.treasury.held(token.address) == 9


def test_credit__after_another_receipt__opens_another_pot(
    system: System, campaign: int, pot: int
) -> None:
    system.pay(campaign, {system.contributor: 10, system.stranger: 1})
    give(system, campaign, 4)
    assert system.treasury.open_pot(campaign, system.token.address) == pot + 1
    assert (system.treasury.pot(pot).since, system.treasury.pot(pot + 1).since) == (1, 2)
    assert system.treasury.pot(pot).amount == 60 * UNIT


def test_credit__after_the_tree_was_fixed__opens_another_pot(system: System, campaign: int) -> None:
    tree = system.pay(campaign, {system.contributor: 10, system.stranger: 10})[1]
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True, payoutRoot=tree.root))
    give(system, campaign, 4)
    system.escrow.refund(campaign)
    leaf = (system.contributor, 10, 1, 1)
    system.treasury.compensate(1, *leaf, tree.proof(leaf))
    give(system, campaign, 6)
    assert system.treasury.open_pot(campaign, system.token.address) == 2
    assert (system.treasury.pot(1).amount, system.treasury.pot(2).amount) == (4, 6)


def test_credit__after_a_sweep__opens_another_pot(system: System, campaign: int, pot: int) -> None:
    boa.env.time_travel(seconds=system.COMPENSATION)
    system.treasury.sweep(pot)
    give(system, campaign, 1)
    assert system.treasury.open_pot(campaign, system.token.address) == pot + 1


def test_execute_slash__of_a_contributor__compensates_the_campaign(
    system: System, campaign: int
) -> None:
    system.stake(system.contributor, 100 * UNIT)
    system.escrow.commit_stake(campaign, 40 * UNIT, sender=system.contributor)
    tree = slash_tree([(system.contributor, 30 * UNIT), (system.gateway, 1)])
    system.settle(system.receipt(campaign, slashRoot=tree.root))
    leaf = (system.contributor, 30 * UNIT)
    system.board.execute_slash(campaign, 1, *leaf, tree.proof(leaf), sender=system.stranger)
    assert [name for name, _ in events(system.board)] == [
        "Transfer",
        "Slashed",
        "Credited",
        "SlashExecuted",
    ]
    assert system.treasury.pot(1).amount == 30 * UNIT


@pytest.mark.parametrize("zero", range(4))
def test_deploy__zero__is_refused(system: System, zero: int) -> None:
    arguments = [system.stranger, system.stranger, system.stranger, 1]
    load("Treasury", *arguments)
    arguments[zero] = 0 if zero == 3 else ZERO_ADDRESS
    reason = ("vault", "escrow", "board", "compensation")[zero]
    with boa.reverts(f"Treasury: {reason} is zero"):
        load("Treasury", *arguments)
