"""`report.html`: the report as one page that needs nothing else, for people who have never heard of
any of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from oracle.replay.plots import STEPS, draw_plots

DECIMALS = 18


def template(name: str) -> jinja2.Template:
    """Return one of this package's templates; what a report holds is escaped in it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("oracle.replay"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tokens": tokens, "percent": percent, "thousands": "{:,}".format}
    return environment.get_template(name)


def render_page(report: Mapping[str, Any]) -> str:
    """Return the page of a report, as `build_report` makes it with its `seconds`."""
    plots = {name: Markup(svg) for name, svg in draw_plots(report).items()}
    return template("report.html").render(report=report, plots=plots, steps=STEPS)


def tokens(amount: str | int, digits: int = 2) -> str:
    """Write base units as tokens, rounded to `digits` decimals: 1500000000000000000 is 1.50."""
    unit = 10 ** (DECIMALS - digits)
    whole, part = divmod((int(amount) + unit // 2) // unit, 10**digits)
    return f"{whole:,}.{part:0{digits}d}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share as a percentage: 0.9779 is 97.8 %."""
    return f"{100 * share:.{digits}f} %"
