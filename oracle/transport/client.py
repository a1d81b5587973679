"""A gateway's feed, and a peer, as an operator reaches them over HTTP.

Whatever goes wrong on the way is PeerUnavailable; what the other side refuses by a rule is the
error that it names. Answers are believed to be the peer's only by its signature.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from oracle.breaker import CircuitBreaker
from oracle.content.sealing import open_box
from oracle.errors import (
    ConfigError,
    GatewayBusy,
    GatewayRefusal,
    NotFollowed,
    PeerUnavailable,
    SignatureError,
)
from oracle.evidence.codec import column
from oracle.evidence.entries import LogRow
from oracle.evidence.structs import Domain
from oracle.evidence.supplement import GoldOpening
from oracle.ports import (
    Filing,
    Holding,
    LeaseCertificate,
    LogPage,
    OpenedSubmission,
    Proposal,
    Vote,
)
from oracle.transport import authentication, wire
from oracle.transport.authentication import Identity

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONNECT_SECONDS, READ_SECONDS = 3.0, 20.0
LONGEST_SECONDS = 60.0  # for a whole answer, however slowly it drips
SLOW_PART = 6  # of the seconds that an answer may take: then it was slow
VOTE_SECONDS = 600.0  # a peer derives the whole epoch before it answers
MAX_ANSWER = 64 << 20  # bytes
ATTEMPTS = 2  # a connection that was kept open may have been closed meanwhile
PLAIN = {"Content-Type": "application/octet-stream", "Accept-Encoding": "identity"}
MAX_WAIT = 86_400  # seconds that a busy gateway may ask for
PUBLIC = "/v1/public/"
BREAKER_FAILURES, FIRST_PAUSE, LONGEST_PAUSE = 3, 1.0, 15.0


class Caller:
    """Signed requests to one process: at `url`, run by `address`, from `identity`.

    After three failures in a row it isn't asked for a second, then for longer, up to 15 s: a dead
    peer must not slow every step down. An answer that took a sixth of the time that it may take is
    believed, but counts as a failure, so that nobody is held up by one slow page after another.
    Threads may share it.
    """

    def __init__(self, url: str, address: bytes, identity: Identity) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ConfigError(f"{url!r} is no address of a peer: write it as https://host:port")
        self.url, self.address = url.rstrip("/"), address
        self._identity = identity
        self._session = requests.Session()
        # A proxy for the outside never stands before this machine's own processes.
        self._session.trust_env = parts.hostname not in LOOPBACK
        self._session.mount(f"{parts.scheme}://", HTTPAdapter(pool_maxsize=2))
        self._lock = threading.Lock()  # of the breaker
        self._breaker = CircuitBreaker(
            failures=BREAKER_FAILURES, first_pause=FIRST_PAUSE, longest_pause=LONGEST_PAUSE
        )

    def get(self, path: str) -> bytes:
        """Ask for what stands at a path."""
        return self._ask("GET", path, b"", LONGEST_SECONDS)

    def post(self, path: str, body: bytes, seconds: float = LONGEST_SECONDS) -> bytes:
        """Send a body; the answer may take `seconds`."""
        return self._ask("POST", path, body, seconds)

    def _ask(self, method: str, path: str, body: bytes, seconds: float) -> bytes:
        with self._lock:
            if not self._breaker.allows():
                raise PeerUnavailable(
                    f"{self.url} failed, or was slow, {self._breaker.failures} times: it is asked "
                    f"again in {self._breaker.remaining:.0f} s"
                )
        started = time.monotonic()
        try:
            data = self._answered(method, path, body, seconds)
        except (GatewayRefusal, NotFollowed):  # it answers: other campaigns may be asked about
            self._note(started, seconds)
            raise
        except PeerUnavailable:
            with self._lock:
                self._breaker.failed()
            raise
        self._note(started, seconds)
        return data

    def _note(self, started: float, seconds: float) -> None:
        """Note an answer that came."""
        with self._lock:
            if time.monotonic() - started > seconds / SLOW_PART:
                self._breaker.failed()
            else:
                self._breaker.succeeded()

    def _answered(self, method: str, path: str, body: bytes, seconds: float) -> bytes:
        # Signed anew each time: what was sent may have arrived, and a nonce is taken once.
        for attempt in range(ATTEMPTS):
            digest, headers = self._identity.sign_request(self.address, method, path, body)
            try:
                status, data, signature = self._send(method, path, body, headers, seconds)
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                kept_open_too_long = isinstance(error, requests.ConnectionError) and not isinstance(
                    error, requests.Timeout
                )
                if attempt + 1 == ATTEMPTS or not kept_open_too_long:
                    raise self._unavailable(type(error).__name__) from error
        if signature is None and path.startswith(PUBLIC):
            return self._believed(status, data)
        if signature is None:
            raise self._unavailable(f"status {status}, unsigned: {_problem(data)[1]}")
        try:
            self._identity.check_answer(self.address, digest, status, data, signature)
        except SignatureError as error:
            raise self._unavailable(str(error)) from error
        return self._believed(status, data)

    def _believed(self, status: int, data: bytes) -> bytes:
        """Return an answer's body; raise what a refusal stands for."""
        if status == HTTPStatus.OK:
            return data
        code, message, wait = _problem(data)
        if status == HTTPStatus.CONFLICT and wait is not None:
            raise GatewayBusy(code, message, wait)
        if status == HTTPStatus.CONFLICT:
            raise GatewayRefusal(code, message)
        if status == HTTPStatus.NOT_FOUND:
            raise NotFollowed(f"{self.url}: {code}: {message}")
        raise self._unavailable(f"status {status}: {code}: {message}")

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, bytes, str | None]:
        deadline = time.monotonic() + seconds
        with self._session.request(
            method,
            self.url + path,
            data=body,
            headers={**headers, **PLAIN},
            timeout=(CONNECT_SECONDS, max(READ_SECONDS, seconds)),
            stream=True,
            allow_redirects=False,
        ) as answer:
            data = bytearray()
            # `iter_content` would wait for a whole part, however slowly its bytes come.
            while part := answer.raw.read1(1 << 16):
                data += part
                if len(data) > MAX_ANSWER:
                    raise self._unavailable(f"its answer is over {MAX_ANSWER} bytes")
                if time.monotonic() > deadline:
                    raise self._unavailable(f"its answer takes over {seconds:g} s")
            signature = answer.headers.get(authentication.SIGNATURE)
            return answer.status_code, bytes(data), signature

    def _unavailable(self, reason: str) -> PeerUnavailable:
        return PeerUnavailable(
            f"{self.url} can't be reached ({reason}): see whether it runs, and at which address"
        )


