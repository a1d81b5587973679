"""What the labels come to: answers, posteriors, and contributors' figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from oracle.evidence.results import ContributorResult, ItemResult
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import resigned
from tests.auditor.frauds.catalogue import quorum, run_of, stage
from tests.auditor.frauds.payouts import by_other_rules
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import key_of


def _with_items(run: PaperRun, result: EpochResult, *items: ItemResult) -> EpochResult:
    return resigned(run, result, replace(result.evidence, items=items))


def _with_first(run: PaperRun, result: EpochResult, **changes: Any) -> EpochResult:
    first, *others = result.evidence.items
    return _with_items(run, result, replace(first, **changes), *others)


@quorum("ITEM-RESULT")
def another_answer(run: PaperRun, result: EpochResult) -> EpochResult:
    """One item gets an answer that its labels don't give."""
    answer = (result.evidence.items[0].answer + 1) % 10
    return _with_first(run, result, answer=answer)


@quorum("ITEM-RESULT")
def one_posterior(run: PaperRun, result: EpochResult) -> EpochResult:
    """One posterior is moved by one millionth."""
    first, second, *rest = result.evidence.items[0].posterior
    return _with_first(run, result, posterior=(first + 1, second, *rest))


@quorum("ITEM-RESULT")
def ambiguity_hidden(run: PaperRun, result: EpochResult) -> EpochResult:
    """An item that closed in one way is said to have closed in another."""
    status = result.evidence.items[0].status
    return _with_first(run, result, status=1 if status != 1 else 3)


@quorum("ITEM-RESULT")
def closed_in_another_epoch(run: PaperRun, result: EpochResult) -> EpochResult:
    """An item is said to have closed in an epoch in which it hadn't."""
    return _with_first(run, result, epoch=3 - result.evidence.items[0].epoch)


@quorum("ITEM-RESULT")
def labels_miscounted(run: PaperRun, result: EpochResult) -> EpochResult:
    """An item is said to rest on more labels than it has."""
    return _with_first(run, result, labels=result.evidence.items[0].labels + 1)


@quorum("ITEM-RESULT")
def method_swapped(run: PaperRun, result: EpochResult) -> EpochResult:
    """Answers are those of a majority vote where the manifest names Dawid-Skene."""
    return by_other_rules(run, consensus={"method": "majority"})


@run_of("ITEM-RESULT", "quorum")
def tie_broken_otherwise() -> PaperRun:
    """Of two classes with equally many labels the other one is taken."""
    run = PaperRun(changes={"consensus__method": "majority"})
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    # Everybody has an answer of their own: every item that closes is a tie.
    for number, name in enumerate(NAMES):
        for _ in range(2):
            run.work(name, 5, lambda item, number=number: number)
    while run.ledger.epoch == 1:
        run.pass_time(60)
    run.close()
    run.pass_time(run.manifest.lease_seconds + 60)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        items = list(result.evidence.items)
        for number, row in enumerate(items):
            tied = [one for one, share in enumerate(row.posterior) if share == max(row.posterior)]
            if row.status != 2 and len(tied) > 1:
                items[number] = replace(row, answer=tied[-1])
                return _with_items(run, result, *items)
        raise AssertionError("no item is tied")

    run.tamper = fraud
    run.cut(final=True)
    return run


@quorum("ITEM-MISSING")
def closed_item_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """An item that closed isn't in the evidence."""
    return _with_items(run, result, *result.evidence.items[1:])


@quorum("ITEM-MISSING")
def open_item_answered(run: PaperRun, result: EpochResult) -> EpochResult:
    """An item that nobody opened is given an answer."""
    closed = {row.item for row in result.evidence.items}
    item = next(item for item in run.truth if item not in closed)
    row = replace(result.evidence.items[0], item=item)
    items = sorted((*result.evidence.items, row), key=lambda one: one.item)
    return _with_items(run, result, *items)


# -- contributors ------------------------------------------------------------------------------


def _with_figures(
    run: PaperRun,
    result: EpochResult,
    change: Callable[[ContributorResult], ContributorResult | None],
) -> EpochResult:
    rows = [change(row) for row in result.evidence.contributors]
    kept = tuple(row for row in rows if row is not None)
    return resigned(run, result, replace(result.evidence, contributors=kept))


@quorum("CONTRIBUTOR-RESULT")
def agreement_raised(run: PaperRun, result: EpochResult) -> EpochResult:
    """A contributor's agreement is said to be higher than their labels show."""
    name = address_of(key_of("quick"))
    return _with_figures(
        run,
        result,
        lambda row: replace(row, agreement=row.agreement + 1) if row.account == name else row,
    )


@quorum("CONTRIBUTOR-RESULT")
def gold_passed_by_word(run: PaperRun, result: EpochResult) -> EpochResult:
    """Whether contributors passed gold is said otherwise than gold says."""
    return _with_figures(run, result, lambda row: replace(row, passed=not row.passed))


@quorum("CONTRIBUTOR-RESULT")
def figures_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """How a contributor's pay came about isn't told."""
    name = address_of(key_of("quick"))
    return _with_figures(run, result, lambda row: None if row.account == name else row)


@run_of("CONTRIBUTOR-RESULT", "quorum")
def contradicted_gold_counted() -> PaperRun:
    """Gold that everybody contradicts is held against those who labeled it."""
    run = stage("delegated")
    gold = {item for batch in run.gold for item in batch}
    run.label_as = lambda item: (run.truth[item] + (item in gold)) % 10  # type: ignore[attr-defined]
    run.answer = run.label_as  # type: ignore[attr-defined,method-assign]
    run.label(NAMES)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        answered: dict[bytes, int] = dict.fromkeys(result.accounts, 0)
        for label in result.labels:
            answered[label.contributor] += label.item in result.gold
        excluded = [
            row for row in result.evidence.contributors if row.gold_total < answered[row.account]
        ]
        assert excluded, "no gold was contradicted"
        return _with_figures(
            run, result, lambda row: replace(row, gold_total=answered[row.account])
        )

    run.tamper = fraud
    run.cut()
    return run
