"""What takes a stake token that fails, more sets than a word can count, or an outsider."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import UNIT, System, store

FAILING = """
# pragma version ==0.4.3
@external
@view
def balanceOf(owner: address) -> uint256:
    return 0

@external
def transfer(to: address, amount: uint256) -> bool:
    return False

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    return False
"""


def break_token(system: System) -> None:
    """From now on the stake token returns False and moves nothing."""
    failing = boa.loads(FAILING)
    boa.env.set_code(system.token.address, boa.env.get_code(failing.address))


def test_challenge__token_that_returns_false__opens_no_case(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    system.post(receipt)
    boa.env.set_balance(system.challenger, system.ARBITRATION_COST)
    break_token(system)
    with boa.reverts("ReceiptBoard: transfer failed"):
        system.board.challenge(
            receipt.values(),
            "ITEM-RESULT",
            "",
            sender=system.challenger,
            value=system.ARBITRATION_COST,
        )
    assert system.board.case_count() == 0
    assert not system.board.is_challenged(campaign)


def test_rule__token_that_returns_false__leaves_the_case_open(
    system: System, campaign: int
) -> None:
    receipt = system.receipt(campaign)
    system.post(receipt)
    case = system.challenge(receipt)
    break_token(system)
    with boa.reverts("ReceiptBoard: transfer failed"):
        system.rule(case, 3)
    assert system.board.case(case).outcome == 0
    assert system.board.is_challenged(campaign)


def test_set_operators__last_version__is_the_last(system: System) -> None:
    members = [operator.address for operator in system.operators]
    store(system.board, "_set", (2**24 - 2) << 64)
    system.set_operators(members, 2)
    assert system.board.operator_set() == 2**24 - 1
    with system.refused("ReceiptBoard: too many sets"):
        system.set_operators(members, 2)


@pytest.mark.parametrize(("size", "threshold"), [(0, 0), (2, 1), (3, 1)])
def test_set_operators__no_majority__is_refused(system: System, size: int, threshold: int) -> None:
    members = [operator.address for operator in system.operators][:size]
    with system.refused("ReceiptBoard: threshold not a majority"):
        system.set_operators(members, threshold)


def test_is_active__members_alone(system: System) -> None:
    assert system.board.is_active(system.operators[2].address)
    assert not system.board.is_active(system.outsider.address)
    system.stake(system.outsider.address, 5_000 * UNIT, 2)
    assert not system.board.is_active(system.outsider.address)
