"""Cosigning: more signers of the same set, early, and never of a challenged receipt."""

from __future__ import annotations

from dataclasses import replace

import boa

from tests.support.system import OPERATOR, Receipt, System, events


def cosign(system: System, receipt: Receipt, *seats: int) -> None:
    signatures = system.sign(receipt, [system.operators[seat] for seat in seats])
    system.board.cosign(receipt.values(), signatures, system.members(), sender=system.stranger)


def test_cosign__third_operator__shares_fee_and_risk(system: System, pending: Receipt) -> None:
    boa.env.time_travel(seconds=system.WINDOW // 2 - 1)
    signatures = system.sign(pending, [system.operators[2]])
    system.board.cosign(pending.values(), signatures, system.members(), sender=system.stranger)
    logs = events(system.board)
    assert [name for name, _ in logs] == ["ReceiptCosigned"]
    assert [tuple(pair) for pair in logs[0][1].pop("signatures")] == signatures
    assert logs[0][1] == {"campaign": 1, "digest": system.digest(pending), "signers": 0b111}
    progress = system.board.progress(1)
    assert (progress.signers, progress.operatorSet, progress.pending) == (0b111, 1, True)
    case = system.challenge(pending)
    system.rule(case, 2)
    assert [system.vault.staked(OPERATOR, one.address) for one in system.operators] == [
        system.MIN_STAKE - system.RECEIPT_STAKE
    ] * 3


def test_cosign__then_finalized__pays_the_larger_quorum(system: System, pending: Receipt) -> None:
    cosign(system, pending, 2)
    system.finalize(pending)
    assert system.escrow.fee_pool(system.token.address, 1 << 32 | 0b111) == pending.feeTotal


def test_cosign__second_half_of_the_window__is_refused(system: System, pending: Receipt) -> None:
    boa.env.time_travel(seconds=system.WINDOW // 2)
    with system.refused("ReceiptBoard: too late to cosign"):
        cosign(system, pending, 2)


def test_cosign__challenged__is_refused_even_when_dismissed(
    system: System, pending: Receipt
) -> None:
    case = system.challenge(pending)
    with system.refused("ReceiptBoard: receipt was challenged"):
        cosign(system, pending, 2)
    system.rule(case, 1)
    with system.refused("ReceiptBoard: receipt was challenged"):
        cosign(system, pending, 2)


def test_cosign__by_who_signed_already__is_refused(system: System, pending: Receipt) -> None:
    with system.refused("ReceiptBoard: signed already"):
        cosign(system, pending, 1, 2)
    with system.refused("ReceiptBoard: no signatures"):
        cosign(system, pending)
    cosign(system, pending, 2)
    with system.refused("ReceiptBoard: signed already"):
        cosign(system, pending, 2)


def test_cosign__bad_signers__is_refused(system: System, pending: Receipt) -> None:
    outsider = system.sign(pending, [system.outsider])
    with system.refused("ReceiptBoard: signer not an operator"):
        system.board.cosign(pending.values(), outsider, system.members())
    with system.refused("ReceiptBoard: signers not ascending"):
        cosign(system, pending, 2, 2)
    system.vault.unbond(OPERATOR, 1, sender=system.operators[2].address)
    with system.refused("ReceiptBoard: signer not active"):
        cosign(system, pending, 2)


def test_cosign__set_was_replaced__is_refused(system: System, pending: Receipt) -> None:
    system.set_operators([operator.address for operator in system.operators], 2)
    with system.refused("ReceiptBoard: set was replaced"):
        cosign(system, pending, 2)


def test_cosign__members_of_no_such_set__is_refused(system: System, pending: Receipt) -> None:
    signatures, members = system.sign(pending, [system.operators[2]]), system.members()
    for wrong in ([], members[:2], members[::-1], [*members, system.outsider.address]):
        with system.refused("ReceiptBoard: not the set"):
            system.board.cosign(pending.values(), signatures, wrong)
    system.board.cosign(pending.values(), signatures, members)


def test_cosign__not_the_pending_receipt__is_refused(system: System, pending: Receipt) -> None:
    with system.refused("ReceiptBoard: not the pending receipt"):
        cosign(system, replace(pending, epoch=7), 2)
    system.finalize(pending)
    with system.refused("ReceiptBoard: nothing pending"):
        cosign(system, pending, 2)
