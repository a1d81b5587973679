"""A node that misbehaves by script: a loopback HTTP server before a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from web3 import Web3

from oracle.chain.rpc import connect, request

Script = Callable[[str, Any, Any], Any]


def honest(_method: str, _params: Any, result: Any) -> Any:
    """Answer as the node does."""
    return result


class RpcProxy:
    """As a context manager; `url` is its address.

    `script(method, params, result)` returns what to answer instead of the node's result. `broken`
    is what to do instead of answering at all: "refuse" (HTTP 500), "garbage" (no JSON), "close"
    (the connection ends), or empty. `asked` lists the methods asked for.
    """

    def __init__(self, node_url: str, script: Script = honest) -> None:
        self.script, self.broken = script, ""
        self.asked: list[str] = []
        self._node_url = node_url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Address of this server, with what looks like a key in it."""
        return f"http://127.0.0.1:{self._server.server_port}/key/secret"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, node: Web3, asked: Any) -> Any:
        method, params = asked["method"], asked["params"]
        self.asked.append(method)
        answer: Any = node.provider.make_request(method, params)
        if "result" in answer:
            answer = {**answer, "result": self.script(method, params, answer["result"])}
        return {**answer, "id": asked["id"]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.node = connect(proxy._node_url)

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if proxy.broken == "close":
                    self.close_connection = True
                    return
                many = isinstance(asked, list)
                answers = [proxy._answer(self.node, one) for one in (asked if many else [asked])]
                body = json.dumps(answers if many else answers[0]).encode()
                if proxy.broken == "garbage":
                    body = b"<html>busy</html>"
                self.send_response(500 if proxy.broken == "refuse" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def half_the_logs(method: str, _params: Any, result: Any) -> Any:
    """Leave every second log out."""
    return result[::2] if method == "eth_getLogs" else result


class Frozen:
    """A script: the node stands still at the block that is newest when this is made."""

    def __init__(self, node_url: str) -> None:
        self._node = connect(node_url)
        self._tagged = {
            tag: request(self._node, "eth_getBlockByNumber", tag, False)
            for tag in ("latest", "finalized")
        }

    def __call__(self, method: str, params: Any, result: Any) -> Any:
        newest = self._tagged["latest"]["number"]
        number = int(newest, 16)
        if method == "eth_blockNumber":
            return newest
        if method == "eth_getBlockByNumber":
            if params[0] in self._tagged:
                return self._tagged[params[0]]
            if result is not None and int(result["number"], 16) > number:
                return None
        if method == "eth_getLogs":
            return [log for log in result if int(log["blockNumber"], 16) <= number]
        return result
