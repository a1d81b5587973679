"""A node that misbehaves by script: a loopback HTTP server before a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

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

    def _answers(self, asked: Any, body: bytes) -> bytes:
        """What to answer: the node's bytes as they are, unless the script may change them."""
        questions = asked if isinstance(asked, list) else [asked]
        self.asked.extend(one["method"] for one in questions)
        if self.script is honest:
            return body
        told = json.loads(body)
        by_id = {one["id"]: one for one in (told if isinstance(told, list) else [told])}
        for one in questions:
            answer = by_id[one["id"]]
            if "result" in answer:
                answer["result"] = self.script(one["method"], one["params"], answer["result"])
        return json.dumps(told).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy, node_address = self, urlsplit(self._node_url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.node = HTTPConnection(node_address, timeout=60)

            def finish(self) -> None:
                super().finish()
                self.node.close()

            def do_POST(self) -> None:
                question = self.rfile.read(int(self.headers["Content-Length"]))
                if proxy.broken == "close":
                    self.close_connection = True
                    return
                self.node.request(
                    "POST", "/", question, headers={"Content-Type": "application/json"}
                )
                body = proxy._answers(json.loads(question), self.node.getresponse().read())
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
