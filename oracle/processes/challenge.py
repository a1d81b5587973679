"""`ddlp challenge RECEIPT`: dispute a pending receipt by the fault that an audit here finds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import click

from oracle.auditor.codes import Severity
from oracle.auditor.report import AuditReport
from oracle.auditor.verdicts import audit_node
from oracle.chain.development import DEPLOYMENT_FILE, served_url
from oracle.chain.reader import Web3Reader
from oracle.config import load_settings
from oracle.errors import InputError
from oracle.evidence.structs import Domain, Receipt
from oracle.processes.commands import open_chain, open_poster

MISSING = "BLOCK-MISSING"
MAX_FAULT, MAX_PLACE = 32, 128  # bytes, as the ReceiptBoard takes them


@dataclass(frozen=True)
class Fault:
    """What is wrong with a receipt: the auditor's code, its place, and a sentence."""

    code: str
    place: str
    message: str


@click.command()
@click.argument("receipt", metavar="RECEIPT")
@click.option("--yes", is_flag=True, help="Don't ask before the bond is paid.")
def challenge(receipt: str, yes: bool) -> None:
    """Dispute the pending receipt with digest RECEIPT, by the fault found here.

    The chain and DDLP_CONTENT_DIR are audited first: where nothing is wrong, nothing is sent.
    """
    settings = load_settings()
    w3, deployment = open_chain(settings)
    pending = _pending(Web3Reader(w3, deployment, "latest"), receipt)
    url = settings.rpc_url or served_url(settings.state_dir)
    deployment_file = next(
        path
        for path in (
            settings.state_dir / DEPLOYMENT_FILE,
            settings.state_dir / "chain" / DEPLOYMENT_FILE,
        )
        if path.exists()
    )
    report = audit_node(
        url.split(",")[0], deployment_file, settings.content_dir, campaign=pending.campaign
    )
    fault = find_fault(report, pending)
    if fault is None:
        raise InputError(
            f"nothing is wrong with epoch {pending.epoch} of campaign {pending.campaign}: a "
            "challenge would cost its bond"
        )
    click.echo(f"{fault.code} at {fault.place}: {fault.message}")
    with open_poster(settings) as poster:
        bond, cost = poster.challenge_terms(pending.campaign)
        click.echo(f"It takes a bond of {bond} base units and {cost} wei for the arbitrator.")
        if not yes:
            click.confirm("Challenge?", abort=True)
        sent = poster.challenge(pending, fault.code, fault.place)
    if sent.transaction is None:
        click.echo("Somebody has named this fault already.")
    else:
        click.echo(f"Challenged in transaction 0x{sent.transaction.hex()}.")


def find_fault(report: AuditReport, receipt: Receipt) -> Fault | None:
    """Return the gravest fault of a receipt that an audit found; None where there is none.

    Fraud counts, and evidence that is nowhere to be had: faults that the operators passed over as
    they should are no reason.
    """
    named = re.compile(rf"\bcampaign {receipt.campaign}, epoch {receipt.epoch}\b")
    for finding in report.findings:
        if finding.severity is Severity.FRAUD and named.search(finding.place):
            return Fault(finding.code[:MAX_FAULT], _cut(finding.place), finding.sentence)
    for why in report.reasons.values():
        if named.match(why):
            place = f"campaign {receipt.campaign}, epoch {receipt.epoch}"
            return Fault(MISSING, place, f"{why}: ask others for it before you challenge")
    return None


def _cut(place: str) -> str:
    return place.encode()[:MAX_PLACE].decode(errors="ignore")


def _pending(reader: Web3Reader, text: str) -> Receipt:
    """Return the pending receipt with a digest; InputError where there is none."""
    try:
        wanted = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InputError(f"{text!r} is no digest: give 0x and 64 hexadecimal digits") from None
    domain = Domain(reader.deployment.chain_id, reader.deployment.board)
    done: set[Any] = set()
    for event in reversed(reader.events()):
        if event.name in ("ReceiptFinalized", "ReceiptVoided"):
            done.add(event.arguments["digest"])
        if event.name == "ReceiptPosted" and event.arguments["digest"] == wanted:
            if wanted in done:
                break
            receipt = Receipt.from_tuple(event.arguments["receipt"])
            assert receipt.digest(domain) == wanted
            return receipt
    raise InputError(f"no pending receipt has the digest {text}: see `ddlp audit` for which do")
