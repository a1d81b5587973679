"""`make fuzz-protocol`: many seeded schedules, on all cores; a failure names its seed.

FUZZ_SCHEDULES says how many (300), FUZZ_SEED the first one (0). To see one again:
FUZZ_SCHEDULES=1 FUZZ_SEED=<seed> make fuzz-protocol
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

import click

from tests.network.invariants import Outcome, check
from tests.network.report import Report
from tests.network.schedule import Plan, Schedule, Violation

TOLD_SECONDS = 60.0


def play(seed: int) -> tuple[Outcome | None, float, str]:
    """Run one schedule; return what it showed, its seconds of processor time, and what doesn't
    hold, if anything."""
    start = time.process_time()
    outcome, failure = None, ""
    try:
        outcome = check(Schedule(seed).run())
    except Violation as violation:
        failure = str(violation)
    except Exception as error:
        failure = f"seed {seed} ({Plan.of(seed)}): {error!r}"
    return outcome, time.process_time() - start, failure


def main() -> int:
    """Run the schedules; 1 where an invariant doesn't hold, or the run doesn't show enough."""
    count = int(os.environ.get("FUZZ_SCHEDULES", "300"))
    first = int(os.environ.get("FUZZ_SEED", "0"))
    started, processor = time.monotonic(), 0.0
    report, failures, told = Report(), 0, started
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        click.progressbar(length=count, label="schedules") as bar,
    ):
        for done in as_completed(pool.submit(play, seed) for seed in range(first, first + count)):
            outcome, seconds, failure = done.result()
            processor += seconds
            bar.update(1)
            now = time.monotonic()
            # The bar shows on terminals alone; a run of hours in a file must be seen to go on.
            if not sys.stdout.isatty() and now > told + TOLD_SECONDS:
                told = now
                click.echo(f"{report.schedules + failures + 1} schedules in {now - started:.0f} s")
            if outcome is not None:
                report.add(outcome)
            else:
                failures += 1
                click.echo(f"\n{failure}", err=True)
    click.echo(report.text())
    click.echo(
        f"{count - failures} of {count} schedules hold; {time.monotonic() - started:.0f} s, "
        f"{processor / max(count, 1):.2f} s of processor time each"
    )
    lacking = report.failures()
    for one in lacking:
        click.echo(one, err=True)
    return 1 if failures or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
