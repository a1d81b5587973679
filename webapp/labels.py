"""Labels: delegation, leases, submissions, skips. Entries arrive as log bytes, signed; the gateway
judges them.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.media import item_json
from webapp.presenting import logged_json
from webapp.receiving import Body, community, desk, signed_in

blueprint = Blueprint("labels", __name__, url_prefix="/api/campaigns/<int:number>")

_BATCH = 10
_MOST_LABELS = 100
_SKIP_REASONS = 4


@blueprint.post("/delegations")
def delegate(number: int) -> ResponseReturnValue:
    """Let a session key label for the wallet, and keep that its person agreed to the terms."""
    contributor = signed_in()
    logged = desk().delegate(number, contributor, Body().data("entry"))
    terms = desk().campaign(number).consent
    community().privacy.agree_to_terms(contributor, number, terms)
    return jsonify(logged_json(logged)), HTTPStatus.CREATED


@blueprint.post("/leases")
def lease(number: int) -> ResponseReturnValue:
    """Return the running lease, a new one, or why there is none."""
    contributor = signed_in()
    reply = desk().lease(number, contributor, Body().integer("count", 1, _BATCH))
    return jsonify(
        lease=logged_json(reply.lease) if reply.lease else None,
        items=[
            {
                "number": item.number,
                "item": "0x" + item.item.hex(),
                **item_json(desk().item(number, item.number, contributor)),
            }
            for item in reply.items
        ],
        reason=reply.reason,
        waitSeconds=reply.wait_seconds,
    )


@blueprint.post("/submissions")
def submit(number: int) -> ResponseReturnValue:
    """Take a signed submission with its opening."""
    contributor, body = signed_in(), Body()
    logged = desk().submit(
        number,
        contributor,
        body.data("entry"),
        body.texts("answers", _MOST_LABELS),
        body.data("seed", 32),
        body.data("opening"),
    )
    return jsonify(logged_json(logged)), HTTPStatus.CREATED


@blueprint.post("/skips")
def skip(number: int) -> ResponseReturnValue:
    """Give a leased item back."""
    contributor, body = signed_in(), Body()
    logged = desk().skip(
        number,
        contributor,
        body.integer("item", 0, 2**32 - 1),
        body.integer("reason", 0, _SKIP_REASONS - 1),
    )
    return jsonify(logged_json(logged)), HTTPStatus.CREATED
