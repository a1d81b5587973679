"""The bond of new cases."""

from __future__ import annotations

from tests.support.system import UNIT, System, events


def test_set_challenge_bond__by_owner__counts_for_new_cases(system: System) -> None:
    bond = 7 * system.CHALLENGE_BOND
    system.board.set_challenge_bond(bond, sender=system.governance)
    assert events(system.board) == [
        ("ChallengeBondSet", {"previous": system.CHALLENGE_BOND, "current": bond})
    ]
    assert system.board.challenge_bond() == system.board.next_bond(1) == bond


def test_set_challenge_bond__out_of_bounds__is_refused(system: System) -> None:
    with system.refused("ReceiptBoard: bond below its minimum"):
        system.board.set_challenge_bond(system.CHALLENGE_BOND - 1, sender=system.governance)
    with system.refused("ReceiptBoard: bond too large"):
        system.board.set_challenge_bond(2**128, sender=system.governance)
    with system.refused("ownable: caller is not the owner"):
        system.board.set_challenge_bond(system.CHALLENGE_BOND, sender=system.stranger)
    system.board.set_challenge_bond(2**128 - 1, sender=system.governance)
    system.board.set_challenge_bond(system.CHALLENGE_BOND, sender=system.governance)
    assert system.board.challenge_bond() == system.board.min_challenge_bond() == 50 * UNIT
