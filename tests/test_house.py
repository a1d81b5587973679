"""The house itself: make targets, README, and the rules that conftest sets for all tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = {
    target
    for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    for target in line.split()
}


def test_make_help__every_target__is_listed() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make ([a-z-]+) +\S", done.stdout, flags=re.MULTILINE)) == TARGETS


def test_makefile__every_rule_of_its_own__is_phony() -> None:
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE)) == TARGETS


@pytest.mark.parametrize("name", ["README.md", "docs/OPERATIONS.md", "docs/STYLE.md"])
def test_documentation__make_commands__are_real_targets(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", text, flags=re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    assert named
    assert named <= TARGETS


def test_locks__every_requirement__is_pinned_by_hash_and_names_no_host() -> None:
    for name in ("requirements-dev.lock", "requirements-audit.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(pins) > 20
        assert all(re.match(r"\S+==\S+ ", pin) and "--hash=sha256:" in pin for pin in pins)
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")


def test_lean_lock__packages__hold_nothing_of_page_contracts_or_models() -> None:
    text = (ROOT / "requirements-audit.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
    assert {"numpy", "web3", "coincurve"} <= names
    assert not names & {"eth-ape", "flask", "scikit-learn", "sqlalchemy", "titanoboa", "vyper"}


def run_tests(folder: Path, body: str, **environ: str) -> str:
    """Run a test file under this project's conftest; return what pytest printed."""
    (folder / "sample").mkdir()  # not "tests": the fixtures that conftest names are in ours
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "sample")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "sample" / "test_it.py").write_text(body, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "DDLP_DATA")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:boa_test", "sample"],
        cwd=folder,
        env=kept | environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


SKIPS = """
import pytest

def test_body():
    pytest.skip("no flux capacitor")

def test_data(data_dir):
    pass

@pytest.mark.xfail(strict=True)
def test_known():
    raise AssertionError
"""


def test_skip__outside_ci__names_what_is_missing(tmp_path: Path) -> None:
    printed = run_tests(tmp_path, SKIPS)
    assert "2 skipped, 1 xfailed" in printed
    assert "no flux capacitor" in printed
    assert "set DDLP_DATA" in printed


def test_skip__in_ci__fails(tmp_path: Path) -> None:
    printed = run_tests(tmp_path, SKIPS, CI="true")
    assert "1 failed, 1 xfailed, 1 error" in printed
    assert "nothing may be missing in CI: Skipped: no flux capacitor" in printed


def test_module_skip__in_ci__fails(tmp_path: Path) -> None:
    body = 'import pytest\npytest.importorskip("flux_capacitor")\n'
    assert "1 skipped" in run_tests(tmp_path, body)
    shutil.rmtree(tmp_path / "sample")
    assert "1 error" in run_tests(tmp_path, body, CI="true")


SOCKETS = """
import socket
import pytest

@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()

@pytest.mark.chain
def test_marked(server):
    socket.create_connection(server).close()

@pytest.mark.chain
def test_marked_far():
    socket.create_connection(("192.0.2.1", 80), timeout=1)

def test_unmarked():
    socket.socket()
"""


def test_socket__marked_test__reaches_loopback_alone(tmp_path: Path) -> None:
    printed = run_tests(tmp_path, SOCKETS)
    assert "2 failed, 1 passed" in printed
    assert "FAILED sample/test_it.py::test_marked_far" in printed
    assert "FAILED sample/test_it.py::test_unmarked" in printed
    assert "SocketBlocked" in printed
    assert "SocketConnectBlocked" in printed


def test_warning__any__is_an_error(tmp_path: Path) -> None:
    body = "import warnings\n\ndef test_warn():\n    warnings.warn('x', UserWarning)\n"
    assert "UserWarning: x" in run_tests(tmp_path, body)
