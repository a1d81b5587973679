"""The protocol between operators and with the gateway, on seeded schedules; and whether the fuzz
would notice a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import pytest

from oracle.protocol.campaign import EpochResult
from oracle.service.member import Member
from tests.network import faults, remembered
from tests.network.gateways import BEHAVIOURS
from tests.network.invariants import INVARIANTS, Outcome, check
from tests.network.liars import LIARS
from tests.network.report import ENOUGH, EVENTS, REPRESENTATIVE, Report
from tests.network.schedule import Plan, Schedule, Violation

CALM = Plan(0, "Honest", "honest", 0.0, 0.0, "ample")


def test_behaviours__as_many_as_promised() -> None:
    assert len(BEHAVIOURS) - 1 >= 15
    assert len(LIARS) - 1 >= 4


@pytest.mark.parametrize(
    ("gateway", "liar"),
    [
        ("Honest", "Crashed"),
        ("Dies", "SignsAnything"),
        ("ShowsEachAnother", "honest"),
        ("Swallows", "OmitsFilings"),
    ],
)
def test_schedule__gateway_and_operator_misbehave__all_invariants_hold(
    gateway: str, liar: str
) -> None:
    check(Schedule(1, Plan(1, gateway, liar, 0.1, 0.0, "ample")).run())


def test_schedule__labels_logged_for_other_items__are_filed_and_paid() -> None:
    schedule = Schedule(4, replace(CALM, gateway="TurnsItems")).run()
    outcome = check(schedule)
    assert outcome.occurred["gateway TurnsItems"]
    assert outcome.occurred["label is filed"]
    turned = [fault for _, fault in schedule.honest[0].results[-1].rejected]
    assert {fault.code for fault in turned} == {"SUBMISSION-SIGNATURE"}


def test_schedule__submission_logged_after_its_lease__is_filed_and_paid() -> None:
    for seed in range(4):
        outcome = check(Schedule(seed, replace(CALM, seed=seed, gateway="LogsLate")).run())
        assert outcome.occurred["gateway LogsLate"]
        assert outcome.occurred["label is filed"]


@pytest.mark.parametrize("gateway", ["LogsLate", "Hides"])
def test_schedule__budget_nearly_spent__is_kept_for_what_may_be_filed(gateway: str) -> None:
    schedule = Schedule(1, replace(CALM, seed=1, gateway=gateway, money="short")).run()
    check(schedule)
    last = schedule.honest[0].results[-1]
    main = schedule.gateways.main
    assert any(filings.entries for _, _, filings in main._cuts)
    assert "LEASE-UNBACKED" not in {fault.code for _, fault in last.gateway_faults}
    known = [main]
    if gateway == "Hides":  # what the other has logged is no log of an honest gateway's
        known.append(schedule.gateways.open(main._store))
    for one in known:
        one.follow()
        theirs = schedule.honest[0].intake.ledger(schedule.read_campaign(), last)
        assert one._ledger._leased_rewards == theirs._leased_rewards


def test_schedule__gateway_that_returns_after_a_stalled_cut__leases_as_operators_read() -> None:
    schedule = Schedule(1, replace(CALM, seed=1, gateway="StopsAndComesBack")).run()
    check(schedule)
    last = schedule.honest[0].results[-1]
    gateway = schedule.gateways.main
    (position, block, _), *_ = gateway._cuts
    assert schedule.chain.known.anchors[block.number] == block
    # It stopped, which is a fault; nothing that it did after it came back is one, or counts for
    # nothing.
    assert [(at, fault.code) for at, fault in last.gateway_faults] == [(position, "ANCHOR-SKIPPED")]
    assert last.rejected == ()
    for one in (gateway, schedule.gateways.open(gateway._store)):
        one.follow()
        theirs = schedule.honest[0].intake.ledger(schedule.read_campaign(), last)
        assert one._ledger.position == theirs.position
        for name in ("epoch", "anchor", "anchor_count", "_held_by_epoch", "_leased_rewards"):
            assert getattr(one._ledger, name) == getattr(theirs, name), name


def test_schedule__cap_below_what_is_due__pays_the_rest_with_the_next_receipt() -> None:
    schedule = Schedule(1, replace(CALM, seed=1, money="capped")).run()
    outcome = check(schedule)
    assert outcome.occurred["cap or budget makes pay wait"]
    *_, waits, last = schedule.honest[0].results
    assert waits.receipt.final
    assert waits.waiting > 0 == last.waiting
    cap = schedule.chain.known.funding[-1].epoch_cap
    before = schedule.honest[0].results[-3].receipt
    rise = waits.receipt.payout_total + waits.receipt.fee_total
    assert cap - 1 <= rise - before.payout_total - before.fee_total <= cap
    assert last.receipt.payout_total == waits.receipt.payout_total + waits.waiting


def test_schedule__run_again__is_the_same() -> None:
    plan = Plan(3, "Forks", "Equivocates", 0.1, 0.3, "ample")
    first, second = (Schedule(3, plan).run() for _ in range(2))
    assert first.chain.finalized() == second.chain.finalized()
    assert first.trace == second.trace


def test_schedule__that_remembers__comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(7, "ShowsEachAnother", "Equivocates", 0.1, 0.3, "capped")
    remembers = Schedule(7, plan).run()
    asked = []

    def forgetful(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        asked.append(function)
        return function

    monkeypatch.setattr(remembered, "_once", forgetful)
    monkeypatch.setattr(remembered, "_once_a_cut", forgetful)
    forgets = Schedule(7, plan).run()
    assert len(asked) > 4
    assert remembers.chain.finalized() == forgets.chain.finalized() != []
    assert remembers.trace == forgets.trace


# -- planted faults: each must be found --------------------------------------------------------

SCHEDULES = 6  # within which a fault must be found


def found(plan: Plan, member_class: type[Member] = Member) -> str:
    """What the first violation says; nothing where all schedules hold."""
    for seed in range(SCHEDULES):
        try:
            check(Schedule(seed, replace(plan, seed=seed), member_class).run())
        except Violation as violation:
            return str(violation)
    return ""


@pytest.mark.parametrize(
    ("fault", "plan", "message"),
    [
        (faults.SignsBlindly, replace(CALM, gateway="Swallows", liar="OmitsFilings"), "is lost"),
        (faults.DropsFilings, replace(CALM, gateway="Swallows"), "is lost"),
        (faults.PublishesEarly, replace(CALM, liar="Silent", drops=0.3), "before its receipt"),
        (
            faults.TakesPagesWithoutOpenings,
            replace(CALM, gateway="DropsOpenings"),
            "was never opened",
        ),
        (faults.NeverPassesOn, replace(CALM, liar="Crashed"), "receipt"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_fuzz__planted_fault__is_found(fault: type[Member], plan: Plan, message: str) -> None:
    assert message in found(plan, fault)
    check(Schedule(0, plan).run())


@pytest.mark.parametrize(
    ("rule", "plan", "message"),
    [
        ("adds_up", CALM, "otherwise than the formula"),
        ("falls", CALM, "otherwise than the formula"),
        ("knows_no_cap", replace(CALM, money="capped"), "no complete final receipt"),
        ("forgets_what_waits", replace(CALM, money="capped"), "otherwise than the formula"),
    ],
)
def test_fuzz__planted_rule__is_found(rule: str, plan: Plan, message: str) -> None:
    with faults.RULES[rule]():
        assert message in found(plan)


def test_fuzz__lapsed_lease_that_frees_its_budget_at_once__is_found() -> None:
    with faults.RULES["frees_at_once"](), pytest.raises(Violation, match="than the formula"):
        check(Schedule(84).run())  # it takes the right people at the right time
    check(Schedule(84).run())


# -- every invariant notices what it is for ----------------------------------------------------


@pytest.fixture(scope="module")
def played() -> Schedule:
    return Schedule(2, CALM).run()


def late(schedule: Schedule, results: list[EpochResult]) -> None:
    """The last receipt was posted hours later."""
    known = schedule.chain.known
    last = known.settlements[-1]
    late = replace(last, posted_block=last.posted_block + 5_000)
    schedule.chain.known = replace(known, settlements=(*known.settlements[:-1], late))


def other_bytes(schedule: Schedule, results: list[EpochResult]) -> None:
    """An operator holds an evidence block with another byte."""
    block = results[0].blocks[0]
    results[0] = replace(results[0], blocks=(replace(block, data=block.data + b"\0"),))


def lost(schedule: Schedule, results: list[EpochResult]) -> None:
    """Somebody labeled an item more than what was counted."""
    work = next(one for person in schedule.people for one in person.safe)
    work.items = (*work.items, 10**6)


def padded(schedule: Schedule, results: list[EpochResult]) -> None:
    """A leaf holds a unit more."""
    evidence = results[-1].evidence
    leaf = replace(evidence.leaves[0], cumulative=evidence.leaves[0].cumulative + 1)
    leaves = (leaf, *evidence.leaves[1:])
    results[-1] = replace(results[-1], evidence=replace(evidence, leaves=leaves))


def swapped(schedule: Schedule, results: list[EpochResult]) -> None:
    """The later receipt came first."""
    results.reverse()


def overpaid(schedule: Schedule, results: list[EpochResult]) -> None:
    """The escrow has paid a unit more."""
    payouts, fees, charge = schedule.chain.money.totals
    schedule.chain.money.totals = (payouts + 1, fees, charge)


def opened_early(schedule: Schedule, results: list[EpochResult]) -> None:
    """Evidence was readable before its receipt was posted."""
    schedule.early.add(results[0].receipt.evidence)


@pytest.mark.parametrize(
    ("name", "doctor"),
    [
        ("receipts come", late),
        ("same bytes", other_bytes),
        ("confirmed labels count", lost),
        ("paid by the formula", padded),
        ("nothing falls", swapped),
        ("money adds up", overpaid),
        ("nothing opened unpaid", opened_early),
    ],
)
def test_invariant__schedule_doctored__is_noticed(
    played: Schedule,
    name: str,
    doctor: Callable[[Schedule, list[EpochResult]], None],
) -> None:
    results = list(played.honest[0].results)
    assert INVARIANTS[name](played, results) > 0
    schedule = copy(played)
    schedule.early = set(played.early)
    schedule.people = deepcopy(played.people, {id(played): played})
    schedule.chain = copy(played.chain)
    schedule.chain.money = copy(played.chain.money)
    doctor(schedule, results)
    with pytest.raises(AssertionError):
        INVARIANTS[name](schedule, results)


def test_invariants__each__has_a_test_that_it_notices() -> None:
    assert len(INVARIANTS) == 7


# -- the report --------------------------------------------------------------------------------


def test_report__behaviour_or_invariant_that_never_fired__fails() -> None:
    names = {f"gateway {one}" for one in BEHAVIOURS} | {f"operator {one}" for one in LIARS}
    whole = Counter(dict.fromkeys(names | set(EVENTS), 1))
    checked = dict.fromkeys(INVARIANTS, 1)
    report = Report()
    for _ in range(REPRESENTATIVE):
        report.add(Outcome(whole, checked, {"honest": (100, 1), "guesser": (200, 100)}))
    assert report.failures() == []
    assert "gateway Hides" in report.text()
    for lacking in ("gateway Hides", "operator Silent", "receipt after a void"):
        partial = Report()
        for _ in range(REPRESENTATIVE):
            left = Counter({name: 1 for name in whole if name != lacking})
            partial.add(Outcome(left, checked, {}))
        assert partial.failures() == [f"never occurred: {lacking}"]
    idle = Report()
    for _ in range(REPRESENTATIVE):
        idle.add(Outcome(whole, {**checked, "nothing falls": 0}, {}))
    assert idle.failures() == ["never checked anything: nothing falls"]


def test_report__guessing_pays__fails() -> None:
    report = Report()
    report.add(Outcome(Counter(), {}, {"honest": (100 * ENOUGH, ENOUGH)}))
    report.add(Outcome(Counter(), {}, {"guesser": (15 * ENOUGH, ENOUGH)}))
    assert report.failures() == []
    report.add(Outcome(Counter(), {}, {"guesser": (30, 1)}))
    assert report.failures() == ["guessing pays: 15.0 % of an honest label's, at most 15 % may"]
