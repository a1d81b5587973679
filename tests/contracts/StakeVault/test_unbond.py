"""Taking stake out: unbond, wait, withdraw."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import CONTRIBUTOR, UNIT, System, events

SUBJECT = b"\x09" * 32


@pytest.fixture
def staked(system: System) -> System:
    system.stake(system.contributor, 100 * UNIT)
    return system


def lock(system: System, amount: int, seconds: int) -> None:
    system.vault.lock(
        CONTRIBUTOR,
        system.contributor,
        SUBJECT,
        amount,
        boa.env.evm.patch.timestamp + seconds,
        sender=system.escrow.address,
    )


def test_unbond__then_wait__withdraws_all(staked: System) -> None:
    staked.vault.unbond(CONTRIBUTOR, 40 * UNIT, sender=staked.contributor)
    ready_at = boa.env.evm.patch.timestamp + staked.UNBONDING
    assert events(staked.vault) == [
        (
            "UnbondingStarted",
            {
                "account": staked.contributor,
                "role": CONTRIBUTOR,
                "amount": 40 * UNIT,
                "ready_at": ready_at,
            },
        )
    ]
    boa.env.time_travel(seconds=staked.UNBONDING)
    assert staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor) == 40 * UNIT
    assert staked.balance(staked.contributor) == 40 * UNIT
    position = staked.vault.position(CONTRIBUTOR, staked.contributor)
    assert (position.staked, position.unbonding) == (60 * UNIT, 0)
    assert staked.vault.total() == staked.balance(staked.vault)


def test_withdraw__one_second_early__is_refused(staked: System) -> None:
    staked.vault.unbond(CONTRIBUTOR, 40 * UNIT, sender=staked.contributor)
    boa.env.time_travel(seconds=staked.UNBONDING - 1)
    with staked.refused("StakeVault: still unbonding"):
        staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor)


def test_withdraw__in_time__is_logged(staked: System) -> None:
    account, vault = staked.contributor, staked.vault
    vault.unbond(CONTRIBUTOR, 40 * UNIT, sender=account)
    boa.env.time_travel(seconds=staked.UNBONDING)
    vault.withdraw(CONTRIBUTOR, sender=account)
    assert events(vault) == [
        ("Transfer", {"sender": vault.address, "receiver": account, "value": 40 * UNIT}),
        ("Withdrawn", {"account": account, "role": CONTRIBUTOR, "amount": 40 * UNIT}),
    ]


def test_withdraw__nothing_unbonding__is_refused(staked: System) -> None:
    with staked.refused("StakeVault: nothing unbonding"):
        staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor)


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(0, "StakeVault: amount is zero"), (100 * UNIT + 1, "StakeVault: not enough staked")],
)
def test_unbond__bad_amount__is_refused(staked: System, amount: int, reason: str) -> None:
    with staked.refused(reason):
        staked.vault.unbond(CONTRIBUTOR, amount, sender=staked.contributor)


def test_unbond__again__waits_anew(staked: System) -> None:
    staked.vault.unbond(CONTRIBUTOR, 40 * UNIT, sender=staked.contributor)
    boa.env.time_travel(seconds=staked.UNBONDING)
    staked.vault.unbond(CONTRIBUTOR, 1, sender=staked.contributor)
    with staked.refused("StakeVault: still unbonding"):
        staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor)


def test_withdraw__locked_part__stays_until_the_lock_expires(staked: System) -> None:
    lock(staked, 70 * UNIT, staked.MAX_LOCK)
    staked.vault.unbond(CONTRIBUTOR, 100 * UNIT, sender=staked.contributor)
    boa.env.time_travel(seconds=staked.UNBONDING)
    assert staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor) == 30 * UNIT
    with staked.refused("StakeVault: stake is locked"):
        staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor)
    boa.env.time_travel(seconds=staked.MAX_LOCK)
    staked.vault.release(CONTRIBUTOR, staked.contributor, SUBJECT, sender=staked.stranger)
    assert staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor) == 70 * UNIT


def test_withdraw__after_slash__pays_the_rest(staked: System) -> None:
    lock(staked, 70 * UNIT, staked.MAX_LOCK)
    staked.vault.unbond(CONTRIBUTOR, 100 * UNIT, sender=staked.contributor)
    staked.vault.slash(
        CONTRIBUTOR,
        staked.contributor,
        SUBJECT,
        2**255,
        "0x" + "00" * 20,
        sender=staked.board.address,
    )
    boa.env.time_travel(seconds=staked.UNBONDING)
    assert staked.vault.withdraw(CONTRIBUTOR, sender=staked.contributor) == 30 * UNIT
    assert staked.balance(staked.treasury) == 70 * UNIT
