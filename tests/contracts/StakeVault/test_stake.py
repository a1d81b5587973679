"""Joining and staking."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import CONTRIBUTOR, JUROR, OPERATOR, UNIT, ZERO, System, events

KEY = b"\x05" * 32


@pytest.fixture
def funded(system: System) -> System:
    system.mint(system.contributor, 100 * UNIT)
    system.approve(system.contributor, system.vault)
    return system


def test_join__with_key__publishes_it(system: System) -> None:
    system.vault.join(CONTRIBUTOR, KEY, sender=system.contributor)
    assert events(system.vault) == [
        ("Joined", {"account": system.contributor, "role": CONTRIBUTOR, "encryption_key": KEY})
    ]
    assert system.vault.encryption_key(CONTRIBUTOR, system.contributor) == KEY
    assert system.vault.encryption_key(JUROR, system.contributor) == ZERO


def test_join__without_key__is_refused(system: System) -> None:
    with system.refused("StakeVault: key is zero"):
        system.vault.join(CONTRIBUTOR, ZERO, sender=system.contributor)


@pytest.mark.parametrize("role", [0, CONTRIBUTOR | OPERATOR])
def test_join__not_one_role__is_refused(system: System, role: int) -> None:
    with system.refused("StakeVault: not one role"):
        system.vault.join(role, KEY, sender=system.contributor)


@pytest.mark.parametrize("role", [CONTRIBUTOR, JUROR])
def test_stake__amount__moves_tokens_into_position(funded: System, role: int) -> None:
    total = funded.vault.total()
    funded.vault.stake(role, 60 * UNIT, sender=funded.contributor)
    assert events(funded.vault)[-1] == (
        "Staked",
        {
            "account": funded.contributor,
            "role": role,
            "amount": 60 * UNIT,
            "staked": 60 * UNIT,
        },
    )
    position = funded.vault.position(role, funded.contributor)
    assert (position.staked, position.unbonding, position.locked) == (60 * UNIT, 0, 0)
    assert funded.vault.total() == total + 60 * UNIT == funded.balance(funded.vault)


def test_stake__zero__is_refused(funded: System) -> None:
    with funded.refused("StakeVault: amount is zero"):
        funded.vault.stake(CONTRIBUTOR, 0, sender=funded.contributor)


def test_stake__beyond_balance__is_refused(funded: System) -> None:
    with funded.refused("erc20: transfer amount exceeds balance"):
        funded.vault.stake(CONTRIBUTOR, 101 * UNIT, sender=funded.contributor)


def test_stake__while_banned__is_refused_until_the_ban_ends(funded: System) -> None:
    until = boa.env.evm.patch.timestamp + 100
    funded.vault.ban(funded.contributor, until, sender=funded.board.address)
    with funded.refused("StakeVault: banned"):
        funded.vault.stake(CONTRIBUTOR, 1, sender=funded.contributor)
    boa.env.time_travel(seconds=100)
    funded.vault.stake(CONTRIBUTOR, 1, sender=funded.contributor)
    assert funded.vault.staked(CONTRIBUTOR, funded.contributor) == 1
