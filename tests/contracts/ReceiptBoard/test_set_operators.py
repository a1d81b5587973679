"""The operator set: a majority of staked members, kept in step with their stake."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import OPERATOR, ZERO_ADDRESS, System, events


def addresses(system: System) -> list[str]:
    return [operator.address for operator in system.operators]


def test_set_operators__by_owner__counts_a_new_version(system: System) -> None:
    members = addresses(system)
    system.set_operators(members, 3)
    assert events(system.board) == [
        ("OperatorsSet", {"operator_set": 2, "operators": members, "threshold": 3})
    ]
    assert (system.board.operator_set(), system.board.threshold()) == (2, 3)
    assert system.board.operators(2) == members
    assert [system.board.seat_of(2, member) for member in members] == [1, 2, 3]
    assert system.board.seat_of(1, members[0]) == 1
    assert all(system.board.is_active(member) for member in members)


@pytest.mark.parametrize(
    ("count", "threshold", "reason"),
    [
        (3, 1, "threshold not a majority"),
        (2, 1, "threshold not a majority"),
        (0, 0, "threshold not a majority"),
        (3, 4, "threshold above size"),
    ],
)
def test_set_operators__bad_threshold__is_refused(
    system: System, count: int, threshold: int, reason: str
) -> None:
    with system.refused(f"ReceiptBoard: {reason}"):
        system.set_operators(addresses(system)[:count], threshold)


def test_set_operators__stranger_twice_or_unstaked__is_refused(system: System) -> None:
    members = addresses(system)
    with system.refused("ownable: caller is not the owner"):
        system.board.set_operators(members, 2, sender=system.stranger)
    with system.refused("ReceiptBoard: operators not ascending"):
        system.set_operators([members[0], members[0]], 2)
    everybody = sorted([*members, system.outsider.address], key=lambda one: int(one, 16))
    with system.refused("ReceiptBoard: operator not eligible"):
        system.set_operators(everybody, 3)
    system.stake(system.outsider.address, system.MIN_STAKE, OPERATOR)
    system.set_operators(everybody, 3)


def test_set_operators__not_in_the_order_of_addresses__is_refused(system: System) -> None:
    first, second, third = addresses(system)
    for unordered in ([second, first], [first, third, second], [ZERO_ADDRESS, first]):
        with system.refused("ReceiptBoard: operators not ascending"):
            system.set_operators(unordered, 2)
    system.set_operators([first, third], 2)
    assert [system.board.seat_of(2, one) for one in (first, second, third)] == [1, 0, 2]


def test_set_operators__stake_without_key__is_not_eligible(system: System) -> None:
    outsider = system.outsider.address
    system.mint(outsider, system.MIN_STAKE)
    system.approve(outsider, system.vault)
    system.vault.stake(OPERATOR, system.MIN_STAKE, sender=outsider)
    with system.refused("ReceiptBoard: operator not eligible"):
        system.set_operators([outsider], 1)
    system.vault.join(OPERATOR, b"\x01" * 32, sender=outsider)
    system.set_operators([outsider], 1)


def test_sync__stake_falls_and_rises__follows_at_once(system: System) -> None:
    operator = system.operators[1].address
    system.vault.unbond(OPERATOR, 1, sender=operator)
    assert events(system.vault)[-1] == (
        "OperatorSynced",
        {"operator": operator, "active": False},
    )
    assert not system.board.is_active(operator)
    assert system.board.is_active(system.operators[0].address)
    system.mint(operator, 1)
    system.vault.stake(OPERATOR, 1, sender=operator)
    assert system.board.is_active(operator)


def test_sync__outsider__changes_nothing(system: System) -> None:
    state = system.state()
    system.board.sync(system.stranger, sender=system.stranger)
    assert events(system.board) == []
    assert system.state() == state


def test_set_min_operator_stake__then_sync__drops_members(system: System) -> None:
    system.board.set_min_operator_stake(system.MIN_STAKE + 1, sender=system.governance)
    assert events(system.board) == [
        (
            "MinOperatorStakeSet",
            {"previous": system.MIN_STAKE, "current": system.MIN_STAKE + 1},
        )
    ]
    operator = system.operators[0].address
    assert system.board.is_active(operator)
    system.board.sync(operator, sender=system.stranger)
    assert not system.board.is_active(operator)
    with system.refused("ownable: caller is not the owner"):
        system.board.set_min_operator_stake(0, sender=system.stranger)


def test_ban__lifted__operator_is_active_again(system: System) -> None:
    operator = system.operators[0].address
    system.vault.ban(operator, boa.env.evm.patch.timestamp + 50, sender=system.escrow.address)
    assert not system.board.is_active(operator)
    system.vault.ban(operator, 0, sender=system.escrow.address)
    assert system.board.is_active(operator)
