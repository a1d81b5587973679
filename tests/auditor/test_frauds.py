"""Each fraud has its own code, and that code comes first.

The frauds here are re-signed by a corrupt quorum, with every digest, root and total made
consistent, so that only the rule itself is broken; or they stand in the gateway's log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.auditor import AuditReport, audit
from oracle.evidence import entries
from oracle.evidence.results import PayoutLeaf
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import in_epoch, padded, resigned, with_leaf, with_log, with_supplement
from tests.auditor.paper import (
    NAMES,
    PaperRun,
    cheated_run,
)
from tests.support.world import TOKEN, key_of


def judge(run: PaperRun, directory: Path) -> AuditReport:
    return audit(run.write(directory))


# -- frauds of the quorum, in epoch 2 ----------------------------------------------------------


def padded_beyond_labels(run: PaperRun, result: EpochResult) -> EpochResult:
    evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=50 * TOKEN))
    return resigned(run, result, evidence)


def lowered(run: PaperRun, result: EpochResult) -> EpochResult:
    evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=leaf.cumulative - 1))
    return resigned(run, result, evidence)


def fell(run: PaperRun, result: EpochResult) -> EpochResult:
    evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=1))
    return resigned(run, result, evidence)


def missing(run: PaperRun, result: EpochResult) -> EpochResult:
    return resigned(run, result, with_leaf(result, lambda leaf: None))


def unearned(run: PaperRun, result: EpochResult) -> EpochResult:
    friend = PayoutLeaf(address_of(key_of("friend")), TOKEN, 1, 1)
    leaves = sorted((*result.evidence.leaves, friend), key=lambda leaf: leaf.account)
    return resigned(run, result, replace(result.evidence, leaves=tuple(leaves)))


def other_answer(run: PaperRun, result: EpochResult) -> EpochResult:
    first = result.evidence.items[0]
    changed = replace(first, answer=(first.answer + 1) % 10)
    return resigned(
        run, result, replace(result.evidence, items=(changed, *result.evidence.items[1:]))
    )


def other_terms(run: PaperRun, result: EpochResult) -> EpochResult:
    reward = result.receipt.next_reward + 1
    return replace(result, receipt=replace(result.receipt, next_reward=reward))


def fee_of_its_own(run: PaperRun, result: EpochResult) -> EpochResult:
    fee = result.receipt.fee_total - 1
    return replace(result, receipt=replace(result.receipt, fee_total=fee))


def fee_above_rate(run: PaperRun, result: EpochResult) -> EpochResult:
    fee = result.receipt.fee_total + 1
    return replace(result, receipt=replace(result.receipt, fee_total=fee))


def bond_charged(run: PaperRun, result: EpochResult) -> EpochResult:
    return replace(result, receipt=replace(result.receipt, bond_charge=5))


def other_counts(run: PaperRun, result: EpochResult) -> EpochResult:
    count = result.receipt.label_count + 1
    return replace(result, receipt=replace(result.receipt, label_count=count))


def other_root(run: PaperRun, result: EpochResult) -> EpochResult:
    return replace(result, receipt=replace(result.receipt, payout_root=b"\7" * 32))


def other_total(run: PaperRun, result: EpochResult) -> EpochResult:
    total = result.receipt.payout_total + 1
    return replace(result, receipt=replace(result.receipt, payout_total=total))


def out_of_order(run: PaperRun, result: EpochResult) -> EpochResult:
    first = run.results[0].receipt.previous
    return replace(result, receipt=replace(result.receipt, previous=first))


def same_epoch_again(run: PaperRun, result: EpochResult) -> EpochResult:
    evidence = replace(result.evidence, epoch=1)
    return resigned(run, result, evidence, epoch=1)


def voided_before(run: PaperRun, result: EpochResult) -> EpochResult:
    return resigned(run, result, replace(result.evidence, attempt=1), attempt=1)


def later_anchor(run: PaperRun, result: EpochResult) -> EpochResult:
    return replace(result, receipt=replace(result.receipt, as_of=run.block + 50))


def another_manifest(run: PaperRun, result: EpochResult) -> EpochResult:
    return resigned(run, result, replace(result.evidence, manifest=result.evidence.supplement))


def another_log_head(run: PaperRun, result: EpochResult) -> EpochResult:
    return replace(result, receipt=replace(result.receipt, log_head=b"\1" * 32))


def not_canonical(run: PaperRun, result: EpochResult) -> EpochResult:
    from oracle.evidence.codec import DAG_CBOR, Block

    junk = Block(DAG_CBOR, b"\xa1\x61v\x02")
    changed = replace(result.receipt, evidence=junk.digest)
    return replace(result, receipt=changed, blocks=(*result.blocks, junk))


def opened_otherwise(run: PaperRun, result: EpochResult) -> EpochResult:
    def change(one: Supplement) -> Supplement:
        first = one.openings[0]
        answer = b'"1"' if first.answer != b'"1"' else b'"2"'
        return replace(one, openings=(replace(first, answer=answer), *one.openings[1:]))

    return with_supplement(run, result, change)


def opened_no_class(run: PaperRun, result: EpochResult) -> EpochResult:
    def change(one: Supplement) -> Supplement:
        return replace(one, openings=(replace(one.openings[0], answer=b'"ten"'), *one.openings[1:]))

    return with_supplement(run, result, change)


def gold_in_part(run: PaperRun, result: EpochResult) -> EpochResult:
    return with_supplement(run, result, lambda one: replace(one, gold=one.gold[1:]))


def gold_salted_otherwise(run: PaperRun, result: EpochResult) -> EpochResult:
    def change(one: Supplement) -> Supplement:
        return replace(one, gold=(replace(one.gold[0], salt=b"\3" * 32), *one.gold[1:]))

    return with_supplement(run, result, change)


def another_seed(run: PaperRun, result: EpochResult) -> EpochResult:
    return with_supplement(run, result, lambda one: replace(one, seed=b"\4" * 32))


QUORUM_FRAUDS = {
    padded: "PAYOUT-PADDED",
    padded_beyond_labels: "PAYOUT-PADDED",
    lowered: "PAYOUT-LOWERED",
    fell: "LEAF-FELL",
    missing: "LEAF-FELL",
    unearned: "PAYOUT-UNEARNED",
    other_answer: "ITEM-RESULT",
    other_terms: "TERMS",
    fee_of_its_own: "FEE-MISMATCH",
    fee_above_rate: "FEE-EXCESS",
    bond_charged: "BOND-CHARGE",
    other_counts: "COUNTS",
    other_root: "LEAVES-ROOT",
    other_total: "PAYOUT-TOTAL",
    out_of_order: "RECEIPT-ORDER",
    same_epoch_again: "RECEIPT-ORDER",
    voided_before: "RECEIPT-ATTEMPT",
    later_anchor: "RECEIPT-ANCHOR",
    another_manifest: "EVIDENCE-INDEX",
    another_log_head: "LOG-HEAD",
    not_canonical: "EVIDENCE-FORMAT",
    opened_otherwise: "OPENING-COMMITMENT",
    opened_no_class: "OPENING-ANSWER",
    gold_in_part: "GOLD-PARTIAL",
    gold_salted_otherwise: "GOLD-OPENING",
    another_seed: "DRAW-SEED",
}


@pytest.mark.parametrize("fraud", QUORUM_FRAUDS, ids=lambda fraud: fraud.__name__)
def test_audit__corrupt_quorum_signs_fraud__own_code_comes_first(
    fraud: Callable[[PaperRun, EpochResult], EpochResult], tmp_path: Path
) -> None:
    report = judge(cheated_run(fraud), tmp_path)

    assert report.verdict == "findings"
    assert report.findings[0].code == QUORUM_FRAUDS[fraud], report.findings[:5]
    assert report.findings[0].severity.text == "fraud"
    assert report.availability == "verified"


def test_audit__payout_padded_by_one_unit__consensus_alone_finds_it(tmp_path: Path) -> None:
    report = judge(cheated_run(padded), tmp_path)

    assert (report.money, report.consensus) == ("verified", "findings")
    assert [one.code for one in report.findings] == ["PAYOUT-PADDED"]


def test_audit__payout_beyond_all_labels__money_finds_it_without_the_rules(tmp_path: Path) -> None:
    report = judge(cheated_run(padded_beyond_labels), tmp_path)

    assert report.money == "findings"
    assert {one.verdict for one in report.findings} == {"money", "consensus"}


# -- frauds in the log -------------------------------------------------------------------------


def test_audit__submission_replayed_and_skipped__fault(tmp_path: Path) -> None:
    def replay(run: PaperRun) -> None:
        row = next(one for one in run.rows if isinstance(one.entry, entries.Submission))
        run.append(row.entry, check=False)

    report = judge(labeled(replay), tmp_path)

    assert [one.code for one in report.findings] == ["SUBMISSION-REPLAYED"]
    assert report.findings[0].severity.text == "fault"
    assert (report.money, report.consensus) == ("verified", "findings")


def test_audit__delegation_expired__fault(tmp_path: Path) -> None:
    def expired(run: PaperRun) -> None:
        entry = entries.Delegation(
            0,
            address_of(key_of("late")),
            address_of(key_of("late session")),
            0,
            1,
            run.manifest.consent,
            entries.NO_SIGNATURE,
        )
        digest = entry.struct(1).digest(run.facts.escrow_domain)
        run.append(replace(entry, signature=sign(key_of("late"), digest)), check=False)

    assert codes(judge(labeled(expired), tmp_path)) == ["DELEGATION-EXPIRED"]


def test_audit__expired_key_submits__fault(tmp_path: Path) -> None:
    def submit(run: PaperRun) -> None:
        run.delegate("late", valid_until=run.ledger.anchor.timestamp + 60)
        run.pass_time(180)
        run.delegate("late", generation=0, valid_until=run.ledger.anchor.timestamp + 60)
        items = run.lease("late", 2)
        assert items
        run.pass_time(120)
        entry, _ = run.submission("late", items, [0, 0])
        run.append(entry, check=False)

    assert codes(judge(labeled(submit), tmp_path)) == ["DELEGATION-EXPIRED"]


def test_audit__expired_labels_counted__cause_before_consequence(tmp_path: Path) -> None:
    """The quorum opens, and so counts, labels of a key whose delegation had expired."""
    held = {}

    def submit(run: PaperRun) -> None:
        run.delegate("late", valid_until=run.ledger.anchor.timestamp + 200)
        run.pass_time(120)
        items = run.lease("late", 3)
        assert items
        run.pass_time(120)
        entry, openings = run.submission("late", items, [0] * len(items))
        position = run.append(entry, check=False)
        held["row"] = replace(openings[0], position=position)

    def count(run: PaperRun, result: EpochResult) -> EpochResult:
        def change(one: Supplement) -> Supplement:
            return replace(one, openings=tuple(sorted((*one.openings, held["row"]))))

        return with_supplement(run, result, change)

    run = labeled(submit, tamper=in_epoch(1, count), more=False)
    report = judge(run, tmp_path)

    assert report.findings[0].code == "DELEGATION-EXPIRED"
    assert report.findings[0].severity.text == "fraud"
    assert "OPENING-LABEL" in codes(report)


def test_audit__entry_signed_by_stranger__code_by_kind(tmp_path: Path) -> None:
    def forge(run: PaperRun) -> None:
        items = run.lease("expert", 2)
        assert items
        entry, _ = run.submission("expert", items, [0] * len(items), generation=7)
        run.append(entry, check=False)

    assert codes(judge(labeled(forge), tmp_path)) == ["SUBMISSION-SIGNATURE"]


def test_audit__lease_steered_past_its_draw__fault_with_the_bond_charged(tmp_path: Path) -> None:
    def steer(run: PaperRun) -> None:
        run.pass_time(60)
        contributor = address_of(key_of("expert"))
        drawn = run.ledger.draw(contributor)
        chosen = next(
            item
            for item in run.truth
            if item not in drawn and run.ledger.eligible(contributor, item)
        )
        run.append(
            entries.Lease(contributor, run.ledger.reward(), run.ledger.latest_expiry(), (chosen,))
        )

    report = judge(labeled(steer), tmp_path)
    assert codes(report) == ["DRAW"]
    assert report.money == "verified"


def labeled(
    meddle: Callable[[PaperRun], None], *, more: bool = True, **changes: object
) -> PaperRun:
    """An honest epoch during which somebody meddles with the log; then another."""
    run = PaperRun(**changes)  # type: ignore[arg-type]
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for name in NAMES:
        run.work(name, 5, run.answer)
    meddle(run)
    run.label(NAMES)
    run.cut()
    if more:
        run.label(NAMES)
        run.cut()
    return run


def codes(report: AuditReport) -> list[str]:
    return [one.code for one in report.findings]


# -- the published log -------------------------------------------------------------------------


def unsigned_head(run: PaperRun, result: EpochResult) -> EpochResult:
    rows = list(run.rows[: result.receipt.log_position])
    digest = rows[-3].signed_head(1).digest(run.facts.escrow_domain)
    rows[-3] = replace(rows[-3], signature=sign(key_of("stranger"), digest))
    return with_log(run, result, rows)


def cut_later(run: PaperRun, result: EpochResult) -> EpochResult:
    run.pass_time(120)
    return with_log(run, result, run.rows)


def cut_too_early(run: PaperRun, result: EpochResult) -> EpochResult:
    return with_log(run, result, run.rows[: result.receipt.log_position - 5])


def shard_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    return resigned(run, result, replace(result.evidence, log=()))


def log_of_another_start(run: PaperRun, result: EpochResult) -> EpochResult:
    before = run.results[0].receipt
    rows = run.rows[before.log_position : result.receipt.log_position]
    blocks = entries.encode_log(1, rows[1:], before=rows[0].head)
    evidence = replace(result.evidence, log=tuple(block.link for block in blocks))
    result = replace(result, blocks=(*result.blocks, *blocks))
    return resigned(run, result, evidence)


LOG_FRAUDS = {
    unsigned_head: "LOG-SIGNATURE",
    cut_later: "LOG-CUT",
    cut_too_early: "LOG-SHORT",
    shard_left_out: "LOG-HEAD",
    log_of_another_start: "LOG-CHAIN",
}


@pytest.mark.parametrize("fraud", LOG_FRAUDS, ids=lambda fraud: fraud.__name__)
def test_audit__quorum_publishes_another_log__own_code_comes_first(
    fraud: Callable[[PaperRun, EpochResult], EpochResult], tmp_path: Path
) -> None:
    report = judge(cheated_run(fraud), tmp_path)
    assert report.findings[0].code == LOG_FRAUDS[fraud], report.findings[:4]
    assert report.findings[0].severity.text == "fraud"


def test_audit__no_receipt_yet__verified(tmp_path: Path) -> None:
    run = PaperRun()
    run.delegate("expert")
    report = judge(run, tmp_path)
    assert report.verdict == "verified"
    assert report.campaigns[0].receipts == 0


def test_audit__receipt_still_pending__judged_too(tmp_path: Path) -> None:
    class Pending(PaperRun):
        def settle(self, receipt: Receipt) -> None:
            self.mine(*self.posted(receipt, None))

    def run_to_cut(**changes: object) -> PaperRun:
        run = Pending(**changes)  # type: ignore[arg-type]
        for name in NAMES:
            run.delegate(name)
        run.pass_time(180)
        run.label(NAMES)
        run.cut()
        return run

    assert judge(run_to_cut(), tmp_path / "honest").verdict == "verified"
    report = judge(run_to_cut(tamper=in_epoch(1, padded)), tmp_path / "padded")
    assert codes(report) == ["PAYOUT-PADDED"]


def test_audit__submission_replayed_and_counted__cause_before_consequence(tmp_path: Path) -> None:
    run = PaperRun()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for name in NAMES:
        run.work(name, 5, run.answer)
    row = next(one for one in run.rows if isinstance(one.entry, entries.Submission))
    position = run.append(row.entry, check=False)
    run.label(NAMES)

    def count(run: PaperRun, result: EpochResult) -> EpochResult:
        def change(one: Supplement) -> Supplement:
            again = next(opening for opening in one.openings if opening.position == row.position)
            rows = sorted((*one.openings, replace(again, position=position)))
            return replace(one, openings=tuple(rows))

        return with_supplement(run, result, change)

    run.tamper = count
    run.cut()
    report = judge(run, tmp_path)

    assert report.findings[0].code == "SUBMISSION-REPLAYED"
    assert report.findings[0].severity.text == "fraud"
