"""Command line: `ddlp`. Commands load what they need when they run: a lean install can audit."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

import click

from oracle.errors import DDLPError

# Command -> where it is defined; imported only when it is asked for.
COMMANDS = {
    "audit": "oracle.auditor.commands:audit",
    "backup": "oracle.backup.commands:backup",
    "campaign": "oracle.requester.commands:campaign",
    "content": "oracle.archive:content",
    "challenge": "oracle.processes.challenge:challenge",
    "demo": "oracle.replay.commands:demo",
    "doctor": "oracle.processes.doctor:doctor",
    "gateway": "oracle.processes.commands:gateway",
    "operator": "oracle.processes.commands:operator",
    "rebuild": "oracle.backup.commands:rebuild",
    "replay": "oracle.replay.replay_command:replay",
    "restore": "oracle.backup.commands:restore",
    "serve": "oracle.cli:serve",
}
HELP = {
    "audit": "Replay every payment of a run from chain and content alone.",
    "backup": "Write database, secrets and content to one file, while all runs.",
    "campaign": "Create, fund, watch, close, refund and export campaigns.",
    "content": "Export, import and check content: a campaign's blocks as one CAR.",
    "demo": "Run a whole campaign on a local chain, and audit it.",
    "challenge": "Dispute a pending receipt by the fault that is found here.",
    "doctor": "Look at every part of an installation, and say what to do.",
    "gateway": "Run a gateway of its own, on any chain: run.",
    "operator": "Run an oracle operator: init, join, run, leave.",
    "rebuild": "Bring logs back from chain and content.",
    "replay": "Replay a file of labels as a campaign, and audit it.",
    "restore": "Make a backup the state of a new machine.",
    "serve": "Serve page, gateway and operators on a local chain.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        try:
            command: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`ddlp {cmd_name}` needs {error.name}, which isn't installed: install ddlp[web] "
                "(or use `make`, which installs everything)"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELP[name]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup)
@click.version_option(package_name="ddlp")
@click.option("-v", "--verbose", is_flag=True, help="Say what happens on the way.")
def cli(verbose: bool) -> None:
    """DDLP: data labeling whose every payment a stranger can replay."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s"
    )


@click.command()
@click.option("--host", help="Address to listen on (loopback by default).")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on.")
@click.option(
    "--companions",
    type=click.IntRange(0, 50),
    default=4,
    show_default=True,
    help="Simulated people who label beside you, so that there is a crowd to agree with.",
)
def serve(host: str | None, port: int | None, companions: int) -> None:
    """Serve page, gateway and operators on a local chain, with digits to label."""
    from dataclasses import replace

    from oracle.config import load_settings
    from oracle.serving import serve as run

    settings = load_settings()
    changes: dict[str, Any] = {"host": host, "port": port}
    given = {name: value for name, value in changes.items() if value is not None}
    run(replace(settings, **given), companions=companions)


def main() -> None:
    """Run a command; an expected error is one line on stderr and exit code 2."""
    try:
        cli(prog_name="ddlp")
    except DDLPError as error:
        click.echo(f"ddlp: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
