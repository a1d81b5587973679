"""What a gateway and an operator offer over HTTP: thin views over the ports.

Requests of operators are signed and let in by a `Doorkeeper`, answers to them are signed; what
anybody may call is limited by address. Every body is bounded, by kind.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from oracle.content.sealing import seal_box
from oracle.errors import (
    DDLPError,
    FormatError,
    GatewayBusy,
    GatewayRefusal,
    InputError,
    SignatureError,
    UnknownCampaign,
)
from oracle.evidence.codec import integers
from oracle.ports import FilingDesk, LogFeed, Peer
from oracle.transport import authentication, wire
from oracle.transport.authentication import Doorkeeper, Identity
from oracle.transport.rates import RateLimit

log = logging.getLogger(__name__)

MAX_ROWS, MAX_WANTED = 512, 256
MAX_REQUEST = 128 << 20  # bytes; a proposal brings an epoch's log and openings
MAX_SMALL = 4 << 20  # everything else: a submission's entry and opening at most
MEMBER_RATE, MEMBER_BURST = 50.0, 200.0  # requests of one operator
PUBLIC_RATE, PUBLIC_BURST = 5.0, 50.0  # requests of one network address
PREFLIGHT_SECONDS = 7200  # browsers remember for two hours at most what a page may send
MINE = "application/octet-stream"
# The first class that fits counts; whatever isn't listed is this side's trouble.
_STATUS: tuple[tuple[type[DDLPError], HTTPStatus], ...] = (
    (UnknownCampaign, HTTPStatus.NOT_FOUND),
    (GatewayRefusal, HTTPStatus.CONFLICT),
    (SignatureError, HTTPStatus.UNAUTHORIZED),
    (FormatError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


class Offered(Protocol):
    """What an operator's process offers of a campaign: `oracle.service`'s member is both."""

    def peer(self, campaign: int) -> Peer:
        """Return this operator as its peers see it; UnknownCampaign where it takes no part."""
        ...

    def desk(self, campaign: int) -> FilingDesk:
        """Return what it offers contributors; UnknownCampaign where it takes no part."""
        ...


def create_feed_app(
    identity: Identity,
    feed: Callable[[int], LogFeed],
    operators: Callable[[], Mapping[bytes, bytes]],
) -> Flask:
    """Return a gateway's application for operators.

    `feed` returns a campaign's feed, or raises UnknownCampaign; `operators` returns the X25519 keys
    of the operators of the moment by address: what is revealed is sealed to who asks.
    """
    app = _application(identity)
    door = Doorkeeper(identity, lambda: operators().keys())
    _admit_members(app, door)

    @app.get("/v1/campaigns/<int:campaign>/page")
    def page(campaign: int) -> ResponseReturnValue:
        found = feed(campaign).page(*_span())
        return _bytes(wire.encode_page(found))

    @app.post("/v1/campaigns/<int:campaign>/reveal")
    def reveal(campaign: int) -> ResponseReturnValue:
        epoch, final = integers(_body(MAX_SMALL), "u64", 2).tolist()
        seed, gold = feed(campaign).reveal(epoch, final=bool(final))
        # Gold isn't public yet: whoever reads along on the way mustn't see it.
        return _bytes(seal_box(wire.encode_reveal(seed, gold), operators()[g.sender]))

    return app


def create_operator_app(
    identity: Identity, offered: Offered, members: Callable[[], Mapping[bytes, bytes]]
) -> Flask:
    """Return an operator's application, for its peers and for contributors.

    `members` returns the operators of the moment by address.
    """
    app = _application(identity)
    _admit_members(app, Doorkeeper(identity, lambda: members().keys()))
    anybody = RateLimit(PUBLIC_RATE, PUBLIC_BURST)

    @app.before_request
    def limit_public() -> None:
        if request.path.startswith("/v1/public/") and not anybody.allows(network_of_caller()):
            raise TooOften

    @app.after_request
    def open_to_pages(response: Response) -> Response:
        # Any gateway's page may ask, or none would be free of its gateway. No cookie is involved,
        # and what is answered is what the same person could ask for without a browser.
        if request.path.startswith("/v1/public/"):
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response

    @app.get("/v1/campaigns/<int:campaign>/holding")
    def holding(campaign: int) -> ResponseReturnValue:
        return _bytes(wire.encode_holding(offered.peer(campaign).holding()))

    @app.get("/v1/campaigns/<int:campaign>/rows")
    def rows(campaign: int) -> ResponseReturnValue:
        return _bytes(wire.encode_rows(offered.peer(campaign).rows(*_span())))

    @app.post("/v1/campaigns/<int:campaign>/filings")
    def filings(campaign: int) -> ResponseReturnValue:
        found = offered.peer(campaign).filings(_wanted())
        return _bytes(wire.encode_each(wire.encode_filing, found))

    @app.post("/v1/campaigns/<int:campaign>/openings")
    def openings(campaign: int) -> ResponseReturnValue:
        found = offered.peer(campaign).openings(_wanted())
        return _bytes(wire.encode_each(wire.encode_opened, found))

    @app.post("/v1/campaigns/<int:campaign>/vote")
    def vote(campaign: int) -> ResponseReturnValue:
        proposal = wire.decode_proposal(_body(MAX_REQUEST))
        if proposal.campaign != campaign:
            raise FormatError(f"the proposal is of campaign {proposal.campaign}: send it there")
        return _bytes(wire.encode_vote(offered.peer(campaign).vote(proposal)))

    @app.post("/v1/public/campaigns/<int:campaign>/confirm")
    def confirm(campaign: int) -> ResponseReturnValue:
        return _bytes(offered.desk(campaign).confirm(*wire.decode_place(_body(MAX_SMALL))))

    @app.post("/v1/public/campaigns/<int:campaign>/certify")
    def certify(campaign: int) -> ResponseReturnValue:
        offered.desk(campaign).certify(wire.decode_certificate(_body(MAX_SMALL)))
        return _bytes(b"")

    @app.post("/v1/public/campaigns/<int:campaign>/holds")
    def holds(campaign: int) -> ResponseReturnValue:
        return _bytes(wire.encode_digests(offered.desk(campaign).holds(_wanted())))

    @app.post("/v1/public/campaigns/<int:campaign>/open")
    def open_epoch(campaign: int) -> ResponseReturnValue:
        epoch, final, seed, gold = wire.decode_opened_epoch(_body(MAX_SMALL))
        offered.desk(campaign).open_epoch(epoch, final=final, seed=seed, gold=gold)
        return _bytes(b"")

    @app.post("/v1/public/campaigns/<int:campaign>/file")
    def file(campaign: int) -> ResponseReturnValue:
        return _bytes(offered.desk(campaign).file(wire.decode_filing(_body(MAX_SMALL))))

    return app


# -- what every request goes through ---------------------------------------------------------------


class TooOften(Exception):
    """A caller asks more often than its rate allows."""


def _application(identity: Identity) -> Flask:
    app = Flask("ddlp", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST
    app.register_error_handler(DDLPError, _expected)
    app.register_error_handler(TooOften, _too_often)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _bug)

    @app.get("/v1/public/status")
    def status() -> ResponseReturnValue:
        return jsonify(address="0x" + identity.address.hex(), time=identity.now())

    @app.after_request
    def sign_answer(response: Response) -> Response:
        digest = g.get("digest")
        if digest is not None:
            body = response.get_data()
            signature = identity.sign_answer(digest, response.status_code, body)
            response.headers[authentication.SIGNATURE] = signature
        return response

    return app


def _admit_members(app: Flask, door: Doorkeeper) -> None:
    """Let only signed requests of members through to what isn't public, each at its rate."""
    rates = RateLimit(MEMBER_RATE, MEMBER_BURST)

    @app.before_request
    def admit() -> None:
        if request.path.startswith("/v1/public/"):
            return
        limit = MAX_REQUEST if request.path.endswith("/vote") else MAX_SMALL
        headers = request.headers
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        sender, digest = door.admit(
            request.method,
            request.path + query,
            _body(limit),
            time=headers.get(authentication.TIME),
            nonce=headers.get(authentication.NONCE),
            signature=headers.get(authentication.SIGNATURE),
        )
        g.sender, g.digest = sender, digest
        if not rates.allows(sender):
            raise TooOften


