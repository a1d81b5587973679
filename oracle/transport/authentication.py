"""Who asks, and who answers: EIP-712 signatures of requests and answers between processes.

A request names whom it is for, so that nobody can hand it on to another; its time is the chain's,
so that a machine's clock doesn't matter; its nonce is taken once. An answer is bound to the
request. docs/adr/0027-signed-requests.md says why this and not TLS alone.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from oracle.errors import SignatureError
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Domain, Struct

WINDOW_SECONDS = 900  # of chain time: two operators' views of the head differ by minutes at most
MAX_NONCES = 200_000  # a sender, within two windows
SIGNATURE, TIME, NONCE = "DDLP-Signature", "DDLP-Time", "DDLP-Nonce"
Sign = Callable[[bytes], bytes]  # a 32-byte digest to 65 bytes


@dataclass(frozen=True)
class Request(Struct):
    """`call` is the keccak-256 of `METHOD path?query`, `body` that of the body."""

    TYPE = "Request(address to,bytes32 call,bytes32 body,uint64 time,bytes32 nonce)"
    to: bytes
    call: bytes
    body: bytes
    time: int
    nonce: bytes


@dataclass(frozen=True)
class Answer(Struct):
    """The answer to the request with digest `request`: HTTP status and keccak-256 of the body."""

    TYPE = "Answer(bytes32 request,uint16 status,bytes32 body)"
    request: bytes
    status: int
    body: bytes


@dataclass(frozen=True, repr=False)
class Identity:
    """Who this process is to others: an address, what signs for it, the domain, and chain time."""

    address: bytes
    sign: Sign
    domain: Domain
    now: Callable[[], int]

    def sign_request(
        self, to: bytes, method: str, path: str, body: bytes
    ) -> tuple[bytes, dict[str, str]]:
        """Return a new request's digest and its headers."""
        nonce = secrets.token_bytes(32)
        request = _request(to, method, path, body, self.now(), nonce)
        digest = request.digest(self.domain)
        headers = {
            TIME: str(request.time),
            NONCE: nonce.hex(),
            SIGNATURE: self.sign(digest).hex(),
        }
        return digest, headers

    def sign_answer(self, request: bytes, status: int, body: bytes) -> str:
        """Return the header's value for an answer to a request's digest."""
        digest = Answer(request, status, keccak256(body)).digest(self.domain)
        return self.sign(digest).hex()

    def check_answer(
        self, sender: bytes, request: bytes, status: int, body: bytes, signature: str | None
    ) -> None:
        """SignatureError unless `sender` signed this answer to this request."""
        digest = Answer(request, status, keccak256(body)).digest(self.domain)
        if recover(digest, _hex(signature, "signature")) != sender:
            raise SignatureError(
                "the answer isn't signed by the process that was asked: check the address and URL "
                "of this peer"
            )


class Doorkeeper:
    """Lets in requests that are for this process, in time, new, and signed by somebody allowed.

    `allowed` returns the addresses of the moment. Threads may share one.
    """

    def __init__(self, identity: Identity, allowed: Callable[[], Collection[bytes]]) -> None:
        self._identity, self._allowed = identity, allowed
        self._nonces: defaultdict[bytes, OrderedDict[bytes, int]] = defaultdict(OrderedDict)
        self._lock = threading.Lock()

    def admit(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        time: str | None,
        nonce: str | None,
        signature: str | None,
    ) -> tuple[bytes, bytes]:
        """Return who sent a request, and its digest; SignatureError where it isn't let in.

        The three values are the headers' texts.
        """
        sent = _decimal(time)
        now = self._identity.now()
        if abs(sent - now) > WINDOW_SECONDS:
            raise SignatureError(
                f"the request is of chain time {sent}, here it is {now}: see whether both nodes "
                "are synchronised"
            )
        unique = _hex(nonce, "nonce")
        request = _request(self._identity.address, method, path, body, sent, unique)
        digest = request.digest(self._identity.domain)
        sender = recover(digest, _hex(signature, "signature"))
        if sender not in self._allowed():
            raise SignatureError(
                "the request is signed by nobody who may ask here: sign as a member of the "
                "operator set, to this process' address"
            )
        self._take(sender, unique, now)
        return sender, digest

    def _take(self, sender: bytes, nonce: bytes, now: int) -> None:
        with self._lock:
            taken = self._nonces[sender]
            # What is older than both windows can't be let in again by its time.
            while taken and next(iter(taken.values())) < now - 2 * WINDOW_SECONDS:
                taken.popitem(last=False)
            if nonce in taken:
                raise SignatureError("the request was let in before: sign it anew")
            if len(taken) >= MAX_NONCES:
                raise SignatureError("too many requests within the window: ask more slowly")
            taken[nonce] = now


def _request(to: bytes, method: str, path: str, body: bytes, time: int, nonce: bytes) -> Request:
    call = keccak256(f"{method} {path}".encode())
    if len(nonce) != 32:
        raise SignatureError("a nonce is 32 bytes")
    return Request(to, call, keccak256(body), time, nonce)


def _decimal(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise SignatureError(f"the header {TIME} is missing or no number: sign the request")
    return int(text)


def _hex(text: str | None, name: str) -> bytes:
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        raise SignatureError(f"the {name} isn't hexadecimal: sign the request") from None
