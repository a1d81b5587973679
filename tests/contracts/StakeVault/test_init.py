"""The constructor: nothing it is given may be zero."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import ZERO_ADDRESS, System, load

REASONS = (
    "StakeVault: token is zero",
    "StakeVault: treasury is zero",
    "StakeVault: escrow is zero",
    "StakeVault: board is zero",
    "StakeVault: unbonding is zero",
    "StakeVault: lock is zero",
)


@pytest.mark.parametrize(("place", "reason"), list(enumerate(REASONS)))
def test_deploy__zero__is_refused(system: System, place: int, reason: str) -> None:
    arguments: list[Any] = [system.token.address, *[system.stranger] * 3, 1, 1]
    load("StakeVault", *arguments)
    arguments[place] = ZERO_ADDRESS if place < 4 else 0
    with boa.reverts(reason):
        load("StakeVault", *arguments)
