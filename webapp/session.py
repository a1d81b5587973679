"""The session: sign in by EIP-4361, who is signed in, sign out."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from flask import (
    Blueprint,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from oracle.errors import SignatureError
from oracle.evidence.signing import checksum
from webapp.receiving import Body, community, desk, visitor
from webapp.signing_in import ChallengeBook

blueprint = Blueprint("session", __name__)

_API = "/api/session"


@blueprint.post(f"{_API}/challenge")
def challenge() -> ResponseReturnValue:
    """Write the message that the wallet must sign."""
    contributor = Body().data("address", 20)
    # security.check_origin has made sure that the Origin is one of this server's own.
    issued = _book().issue(request.headers["Origin"], desk().network().chain_id, contributor)
    session["nonce"] = issued.nonce
    return jsonify(nonce=issued.nonce, message=issued.message)


@blueprint.post(_API)
def sign_in() -> ResponseReturnValue:
    """Start a session for the wallet that signed the message."""
    body = Body()
    nonce, signature = body.text("nonce"), body.data("signature", 65)
    # Another browser's challenge would sign this one in to somebody else's account.
    if session.pop("nonce", None) != nonce:
        raise SignatureError("this sign-in was started in another browser: start signing in again")
    contributor = _book().answer(nonce, signature)
    _end()
    session.permanent = True
    session["token"] = community().sessions.begin(
        contributor, request.headers.get("User-Agent", ""), request.remote_addr or ""
    )
    # The signed message says so, and the page beside the button.
    community().privacy.agree(contributor)
    return jsonify(address=checksum(contributor)), HTTPStatus.CREATED


@blueprint.get(_API)
def read() -> ResponseReturnValue:
    """Say who is signed in."""
    contributor = visitor()
    return jsonify(address=checksum(contributor) if contributor else None)


@blueprint.delete(_API)
def sign_out() -> ResponseReturnValue:
    """End the session in this browser."""
    _end()
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/sign-in")
def page() -> ResponseReturnValue:
    """Show the wallets to sign in with; `next` is the page of ours to go to then."""
    return render_template(
        "sign_in.html", network=desk().network(), following=_own_page(request.args.get("next", ""))
    )


@blueprint.post("/sign-out")
def leave() -> ResponseReturnValue:
    """End the session in this browser, from a form."""
    _end()
    return redirect(url_for("campaigns.index"), HTTPStatus.SEE_OTHER)


def _end() -> None:
    token = session.get("token")
    if token is not None:
        community().sessions.sign_out(token)
    session.clear()


def _own_page(path: str) -> str:
    """Return a path of this page, the first page's for everything else: `//evil.example` isn't."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else url_for("campaigns.index")


def _book() -> ChallengeBook:
    return cast(ChallengeBook, current_app.extensions["challenges"])
