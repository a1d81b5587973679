"""Locks that take what there is: of staked and unbonding stake, never failing for want of it."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import OPERATOR, UNIT, System, events

SUBJECT = b"\x09" * 32


@pytest.fixture
def staked(system: System) -> System:
    system.stake(system.stranger, 100 * UNIT, OPERATOR)
    return system


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def lock_up_to(system: System, amount: int, until: int, subject: bytes = SUBJECT) -> int:
    terms = (OPERATOR, system.stranger, subject, amount, until)
    return int(system.vault.lock_up_to(*terms, sender=system.board.address))


def test_lock_up_to__free_stake__locks_the_amount(staked: System) -> None:
    assert lock_up_to(staked, 30 * UNIT, now() + 100) == 30 * UNIT
    assert events(staked.vault) == [
        (
            "LockSet",
            {
                "account": staked.stranger,
                "role": OPERATOR,
                "subject": SUBJECT,
                "amount": 30 * UNIT,
                "expires_at": now() + 100,
            },
        )
    ]
    assert staked.vault.position(OPERATOR, staked.stranger).locked == 30 * UNIT


def test_lock_up_to__again__raises_and_never_lowers(staked: System) -> None:
    lock_up_to(staked, 30 * UNIT, now() + 200)
    assert lock_up_to(staked, 10 * UNIT, now() + 100) == 30 * UNIT
    held = staked.vault.lock_of(OPERATOR, staked.stranger, SUBJECT)
    assert (held.amount, held.expires_at) == (30 * UNIT, now() + 200)
    assert lock_up_to(staked, 40 * UNIT, now() + 300) == 40 * UNIT
    held = staked.vault.lock_of(OPERATOR, staked.stranger, SUBJECT)
    assert (held.amount, held.expires_at) == (40 * UNIT, now() + 300)
    assert staked.vault.position(OPERATOR, staked.stranger).locked == 40 * UNIT


def test_lock_up_to__unbonding_stake__backs_it(staked: System) -> None:
    staked.vault.unbond(OPERATOR, 90 * UNIT, sender=staked.stranger)
    assert lock_up_to(staked, 60 * UNIT, now() + staked.MAX_LOCK) == 60 * UNIT
    boa.env.time_travel(seconds=staked.UNBONDING)
    assert staked.vault.withdraw(OPERATOR, sender=staked.stranger) == 40 * UNIT
    with staked.refused("StakeVault: nothing unbonding"):
        staked.vault.withdraw(OPERATOR, sender=staked.contributor)
    with staked.refused("StakeVault: stake is locked"):
        staked.vault.withdraw(OPERATOR, sender=staked.stranger)


def test_lock_up_to__more_than_free__locks_what_is(staked: System) -> None:
    assert lock_up_to(staked, 70 * UNIT, now() + 100, b"\x08" * 32) == 70 * UNIT
    assert lock_up_to(staked, 70 * UNIT, now() + 100) == 30 * UNIT
    assert lock_up_to(staked, 70 * UNIT, now() + 100, b"\x07" * 32) == 0
    assert events(staked.vault) == []
    assert staked.vault.position(OPERATOR, staked.stranger).locked == 100 * UNIT


def test_lock_up_to__banned_account__is_locked_all_the_same(staked: System) -> None:
    staked.vault.ban(staked.stranger, now() + 100, sender=staked.board.address)
    assert lock_up_to(staked, UNIT, now() + 100) == UNIT


def test_lock_up_to__expired_lock__is_released_first(staked: System) -> None:
    lock_up_to(staked, 100 * UNIT, now() + 100)
    boa.env.time_travel(seconds=100)
    assert lock_up_to(staked, 20 * UNIT, now() + 100) == 20 * UNIT
    assert [name for name, _ in events(staked.vault)] == ["LockReleased", "LockSet"]
    assert staked.vault.position(OPERATOR, staked.stranger).locked == 20 * UNIT


def test_lock_up_to__bad_terms_or_stranger__is_refused(staked: System) -> None:
    with staked.refused("StakeVault: lock has expired"):
        lock_up_to(staked, 1, now())
    with staked.refused("StakeVault: lock too long"):
        lock_up_to(staked, 1, now() + staked.MAX_LOCK + 1)
    with staked.refused("StakeVault: not one role"):
        terms = (OPERATOR | 1, staked.stranger, SUBJECT, 1, now() + 100)
        staked.vault.lock_up_to(*terms, sender=staked.board.address)
    with staked.refused("StakeVault: not registered"):
        terms = (OPERATOR, staked.stranger, SUBJECT, 1, now() + 100)
        staked.vault.lock_up_to(*terms, sender=staked.stranger)


def test_unlock__running_lock__frees_it(staked: System) -> None:
    lock_up_to(staked, 30 * UNIT, now() + 100)
    staked.vault.unlock(OPERATOR, staked.stranger, SUBJECT, sender=staked.board.address)
    assert events(staked.vault) == [
        (
            "LockReleased",
            {
                "account": staked.stranger,
                "role": OPERATOR,
                "subject": SUBJECT,
                "amount": 30 * UNIT,
            },
        )
    ]
    assert staked.vault.position(OPERATOR, staked.stranger).locked == 0
    state = staked.state()
    staked.vault.unlock(OPERATOR, staked.stranger, SUBJECT, sender=staked.board.address)
    assert (events(staked.vault), staked.state()) == ([], state)


def test_unlock__by_stranger__is_refused(staked: System) -> None:
    lock_up_to(staked, 30 * UNIT, now() + 100)
    with staked.refused("StakeVault: not registered"):
        staked.vault.unlock(OPERATOR, staked.stranger, SUBJECT, sender=staked.stranger)
