"""Bugs known from HUMAN Protocol's staking: a slash that leaves others' money unbacked, and a slash
during unbonding that locks the rest for good.
"""

from __future__ import annotations

from itertools import product

import boa
import pytest

from tests.support.system import CONTRIBUTOR, OPERATOR, UNIT, ZERO_ADDRESS, System

SUBJECT = b"\x09" * 32


def slash(system: System, account: str, amount: int, recipient: str = ZERO_ADDRESS) -> int:
    terms = (CONTRIBUTOR, account, SUBJECT, amount, recipient)
    return int(system.vault.slash(*terms, sender=system.board.address))


def lock(system: System, account: str, amount: int) -> None:
    until = boa.env.evm.patch.timestamp + system.MAX_LOCK
    terms = (CONTRIBUTOR, account, SUBJECT, amount, until)
    system.vault.lock(*terms, sender=system.escrow.address)


@pytest.mark.parametrize("to_treasury", [True, False])
def test_slash__then_everybody_leaves__everybody_is_paid(system: System, to_treasury: bool) -> None:
    people = {system.contributor: 100 * UNIT, system.stranger: 60 * UNIT}
    for account, amount in people.items():
        system.stake(account, amount)
        lock(system, account, amount // 2)
    recipient = ZERO_ADDRESS if to_treasury else system.guardian
    assert slash(system, system.contributor, 2**256 - 1, recipient) == 50 * UNIT
    assert slash(system, system.stranger, 7 * UNIT, recipient) == 7 * UNIT
    assert system.vault.total() == system.balance(system.vault)
    got = system.balance(system.treasury if to_treasury else system.guardian)
    assert got == 57 * UNIT
    if to_treasury:
        assert system.treasury.general(system.token) == 57 * UNIT
        spend = (system.token.address, system.guardian, 57 * UNIT)
        system.treasury.spend(*spend, sender=system.governance)

    boa.env.time_travel(seconds=system.MAX_LOCK)
    system.vault.release(CONTRIBUTOR, system.stranger, SUBJECT)
    leavers = [(CONTRIBUTOR, account) for account in people]
    leavers += [(OPERATOR, one.address) for one in system.operators]
    for role, account in leavers:
        system.vault.unbond(role, system.vault.staked(role, account), sender=account)
    boa.env.time_travel(seconds=system.UNBONDING)
    paid = [system.vault.withdraw(role, sender=account) for role, account in leavers]
    assert paid == [50 * UNIT, 53 * UNIT, *[system.MIN_STAKE] * 3]
    assert system.vault.total() == system.balance(system.vault) == 0


@pytest.mark.parametrize(
    ("locked", "unbonded", "slashed"), [*product((1, 40, 99, 100), (1, 50, 100), (1, 40, 100))]
)
def test_slash__in_the_midst_of_unbonding__locks_nothing_for_good(
    system: System, locked: int, unbonded: int, slashed: int
) -> None:
    account = system.contributor
    system.stake(account, 100 * UNIT)
    lock(system, account, locked * UNIT)
    system.vault.unbond(CONTRIBUTOR, unbonded * UNIT, sender=account)
    boa.env.time_travel(seconds=system.UNBONDING // 2)
    taken = slash(system, account, slashed * UNIT)
    assert taken == min(slashed, locked) * UNIT
    rest = system.vault.staked(CONTRIBUTOR, account)
    if rest:
        system.vault.unbond(CONTRIBUTOR, rest, sender=account)
    boa.env.time_travel(seconds=system.MAX_LOCK)
    position = system.vault.position(CONTRIBUTOR, account)
    if position.locked:
        system.vault.release(CONTRIBUTOR, account, SUBJECT, sender=system.stranger)
    if position.unbonding:
        system.vault.withdraw(CONTRIBUTOR, sender=account)
    assert system.balance(account) == 100 * UNIT - taken
    position = system.vault.position(CONTRIBUTOR, account)
    assert (position.staked, position.unbonding, position.locked) == (0, 0, 0)
