"""What holds for every request: allowed hosts, same-origin writes, security headers."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, request

from webapp.problems import Problem
from webapp.settings import Settings

# 'wasm-unsafe-eval' lets libsodium compile its WebAssembly and allows no JavaScript eval; data:
# images are wallets' own icons.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # Some wallets sign in a pop-up, which plain same-origin would cut off from the page.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def install(app: Flask, settings: Settings) -> None:
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

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        return response
