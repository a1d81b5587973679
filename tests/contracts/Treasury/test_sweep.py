"""What nobody takes in time goes to the general balance, which the owner alone may spend."""

from __future__ import annotations

import boa

from tests.contracts.Treasury.conftest import give
from tests.support.system import UNIT, System, events, load


def test_sweep__time_is_over__moves_the_rest(system: System, campaign: int, pot: int) -> None:
    tree = system.pay(campaign, {system.contributor: 30, system.stranger: 10})[1]
    leaf = (system.contributor, 30, 1, 1)
    boa.env.time_travel(seconds=system.COMPENSATION - 2 * system.WINDOW)
    system.treasury.compensate(pot, *leaf, tree.proof(leaf))
    # the time runs anew from the day that the tree is fixed
    boa.env.time_travel(seconds=system.COMPENSATION - 1)
    with system.refused("Treasury: too early to sweep"):
        system.treasury.sweep(pot)
    boa.env.time_travel(seconds=1)
    assert system.treasury.sweep(pot) == 15 * UNIT
    assert events(system.treasury) == [("Swept", {"pot": pot, "amount": 15 * UNIT})]
    assert system.treasury.general(system.token) == 15 * UNIT
    assert system.treasury.pot(pot).swept
    with system.refused("Treasury: pot is swept"):
        system.treasury.sweep(pot)


def test_sweep__unknown_pot__is_refused(system: System) -> None:
    with system.refused("Treasury: no such pot"):
        system.treasury.sweep(1)


def test_sweep__refunded_without_payouts__needs_no_wait(system: System, campaign: int) -> None:
    give(system, campaign, 60 * UNIT)
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True))
    with system.refused("Treasury: too early to sweep"):
        system.treasury.sweep(1)
    system.escrow.refund(campaign)
    assert system.treasury.sweep(1) == 60 * UNIT


def test_sweep__refunded_with_payouts__waits(system: System, campaign: int) -> None:
    tree = system.pay(campaign, {system.contributor: 30, system.stranger: 10})[1]
    give(system, campaign, 60 * UNIT)
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True, payoutRoot=tree.root))
    system.escrow.refund(campaign)
    with system.refused("Treasury: too early to sweep"):
        system.treasury.sweep(1)


def test_spend__by_owner__pays_from_the_general_balance(system: System, pot: int) -> None:
    give(system, 0, 9)
    token = system.token.address
    system.treasury.spend(token, system.stranger, 4, sender=system.governance)
    assert events(system.treasury) == [
        (
            "Transfer",
            {"sender": system.treasury.address, "receiver": system.stranger, "value": 4},
        ),
        ("Spent", {"token": token, "recipient": system.stranger, "amount": 4}),
    ]
    assert system.treasury.general(token) == 5
    with system.refused("Treasury: not enough"):
        system.treasury.spend(token, system.stranger, 6, sender=system.governance)
    assert system.treasury.held(token) == system.balance(system.treasury) == 60 * UNIT + 5


def test_spend__by_stranger__is_refused(system: System) -> None:
    give(system, 0, 9)
    with system.refused("ownable: caller is not the owner"):
        system.treasury.spend(system.token.address, system.stranger, 1, sender=system.stranger)


def test_spend__token_returns_false__is_refused(system: System) -> None:
    token = load("mocks/FalseToken")
    token.mint(system.treasury.address, 9)
    system.treasury.credit(0, token.address, 9, sender=system.board.address)
    token.set_broken(True)
    with system.refused("Treasury: transfer failed"):
        system.treasury.spend(token.address, system.stranger, 1, sender=system.governance)
    assert system.treasury.general(token.address) == 9
