"""Serve the page by waitress, until a signal or the caller stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from flask import Flask
from waitress.server import create_server

_THREADS = 8


@contextmanager
def running(app: Flask, host: str, port: int) -> Iterator[None]:
    """Serve in a thread of its own inside the `with` block; OSError where the port is taken."""
    server = create_server(app, host=host, port=port, threads=_THREADS, ident=None)
    thread = threading.Thread(target=server.run, name="page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.close()  # ends run(), which waits for the requests under way
        thread.join(timeout=10)


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, from the main thread. OSError where the port is taken."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    previous = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with running(app, host, port):
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
