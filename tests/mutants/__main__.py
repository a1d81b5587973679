"""`make mutants`: do the tests notice small changes of the contracts?

MUTANTS says which: nothing for the sample (the same in every run), `all`, `survivors` of the last
run, or a regular expression for names. What is known of a mutant is kept in `build/mutants/results`
while contracts and tests stay as they are, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections import Counter
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.mutants.history import History, last_result
from tests.mutants.mutators import Mutant, all_mutants
from tests.mutants.run import FOLDER, Result, judge_all, warm_up

LEAST_SCORE = 0.95
LEAST_MUTANTS = 200
SURVIVORS = Path(__file__).with_name("survivors.toml")
STATUSES = ("killed", "timeout", "survived", "invalid")
# The sample holds this share of the mutants, and of classes with many, much alike, less.
SAMPLE = 0.4
SHARES = {
    "assignment dropped": 0.3,
    "comparison flipped": 0.25,
    "constant one off": 0.25,
    "decorator dropped": 0.25,
    "event altered": 0.2,
    "event dropped": 0.3,
    "literal altered": 0.15,
    "operand dropped": 0.4,
    "operator flipped": 0.15,
    "result altered": 0.3,
}


def main() -> int:
    """Run what MUTANTS asks for; 0 when the score holds and the list of survivors is true."""
    wanted = os.environ.get("MUTANTS", "")
    jobs = int(os.environ.get("MUTANTS_JOBS", os.cpu_count() or 1))
    every = all_mutants()
    explained = reasons()
    chosen = [mutant for mutant in every if is_chosen(mutant, wanted, explained)]
    chosen.sort(key=lambda mutant: mutant.code)  # a run that was stopped has met all contracts
    os.environ["CI"] = "true"  # properties are tested with the same examples in every run
    history = History()
    found = {mutant: result for mutant in chosen if (result := history.recall(mutant))}
    left = [mutant for mutant in chosen if mutant not in found]
    print(f"{len(every)} mutants, {len(chosen)} chosen, {len(found)} of them known", flush=True)
    if left:
        run(left, found, history, jobs)
    whole = wanted in ("", "all")
    failures = problems(found, explained, {mutant.name for mutant in every}, whole)
    report(found, explained, failures)
    return 1 if failures else 0


def is_chosen(mutant: Mutant, wanted: str, explained: dict[str, str]) -> bool:
    """Whether MUTANTS asks for a mutant. The sample is drawn by the names' hashes."""
    if wanted == "survivors":
        last = last_result(mutant)
        return last is not None and last["status"] == "survived"
    if wanted:
        return wanted == "all" or re.search(wanted, mutant.name) is not None
    share = SAMPLE * SHARES.get(mutant.operator, 1.0)
    return mutant.name in explained or int(mutant.code[:8], 16) < share * 2**32


def run(left: list[Mutant], found: dict[Mutant, Result], history: History, jobs: int) -> None:
    """Judge the mutants that are left; results go to `found` and to the history as they come."""
    warm_up()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # no thread of its own: the judging processes are forks of this one
    with Progress(*columns, auto_refresh=False) as progress:
        task = progress.add_task("", total=len(left))
        for mutant, result in judge_all(left, history.order, history.seconds, jobs):
            found[mutant] = result
            history.keep(mutant, result)
            counts = Counter(result.status for result in found.values())
            description = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
            progress.update(task, advance=1, description=description)
            progress.refresh()


def reasons() -> dict[str, str]:
    """Why a mutant may live, by its name; reviewed by people."""
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("mutant", [])
    return {entry["name"]: entry["reason"] for entry in entries}


def score(results: list[Result]) -> tuple[int, float]:
    """How many mutants were compiled, and which share of them died."""
    counts = Counter(result.status for result in results)
    valid = counts.total() - counts["invalid"]
    return valid, 1 - counts["survived"] / valid if valid else 1.0


def problems(
    found: dict[Mutant, Result], explained: dict[str, str], names: set[str], whole: bool
) -> list[str]:
    """Why the run fails."""
    status = {mutant.name: result.status for mutant, result in found.items()}
    survived = {name for name in status if status[name] == "survived"}
    failures = [f"survivor without a reason: {name}" for name in sorted(survived - set(explained))]
    dead = sorted(name for name in explained if status.get(name, "survived") != "survived")
    failures += [f"listed as survivor, but {status[name]}: {name}" for name in dead]
    failures += [f"listed as survivor, but not there: {n}" for n in sorted(set(explained) - names)]
    valid, share = score(list(found.values()))
    if whole and valid < LEAST_MUTANTS:
        failures.append(f"{valid} mutants, {LEAST_MUTANTS} wanted")
    if whole and share < LEAST_SCORE:
        failures.append(f"{share:.1%} died, {LEAST_SCORE:.0%} wanted")
    return failures


def report(found: dict[Mutant, Result], explained: dict[str, str], failures: list[str]) -> None:
    """Print the table and write all to `build/mutants/mutants.json`."""
    print(f"{'':18}" + "".join(f"{status:>10}" for status in STATUSES) + f"{'score':>10}")
    rows = dict.fromkeys(mutant.contract for mutant in found)
    for contract in [*rows, ""]:
        results = [r for m, r in found.items() if contract in ("", m.contract)]
        counts = Counter(result.status for result in results)
        cells = "".join(f"{counts[status]:>10}" for status in STATUSES)
        print(f"{contract or 'all':18}{cells}{score(results)[1]:>10.1%}")
    for mutant, result in found.items():
        if result.status == "survived":
            print(f"survived: {mutant.path.name}:{mutant.line}: {mutant.name}")
            print(f"          {explained.get(mutant.name, 'NO REASON GIVEN')}")
    valid, share = score(list(found.values()))
    print(f"{valid} mutants, {share:.1%} died")
    for failure in failures:
        print(f"FAILED {failure}")
    content = {
        "mutants": valid,
        "score": share,
        "failures": failures,
        "results": [
            {
                "name": mutant.name,
                "place": f"{mutant.path.name}:{mutant.line}",
                **vars(result),
                "reason": explained.get(mutant.name, ""),
            }
            for mutant, result in found.items()
        ],
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "mutants.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
