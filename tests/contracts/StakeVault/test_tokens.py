"""Stake in tokens that behave otherwise, and amounts at the limit of a word's half."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import CONTRIBUTOR, UNIT, System, load

SUBJECT = b"\x09" * 32
MAX_AMOUNT = 2**128 - 1


class Vault:
    """A vault for one token, wired to plain addresses."""

    def __init__(self, system: System, token: Any, amount: int = 100 * UNIT) -> None:
        self.token, self.owner = token, system.contributor
        self.board = system.board.address
        arguments = (system.treasury.address, system.escrow.address, self.board, 1_000, 2_000)
        self.vault = load("StakeVault", token.address, *arguments)
        token.mint(self.owner, amount)
        token.approve(self.vault.address, 2**256 - 1, sender=self.owner)

    def stake(self, amount: int) -> None:
        self.vault.stake(CONTRIBUTOR, amount, sender=self.owner)

    def unbond(self, amount: int) -> None:
        self.vault.unbond(CONTRIBUTOR, amount, sender=self.owner)

    def withdraw(self) -> int:
        return int(self.vault.withdraw(CONTRIBUTOR, sender=self.owner))

    def lock(self, amount: int) -> None:
        until = boa.env.evm.patch.timestamp + 2_000
        terms = (CONTRIBUTOR, self.owner, SUBJECT, amount, until)
        self.vault.lock(*terms, sender=self.board)

    def slash(self, amount: int, recipient: str) -> int:
        terms = (CONTRIBUTOR, self.owner, SUBJECT, amount, recipient)
        return int(self.vault.slash(*terms, sender=self.board))

    def books(self) -> tuple[Any, ...]:
        position = self.vault.position(CONTRIBUTOR, self.owner)
        return position, self.vault.total(), self.token.balanceOf(self.vault)


@pytest.fixture
def false(system: System) -> Vault:
    return Vault(system, load("mocks/FalseToken"))


def test_stake__token_that_returns_false__is_refused(false: Vault) -> None:
    false.token.set_broken(True)
    before = false.books()
    with boa.reverts("StakeVault: transfer failed"):
        false.stake(UNIT)
    assert false.books() == before
    false.token.set_broken(False)
    false.stake(UNIT)
    assert false.token.balanceOf(false.vault) == UNIT


def test_withdraw__token_that_returns_false__is_refused(false: Vault) -> None:
    false.stake(UNIT)
    false.unbond(UNIT)
    boa.env.time_travel(seconds=1_000)
    false.token.set_broken(True)
    before = false.books()
    with boa.reverts("StakeVault: transfer failed"):
        false.withdraw()
    assert false.books() == before
    false.token.set_broken(False)
    assert false.withdraw() == UNIT


def test_slash__token_that_returns_false__is_refused(false: Vault, system: System) -> None:
    false.stake(UNIT)
    false.lock(UNIT)
    false.token.set_broken(True)
    before = false.books()
    with boa.reverts("StakeVault: transfer failed"):
        false.slash(1, system.stranger)
    assert false.books() == before
    false.token.set_broken(False)
    assert false.slash(1, system.stranger) == 1


def test_stake__token_that_returns_nothing__works_throughout(system: System) -> None:
    silent = Vault(system, load("mocks/SilentToken"))
    silent.stake(10 * UNIT)
    silent.lock(4 * UNIT)
    assert silent.slash(UNIT, system.stranger) == UNIT
    silent.unbond(9 * UNIT)
    boa.env.time_travel(seconds=1_000)
    assert silent.withdraw() == 6 * UNIT
    assert silent.token.balanceOf(system.stranger) == UNIT
    assert silent.vault.total() == silent.token.balanceOf(silent.vault) == 3 * UNIT


def test_stake__half_a_word__is_the_most_with_what_unbonds(system: System) -> None:
    huge = Vault(system, load("mocks/SilentToken"), 2**129)
    huge.stake(MAX_AMOUNT)
    before = huge.books()
    with boa.reverts("StakeVault: amount too large"):
        huge.stake(1)
    assert huge.books() == before
    huge.unbond(5)
    with boa.reverts("StakeVault: amount too large"):
        huge.stake(1)
    boa.env.time_travel(seconds=1_000)
    huge.withdraw()
    huge.stake(5)
    position = huge.vault.position(CONTRIBUTOR, huge.owner)
    assert (position.staked, position.unbonding) == (MAX_AMOUNT, 0)
