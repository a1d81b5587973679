"""How many signed labels a second a gateway takes in, on one core, fsynced and acknowledged.

Submissions of 20 labels go through `Gateway.submit`: answers against schema and commitments, the
sealed opening, the signature, the ledger's rules, the signed head, the database. Beside it: the
same one by one, where each waits for its own commit, and eth-account's recovery of the same
signatures. This process and the PostgreSQL that it starts are held to one core. Writes
build/bench/intake.json.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eth_account import Account  # noqa: E402
from eth_account.messages import encode_typed_data  # noqa: E402

from oracle.evidence.entries import Submission, decode_entry, encode_entry  # noqa: E402
from oracle.evidence.signing import address_of, recover  # noqa: E402
from tests.support.gateway import GatewayScene  # noqa: E402
from tests.support.servers.postgres import Postgres  # noqa: E402
from tests.support.world import TOKEN, key_of  # noqa: E402

OUT = ROOT / "build" / "bench"
BATCH = 20
ITEMS = 500
# The parts of an intake, by the function that does each.
PARTS = {
    "answers and commitments": ("gateway.py", "_check_answers"),
    "sealed opening": ("gateway.py", "_check_opening"),
    "signature": ("signing.py", "recover"),
    "log entry's bytes": ("entries.py", "encode_entry"),
    "ledger's rules": ("ledger.py", "apply"),
    "signed head": ("signing.py", "sign"),
    "database": ("labels.py", "append"),
}


class Intake:
    """A campaign with `submissions` ready to be sent: leased, answered, sealed and signed."""

    def __init__(self, folder: Path, database_url: str | None, submissions: int) -> None:
        self.scene = GatewayScene(
            folder,
            items=ITEMS,
            database_url=database_url,
            assignment="given",
            consensus__redundancyMax=1_000_000,
            budget=10**9 * TOKEN,
            bond=10**9 * TOKEN,
            epoch_cap=10**9 * TOKEN,
        )
        people = [f"person {number}" for number in range(-(-submissions * BATCH // ITEMS))]
        for name in people:
            self.scene.gateway.delegate(self.scene.delegation(name))
            for first in range(0, ITEMS, 100):
                items = range(first, first + 100)
                self.scene.gateway.lease(address_of(key_of(name)), 100, items)
        self.sent = [
            self.scene.submission(name, range(first, first + BATCH))
            for name in people
            for first in range(0, ITEMS, BATCH)
        ][:submissions]
        for one in self.sent:  # as they arrive: bytes, of which nothing is known yet
            one["entry"] = decode_entry(encode_entry(one["entry"]))
        recover.cache_clear()

    def send(self, threads: int) -> float:
        """Send all; return the seconds until the last was acknowledged."""
        gateway = self.scene.gateway
        with ThreadPoolExecutor(threads) as pool:
            ready = threading.Barrier(threads)
            list(pool.map(lambda _: ready.wait(), range(threads)))
            started = time.perf_counter()
            logged = list(pool.map(lambda one: gateway.submit(**one), self.sent))
            seconds = time.perf_counter() - started
        held = {row.position: row for row in gateway.rows()}
        assert all(held[one.row.position] == one.row for one in logged)
        assert len({one.row.position for one in logged}) == len(self.sent)
        return seconds

    def profile(self) -> dict[str, float]:
        """Send all in one thread; return milliseconds a submission by part, profiled."""
        profiler = cProfile.Profile()
        profiler.enable()
        for one in self.sent:
            self.scene.gateway.submit(**one)
        profiler.disable()
        stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
        parts = {
            part: sum(
                row[3] for key, row in stats.items() if key[0].endswith(file) and key[2] == name
            )
            for part, (file, name) in PARTS.items()
        }
        return {part: 1000 * seconds / len(self.sent) for part, seconds in parts.items()}


def verification(intake: Intake, samples: int) -> dict[str, float]:
    """Milliseconds a submission to recover its signer: ours, and eth-account's."""
    domain = intake.scene.chain.known.escrow_domain
    entries = [decode_entry(encode_entry(one["entry"])) for one in intake.sent[:samples]]
    recover.cache_clear()
    started = time.process_time()
    ours = [entry.signer(7, domain) for entry in entries if isinstance(entry, Submission)]
    between = time.process_time()
    theirs = [
        Account.recover_message(
            encode_typed_data(full_message=entry.struct(7).typed_data(domain)),
            signature=entry.signature,
        )
        for entry in entries
        if isinstance(entry, Submission)
    ]
    ended = time.process_time()
    assert ["0x" + one.hex() for one in ours] == [one.lower() for one in theirs]
    return {
        "ours_ms": 1000 * (between - started) / samples,
        "eth_account_ms": 1000 * (ended - between) / samples,
    }


def fsync_ms(folder: Path, times: int = 200) -> float:
    """Milliseconds of an fsync after 4 KiB, here and now."""
    with (folder / "fsync").open("wb") as file:
        started = time.perf_counter()
        for _ in range(times):
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return 1000 * (time.perf_counter() - started) / times


@contextmanager
def databases() -> Iterator[dict[str, Callable[[], str | None]]]:
    """Name the databases and how to get an empty one of each."""
    server = Postgres()
    try:
        server.start()
        yield {"sqlite": lambda: None, "postgresql": server.create_database}
    finally:
        server.remove()


def measure(fresh: Callable[[], str | None], count: int, threads: int, runs: int) -> dict[str, Any]:
    """Measure one database; the best of `runs`, since other work on the machine only slows."""

    def best(count: int, threads: int) -> float:
        rates = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                intake = Intake(Path(folder), fresh(), count)
                rates.append(count * BATCH / intake.send(threads))
        return max(rates)

    with tempfile.TemporaryDirectory() as folder:
        profile = Intake(Path(folder), fresh(), max(50, count // 5)).profile()
    return {
        "labels_per_second": best(count, threads),
        "one_by_one": best(max(50, count // 5), 1),
        "profile_ms": profile,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minimum", type=float, default=0, help="fail below so many labels/s")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    report: dict[str, Any] = {"batch": BATCH, **vars(arguments)}
    with tempfile.TemporaryDirectory() as folder:
        report["fsync_ms"] = fsync_ms(Path(folder))
        report["verification"] = verification(Intake(Path(folder), None, 300), 300)
    print(f"an fsync takes {report['fsync_ms']:.2f} ms")
    ours, theirs = report["verification"].values()
    print(
        f"recovering a submission's signer: {ours:.3f} ms, eth-account {theirs:.3f} ms "
        f"({theirs / ours:.1f} times)"
    )
    with databases() as found:
        for name, fresh in found.items():
            row = measure(fresh, arguments.submissions, arguments.threads, arguments.runs)
            report[name] = row
            print(
                f"{name}: {row['labels_per_second']:,.0f} labels/s acknowledged, one by one "
                f"{row['one_by_one']:,.0f}; ms a submission, profiled one by one:"
            )
            for part, milliseconds in row["profile_ms"].items():
                print(f"  {part:24}{milliseconds:7.3f}")
    (OUT / "intake.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"written: {OUT / 'intake.json'}")
    slowest = min(report[name]["labels_per_second"] for name in ("sqlite", "postgresql"))
    if slowest < arguments.minimum:
        sys.exit(f"{slowest:,.0f} labels/s: {arguments.minimum:,.0f} are wanted")


if __name__ == "__main__":
    main()
