"""`ddlp audit DIR` and `ddlp audit trace TX`. Exit 0 verified, 1 findings, 2 could not run."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracle.auditor.codes import Severity
from oracle.auditor.report import EXPLAINED, SHOWN_FINDINGS, VERDICTS, AuditReport, units
from oracle.auditor.trace import Trace, TracedClaim, trace, transfer_line
from oracle.auditor.verdicts import audit as run_audit
from oracle.auditor.verdicts import audit_node
from oracle.errors import DDLPError, InputError

FOLDER = "FOLDER"
FILE = click.Path(path_type=Path)
SHOWN_LABELS = 50
COUNTS = ("receipts", "items", "labels", "contributors")
AMOUNTS = {
    "budget": "budget, in tokens",
    "bond": "gateway's bond",
    "paid": "paid to contributors",
    "fees": "operators' fees",
    "refunded": "refunded",
    "unclaimed": "earned, not claimed",
}
STYLES = {
    Severity.FRAUD: "bold red",
    Severity.FAULT: "red",
    Severity.AVAILABILITY: "yellow",
    Severity.NOTE: "cyan",
}
VERDICT_STYLES = {"verified": "bold green", "findings": "bold red", "unknown": "bold yellow"}


class AuditGroup(click.Group):
    """`ddlp audit DIR` needs no verb: what isn't a command's name is a folder."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the folder's command before arguments that name none."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [FOLDER, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the folder's options as the group's own, then the other commands."""
        click.Command.format_options(self.commands[FOLDER], ctx, formatter)
        self.format_commands(ctx, formatter)


class Hash(click.ParamType):
    """A 32-byte hash as 0x hex."""

    name = "hash"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Parse the hash, or say what one looks like."""
        if isinstance(value, bytes):
            return value
        if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", str(value)):
            self.fail(f"{value!r} is no hash: give 0x and 64 hexadecimal digits", param, ctx)
        return bytes.fromhex(str(value).removeprefix("0x"))


@click.group(cls=AuditGroup, subcommand_metavar="DIR", no_args_is_help=True)
def audit() -> None:
    """Replay a run's money and consensus from its folder alone: `ddlp audit DIR`.

    DIR holds deployment.json, chain.jsonl and content/. Neither a node nor the network is needed.
    A chain that nobody recorded: `ddlp audit --rpc URL --deployment FILE --content DIR`. Exit code
    0: verified, 1: findings, 2: the audit could not run.
    """


@audit.command(FOLDER, hidden=True)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path), required=False)
@click.option(
    "--rpc", metavar="URL", help="A node you trust: its chain must hold the record's end."
)
@click.option("--trusted-hash", type=Hash(), help="The hash that the last block must have.")
@click.option("--campaign", type=click.IntRange(min=1), help="Judge one campaign's receipts only.")
@click.option(
    "--since", type=click.IntRange(min=1), default=1, help="Consensus from this epoch on."
)
@click.option("--deployment", type=FILE, help="Without DIR: where the contracts are on --rpc.")
@click.option("--content", type=FILE, help="Without DIR: the folder of blocks.")
@click.option("--from-block", type=click.IntRange(min=0), help="Without DIR: the first with logs.")
@click.option("--from-source", is_flag=True, help="Compile contracts/: what ships must equal it.")
@click.option(
    "--heads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Signed heads that contributors kept: the log must have their entries.",
)
@click.option("--cores", type=click.IntRange(min=1), help="Processes to use, by default all cores.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page.")
@click.pass_context
def audit_folder(
    ctx: click.Context,
    directory: Path | None,
    rpc: str | None,
    trusted_hash: bytes | None,
    campaign: int | None,
    since: int,
    deployment: Path | None,
    content: Path | None,
    from_block: int | None,
    from_source: bool,
    heads: Path | None,
    cores: int | None,
    as_json: bool,
    html: Path | None,
) -> None:
    """Audit the run in DIR."""
    with _exit_2_on_error():
        with _bar() as tell:
            if directory is not None and not (deployment or content or from_block is not None):
                report = run_audit(
                    directory,
                    rpc=rpc,
                    trusted_hash=trusted_hash,
                    campaign=campaign,
                    since=since,
                    from_source=from_source,
                    heads=heads,
                    cores=cores,
                    progress=tell,
                )
            elif rpc and deployment and content and not (directory or heads or trusted_hash):
                report = audit_node(
                    rpc,
                    deployment,
                    content,
                    from_block=from_block,
                    campaign=campaign,
                    since=since,
                    from_source=from_source,
                    cores=cores,
                    progress=tell,
                )
            else:
                raise InputError(
                    "which run? Name its folder, or a chain by --rpc URL --deployment FILE "
                    "--content DIR (--from-block goes with those; --trusted-hash and --heads with "
                    "a folder)"
                )
        if html is not None:
            _write(html, report.to_html())
        with _writing_to_stdout():
            if as_json:
                click.echo(report.to_json_text(), nl=False)
            else:
                print_report(report, Console())
    ctx.exit(0 if report.verdict == "verified" else 1)


@audit.command("trace")
@click.argument("transaction", metavar="TX", type=Hash())
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="The run's folder.",
)
@click.option("--account", metavar="ADDRESS", help="Only the claims of one account of a batch.")
@click.option("--json", "as_json", is_flag=True, help="Write the trace as JSON.")
def trace_transaction(
    transaction: bytes, directory: Path, account: str | None, as_json: bool
) -> None:
    """From the tokens that transaction TX moved to the receipts and labels behind them."""
    with _exit_2_on_error():
        traced = trace(directory, transaction, account)
        with _writing_to_stdout():
            if as_json:
                click.echo(json.dumps(traced.to_json(), indent=2, ensure_ascii=False))
            else:
                print_trace(traced, Console())


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        if path.exists() and not path.is_file():  # a pipe or device takes what comes
            path.write_text(text, encoding="utf-8")
            return
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path} can't be written ({error.strerror}): make room, or name another file"
        ) from error


