"""Training with feedback at once, refreshers of one's own errors, and the exam."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.receiving import community, desk, form_number, signed_in, visitor

blueprint = Blueprint("training", __name__, url_prefix="/campaigns/<int:number>")


@blueprint.get("/training")
def show(number: int) -> ResponseReturnValue:
    """Show the next question; a visitor sees the first, and may answer once signed in."""
    contributor = visitor() or bytes(20)
    learning = community().learning
    weak = learning.refresher(number, contributor)
    question = learning.next_question(number, contributor)
    if request.args.get("refresh"):
        asked = request.args.get("question", "")
        question = next((one for one in weak if one.id == asked), weak[0] if weak else None)
    return _page(number, question=question, refresher=weak)


@blueprint.post("/training")
def answer(number: int) -> ResponseReturnValue:
    """Judge an answer, and explain."""
    contributor = signed_in()
    desk().campaign(number)
    feedback = community().learning.train(
        number, contributor, request.form.get("question", ""), form_number("choice")
    )
    refresher = community().learning.refresher(number, contributor)
    return _page(number, feedback=feedback, refresher=refresher)


@blueprint.get("/exam")
def exam(number: int) -> ResponseReturnValue:
    """Show where one is with the exam; its questions while an attempt runs."""
    contributor = visitor() or bytes(20)
    learning = community().learning
    standing, course = learning.standing(number, contributor), learning.course(number)
    return render_template(
        "exam.html",
        network=desk().network(),
        campaign=desk().campaign(number),
        standing=standing,
        exam=course.exam if course is not None else None,
        questions=learning.begin_exam(number, contributor) if standing.running else [],
    )


@blueprint.post("/exam/begin")
def begin(number: int) -> ResponseReturnValue:
    """Begin an attempt."""
    contributor = signed_in()
    desk().campaign(number)
    community().learning.begin_exam(number, contributor)
    return redirect(url_for("training.exam", number=number), HTTPStatus.SEE_OTHER)


@blueprint.post("/exam")
def hand_in(number: int) -> ResponseReturnValue:
    """Hand the running attempt in."""
    contributor = signed_in()
    desk().campaign(number)
    learning = community().learning
    if learning.standing(number, contributor).running is not None:
        asked = learning.begin_exam(number, contributor)
        learning.hand_in(number, contributor, [form_number(question.id) for question in asked])
    return redirect(url_for("training.exam", number=number), HTTPStatus.SEE_OTHER)


def _page(number: int, **shown: object) -> ResponseReturnValue:
    done, total = community().learning.progress(number, visitor() or bytes(20))
    return render_template(
        "training.html",
        network=desk().network(),
        campaign=desk().campaign(number),
        done=done,
        total=total,
        **shown,
    )
