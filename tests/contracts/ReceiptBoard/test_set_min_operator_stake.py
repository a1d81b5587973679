"""The stake of members, which answers for all open receipts."""

from __future__ import annotations

from tests.support.system import System


def test_set_min_operator_stake__below_what_receipts_bind__is_refused(system: System) -> None:
    least = system.MAX_OPEN * system.RECEIPT_STAKE
    with system.refused("ReceiptBoard: stake below what receipts bind"):
        system.board.set_min_operator_stake(least - 1, sender=system.governance)
    system.board.set_min_operator_stake(least, sender=system.governance)
    assert system.board.min_operator_stake() == least
