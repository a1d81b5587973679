"""Lives on two processes: INVARIANT_CALLS calls, by default 20,000.

Prints progress, and at the end how many calls each function took and which share it accepted; fails
on a counterexample, and when a function never accepted a call. INVARIANT_SEED (default 1) is the
first seed: a run is made again by the same seed and number of calls.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import time
import traceback
import warnings
from typing import Any

PROCESSES = 2


def main() -> int:
    calls = int(os.environ.get("INVARIANT_CALLS", "20000"))
    seed = int(os.environ.get("INVARIANT_SEED", "1"))
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    share = -(-calls // PROCESSES)
    workers = [
        context.Process(target=live, args=(share, seed + i, messages), daemon=True)
        for i in range(PROCESSES)
    ]
    print(f"{calls:,} calls on {PROCESSES} processes, seeds from {seed}", flush=True)
    start = time.monotonic()
    for worker in workers:
        worker.start()
    tallies, missing = collect(workers, messages)
    if len(tallies) < PROCESSES:
        return 1
    total = tallies[0]
    for tally in tallies[1:]:
        total.add(tally)
    seconds = time.monotonic() - start
    print(total.table())
    print(f"{total.total:,} calls in {seconds:.0f} s, {total.total / seconds:.0f} a second")
    never = sorted(set.intersection(*missing))
    if never:
        print(f"never accepted: {', '.join(never)}")
    return 1 if never else 0


def live(calls: int, seed: int, messages: Any) -> None:
    """One process: its share of the calls, on every second seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.invariants.life import Life, play, unreached
    try:
        tally = play(Life, calls, seed, PROCESSES, lambda line: messages.put(("progress", line)))
        messages.put(("tally", (tally, set(unreached(Life.scene, tally)))))
    except BaseException:
        sys.stdout.flush()
        messages.put(("failure", traceback.format_exc()))


def collect(workers: list[Any], messages: Any) -> tuple[list[Any], list[set[str]]]:
    """What the processes made; on the first failure the others end too."""
    start = time.monotonic()
    tallies: list[Any] = []
    missing: list[set[str]] = []
    while len(tallies) < len(workers):
        try:
            kind, content = messages.get(timeout=10)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers) and messages.empty():
                print("a process ended without a word", flush=True)
                break
            continue
        if kind == "progress":
            print(f"{time.monotonic() - start:6.0f} s  {content}", flush=True)
        elif kind == "tally":
            tallies.append(content[0])
            missing.append(content[1])
        else:
            print(content, flush=True)
            break
    for worker in workers:
        if worker.is_alive() and len(tallies) < len(workers):
            worker.terminate()
        worker.join()
    return tallies, missing
