"""Appeals: taken from contributors, listed for a campaign's experts, answered by them."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oracle.evidence.signing import checksum
from webapp.presenting import logged_json
from webapp.receiving import Body, desk, signed_in, visitor

blueprint = Blueprint("appeals", __name__)


@blueprint.post("/api/campaigns/<int:number>/appeals")
def appeal(number: int) -> ResponseReturnValue:
    """Take a signed appeal."""
    logged = desk().appeals.appeal(number, signed_in(), Body().data("entry"))
    return jsonify(logged_json(logged)), HTTPStatus.CREATED


@blueprint.get("/campaigns/<int:number>/appeals")
def show(number: int) -> ResponseReturnValue:
    """Show an expert the open appeals that they may answer."""
    if (expert := visitor()) is None:
        return redirect(url_for("session.page", next=request.path))
    campaign, appeals = desk().campaign(number), desk().appeals
    cases = appeals.waiting(number, expert)
    return render_template(
        "appeals.html",
        network=desk().network(),
        address=checksum(expert),
        campaign=campaign,
        delegated=desk().status(number, expert).generation > 0,
        cases=[(case, desk().item(number, case.item, expert)) for case in cases],
        choices=appeals.choices(number),
        verdicts=appeals.verdicts,
    )


@blueprint.post("/api/campaigns/<int:number>/adjudications")
def answer(number: int) -> ResponseReturnValue:
    """Take an expert's signed answer."""
    logged = desk().appeals.answer(number, signed_in(), Body().data("entry"))
    return jsonify(logged_json(logged)), HTTPStatus.CREATED
