"""The report's plots, as SVG to stand inside a page: no script, no fonts, no requests.

Colors are placeholders that become the page's CSS variables, so that a plot follows light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Report = Mapping[str, Any]

INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
GOOD, ACCENT = "#050505", "#060606"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--card)",
    GOOD: "var(--good)",
    ACCENT: "var(--accent)",
}
# Told apart by shape as well as by color.
PROFILES = {
    "expert": ("#0a0a01", "o"),
    "ordinary": ("#0a0a02", "s"),
    "careless": ("#0a0a03", "^"),
    "spammer": ("#0a0a04", "X"),
    "colluder": ("#0a0a05", "D"),
}
VARIABLES |= {color: f"var(--{name})" for name, (color, _) in PROFILES.items()}

STYLE: dict[Any, Any] = {
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
}
STEPS = {
    "create": "create a campaign",
    "post_finalize_first": "first receipt, posted and finalized",
    "post_finalize_later": "later receipt, posted and finalized",
    "claim_first": "first claim",
    "claim_repeat": "repeated claim",
    "batch_repeat": "repeated claim, in a batch",
}


def draw_plots(report: Report) -> dict[str, str]:
    """Return the report's plots by name, each an `<svg>` element."""
    return {
        "accuracy": _svg("accuracy", _accuracy, report, "Accuracy of the answers by epoch"),
        "agreement": _svg("agreement", _agreement, report, "Agreement by epoch and profile"),
        "alpha": _svg("alpha", _alpha, report, "Krippendorff's alpha by epoch"),
        "earnings": _svg("earnings", _earnings, report, "Earnings against skill"),
        "gas": _svg("gas", _gas, report, "Gas by step, with its limit"),
    }


def _accuracy(axes: Axes, report: Report) -> None:
    names = _epochs(report)
    consensus = [100 * one["accuracy"]["consensus"] for one in report["receipts"]]
    majority = [100 * one["accuracy"]["majority"] for one in report["receipts"]]
    axes.plot(names, consensus, color=ACCENT, marker="o", linewidth=2, label="consensus")
    axes.plot(names, majority, color=MUTED, marker="s", linestyle="--", label="majority vote")
    axes.set_ylabel("right answers, %")
    axes.set_ylim(min(*consensus, *majority) - 3, 100)
    _legend(axes, 2)


def _agreement(axes: Axes, report: Report) -> None:
    names = _epochs(report)
    for name, (color, marker) in PROFILES.items():
        values = [
            100 * one["agreement_by_profile"][name]
            if name in one["agreement_by_profile"]
            else float("nan")
            for one in report["receipts"]
        ]
        axes.plot(names, values, color=color, marker=marker, linewidth=1.8, label=name)
    axes.set_ylabel("agreement above chance, %")
    axes.set_ylim(-4, 100)
    _legend(axes, 5)


def _alpha(axes: Axes, report: Report) -> None:
    for place, receipt in enumerate(report["receipts"]):
        one = receipt["coefficients"][0]
        if one["value"] is not None and one["low"] is not None:
            around = [[one["value"] - one["low"]], [one["high"] - one["value"]]]
            axes.errorbar([place], [one["value"]], around, color=ACCENT, marker="o", capsize=4)
    names = _epochs(report)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("nominal α")
    axes.set_ylim(min(0, *axes.get_ylim()), 1)


def _earnings(axes: Axes, report: Report) -> None:
    for name, (color, marker) in PROFILES.items():
        own = [one for one in report["people"] if one["profile"] == name]
        axes.scatter(
            [100 * one["right"] for one in own],
            [int(one["per_label"]) / 10**18 for one in own],
            color=color,
            marker=marker,
            s=46,
            linewidths=0.8,
            edgecolors=PAPER,
            label=name,
        )
    axes.set_xlabel("labels that are right, %")
    axes.set_ylabel("pay per label, DDLP")
    axes.set_xlim(0, 102)
    axes.set_ylim(bottom=-0.002)
    _legend(axes, 5)


def _gas(axes: Axes, report: Report) -> None:
    names = list(STEPS)[::-1]
    used = [report["gas"][name] / 1000 for name in names]
    limits = [report["gas_limits"][name] / 1000 for name in names]
    axes.barh(names, used, color=ACCENT, height=0.5)
    for place, (gas, limit) in enumerate(zip(used, limits, strict=True)):
        axes.plot([limit, limit], [place - 0.36, place + 0.36], color=INK, linewidth=2)
        axes.text(limit + 5, place, f"{gas:,.0f} of {limit:,.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), [STEPS[name].replace(", ", ",\n") for name in names])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, max(limits) * 1.35)
    axes.set_xlabel("thousand gas; the line is the limit")


def _epochs(report: Report) -> list[str]:
    return ["final" if one["final"] else str(one["epoch"]) for one in report["receipts"]]


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.45, 1.0),
        ncols=columns,
        fontsize=9,
        handlelength=1.3,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def _svg(name: str, draw: Callable[[Axes, Report], None], report: Report, title: str) -> str:
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(5.0, 3.2), layout="constrained")
        draw(figure.subplots(), report)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Several plots stand in one page: their ids must not meet.
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'\b(width|height)="[\d.]+pt" ?', "", svg, count=2)
    for placeholder, variable in VARIABLES.items():
        svg = svg.replace(placeholder, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
