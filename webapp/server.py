"""Serve the page by waitress, until a signal or the caller stops it."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from oracle.errors import ConfigError

_THREADS = 8


@contextmanager
def running(app: Flask, host: str, port: int) -> Iterator[None]:
    """Serve in a thread of its own inside the `with` block.

    `host` is an IP address. Raises ConfigError where it is none or the port is taken.
    """
    listener = _listen(host, port)
    sockets: dict[int, wasyncore.dispatcher] = {}
    server = create_server(app, map=sockets, sockets=[listener], threads=_THREADS, ident=None)

    def stop() -> None:
        server.task_dispatcher.shutdown()  # waits for the requests under way
        wasyncore.close_all(sockets)  # ends run()

    thread = threading.Thread(target=server.run, name="page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # The serving thread itself must close: beneath it the sockets would vanish.
        server.trigger.pull_trigger(stop)
        thread.join(timeout=10)


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, from the main thread; errors as for `running`."""
    if not Path(str(app.static_folder), "app.js").exists():
        raise ConfigError("the page's script isn't built: run `make serve`, or `npm run build`")
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, on_signal) for number in signals}
    try:
        with running(app, host, port):
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        version = ipaddress.ip_address(host).version
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except ValueError:
        raise ConfigError(f"{host!r} is no IP address: give one, such as 127.0.0.1") from None
    except OSError as error:
        raise ConfigError(
            f"can't listen at {host}:{port} ({error.strerror}): choose another address or port"
        ) from error
