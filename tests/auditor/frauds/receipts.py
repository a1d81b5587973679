"""A receipt's place among receipts, its sums, and what the contracts made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oracle.evidence.structs import Receipt
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import resigned, with_leaf
from tests.auditor.frauds.catalogue import chain, quorum, run_of
from tests.auditor.paper import NAMES, Log, PaperRun, event_log
from tests.support.world import TOKEN


def _with(result: EpochResult, **changes: object) -> EpochResult:
    return replace(result, receipt=replace(result.receipt, **changes))  # type: ignore[arg-type]


def _alter(logs: Callable[..., list[Log]], place: int, change: Callable[[str], str]) -> Callable:
    """What a method logs, with another last part of one event's data."""

    def altered(receipt: Receipt, before: Receipt | None) -> list[Log]:
        written = logs(receipt, before)
        written[place]["data"] = change(written[place]["data"])
        return written

    return altered


# -- order -------------------------------------------------------------------------------------


@quorum("RECEIPT-ORDER")
def another_predecessor(run: PaperRun, result: EpochResult) -> EpochResult:
    """The second receipt names no predecessor, as if it were the first."""
    return _with(result, previous=run.results[0].receipt.previous)


@quorum("RECEIPT-ORDER")
def epoch_a_second_time(run: PaperRun, result: EpochResult) -> EpochResult:
    """A second receipt is posted for an epoch that has one."""
    return resigned(run, result, replace(result.evidence, epoch=1), epoch=1)


@chain("RECEIPT-ORDER", at="second cut")
def two_pending(run: PaperRun) -> None:
    """A receipt is posted over one that is still pending."""
    honest = run.posted
    run.posted = lambda receipt, before: 2 * honest(receipt, before)  # type: ignore[method-assign]
    run.cut()


@quorum("RECEIPT-ATTEMPT")
def void_that_never_was(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt counts a void, so that a voided one could return."""
    return resigned(run, result, replace(result.evidence, attempt=1), attempt=1)


@quorum("RECEIPT-ANCHOR")
def anchor_in_the_future(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt is as of a block that isn't there yet."""
    return _with(result, as_of=run.block + 50)


@quorum("RECEIPT-ANCHOR")
def anchor_of_the_past(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt is as of a block before its predecessor's."""
    return _with(result, as_of=run.results[0].receipt.as_of - 6)


@quorum("LOG-CUT")
def anchor_of_another_block(run: PaperRun, result: EpochResult) -> EpochResult:
    """Budget and cap are read at a block that isn't the cut's."""
    return _with(result, as_of=result.receipt.as_of - 1)


@quorum("RECEIPT-FELL")
def log_position_fell(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt's log is shorter than its predecessor's."""
    return _with(result, log_position=1)


@quorum("RECEIPT-FELL")
def labels_fell(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt counts fewer labels than its predecessor."""
    return _with(result, label_count=run.results[0].receipt.label_count - 1)


@quorum("FINAL-EARLY")
def final_while_open(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt calls itself final though nobody closed the campaign."""
    return resigned(run, result, replace(result.evidence, final=True), final=True)


@quorum("EPOCH", final=True)
def epoch_after_the_newest(run: PaperRun, result: EpochResult) -> EpochResult:
    """The final receipt is for a later epoch than its cut covers, to open the next terms early."""
    from tests.auditor.forge import with_supplement

    epoch = result.receipt.epoch + 1
    result = replace(result, evidence=replace(result.evidence, epoch=epoch))
    seed = run.seeds[epoch]
    changed = with_supplement(run, result, lambda one: replace(one, epoch=epoch, seed=seed))
    return _with(changed, epoch=epoch)


# -- sums --------------------------------------------------------------------------------------


@quorum("TOTALS-FELL")
def fee_fell(run: PaperRun, result: EpochResult) -> EpochResult:
    """The fee is less than in the receipt before."""
    return _with(result, fee_total=0)


@quorum("CAP-EXCEEDED")
def beyond_the_cap(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt adds more than the epoch's cap."""
    evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=600 * TOKEN))
    return resigned(run, result, evidence)


@run_of("BUDGET-EXCEEDED", "quorum")
def beyond_the_budget() -> PaperRun:
    """The receipt pays out more than the requester's budget holds."""
    run = PaperRun(budget=5 * TOKEN)
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=6 * TOKEN))
        return resigned(run, result, evidence)

    run.tamper = fraud
    run.cut()
    return run


@quorum("BOND-EXCEEDED")
def bond_charged_beyond_payouts(run: PaperRun, result: EpochResult) -> EpochResult:
    """The gateway's bond is charged with more than all payouts."""
    return _with(result, bond_charge=result.receipt.payout_total + 1)


@quorum("BOND-CHARGE")
def bond_charged_without_fault(run: PaperRun, result: EpochResult) -> EpochResult:
    """The gateway's bond pays what the budget should, though the gateway did no wrong."""
    return _with(result, bond_charge=5)


