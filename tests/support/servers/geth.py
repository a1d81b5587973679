"""geth's development mode: a second client beside anvil, which has no way to move time."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.servers.process import HOST, ServerProcess, free_port, is_open
from tests.support.servers.programs import GETH


class Geth:
    """A chain (id 1337) with a block every `period` seconds, its data in `folder`, which is made.

    The `finalized` block follows every 32 blocks. `start` goes on where `stop` ended.
    """

    chain_id = 1337

    def __init__(self, folder: Path, *, period: int = 1) -> None:
        self.folder = folder
        self.period = period
        self.port = free_port()
        self._binary = GETH.require()
        self._process: ServerProcess | None = None
        folder.mkdir(parents=True)

    @property
    def url(self) -> str:
        """The JSON-RPC's address."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> Geth:
        """Start geth and return when its RPC listens."""
        command = [str(self._binary), "--dev", "--dev.period", str(self.period)]
        command += [
            "--datadir",
            str(self.folder),
            "--ipcdisable",
            "--nodiscover",
            "--maxpeers",
            "0",
        ]
        command += ["--http", "--http.addr", HOST, "--http.port", str(self.port)]
        command += ["--http.api", "eth,net,web3,debug", "--nat", "none", "--port", "0"]
        self._process = ServerProcess(command, self.folder / "geth.log")
        self._process.wait_until(lambda: is_open(self.port))
        return self

    def stop(self) -> None:
        """End geth; does nothing when it doesn't run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def fund(self, address: str, wei: int) -> str:
        """Send ether from the development account; return the transaction's hash."""
        (source, *_) = self.request("eth_accounts")
        sent: str = self.request(
            "eth_sendTransaction", {"from": source, "to": address, "value": hex(wei)}
        )
        return sent

    def request(self, method: str, *parameters: Any) -> Any:
        """Return what a JSON-RPC method answers; RuntimeError where it answers an error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        asked = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=30) as reply:
            answer = json.load(reply)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]
