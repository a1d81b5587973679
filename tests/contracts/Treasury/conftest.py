"""A pot of 60 units for a campaign whose first receipt came before it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.system import UNIT, System


def give(system: System, campaign: int, amount: int, token: Any = None) -> None:
    """What the board does with a forfeited bond."""
    token = token or system.token
    token.mint(system.treasury.address, amount, sender=system.governance)
    system.treasury.credit(campaign, token.address, amount, sender=system.board.address)


@pytest.fixture
def pot(system: System, campaign: int) -> int:
    system.settle(system.receipt(campaign))
    give(system, campaign, 60 * UNIT)
    return int(system.treasury.pot_count())
