"""What must hold after every schedule, whatever gateway, links and one operator of four did."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.evidence.codec import DAG_CBOR
from oracle.evidence.results import Evidence
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from oracle.quality.payment import payout
from oracle.service.evidence import recompute
from tests.network.schedule import Schedule, Violation


def check(schedule: Schedule) -> dict[str, tuple[int, int]]:
    """Check a finished schedule; Violation names what doesn't hold. Return what people of each
    skill earned by the formula, and for how many labels."""
    try:
        results = list(_recomputed(schedule))
        _receipts_came(schedule)
        _same_bytes(schedule, results)
        _nothing_falls(schedule)
        _money_adds_up(schedule)
        _confirmed_labels_count(schedule, results[-1])
        _paid_by_the_formula(schedule, results)
        _nothing_opened_unpaid(schedule)
        return _earned(schedule, results[-1])
    except AssertionError as error:
        plan = schedule.plan
        raise Violation(f"seed {schedule.seed} ({plan}): {error}") from error


def _recomputed(schedule: Schedule) -> Iterator[EpochResult]:
    """Every finalized receipt, derived once more from what was published."""
    campaign = schedule.read_campaign()
    previous = None
    for receipt in schedule.chain.finalized():
        previous = recompute(campaign, previous, receipt, schedule.content.fetch)
        yield previous
    assert previous is not None, "no receipt was ever finalized"


def _receipts_came(schedule: Schedule) -> None:
    assert schedule.settled(), (
        f"no complete final receipt: {[r.epoch for r in schedule.chain.finalized()]}, "
        f"{schedule.trace[-5:]}"
    )


def _same_bytes(schedule: Schedule, results: list[EpochResult]) -> None:
    for member in schedule.honest:
        for ours, theirs in zip(member.results, results, strict=True):
            assert ours.receipt == theirs.receipt, "operators hold other receipts"
            assert [one.data for one in ours.blocks] == [one.data for one in theirs.blocks], (
                f"other bytes for epoch {ours.receipt.epoch}"
            )


def _nothing_falls(schedule: Schedule) -> None:
    paid: dict[bytes, int] = {}
    for receipt in schedule.chain.finalized():
        block = schedule.content.get(receipt.evidence, DAG_CBOR)
        leaves = Evidence.decode(block, schedule.content.fetch).leaves
        now = {leaf.account: leaf.cumulative for leaf in leaves}
        for account, amount in paid.items():
            assert now.get(account, 0) >= amount, f"0x{account.hex()} fell"
        paid = now


def _money_adds_up(schedule: Schedule) -> None:
    money = schedule.chain.money
    payouts, fees, charge = money.totals
    assert payouts + fees <= money.budget + money.bond, "more was paid than there is"
    assert 0 <= charge <= money.bond, "the bond is overdrawn"
    refund, bond = money.budget - (payouts + fees - charge), money.bond - charge
    assert refund >= 0, "the budget is overdrawn"
    assert refund + bond + payouts + fees == money.budget + money.bond, "money is lost"


def _confirmed_labels_count(schedule: Schedule, last: EpochResult) -> None:
    """Every label on a certified lease, in a quorum's logs or filed, is counted or the bond's."""
    labels = last.ledger.labels
    opened = {(row.position, row.index) for row in last.labels}
    by_place = {(labels.row(at).contributor, labels.row(at).item): at for at in range(len(labels))}
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


def _paid_by_the_formula(schedule: Schedule, results: list[EpochResult]) -> None:
    """A leaf is the maximum of the formula's values so far, where no cap or budget is reached."""
    base = results[-1].ledger.bounded.base_ppm
    due: dict[bytes, int] = {}
    for result in results:
        for row in result.evidence.contributors:
            amount = payout(row.rewards, base, row.passed, row.agreement)
            amount += row.unjudged + row.faulted
            due[row.account] = max(due.get(row.account, 0), amount)
        paid = {leaf.account: leaf.cumulative for leaf in result.evidence.leaves}
        if not result.waiting:
            assert paid == {one: amount for one, amount in due.items() if amount}, (
                f"epoch {result.receipt.epoch} pays otherwise than the formula"
            )


def _nothing_opened_unpaid(schedule: Schedule) -> None:
    """Only receipts that stood on chain published openings, and each counts what it opened."""
    assert not schedule.early, "evidence was published before its receipt stood on chain"
    for one in schedule.chain.money.history:
        if not schedule.content.has(one.receipt.evidence, DAG_CBOR):
            continue
        block = schedule.content.get(one.receipt.evidence, DAG_CBOR)
        evidence = Evidence.decode(block, schedule.content.fetch)
        supplement = schedule.content.fetch(evidence.supplement)
        rows = Supplement.decode(supplement, schedule.content.fetch).openings
        assert one.receipt.label_count >= len(rows), "labels were opened and not counted"


def _earned(schedule: Schedule, last: EpochResult) -> dict[str, tuple[int, int]]:
    rows = {row.account: row for row in last.evidence.contributors}
    earned = {"honest": (0, 0), "guesser": (0, 0)}
    for person in schedule.people:
        row = rows.get(person.address)
        if row is None or not row.labels:
            continue
        kind = "honest" if person.skill is not None else "guesser"
        base = last.ledger.bounded.base_ppm
        amount = payout(row.rewards, base, row.passed, row.agreement)
        earned[kind] = (earned[kind][0] + amount, earned[kind][1] + row.labels)
    return earned
