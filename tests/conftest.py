"""What all tests share: sockets, skips, and where the label files are.

Sockets are off. Tests marked `browser`, `chain` or `services` may reach loopback, nothing else.
A skip says what is missing; in CI (`CI=true`), where nothing is, it fails.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from oracle.config import load_settings

pytest_plugins = ["tests.support.servers.fixtures"]

ROOT = Path(__file__).parents[1]
IN_CI = os.environ.get("CI") == "true"
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# Shared machines are slow at times; what CI finds must be found again by the next run.
hypothesis.settings.register_profile("ddlp", deadline=None, derandomize=IN_CI)
hypothesis.settings.load_profile("ddlp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(name) for name in ("browser", "chain", "services")):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _fail_skip_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _fail_skip_in_ci((yield))


def _fail_skip_in_ci(report: Report) -> Report:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be missing in CI: {reason}"
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of label files: DDLP_DATA, by default ../shared/data beside the repository."""
    path = ROOT / load_settings().data
    if not path.is_dir():
        pytest.skip(f"no label files at {path}: set DDLP_DATA to their folder")
    return path
