"""Every fraud of the catalogue is found, and its code comes first; every code has its fraud."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.auditor import AuditReport, audit
from oracle.auditor.codes import CODES, Severity
from oracle.evidence.structs import Receipt
from tests.auditor.forge import in_epoch, padded
from tests.auditor.frauds import CATALOGUE, STAGES, Fraud, disputes, measured, money, page, stage
from tests.auditor.frauds.slashes import slash_in_full, withdraw_stake
from tests.auditor.paper import NAMES, PaperRun

AUDIT_PAGE = Path(__file__).resolve().parents[2] / "docs/AUDIT.md"


@pytest.mark.parametrize("fraud", CATALOGUE, ids=lambda one: f"{one.module}.{one.name}")
def test_audit__fraud__its_code_is_the_gravest_finding(fraud: Fraud, tmp_path: Path) -> None:
    report = fraud.judge(tmp_path)

    assert report.findings, "the fraud wasn't found"
    first = report.findings[0]
    assert (first.code, first.severity) == (fraud.code, fraud.severity), report.findings[:5]
    verified = report.verdict == "verified"
    assert verified == (fraud.severity is Severity.NOTE)
    if fraud.severity is Severity.FAULT:  # everybody passed over it: nobody lost or won by it
        assert {one.code for one in report.findings} == {fraud.code}
        assert (report.money, report.consensus) == ("verified", "findings")


@pytest.mark.parametrize("name", STAGES)
def test_audit__untouched_run__verified_without_findings(name: str, tmp_path: Path) -> None:
    report = audit(stage(name).write(tmp_path))
    assert report.findings == ()
    assert report.verdict == "verified"


def test_audit__honest_slash_and_withdrawal__verified(tmp_path: Path) -> None:
    assert audit(slash_in_full().write(tmp_path / "slash")).findings == ()
    run = stage("settled")
    withdraw_stake(run)
    assert audit(run.write(tmp_path / "withdrawal")).findings == ()


@pytest.mark.parametrize(
    "name",
    [
        "dismiss_and_settle",
        "void_of_a_right_receipt",
        "fork_and_refund",
        "fork_and_refund_refused",
    ],
)
def test_audit__honest_dispute_or_fork__verified(name: str, tmp_path: Path) -> None:
    report = audit(getattr(disputes, name)().write(tmp_path))
    assert report.findings == ()
    assert report.verdict == "verified"


def test_audit__measured_answers__verified(tmp_path: Path) -> None:
    assert audit(measured.honest().write(tmp_path)).findings == ()


def test_audit__refund_refused_by_the_token__verified(tmp_path: Path) -> None:
    assert audit(money.refund_refused().write(tmp_path)).findings == ()


def test_audit__fraud_voided__a_fault_that_cost_nobody_but_its_signers(tmp_path: Path) -> None:
    report = audit(disputes.void_and_try_again().write(tmp_path))
    assert [(one.code, one.severity) for one in report.findings] == [
        ("PAYOUT-PADDED", Severity.FAULT)
    ]
    assert (report.money, report.consensus) == ("verified", "findings")


def test_audit__payout_padded_by_one_unit__consensus_alone_finds_it(tmp_path: Path) -> None:
    report = judged("padded_by_one_unit", tmp_path)
    assert (report.money, report.consensus) == ("verified", "findings")
    assert [one.code for one in report.findings] == ["PAYOUT-PADDED"]


def test_audit__payout_beyond_all_labels__money_finds_it_without_the_rules(tmp_path: Path) -> None:
    report = judged("padded_beyond_all_labels", tmp_path)
    assert report.money == "findings"
    assert {one.verdict for one in report.findings} == {"money", "consensus"}


def judged(name: str, directory: Path) -> AuditReport:
    return next(one for one in CATALOGUE if one.name == name).judge(directory)


# -- receipts that aren't settled --------------------------------------------------------------


def test_audit__no_receipt_yet__verified(tmp_path: Path) -> None:
    run = PaperRun()
    run.delegate("expert")
    report = audit(run.write(tmp_path))
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

    assert audit(run_to_cut().write(tmp_path / "honest")).verdict == "verified"
    report = audit(run_to_cut(tamper=in_epoch(1, padded)).write(tmp_path / "padded"))
    assert [one.code for one in report.findings] == ["PAYOUT-PADDED"]


# -- the catalogue itself ----------------------------------------------------------------------


def test_catalogue__every_code__has_a_fraud() -> None:
    assert set(CODES) == {one.code for one in CATALOGUE}


def test_catalogue__at_least_forty_frauds__half_by_a_quorum() -> None:
    frauds = [one for one in CATALOGUE if one.severity > Severity.NOTE]
    by_quorum = [one for one in frauds if one.culprit == "quorum"]
    assert len(frauds) >= 40
    assert len(by_quorum) >= 40
    assert len({(one.module, one.name) for one in CATALOGUE}) == len(CATALOGUE)


def test_audit_page__holds_the_catalogue() -> None:
    """To mend: replace the section between the markers by `tests.auditor.frauds.page()`."""
    document = AUDIT_PAGE.read_text()
    held = document.split("<!-- frauds -->\n")[1].split("<!-- /frauds -->")[0]
    assert held.strip() == page().strip()