@contextmanager
def _writing_to_stdout() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail again at the end, with another exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(
            f"the report can't be written ({error.strerror}): make room where it goes"
        ) from error


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on a terminal, from the second second on; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("starting", total=1.0)
    begun = time.monotonic()

    def tell(what: str, share: float) -> None:
        progress.update(task, description=what, completed=share)
        if console.is_terminal and time.monotonic() - begun > 1:
            progress.start()

    try:
        yield tell
    finally:
        if progress.live.is_started:
            progress.stop()


def print_report(report: AuditReport, console: Console) -> None:
    """Write the report as text."""
    verdicts = Table.grid(padding=(0, 2))
    for name in VERDICTS:
        value = getattr(report, name)
        why = report.reasons.get(name, f"checked {EXPLAINED[name]}")
        style = VERDICT_STYLES[value]
        verdicts.add_row(f"  [{style}]{value}[/]", f"[bold]{name}[/]", escape(_printable(why)))
    console.print(verdicts)
    if report.findings:
        table = Table("severity", "code", title="Findings, gravest first", title_justify="left")
        for name in ("place", "what"):
            table.add_column(name, overflow="fold")
        for one in report.findings[:SHOWN_FINDINGS]:
            severity = f"[{STYLES[one.severity]}]{one.severity.text}[/]"
            place = escape(_printable(one.place))
            table.add_row(severity, one.code, place, escape(_printable(one.sentence)))
        console.print(table)
        if len(report.findings) > SHOWN_FINDINGS:
            more = len(report.findings) - SHOWN_FINDINGS
            console.print(f"  and {more} more: --json lists all")
    for own in report.campaigns:
        sums = Table.grid(padding=(0, 2))
        counts = (f"{getattr(own, name)} {name}" for name in COUNTS)
        console.print(f"  [bold]Campaign {own.number}[/] {escape(_printable(own.title))}")
        console.print(f"    {', '.join(counts)}")
        for name, title in AMOUNTS.items():
            sums.add_row("  ", title, units(getattr(own, name)))
        console.print(sums)
    escrow = report.contracts["CampaignEscrow"]
    console.print(f"  Judged: the escrow at {escrow}, chain id {report.chain_id}.", soft_wrap=True)
    console.print(f"  This holds {escape(report.binding)}.", soft_wrap=True)
    for basis in report.rests_on:
        line = escape(_printable(basis))
        console.print(f"  {line[:1].upper()}{line[1:]}.", soft_wrap=True, highlight=False)
    style = VERDICT_STYLES[report.verdict]
    console.print(
        f"  [{style}]{report.verdict}[/]: {report.checks:,} checks in {report.seconds:.1f} s"
    )


def print_trace(traced: Trace, console: Console) -> None:
    """Write a trace as text: transaction, claim, receipt, leaf, labels."""
    console.print(f"transaction {traced.transaction}, block {traced.block}", soft_wrap=True)
    for one in traced.transfers:
        console.print(f"  transfer  {transfer_line(one)}", soft_wrap=True)
    for other in traced.others:
        console.print(f"  event     {other}", soft_wrap=True)
    for claim in traced.claims:
        _print_claim(claim, console)
    if traced.findings:
        console.print("  The folder has findings: `ddlp audit` lists them.", style="yellow")


def _print_claim(claim: TracedClaim, console: Console) -> None:
    campaign = f"campaign {claim.campaign} ({escape(_printable(claim.title))})"
    lines = [
        f"  claim     {units(claim.amount)} to {claim.account}, {campaign}",
        f"  receipt   epoch {claim.epoch}, digest {claim.digest}",
        f"            posted in {claim.posted}",
        f"            signed by {', '.join(claim.signers) or 'nobody known'}",
    ]
    if claim.leaf is not None:
        earned = units(claim.leaf.cumulative)
        lines.append(
            f"  leaf      {earned} earned in all; {claim.leaf.accepted} of "
            f"{claim.leaf.submitted} judged labels agree"
        )
    if claim.figures is not None:
        passed = "passed" if claim.figures.passed else "not passed yet"
        share = claim.figures.agreement / 10_000
        lines.append(f"            agreement above chance {share:.1f} %, gold {passed}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    table = Table("log entry", "item", "answer", "consensus", "full reward", title="Labels")
    for label in claim.labels[:SHOWN_LABELS]:
        answer, consensus = _printable(label.answer), _printable(label.consensus or "open")
        row = [str(label.position), str(label.item), escape(answer), escape(consensus)]
        table.add_row(*row, units(label.reward))
    console.print(table)
    if len(claim.labels) > SHOWN_LABELS:
        console.print(f"  and {len(claim.labels) - SHOWN_LABELS} more: --json lists all")


@contextmanager
def _exit_2_on_error() -> Iterator[None]:
    try:
        yield
    except (DDLPError, OSError, MemoryError) as error:
        line = " ".join(_printable(str(error) or type(error).__name__).split())
        click.echo(f"the audit could not run: {line}", err=True)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        # Python's own exit code would be 1, which says "findings".
        traceback.print_exc()
        click.echo(f"the audit could not run: a bug ({error!r}): please report it", err=True)
        raise SystemExit(2) from error


def _printable(text: str) -> str:
    """Leave out control characters: what a culprit wrote must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text[:400])
