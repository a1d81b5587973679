"""`ddlp replay`: a file of labels through the whole protocol, with a progress bar and one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracle.evidence.manifest import CONSENSUS_METHODS
from oracle.replay.label_files import FIRST, ON_DUPLICATE
from oracle.replay.page import percent, tokens
from oracle.replay.replay import PPM, Options, run_replay

Report = Mapping[str, Any]
SHOWN = 10  # contributors in the table on screen


class Share(click.ParamType):
    """A share from 0 to 1 with at most six decimals, as ppm."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse the share exactly; no float comes near it."""
        try:
            ppm = Decimal(str(value)) * PPM
        except InvalidOperation:
            ppm = Decimal(-1)
        if not ppm.is_finite() or not 0 <= ppm <= PPM or ppm != int(ppm):
            self.fail(f"{value!r} is no share: give a number from 0 to 1, such as 0.1", param, ctx)
        return int(ppm)


class Range(click.ParamType):
    """MIN..MAX, two counts."""

    name = "min..max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse the two counts."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,6})\.\.(\d{1,6})", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no range: give MIN..MAX, such as 3..5", param, ctx)
        return int(found[1]), int(found[2])


@click.command()
@click.argument("labels", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to write; an earlier run in it is replaced, an unfinished one continued.",
)
@click.option(
    "--method",
    type=click.Choice(CONSENSUS_METHODS),
    default="dawid-skene",
    show_default=True,
    help="How answers are inferred.",
)
@click.option(
    "--policy",
    type=click.Choice(["agreement"]),
    default="agreement",
    show_default=True,
    help="What pay follows.",
)
@click.option(
    "--redundancy",
    type=Range(),
    help="Least and most labels of an item; labels beyond are left out. All are kept by default.",
)
@click.option(
    "--gold",
    type=Share(),
    default="0.1",
    show_default=True,
    help="Share of the tasks with truth that becomes gold.",
)
@click.option(
    "--epochs", type=int, default=3, show_default=True, help="Epochs in which labels are handed in."
)
@click.option("--operators", type=int, default=3, show_default=True, help="Operators in the set.")
@click.option(
    "--threshold", type=int, default=2, show_default=True, help="Operators who must sign."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=7,
    show_default=True,
    help="Draws wallets, gold and order. The same files, options and seed give the same roots.",
)
@click.option(
    "--on-duplicate",
    type=click.Choice(ON_DUPLICATE),
    default=FIRST,
    show_default=True,
    help="Which label counts where one worker labels one task differently.",
)
def replay(
    labels: Path,
    out: Path,
    method: str,
    policy: str,
    redundancy: tuple[int, int] | None,
    gold: int,
    epochs: int,
    operators: int,
    threshold: int,
    seed: int,
    on_duplicate: str,
) -> None:
    """Replay a file of labels as a campaign: signed, judged, paid, audited.

    DIR holds labels.csv (task,worker,label; a column duration_s gives hourly pay) and, where
    answers are known, truth.csv (task,label). Exit code 0: verified, 1: the audit has findings, 2:
    it could not run. After an interruption run the same command again: it goes on from the last
    epoch.
    """
    options = Options(
        method, policy, redundancy, gold, epochs, operators, threshold, seed, on_duplicate
    )
    console = Console()
    with Progress(
        TextColumn("{task.description:<38}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("starting", total=1.0)
        report = run_replay(
            labels,
            out,
            options,
            tell=lambda what, share: progress.update(task, description=what, completed=share),
            note=lambda text: console.print(text, highlight=False, markup=False),
        )
    console.print(summary(report))
    console.print(
        f"The whole story: {out}/report.html   All figures: {out}/report.json", markup=False
    )
    console.print(f"See for yourself: ddlp audit {out}", markup=False)
    if report["audit"]["verdict"] != "verified":
        raise SystemExit(1)


def summary(report: Report) -> Table:
    """Return the one table: answers, money, the audit, and who labeled most."""
    table = Table(
        title=f"{report['labels']:,} labels of {report['items']:,} items by "
        f"{report['contributors']:,} workers, {report['epochs']} epochs, {report['seconds']:.0f} s",
        caption=f"Amounts in DDLP; skill is a 95 % interval. The {SHOWN} with most labels.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for name in ("labels", "right", "gold", "skill", "paid", "an hour"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in sorted(report["people"], key=lambda row: -row["labels"])[:SHOWN]:
        table.add_row(
            escape(one["name"][:18]),
            f"{one['labels']:,}",
            _share(one["right"]),
            f"{one['gold_right']}/{one['gold_total']}",
            f"{100 * one['skill_low']:.0f}–{percent(one['skill_high'], 0)}",
            tokens(one["paid"]),
            "–" if one["hourly"] is None else tokens(one["hourly"]),
        )
    table.add_section()
    accuracy = report["accuracy"]
    table.add_row("campaign's answers", "", _share(accuracy["consensus"], 2))
    for name, share in {"majority vote": accuracy["majority"], **report["baselines"]}.items():
        if name != "MajorityVote":  # the campaign's own majority vote stands above
            table.add_row(f"  {name}", "", _share(share, 2))
    table.add_section()
    money = ("funded", "paid", "fees", "unclaimed", "refunded")
    for name in money:
        table.add_row(name, "", "", "", "", tokens(report[name]))
    table.add_section()
    for name in ("money", "consensus", "availability"):
        style = "bold green" if report["audit"][name] == "verified" else "bold red"
        table.add_row(f"audit: {name}", f"[{style}]{report['audit'][name]}[/]")
    return table


def _share(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else percent(share, digits)
