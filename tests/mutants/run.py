"""One mutant: compiled, deployed in place of the original, and shown to the tests.

Each mutant has a process of its own, forked from one that has everything else compiled and all
tests imported. It meets only the tests that enter its function, in an order that kills early.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from tests.mutants.mutators import Mutant
from tests.support import system
from tests.support.altered import deploy_instead
from tests.support.system import CONTRACTS, ROOT

FOLDER = ROOT / "build" / "mutants"
OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not bytecode"]
# plugins are imported once, before pytest starts again and again in the same process
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
# its collections of garbage at the end would take most of a mutant's time
OPTIONS += ["-p", "no:unraisableexception"]
# a mutant that makes the tests so much slower loops: it counts as killed; in seconds of computing,
# so that other work on the machine kills none
SLOWER, GRACE_SECONDS = 10, 60


@dataclass(frozen=True)
class Result:
    """What became of a mutant, and the seconds of computing that it took to know.

    `killed` by the test named, `timeout`, `survived`, or `invalid`: it doesn't compile.
    """

    status: str
    killer: str = ""
    seconds: float = 0.0


class InOrder:
    """A plugin of pytest: these tests alone, in this order; the first failure is remembered."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.places = {test: place for place, test in enumerate(tests)}
        self.killer = ""

    def pytest_sessionstart(self) -> None:
        # a failure need not be made small, and every run must fail or pass alike
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutants",
            parent=hypothesis.settings.get_profile("ddlp"),
            derandomize=True,
            database=None,
            phases=phases,
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid in self.places]
        items[:] = sorted(kept, key=lambda item: self.places[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.killer:
            self.killer = report.nodeid


def warm_up() -> None:
    """Compile all contracts and import all tests, for the children to inherit."""
    for path in [*CONTRACTS.glob("*.vy"), *CONTRACTS.glob("mocks/*.vy")]:
        system._compiled(str(path.relative_to(CONTRACTS).with_suffix("")))
    arguments = [*OPTIONS, "--collect-only", "-qq", "tests/contracts"]
    sys.stdout.flush()
    with open(os.devnull, "w") as nowhere:
        saved = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            pytest.main(arguments, plugins=[InOrder([])])
        finally:
            os.dup2(saved, 1)
            os.close(saved)
    gc.freeze()


def judge(mutant: Mutant, tests: Sequence[str], folder: Path) -> Result:
    """Compile the mutant and run the tests until one fails; in a process of its own."""
    start = time.process_time()
    try:
        deploy_instead({mutant.path: mutant.text()}, mutant.deployed, folder)
    except OSError:
        raise
    except Exception as error:  # the compiler fails in many ways, and not all are its own class
        return Result("invalid", type(error).__name__, time.process_time() - start)
    order = InOrder(tests)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    code = pytest.main([*OPTIONS, *files], plugins=[order])
    seconds = time.process_time() - start
    if code == pytest.ExitCode.OK:
        return Result("survived", "", seconds)
    if order.killer:
        return Result("killed", order.killer, seconds)
    raise AssertionError(f"pytest ended with {code}")


def start(mutant: Mutant, tests: Sequence[str], seconds: float, folder: Path) -> int:
    """Judge a mutant in a process of its own, whose id is returned."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    process = os.fork()
    if process:
        return process
    try:
        limit = GRACE_SECONDS + int(SLOWER * seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        result = judge(mutant, tests, folder)
        (folder / "result.json").write_text(json.dumps(vars(result)), encoding="utf-8")
    finally:
        os._exit(0)


def outcome(mutant: Mutant, folder: Path) -> Result:
    """What the process of a mutant left behind."""
    path = folder / "result.json"
    if not path.is_file():
        output = (folder / "output.txt").read_text(encoding="utf-8")
        raise RuntimeError(f"no result of {mutant.name}:\n{output[-3000:]}")
    return Result(**json.loads(path.read_text(encoding="utf-8")))


def judge_all(
    mutants: Sequence[Mutant],
    tests_of: Callable[[Mutant], Sequence[str]],
    seconds: Mapping[str, float],
    jobs: int,
) -> Iterator[tuple[Mutant, Result]]:
    """Judge the mutants, `jobs` at a time, and yield each result as it comes."""
    waiting = list(mutants)
    running: dict[int, tuple[Mutant, Path]] = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    place = tempfile.TemporaryDirectory(dir=FOLDER)
    free = [Path(place.name) / f"job{i}" for i in range(jobs)]
    try:
        while waiting or running:
            while waiting and free:
                mutant, folder = waiting.pop(0), free.pop()
                tests = tests_of(mutant)
                process = start(mutant, tests, sum(seconds[test] for test in tests), folder)
                running[process] = mutant, folder
            process, status = os.wait()
            mutant, folder = running.pop(process)
            free.append(folder)
            killed = os.WIFSIGNALED(status)
            yield mutant, Result("timeout") if killed else outcome(mutant, folder)
    finally:
        for process in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        place.cleanup()
