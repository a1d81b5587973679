"""`/healthz`, `/readyz` and `/metrics`: for this machine's supervisor and Prometheus, not for
visitors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue

from oracle.config import Settings
from oracle.operations.health import Check, check_paused, is_ready
from oracle.operations.loop import Loop
from oracle.operations.metrics import Metrics
from oracle.transport.listening import listening

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
STUCK_SECONDS = 600.0  # a round takes far less, unless a part never answers


class Checks(Protocol):
    """Looks at every part; an age in seconds, a lag in blocks."""

    def __call__(self, *, max_head_age: int, max_lag: int) -> Sequence[Check]:
        """Look."""
        ...


@contextmanager
def monitoring(settings: Settings, metrics: Metrics, loop: Loop, checks: Checks) -> Iterator[None]:
    """Serve the three pages on loopback inside the `with` block, where `monitor_port` says so."""
    if settings.monitor_port is None:
        yield
        return

    def look() -> list[Check]:
        found = checks(max_head_age=settings.max_head_age, max_lag=settings.max_lag_blocks)
        return [*found, check_paused(loop.paused)]

    app = create_monitor(metrics, look, lambda: (loop.idle_seconds or 0.0) < STUCK_SECONDS)
    with listening(app, LOOPBACK, settings.monitor_port, threads=2) as port:
        log.info("monitoring is at http://%s:%d", LOOPBACK, port)
        yield


def create_monitor(
    metrics: Metrics,
    checks: Callable[[], Sequence[Check]],
    is_alive: Callable[[], bool] = lambda: True,
) -> Flask:
    """Return the application; `checks` looks at every part anew, `is_alive` at this process
    alone.
    """
    app = Flask(__name__, static_folder=None)

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        alive = is_alive()
        return jsonify(status="ok" if alive else "stuck"), 200 if alive else 503

    @app.get("/readyz")
    def readyz() -> ResponseReturnValue:
        found = checks()
        ready = is_ready(found)
        body = {"ready": ready, "checks": [check.as_json() for check in found]}
        return jsonify(body), 200 if ready else 503

    @app.get("/metrics")
    def show_metrics() -> ResponseReturnValue:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return app
