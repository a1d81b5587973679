"""Campaigns: the list, one campaign's page and data, its items' media."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue

from webapp.presenting import campaign_json, network_json
from webapp.receiving import desk

blueprint = Blueprint("campaigns", __name__)

# Types that browsers only draw. SVG and HTML can carry script: whatever isn't listed is sent as a
# plain download.
_DRAWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


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
    found = desk().media(number, item)
    drawn = found.type in _DRAWN_TYPES
    response = Response(
        found.data, content_type=found.type if drawn else "application/octet-stream"
    )
    if not drawn:
        response.headers["Content-Disposition"] = "attachment"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
