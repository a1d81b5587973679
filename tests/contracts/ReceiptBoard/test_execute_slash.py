"""Slashes: from the lock for this campaign, as the finalized tree says, to the treasury."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import CONTRIBUTOR, UNIT, System, Tree, events, slash_tree


@pytest.fixture
def committed(system: System, campaign: int) -> System:
    system.stake(system.contributor, 100 * UNIT)
    system.escrow.commit_stake(campaign, 40 * UNIT, sender=system.contributor)
    return system


def order(system: System, campaign: int, amount: int) -> tuple[int, Tree]:
    """Settle a receipt that slashes the contributor by this much in all; its epoch, its tree."""
    tree = slash_tree([(system.contributor, amount), (system.gateway, 1)])
    receipt = system.receipt(campaign, slashRoot=tree.root)
    system.settle(receipt)
    return receipt.epoch, tree


def execute(system: System, campaign: int, epoch: int, tree: Tree, amount: int) -> int:
    leaf = (system.contributor, amount)
    return int(
        system.board.execute_slash(campaign, epoch, *leaf, tree.proof(leaf), sender=system.stranger)
    )


def test_execute_slash__within_lock__goes_to_treasury(committed: System, campaign: int) -> None:
    epoch, tree = order(committed, campaign, 30 * UNIT)
    assert execute(committed, campaign, epoch, tree, 30 * UNIT) == 30 * UNIT
    assert events(committed.board)[-1] == (
        "SlashExecuted",
        {
            "campaign": campaign,
            "account": committed.contributor,
            "epoch": epoch,
            "demanded": 30 * UNIT,
            "taken": 30 * UNIT,
        },
    )
    assert committed.balance(committed.treasury) == 30 * UNIT
    assert committed.vault.staked(CONTRIBUTOR, committed.contributor) == 70 * UNIT
    with committed.refused("ReceiptBoard: already slashed"):
        execute(committed, campaign, epoch, tree, 30 * UNIT)


def test_execute_slash__later_tree__takes_the_difference(committed: System, campaign: int) -> None:
    first, old = order(committed, campaign, 10 * UNIT)
    second, new = order(committed, campaign, 25 * UNIT)
    assert execute(committed, campaign, second, new, 25 * UNIT) == 25 * UNIT
    with committed.refused("ReceiptBoard: already slashed"):
        execute(committed, campaign, first, old, 10 * UNIT)
    assert committed.board.slashed(campaign, committed.contributor) == 25 * UNIT


def test_execute_slash__beyond_lock__takes_the_lock_and_the_rest_stays_due(
    committed: System, campaign: int
) -> None:
    epoch, tree = order(committed, campaign, 90 * UNIT)
    assert execute(committed, campaign, epoch, tree, 90 * UNIT) == 40 * UNIT
    assert execute(committed, campaign, epoch, tree, 90 * UNIT) == 0
    committed.escrow.commit_stake(campaign, 20 * UNIT, sender=committed.contributor)
    assert execute(committed, campaign, epoch, tree, 90 * UNIT) == 20 * UNIT
    assert committed.vault.staked(CONTRIBUTOR, committed.contributor) == 40 * UNIT


def test_execute_slash__lock_of_another_campaign__is_untouched(
    committed: System, campaign: int
) -> None:
    other = committed.create()
    epoch, tree = order(committed, other, 30 * UNIT)
    assert execute(committed, other, epoch, tree, 30 * UNIT) == 0
    assert committed.vault.staked(CONTRIBUTOR, committed.contributor) == 100 * UNIT


def test_execute_slash__expired_lock__takes_nothing(committed: System, campaign: int) -> None:
    epoch, tree = order(committed, campaign, 30 * UNIT)
    boa.env.time_travel(seconds=committed.LOCK)
    assert execute(committed, campaign, epoch, tree, 30 * UNIT) == 0


def test_execute_slash__false_leaf_or_unknown_root__is_refused(
    committed: System, campaign: int
) -> None:
    epoch, tree = order(committed, campaign, 30 * UNIT)
    proof = tree.proof((committed.contributor, 30 * UNIT))
    with committed.refused("ReceiptBoard: invalid proof"):
        committed.board.execute_slash(campaign, epoch, committed.contributor, 31 * UNIT, proof)
    with committed.refused("ReceiptBoard: unknown root"):
        committed.board.execute_slash(campaign, 9, committed.contributor, 30 * UNIT, proof)
