"""The gateway that bench/web.py measures: `ddlp gateway run`, its page's peer beside the page.

The peer is an endpoint of a bare Flask application behind the same server. All people come from one
address here, at once, so that sign-ins aren't counted by address. Writes the processor time of each
path to the file that BENCH_REPORT names once the gateway has ended, and with BENCH_PROFILE a
profile of its threads.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import webapp  # noqa: E402
from oracle.cli import cli  # noqa: E402

BARE = "/bare"
MANY = 100_000


def bare() -> Flask:
    """The peer: what Flask itself takes, behind the same server, to read JSON and answer it."""
    app = Flask("bare")

    @app.post(BARE)
    def echo() -> Response:
        return jsonify(request.get_json())

    return app


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
def profiled(path: str | None) -> Iterator[None]:
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
            total = pstats.Stats(profilers[0])
            for one in profilers[1:]:
                total.add(one)
            total.dump_stats(path)


def main() -> None:
    create_app, pages = webapp.create_app, list[Metered]()

    def create(desk: Any, community: Any, settings: Any) -> Any:
        page = create_app(desk, community, replace(settings, sign_ins_a_minute=MANY))
        pages.append(Metered(page))
        return pages[0]

    webapp.create_app = create
    with profiled(os.environ.get("BENCH_PROFILE")):
        cli(["gateway", "run"], standalone_mode=False)
    Path(os.environ["BENCH_REPORT"]).write_text(json.dumps({"milliseconds": pages[0].milliseconds}))


if __name__ == "__main__":
    main()
