"""A PostgreSQL server of its own for a test run, reached by a Unix socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import pytest

from tests.support.servers.process import ServerProcess

ACCOUNT = "postgres"  # Debian's package makes it; the server refuses to run as root


class Postgres:
    """A fresh cluster in a temporary folder; `start` it before use, `remove` it in the end.

    Settings are PostgreSQL's own: what is committed has been fsynced.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        account = _account()
        # Not pytest's temporary folders: those keep other accounts out, and the path of a socket
        # has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="ddlp-postgres-", dir="/tmp"))
        self._as_account: list[str] = []
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as_account = ["runuser", "-u", ACCOUNT, "--"]
        self._data = self.folder / "data"
        self._process: ServerProcess | None = None
        self._numbers = count(1)
        self._run("initdb", "-D", str(self._data), "-U", ACCOUNT, "-A", "trust", "-E", "UTF8")

    def start(self) -> Postgres:
        """Start the server and return when it answers."""
        command = [*self._as_account, str(self._programs / "postgres"), "-D", str(self._data)]
        command += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}"]
        self._process = ServerProcess(command, self._log)
        self._process.wait_until(self._answers)
        return self

    def stop(self) -> None:
        """End the server, cutting open connections; does nothing when it doesn't run."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w")
            self._process.stop()
            self._process = None

    def remove(self) -> None:
        """End the server and delete all that it held."""
        self.stop()
        shutil.rmtree(self.folder)

    def create_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "-h", str(self.folder), "-U", ACCOUNT, name)
        return f"postgresql+psycopg://{ACCOUNT}@/{name}?host={self.folder}"

    def _answers(self) -> bool:
        asked = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as_account, str(self._programs / program), *arguments],
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C"},
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps them off PATH."""
    on_path = shutil.which("pg_ctl")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parts[-2]))
    if not versions:
        pytest.skip("no PostgreSQL: apt install postgresql")
    return versions[-1]


def _account() -> pwd.struct_passwd | None:
    """Return the account to run as; None where the tests' own will do."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pytest.skip(f"no account {ACCOUNT!r} to run PostgreSQL as: apt install postgresql")
