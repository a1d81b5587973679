"""Errors in plain words: RFC 9457 problem details under /api, a page elsewhere. Each names what to
do.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from oracle.errors import (
    AccessRefusal,
    ChainError,
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    DDLPError,
    FormatError,
    GatewayBusy,
    GatewayRefusal,
    InputError,
    SignatureError,
    StoreError,
    UnknownCampaign,
)

# The first class that fits counts.
_STATUS: tuple[tuple[type[DDLPError], HTTPStatus], ...] = (
    (UnknownCampaign, HTTPStatus.NOT_FOUND),
    (AccessRefusal, HTTPStatus.FORBIDDEN),
    (GatewayRefusal, HTTPStatus.CONFLICT),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (FormatError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (SignatureError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ChainError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ContentMissing, HTTPStatus.SERVICE_UNAVAILABLE),
    (ContentCorrupt, HTTPStatus.SERVICE_UNAVAILABLE),
    (ContentUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
_REMEDY = {
    HTTPStatus.BAD_REQUEST: "Reload the page and try again.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address. Go back to the list of campaigns.",
    HTTPStatus.UNAUTHORIZED: "Sign in with your wallet.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This can't be done here. Go back to the list of campaigns.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large. Submit fewer labels at once.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Send JSON, with the header Content-Type: application/json.",
}


class Problem(Exception):
    """An error of the page itself: HTTP status, stable code and a sentence with the remedy."""

    def __init__(self, status: HTTPStatus, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def install(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(
        Problem, lambda problem: _answer(problem.status, problem.code, problem.detail)
    )
    app.register_error_handler(DDLPError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _bug)


def _domain_error(error: DDLPError) -> ResponseReturnValue:
    status = next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # An adapter's message may name hosts and paths: it goes to the log, not to visitors.
        current_app.logger.error("%s: %s", type(error).__name__, error)
        return _answer(
            status,
            type(error).__name__,
            "A part of the platform can't be reached. Try again in a minute.",
        )
    if isinstance(error, GatewayBusy):
        body, _ = _answer(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message)
        return body, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(error.wait_seconds)}
    if isinstance(error, GatewayRefusal):
        return _answer(status, error.code, error.message)
    return _answer(status, type(error).__name__, str(error))


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = HTTPStatus(error.code or 500)
    answer = _answer(status, status.name.lower(), _REMEDY.get(status, status.description))
    if error.response is not None:  # redirects carry their own response
        return error.response
    return answer


def _bug(error: Exception) -> ResponseReturnValue:
    current_app.logger.exception("unexpected error", exc_info=error)
    return _answer(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "bug",
        "Something broke on our side. Try again in a minute.",
    )


def _answer(status: HTTPStatus, code: str, detail: str) -> tuple[Response | str, HTTPStatus]:
    if not request.path.startswith("/api/"):
        shown = {"status": status, "detail": detail, "back": _where_from()}
        return render_template("error.html", **shown), status
    body = jsonify(type="about:blank", title=status.phrase, status=status, code=code, detail=detail)
    body.content_type = "application/problem+json"
    return body, status


def _where_from() -> str | None:
    """The page of ours that led here, for a way back; a path, so that it leads nowhere else."""
    parts = urlsplit(request.referrer or "")
    return parts.path if parts.netloc == request.host and parts.path != request.path else None
