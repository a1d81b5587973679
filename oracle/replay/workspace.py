"""Where a run is made: a folder beside its place, moved there when whole, continued after a kill.

A run is a row of steps. After each, chain, database and secrets are copied into a checkpoint;
content only grows and needs no copy, since its names are hashes. Whatever was begun after the last
checkpoint is thrown away and done again, with the same outcome: a run draws nothing at random.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from oracle.chain.devnet import Devnet
from oracle.errors import InputError

DATABASE = "ddlp.sqlite"
CHAIN_FILES = ("state.json", "deployment.json")


class Workspace:
    """The folder of the unfinished run of `out`; a context manager, one process at a time.

    `arguments` (JSON) say what is run: an unfinished run of other arguments is thrown away. `done`
    counts the steps behind the last checkpoint, from which `state` starts; `folder` is what will
    become `out`.
    """

    def __init__(self, out: Path, arguments: dict[str, Any]) -> None:
        self.out, self.arguments = out, arguments
        self.root = out.parent / f".{out.name}-unfinished"
        self.folder, self.state = self.root / "run", self.root / "state"
        self.done = 0

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = (self.root / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise InputError(
                f"another process is making {self.out}: wait for it, or name another folder"
            ) from None
        if not self._continues():
            self._begin()
        shutil.rmtree(self.state, ignore_errors=True)
        steps = self._checkpoints()
        if steps:
            self.done = max(steps)
            shutil.copytree(steps[self.done], self.state)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def checkpoint(self, devnet: Devnet) -> None:
        """Keep what `state` holds: one more step is done."""
        devnet.checkpoint()
        partial = self.root / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "chain").mkdir(parents=True)
        for name in CHAIN_FILES:
            shutil.copy2(self.state / "chain" / name, partial / "chain" / name)
        if (self.state / "secrets").exists():
            shutil.copytree(self.state / "secrets", partial / "secrets")
        # The database's own copy: its file alone lacks what its write-ahead log still holds.
        with (
            closing(sqlite3.connect(self.state / DATABASE)) as database,
            closing(sqlite3.connect(partial / DATABASE)) as copy,
        ):
            database.backup(copy)
        older = self._checkpoints()
        self.done += 1
        partial.rename(self.root / f"step-{self.done}")
        for path in older.values():
            shutil.rmtree(path)

    def publish(self) -> None:
        """Put the finished folder in its place, and remove what it was made with."""
        (self.folder / "chain").mkdir(exist_ok=True)
        shutil.copy2(self.state / "chain" / "state.json", self.folder / "chain" / "state.json")
        if self.out.exists():
            self.out.rename(self.root / "replaced")  # whole or gone, never half deleted
        self.folder.rename(self.out)
        shutil.rmtree(self.root)

    def _continues(self) -> bool:
        """Say whether an unfinished run of the same arguments is here; one without its folder was
        finished."""
        try:
            known = json.loads((self.root / "arguments.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(known == self.arguments) and self.folder.is_dir()

    def _begin(self) -> None:
        # What vouches for the rest goes first, so that no kill leaves half of another run to go on.
        (self.root / "arguments.json").unlink(missing_ok=True)
        for path in self.root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.folder.mkdir()
        partial = self.root / "arguments.partial"
        partial.write_text(json.dumps(self.arguments), encoding="utf-8")
        os.replace(partial, self.root / "arguments.json")

    def _checkpoints(self) -> dict[int, Path]:
        return {int(path.name.removeprefix("step-")): path for path in self.root.glob("step-*")}
