"""Proposals for a campaign's guidelines."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.navigation import newest_guidelines
from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("proposals", __name__, url_prefix="/campaigns/<int:number>/proposals")


@blueprint.get("")
def show(number: int) -> ResponseReturnValue:
    """Show proposals and what became of them; to experts also where to answer."""
    contributor = visitor()
    return render_template(
        "proposals.html",
        network=desk().network(),
        campaign=desk().campaign(number),
        proposals=community().proposals.read(number, contributor),
        labeled=contributor is not None and desk().growth.part(number, contributor).labeled,
        expert=community().learning.is_expert(number, contributor),
    )


@blueprint.post("")
def propose(number: int) -> ResponseReturnValue:
    """Take a proposal."""
    contributor = signed_in()
    guidelines = newest_guidelines(desk().campaign(number)).text
    passage, text, reason = (request.form.get(name, "") for name in ("passage", "text", "reason"))
    part = desk().growth.part(number, contributor)
    community().proposals.propose(part, contributor, guidelines, passage, text, reason)
    return _back(number, "Proposed. Others can support it; the experts will answer here.")


@blueprint.post("/<int:proposal>/support")
def support(number: int, proposal: int) -> ResponseReturnValue:
    """Support a proposal, or take that back."""
    contributor, wanted = signed_in(), bool(request.form.get("wanted"))
    part = desk().growth.part(number, contributor)
    community().proposals.support(part, contributor, proposal, wanted=wanted)
    return _back(number, "You support it." if wanted else "You no longer support it.")


@blueprint.post("/<int:proposal>/answer")
def answer(number: int, proposal: int) -> ResponseReturnValue:
    """Take an expert's answer; an accepted proposal is in the guidelines from here on."""
    expert, text = signed_in(), request.form.get("text", "")
    if request.form.get("verdict") == "accept":
        original = desk().campaign(number).guideline_text
        version = community().proposals.accept(number, expert, proposal, text, original)
        return _back(number, f"Accepted: the guidelines have version {version} now.")
    community().proposals.decline(number, expert, proposal, text)
    return _back(number, "Declined, with your answer.")


def _back(number: int, told: str) -> ResponseReturnValue:
    flash(told)
    return redirect(url_for("proposals.show", number=number), HTTPStatus.SEE_OTHER)
