"""`pytest -p tests.branches.plugin`: which branches of the contracts the tests take.

The contracts are deployed with probes (see `points`); at the end a table is printed and all is
written to `build/branches/branches.json`. With `--every-branch` the run fails where a contract is
covered below `report.LEAST`, a function is never entered, or `uncovered.toml` isn't true.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import pytest

from tests.branches.probes import add_builtins, all_points, install
from tests.branches.report import LEAST, problems, table
from tests.support.altered import digest_of
from tests.support.system import CONTRACTS, ROOT

FOLDER = ROOT / "build" / "branches"
EVERY_TEST = "every test"  # what a fixture of the session or a module does is done for all


class Branches:
    """Installs the probes, knows the running test, reports at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.running = EVERY_TEST
        self.seen: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.seconds: Counter[str] = Counter()
        self.failures: list[str] = []
        self.worker = os.environ.get("PYTEST_XDIST_WORKER")
        self.points, texts = all_points()
        if self.worker or config.getoption("dist", "no") == "no":
            add_builtins(self.points, self.note)
            install(texts, FOLDER / (self.worker or "main"))

    def note(self, number: int, outcome: str) -> None:
        self.seen[number][outcome].add(self.running)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.running = item.nodeid
        try:
            return (yield)
        finally:
            self.running = EVERY_TEST

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object]
    ) -> Generator[None, object, object]:
        outer = self.running
        if fixturedef.scope != "function":
            self.running = EVERY_TEST
        try:
            return (yield)
        finally:
            self.running = outer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended: take over what it saw."""
        for number, outcomes in node.workeroutput["branches"].items():
            for outcome, tests in outcomes.items():
                self.seen[int(number)][outcome] |= set(tests)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        seen = {
            str(number): {outcome: sorted(tests) for outcome, tests in outcomes.items()}
            for number, outcomes in sorted(self.seen.items())
        }
        if self.worker:
            self.config.workeroutput["branches"] = seen  # type: ignore[attr-defined]
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        report = {
            "digest": digest(),
            "tests": self.config.args,
            "points": [asdict(point) for point in self.points],
            "seen": seen,
            "seconds": self.seconds,
        }
        (FOLDER / "branches.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        if self.config.getoption("every_branch"):
            self.failures = problems(self.points, self.seen)
        if self.failures and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("branches of the contracts")
        for line in [*table(self.points, self.seen), *self.failures]:
            terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-branch",
        action="store_true",
        help=f"fail where a contract's branches are covered below {LEAST:.0%} or not explained",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Branches(config), "branches")


def digest() -> str:
    """Of contracts and tests: a report holds for these alone."""
    return digest_of([*CONTRACTS.rglob("*.vy*"), *(ROOT / "tests").rglob("*.py")])
