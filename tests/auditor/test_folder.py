"""Tampered and hostile folders: what was altered is found by its code; what is no run exits 2."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.auditor import AuditReport, audit
from oracle.auditor.commands import audit as command
from oracle.errors import InputError
from tests.auditor.frauds.record import busy, rewrite
from tests.auditor.paper import honest_run


@pytest.fixture(scope="session")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was verified; tests alter copies of it."""
    run = honest_run()
    run.finish()
    directory = run.write(tmp_path_factory.mktemp("run"))
    assert audit(directory).verdict == "verified"
    return directory


@pytest.fixture
def copy(verified: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(verified, tmp_path / "copy"))


def codes(report: AuditReport) -> list[str]:
    return [one.code for one in report.findings]


# -- content -----------------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=25)
def test_audit__byte_flipped_in_any_block__block_corrupt(
    verified: Path, data: st.DataObject
) -> None:
    blocks = sorted((verified / "content").iterdir())
    block = data.draw(st.sampled_from(blocks))
    before = block.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    flipped = before[at] ^ (1 << data.draw(st.integers(0, 7)))
    try:
        block.write_bytes(before[:at] + bytes([flipped]) + before[at + 1 :])
        report = audit(verified)
    finally:
        block.write_bytes(before)

    assert report.findings[0].code == "BLOCK-CORRUPT"
    assert set(codes(report)) == {"BLOCK-CORRUPT"}
    assert report.availability == "findings"
    assert "findings" not in (report.money, report.consensus)


def test_audit__any_block_missing__availability_and_no_fraud(verified: Path) -> None:
    for block in sorted((verified / "content").iterdir())[::4]:
        data = block.read_bytes()
        block.unlink()
        try:
            report = audit(verified)
        finally:
            block.write_bytes(data)

        assert set(codes(report)) == {"BLOCK-MISSING"}, block
        assert report.verdict == "findings"
        assert "findings" not in (report.money, report.consensus)


def test_audit__evidence_missing__money_and_consensus_cannot_tell(copy: Path) -> None:
    record = (copy / "chain.jsonl").read_text()
    for block in sorted((copy / "content").iterdir()):
        if b"evidence" in block.read_bytes()[:200]:
            block.unlink()
    assert record
    report = audit(copy)

    assert (report.money, report.consensus, report.availability) == (
        "unknown",
        "unknown",
        "findings",
    )
    assert set(report.reasons) == {"money", "consensus"}


# -- chain.jsonl -------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.999])
def test_audit__record_cut_short__chain_truncated(keep: float, copy: Path) -> None:
    path = copy / "chain.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])

    report = audit(copy)

    assert codes(report) == ["CHAIN-TRUNCATED"]
    assert (report.money, report.consensus) == ("unknown", "unknown")


def test_audit__record_cut_at_a_line__chain_truncated(copy: Path) -> None:
    path = copy / "chain.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert codes(audit(copy)) == ["CHAIN-TRUNCATED"]


# -- which chain -------------------------------------------------------------------------------


def test_audit__no_trusted_chain__holds_for_that_chain(verified: Path) -> None:
    report = audit(verified)
    assert not report.bound
    assert report.last_hash in report.binding
    assert "that chain" in report.binding


def test_audit__trusted_hash__bound_or_untrusted(verified: Path) -> None:
    last = bytes.fromhex(audit(verified).last_hash[2:])
    assert audit(verified, trusted_hash=last).bound
    report = audit(verified, trusted_hash=b"\1" * 32)
    assert codes(report) == ["CHAIN-UNTRUSTED"]
    assert not report.bound


# -- hostile folders: exit 2, one line, a remedy -----------------------------------------------


def run_command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(mix_stderr=False).invoke(command, arguments)
    return result.exit_code, result.stdout, result.stderr


