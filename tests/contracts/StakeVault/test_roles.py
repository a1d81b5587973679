"""Each call names exactly one role, and a role's stake is apart from another's."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import CONTRIBUTOR, JUROR, OPERATOR, UNIT, System

SUBJECT = b"\x09" * 32
NOT_ONE = [0, CONTRIBUTOR | OPERATOR, CONTRIBUTOR | JUROR, OPERATOR | JUROR, 7]


@pytest.mark.parametrize("role", NOT_ONE)
def test_any_call__not_one_role__is_refused(system: System, role: int) -> None:
    vault, account = system.vault, system.contributor
    until = boa.env.evm.patch.timestamp + 100
    lock = (role, account, SUBJECT, 1, until)
    system.stake(account, UNIT)
    for call in (
        lambda: vault.join(role, SUBJECT, sender=account),
        lambda: vault.stake(role, 1, sender=account),
        lambda: vault.unbond(role, 1, sender=account),
        lambda: vault.withdraw(role, sender=account),
        lambda: vault.lock(*lock, sender=system.board.address),
        lambda: vault.lock_up_to(*lock, sender=system.board.address),
    ):
        with system.refused("StakeVault: not one role"):
            call()


@pytest.mark.parametrize("role", [CONTRIBUTOR, OPERATOR, JUROR])
def test_stake__one_role__leaves_the_others_empty(system: System, role: int) -> None:
    vault, account = system.vault, system.contributor
    system.stake(account, 10 * UNIT, role)
    terms = (role, account, SUBJECT, 3 * UNIT, boa.env.evm.patch.timestamp + 100)
    vault.lock(*terms, sender=system.board.address)
    vault.unbond(role, 2 * UNIT, sender=account)
    ready_at = boa.env.evm.patch.timestamp + system.UNBONDING
    for other in (CONTRIBUTOR, OPERATOR, JUROR):
        position = vault.position(other, account)
        found = (position.staked, position.unbonding, position.locked, position.ready_at)
        mine = (8 * UNIT, 2 * UNIT, 3 * UNIT, ready_at)
        assert found == (mine if other == role else (0, 0, 0, 0))
        held = vault.lock_of(other, account, SUBJECT)
        assert (held.amount != 0) == (other == role)


def test_unbond__while_locked__keeps_the_lock(system: System) -> None:
    vault, account = system.vault, system.contributor
    system.stake(account, 10 * UNIT)
    until = boa.env.evm.patch.timestamp + 100
    vault.lock(CONTRIBUTOR, account, SUBJECT, 3 * UNIT, until, sender=system.board.address)
    vault.unbond(CONTRIBUTOR, 10 * UNIT, sender=account)
    position = vault.position(CONTRIBUTOR, account)
    assert (position.locked, position.unbonding) == (3 * UNIT, 10 * UNIT)


@pytest.mark.parametrize("role", [CONTRIBUTOR, OPERATOR, JUROR])
def test_sync__of_an_operator__follows_operator_stake_alone(system: System, role: int) -> None:
    operator = system.operators[0].address
    if role != OPERATOR:
        system.stake(operator, 10 * UNIT, role)
    system.vault.unbond(role, 1, sender=operator)
    assert system.board.is_active(operator) == (role != OPERATOR)
    system.mint(operator, 1)
    system.vault.stake(role, 1, sender=operator)
    assert system.board.is_active(operator)


def test_slash__of_an_operator__ends_the_right_to_sign(system: System) -> None:
    operator = system.operators[0].address
    terms = (OPERATOR, operator, SUBJECT, 1, boa.env.evm.patch.timestamp + 100)
    system.vault.lock(*terms, sender=system.board.address)
    slash = (OPERATOR, operator, SUBJECT, 1, system.stranger)
    assert system.vault.slash(*slash, sender=system.board.address) == 1
    assert not system.board.is_active(operator)
