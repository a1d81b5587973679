"""The guardian's pause: short, rare, and never in the way of who wants to leave."""

from __future__ import annotations

import boa

from tests.support.system import Receipt, System, events


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def test_pause__by_guardian__stops_posting_until_it_ends(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    system.board.pause(sender=system.guardian)
    until = now() + system.MAX_PAUSE
    assert events(system.board) == [("Paused", {"until": until})]
    assert system.board.paused_until() == system.board.last_activity(campaign) == until
    boa.env.time_travel(seconds=system.MAX_PAUSE - 1)
    with system.refused("ReceiptBoard: paused"):
        system.post(receipt)
    boa.env.time_travel(seconds=1)
    system.post(receipt)


def test_pause__receipt_pending__is_finalized_all_the_same(
    system: System, pending: Receipt
) -> None:
    system.board.pause(sender=system.guardian)
    system.finalize(pending)
    assert not system.board.is_pending(1)


def test_pause__by_others__is_refused(system: System) -> None:
    for sender in (system.stranger, system.governance):
        with system.refused("ReceiptBoard: not the guardian"):
            system.board.pause(sender=sender)


def test_pause__within_the_cooldown__is_refused(system: System) -> None:
    system.board.pause(sender=system.guardian)
    boa.env.time_travel(seconds=system.MAX_PAUSE + system.PAUSE_COOLDOWN - 1)
    with system.refused("ReceiptBoard: paused too recently"):
        system.board.pause(sender=system.guardian)
    boa.env.time_travel(seconds=1)
    system.board.pause(sender=system.guardian)


def test_pause__another_guardian__waits_out_the_same_cooldown(system: System) -> None:
    system.board.pause(sender=system.guardian)
    system.board.set_guardian(system.stranger, sender=system.governance)
    boa.env.time_travel(seconds=system.MAX_PAUSE)
    with system.refused("ReceiptBoard: paused too recently"):
        system.board.pause(sender=system.stranger)


def test_unpause__by_guardian_or_owner__ends_it_and_starts_the_cooldown(system: System) -> None:
    for caller in (system.guardian, system.governance):
        system.board.pause(sender=system.guardian)
        boa.env.time_travel(seconds=60)
        system.board.unpause(sender=caller)
        assert events(system.board) == [("Unpaused", {"caller": caller})]
        assert system.board.paused_until() == now()
        with system.refused("ReceiptBoard: not paused"):
            system.board.unpause(sender=caller)
        boa.env.time_travel(seconds=system.PAUSE_COOLDOWN - 1)
        with system.refused("ReceiptBoard: paused too recently"):
            system.board.pause(sender=system.guardian)
        boa.env.time_travel(seconds=1)


def test_unpause__by_stranger__is_refused(system: System) -> None:
    system.board.pause(sender=system.guardian)
    with system.refused("ReceiptBoard: not the guardian"):
        system.board.unpause(sender=system.stranger)


def test_pause__set_named_meanwhile__goes_on(system: System, campaign: int) -> None:
    system.board.pause(sender=system.guardian)
    system.set_operators([operator.address for operator in system.operators], 2)
    with system.refused("ReceiptBoard: paused"):
        system.post(system.receipt(campaign))
