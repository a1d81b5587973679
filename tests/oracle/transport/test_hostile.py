"""The listening side against what comes over a real socket: huge, slow, cut off, garbage; and the
calling side against servers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import requests

from oracle.errors import ConfigError, PeerUnavailable
from oracle.evidence.signing import address_of
from oracle.transport import client as client_module
from oracle.transport import server as server_module
from oracle.transport.client import Caller, HttpPeer
from oracle.transport.listening import listening
from oracle.transport.server import MAX_REQUEST, create_operator_app
from tests.support.transport import (
    CAMPAIGN,
    OPERATORS,
    PROPOSAL,
    FixedOperator,
    Offer,
    identity_of,
    operator_key,
)

pytestmark = pytest.mark.services
HERE = address_of(operator_key(1))


@pytest.fixture
def operator() -> FixedOperator:
    return FixedOperator(operator_key(1))


@pytest.fixture
def port(operator: FixedOperator) -> Iterator[int]:
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)
    with listening(app, "127.0.0.1", 0, idle_seconds=1) as found:
        yield found


def peer_at(port: int) -> HttpPeer:
    caller = Caller(f"http://127.0.0.1:{port}", HERE, identity_of(operator_key(0)))
    return HttpPeer(caller, CAMPAIGN)


def raw(port: int, data: bytes, seconds: float = 10.0) -> bytes:
    """Send bytes and return all that comes back until the other side closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=seconds)) as connection:
        found = b""
        try:
            connection.sendall(data)
            while part := connection.recv(1 << 16):
                found += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # it had enough
        return found


def test_listening__real_socket__serves_the_whole_port(port: int, operator: FixedOperator) -> None:
    peer = peer_at(port)
    assert peer.holding() == operator.holding()
    assert peer.vote(PROPOSAL) == operator.votes[0]


def test_listening__body_over_the_bound__is_refused_unread(
    port: int, operator: FixedOperator
) -> None:
    head = (
        f"POST /v1/campaigns/{CAMPAIGN}/vote HTTP/1.1\r\nHost: a\r\n"
        f"Content-Length: {MAX_REQUEST + 1}\r\nConnection: close\r\n\r\n"
    )
    started = time.monotonic()
    assert b" 413 " in raw(port, head.encode()).split(b"\r\n")[0]
    assert time.monotonic() - started < 5
    assert operator.proposals == []
    assert peer_at(port).holding() == operator.holding()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"GET " + b"/" * 400_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/public/status HTTP/1.1\r\n" + b"A: b\r\n" * 60_000 + b"\r\n",
        b"POST /v1/campaigns/7/vote HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/campaigns/7/vote HTTP/1.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["TLS hello", "long path", "many headers", "negative length", "smuggled length"],
)
def test_listening__garbage__is_refused_and_it_serves_on(
    port: int, operator: FixedOperator, garbage: bytes
) -> None:
    first = raw(port, garbage).split(b"\r\n")[0]
    assert b" 200 " not in first
    assert peer_at(port).holding() == operator.holding()
    assert operator.proposals == []


@pytest.mark.parametrize(("trusted", "alike"), [("127.0.0.1", False), (None, True)])
def test_listening__behind_a_proxy__limits_by_who_asked_it(
    operator: FixedOperator, monkeypatch: pytest.MonkeyPatch, trusted: str | None, alike: bool
) -> None:
    monkeypatch.setattr(server_module, "PUBLIC_RATE", 0.001)
    monkeypatch.setattr(server_module, "PUBLIC_BURST", 1.0)
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)

    def ask(port: int, address: str) -> int:
        url = f"http://127.0.0.1:{port}/v1/public/status"
        forged = f"203.0.113.{port % 250}, {address}"  # what the asker itself wrote stands first
        return requests.get(url, headers={"X-Forwarded-For": forged}, timeout=10).status_code

    with listening(app, "127.0.0.1", 0, trusted_proxy=trusted) as port:
        found = [ask(port, f"192.0.2.{number}") for number in (1, 2, 1)]
    assert found == ([200, 429, 429] if alike else [200, 200, 429])


def test_listening__slow_senders__are_cut_off_and_hold_up_nobody(
    port: int, operator: FixedOperator
) -> None:
    """A slow loris: many connections that never finish their headers."""
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    try:
        for connection in slow:
            connection.sendall(b"GET /v1/public/status HTTP/1.1\r\nX-")
        started = time.monotonic()
        assert peer_at(port).holding() == operator.holding()
        assert time.monotonic() - started < 2
        for connection in slow:
            connection.settimeout(45)
            assert connection.recv(1 << 16).split(b"\r\n")[0] in {b"", b"HTTP/1.0 400 Bad Request"}
    finally:
        for connection in slow:
            connection.close()


def test_listening__no_address_or_taken_port__names_the_remedy(
    port: int, operator: FixedOperator
) -> None:
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)
    with (
        pytest.raises(ConfigError, match="choose another address or port"),
        listening(app, "127.0.0.1", port),
    ):
        pass


# -- servers that misbehave ------------------------------------------------------------------------


@contextmanager
def answering(*parts: bytes, pause: float = 0.0) -> Iterator[int]:
    """A server that answers every connection with fixed bytes, `pause` seconds between them."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(1 << 16)
                    for part in parts:
                        connection.sendall(part)
                        if ended.wait(pause):
                            return
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b""], "ConnectionError"),
        ([b"hello\r\n\r\n"], "ConnectionError"),
        ([HEAD + b"anything"], "unsigned"),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"], "status 302, unsigned"),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n[1,2]"], "status 500, unsigned"),
        ([b"HTTP/1.1 200 OK\r\nDDLP-Signature: zz\r\n\r\n"], "isn't hexadecimal"),
        ([b"HTTP/1.1 200 OK\r\nDDLP-Signature: " + b"00" * 65 + b"\r\n\r\n"], "signature"),
    ],
    ids=["closes", "no HTTP", "unsigned", "redirect", "error", "no hex", "of no key"],
)
def test_caller__server_that_answers_nonsense__is_unavailable(
    parts: list[bytes], message: str
) -> None:
    with answering(*parts) as port, pytest.raises(PeerUnavailable, match=message):
        peer_at(port).holding()


def test_caller__endless_answer__is_given_up_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER", 1 << 20)
    endless = [HEAD] + [bytes(1 << 18)] * 50
    with answering(*endless) as port, pytest.raises(PeerUnavailable, match="over 1048576 bytes"):
        peer_at(port).holding()


def test_caller__answer_that_drips__is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LONGEST_SECONDS", 1.0)
    drops = [HEAD] + [b"x"] * 200
    started = time.monotonic()
    with (
        answering(*drops, pause=0.1) as port,
        pytest.raises(PeerUnavailable, match=r"takes over 1 s|ConnectionError|Timeout"),
    ):
        peer_at(port).holding()
    assert time.monotonic() - started < 8


def test_caller__silent_server__is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.5)
    monkeypatch.setattr(client_module, "LONGEST_SECONDS", 0.5)
    started = time.monotonic()
    with answering(b"", pause=30) as port, pytest.raises(PeerUnavailable, match="ReadTimeout"):
        peer_at(port).holding()
    assert time.monotonic() - started < 5
