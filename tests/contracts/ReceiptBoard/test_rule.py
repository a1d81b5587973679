"""Rulings: upheld voids and slashes, dismissed splits the bond, late evidence costs nobody."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import CONTRIBUTOR, OPERATOR, UNIT, Receipt, System, events, load

QUORUM = 1 << 32 | 0b011


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def named(logs: list[tuple[str, dict[str, Any]]], *names: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, values) for name, values in logs if name in names]


def closed(system: System, receipt: Receipt, case: int, outcome: int, *sums: int) -> Any:
    keys = ("returned", "to_signers", "to_treasury")
    about = {"campaign": receipt.campaign, "digest": system.digest(receipt), "case": case}
    return ("CaseClosed", {**about, "outcome": outcome, **dict(zip(keys, sums, strict=True))})


def locked(system: System, receipt: Receipt) -> list[int]:
    digest = system.digest(receipt)
    return [system.vault.lock_of(OPERATOR, one.address, digest).amount for one in system.operators]


def test_rule__upheld__voids_slashes_and_rewards(system: System, pending: Receipt) -> None:
    digest, stake, bond = system.digest(pending), system.RECEIPT_STAKE, system.CHALLENGE_BOND
    case = system.challenge(pending)
    boa.env.time_travel(seconds=system.DISPUTE - 1)
    system.rule(case, 2)
    logs = events(system.arbitrator)
    assert [name for name, _ in logs] == [
        "Ruling",
        "Released",
        *("Transfer", "Slashed", "OperatorSynced") * 2,
        "Transfer",
        "Credited",
        "Transfer",
        "ReceiptVoided",
        "Transfer",
        "CaseClosed",
    ]
    assert logs[0][1] == {
        "arbitrator": system.arbitrator.address,
        "dispute": 0,
        "ruling": 2,
    }
    assert logs[1][1] == {"campaign": 1, "amount": 105 * UNIT}
    assert named(logs, "ReceiptVoided") == [
        (
            "ReceiptVoided",
            {
                "campaign": 1,
                "digest": digest,
                "epoch": 2,
                "attempt": 0,
                "slashed": 2 * stake,
                "reward": stake,
                "to_treasury": stake,
            },
        )
    ]
    assert logs[-1] == closed(system, pending, case, 2, bond, 0, 0)
    progress = system.board.progress(1)
    assert (progress.digest, progress.pending) == (pending.previous, False)
    assert (progress.attempt, progress.epoch) == (1, 1)
    assert not system.board.is_challenged(1)
    assert system.board.voids(1, 2) == 1
    assert system.board.last_activity(1) == now()
    assert system.escrow.campaign(1).reserved == 0
    for signer in system.operators[:2]:
        assert system.vault.staked(OPERATOR, signer.address) == system.MIN_STAKE - stake
        assert not system.board.is_active(signer.address)
    assert system.vault.staked(OPERATOR, system.operators[2].address) == system.MIN_STAKE
    assert locked(system, pending) == [0, 0, 0]
    assert system.balance(system.challenger) == bond + stake
    assert system.balance(system.treasury) == system.treasury.pot(1).amount == stake
    assert system.balance(system.board) == 0
    assert system.vault.total() == system.balance(system.vault)
    assert tuple(system.board.contest(digest)) == (1, 2, pending.previous, QUORUM, 0, True, False)
    assert system.board.case(case).outcome == 2


def test_rule__upheld__the_next_attempt_follows_the_last_finalized(
    system: System, pending: Receipt
) -> None:
    system.rule(system.challenge(pending), 2)
    for signer in system.operators[:2]:
        system.stake(signer.address, system.RECEIPT_STAKE, OPERATOR)
    with system.refused("ReceiptBoard: wrong attempt"):
        system.post(pending)
    again = system.receipt(1)
    assert (again.attempt, again.previous) == (1, pending.previous)
    system.settle(again)
    assert system.board.progress(1).attempt == 0


@pytest.mark.parametrize("party", ["signer", "requester"])
def test_rule__upheld_for_a_party__rewards_the_treasury_instead(
    system: System, pending: Receipt, party: str
) -> None:
    challenger = system.requester if party == "requester" else system.operators[0].address
    before = system.balance(challenger)
    system.rule(system.challenge(pending, challenger=challenger), 2)
    assert system.balance(challenger) == before + system.CHALLENGE_BOND
    assert system.treasury.general(system.token) == system.RECEIPT_STAKE
    assert system.treasury.pot(1).amount == system.RECEIPT_STAKE
    voided = named(events(system.arbitrator), "ReceiptVoided")[0][1]
    assert (voided["reward"], voided["to_treasury"]) == (0, 2 * system.RECEIPT_STAKE)


def test_rule__upheld_for_an_operator_who_did_not_sign__is_rewarded(
    system: System, pending: Receipt
) -> None:
    other = system.operators[2].address
    system.rule(system.challenge(pending, challenger=other), 2)
    assert system.balance(other) == system.CHALLENGE_BOND + system.RECEIPT_STAKE


@pytest.mark.parametrize("ruling", [0, 1])
def test_rule__dismissed__splits_the_bond_and_ends_the_freeze(
    system: System, pending: Receipt, ruling: int
) -> None:
    case = system.challenge(pending)
    fees = system.escrow.fee_pool(system.token.address, QUORUM)
    escrowed = system.balance(system.escrow)
    system.rule(case, ruling)
    half = system.CHALLENGE_BOND // 2
    logs = events(system.arbitrator)
    assert [name for name, _ in logs] == [
        "Ruling",
        *["LockReleased"] * 2,
        "Transfer",
        "FeesCredited",
        "Transfer",
        "Credited",
        "CaseClosed",
    ]
    assert logs[-1] == closed(system, pending, case, 1, 0, half, half)
    assert system.escrow.fee_pool(system.token.address, QUORUM) == fees + half
    assert system.balance(system.escrow) == escrowed + half
    assert system.treasury.pot(1).amount == system.balance(system.treasury) == half
    assert (system.balance(system.board), system.balance(system.challenger)) == (0, 0)
    assert not system.board.is_challenged(1)
    assert locked(system, pending) == [0, 0, 0]
    system.finalize(pending)
    assert system.board.progress(1).epoch == 2


def test_rule__dismissed_with_an_odd_bond__loses_nothing(system: System, pending: Receipt) -> None:
    bond = system.CHALLENGE_BOND + 1
    system.board.set_challenge_bond(bond, sender=system.governance)
    case = system.challenge(pending)
    system.rule(case, 1)
    expected = closed(system, pending, case, 1, 0, bond // 2, bond - bond // 2)
    assert events(system.arbitrator)[-1] == expected
    assert system.balance(system.board) == 0


def test_rule__one_of_two_dismissed__stays_frozen_with_the_stake_locked(
    system: System, pending: Receipt
) -> None:
    first, second = system.challenge(pending, "a"), system.challenge(pending, "b")
    system.rule(first, 1)
    assert system.board.is_challenged(1)
    assert locked(system, pending) == [system.RECEIPT_STAKE] * 2 + [0]
    system.rule(second, 1)
    assert not system.board.is_challenged(1)
    assert locked(system, pending) == [0, 0, 0]


def test_rule__late_evidence__returns_the_bond_and_restarts_the_window_once(
    system: System, pending: Receipt
) -> None:
    boa.env.time_travel(seconds=system.WINDOW - 1)
    case = system.challenge(pending, "a")
    boa.env.time_travel(seconds=system.WINDOW)
    system.rule(case, 3)
    logs = events(system.arbitrator)
    assert [name for name, _ in logs] == [
        "Ruling",
        "WindowRestarted",
        *["LockReleased"] * 2,
        "Transfer",
        "CaseClosed",
    ]
    ends_at = now() + system.WINDOW
    assert logs[1][1] == {"campaign": 1, "digest": system.digest(pending), "ends_at": ends_at}
    assert logs[-1] == closed(system, pending, case, 3, system.CHALLENGE_BOND, 0, 0)
    assert system.balance(system.challenger) == system.CHALLENGE_BOND
    assert [system.vault.staked(OPERATOR, one.address) for one in system.operators] == [
        system.MIN_STAKE
    ] * 3
    assert system.board.last_activity(1) == now()
    boa.env.time_travel(seconds=system.WINDOW - 1)
    with system.refused("ReceiptBoard: window is open"):
        system.board.finalize(pending.values())

    # the second time nothing restarts
    again = system.challenge(pending, "b")
    boa.env.time_travel(seconds=1)
    system.rule(again, 3)
    assert not named(events(system.arbitrator), "WindowRestarted")
    system.board.finalize(pending.values())


def test_rule__late_with_another_case_open__stays_frozen(system: System, pending: Receipt) -> None:
    first, second = system.challenge(pending, "a"), system.challenge(pending, "b")
    boa.env.time_travel(seconds=system.WINDOW)
    system.rule(first, 3)
    assert system.board.is_challenged(1)
    # a third one in the new window may end later than the lock of the first ones
    third = system.challenge(pending, "c")
    digest, signer = system.digest(pending), system.operators[0].address
    expires_at = system.vault.lock_of(OPERATOR, signer, digest).expires_at
    assert expires_at >= system.board.case(third).deadline
    system.rule(second, 1)
    boa.env.time_travel(seconds=system.DISPUTE - 1)
    system.rule(third, 2)
    assert system.vault.staked(OPERATOR, signer) == system.MIN_STAKE - system.RECEIPT_STAKE


def test_rule__receipt_voided_already__settles_bonds_only(system: System, pending: Receipt) -> None:
    cases = [system.challenge(pending, place) for place in "abcd"]
    system.rule(cases[0], 2)
    stakes = [system.vault.staked(OPERATOR, one.address) for one in system.operators]
    half = system.CHALLENGE_BOND // 2
    system.rule(cases[1], 2)
    assert [name for name, _ in events(system.arbitrator)] == [
        "Ruling",
        "Transfer",
        "CaseClosed",
    ]
    system.rule(cases[2], 3)
    assert events(system.arbitrator)[-1] == closed(
        system, pending, cases[2], 3, system.CHALLENGE_BOND, 0, 0
    )
    system.rule(cases[3], 0)
    ruling = {"arbitrator": system.arbitrator.address, "dispute": cases[3] - 1, "ruling": 0}
    assert events(system.arbitrator)[0] == ("Ruling", ruling)
    assert events(system.arbitrator)[-1] == closed(system, pending, cases[3], 1, 0, half, half)
    assert [system.vault.staked(OPERATOR, one.address) for one in system.operators] == stakes
    assert system.board.voids(1, 2) == 1
    assert system.board.progress(1).attempt == 1
    assert system.balance(system.board) == 0


def test_rule__void_while_another_receipt_is_pending__leaves_that_alone(
    system: System, pending: Receipt
) -> None:
    first, second = system.challenge(pending, "a"), system.challenge(pending, "b")
    system.rule(first, 2)
    for signer in system.operators[:2]:
        system.stake(signer.address, system.RECEIPT_STAKE, OPERATOR)
    successor = system.receipt(1)
    system.post(successor)
    system.challenge(successor, "a")
    system.rule(second, 2)
    assert system.board.is_pending(1)
    assert system.board.is_challenged(1)
    assert system.board.progress(1).digest == system.digest(successor)


def test_rule__by_another__is_refused(system: System, pending: Receipt) -> None:
    case = system.challenge(pending)
    for sender in (system.stranger, system.governance, system.challenger):
        with system.refused("ReceiptBoard: no such case"):
            system.board.rule(0, 2, sender=sender)
    with system.refused("ReceiptBoard: no such case"):
        system.board.rule(1, 2, sender=system.arbitrator.address)
    system.rule(case, 2)


def test_rule__twice__is_refused(system: System, pending: Receipt) -> None:
    system.rule(system.challenge(pending, "a"), 1)
    system.challenge(pending, "b")
    with system.refused("ReceiptBoard: case is closed"):
        system.board.rule(0, 2, sender=system.arbitrator.address)


def test_rule__at_the_deadline__is_refused(system: System, pending: Receipt) -> None:
    case = system.challenge(pending)
    boa.env.time_travel(seconds=system.DISPUTE)
    with system.refused("ReceiptBoard: deadline is over"):
        system.rule(case, 2)


def test_rule__unknown_choice__is_refused(system: System, pending: Receipt) -> None:
    hostile = load("mocks/HostileArbitrator")
    system.board.set_arbitrator(hostile.address, b"", "", sender=system.governance)
    system.challenge(pending, value=0)
    with system.refused("ReceiptBoard: no such ruling"):
        hostile.give_ruling(system.board.address, 0, 4)
    hostile.give_ruling(system.board.address, 0, 3)


def test_rule__arbitrator_replaced__keeps_its_cases(system: System, pending: Receipt) -> None:
    case = system.challenge(pending)
    hostile = load("mocks/HostileArbitrator")
    system.board.set_arbitrator(hostile.address, b"", "", sender=system.governance)
    with system.refused("ReceiptBoard: no such case"):
        hostile.give_ruling(system.board.address, 0, 2)
    system.rule(case, 2)
    assert system.board.case(case).outcome == 2


def test_rule__signer_slashed_before_by_others__takes_what_is_left(
    system: System, pending: Receipt
) -> None:
    signer = system.operators[0].address
    case = system.challenge(pending)
    digest = system.digest(pending)
    slash = (OPERATOR, signer, digest, 4 * UNIT, system.treasury.address)
    system.vault.slash(*slash, sender=system.escrow.address)
    system.rule(case, 2)
    voided = named(events(system.arbitrator), "ReceiptVoided")[0][1]
    assert voided["slashed"] == 2 * system.RECEIPT_STAKE - 4 * UNIT


def test_rule__upheld__contributors_stake_is_untouched(system: System, pending: Receipt) -> None:
    signer = system.operators[0].address
    system.stake(signer, 5 * UNIT, CONTRIBUTOR)
    system.rule(system.challenge(pending), 2)
    assert system.vault.staked(CONTRIBUTOR, signer) == 5 * UNIT
