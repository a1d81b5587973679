"""The session: sign in by EIP-4361, who is signed in, sign out."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from flask import Blueprint, current_app, jsonify, request, session
from flask.typing import ResponseReturnValue

from oracle.errors import SignatureError
from oracle.evidence.signing import checksum
from webapp.receiving import Body, desk
from webapp.signing_in import ChallengeBook

blueprint = Blueprint("session", __name__, url_prefix="/api/session")


@blueprint.post("/challenge")
def challenge() -> ResponseReturnValue:
    """Write the message that the wallet must sign."""
    contributor = Body().data("address", 20)
    # security.check_origin has made sure that the Origin is one of this server's own.
    issued = _book().issue(request.headers["Origin"], desk().network().chain_id, contributor)
    session["nonce"] = issued.nonce
    return jsonify(nonce=issued.nonce, message=issued.message)


@blueprint.post("")
def sign_in() -> ResponseReturnValue:
    """Start a session for the wallet that signed the message."""
    body = Body()
    nonce, signature = body.text("nonce"), body.data("signature", 65)
    # Another browser's challenge would sign this one in to somebody else's account.
    if session.pop("nonce", None) != nonce:
        raise SignatureError("this sign-in was started in another browser: start signing in again")
    contributor = _book().answer(nonce, signature)
    session.clear()
    session.permanent = True
    session["contributor"] = contributor.hex()
    return jsonify(address=checksum(contributor)), HTTPStatus.CREATED


@blueprint.get("")
def read() -> ResponseReturnValue:
    """Say who is signed in."""
    contributor = session.get("contributor")
    return jsonify(address=checksum(bytes.fromhex(contributor)) if contributor else None)


@blueprint.delete("")
def sign_out() -> ResponseReturnValue:
    """End the session in this browser."""
    session.clear()
    return "", HTTPStatus.NO_CONTENT


def _book() -> ChallengeBook:
    return cast(ChallengeBook, current_app.extensions["challenges"])
