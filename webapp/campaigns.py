"""Campaigns: the list, one campaign's page and data, its items' media."""

from __future__ import annotations

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from webapp.media import send_media
from webapp.presenting import campaign_json, network_json
from webapp.receiving import desk

blueprint = Blueprint("campaigns", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the campaigns."""
    return render_template("index.html", network=desk().network(), campaigns=desk().campaigns())


@blueprint.get("/campaigns/<int:number>")
def show(number: int) -> ResponseReturnValue:
    """Show one campaign with everything to label for it."""
    return render_template(
        "campaign.html", network=desk().network(), campaign=desk().campaign(number)
    )


@blueprint.get("/api/network")
def network() -> ResponseReturnValue:
    """Return the chain for the script."""
    return jsonify(network=network_json(desk().network()))


@blueprint.get("/api/campaigns/<int:number>")
def read(number: int) -> ResponseReturnValue:
    """Return one campaign and its chain for the script."""
    return jsonify(
        network=network_json(desk().network()), campaign=campaign_json(desk().campaign(number))
    )


@blueprint.get("/campaigns/<int:number>/items/<int:item>")
def media(number: int, item: int) -> ResponseReturnValue:
    """Send an item's media."""
    return send_media(desk().media(number, item))


@blueprint.get("/campaigns/<int:number>/items/<int:item>/second")
def second(number: int, item: int) -> ResponseReturnValue:
    """Send the media of a comparison's second side."""
    return send_media(desk().media(number, item, second=True))