def garbage_line(directory: Path) -> None:
    path = directory / "chain.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[10] = "{[garbage\n"
    path.write_text("".join(lines))


def deep_line(directory: Path) -> None:
    path = directory / "chain.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[10] = "[" * 200_000 + "]" * 200_000 + "\n"
    path.write_text("".join(lines))


def infinite_chain_id(directory: Path) -> None:
    rewrite(directory, lambda lines: lines[0].update(chainId=float("inf")))


def header_is_a_list(directory: Path) -> None:
    rewrite(directory, lambda lines: lines[5].update(header=[1, 2]))


def receipts_are_text(directory: Path) -> None:
    rewrite(directory, lambda lines: lines[5].update(receipts="0x"))


def logs_are_numbers(directory: Path) -> None:
    def change(lines: list[Any]) -> None:
        busy(lines)["receipts"][0]["logs"][0]["topics"] = 5

    rewrite(directory, change)


def huge_line(directory: Path) -> None:
    with (directory / "chain.jsonl").open("r+b") as file:
        file.truncate(0)
        file.seek(40_000_000)
        file.write(b"\n")


def deployment_garbage(directory: Path) -> None:
    (directory / "deployment.json").write_text("[]")


def deployment_of_texts(directory: Path) -> None:
    path = directory / "deployment.json"
    content = json.loads(path.read_text())
    content["parameters"]["token_cap"] = "much"
    path.write_text(json.dumps(content))


def deployment_huge(directory: Path) -> None:
    (directory / "deployment.json").write_text("[" + "1," * 1_000_000 + "1]")


def record_is_a_link(directory: Path) -> None:
    (directory / "chain.jsonl").unlink()
    (directory / "chain.jsonl").symlink_to("/etc/passwd")


def block_is_a_link(directory: Path) -> None:
    block = min((directory / "content").iterdir())
    block.unlink()
    block.symlink_to("/dev/zero")


def block_is_a_pipe(directory: Path) -> None:
    block = min((directory / "content").iterdir())
    block.unlink()
    os.mkfifo(block)


def block_is_a_folder(directory: Path) -> None:
    block = min((directory / "content").iterdir())
    block.unlink()
    block.mkdir()


def no_content(directory: Path) -> None:
    shutil.rmtree(directory / "content")


def no_record(directory: Path) -> None:
    (directory / "chain.jsonl").unlink()


def no_deployment(directory: Path) -> None:
    (directory / "deployment.json").unlink()


def no_folder(directory: Path) -> None:
    shutil.rmtree(directory)


HOSTILE = (
    garbage_line,
    deep_line,
    infinite_chain_id,
    header_is_a_list,
    receipts_are_text,
    logs_are_numbers,
    huge_line,
    deployment_garbage,
    deployment_of_texts,
    deployment_huge,
    record_is_a_link,
    block_is_a_link,
    block_is_a_pipe,
    block_is_a_folder,
    no_content,
    no_record,
    no_deployment,
    no_folder,
)


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_command__hostile_folder__exit_2_with_remedy(
    spoil: Callable[[Path], None], copy: Path
) -> None:
    spoil(copy)

    exit_code, stdout, stderr = run_command(str(copy), "--json")

    assert exit_code == 2
    assert stdout == ""
    message = stderr.strip().splitlines()
    assert len(message) == 1
    assert message[0].startswith("the audit could not run: ")
    assert ":" in message[0].removeprefix("the audit could not run: ")


def test_audit__huge_block__corrupt_and_never_read_whole(copy: Path) -> None:
    block = min((copy / "content").iterdir())
    with block.open("r+b") as file:
        file.truncate(1 << 33)  # sparse: 8 GiB that nobody should read
    assert codes(audit(copy)) == ["BLOCK-CORRUPT"]


def test_audit__names_that_are_no_blocks__passed_over(copy: Path) -> None:
    (copy / "content" / "README").write_text("hello")
    (copy / "content" / "..%2f..%2fetc").write_text("hello")
    assert audit(copy).verdict == "verified"


def test_audit__unknown_campaign__names_those_there_are(verified: Path) -> None:
    with pytest.raises(InputError, match="it has 1"):
        audit(verified, campaign=7)
