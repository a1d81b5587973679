"""Earnings: sums live, claims of everything, every label with what became of it."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oracle.evidence.signing import checksum
from webapp.presenting import earnings_json, network_json
from webapp.receiving import desk, settings, signed_in, visitor

blueprint = Blueprint("earnings", __name__)

# How soon a browser asks again after each answer, milliseconds (docs/adr/0038).
ASK_AGAIN_MS = 4000


@blueprint.get("/earnings")
def show() -> ResponseReturnValue:
    """Show what one has, what is to come, and what can be claimed."""
    if (contributor := visitor()) is None:
        return redirect(url_for("session.page", next=url_for("earnings.show")))
    return render_template(
        "earnings.html",
        network=desk().network(),
        address=checksum(contributor),
        earnings=desk().earnings.overview(contributor),
    )


@blueprint.get("/earnings/campaigns/<int:number>")
def history(number: int) -> ResponseReturnValue:
    """Show one's labels in a campaign, a page at a time."""
    if (contributor := visitor()) is None:
        return redirect(url_for("session.page", next=request.path))
    campaign = desk().campaign(number)
    before = request.args.get("before", type=int)
    labels, older = desk().earnings.history(number, contributor, before)
    return render_template(
        "history.html",
        network=desk().network(),
        address=checksum(contributor),
        campaign=campaign,
        labels=labels,
        older=older,
        newest=before is None,
        reasons=desk().appeals.reasons,
        content_gateway=settings().content_gateway,
    )


@blueprint.get("/api/earnings")
def read() -> ResponseReturnValue:
    """Return the sums for the script."""
    contributor, network = signed_in(), desk().network()
    return jsonify(
        network=network_json(network), **earnings_json(desk().earnings.overview(contributor))
    )


@blueprint.get("/api/earnings/stream")
def stream() -> ResponseReturnValue:
    """Answer an EventSource with what is new since its last event, and end: it comes again by
    itself, and holds no thread between."""
    sums = json.dumps(earnings_json(desk().earnings.overview(signed_in())), sort_keys=True)
    name = hashlib.sha256(sums.encode()).hexdigest()[:16]
    event = f"retry: {ASK_AGAIN_MS}\n"
    if request.headers.get("Last-Event-ID") == name:
        event += ": nothing new\n\n"
    else:
        event += f"id: {name}\ndata: {sums}\n\n"
    return Response(event, content_type="text/event-stream")


@blueprint.post("/api/earnings/claims")
def claim() -> ResponseReturnValue:
    """Claim everything in every campaign; the relayer pays the gas."""
    result = desk().earnings.claim_all(signed_in())
    return (
        jsonify(
            transactions=["0x" + one.hex() for one in result.transactions],
            campaigns=result.campaigns,
            amount=str(result.amount),
            balance=str(result.balance),
        ),
        HTTPStatus.CREATED,
    )


@blueprint.get("/api/earnings/claim-call")
def claim_call() -> ResponseReturnValue:
    """Return the transaction with which the wallet claims on its own."""
    data = desk().earnings.claim_call(signed_in())
    return jsonify(to=checksum(desk().network().escrow), data="0x" + data.hex())
