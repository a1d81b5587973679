"""Deadlines: a case without ruling voids the receipt and slashes nobody."""

from __future__ import annotations

import boa

from tests.support.system import OPERATOR, UNIT, Receipt, System, events, store


def restake(system: System) -> None:
    for signer in system.operators[:2]:
        system.stake(signer.address, system.RECEIPT_STAKE, OPERATOR)


def test_expire__at_the_deadline__voids_without_slashing(system: System, pending: Receipt) -> None:
    digest, half = system.digest(pending), system.CHALLENGE_BOND // 2
    case = system.challenge(pending)
    system.expire(case)
    logs = events(system.board)
    assert [name for name, _ in logs] == [
        "Released",
        "LockReleased",
        "LockReleased",
        "ReceiptVoided",
        "Transfer",
        "Transfer",
        "Credited",
        "CaseClosed",
    ]
    assert logs[0][1] == {"campaign": 1, "amount": 105 * UNIT}
    assert logs[3][1] == {
        "campaign": 1,
        "digest": digest,
        "epoch": 2,
        "attempt": 0,
        "slashed": 0,
        "reward": 0,
        "to_treasury": 0,
    }
    assert logs[-1][1] == {
        "campaign": 1,
        "digest": digest,
        "case": case,
        "outcome": 4,
        "returned": half,
        "to_signers": 0,
        "to_treasury": half,
    }
    assert system.balance(system.challenger) == half
    assert system.treasury.pot(1).amount == half
    assert system.balance(system.board) == 0
    for signer in system.operators:
        position = system.vault.position(OPERATOR, signer.address)
        assert (position.staked, position.locked) == (system.MIN_STAKE, 0)
    assert system.board.progress(1).attempt == 1
    assert not system.board.is_pending(1)
    assert system.escrow.campaign(1).reserved == 0
    assert system.board.last_activity(1) == boa.env.evm.patch.timestamp


def test_expire__before_the_deadline__is_refused(system: System, pending: Receipt) -> None:
    case = system.challenge(pending)
    boa.env.time_travel(seconds=system.DISPUTE - 1)
    with system.refused("ReceiptBoard: deadline is not over"):
        system.board.expire(case)
    boa.env.time_travel(seconds=1)
    system.board.expire(case)


def test_expire__unknown_or_closed_case__is_refused(system: System, pending: Receipt) -> None:
    for case in (0, 1):
        with system.refused("ReceiptBoard: no such case"):
            system.board.expire(case)
    case = system.challenge(pending)
    system.rule(case, 1)
    with system.refused("ReceiptBoard: case is closed"):
        system.board.expire(case)


def test_expire__receipt_voided_already__splits_the_bond_only(
    system: System, pending: Receipt
) -> None:
    first, second = system.challenge(pending, "a"), system.challenge(pending, "b")
    system.rule(first, 2)
    system.expire(second)
    assert [name for name, _ in events(system.board)] == [
        "Transfer",
        "Transfer",
        "Credited",
        "CaseClosed",
    ]
    assert system.board.voids(1, 2) == 1


def test_expire__each_time__doubles_the_campaigns_bond_up_to_a_bound(
    system: System, pending: Receipt
) -> None:
    other = system.create()
    bonds = [system.board.next_bond(1)]
    receipt = pending
    for epoch in range(3, 11):
        system.expire(system.challenge(receipt))
        bonds.append(system.board.next_bond(1))
        receipt = system.receipt(1, epoch=epoch)
        system.post(receipt)
    assert bonds == [system.CHALLENGE_BOND << min(i, 6) for i in range(9)]
    assert system.board.next_bond(other) == system.board.challenge_bond() == system.CHALLENGE_BOND


def test_post__three_voids_of_an_epoch__takes_only_a_higher_one(
    system: System, pending: Receipt
) -> None:
    receipt = pending
    for attempt in range(3):
        assert receipt.attempt == attempt
        system.rule(system.challenge(receipt), 2)
        restake(system)
        receipt = system.receipt(1)
        if attempt < 2:
            system.post(receipt)
    assert (receipt.epoch, system.board.voids(1, 2)) == (2, 3)
    with system.refused("ReceiptBoard: attempts spent"):
        system.post(receipt)
    system.post(system.receipt(1, epoch=3))
    assert system.board.is_pending(1)


def test_post__as_many_voids_as_an_attempt_can_count__is_refused(
    system: System, campaign: int
) -> None:
    # an attempt that could no longer rise would let a voided receipt return
    store(system.board, "_progress", (2**7 - 2) << 154, campaign)
    last = system.receipt(campaign)
    assert last.attempt == 126
    system.post(last)
    system.expire(system.challenge(last))
    receipt = system.receipt(campaign, epoch=9)
    assert receipt.attempt == 127
    with system.refused("ReceiptBoard: attempts spent"):
        system.post(receipt)
