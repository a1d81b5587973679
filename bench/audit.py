"""How long an audit takes, from 10^4 to 2 · 10^5 labels, beside recovering as many signatures.

Each run is a campaign of three epochs on a paper chain (tests/auditor/paper.py): items get five
labels, a submission holds ten. An audit is a process of its own, so that its time is what a person
waits for and its memory what a machine needs. Writes build/bench/audit.json and audit.png.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from oracle.evidence import entries  # noqa: E402
from oracle.evidence.hashing import keccak256  # noqa: E402
from oracle.evidence.signing import address_of, recover, sign  # noqa: E402
from tests.auditor.paper import PaperRun  # noqa: E402
from tests.support.world import TOKEN, key_of  # noqa: E402

OUT = ROOT / "build" / "bench"
SIZES = (10_000, 20_000, 50_000, 100_000, 200_000)
EPOCHS, REDUNDANCY, BATCH = 3, 5, 10

AUDIT = """
import json, resource, sys, time
started, cpu = time.perf_counter(), time.process_time()
from oracle.auditor import audit
report = audit(sys.argv[1], cores=int(sys.argv[2]) or None)
children = resource.getrusage(resource.RUSAGE_CHILDREN)
# not ru_maxrss, which a new process takes over from the one that starts it
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps({
    "verdict": report.verdict,
    "checks": report.checks,
    "labels": report.campaigns[0].labels,
    "seconds": time.perf_counter() - started,
    "cpu_seconds": time.process_time() - cpu + children.ru_utime + children.ru_stime,
    "peak_mib": peak / 1024,
    "worker_mib": children.ru_maxrss / 1024,
}))
"""


class GivenRun(PaperRun):
    """Work is handed out in turn, so that a run of any size is made quickly."""

    def label_all(self, labels: int) -> None:
        """Let people give `labels` labels in all, over the epochs."""
        people = [f"person {number}" for number in range(max(10, labels // 500))]
        for name in people:
            self.delegate(name)
        items = [
            item for item in self.truth if item not in {i for batch in self.gold for i in batch}
        ]
        shifts = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
        share = -(-len(shifts) // EPOCHS)
        for epoch in range(EPOCHS):
            for number, shift in enumerate(shifts[epoch * share : (epoch + 1) * share]):
                for turn in range(REDUNDANCY):
                    self.hand_in(people[(number * REDUNDANCY + turn) % len(people)], shift)
            while self.ledger.epoch == epoch + 1:
                self.pass_time(60)
            self.cut()

    def hand_in(self, name: str, items: list[int]) -> None:
        """Lease and label these items."""
        contributor = address_of(key_of(name))
        reward, expiry = self.ledger.reward(), self.ledger.latest_expiry()
        self.append(entries.Lease(contributor, reward, expiry, tuple(items)))
        self.submit(name, items, [self.answer(item) for item in items])


def make(labels: int, folder: Path) -> Path:
    """Write a run of `labels` labels, unless it is there."""
    if (folder / "chain.jsonl").exists():
        return folder
    run = GivenRun(
        items=labels // REDUNDANCY,
        gold_per_epoch=10,
        epochs=EPOCHS,
        budget=100_000 * TOKEN,
        bond=100_000 * TOKEN,
        epoch_cap=100_000 * TOKEN,
        changes={"assignment": "given"},
    )
    run.label_all(labels)
    run.finish()
    return run.write(folder)


def signatures(labels: int) -> int:
    """How many signatures a run holds: of two entries' heads and of one submission per batch."""
    return 3 * labels // BATCH + 2 * max(10, labels // 500)


def plain(count: int) -> float:
    """Seconds that `count` plain recoveries take here and now."""
    key, sample = key_of("plain"), min(count, 5_000)
    digests = [keccak256(number.to_bytes(8, "big")) for number in range(sample)]
    signed = [(digest, sign(key, digest)) for digest in digests]
    started = time.perf_counter()
    for digest, signature in signed:
        recover(digest, signature)
    seconds = time.perf_counter() - started
    recover.cache_clear()
    return seconds * count / sample


def measure(labels: int, folder: Path, cores: int) -> dict[str, Any]:
    """Audit a run of `labels` labels in a process of its own."""
    make(labels, folder)
    before = plain(signatures(labels))
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, str(folder), str(cores)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    assert row["verdict"] == "verified", row
    row["signatures"] = signatures(labels)
    row["plain_seconds"] = (before + plain(signatures(labels))) / 2
    row["ratio"] = row["seconds"] / row["plain_seconds"]
    return row


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and memory over labels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    labels = [row["labels"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(labels, [row["seconds"] for row in rows], "o-", label="audit")
    left.plot(labels, [row["cpu_seconds"] for row in rows], "^:", label="audit, CPU of all cores")
    left.plot(labels, [row["plain_seconds"] for row in rows], "s--", label="recovering signatures")
    right.plot(labels, [row["peak_mib"] for row in rows], "o-")
    for axes, title in ((left, "seconds"), (right, "peak memory, MiB")):
        axes.set(xlabel="labels", title=title, ylim=(0, None), xlim=(0, None))
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--cores", type=int, help="processes of the audit, by default all cores")
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs for another time")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    rows = []
    print("  labels  signatures  seconds  CPU s  plain s  ratio  peak MiB  a worker's")
    with tempfile.TemporaryDirectory() as temporary:
        for labels in arguments.sizes:
            folder = (arguments.runs or Path(temporary)) / str(labels)
            row = measure(labels, folder, arguments.cores or 0)
            rows.append(row)
            print(
                f"{row['labels']:8,} {row['signatures']:11,} {row['seconds']:8.1f}"
                f" {row['cpu_seconds']:6.1f} {row['plain_seconds']:8.1f} {row['ratio']:6.1f}"
                f" {row['peak_mib']:9.0f} {row['worker_mib']:11.0f}",
                flush=True,
            )
    about = {"cpus": os.cpu_count(), "batch": BATCH, "epochs": EPOCHS, "runs": rows}
    (OUT / "audit.json").write_text(json.dumps(about, indent=2) + "\n")
    plot(rows, OUT / "audit.png")
    print(f"written: {OUT / 'audit.json'} and audit.png")


if __name__ == "__main__":
    main()
