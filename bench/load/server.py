"""The server that bench/web.py measures: gateway, operators, their loop and page in one process
over anvil, as `ddlp serve` runs them, with a campaign of texts that many people can label at once.

Says in a line of JSON that it is ready, and at SIGTERM in another what the log holds.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import secrets
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from oracle.bootstrap import Keys, Platform, establish_devnet  # noqa: E402
from oracle.chain.devnet import Devnet  # noqa: E402
from oracle.chain.wallets import DevWallets  # noqa: E402
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, build_campaign  # noqa: E402
from oracle.operations.loop import Loop  # noqa: E402
from oracle.operations.metrics import Metrics  # noqa: E402
from oracle.replay.digits import TOKEN, digit_terms  # noqa: E402
from oracle.transport.listening import SWITCH_SECONDS, listening, stopped_by_signal  # noqa: E402
from webapp import Settings, create_app  # noqa: E402

BARE = "/bare"
GOLD_EPOCHS = 10
TERMS = {"epochSeconds": 120, "leaseSeconds": 110, "graceSeconds": 2, "anchorBlocks": 2}


def questions(count: int) -> CampaignFiles:
    """A campaign of so many texts whose last digit is to be named; every sixth is gold."""
    items = [Item(f"item {number}", text=f"What is {number}?") for number in range(count)]
    gold = [Gold(f"item {number}", str(number % 10)) for number in range(0, count, 6)]
    return build_campaign(
        digit_terms(title="Last digits", **TERMS),
        items,
        gold,
        guidelines="Name the last digit.",
        consent="Your answers are paid and published.",
        gold_epochs=GOLD_EPOCHS,
        secret=secrets.token_bytes(32),
    )


def bare() -> Flask:
    """The peer: what Flask itself takes, behind the same server, to read JSON and answer it."""
    app = Flask("bare")

    @app.post(BARE)
    def echo() -> Response:
        return jsonify(request.get_json())

    return app


def thread_seconds() -> dict[str, float]:
    """Processor seconds of this process' threads so far, by what they do."""
    found: defaultdict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        stat = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text()
        found[thread.name.split("-")[0].split("_")[0]] += int(stat.split()[0]) / 1e9
    return dict(found)


class Metered:
    """A WSGI application, with the peer beside it, that counts the processor time of each path."""

    def __init__(self, app: Any) -> None:
        self._app, self._bare, self._lock = app, bare(), threading.Lock()
        self.used: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def __call__(self, environ: Any, start_response: Any) -> Any:
        before = time.thread_time()
        app = self._bare if environ["PATH_INFO"] == BARE else self._app
        answer = app(environ, start_response)
        seconds = time.thread_time() - before
        with self._lock:
            row = self.used[environ["PATH_INFO"]]
            row[0] += 1
            row[1] += seconds
        return answer

    @property
    def milliseconds(self) -> dict[str, float]:
        """Milliseconds of processor time a request, by path."""
        return {path: 1000 * used / count for path, (count, used) in self.used.items()}


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Profile the processor time of threads that begin inside, and write the sum of them."""
    profilers: list[cProfile.Profile] = []
    run = threading.Thread.run

    def profiling(thread: threading.Thread) -> None:
        profilers.append(cProfile.Profile(time.thread_time))
        profilers[-1].runcall(run, thread)

    if path is not None:
        threading.Thread.run = profiling  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.run = run  # type: ignore[method-assign]
        if path is not None:
            import pstats

            total = pstats.Stats(profilers[0])
            for one in profilers[1:]:
                total.add(one)
            total.dump_stats(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--database")
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--switch-seconds", type=float, default=SWITCH_SECONDS)
    options = parser.parse_args()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it would write of every request
    with Devnet(options.folder / "chain", block_seconds=1) as devnet:
        keys = Keys.of_devnet()
        platform = Platform(
            devnet.w3,
            establish_devnet(devnet, keys),
            keys=keys,
            state_dir=options.folder,
            finality="finalized",
            database_url=options.database,
        )
        wallets = DevWallets(platform.deployment.chain_id)
        campaign = platform.create_campaign(
            questions(options.items),
            wallets.requester(),
            budget=10_000 * TOKEN,
            bond=5_000 * TOKEN,
            epoch_cap=5_000 * TOKEN,
            fee_bps=500,
        )
        devnet.mine(4)
        platform.discover()
        platform.gateway(campaign)
        # All people come from one address here, at once.
        page = Settings(
            (f"http://127.0.0.1:{options.port}",),
            secrets.token_bytes(32),
            sign_ins_a_minute=100_000,
        )
        app = Metered(create_app(platform.desk(name="Local devnet"), platform.community, page))
        loop = Loop(platform, Metrics(), on_failure=lambda: sys.exit("the loop failed"))
        with (
            profiled(options.profile),
            stopped_by_signal() as stop,
            listening(app, "127.0.0.1", options.port, switch_seconds=options.switch_seconds),
        ):
            loop.start()
            while platform.gateway(campaign).head() is None:  # nobody can delegate before
                time.sleep(0.2)
            print(json.dumps({"campaign": campaign}), flush=True)
            stop.wait()
            used = thread_seconds()
            loop.stop()
        report = {
            **logged(platform, campaign),
            "milliseconds": app.milliseconds,
            "thread_seconds": used,
        }
        print(json.dumps(report), flush=True)


def logged(platform: Platform, campaign: int) -> dict[str, Any]:
    """What the log and the chain hold in the end."""
    gateway = platform.gateway(campaign)
    facts = platform.reader.facts(campaign, gateway.manifest.anchor_blocks)
    submissions = platform.store.submissions(campaign)
    return {
        "labels": sum(len(one.answers or ()) for one in submissions),
        "receipts": len(facts.settlements),
    }


if __name__ == "__main__":
    main()
