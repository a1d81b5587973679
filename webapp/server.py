"""Serve the page by waitress, until a signal or the caller stops it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

from flask import Flask

from oracle.errors import ConfigError
from oracle.transport.listening import listening


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, from the main thread; ConfigError where it can't be done."""
    if not Path(str(app.static_folder), "app.js").exists():
        raise ConfigError("the page's script isn't built: run `make serve`, or `npm run build`")
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, on_signal) for number in signals}
    try:
        with listening(app, host, port):
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
