"""`ddlp challenge`: by the fault that is found, with the bond; nothing where nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from oracle.auditor.codes import Severity
from oracle.auditor.report import AuditReport, Finding
from oracle.chain.poster import Poster
from oracle.cli import cli
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.evidence.structs import Receipt
from oracle.ports import ChainEvent
from oracle.processes.challenge import find_fault
from oracle.processes.folder import OperatorFolder, Signed
from oracle.replay.digits import digit_campaign, digit_terms
from tests.oracle.chain.conftest import UNIT, Platform

PASSPHRASE = "correct horse"


class Reported:
    """An audit's report with given findings."""

    def __init__(self, *findings: tuple[Severity, str, str], unknown: str = "") -> None:
        self.reasons = {"consensus": unknown} if unknown else {}
        self.findings = [
            Finding("consensus", code, severity, place, "why") for severity, code, place in findings
        ]


def fault_of(receipt: Receipt, *findings: tuple[Severity, str, str]) -> str | None:
    found = find_fault(cast(AuditReport, Reported(*findings)), receipt)
    return None if found is None else f"{found.code} at {found.place}"


@pytest.fixture
def posted(platform: Platform, tmp_path: Path) -> Receipt:
    """A receipt whose evidence nobody has, within its window."""
    files, _ = digit_campaign(digit_terms(), items=20, gold=5, gold_epochs=1, secret=b"\x07" * 32)
    campaign = platform.create(files.publish(LocalContent(tmp_path / "state" / "content")))
    receipt = platform.receipt(campaign, 1, platform.leaves(3))
    platform.relayer.post(receipt, platform.sign(receipt, 0, 2))
    return receipt


@pytest.fixture
def run(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    account = platform.wallets.requester(50)
    owner = Poster(platform.devnet.w3, platform.wallets.deployer, platform.deployment)
    owner.mint(bytes.fromhex(account.address[2:]), 1_000 * UNIT)
    keyfile = json.dumps(account.encrypt(PASSPHRASE, "pbkdf2", 1))
    OperatorFolder.create(tmp_path / "state", platform.deployment, Signed(keyfile))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "passphrase").chmod(0o600)
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DDLP_RPC_URL", platform.devnet.url)
    monkeypatch.setenv("DDLP_PASSPHRASE_FILE", str(tmp_path / "passphrase"))

    def challenge(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["challenge", *arguments])

    return challenge


def challenges(platform: Platform) -> list[ChainEvent]:
    return [event for event in platform.reader().events() if event.name == "Challenged"]


@pytest.mark.chain
def test_challenge__evidence_that_nobody_has__is_named_once_and_the_bond_paid(
    platform: Platform, posted: Receipt, run: Callable[..., Result]
) -> None:
    digest = "0x" + platform.digest(posted).hex()
    done = run(digest, "--yes")
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert "Challenged in transaction 0x" in done.output
    [event] = challenges(platform)
    assert event.arguments["digest"] == platform.digest(posted)
    assert event.arguments["fault"] in done.output
    assert event.arguments["place"].startswith(f"campaign {posted.campaign}, epoch 1")
    assert event.arguments["bond"] == platform.deployment.parameters.min_challenge_bond
    again = run(digest, "--yes")
    assert "Somebody has named this fault already." in again.output
    assert len(challenges(platform)) == 1


@pytest.mark.chain
def test_challenge__not_agreed_to__pays_nothing(
    platform: Platform, posted: Receipt, run: Callable[..., Result]
) -> None:
    done = run("0x" + platform.digest(posted).hex())  # nobody answers the question
    assert done.exit_code == 1
    assert "bond of" in done.output
    assert challenges(platform) == []


@pytest.mark.chain
@pytest.mark.parametrize("text", ["0x" + "11" * 32, "something"])
def test_challenge__no_pending_receipt__is_refused(
    platform: Platform, posted: Receipt, run: Callable[..., Result], text: str
) -> None:
    done = run(text, "--yes")
    assert isinstance(done.exception, InputError)
    assert challenges(platform) == []


@pytest.mark.chain
def test_challenge__finalized_receipt__is_refused(
    platform: Platform, posted: Receipt, run: Callable[..., Result]
) -> None:
    platform.devnet.increase_time(platform.deployment.parameters.window_seconds)
    platform.relayer.finalize(posted)
    done = run("0x" + platform.digest(posted).hex(), "--yes")
    assert isinstance(done.exception, InputError)
    assert challenges(platform) == []


@pytest.mark.parametrize(
    ("findings", "wanted"),
    [
        ([], None),
        ([(Severity.FAULT, "ANCHOR-SKIPPED", "campaign 7, epoch 1")], None),
        ([(Severity.FRAUD, "RECEIPT-DIFFERS", "campaign 7, epoch 12")], None),
        ([(Severity.FRAUD, "RECEIPT-DIFFERS", "campaign 17, epoch 1")], None),
        (
            [(Severity.FRAUD, "RECEIPT-DIFFERS", "campaign 7, epoch 1, payoutTotal")],
            "RECEIPT-DIFFERS at campaign 7, epoch 1, payoutTotal",
        ),
        (
            [(Severity.FRAUD, "C" * 40, "campaign 7, epoch 1 " + "ä" * 100)],
            "C" * 32 + " at campaign 7, epoch 1 " + "ä" * 54,
        ),
    ],
    ids=["none", "gateway's fault", "epoch 12", "campaign 17", "fraud", "too long"],
)
def test_find_fault__only_what_is_wrong_with_this_receipt__counts(
    findings: list[Any], wanted: str | None
) -> None:
    receipt = Receipt(
        7, 1, 0, False, *[bytes(32)] * 2, 0, 0, 0, bytes(32), 0, bytes(32), 0, 0, 0, 0, 0, 0,
        bytes(32),
    )  # fmt: skip
    assert fault_of(receipt, *findings) == wanted


def test_find_fault__evidence_is_nowhere__is_a_fault_of_that_receipt_alone() -> None:
    report = Reported(unknown="campaign 7, epoch 1: block bafy is missing")
    first, second = (
        Receipt(
            7, epoch, 0, False, *[bytes(32)] * 2, 0, 0, 0, bytes(32), 0, bytes(32), 0, 0, 0, 0, 0,
            0, bytes(32),
        )
        for epoch in (1, 2)
    )  # fmt: skip
    found = find_fault(cast(AuditReport, report), first)
    assert found is not None
    assert (found.code, found.place) == ("BLOCK-MISSING", "campaign 7, epoch 1")
    assert find_fault(cast(AuditReport, report), second) is None
