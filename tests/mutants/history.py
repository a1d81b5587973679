"""What is known before a mutant is tried: which tests meet it, which killed others, old results."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from typing import Any

from tests.branches import plugin
from tests.mutants.mutators import Mutant
from tests.mutants.run import FOLDER, OPTIONS, Result
from tests.support.altered import digest_of
from tests.support.system import CONTRACTS, ROOT

RESULTS = FOLDER / "results"
TESTS = "tests/contracts"


class History:
    """Which tests enter which function, how long they take, and how many mutants each killed."""

    def __init__(self) -> None:
        report = branches()
        self.seconds: Counter[str] = Counter(report["seconds"])
        self.kills: Counter[str] = Counter()
        self.entering: dict[tuple[str, str], set[str]] = defaultdict(set)
        for number, point in enumerate(report["points"]):
            tests = report["seen"].get(str(number), {}).get("entered", [])
            self.entering[point["contract"], point["function"]] |= set(tests)
        folder = ROOT / "tests"
        self.shared = [*folder.glob("conftest.py"), *folder.glob("support/*.py")]
        self.shared += [*folder.glob("contracts/**/conftest.py")]
        self.contracts = digest_of(CONTRACTS.rglob("*.vy*"))
        self.tests = digest_of({*folder.glob("contracts/**/*.py"), *self.shared})

    def order(self, mutant: Mutant) -> list[str]:
        """Tests that enter the mutant's function; killers of many, own and fast ones first."""
        tests = self.entering[mutant.contract, mutant.function]
        if not mutant.function or plugin.EVERY_TEST in tests:
            tests = set(self.seconds)
        own = f"/{mutant.contract}/"
        return sorted(
            tests, key=lambda test: (-self.kills[test], own not in test, self.seconds[test], test)
        )

    def keep(self, mutant: Mutant, result: Result) -> None:
        """Write a result down, and try its killer earlier."""
        self.kills[result.killer] += result.status == "killed"
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept = {"name": mutant.name, "rests_on": self._rests_on(result), **vars(result)}
        path = RESULTS / f"{mutant.code}.json"
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")

    def recall(self, mutant: Mutant) -> Result | None:
        """What an earlier run found, if it still holds."""
        kept = last_result(mutant)
        if kept is None:
            return None
        result = Result(kept["status"], kept["killer"], kept["seconds"])
        if kept["rests_on"] != self._rests_on(result):
            return None
        self.kills[result.killer] += result.status == "killed"
        return result

    def _rests_on(self, result: Result) -> list[str]:
        """Digests of what would have to change for a result to change."""
        killer = ROOT / result.killer.partition("::")[0]
        if result.status == "killed" and killer.is_file():
            return [self.contracts, digest_of([*self.shared, killer])]
        return [self.contracts, self.tests]


def last_result(mutant: Mutant) -> Any:
    """What was written down of a mutant, whether it still holds or not."""
    path = RESULTS / f"{mutant.code}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def branches() -> Any:
    """The report on branches for contracts and tests as they are; made when there is none."""
    path = plugin.FOLDER / "branches.json"
    if path.is_file():
        report = json.loads(path.read_text(encoding="utf-8"))
        if (report["digest"], report["tests"]) == (plugin.digest(), [TESTS]):
            return report
    print("which test enters which function ...", flush=True)
    command = [sys.executable, "-m", "pytest", *OPTIONS, "-p", "tests.branches.plugin"]
    command += ["-n", "2", "--dist", "loadfile", TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the tests must pass before mutants are tried:\n{done.stdout[-4000:]}")
    return json.loads(path.read_text(encoding="utf-8"))