def network_of_caller() -> str:
    """Return what public requests are limited by: an IPv4 address, or the 64 bits of an IPv6 one
    that name its network, since whoever has one has 2^64."""
    address = request.remote_addr or ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _body(limit: int) -> bytes:
    if (request.content_length or 0) > limit:
        raise FormatError(f"the body is over {limit} bytes: send less at once")
    return request.get_data()


def _span() -> tuple[int, int]:
    after = request.args.get("after", type=int, default=-1)
    limit = request.args.get("limit", type=int, default=0)
    if not 0 <= after < 1 << 63 or not 1 <= limit <= MAX_ROWS:
        raise InputError(f"ask for 1 to {MAX_ROWS} rows after a position: ?after=0&limit=100")
    return after, limit


def _wanted() -> tuple[bytes, ...]:
    wanted = wire.decode_digests(_body(MAX_SMALL))
    if len(wanted) > MAX_WANTED:
        raise InputError(f"{len(wanted)} are asked for: ask for {MAX_WANTED} at most")
    return wanted


def _bytes(data: bytes) -> Response:
    return Response(data, content_type=MINE)


# -- errors ----------------------------------------------------------------------------------------


def _expected(error: DDLPError) -> ResponseReturnValue:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        # An adapter's message may name hosts and paths: it goes to the log, not to others.
        log.error("%s: %s", type(error).__name__, error)
        return _problem(
            HTTPStatus.SERVICE_UNAVAILABLE, type(error).__name__, "a part can't be reached"
        )
    if isinstance(error, GatewayRefusal):
        wait = error.wait_seconds if isinstance(error, GatewayBusy) else None
        return _problem(status, error.code, error.message, wait)
    return _problem(status, type(error).__name__, str(error))


def _too_often(error: TooOften) -> ResponseReturnValue:
    return _problem(HTTPStatus.TOO_MANY_REQUESTS, "RATE", "ask more slowly", 1)


def _http(error: HTTPException) -> ResponseReturnValue:
    return _problem(HTTPStatus(error.code or 500), "HTTP", error.description or error.name)


def _bug(error: Exception) -> ResponseReturnValue:
    log.exception("a request failed by a bug")
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "BUG", "this side failed: see its log")


def _problem(
    status: HTTPStatus, code: str, message: str, wait: int | None = None
) -> ResponseReturnValue:
    return jsonify(code=code, message=message, waitSeconds=wait), status
