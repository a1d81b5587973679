"""Claims: what one earned, and the claim that a relayer pays the gas for."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.presenting import status_json
from webapp.receiving import desk, signed_in

blueprint = Blueprint("claims", __name__, url_prefix="/api/campaigns/<int:number>")


@blueprint.get("/status")
def status(number: int) -> ResponseReturnValue:
    """Return the contributor's standing, live."""
    contributor = signed_in()
    return jsonify(status_json(desk().status(number, contributor), desk().campaign(number)))


@blueprint.post("/claims")
def claim(number: int) -> ResponseReturnValue:
    """Claim everything finalized."""
    result = desk().claim(number, signed_in())
    return (
        jsonify(
            transaction="0x" + result.transaction.hex(),
            amount=str(result.amount),
            balance=str(result.balance),
        ),
        HTTPStatus.CREATED,
    )
