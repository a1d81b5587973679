"""`ddlp demo`: run the demonstration, show one table that a newcomer understands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracle.replay.demo import Tell, run_demo
from oracle.replay.page import percent, tokens

Report = Mapping[str, Any]


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Folder to write; an earlier demonstration in it is replaced.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=11,
    show_default=True,
    help="The same seed gives the same run, block hash for block hash.",
)
def demo(out: Path, seed: int) -> None:
    """Run a whole campaign on a local chain, and audit it.

    Simulated people label real scans of handwritten digits for three epochs; contracts pay them;
    the campaign is closed and refunded; an auditor replays it all. Then one payout is padded in a
    copy, and the auditor names it.
    """
    console = Console()
    with Progress(
        TextColumn("{task.description:<38}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("starting a chain", total=1.0)
        report = run_demo(out, seed=seed, tell=_teller(progress, task))
    console.print(summary(report))
    altered = report["altered"]
    console.print(
        f"The auditor of the copy: {altered['code']} at {altered['place']}: {altered['sentence']}"
    )
    console.print(f"The whole story: {out}/report.html   All figures: {out}/report.json")
    console.print(f"See for yourself: ddlp audit {out}   and   ddlp audit {out}/altered")
    if report["audit"]["verdict"] != "verified":
        raise SystemExit(1)


def _teller(progress: Progress, task: Any) -> Tell:
    def tell(what: str, share: float) -> None:
        progress.update(task, description=what, completed=share)

    return tell


# Short enough for a terminal of 80 columns.
GAS_STEPS = {
    "create": "create",
    "post_finalize_first": "first receipt, post + finalize",
    "post_finalize_later": "later receipt, post + finalize",
    "claim_first": "first claim",
    "claim_repeat": "repeated claim",
    "batch_repeat": "repeated claim in a batch",
}
MONEY = {
    "funded": "in: budget and bond",
    "paid": "out: contributors",
    "fees": "out: operators' fees",
    "unclaimed": "earned, not claimed",
    "refunded": "refunded",
}


def summary(report: Report) -> Table:
    """Return the one table: who earned what, where the money went, gas, and the audits."""
    table = Table(
        title=f"{report['contributors']} people, {report['items']} scans, {report['labels']:,} "
        f"labels, {report['epochs']} epochs, {report['seconds']:.0f} s",
        caption="Amounts in DDLP. Spammers guess; colluders agree on 40 % of their answers.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("who", no_wrap=True)
    for name in ("labels", "right", "per label", "paid", "slashed"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in report["profiles"]:
        table.add_row(
            f"{one['contributors']} {one['name']}",
            f"{one['labels']:,}",
            percent(one["right"]),
            tokens(one["per_label"], 4),
            tokens(one["paid"]),
            tokens(one["slashed"]),
            style="" if one["honest"] else "red",
        )
    for title, rows in _sections(report).items():
        table.add_row()
        table.add_row(title, style="bold")
        for row in rows:
            table.add_row(*row)
    return table


def _sections(report: Report) -> dict[str, list[tuple[str, ...]]]:
    accuracy, gas, limits = report["accuracy"], report["gas"], report["gas_limits"]
    audit, altered = report["audit"], report["altered"]
    return {
        "answers that are right": [
            (" by consensus", "", percent(accuracy["consensus"])),
            (" by majority vote", "", percent(accuracy["majority"])),
        ],
        "money": [(f" {text}", "", "", "", tokens(report[name])) for name, text in MONEY.items()],
        "gas used, and its limit": [
            *(
                (
                    f" {text}",
                    _colored(f"{gas[name]:,}", gas[name] <= limits[name]),
                    f"{limits[name]:,}",
                )
                for name, text in GAS_STEPS.items()
            ),
            (" per label, all in all", f"{report['gas_per_label']:,}"),
        ],
        f"audit, {audit['checks']:,} checks in {audit['seconds']:.1f} s": [
            *(
                (f" {name}", _colored(audit[name], audit[name] == "verified"))
                for name in ("money", "consensus", "availability")
            ),
            (" a copy, one payout padded", _colored(altered["verdict"], False)),
        ],
    }


def _colored(text: str, good: bool) -> str:
    return f"[{'green' if good else 'bold red'}]{text}[/]"
