"""Honest money is verified to the last unit; what is odd but no fraud is said and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.chain.deployment import Deployment
from oracle.evidence.signing import address_of
from tests.auditor.paper import (
    NAMES,
    PaperRun,
    addresses,
    honest_run,
    transfer,
)
from tests.support.world import key_of

ESCROW = addresses()["CampaignEscrow"]
THIEF = address_of(key_of("thief"))


def test_audit__honest_run__verified_to_the_last_unit(tmp_path: Path) -> None:
    run = honest_run()
    run.finish()

    report = audit(run.write(tmp_path))

    assert report.verdict == "verified"
    assert report.findings == ()
    assert (report.money, report.consensus, report.availability) == ("verified",) * 3
    assert report.checks > 1000
    own = report.campaigns[0]
    assert own.paid == run.results[-1].receipt.payout_total
    assert own.budget + own.bond == own.paid + own.refunded + own.held
    assert own.held == own.fees == report.sums["fees_withdrawn"]
    assert own.unclaimed == 0
    assert report.last_hash == run.headers[-1]["hash"]


def test_audit__claim_after_refund__allowed(tmp_path: Path) -> None:
    run = honest_run()
    run.close()
    run.pass_time(run.manifest.lease_seconds + 60)
    final = run.cut(final=True)
    run.refund()
    run.claim(final)

    assert audit(run.write(tmp_path)).verdict == "verified"


def test_audit__donation__noted_and_still_verified(tmp_path: Path) -> None:
    run = honest_run()
    run.mine(transfer(b"\0" * 20, THIEF, 5), transfer(THIEF, ESCROW, 5))

    report = audit(run.write(tmp_path))

    assert [one.code for one in report.findings] == ["INFLOW-UNANNOUNCED"]
    assert report.verdict == "verified"


def test_audit__balance_proven_lower_than_transfers__conservation(tmp_path: Path) -> None:
    class Drained(PaperRun):
        def token_words(self, deployment: Deployment) -> dict[bytes, int]:
            words = super().token_words(deployment)
            return {slot: max(0, value - 1) for slot, value in words.items()}

    report = audit(run_of(Drained).write(tmp_path))

    found = [(one.code, one.place) for one in report.findings]
    assert found == [
        ("TOKEN-SUPPLY", "LabelToken"),
        ("CONSERVATION", "escrow"),
        ("CONSERVATION", "vault"),
    ]


# -- contracts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LabelToken", "StakeVault", "CampaignEscrow", "ReceiptBoard"])
def test_audit__bytecode_differs_by_a_byte__contract_code(name: str, tmp_path: Path) -> None:
    class LookAlike(PaperRun):
        def code(self, deployment: Deployment, contract: str) -> bytes:
            code = super().code(deployment, contract)
            return code[:100] + bytes([code[100] ^ 1]) + code[101:] if contract == name else code

    report = audit(run_of(LookAlike).write(tmp_path))

    assert [one.code for one in report.findings] == ["CONTRACT-CODE"]
    assert (report.money, report.consensus) == ("findings", "unknown")


def run_of(kind: type[PaperRun], **changes: object) -> PaperRun:
    return worked(kind(**changes))  # type: ignore[arg-type]


def worked(run: PaperRun) -> PaperRun:
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for _ in range(2):
        run.label(NAMES)
        run.cut()
    return run
