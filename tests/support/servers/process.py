"""A server as a child process that never outlives the tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oracle.chain.devnet import GUARD

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServerProcess:
    """`command` run under the guard that ends it when this process is gone, however it went.

    Its output is appended to `log`, whose end an error shows.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return once `ready`; RuntimeError, with the log's end, where it exits or takes longer
        than a minute.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._guard.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = self._log.read_text(errors="replace").splitlines()[-10:]
                raise RuntimeError(
                    "\n".join([f"the server didn't start, {self._log} ends:", *tail])
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it by SIGTERM, three seconds later by SIGKILL; does nothing when it has ended."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(STOP_SECONDS)


def free_port() -> int:
    """Return a TCP port that is free on loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    """Say whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
