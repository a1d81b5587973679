"""What a backup holds, and how it becomes a process' state again.

Members: `tables/NAME/NUMBER` (rows in CBOR, 500 at most), `secrets/MANIFEST.json` (gold and draw
seeds), the files of `FILES` that the state folder has, and `content/CID` where no Kubo daemon has
the blocks too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from sqlalchemy import Engine

from oracle.backup.archive import DAMAGED, check, create, read_members
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.evidence.codec import Link
from oracle.evidence.hashing import sha256
from oracle.store import dump

# Of pages, operators and gateways (docs/OPERATIONS.md says what each is).
FILES = (
    "cookie.key",
    "deployment.json",
    "encryption.key",
    "operator.keyfile",
    "peers.json",
    "signer.json",
)
SECRETS = re.compile(r"secrets/[0-9a-f]{64}\.json")
ROWS = re.compile(r"tables/([a-z_]+)/\d+")
CONTENT = re.compile(r"content/([a-z0-9]+)")


@dataclass(frozen=True)
class State:
    """Where a process keeps what must survive: `folder` holds secrets and keys, `content`
    blocks."""

    engine: Engine
    folder: Path
    content: LocalContent


@dataclass(frozen=True)
class Held:
    """What a backup holds, for people: rows by table, and how many secrets' files and blocks."""

    rows: dict[str, int]
    private: int
    blocks: int


def write_backup(
    state: State, path: Path, *, passphrase: bytes | None, now: int, content: bool = True
) -> Held:
    """Write a backup of one moment while the process runs; `now` in Unix seconds.

    Without `content` it holds no blocks: for where Kubo daemons have them too.
    The database is read in one transaction, and before secrets and content, which are written
    before the rows that speak of them: so nothing that a row needs is missing.
    """
    rows = dict.fromkeys(dump.TABLES, 0)
    private = blocks = 0
    with create(path, passphrase) as writer:
        with dump.snapshot(state.engine) as connection:
            revision = dump.revision(connection)
            for number, (name, part) in enumerate(dump.dump(connection)):
                writer.add(f"tables/{name}/{number}", cbor2.dumps(part))
                rows[name] += len(part)
        for name in _private_names(state.folder):
            writer.add(name, (state.folder / name).read_bytes())
            private += 1
        for link in state.content.iterate() if content else ():
            writer.add(f"content/{link}", state.content.get(link.digest, link.codec))
            blocks += 1
        writer.finish({"madeAt": now, "revision": revision, "columns": dump.columns()})
    return Held(rows, private, blocks)


def restore_backup(state: State, path: Path, *, passphrase: bytes | None, now: int) -> Held:
    """Make a backup the state of a process that hasn't begun; every log is held afterwards.

    The whole file is checked before anything is written, and the database is written last, in one
    transaction: cut short, the same call does it again. InputError where the backup isn't whole or
    of another version, or where the database or the secrets are there already.
    """
    index, names = check(path, passphrase)
    if not dump.is_empty(state.engine):
        raise InputError("the database isn't empty: name a new one by DDLP_DATABASE_URL")
    with dump.snapshot(state.engine) as connection:
        revision = dump.revision(connection)
    if (index["revision"], index["columns"]) != (revision, dump.columns()):
        raise InputError(
            f"the backup's tables are of version {index['revision']}, these of {revision}: restore "
            "with the version of ddlp that made it, then start the newer one"
        )
    _check_members(names)
    _check_private(state, path, passphrase)
    rows = dict.fromkeys(dump.TABLES, 0)
    private = blocks = 0
    for name, data in read_members(path, passphrase):
        if (cid := CONTENT.fullmatch(name)) is not None:
            _put_block(state, Link.parse(cid[1]), data)
            blocks += 1
        elif _is_private(name):
            _write_private(state.folder / name, data)
            private += 1

    def parts() -> Iterator[tuple[str, list[list[Any]]]]:
        for name, data in read_members(path, passphrase):
            if (table := ROWS.fullmatch(name)) is not None:
                part = cbor2.loads(data)
                rows[table[1]] += len(part)
                yield table[1], part

    dump.load(state.engine, parts(), now=now)
    return Held(rows, private, blocks)


def _private_names(folder: Path) -> list[str]:
    found = [f"secrets/{path.name}" for path in sorted((folder / "secrets").glob("*.json"))]
    return found + [name for name in FILES if (folder / name).exists()]


def _is_private(name: str) -> bool:
    return name in FILES or SECRETS.fullmatch(name) is not None


def _check_members(names: list[str]) -> None:
    """Refuse names that lead elsewhere, and tables that aren't ours."""
    for name in names:
        table = ROWS.fullmatch(name)
        ours = table[1] in dump.TABLES if table is not None else _is_private(name)
        if not ours and CONTENT.fullmatch(name) is None:
            raise InputError(DAMAGED)


def _check_private(state: State, path: Path, passphrase: bytes | None) -> None:
    """Refuse where other secrets are there; the same ones are of a restore that was cut short."""
    wanted = {
        name: sha256(data) for name, data in read_members(path, passphrase) if _is_private(name)
    }
    for name in _private_names(state.folder):
        if wanted.get(name) != sha256((state.folder / name).read_bytes()):
            raise InputError(f"{state.folder / name} is there already: name an empty state folder")


def _put_block(state: State, link: Link, data: bytes) -> None:
    if sha256(data) != link.digest:
        raise InputError(DAMAGED)
    state.content.put(data, link.codec)


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
