"""Finalizing: after the window, with the receipt that was posted."""

from __future__ import annotations

from dataclasses import replace

import boa

from tests.support.system import UNIT, System, events


def test_finalize__after_window__settles(system: System, campaign: int) -> None:
    receipt = system.receipt(
        campaign,
        payoutRoot=b"\x01" * 32,
        payoutTotal=100 * UNIT,
        feeTotal=5 * UNIT,
        bondCharge=10 * UNIT,
        slashRoot=b"\x06" * 32,
    )
    system.post(receipt)
    system.finalize(receipt)
    digest = system.digest(receipt)
    assert events(system.board) == [
        (
            "Settled",
            {
                "campaign": campaign,
                "epoch": 1,
                "payout_root": b"\x01" * 32,
                "payout_total": 100 * UNIT,
                "fee_total": 5 * UNIT,
                "bond_charge": 10 * UNIT,
                "fee": 5 * UNIT,
                "quorum": 1 << 32 | 0b011,
                "complete": False,
            },
        ),
        ("ReceiptFinalized", {"campaign": campaign, "digest": digest, "epoch": 1}),
    ]
    progress = system.board.progress(campaign)
    assert (progress.digest, progress.pending, progress.attempt) == (digest, False, 0)
    assert (progress.epoch, progress.logPosition) == (1, receipt.logPosition)
    assert (progress.asOf, progress.labelCount) == (receipt.asOf, receipt.labelCount)
    assert (progress.operatorSet, progress.signers) == (1, 0b011)
    assert system.board.slash_root(campaign, 1) == b"\x06" * 32
    state = system.escrow.campaign(campaign)
    assert (state.reserved, state.payout_total, state.fee_total) == (0, 100 * UNIT, 5 * UNIT)
    assert (state.bond_charge, state.claimed) == (10 * UNIT, 0)


def test_finalize__within_window__is_refused(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    system.post(receipt)
    boa.env.time_travel(seconds=system.WINDOW - 1)
    with system.refused("ReceiptBoard: window is open"):
        system.board.finalize(receipt.values())
    boa.env.time_travel(seconds=1)
    system.board.finalize(receipt.values())
    with system.refused("ReceiptBoard: nothing pending"):
        system.board.finalize(receipt.values())


def test_finalize__another_receipt__is_refused(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    system.post(receipt)
    boa.env.time_travel(seconds=system.WINDOW)
    with system.refused("ReceiptBoard: not the pending receipt"):
        system.board.finalize(replace(receipt, payoutTotal=1).values())


def test_finalize__each_receipt__names_the_one_before(system: System, campaign: int) -> None:
    for _ in range(3):
        before = system.board.progress(campaign).digest
        receipt = system.receipt(campaign)
        assert receipt.previous == before
        system.settle(receipt)
    assert system.board.progress(campaign).epoch == 3


def test_finalize__set_changed_in_the_window__keeps_the_signers(
    system: System, campaign: int
) -> None:
    receipt = system.receipt(campaign, payoutRoot=b"\x01" * 32, payoutTotal=100, feeTotal=4)
    system.post(receipt)
    system.set_operators([system.operators[2].address], 1)
    system.finalize(receipt)
    assert system.escrow.fee_pool(system.token.address, 1 << 32 | 0b011) == 4


def test_finalize__odd_counters__leave_their_neighbours_alone(
    system: System, campaign: int
) -> None:
    """They share a word: the lowest bit of one stands beside the highest of the next."""
    for position in (11, 23):
        receipt = system.receipt(campaign, logPosition=position, labelCount=position)
        system.settle(receipt)
        progress = system.board.progress(campaign)
        assert (progress.logPosition, progress.labelCount) == (position, position)
        assert (progress.asOf, progress.epoch) == (receipt.asOf, receipt.epoch)


def test_finalize__counters_where_they_were__follows(system: System, campaign: int) -> None:
    """An epoch in which nobody labeled has its receipt too."""
    first = system.receipt(campaign)
    system.settle(first)
    counters = {name: getattr(first, name) for name in ("logPosition", "labelCount", "asOf")}
    system.settle(system.receipt(campaign, **counters))
    progress = system.board.progress(campaign)
    assert progress.epoch == 2
    assert {name: getattr(progress, name) for name in counters} == counters
