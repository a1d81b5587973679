"""How time and memory of the exact Dawid-Skene grow with the labels, up to 10⁸ in 8 GB.

    .venv/bin/python bench/scale.py                 # 10⁴ to 10⁷: a minute or two
    .venv/bin/python bench/scale.py 1e8             # once, half an hour at most

Labels are simulated a chunk at a time, as they would come from files, five a task, four classes;
twenty iterations, all cores. Each size is a process of its own. Adds to build/bench/scale.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from oracle.consensus.dawid_skene import dawid_skene_in_chunks  # noqa: E402
from oracle.consensus.labels import Columns  # noqa: E402

REPORT = ROOT / "build/bench/scale.json"
CHUNK = 1_000_000
N_CLASSES = 4
ITERATIONS = 20
PER_TASK = 5


def chunks(n_labels: int, n_workers: int) -> Iterator[Columns]:
    """Tasks in order, five labels each; workers and what they say at random, seeded."""
    accuracy = np.random.default_rng(0).beta(6, 3, n_workers)
    for first in range(0, n_labels, CHUNK):
        random = np.random.default_rng([1, first])
        rows = np.arange(first, min(first + CHUNK, n_labels))
        tasks = (rows // PER_TASK).astype(np.int32)
        workers = random.integers(0, n_workers, rows.size, dtype=np.int32)
        truth = (tasks * 2_654_435_761 >> 7) % N_CLASSES
        right = random.random(rows.size) < accuracy[workers]
        labels = np.where(right, truth, random.integers(0, N_CLASSES, rows.size)).astype(np.int8)
        mixed = random.permutation(rows.size)
        yield tasks[mixed], workers[mixed], labels[mixed]


def measure(n_labels: int) -> dict[str, float]:
    n_workers = min(2_000, n_labels // 50)
    begun, worked = time.perf_counter(), time.process_time()
    for _ in chunks(n_labels, n_workers):
        pass
    made, made_cpu = time.perf_counter() - begun, time.process_time() - worked
    begun, worked = time.perf_counter(), time.process_time()
    result = dawid_skene_in_chunks(
        chunks(n_labels, n_workers),
        n_items=-(-n_labels // PER_TASK),
        n_workers=n_workers,
        n_classes=N_CLASSES,
        iterations=ITERATIONS,
    )
    return {
        "labels": n_labels,
        "workers": n_workers,
        "seconds": time.perf_counter() - begun - made,  # of the fit, without making the labels
        "cpu": time.process_time() - worked - made_cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "iterations": result.n_iter,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=["1e4", "1e5", "1e6", "1e7"])
    parser.add_argument("--here", action="store_true", help="one size, in this process")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(int(float(options.sizes[0])))))
        return
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    for size in options.sizes:
        command = [sys.executable, __file__, size, "--here"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[size] = json.loads(done.stdout)
        print(
            "{labels:11,} labels {seconds:9.2f} s, {cpu:9.2f} s of processors, "
            "{peak_mib:7,.0f} MiB at most".format(**found[size]),
            flush=True,
        )
        REPORT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
