"""Challenging: within the window, with bond and cost, each fault at each place once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest

from tests.support.system import OPERATOR, Receipt, System, events, load, store

QUORUM = 1 << 32 | 0b011


def now() -> int:
    return int(boa.env.evm.patch.timestamp)


def locks(system: System, receipt: Receipt) -> list[tuple[int, int]]:
    digest = system.digest(receipt)
    held = (system.vault.lock_of(OPERATOR, one.address, digest) for one in system.operators)
    return [(lock.amount, lock.expires_at) for lock in held]


@pytest.fixture
def hostile(system: System) -> Any:
    arbitrator = load("mocks/HostileArbitrator")
    terms = (arbitrator.address, b"", "")
    system.board.set_arbitrator(*terms, sender=system.governance)
    return arbitrator


def challenge(system: System, receipt: Receipt, place: str = "") -> None:
    """As `System.challenge`, of an arbitrator that costs nothing."""
    system.challenge(receipt, place, value=0)


def test_challenge__in_the_window__freezes_and_locks_the_signers_stake(
    system: System, pending: Receipt
) -> None:
    digest = system.digest(pending)
    posted_at = now()
    boa.env.time_travel(seconds=system.WINDOW - 1)
    open_receipts = system.board.open_receipts()
    case = system.challenge(pending, "item 7")
    bond, deadline = system.CHALLENGE_BOND, now() + system.DISPUTE
    expires_at = posted_at + system.WINDOW + system.DISPUTE
    named = {"role": OPERATOR, "subject": digest}
    terms = {"amount": system.RECEIPT_STAKE, "expires_at": expires_at}
    arbitrator = system.arbitrator.address
    assert events(system.board) == [
        *(("LockSet", {"account": one.address, **named, **terms}) for one in system.operators[:2]),
        (
            "Transfer",
            {"sender": system.challenger, "receiver": system.board.address, "value": bond},
        ),
        ("DisputeCreation", {"dispute": 0, "arbitrable": system.board.address}),
        (
            "Challenged",
            {
                "campaign": 1,
                "digest": digest,
                "challenger": system.challenger,
                "case": case,
                "fault": "ITEM-RESULT",
                "place": "item 7",
                "bond": bond,
                "arbitrator": arbitrator,
                "dispute": 0,
                "deadline": deadline,
            },
        ),
        (
            "Dispute",
            {
                "arbitrator": arbitrator,
                "dispute": 0,
                "meta_evidence": 1,
                "evidence_group": case,
            },
        ),
    ]
    assert system.board.is_challenged(1)
    assert system.board.is_pending(1)
    assert locks(system, pending) == [(system.RECEIPT_STAKE, expires_at)] * 2 + [(0, 0)]
    assert tuple(system.board.case(case)) == (
        1,
        digest,
        system.challenger,
        bond,
        arbitrator,
        0,
        deadline,
        0,
    )
    contest = system.board.contest(digest)
    assert tuple(contest) == (1, 2, pending.previous, QUORUM, 1, False, False)
    assert (case, system.board.case_count()) == (1, 1)
    assert system.board.case_of(arbitrator, 0) == case
    assert system.balance(system.board) == bond
    assert system.balance(system.challenger) == 0
    assert boa.env.get_balance(arbitrator) == system.ARBITRATION_COST
    assert system.board.open_receipts() == open_receipts + 1


def test_challenge__while_frozen__refuses_to_finalize(system: System, pending: Receipt) -> None:
    case = system.challenge(pending)
    boa.env.time_travel(seconds=system.WINDOW)
    with system.refused("ReceiptBoard: receipt is challenged"):
        system.board.finalize(pending.values())
    system.rule(case, 1)
    system.board.finalize(pending.values())
    assert not system.board.is_pending(1)


def test_challenge__window_over__is_refused(system: System, pending: Receipt) -> None:
    boa.env.time_travel(seconds=system.WINDOW)
    with system.refused("ReceiptBoard: window is over"):
        system.board.challenge(pending.values(), "X", "", sender=system.challenger)


def test_challenge__not_the_pending_receipt__is_refused(system: System, pending: Receipt) -> None:
    with system.refused("ReceiptBoard: not the pending receipt"):
        system.board.challenge(replace(pending, epoch=9).values(), "X", "")
    system.finalize(pending)
    with system.refused("ReceiptBoard: nothing pending"):
        system.board.challenge(pending.values(), "X", "")


def test_challenge__same_fault_and_place__is_refused(system: System, pending: Receipt) -> None:
    system.challenge(pending, "item 7")
    system.mint(system.challenger, system.CHALLENGE_BOND)
    with system.refused("ReceiptBoard: fault was named"):
        system.board.challenge(pending.values(), "ITEM-RESULT", "item 7")
    system.challenge(pending, "item 8")
    assert system.board.contest(system.digest(pending)).open_cases == 2


def test_challenge__closed_case__stays_named(system: System, pending: Receipt) -> None:
    system.rule(system.challenge(pending, "item 7"), 1)
    with system.refused("ReceiptBoard: fault was named"):
        system.board.challenge(pending.values(), "ITEM-RESULT", "item 7")


def test_challenge__sixteen_open__refuses_another_until_one_closes(
    system: System, pending: Receipt
) -> None:
    cases = [system.challenge(pending, f"item {i}") for i in range(16)]
    with system.refused("ReceiptBoard: too many cases"):
        system.board.challenge(pending.values(), "ITEM-RESULT", "item 16")
    system.rule(cases[3], 0)
    system.challenge(pending, "item 16")
    # one lock each, whatever the number of cases
    assert [amount for amount, _ in locks(system, pending)] == [system.RECEIPT_STAKE] * 2 + [0]


def test_challenge__wrong_cost__is_refused(system: System, pending: Receipt) -> None:
    system.mint(system.challenger, system.CHALLENGE_BOND)
    system.approve(system.challenger, system.board)
    boa.env.set_balance(system.challenger, 10 * system.ARBITRATION_COST)
    assert system.board.arbitration_cost() == system.ARBITRATION_COST
    for value in (0, system.ARBITRATION_COST - 1, system.ARBITRATION_COST + 1):
        with system.refused("ReceiptBoard: not the arbitration cost"):
            system.board.challenge(pending.values(), "X", "", sender=system.challenger, value=value)
    assert boa.env.get_balance(system.board.address) == 0


def test_challenge__without_bond__is_refused(system: System, pending: Receipt) -> None:
    system.mint(system.challenger, system.CHALLENGE_BOND - 1)
    system.approve(system.challenger, system.board)
    with system.refused("erc20: transfer amount exceeds balance"):
        system.board.challenge(pending.values(), "X", "", sender=system.challenger)


def test_challenge__before_an_arbitrator_is_named__is_refused(
    system: System, pending: Receipt
) -> None:
    store(system.board, "_arbitrator", 0)
    with system.refused("ReceiptBoard: no arbitrator"):
        system.board.challenge(pending.values(), "X", "")


def test_challenge__arbitrator_reverts__changes_nothing(
    system: System, pending: Receipt, hostile: Any
) -> None:
    hostile.set_reverting(True)
    system.mint(system.challenger, system.CHALLENGE_BOND)
    system.approve(system.challenger, system.board)
    with system.refused("HostileArbitrator: refused"):
        system.board.challenge(pending.values(), "X", "", sender=system.challenger)
    hostile.set_reverting(False)
    system.board.challenge(pending.values(), "X", "", sender=system.challenger)


def test_challenge__arbitrator_calls_back__gets_nowhere(
    system: System, pending: Receipt, hostile: Any
) -> None:
    challenge(system, pending, "first")
    hostile.set_dispute(1)
    calls = (
        system.board.rule.prepare_calldata(0, 2),
        system.board.rule.prepare_calldata(1, 2),
        system.board.expire.prepare_calldata(1),
        system.board.finalize.prepare_calldata(pending.values()),
    )
    for number, payload in enumerate(calls):
        hostile.set_dispute(1 + number)
        hostile.set_payload(payload)
        challenge(system, pending, f"again {number}")
    assert (hostile.calls(), hostile.successes()) == (len(calls), 0)
    assert system.board.contest(system.digest(pending)).open_cases == 1 + len(calls)


def test_challenge__dispute_numbered_twice__is_refused(
    system: System, pending: Receipt, hostile: Any
) -> None:
    challenge(system, pending, "first")
    system.mint(system.challenger, system.CHALLENGE_BOND)
    with system.refused("ReceiptBoard: dispute not new"):
        system.board.challenge(pending.values(), "X", "second", sender=system.challenger)
    hostile.set_dispute(1)
    system.board.challenge(pending.values(), "X", "second", sender=system.challenger)


def test_challenge__signer_is_unbonding__locks_what_is_left(
    system: System, pending: Receipt
) -> None:
    first, second = (one.address for one in system.operators[:2])
    system.vault.unbond(OPERATOR, system.MIN_STAKE, sender=first)
    # somebody else holds all but 4 units of the second one's stake
    system.vault.lock(
        OPERATOR,
        second,
        b"\x05" * 32,
        system.MIN_STAKE - 4,
        now() + 100,
        sender=system.escrow.address,
    )
    case = system.challenge(pending)
    assert [amount for amount, _ in locks(system, pending)] == [system.RECEIPT_STAKE, 4, 0]
    system.rule(case, 2)
    assert system.vault.position(OPERATOR, first).unbonding == (
        system.MIN_STAKE - system.RECEIPT_STAKE
    )
    assert system.vault.staked(OPERATOR, second) == system.MIN_STAKE - 4


def test_challenge__extra_data__names_terms_and_case(system: System, pending: Receipt) -> None:
    terms = (system.arbitrator.address, b"\x0a" * 64, "ipfs://other")
    system.board.set_arbitrator(*terms, sender=system.governance)
    case = system.challenge(pending)
    assert system.arbitrator.extra_data(0) == b"\x0a" * 64 + case.to_bytes(32, "big")
    assert events(system.board)[-1][1]["meta_evidence"] == 2
    dispute = system.arbitrator.disputes(0)
    assert (dispute.arbitrable, dispute.choices) == (system.board.address, 3)


def test_challenge__during_a_pause__is_possible(system: System, pending: Receipt) -> None:
    system.board.pause(sender=system.guardian)
    system.challenge(pending)
    assert system.board.is_challenged(1)