class HttpFeed:
    """A campaign's `LogFeed` at its gateway. `unseal` is this operator's X25519 private key."""

    def __init__(self, caller: Caller, campaign: int, unseal: bytes) -> None:
        self._caller, self._unseal = caller, unseal
        self._path = f"/v1/campaigns/{campaign}"

    def page(self, after: int, limit: int) -> LogPage:
        """Return up to `limit` rows behind position `after`, with their openings."""
        data = self._caller.get(f"{self._path}/page?after={after}&limit={limit}")
        return wire.decode_page(data)

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        """Return the epoch's draw seed and the gold up to it; GatewayRefusal before the cut."""
        sealed = self._caller.post(f"{self._path}/reveal", column([epoch, int(final)], "u64"))
        return wire.decode_reveal(open_box(sealed, self._unseal))


class HttpPeer:
    """One campaign at another operator: a `Peer`."""

    def __init__(self, caller: Caller, campaign: int) -> None:
        self._caller = caller
        self._path = f"/v1/campaigns/{campaign}"

    @property
    def address(self) -> bytes:
        """The operator's address."""
        return self._caller.address

    def holding(self) -> Holding:
        """Say what the peer holds."""
        return wire.decode_holding(self._caller.get(f"{self._path}/holding"))

    def rows(self, after: int, limit: int) -> tuple[LogRow, ...]:
        """Return up to `limit` rows of the peer's log behind position `after`."""
        data = self._caller.get(f"{self._path}/rows?after={after}&limit={limit}")
        return wire.decode_rows(data)

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        """Return the filings of up to 256 entry hashes, as far as the peer has them."""
        data = self._caller.post(f"{self._path}/filings", wire.encode_digests(wanted))
        return wire.decode_each(wire.decode_filing, data)

    def openings(self, wanted: Sequence[bytes]) -> tuple[OpenedSubmission, ...]:
        """Return what opens up to 256 submissions, as far as the peer has it."""
        data = self._caller.post(f"{self._path}/openings", wire.encode_digests(wanted))
        return wire.decode_each(wire.decode_opened, data)

    def vote(self, proposal: Proposal) -> Vote:
        """Let the peer derive the proposal's receipt, and sign it or refuse."""
        data = self._caller.post(f"{self._path}/vote", wire.encode_proposal(proposal), VOTE_SECONDS)
        return wire.decode_vote(data)


class HttpFilingDesk:
    """One campaign's `FilingDesk` at an operator, for contributors' tools: anybody may ask, and
    what it returns is signed by itself.
    """

    def __init__(self, caller: Caller, campaign: int) -> None:
        self._caller = caller
        self._path = f"{PUBLIC}campaigns/{campaign}"

    def confirm(self, position: int, entry_hash: bytes) -> bytes:
        """Have a lease confirmed; GatewayRefusal where the operator doesn't."""
        body = wire.encode_place(position, entry_hash)
        return self._caller.post(f"{self._path}/confirm", body)

    def certify(self, certificate: LeaseCertificate) -> None:
        """Bring a quorum's confirmations."""
        self._caller.post(f"{self._path}/certify", wire.encode_certificate(certificate))

    def holds(self, wanted: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return those of up to 256 entry hashes that the operator has, logged or filed."""
        data = self._caller.post(f"{self._path}/holds", wire.encode_digests(wanted))
        return wire.decode_digests(data)

    def file(self, filing: Filing) -> bytes:
        """Bring a submission that the gateway doesn't log; return the acknowledgement."""
        return self._caller.post(f"{self._path}/file", wire.encode_filing(filing))

    def open_epoch(
        self, epoch: int, *, final: bool, seed: bytes, gold: tuple[GoldOpening, ...]
    ) -> None:
        """Bring an epoch's draw seed and gold in the gateway's stead."""
        body = wire.encode_opened_epoch(epoch, final, seed, gold)
        self._caller.post(f"{self._path}/open", body)


def public_desk(url: str, operator: bytes, campaign: int) -> HttpFilingDesk:
    """Return an operator's desk as anybody reaches it, who has no name and signs nothing."""
    nobody = Identity(bytes(20), lambda digest: bytes(65), Domain(0, bytes(20)), lambda: 0)
    return HttpFilingDesk(Caller(url, operator, nobody), campaign)


def _problem(data: bytes) -> tuple[str, str, int | None]:
    """Return code, message and seconds to wait of a refusal, whatever the other side wrote."""
    try:
        body = json.loads(data)
        wait = body.get("waitSeconds")
        known = wait if isinstance(wait, int) and 0 <= wait < MAX_WAIT else None
        return str(body["code"])[:100], str(body["message"])[:1000], known
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return "UNKNOWN", "it gave no reason that can be read", None
