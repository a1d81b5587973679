"""Locks and slashes by registered contracts, and who is registered."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import CONTRIBUTOR, OPERATOR, UNIT, ZERO_ADDRESS, System, events

SUBJECT = b"\x09" * 32


@pytest.fixture
def staked(system: System) -> System:
    system.stake(system.contributor, 100 * UNIT)
    return system


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def lock(system: System, amount: int, until: int, **options: Any) -> None:
    sender = options.get("sender", system.escrow.address)
    system.vault.lock(CONTRIBUTOR, system.contributor, SUBJECT, amount, until, sender=sender)


def slash(system: System, amount: int, recipient: str = ZERO_ADDRESS) -> int:
    return int(
        system.vault.slash(
            CONTRIBUTOR,
            system.contributor,
            SUBJECT,
            amount,
            recipient,
            sender=system.board.address,
        )
    )


def test_lock__twice__adds_up_with_the_later_expiry(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 200)
    lock(staked, 20 * UNIT, now() + 100)
    assert events(staked.vault) == [
        (
            "LockSet",
            {
                "account": staked.contributor,
                "role": CONTRIBUTOR,
                "subject": SUBJECT,
                "amount": 50 * UNIT,
                "expires_at": now() + 200,
            },
        )
    ]
    held = staked.vault.lock_of(CONTRIBUTOR, staked.contributor, SUBJECT)
    assert (held.amount, held.expires_at) == (50 * UNIT, now() + 200)
    assert staked.vault.position(CONTRIBUTOR, staked.contributor).locked == 50 * UNIT


def test_lock__expired_one__is_released_first(staked: System) -> None:
    lock(staked, 100 * UNIT, now() + 100)
    boa.env.time_travel(seconds=100)
    lock(staked, 20 * UNIT, now() + 100)
    assert staked.vault.position(CONTRIBUTOR, staked.contributor).locked == 20 * UNIT


def test_lock__by_stranger__is_refused(staked: System) -> None:
    with staked.refused("StakeVault: not registered"):
        lock(staked, 1, now() + 100, sender=staked.stranger)


@pytest.mark.parametrize(
    ("amount", "seconds", "reason"),
    [
        (0, 100, "StakeVault: amount is zero"),
        (100 * UNIT + 1, 100, "StakeVault: not enough free stake"),
        (1, 0, "StakeVault: lock has expired"),
        (1, System.MAX_LOCK + 1, "StakeVault: lock too long"),
    ],
)
def test_lock__bad_terms__is_refused(
    staked: System, amount: int, seconds: int, reason: str
) -> None:
    with staked.refused(reason):
        lock(staked, amount, now() + seconds)


def test_lock__unbonding_stake__is_refused(staked: System) -> None:
    staked.vault.unbond(CONTRIBUTOR, 60 * UNIT, sender=staked.contributor)
    with staked.refused("StakeVault: not enough free stake"):
        lock(staked, 41 * UNIT, now() + 100)
    lock(staked, 40 * UNIT, now() + 100)


def test_release__before_expiry__is_refused(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 100)
    with staked.refused("StakeVault: lock is running"):
        staked.vault.release(CONTRIBUTOR, staked.contributor, SUBJECT, sender=staked.contributor)
    boa.env.time_travel(seconds=100)
    staked.vault.release(CONTRIBUTOR, staked.contributor, SUBJECT, sender=staked.stranger)
    assert staked.vault.position(CONTRIBUTOR, staked.contributor).locked == 0
    with staked.refused("StakeVault: no lock"):
        staked.vault.release(CONTRIBUTOR, staked.contributor, SUBJECT, sender=staked.stranger)


def test_slash__within_lock__goes_to_treasury(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 100)
    total = staked.vault.total()
    assert slash(staked, 10 * UNIT) == 10 * UNIT
    assert events(staked.vault)[-1] == (
        "Slashed",
        {
            "account": staked.contributor,
            "role": CONTRIBUTOR,
            "subject": SUBJECT,
            "demanded": 10 * UNIT,
            "taken": 10 * UNIT,
            "recipient": staked.treasury.address,
        },
    )
    assert staked.balance(staked.treasury) == staked.treasury.general(staked.token) == 10 * UNIT
    assert staked.vault.total() == total - 10 * UNIT == staked.balance(staked.vault)
    position = staked.vault.position(CONTRIBUTOR, staked.contributor)
    assert (position.staked, position.locked) == (90 * UNIT, 20 * UNIT)


def test_slash__more_than_locked__takes_the_lock_and_no_more(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 100)
    assert slash(staked, 2**256 - 1, staked.stranger) == 30 * UNIT
    assert staked.balance(staked.stranger) == 30 * UNIT
    assert staked.vault.staked(CONTRIBUTOR, staked.contributor) == 70 * UNIT
    assert slash(staked, 1) == 0


def test_slash__unbonding_stake__is_taken_too(staked: System) -> None:
    lock(staked, 90 * UNIT, now() + 100)
    staked.vault.unbond(CONTRIBUTOR, 80 * UNIT, sender=staked.contributor)
    assert slash(staked, 50 * UNIT) == 50 * UNIT
    position = staked.vault.position(CONTRIBUTOR, staked.contributor)
    assert (position.staked, position.unbonding, position.locked) == (0, 50 * UNIT, 40 * UNIT)


def test_slash__expired_lock__takes_nothing(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 100)
    boa.env.time_travel(seconds=100)
    assert slash(staked, 10 * UNIT) == 0
    assert staked.vault.staked(CONTRIBUTOR, staked.contributor) == 100 * UNIT


def test_slash__by_stranger__is_refused(staked: System) -> None:
    lock(staked, 30 * UNIT, now() + 100)
    with staked.refused("StakeVault: not registered"):
        staked.vault.slash(
            CONTRIBUTOR,
            staked.contributor,
            SUBJECT,
            1,
            staked.stranger,
            sender=staked.stranger,
        )


def test_register__by_owner__lets_a_contract_lock_until_taken_off(staked: System) -> None:
    staked.vault.register(staked.stranger, True, sender=staked.governance)
    assert events(staked.vault) == [
        ("RegistrationSet", {"user": staked.stranger, "registered": True})
    ]
    lock(staked, 1, now() + 100, sender=staked.stranger)
    staked.vault.register(staked.stranger, False, sender=staked.governance)
    with staked.refused("StakeVault: not registered"):
        lock(staked, 1, now() + 100, sender=staked.stranger)


def test_register__by_stranger_or_wiring__is_refused(staked: System) -> None:
    with staked.refused("ownable: caller is not the owner"):
        staked.vault.register(staked.stranger, True, sender=staked.stranger)
    for wired in (staked.escrow, staked.board):
        with staked.refused("StakeVault: wiring is fixed"):
            staked.vault.register(wired.address, False, sender=staked.governance)


def test_ban__by_stranger__is_refused(staked: System) -> None:
    with staked.refused("StakeVault: not registered"):
        staked.vault.ban(staked.contributor, now() + 100, sender=staked.stranger)


def test_ban__operator__loses_the_right_to_sign_but_not_stake(system: System) -> None:
    operator = system.operators[0].address
    system.vault.ban(operator, now() + 100, sender=system.board.address)
    assert not system.board.is_active(operator)
    system.vault.unbond(OPERATOR, system.MIN_STAKE, sender=operator)
    boa.env.time_travel(seconds=system.UNBONDING)
    assert system.vault.withdraw(OPERATOR, sender=operator) == system.MIN_STAKE
