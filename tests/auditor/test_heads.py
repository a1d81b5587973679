"""Kept heads: what they prove, what they don't, and files that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.auditor import audit
from oracle.auditor.codes import Severity
from oracle.auditor.commands import audit as command
from oracle.evidence import entries
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import sign
from tests.auditor.frauds import stage
from tests.auditor.frauds.log import rechained
from tests.auditor.frauds.openings import redecided
from tests.auditor.paper import PaperRun
from tests.support.world import key_of


def kept(run: PaperRun, row: entries.LogRow, before: bytes) -> dict[str, Any]:
    """A head as the page keeps it."""
    texts = {"entry": row.data, "before": before, "head": row.head, "signature": row.signature}
    numbers = {"campaign": 1, "position": row.position}
    return {**numbers, **{name: "0x" + data.hex() for name, data in texts.items()}}


def write(directory: Path, *heads: dict[str, Any]) -> Path:
    path = directory / "heads.jsonl"
    path.write_text("".join(json.dumps(head) + "\n" for head in heads))
    return path


def test_heads__all_in_the_log__verified_and_counted(tmp_path: Path) -> None:
    run = stage("finished")
    befores = [ZERO32, *(row.head for row in run.rows)]
    heads = [kept(run, row, before) for row, before in zip(run.rows, befores, strict=False)]
    directory = run.write(tmp_path / "run")

    report = audit(directory, heads=write(tmp_path, *heads))

    assert report.findings == ()
    covered = run.results[-1].receipt.log_position
    assert report.checks == audit(directory).checks + covered


def test_heads__left_out_but_filed__fault(tmp_path: Path) -> None:
    """The gateway left a submission out; operators took it as a filing, and it counts."""
    run = stage("delegated")
    names = ("expert", "ordinary", "careful", "quick", "steady")
    items = run.lease("expert", 3)
    entry, openings = run.submission("expert", items, [run.truth[item] for item in items])
    data = entries.encode_entry(entry)
    before = run.rows[-1].head
    row = rechained(run, [data], first=len(run.rows) + 1, before=before)[0]
    run.label(names[1:])
    run.tamper = lambda run, result: redecided(
        run, lambda one: type(one)(*[*vars(one).values()][:5], (data,), one.openings)
    )
    run.cut()
    assert openings

    report = audit(run.write(tmp_path / "run"), heads=write(tmp_path, kept(run, row, before)))

    omitted = [one for one in report.findings if one.code == "ENTRY-OMITTED"]
    assert [one.severity for one in omitted] == [Severity.FAULT]
    assert "filing" in omitted[0].sentence


def stranger(run: PaperRun, head: dict[str, Any]) -> None:
    row = run.rows[-1]
    digest = row.signed_head(1).digest(run.facts.escrow_domain)
    head["signature"] = "0x" + sign(key_of("stranger"), digest).hex()


def no_number(run: PaperRun, head: dict[str, Any]) -> None:
    head["position"] = "first"


def nothing(run: PaperRun, head: dict[str, Any]) -> None:
    head.clear()


def another_entry(run: PaperRun, head: dict[str, Any]) -> None:
    head["entry"] = "0x" + keccak256(b"other").hex()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (stranger, "gateway didn't sign it"),
        (no_number, "is no head"),
        (nothing, "is no head"),
        (another_entry, "isn't its entry's"),
    ],
)
def test_heads__prove_nothing__exit_2_with_remedy(
    change: Callable[[PaperRun, dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    run = stage("settled")
    head = kept(run, run.rows[-1], run.rows[-2].head)
    change(run, head)
    directory = run.write(tmp_path / "run")
    path = write(tmp_path, head)

    result = CliRunner(mix_stderr=False).invoke(command, [str(directory), "--heads", str(path)])

    assert result.exit_code == 2
    assert message in result.stderr
    assert "line 1" in result.stderr
