"""Listening for HTTP by waitress, in threads of this process, until a signal."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from oracle.errors import ConfigError

THREADS = 8
MAX_CONNECTIONS = 1000  # browsers keep theirs open between two answers
MAX_BODY = 4 << 20  # bytes, unless told otherwise; an application may bound it further
# How long a thread may hold Python's interpreter while others wait for it: while a cut is computed,
# a request waits so long at every question to the database (docs/OPERATIONS.md has figures).
SWITCH_SECONDS = 0.0005
IDLE_SECONDS = 60  # then a connection is closed that neither sends nor is being answered


@contextmanager
def listening(
    app: Flask,
    host: str,
    port: int,
    *,
    threads: int = THREADS,
    idle_seconds: int = IDLE_SECONDS,
    switch_seconds: float = SWITCH_SECONDS,
    max_body: int = MAX_BODY,
    trusted_proxy: str | None = None,
) -> Iterator[int]:
    """Serve in threads of their own inside the `with` block, which is given the port.

    `host` is an IP address; port 0 takes a free one; bodies over `max_body` bytes are refused
    unread. Inside, any thread of the process holds the
    interpreter for `switch_seconds` at most while others wait. What comes from the IP address
    `trusted_proxy` counts as from the address that its X-Forwarded-For names last. Raises
    ConfigError where the host is no address or the port is taken.
    """
    listener = _listen(host, port)
    proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": {"x-forwarded-for"}}
    sockets: dict[int, wasyncore.dispatcher] = {}
    server = create_server(
        app,
        map=sockets,
        sockets=[listener],
        threads=threads,
        ident=None,
        connection_limit=MAX_CONNECTIONS,
        asyncore_use_poll=True,  # select takes no descriptor from 1024 on
        max_request_body_size=max_body,
        channel_timeout=idle_seconds,
        cleanup_interval=max(1, idle_seconds // 2),
        clear_untrusted_proxy_headers=True,
        **(proxy if trusted_proxy is not None else {}),
    )

    def stop() -> None:
        server.task_dispatcher.shutdown()  # waits for the requests under way
        wasyncore.close_all(sockets)  # ends run()

    thread = threading.Thread(target=server.run, name="listening", daemon=True)
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(switch_seconds)
    try:
        yield int(listener.getsockname()[1])
    finally:
        sys.setswitchinterval(before)
        # The serving thread itself must close: beneath it the sockets would vanish.
        server.trigger.pull_trigger(stop)
        thread.join(timeout=10)


@contextmanager
def stopped_by_signal() -> Iterator[threading.Event]:
    """Give an event that SIGINT or SIGTERM sets, inside the `with` block; main thread only."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield stop
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
