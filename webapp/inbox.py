"""A campaign's inbox: questions to its experts."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oracle.community.inbox import SHOWN
from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("inbox", __name__, url_prefix="/campaigns/<int:number>/questions")


@blueprint.get("")
def show(number: int) -> ResponseReturnValue:
    """Show questions and answers, a page at a time; to experts also where to answer."""
    campaign, contributor = desk().campaign(number), visitor()
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < 2**31:
        before = None
    questions = community().inbox.read(number, contributor, before)
    return render_template(
        "questions.html",
        network=desk().network(),
        campaign=campaign,
        questions=questions,
        newest=before is None,
        older=min(one.number for one in questions) if len(questions) == SHOWN else None,
        expert=community().learning.is_expert(number, contributor),
    )


@blueprint.post("")
def ask(number: int) -> ResponseReturnValue:
    """Take a question."""
    contributor = signed_in()
    desk().campaign(number)
    community().inbox.ask(number, contributor, request.form.get("text", ""))
    flash("Asked. The answer will appear here.")
    return redirect(url_for("inbox.show", number=number), HTTPStatus.SEE_OTHER)


@blueprint.post("/<int:question>/answer")
def answer(number: int, question: int) -> ResponseReturnValue:
    """Take an expert's answer."""
    community().inbox.answer(number, signed_in(), question, request.form.get("text", ""))
    flash("Answered, for everybody to read.")
    return redirect(url_for("inbox.show", number=number), HTTPStatus.SEE_OTHER)
