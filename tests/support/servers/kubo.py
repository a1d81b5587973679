"""Kubo daemons that know of no other peer until they are told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.support.servers.process import HOST, ServerProcess, free_port, is_open
from tests.support.servers.programs import KUBO


class Kubo:
    """A daemon with its repository in `folder`, which is made; `start` it before use.

    An `online` one searches its peers for a block that it lacks, another says so at once.
    `address` stays the same over `stop` and `start`; connections to peers don't.
    """

    def __init__(self, folder: Path, *, online: bool = False) -> None:
        self.folder = folder
        self.online = online
        self.port = free_port()
        self._binary = KUBO.require()
        self._environment = {**os.environ, "IPFS_PATH": str(folder), "IPFS_TELEMETRY": "off"}
        self._process: ServerProcess | None = None
        folder.mkdir(parents=True)
        self.run("init", "--profile=test")
        path = folder / "config"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["Addresses"] |= {
            "API": f"/ip4/{HOST}/tcp/{self.port}",
            "Gateway": [],
            "Swarm": [f"/ip4/{HOST}/tcp/0"] if online else [],
        }
        config["Routing"]["Type"] = "none"
        path.write_text(json.dumps(config), encoding="utf-8")

    @property
    def address(self) -> str:
        """The RPC's address, as DDLP_IPFS_URL takes it."""
        return f"/ip4/{HOST}/tcp/{self.port}/http"

    def start(self) -> Kubo:
        """Start the daemon and return when its RPC listens."""
        command = [str(self._binary), "daemon", *([] if self.online else ["--offline"])]
        self._process = ServerProcess(command, self.folder / "daemon.log", self._environment)
        self._process.wait_until(lambda: is_open(self.port))
        return self

    def stop(self) -> None:
        """End the daemon; does nothing when it doesn't run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def connect(self, other: Kubo) -> None:
        """Let two online daemons fetch from one another."""
        address = other.run("swarm", "addrs", "local", "--id").split()[0]
        self.run("swarm", "connect", address.decode())

    def run(self, *arguments: str, data: bytes | None = None) -> bytes:
        """Run `ipfs` with `data` as its input and return its output."""
        return subprocess.run(
            [str(self._binary), *arguments],
            env=self._environment,
            input=data,
            check=True,
            stdout=subprocess.PIPE,
            timeout=120,
        ).stdout
