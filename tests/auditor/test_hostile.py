"""Hostile input and sick machines: exit 2 with a remedy or a finding, bounded memory, nothing
half-written. Folders that are no run are in test_folder.py, nodes that lie in test_node.py."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.auditor import audit
from oracle.errors import InputError
from oracle.evidence.codec import DAG_CBOR, RAW, Link
from tests.auditor.paper import honest_run

ROOT = Path(__file__).parents[2]
GIB = 1 << 30


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = honest_run()
    run.finish()
    return run.write(tmp_path_factory.mktemp("run"))


@pytest.fixture
def copy(verified: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(verified, tmp_path / "copy"))


def run_audit(
    *arguments: str, limit: Callable[[], None] | None = None, stdout: Any = subprocess.PIPE
) -> tuple[int, str, str]:
    """Run the audit as a person does, in a process that `limit` may bound."""
    done = subprocess.run(
        [sys.executable, "-m", "oracle.auditor", *arguments],
        cwd=ROOT,
        check=False,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        timeout=120,
    )
    return done.returncode, done.stdout or "", done.stderr


def refused(stderr: str) -> str:
    """The one line of an audit that could not run."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("the audit could not run: ")
    return lines[0]


# -- files of a gigabyte -----------------------------------------------------------------------


def grow(path: Path, fill: bytes = b"\0") -> None:
    """Make a file a gigabyte: the last byte is `fill`, what is between is no block on disk."""
    with path.open("r+b") as file:
        file.seek(GIB - 1)
        file.write(fill)


def a_block(directory: Path) -> Path:
    return min((directory / "content").iterdir())


HUGE: dict[Callable[[Path], Path], int] = {
    a_block: 1,
    lambda directory: directory / "chain.jsonl": 2,
    lambda directory: directory / "deployment.json": 2,
}
PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "oracle.auditor", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(done.returncode)
"""


@pytest.mark.parametrize("which", HUGE, ids=("a block", "chain.jsonl", "deployment.json"))
def test_audit__file_of_a_gigabyte__bounded_memory(
    which: Callable[[Path], Path], copy: Path
) -> None:
    grow(which(copy))
    command = [sys.executable, "-c", PEAK, str(copy), "--json"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == HUGE[which], done.stderr
    assert int(done.stdout.split()[-1]) < 400
    if done.returncode == 2:
        refused(done.stderr)


# -- content that isn't what it says -----------------------------------------------------------


def test_audit__block_under_another_ones_name__corrupt(copy: Path) -> None:
    one, other = sorted((copy / "content").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    report = audit(copy)
    assert [finding.code for finding in report.findings] == ["BLOCK-CORRUPT"]
    assert one.name in report.findings[0].place


def test_audit__same_digest_under_another_codec__passed_over(copy: Path) -> None:
    """The bytes do hash to the name; that nobody asks for such a block isn't its fault."""
    one = a_block(copy)
    link = Link.parse(one.name)
    twin = Link(RAW if link.codec == DAG_CBOR else DAG_CBOR, link.digest)
    shutil.copy(one, one.with_name(str(twin)))
    assert audit(copy).verdict == "verified"


def test_audit__manifest_names_media_by_a_path__nothing_outside_is_opened(copy: Path) -> None:
    """Names in content are CIDs or nothing: a path can't be asked for."""
    secret = copy.parent / "secret"
    secret.write_text("outside")
    (copy / "content" / "up").symlink_to(secret)
    (copy / "content" / f"{a_block(copy).name}\n").write_text("not a CID")
    assert audit(copy).verdict == "verified"


def test_audit__nuls_everywhere__refused_by_name(copy: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        audit("run\0")
    for name in ("deployment.json", "chain.jsonl"):
        path = copy / name
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"{", b"{\0", 1))
        with pytest.raises(InputError, match=name):
            audit(copy)
        path.write_bytes(whole)
    assert audit(copy).verdict == "verified"


# -- a disk that is full -----------------------------------------------------------------------


def no_file_over_1000_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))


def test_command__page_does_not_fit__exit_2_and_nothing_left(
    verified: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    code, stdout, stderr = run_audit(
        str(verified), "--html", str(page), limit=no_file_over_1000_bytes
    )
    assert code == 2
    assert "make room, or name another file" in refused(stderr)
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []

    page.write_text("the page before")
    code, _, _ = run_audit(str(verified), "--html", str(page), limit=no_file_over_1000_bytes)
    assert code == 2
    assert page.read_text() == "the page before"
    assert list(tmp_path.iterdir()) == [page]

    assert run_audit(str(verified), "--html", str(page))[0] == 0
    assert "Verified" in page.read_text()


@pytest.mark.parametrize("option", [["--json"], []], ids=("json", "text"))
def test_command__output_does_not_fit__exit_2(verified: Path, option: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        code, _, stderr = run_audit(str(verified), *option, stdout=full)
    assert code == 2
    assert "make room" in refused(stderr)


def test_command__page_to_a_device_that_is_full__exit_2(verified: Path) -> None:
    code, _, stderr = run_audit(str(verified), "--html", "/dev/full")
    assert code == 2
    assert "make room" in refused(stderr)


def test_command__json_of_a_verified_run__whole_and_alone(verified: Path) -> None:
    code, stdout, stderr = run_audit(str(verified), "--json")
    assert (code, stderr) == (0, "")
    assert json.loads(stdout)["verdict"] == "verified"
