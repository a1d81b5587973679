"""Guidelines: every version, what changed between two, common errors; and the pictures in them."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from oracle.community.learning import differences
from webapp.receiving import community, desk

blueprint = Blueprint("guidelines", __name__)


@blueprint.get("/campaigns/<int:number>/guidelines")
def show(number: int) -> ResponseReturnValue:
    """Show the newest guidelines, or version `version`; with `since` what changed from there."""
    campaign = desk().campaign(number)
    learning = community().learning
    editions = learning.editions(number, campaign.guideline_text)
    by_version = {edition.version: edition for edition in editions}
    shown = by_version.get(request.args.get("version", type=int) or 0, editions[0])
    since = by_version.get(request.args.get("since", type=int) or 0)
    return render_template(
        "guidelines.html",
        network=desk().network(),
        campaign=campaign,
        editions=editions,
        shown=shown,
        since=since,
        changes=differences(since.text, shown.text) if since is not None else None,
        errors=learning.common_errors(number),
    )


@blueprint.get("/pictures/<cid>")
def picture(cid: str) -> ResponseReturnValue:
    """Send a picture of guidelines or training by its content address."""
    found = community().picture(cid)
    response = Response(found.data, content_type=found.type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # A content address never names anything else.
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
