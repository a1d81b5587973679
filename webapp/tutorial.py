"""The tutorial: how the page, pay and quality work, in steps that anybody may read."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from oracle.community.learning import TUTORIAL
from webapp.problems import Problem
from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("tutorial", __name__, url_prefix="/learn")

TITLES = {
    "welcome": "How DDLP works",
    "interface": "Labeling, with keys or thumb",
    "money": "What you earn, and when",
    "quality": "What good work is",
    "privacy": "What becomes public",
}


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show the steps, and which are done."""
    done = _done()
    following = next((step for step in TUTORIAL if step not in done), TUTORIAL[0])
    return render_template(
        "learn.html", network=desk().network(), titles=TITLES, done=done, following=following
    )


@blueprint.get("/<step>")
def show(step: str) -> ResponseReturnValue:
    """Show one step."""
    if step not in TUTORIAL:
        raise Problem(
            HTTPStatus.NOT_FOUND, "no_step", "The tutorial has no such step: begin with the first."
        )
    place = TUTORIAL.index(step)
    return render_template(
        "tutorial_step.html",
        network=desk().network(),
        titles=TITLES,
        steps=TUTORIAL,
        done=_done(),
        step=step,
        before=TUTORIAL[place - 1] if place else None,
        after=TUTORIAL[place + 1] if place + 1 < len(TUTORIAL) else None,
    )


@blueprint.post("/<step>")
def finish(step: str) -> ResponseReturnValue:
    """Note a step as done and go to the next."""
    community().learning.finish_step(signed_in(), step)
    place = TUTORIAL.index(step) + 1
    following = (
        url_for("tutorial.show", step=TUTORIAL[place])
        if place < len(TUTORIAL)
        else url_for("tutorial.index")
    )
    return redirect(following, HTTPStatus.SEE_OTHER)


def _done() -> list[str]:
    contributor = visitor()
    return community().learning.steps(contributor) if contributor is not None else []
