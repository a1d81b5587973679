"""What must hold after every schedule, whatever gateway, links and one operator of four did.

Each invariant is a function that looks at a finished schedule and the results behind its finalized
receipts, raises AssertionError where it doesn't hold, and returns how much it looked at: an
invariant that never has anything to look at shows nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from oracle.evidence.campaign import commit_label
from oracle.evidence.codec import DAG_CBOR
from oracle.evidence.hashing import sha256
from oracle.evidence.results import Evidence
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from oracle.protocol.facts import Settlement
from oracle.quality.payment import payout
from oracle.service.evidence import recompute
from tests.network.gateways import BEHAVIOURS
from tests.network.schedule import Schedule, Violation

Results = Sequence[EpochResult]


@dataclass(frozen=True)
class Outcome:
    """A schedule that held: what occurred in it, how much each invariant looked at, and what people
    of each kind earned by the formula (base units) for how many labels."""

    occurred: Counter[str]
    checked: dict[str, int]
    earned: dict[str, tuple[int, int]]


def check(schedule: Schedule) -> Outcome:
    """Check a finished schedule; Violation names what doesn't hold."""
    try:
        results = list(_recomputed(schedule))
        checked = {name: invariant(schedule, results) for name, invariant in INVARIANTS.items()}
    except AssertionError as error:
        plan = schedule.plan
        raise Violation(f"seed {schedule.seed} ({plan}): {error}") from error
    return Outcome(_occurred(schedule, results), checked, _earned(schedule, results[-1]))


def _recomputed(schedule: Schedule) -> Iterator[EpochResult]:
    """Every finalized receipt, derived once more from what was published."""
    campaign = schedule.read_campaign()
    previous = None
    for receipt in schedule.chain.finalized():
        previous = recompute(campaign, previous, receipt, schedule.content.fetch)
        yield previous
    assert previous is not None, "no receipt was ever finalized"


# -- receipts --------------------------------------------------------------------------------------


def receipts_come(schedule: Schedule, results: Results) -> int:
    """A receipt within bounded rounds, and a last one that leaves nothing owed."""
    assert schedule.settled(), (
        f"no complete final receipt: {[r.epoch for r in schedule.chain.finalized()]}, "
        f"{schedule.trace[-5:]}"
    )
    settlements = schedule.chain.known.settlements
    for number, one in enumerate(settlements):
        rounds = rounds_until(schedule, settlements[:number], one)
        assert rounds <= bounded_rounds(schedule), (
            f"epoch {one.receipt.epoch} was posted in round {rounds}"
        )
    return len(settlements)


def rounds_until(schedule: Schedule, before: Sequence[Settlement], settlement: Settlement) -> int:
    """How many rounds a receipt took: from when all had been exchanged, and nothing was pending."""
    timing, chain = schedule.members[0].timing, schedule.chain
    start = chain.block(settlement.receipt.as_of).timestamp
    for one in before:
        ended = one.finalized_block if one.voided_block is None else one.voided_block
        assert ended is not None
        start = max(start, chain.block(ended).timestamp)
    posted = chain.block(settlement.posted_block).timestamp
    return max(0, posted - start - timing.patience) // timing.round


def bounded_rounds(schedule: Schedule) -> int:
    """Every round has another leader, one of four of whom may lie; where links drop, a round may
    find no quorum by chance."""
    assert schedule.plan is not None
    return 16 if schedule.plan.drops else 6


def same_bytes(schedule: Schedule, results: Results) -> int:
    """The same inputs give the same bytes: at every operator, and to whoever reads evidence."""
    compared = 0
    for member in schedule.honest:
        for ours, theirs in zip(member.results, results, strict=True):
            assert ours.receipt == theirs.receipt, "operators hold other receipts"
            assert [one.data for one in ours.blocks] == [one.data for one in theirs.blocks], (
                f"other bytes for epoch {ours.receipt.epoch}"
            )
            compared += 1
    return compared


# -- labels and pay --------------------------------------------------------------------------------


def confirmed_labels_count(schedule: Schedule, results: Results) -> int:
    """Every label on a certified lease, in a quorum's logs or filed, is counted or the bond's."""
    last = results[-1]
    labels = last.ledger.labels
    opened = {(row.position, row.index) for row in last.labels}
    by_place = {(labels.row(at).contributor, labels.row(at).item): at for at in range(len(labels))}
    looked = 0
    for person in schedule.people:
        for work in person.safe:
            for item in work.items:
                at = by_place.get((person.address, item))
                assert at is not None, f"{person.name}'s label on item {item} is lost"
                label = labels.row(at)
                counted = (label.position, label.index) in opened
                assert counted or label.leased.fault is not None, (
                    f"{person.name}'s label on item {item} was never opened"
                )
                looked += 1
    return looked


def paid_by_the_formula(schedule: Schedule, results: Results) -> int:
    """A leaf is the maximum of the formula's values so far, where no cap or budget is reached."""
    base = results[-1].ledger.bounded.base_ppm
    due: dict[bytes, int] = {}
    looked = 0
    for result in results:
        for row in result.evidence.contributors:
            amount = payout(row.rewards, base, row.passed, row.agreement)
            amount += row.unjudged + row.faulted
            due[row.account] = max(due.get(row.account, 0), amount)
        paid = _paid(result.evidence)
        if not result.waiting:
            assert paid == {one: amount for one, amount in due.items() if amount}, (
                f"epoch {result.receipt.epoch} pays otherwise than the formula"
            )
            looked += len(paid)
    assert not results[-1].waiting, "somebody's pay still waits behind the last receipt"
    return looked


