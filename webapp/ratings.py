"""Ratings: what people who were paid in a campaign say of its requester."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oracle.community.ratings import ASPECTS, LEAST_PEOPLE, LONGEST
from webapp.receiving import community, desk, form_number, signed_in, visitor

blueprint = Blueprint("ratings", __name__, url_prefix="/campaigns/<int:number>/rating")


@blueprint.get("")
def show(number: int) -> ResponseReturnValue:
    """Show what people say of the campaign's requester; to who was paid also where to say it."""
    contributor, ratings = visitor(), community().ratings
    part = desk().growth.part(number, contributor or bytes(20))
    return render_template(
        "rating.html",
        network=desk().network(),
        campaign=desk().campaign(number),
        part=part,
        summary=ratings.summaries([part.requester]).get(part.requester),
        own=ratings.own(number, contributor) if contributor else None,
        aspects=ASPECTS,
        least=LEAST_PEOPLE,
        longest=LONGEST,
    )


@blueprint.post("")
def rate(number: int) -> ResponseReturnValue:
    """Keep a rating, in place of one's older one."""
    contributor = signed_in()
    part = desk().growth.part(number, contributor)
    stars = {aspect: form_number(aspect) for aspect in ASPECTS}
    community().ratings.rate(part, contributor, stars, request.form.get("comment", ""))
    flash("Kept. You can change it at any time.")
    return redirect(url_for("ratings.show", number=number), HTTPStatus.SEE_OTHER)
