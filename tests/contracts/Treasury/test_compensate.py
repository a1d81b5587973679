"""Compensation: each contributor's share of a pot, once, by the first tree after the credit."""

from __future__ import annotations

import boa

from tests.contracts.Treasury.conftest import give
from tests.support.system import UNIT, System, Tree, events, payout_tree


def pay(system: System, campaign: int) -> Tree:
    """A receipt after which the contributor has 30 of 40, the stranger 10."""
    return system.pay(campaign, {system.contributor: 30, system.stranger: 10})[1]


def compensate(system: System, pot: int, tree: Tree, account: str, cumulative: int) -> int:
    leaf = (account, cumulative, 1, 1)
    paid = system.treasury.compensate(pot, *leaf, tree.proof(leaf), sender=system.gateway)
    return int(paid)


def test_compensate__first_tree_after_the_credit__pays_each_share_once(
    system: System, campaign: int, pot: int
) -> None:
    tree = pay(system, campaign)
    assert compensate(system, pot, tree, system.contributor, 30) == 45 * UNIT
    assert events(system.treasury) == [
        ("PotFixed", {"pot": pot, "epoch": 2, "payout_total": 40}),
        (
            "Transfer",
            {
                "sender": system.treasury.address,
                "receiver": system.contributor,
                "value": 45 * UNIT,
            },
        ),
        ("Compensated", {"pot": pot, "account": system.contributor, "amount": 45 * UNIT}),
    ]
    assert system.balance(system.contributor) == 45 * UNIT
    assert system.treasury.is_compensated(pot, system.contributor)
    assert not system.treasury.is_compensated(pot, system.stranger)
    with system.refused("Treasury: already compensated"):
        compensate(system, pot, tree, system.contributor, 30)
    assert compensate(system, pot, tree, system.stranger, 10) == 15 * UNIT
    assert [name for name, _ in events(system.treasury)] == ["Transfer", "Compensated"]
    assert system.treasury.held(system.token) == system.balance(system.treasury) == 0
    fixed = system.treasury.pot(pot)
    assert (fixed.paid, fixed.epoch, fixed.payout_total) == (60 * UNIT, 2, 40)


def test_compensate__later_tree__does_not_count(system: System, campaign: int, pot: int) -> None:
    tree = pay(system, campaign)
    compensate(system, pot, tree, system.contributor, 30)
    later = system.pay(campaign, {system.contributor: 30, system.stranger: 90})[1]
    with system.refused("Treasury: invalid proof"):
        compensate(system, pot, later, system.stranger, 90)
    assert compensate(system, pot, tree, system.stranger, 10) == 15 * UNIT


def test_compensate__no_receipt_since_the_credit__is_refused(system: System, campaign: int) -> None:
    tree = pay(system, campaign)
    give(system, campaign, 60 * UNIT)
    with system.refused("Treasury: no receipt since the credit"):
        compensate(system, 1, tree, system.contributor, 30)
    tree = system.pay(campaign, {system.contributor: 50, system.stranger: 10})[1]
    assert compensate(system, 1, tree, system.contributor, 50) == 50 * UNIT


def test_compensate__campaign_is_refunded__counts_the_last_tree(
    system: System, campaign: int
) -> None:
    tree = pay(system, campaign)
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True, payoutRoot=tree.root))
    give(system, campaign, 60 * UNIT)
    with system.refused("Treasury: no receipt since the credit"):
        compensate(system, 1, tree, system.contributor, 30)
    system.escrow.refund(campaign)
    assert compensate(system, 1, tree, system.contributor, 30) == 45 * UNIT


def test_compensate__nobody_has_earned__is_refused(system: System, campaign: int, pot: int) -> None:
    system.settle(system.receipt(campaign))
    with system.refused("Treasury: nobody has earned"):
        system.treasury.compensate(pot, system.contributor, 30, 1, 1, [])


def test_compensate__false_leaf__is_refused(system: System, campaign: int, pot: int) -> None:
    tree = pay(system, campaign)
    proof = tree.proof((system.contributor, 30, 1, 1))
    with system.refused("Treasury: invalid proof"):
        system.treasury.compensate(pot, system.contributor, 31, 1, 1, proof)
    system.treasury.compensate(pot, system.contributor, 30, 1, 1, proof)


def test_compensate__leaves_that_add_up_to_more__stay_within_the_pot(
    system: System, campaign: int, pot: int
) -> None:
    leaves = [
        (system.contributor, 40, 1, 1),
        (system.stranger, 30, 1, 1),
        (system.gateway, 41, 1, 1),
        (system.requester, 1, 1, 1),
    ]
    tree = payout_tree(leaves)
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=40))
    give(system, campaign, UNIT)
    with system.refused("Treasury: leaf exceeds payouts"):
        compensate(system, pot, tree, system.gateway, 41)
    assert compensate(system, pot, tree, system.stranger, 30) == 45 * UNIT
    assert compensate(system, pot, tree, system.contributor, 40) == 15 * UNIT
    with system.refused("Treasury: nothing to pay"):
        compensate(system, pot, tree, system.requester, 1)
    # the other pot is whole
    assert system.treasury.held(system.token) == UNIT


def test_compensate__unknown_or_swept_pot__is_refused(
    system: System, campaign: int, pot: int
) -> None:
    tree = pay(system, campaign)
    with system.refused("Treasury: no such pot"):
        compensate(system, pot + 1, tree, system.contributor, 30)
    boa.env.time_travel(seconds=system.COMPENSATION)
    system.treasury.sweep(pot)
    with system.refused("Treasury: pot is swept"):
        compensate(system, pot, tree, system.contributor, 30)
