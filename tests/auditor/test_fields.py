"""Nothing that a receipt or its evidence says can be altered unseen, whoever signs it.

Each field is altered by itself and signed by a corrupt quorum, with digests made consistent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from oracle.auditor import audit
from oracle.evidence.results import (
    ContributorResult,
    Evidence,
    ItemResult,
    PayoutLeaf,
    SlashLeaf,
)
from oracle.evidence.structs import Receipt
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import resigned
from tests.auditor.paper import NAMES, PaperRun, cheated_run


def altered(value: Any) -> Any:
    """The same kind of value, another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, tuple):
        return (value[0] + 1, *value[1:])
    return None


def of_receipt(name: str) -> Callable[[PaperRun, EpochResult], EpochResult]:
    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        changes = {name: altered(getattr(result.receipt, name))}
        return replace(result, receipt=replace(result.receipt, **changes))

    return fraud


@pytest.mark.parametrize(
    "name", [one.name for one in fields(Receipt) if one.name not in ("campaign", "evidence")]
)
def test_audit__any_receipt_field_altered__fraud(name: str, tmp_path: Path) -> None:
    report = audit(cheated_run(of_receipt(name)).write(tmp_path))
    assert report.findings[0].severity.text == "fraud", name
    assert report.verdict == "findings"


ROWS = {
    "items": ItemResult,
    "leaves": PayoutLeaf,
    "contributors": ContributorResult,
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, one.name) for part, row in ROWS.items() for one in fields(row)]
)
def test_audit__any_field_of_the_evidence_altered__fraud(
    part: str, name: str, tmp_path: Path
) -> None:
    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        # The last row, so that order stays: a higher item number or another account is a row more.
        *others, last = getattr(result.evidence, part)
        changed = replace(last, **{name: altered(getattr(last, name))})
        rows = sorted((*others, changed), key=lambda row: getattr(row, _key(row)))
        return resigned(run, result, replace(result.evidence, **{part: tuple(rows)}))

    report = audit(cheated_run(fraud).write(tmp_path))
    assert report.findings[0].severity.text == "fraud", (part, name)
    assert report.consensus == "findings"


def _key(row: Any) -> str:
    return "item" if isinstance(row, ItemResult) else "account"


def test_audit__slash_without_gold__slash_mismatch(tmp_path: Path) -> None:
    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        slashes = (SlashLeaf(result.evidence.leaves[0].account, 7),)
        return resigned(run, result, replace(result.evidence, slashes=slashes))

    assert audit(cheated_run(fraud).write(tmp_path)).findings[0].code == "SLASH-MISMATCH"


@pytest.mark.parametrize("seed", range(6))
def test_audit__nonsense_signed_in_the_first_epoch__findings_and_no_crash(
    seed: int, tmp_path: Path
) -> None:
    """The second epoch builds on evidence that no rule would give: the audit must still end."""
    chance = random.Random(seed)

    def nonsense(evidence: Evidence) -> Evidence:
        items = [
            replace(
                row,
                item=row.item + 4_000_000_000 * chance.randrange(2),
                answer=chance.randrange(2**32),
                epoch=chance.randrange(2**32),
                status=chance.randrange(256),
            )
            for row in evidence.items
        ]
        slashes = [SlashLeaf(leaf.account, 2**255) for leaf in evidence.leaves]
        leaves = [replace(leaf, cumulative=chance.randrange(10**18)) for leaf in evidence.leaves]
        unique = {row.item: row for row in items if row.item < 2**32}
        return replace(
            evidence,
            items=tuple(unique[item] for item in sorted(unique)),
            slashes=tuple(slashes),
            leaves=tuple(leaves[1:]),
        )

    run = PaperRun()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    honest: list[EpochResult] = []

    def tamper(run: PaperRun, result: EpochResult) -> EpochResult:
        honest.append(result)
        return resigned(run, result, nonsense(result.evidence))

    run.tamper = tamper
    run.cut()
    posted = run.results[0].receipt
    run.results[0] = honest[0]  # the culprits go on from what they know is right
    run.tamper = lambda run, result: replace(
        result,
        receipt=replace(result.receipt, previous=posted.digest(run.facts.board_domain)),
    )
    run.label(NAMES)
    run.cut()

    report = audit(run.write(tmp_path))

    assert report.verdict == "findings"
    assert report.findings[0].severity.text == "fraud"
