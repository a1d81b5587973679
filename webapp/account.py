"""The account: sessions, permissions, agreements, profile; export and deletion."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Blueprint, Response, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from oracle.evidence.signing import checksum
from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Show everything that is kept of the person who is signed in."""
    if (contributor := visitor()) is None:
        return redirect(url_for("session.page", next=url_for("account.show")))
    privacy, sessions = community().privacy, community().sessions
    language, region = privacy.profile(contributor)
    return render_template(
        "account.html",
        network=desk().network(),
        address=checksum(contributor),
        sessions=sessions.listed(contributor, session["token"], request.remote_addr or ""),
        permissions=sessions.permissions(contributor),
        agreements=privacy.agreements(contributor),
        language=language,
        region=region,
    )


@blueprint.post("/profile")
def declare() -> ResponseReturnValue:
    """Keep language and region, or take them back."""
    language, region = (request.form.get(name, "").strip() for name in ("language", "region"))
    community().privacy.declare(signed_in(), language, region)
    flash("Saved." if language or region else "Language and region are no longer kept.")
    return _back()


@blueprint.post("/sessions/end")
def end_session() -> ResponseReturnValue:
    """End one session."""
    community().sessions.end(signed_in(), request.form.get("name", ""))
    flash("That browser is signed out.")
    return _back()


@blueprint.post("/sessions/end-others")
def end_others() -> ResponseReturnValue:
    """End every session but this one."""
    ended = community().sessions.end_others(signed_in(), session["token"])
    flash(f"Signed out elsewhere: {ended} {'browser' if ended == 1 else 'browsers'}.")
    return _back()


@blueprint.get("/export.json")
def export() -> ResponseReturnValue:
    """Send everything kept of the person as a file."""
    contributor = signed_in()
    response = Response(
        json.dumps(community().privacy.export(contributor), indent=2),
        content_type="application/json",
    )
    name = f"ddlp-{contributor.hex()[:8]}.json"
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


@blueprint.get("/delete")
def confirm_deletion() -> ResponseReturnValue:
    """Say what goes and what can't, before anything goes."""
    if visitor() is None:
        return redirect(url_for("session.page", next=url_for("account.confirm_deletion")))
    return render_template("delete.html", network=desk().network())


@blueprint.post("/delete")
def delete() -> ResponseReturnValue:
    """Delete everything kept of the person off chain, sessions included."""
    community().privacy.delete(signed_in())
    session.clear()
    flash("Everything that was kept here about you is deleted. What you earned stays yours.")
    return redirect(url_for("campaigns.index"), HTTPStatus.SEE_OTHER)


def _back() -> ResponseReturnValue:
    return redirect(url_for("account.show"), HTTPStatus.SEE_OTHER)
