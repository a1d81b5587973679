"""`ddlp backup`, `ddlp restore`, `ddlp rebuild`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from oracle.backup.backup import Held, State, restore_backup, write_backup
from oracle.backup.rebuild import OperatorCopy, rebuild_log
from oracle.config import Settings, load_settings
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from oracle.store.operators import SqlOperatorStore, operators_of

PATH = click.Path(path_type=Path)
NOTHING_NEWER = """Say that the gateway signed no head after what is here, so that it may go on. If
one was, what it signs next forks its log, and a quarter of its bond is lost."""
SEALED = "A file whose content seals the backup, or opens it."


@click.command()
@click.argument("target", type=PATH)
@click.option("--passphrase-file", type=PATH, help=SEALED)
@click.option(
    "--content/--no-content",
    default=None,
    help="Whether it holds the content folder; by default unless Kubo daemons are named.",
)
def backup(target: Path, passphrase_file: Path | None, content: bool | None) -> None:
    """Write a backup of a running or ended process to TARGET, a new file or a folder."""
    settings = load_settings()
    if target.is_dir():
        target /= f"ddlp-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"
    held = write_backup(
        _state(settings),
        target,
        passphrase=_passphrase(passphrase_file),
        now=int(time.time()),
        content=not settings.ipfs_url if content is None else content,
    )
    click.echo(f"{target}: {_told(held)}")
    if passphrase_file is None:
        click.echo("it holds gold and answers in plain: keep it as you keep the gateway's disk")


@click.command()
@click.argument("file", type=PATH)
@click.option("--passphrase-file", type=PATH, help=SEALED)
@click.option("--nothing-newer", is_flag=True, help=NOTHING_NEWER)
def restore(file: Path, passphrase_file: Path | None, nothing_newer: bool) -> None:
    """Make a backup the state of a process that hasn't begun: database, secrets, content."""
    state = _state(load_settings())
    held = restore_backup(
        state, file, passphrase=_passphrase(passphrase_file), now=int(time.time())
    )
    click.echo(f"restored {_told(held)}")
    _end(SqlLabelStore(state.engine), nothing_newer)


@click.command()
@click.option(
    "--copy",
    "copies",
    multiple=True,
    help="Database URL of an operator, whose copy of the log is taken too; may be repeated.",
)
@click.option("--nothing-newer", is_flag=True, help=NOTHING_NEWER)
def rebuild(copies: tuple[str, ...], nothing_newer: bool) -> None:
    """Bring logs back from chain and content, into an empty database or a restored one."""
    from oracle.processes.commands import gateway_keys
    from oracle.requester.commands import open_platform
    from oracle.serving import own_campaigns

    platform = open_platform(load_settings(), gateway_keys)
    engines = [open_database(url) for url in copies]
    for campaign in own_campaigns(platform):
        rebuilt = rebuild_log(
            platform.read_campaign(campaign),
            platform.store,
            platform.fetch,
            [
                OperatorCopy(SqlOperatorStore(engine, operator, campaign))
                for engine in engines
                for operator in operators_of(engine, campaign)
            ],
            now=int(time.time()),
        )
        for problem in rebuilt.silent:
            click.echo(f"campaign {campaign}: a copy wasn't taken: {problem}", err=True)
        click.echo(
            f"campaign {campaign}: {rebuilt.from_receipts} rows taken from receipts' evidence, "
            f"{rebuilt.from_copies} from copies; the log reaches position {rebuilt.position}"
        )
    _end(platform.store, nothing_newer)


def _end(store: SqlLabelStore, nothing_newer: bool) -> None:
    """Let the gateways go on, or say what keeps them from it."""
    held = [campaign for campaign in store.campaigns() if store.is_held(campaign)]
    for campaign in held if nothing_newer else ():
        store.release(campaign)
    if held and not nothing_newer:
        click.echo(
            "the gateway signs nothing yet, since heads may have been signed after these: run "
            "`ddlp rebuild`, and once nothing newer can be found, with --nothing-newer"
        )


def _state(settings: Settings) -> State:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return State(
        open_database(settings.database_url),
        settings.state_dir,
        LocalContent(settings.content_dir),
    )


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"the passphrase {path} can't be read ({error.strerror})") from error
    if len(text) < 12:
        raise InputError(f"the passphrase in {path} is shorter than 12 bytes: take a longer one")
    return text


def _told(held: Held) -> str:
    rows = ", ".join(f"{count} {name}" for name, count in held.rows.items() if count)
    return f"{rows or 'no rows'}; {held.private} private files; {held.blocks} blocks of content"