def nothing_falls(schedule: Schedule, results: Results) -> int:
    """No cumulative leaf falls from one finalized receipt to the next, voids between or not."""
    paid: dict[bytes, int] = {}
    looked = 0
    for result in results:
        now = _paid(result.evidence)
        for account, amount in paid.items():
            assert now.get(account, 0) >= amount, f"0x{account.hex()} fell"
            looked += 1
        paid = now
    return looked


def money_adds_up(schedule: Schedule, results: Results) -> int:
    """Paid is at most budget and bond, leaves add up to the totals, refunds are exact."""
    money = schedule.chain.money
    for result in results:
        receipt = result.receipt
        assert sum(_paid(result.evidence).values()) == receipt.payout_total, "leaves don't add up"
    payouts, fees, charge = money.totals
    last = results[-1].receipt
    assert (last.payout_total, last.fee_total, last.bond_charge) == money.totals, "other totals"
    assert payouts + fees <= money.budget + money.bond, "more was paid than there is"
    assert 0 <= charge <= money.bond, "the bond is overdrawn"
    refund, bond = money.budget - (payouts + fees - charge), money.bond - charge
    assert refund >= 0, "the budget is overdrawn"
    assert refund + bond + payouts + fees == money.budget + money.bond, "money is lost"
    return len(results)


def nothing_opened_unpaid(schedule: Schedule, results: Results) -> int:
    """Only receipts that stood on chain published openings, and what any of them opened, voided
    ones too, counts in the end."""
    assert not schedule.early, "evidence was published before its receipt stood on chain"
    labels = results[-1].ledger.labels
    counted = {
        (row.item, labels.commitment(labels.find(row.position, row.index)))
        for row in results[-1].labels
    }
    counted |= {(label.item, label.commitment) for label in labels.faulted()}
    looked = 0
    for one in schedule.chain.money.history:
        if not schedule.content.has(one.receipt.evidence, DAG_CBOR):
            continue
        block = schedule.content.get(one.receipt.evidence, DAG_CBOR)
        evidence = Evidence.decode(block, schedule.content.fetch)
        supplement = schedule.content.fetch(evidence.supplement)
        rows = Supplement.decode(supplement, schedule.content.fetch).openings
        assert one.receipt.label_count >= len(rows), "labels were opened and not counted"
        for row in rows:
            label = commit_label(schedule.item_ids[row.item], sha256(row.answer), row.salt)
            assert (row.item, label) in counted, (
                f"a label on item {row.item} was opened by epoch {one.receipt.epoch}'s receipt, "
                f"attempt {one.receipt.attempt}, and counts for nothing"
            )
            looked += 1
    return looked


INVARIANTS: dict[str, Callable[[Schedule, Results], int]] = {
    one.__name__.replace("_", " "): one
    for one in (
        receipts_come,
        same_bytes,
        confirmed_labels_count,
        paid_by_the_formula,
        nothing_falls,
        money_adds_up,
        nothing_opened_unpaid,
    )
}


# -- what a run reports ----------------------------------------------------------------------------


def _occurred(schedule: Schedule, results: Results) -> Counter[str]:
    """What was done; what the rules must name a fault counts only where they did."""
    found = Counter(schedule.occurred)
    plan = schedule.plan
    assert plan is not None
    fault, name = BEHAVIOURS[plan.gateway].fault, f"gateway {plan.gateway}"
    if fault and fault not in _faults(results[-1]):
        found.pop(name, None)
    settlements = schedule.chain.known.settlements
    found["receipt after a void"] += sum(
        one.receipt.attempt > 0 and one.finalized_block is not None for one in settlements
    )
    found["cap or budget makes pay wait"] += sum(result.waiting > 0 for result in results)
    found["label is filed"] += sum(
        len(filings.entries) for result in results[-1:] for filings in result.filings
    )
    found["bond is charged"] += results[-1].receipt.bond_charge > 0
    found["fork is proven on chain"] += schedule.chain.forked
    return +found


def _faults(result: EpochResult) -> set[str]:
    named = {fault.code for _, fault in result.gateway_faults}
    touched = (label.leased.fault for label in result.ledger.labels.faulted())
    return named | {code for code in touched if code is not None}


def _earned(schedule: Schedule, last: EpochResult) -> dict[str, tuple[int, int]]:
    rows = {row.account: row for row in last.evidence.contributors}
    earned: dict[str, tuple[int, int]] = {}
    for person in schedule.people:
        row = rows.get(person.address)
        if row is None or not row.labels:
            continue
        base = last.ledger.bounded.base_ppm
        amount = payout(row.rewards, base, row.passed, row.agreement)
        before = earned.get(person.kind, (0, 0))
        earned[person.kind] = (before[0] + amount, before[1] + row.labels)
    return earned


def _paid(evidence: Evidence) -> dict[bytes, int]:
    return {leaf.account: leaf.cumulative for leaf in evidence.leaves}
