"""Serving a WSGI application by waitress, in threads of this process."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from oracle.errors import ConfigError

THREADS = 8


@contextmanager
def running(
    app: Flask, host: str, port: int, *, threads: int = THREADS, **limits: int
) -> Iterator[int]:
    """Serve in threads of their own inside the `with` block, which is given the port.

    `host` is an IP address; port 0 takes a free one; `limits` are waitress' own adjustments, such
    as `channel_timeout` in seconds. Raises ConfigError where the host is no address or the port is
    taken.
    """
    listener = _listen(host, port)
    sockets: dict[int, wasyncore.dispatcher] = {}
    server = create_server(
        app, map=sockets, sockets=[listener], threads=threads, ident=None, **limits
    )

    def stop() -> None:
        server.task_dispatcher.shutdown()  # waits for the requests under way
        wasyncore.close_all(sockets)  # ends run()

    thread = threading.Thread(target=server.run, name="listener", daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        # The serving thread itself must close: beneath it the sockets would vanish.
        server.trigger.pull_trigger(stop)
        thread.join(timeout=10)


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