@quorum("CONTRIBUTOR-RESULT")
def fault_invented_for_a_friend(run: PaperRun, result: EpochResult) -> EpochResult:
    """A contributor is said to be owed for a gateway's fault that never was, and the bond pays."""
    amount = TOKEN // 1000
    first, *others = result.evidence.contributors
    rows = (replace(first, faulted=amount), *others)
    leaves = tuple(
        replace(leaf, cumulative=leaf.cumulative + amount)
        if leaf.account == first.account
        else leaf
        for leaf in result.evidence.leaves
    )
    evidence = replace(result.evidence, contributors=rows, leaves=leaves)
    return resigned(run, result, evidence, bond_charge=amount)


@quorum("FEE-EXCESS")
def fee_above_the_rate(run: PaperRun, result: EpochResult) -> EpochResult:
    """The fee is one base unit above the campaign's rate."""
    return _with(result, fee_total=result.receipt.fee_total + 1)


@quorum("FEE-MISMATCH")
def fee_below_the_rate(run: PaperRun, result: EpochResult) -> EpochResult:
    """Operators undercut the fee that the rules give."""
    return _with(result, fee_total=result.receipt.fee_total - 1)


# -- terms and counts --------------------------------------------------------------------------


@quorum("TERMS")
def next_reward_raised(run: PaperRun, result: EpochResult) -> EpochResult:
    """The next epoch's reward is one base unit more than the step that the rules give."""
    return _with(result, next_reward=result.receipt.next_reward + 1)


@quorum("TERMS")
def next_threshold_lowered(run: PaperRun, result: EpochResult) -> EpochResult:
    """The next epoch's items would close on less agreement."""
    return _with(result, next_threshold=result.receipt.next_threshold - 1)


@quorum("COUNTS")
def labels_counted_twice(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt boasts of labels that nobody gave."""
    return _with(result, label_count=2 * result.receipt.label_count)


@quorum("COUNTS")
def agreement_made_up(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt boasts of agreement that the labels don't show."""
    return _with(result, agreement=1_000_000)


# -- what the contracts made of it -------------------------------------------------------------


@chain("WINDOW-SHORT", at="second cut")
def finalized_within_the_window(run: PaperRun) -> None:
    """A receipt is finalized before anybody could challenge it."""
    honest = run.pass_time
    run.pass_time = lambda seconds: honest(10 if seconds == 70 else seconds)  # type: ignore[method-assign]
    run.cut()


@chain("FINALIZED-UNKNOWN", at="second cut")
def another_receipt_finalized(run: PaperRun) -> None:
    """The receipt that is finalized isn't the one that waited through the window."""
    honest = run.finalized

    def finalized(receipt: Receipt, before: Receipt | None) -> list[Log]:
        other = replace(receipt, next_reward=receipt.next_reward + 1)
        return [honest(receipt, before)[0], honest(other, before)[1]]

    run.finalized = finalized  # type: ignore[method-assign]
    run.cut()


@chain("SETTLED-MISMATCH", at="second cut")
def finalized_without_settlement(run: PaperRun) -> None:
    """A receipt is finalized, but the escrow settles nothing."""
    honest = run.finalized
    run.finalized = lambda receipt, before: honest(receipt, before)[1:]  # type: ignore[method-assign]
    run.cut()


@chain("SETTLED-MISMATCH", at="second cut")
def settled_as_complete(run: PaperRun) -> None:
    """The escrow takes a receipt for the complete final one, to let the refund go."""
    run.finalized = _alter(run.finalized, 0, lambda data: data[:-1] + "1")  # type: ignore[method-assign]
    run.cut()


@chain("RESERVED-MISMATCH", at="second cut")
def reserved_another_sum(run: PaperRun) -> None:
    """The escrow reserves another sum than the receipt adds."""
    run.posted = _alter(run.posted, 0, lambda data: data[:-2] + "ff")  # type: ignore[method-assign]
    run.cut()


@chain("RESERVED-MISMATCH", at="second cut")
def reserved_for_another_epoch(run: PaperRun) -> None:
    """The escrow reserves the sum for another epoch than the receipt's."""
    run.posted = _alter(run.posted, 0, lambda data: data[:65] + "7" + data[66:])  # type: ignore[method-assign]
    run.cut()


@chain("FINALIZED-UNKNOWN", at="second cut")
def finalized_as_another_epoch(run: PaperRun) -> None:
    """The receipt that waited is finalized as another epoch's."""
    run.finalized = _alter(run.finalized, 1, lambda data: data[:-1] + "7")  # type: ignore[method-assign]
    run.cut()


@chain("SETTLED-MISMATCH", at="second cut")
def settled_twice(run: PaperRun) -> None:
    """A receipt is settled twice, so that operators share its fee twice."""
    honest = run.finalized

    def finalized(receipt: Receipt, before: Receipt | None) -> list[Log]:
        settled, done = honest(receipt, before)
        return [settled, settled, done]

    run.finalized = finalized  # type: ignore[method-assign]
    run.cut()


@chain("RESERVED-MISMATCH")
def reserved_for_no_receipt(run: PaperRun) -> None:
    """The escrow sets a sum aside though no receipt was posted."""
    run.mine(event_log("CampaignEscrow", "Reserved", campaign=1, epoch=3, amount=5))


@chain("RECEIPT-MISSING")
def settled_without_a_receipt(run: PaperRun) -> None:
    """The escrow settles an epoch for which no receipt was posted."""
    receipt = replace(run.results[1].receipt, epoch=3)
    run.mine(run.finalized(receipt, run.results[1].receipt)[0])
