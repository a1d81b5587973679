"""What holds for every request: allowed hosts, same-origin writes, rates, security headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, g, request

from oracle.transport.rates import RateLimit
from webapp.problems import Problem
from webapp.receiving import visitor
from webapp.settings import Settings

# Only scripts that a template names run, and what these load. 'wasm-unsafe-eval' lets libsodium
# compile its WebAssembly and allows no JavaScript eval; data: images are wallets' own icons.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; "
    "style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; media-src 'self'; "
    "connect-src {connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# What scripts read is no page: shown as one, it loads nothing.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With none at all, browsers send `Origin: null` with this page's own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # Some wallets sign in a pop-up, which plain same-origin would cut off from the page.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_DATA = ("application/json", "text/event-stream")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def install(app: Flask, settings: Settings, now: Callable[[], float]) -> None:
    """Check each request before its view, and dress each answer."""

    @app.before_request
    def check_host() -> None:
        # A foreign name that resolves to this server (DNS rebinding) must not read the session's
        # answers.
        if request.path != "/healthz" and request.host not in settings.hosts:
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "wrong_host",
                f"This server is known by another name. Open {settings.origins[0]} instead.",
            )

    @app.before_request
    def check_origin() -> None:
        if (
            request.method not in _SAFE_METHODS
            and request.headers.get("Origin") not in settings.origins
        ):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "wrong_origin",
                "This request came from another site and was refused. Open the page and retry.",
            )

    sign_ins = RateLimit(settings.sign_ins_a_minute / 60, settings.sign_ins_a_minute, now)
    writes = RateLimit(settings.writes_a_second, settings.writes_a_second * 60, now)

    @app.before_request
    def check_rate() -> None:
        if request.method in _SAFE_METHODS:
            return
        address = request.remote_addr or ""
        if request.endpoint == "session.challenge":
            allowed = sign_ins.allows(address)
        else:
            allowed = writes.allows(visitor() or address)
        if not allowed:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_often",
                "That was too often. Wait a minute and try again.",
            )

    # Nothing but this server, and the operators that its settings name.
    connect = " ".join(["'self'", *sorted(set(settings.operators.values()))])
    app.add_template_global(_nonce, "csp_nonce")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        policy = _DATA_POLICY
        if response.mimetype not in _DATA:
            policy = _PAGE_POLICY.format(nonce=_nonce(), connect=connect)
        response.headers.setdefault("Content-Security-Policy", policy)
        if request.endpoint != "static":
            # What somebody saw while signed in isn't for whoever uses the browser next.
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _nonce() -> str:
    """The one random word by which this answer's own scripts and styles are told from others."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)
