"""Growing: one's own progress, and the leaderboards."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oracle.community.board import LEAST_LABELS
from oracle.ports import Network, ProgressPoint
from webapp.charts import Chart, chart
from webapp.offers import TASKS
from webapp.presenting import percent, tokens
from webapp.receiving import community, desk, signed_in, visitor

blueprint = Blueprint("growth", __name__)


@blueprint.get("/progress")
def show() -> ResponseReturnValue:
    """Show where one stands, what moved it, and what one's labels changed."""
    if (contributor := visitor()) is None:
        return redirect(url_for("session.page", next=url_for("growth.show")))
    network, growth = desk().network(), desk().growth
    progress = growth.progress(contributor)
    return render_template(
        "progress.html",
        network=network,
        progress=progress,
        charts=_charts(progress.points, network),
        tiers=growth.tiers,
        kinds=TASKS,
        hidden=community().board.is_hidden(contributor),
        paid=[one for one in desk().earnings.overview(contributor).campaigns if one.earned],
    )


@blueprint.post("/progress/board")
def choose() -> ResponseReturnValue:
    """Show somebody on leaderboards, or not."""
    board, contributor = community().board, signed_in()
    if request.form.get("show"):
        board.show(contributor)
        flash("You can be seen on the leaderboards.")
    else:
        board.hide(contributor)
        flash("You are on no leaderboard any more.")
    return redirect(url_for("growth.show"), HTTPStatus.SEE_OTHER)


@blueprint.get("/leaderboard")
def board() -> ResponseReturnValue:
    """Show who is surely skilled, overall or in one kind of task."""
    growth, contributor = desk().growth, visitor()
    kinds, asked = growth.kinds(), request.args.get("kind", "")
    kind = asked if asked in kinds else None
    return render_template(
        "leaderboard.html",
        network=desk().network(),
        rows=community().board.rows(growth.standings(kind), contributor),
        kind=kind,
        kinds={one: TASKS.get(one, one) for one in kinds},
        hidden=contributor is not None and community().board.is_hidden(contributor),
        least=LEAST_LABELS,
    )


def _charts(points: tuple[ProgressPoint, ...], network: Network) -> list[Chart]:
    times = [one.at for one in points]
    right = [1_000_000 * one.right // one.judged if one.judged else None for one in points]
    drawn = (
        chart(
            "quality",
            "Accuracy and agreement",
            times,
            {
                "Accuracy of newly judged labels": right,
                "Agreement above chance": [one.agreement for one in points],
            },
            percent,
            top=1_000_000,
        ),
        chart(
            "pay",
            f"Pay for an hour so far, in {network.symbol}",
            times,
            {"Pay for an hour": [one.hourly for one in points]},
            lambda amount: tokens(_rough(amount), network),
            mark=lambda amount: tokens(_rough(amount), network).removesuffix(f" {network.symbol}"),
        ),
    )
    return [one for one in drawn if one is not None]


def _rough(amount: int) -> int:
    """Two significant digits, cut: an axis has no room for more."""
    unit = 10 ** max(0, len(str(amount)) - 2)
    return int(amount // unit * unit)
