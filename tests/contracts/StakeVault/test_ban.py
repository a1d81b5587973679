"""Bans: they end, and never keep anybody's stake."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import CONTRIBUTOR, UNIT, System, events


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def test_ban__for_a_time__keeps_from_joining_and_staking_until_it_ends(system: System) -> None:
    system.stake(system.contributor, 10 * UNIT)
    until = now() + system.MAX_LOCK
    system.vault.ban(system.contributor, until, sender=system.board.address)
    assert events(system.vault) == [("Banned", {"account": system.contributor, "until": until})]
    system.mint(system.contributor, 1)
    terms = (CONTRIBUTOR, system.contributor, b"\x01" * 32, 1, until)
    for _ in range(2):
        with system.refused("StakeVault: banned"):
            system.vault.join(CONTRIBUTOR, b"\x01" * 32, sender=system.contributor)
        with system.refused("StakeVault: banned"):
            system.vault.stake(CONTRIBUTOR, 1, sender=system.contributor)
        with system.refused("StakeVault: banned"):
            system.vault.lock(*terms, sender=system.board.address)
        boa.env.time_travel(seconds=until - 1 - now())
    boa.env.time_travel(seconds=1)
    system.vault.join(CONTRIBUTOR, b"\x01" * 32, sender=system.contributor)
    system.vault.stake(CONTRIBUTOR, 1, sender=system.contributor)


@pytest.mark.parametrize("beyond", [1, 2**200])
def test_ban__longer_than_a_lock__is_refused(system: System, beyond: int) -> None:
    with system.refused("StakeVault: ban too long"):
        system.vault.ban(
            system.contributor,
            now() + system.MAX_LOCK + beyond,
            sender=system.board.address,
        )
