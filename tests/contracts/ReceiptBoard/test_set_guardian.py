"""Who may pause."""

from __future__ import annotations

from tests.support.system import ZERO_ADDRESS, System, events


def test_set_guardian__by_owner__replaces(system: System) -> None:
    system.board.set_guardian(ZERO_ADDRESS, sender=system.governance)
    assert events(system.board) == [
        ("GuardianSet", {"previous": system.guardian, "current": ZERO_ADDRESS})
    ]
    with system.refused("ReceiptBoard: not the guardian"):
        system.board.pause(sender=system.guardian)
    with system.refused("ownable: caller is not the owner"):
        system.board.set_guardian(system.stranger, sender=system.stranger)
