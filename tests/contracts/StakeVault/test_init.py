"""The constructor, and what it fixes."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import ZERO_ADDRESS, System, events, load


def terms(system: System, **changes: Any) -> list[Any]:
    return list(
        {
            "token": system.token.address,
            "treasury": system.treasury.address,
            "escrow": system.escrow.address,
            "board": system.board.address,
            "unbonding": 1,
            "lock": 1,
            **changes,
        }.values()
    )


@pytest.mark.parametrize("name", ["token", "treasury", "escrow", "board", "unbonding", "lock"])
def test_deploy__anything_zero__is_refused(system: System, name: str) -> None:
    zero = 0 if name in ("unbonding", "lock") else ZERO_ADDRESS
    with boa.reverts(f"StakeVault: {name} is zero"):
        load("StakeVault", *terms(system, **{name: zero}))


def test_deploy__least_durations__are_kept(system: System) -> None:
    with boa.env.prank(system.stranger):
        vault = load("StakeVault", *terms(system))
    assert (vault.unbonding_seconds(), vault.max_lock_seconds()) == (1, 1)
    assert (vault.escrow(), vault.board()) == (system.escrow.address, system.board.address)
    assert (vault.token(), vault.treasury()) == (system.token.address, system.treasury.address)
    assert vault.owner() == system.stranger
    assert vault.total() == 0


def test_is_registered__wiring_from_the_start__others_by_the_owner(system: System) -> None:
    vault = system.vault
    assert vault.is_registered(system.escrow.address)
    assert vault.is_registered(system.board.address)
    assert not vault.is_registered(system.stranger)
    vault.register(system.stranger, True, sender=system.governance)
    assert vault.is_registered(system.stranger)


@pytest.mark.parametrize("name", ["escrow", "board"])
def test_register__wiring__is_fixed(system: System, name: str) -> None:
    contract = getattr(system, name).address
    for registered in (True, False):
        with system.refused("StakeVault: wiring is fixed"):
            system.vault.register(contract, registered, sender=system.governance)
    assert system.vault.is_registered(contract)


def test_transfer_ownership__in_two_steps__moves_the_right_to_register(system: System) -> None:
    vault = system.vault
    vault.transfer_ownership(system.stranger, sender=system.governance)
    assert (vault.owner(), vault.pending_owner()) == (system.governance, system.stranger)
    with system.refused("ownable: caller is not the owner"):
        vault.register(system.gateway, True, sender=system.stranger)
    vault.accept_ownership(sender=system.stranger)
    assert [name for name, _ in events(vault)] == ["OwnershipTransferred"]
    vault.register(system.gateway, True, sender=system.stranger)
    vault.renounce_ownership(sender=system.stranger)
    assert vault.owner() == ZERO_ADDRESS
