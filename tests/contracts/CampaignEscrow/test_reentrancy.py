"""A token that calls back in the midst of a transfer gets nothing."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import UNIT, System, load, payout_tree


@pytest.fixture
def token(system: System) -> Any:
    token = load("mocks/ReentrantToken")
    system.escrow.set_token(token.address, True, sender=system.governance)
    token.mint(system.requester, 10_000 * UNIT)
    system.approve(system.requester, token=token)
    return token


def attack(token: Any, target: Any, function: str, *arguments: Any) -> None:
    token.set_attack(target.address, getattr(target, function).prepare_calldata(*arguments))


def test_claim__calling_back__is_paid_once(system: System, token: Any) -> None:
    campaign = system.create(token=token.address)
    leaf = (system.contributor, 50 * UNIT, 1, 1)
    other = (system.stranger, 20 * UNIT, 1, 1)
    tree = payout_tree([leaf, other])
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=70 * UNIT))
    # not the same leaf, which would bring nothing anyway, but one that is due
    attack(token, system.escrow, "claim", campaign, 1, *other, tree.proof(other))
    system.escrow.claim(campaign, 1, *leaf, tree.proof(leaf))
    assert (token.calls(), token.successes()) == (1, 0)
    assert system.balance(system.contributor, token) == 50 * UNIT
    assert system.balance(system.stranger, token) == 0
    assert system.escrow.campaign(campaign).claimed == 50 * UNIT


def test_create_and_fund__calling_back__count_each_transfer_once(
    system: System, token: Any
) -> None:
    attack(token, system.escrow, "fund", 1, 5)
    campaign = system.create(token=token.address)
    system.escrow.fund(campaign, 7, sender=system.requester)
    assert (token.calls(), token.successes()) == (2, 0)
    state = system.escrow.campaign(campaign)
    assert (state.budget, state.bond) == (system.BUDGET + 7, system.BOND)
    assert system.balance(system.escrow, token) == state.budget + state.bond


def test_refund__calling_back__pays_once(system: System, token: Any) -> None:
    campaign = system.create(token=token.address)
    system.close(campaign)
    system.settle(system.receipt(campaign, final=True))
    attack(token, system.escrow, "refund", campaign)
    system.escrow.refund(campaign, sender=system.requester)
    assert (token.calls(), token.successes()) == (2, 0)
    assert system.balance(system.requester, token) == 10_000 * UNIT


def test_claim__calling_back_through_the_board__is_refused(system: System, token: Any) -> None:
    campaign = system.create(token=token.address)
    other = system.create()
    leaf = (system.contributor, 50 * UNIT, 1, 1)
    tree = payout_tree([leaf, (system.stranger, 1, 1, 1)])
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=51 * UNIT))
    pending = system.receipt(other)
    system.post(pending)
    boa.env.time_travel(seconds=system.WINDOW)
    attack(token, system.board, "finalize", pending.values())
    system.escrow.claim(campaign, 1, *leaf, tree.proof(leaf))
    assert (token.calls(), token.successes()) == (1, 0)
    assert system.board.is_pending(other)
    system.board.finalize(pending.values())
    assert not system.board.is_pending(other)
