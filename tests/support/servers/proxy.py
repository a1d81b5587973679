"""A way to a server on loopback that drops connections, holds them, or alters answers at will."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers.process import HOST


class Proxy(socketserver.ThreadingTCPServer):
    """Passes each connection on to `target`, a loopback port; `proxying` starts one.

    `drop` counts the next connections to close at once, `hold` lets answers wait, `swap` replaces
    bytes in answers by others as long. `connections` counts all that came.
    """

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__((HOST, 0), _Connection)
        self.target = target
        self.drop = 0
        self.connections = 0
        self.swap: tuple[bytes, bytes] | None = None
        self.hold = threading.Event()
        self.hold.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.server_address[1]
        return port


class _Connection(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        self.server.connections += 1
        if self.server.drop:
            self.server.drop -= 1
            return
        with socket.create_connection((HOST, self.server.target)) as upstream:
            asking = threading.Thread(target=_pass_on, args=(self.request, upstream), daemon=True)
            asking.start()
            while part := upstream.recv(1 << 16):
                self.server.hold.wait()
                if self.server.swap is not None:
                    part = part.replace(*self.server.swap)
                self.request.sendall(part)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(1 << 16):
            target.sendall(part)
    except OSError:
        pass  # one of the two has gone: so does the connection


@contextmanager
def proxying(target: int) -> Iterator[Proxy]:
    """Run a proxy to a loopback port."""
    with Proxy(target) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            proxy.hold.set()
            proxy.shutdown()
            serving.join()
