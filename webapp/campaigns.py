"""Campaigns: the list, one campaign's page and data, its items' media."""

from __future__ import annotations

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from webapp.media import send_media
from webapp.offers import ORDERS, TASKS, chosen, priced, read_wanted
from webapp.presenting import campaign_json, network_json, operators_json
from webapp.receiving import community, desk, settings, visitor

blueprint = Blueprint("campaigns", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the work that there is, ordered and narrowed as the address asks."""
    network, rates = desk().network(), settings().rates
    offers = desk().market.offers(visitor())
    wanted = read_wanted(request.args, rates)
    requesters = {offer.requester.requester for offer in offers}
    return render_template(
        "index.html",
        network=network,
        served=bool(offers),
        offers=chosen(offers, wanted),
        ratings=community().ratings.summaries(requesters),
        wanted=wanted,
        orders=ORDERS,
        tasks=TASKS,
        rates=rates,
        price=lambda amount: priced(amount, network, wanted.currency, rates),
    )


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
        network=network_json(desk().network()),
        campaign=campaign_json(desk().campaign(number)),
        operators=operators_json(desk().operators(number), settings().operators),
    )


@blueprint.get("/campaigns/<int:number>/items/<int:item>")
def media(number: int, item: int) -> ResponseReturnValue:
    """Send an item's media, a restricted campaign's to whom it shows the item."""
    return send_media(desk().media(number, item, visitor()))


@blueprint.get("/campaigns/<int:number>/items/<int:item>/second")
def second(number: int, item: int) -> ResponseReturnValue:
    """Send the media of a comparison's second side, as those of the first."""
    return send_media(desk().media(number, item, visitor(), second=True))
