"""Every fraud of the catalogue is found, and its code comes first; every code has its fraud."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.auditor.codes import CODES, Severity
from tests.auditor.frauds import CATALOGUE, STAGES, Fraud, page, stage
from tests.auditor.frauds.slashes import slash_in_full, withdraw_stake

AUDIT_PAGE = Path(__file__).resolve().parents[2] / "docs/AUDIT.md"


@pytest.mark.parametrize("fraud", CATALOGUE, ids=lambda one: f"{one.module}.{one.name}")
def test_audit__fraud__its_code_is_the_gravest_finding(fraud: Fraud, tmp_path: Path) -> None:
    report = fraud.judge(tmp_path)

    assert report.findings, "the fraud wasn't found"
    first = report.findings[0]
    assert (first.code, first.severity) == (fraud.code, fraud.severity), report.findings[:5]
    verified = report.verdict == "verified"
    assert verified == (fraud.severity is Severity.NOTE)


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
