"""What becomes public and what is kept: the notice by version, and a campaign's terms."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from oracle.community.privacy import notices
from webapp.problems import Problem
from webapp.receiving import desk

blueprint = Blueprint("privacy", __name__)


@blueprint.get("/privacy")
@blueprint.get("/privacy/<int:version>")
def notice(version: int | None = None) -> ResponseReturnValue:
    """Show the notice in force, or the version asked for."""
    known = notices()
    shown = next((one for one in known if version in (None, one.version)), None)
    if shown is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "no_version", "The notice has no such version: read the newest."
        )
    return render_template(
        "privacy.html", network=desk().network(), notice=shown, newest=known[0], notices=known
    )


@blueprint.get("/campaigns/<int:number>/terms")
def terms(number: int) -> ResponseReturnValue:
    """Show a campaign's terms with the digest that a delegation signs."""
    return render_template("terms.html", network=desk().network(), campaign=desk().campaign(number))
