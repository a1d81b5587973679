"""Serve the page by waitress, until a signal or the caller stops it."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from oracle.errors import ConfigError
from oracle.transport.listening import listening, stopped_by_signal


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, from the main thread; ConfigError where it can't be done."""
    check_built(app)
    with stopped_by_signal() as stop, listening(app, host, port):
        stop.wait()


def check_built(app: Flask) -> None:
    """ConfigError where the page's script isn't there."""
    if not Path(str(app.static_folder), "app.js").exists():
        raise ConfigError("the page's script isn't built: run `make serve`, or `npm run build`")
