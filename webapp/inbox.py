"""A campaign's inbox: questions to its experts."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("inbox", __name__, url_prefix="/campaigns/<int:number>/questions")


@blueprint.get("")
def show(number: int) -> ResponseReturnValue:
    """Show questions and answers; to experts also where to answer."""
    contributor = visitor()
    return render_template(
        "questions.html",
        network=desk().network(),
        campaign=desk().campaign(number),
        questions=community().inbox.read(number, contributor),
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
