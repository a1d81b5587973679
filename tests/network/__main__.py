"""`make fuzz-protocol`: many seeded schedules, on all cores; a failure names its seed.

FUZZ_SCHEDULES says how many (300), FUZZ_SEED the first one (0). To see one again:
FUZZ_SCHEDULES=1 FUZZ_SEED=<seed> make fuzz-protocol
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

import click

from tests.network.invariants import check
from tests.network.schedule import Plan, Schedule, Violation

GUESSERS_SHARE = 0.15  # of an honest contributor's pay per label
ENOUGH = 2_000  # guessed labels, below which chance decides


def play(seed: int) -> tuple[int, dict[str, tuple[int, int]], str]:
    """Run one schedule; return its seed, what was earned, and what doesn't hold, if anything."""
    try:
        return seed, check(Schedule(seed).run()), ""
    except Violation as violation:
        return seed, {}, str(violation)
    except Exception as error:
        return seed, {}, f"seed {seed} ({Plan.of(seed)}): {error!r}"


def main() -> int:
    """Run the schedules; 1 where an invariant doesn't hold."""
    count = int(os.environ.get("FUZZ_SCHEDULES", "300"))
    first = int(os.environ.get("FUZZ_SEED", "0"))
    earned: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    failures: list[str] = []
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        click.progressbar(length=count, label="schedules") as bar,
    ):
        for done in as_completed(pool.submit(play, seed) for seed in range(first, first + count)):
            _, amounts, failure = done.result()
            bar.update(1)
            if failure:
                failures.append(failure)
                click.echo(f"\n{failure}", err=True)
            for kind, (amount, number) in amounts.items():
                earned[kind] += amount
                labels[kind] += number
    if labels["guesser"] and labels["honest"]:
        rate = {kind: earned[kind] / labels[kind] for kind in labels}
        share = rate["guesser"] / rate["honest"]
        click.echo(
            f"{labels['honest']} honest labels, {labels['guesser']} guessed ones; a guess earns "
            f"{100 * share:.1f} % of an honest label"
        )
        if labels["guesser"] >= ENOUGH and share > GUESSERS_SHARE:
            failures.append("guessing pays")
    click.echo(f"{count - len(failures)} of {count} schedules hold")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
