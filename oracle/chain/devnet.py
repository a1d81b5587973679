"""A private chain on this machine: anvil, its state kept on disk, on loopback only.

anvil forgets every block since its last dump when it is killed, so a step counts as done only after
`Devnet.checkpoint`.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from web3 import Web3

from oracle.chain.proofs import header_hash, to_bytes, to_int
from oracle.chain.rpc import connect, request
from oracle.chain.wallets import DEV_MNEMONIC, require_devnet
from oracle.errors import ChainError, FormatError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
FUNDED_ACCOUNTS = 100  # all but the contributors, who need no ether (see `wallets`)
PORT_ATTEMPTS = 3
STOP_SECONDS = 10.0
GUARD = Path(__file__).with_name("devnet_guard.py")


class Devnet:
    """A local development chain, as a context manager; `url` is its address once started.

    Parameters:
        state_dir: folder of `state.json`, `anvil.log` and a lock; made when missing. One devnet at
            a time may use it.
        port: of the JSON-RPC server; a free one by default.
        chain_id: must be a devnet's.
        genesis_timestamp: Unix seconds of block 0; now by default. Counts only for a new chain.
        step_seconds: every block is exactly this much later than the one before, whatever the wall
            clock says, so that two runs make the same blocks. By default blocks follow the wall
            clock.
        epoch_blocks: blocks are final two epochs later, so 2 blocks by default: a devnet has no
            reorgs, and 64 blocks would be a long wait.
        block_seconds: a block is mined this often, besides one for each transaction. By default
            only for transactions.
        startup_seconds: how long to wait for the node's first answer.
        binary: anvil's platform binary; found in `node_modules` or on PATH by default.

    Raises ChainError where anvil isn't installed, doesn't start, or `chain_id` is a real chain's.
    """

    def __init__(
        self,
        state_dir: Path | str,
        port: int | None = None,
        *,
        chain_id: int = 31337,
        genesis_timestamp: int | None = None,
        step_seconds: int | None = None,
        block_seconds: int | None = None,
        epoch_blocks: int = 1,
        startup_seconds: float = 30.0,
        binary: Path | None = None,
    ) -> None:
        require_devnet(chain_id)
        if step_seconds is not None and (step_seconds < 1 or block_seconds is not None):
            raise ChainError("step_seconds must be at least 1, and stands without block_seconds")
        self.state_dir = Path(state_dir).resolve()
        self.chain_id = chain_id
        self._wanted_port = port
        self._genesis_timestamp = genesis_timestamp
        self._step_seconds = step_seconds
        self._block_seconds = block_seconds
        self._epoch_blocks = epoch_blocks
        self._startup_seconds = startup_seconds
        self._binary = binary
        self._port = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._w3: Web3 | None = None

    @property
    def url(self) -> str:
        """Address of the JSON-RPC server."""
        return f"http://{HOST}:{self._port}"

    @property
    def w3(self) -> Web3:
        """A Web3 of this chain; ChainError before `start`."""
        if self._w3 is None:
            raise ChainError("the devnet isn't running: use it in a `with` block, or call start()")
        return self._w3

    @property
    def log_path(self) -> Path:
        """anvil's own log."""
        return self.state_dir / "anvil.log"

    @property
    def state_path(self) -> Path:
        """The last checkpoint."""
        return self.state_dir / "state.json"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start anvil from the last checkpoint, or a new chain, and return when it answers."""
        if self._guard is not None:
            raise ChainError(f"this devnet runs already, at {self.url}")
        binary = self._binary or find_anvil()
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            if self.state_path.exists():
                _keep_own_genesis(self.state_path)
            for attempt in range(1, PORT_ATTEMPTS + 1):
                self._port = self._wanted_port or _free_port()
                # A node that answers there already would be taken for ours.
                if not _is_taken(self._port):
                    self._guard = self._spawn(binary)
                    if self._answers():
                        break
                # Somebody else may have bound the free port first; a port asked for by number isn't
                # swapped.
                if self._wanted_port or attempt == PORT_ATTEMPTS:
                    raise ChainError(
                        f"anvil didn't start on port {self._port}: free the port, or see "
                        f"{self._log_tail()}"
                    )
                self._end_process()
            self._set_clock()
        except BaseException:
            self._end_process()
            self._release_lock()
            raise
        log.info(
            "devnet at %s, block %d, state in %s", self.url, self.block_number(), self.state_dir
        )
        return self

    def stop(self) -> None:
        """Write a checkpoint and end anvil; does nothing when it isn't running."""
        if self._guard is None:
            return
        try:
            if self._guard.poll() is None:
                self.checkpoint()
        finally:
            self._end_process()
            self._release_lock()

    def kill(self) -> None:
        """End anvil at once and without a checkpoint, as a power cut would: what is on disk is the
        last one.
        """
        self._end_process()
        self._release_lock()

    def checkpoint(self) -> None:
        """Write the whole chain to `state_path`, atomically; a step that changed the chain counts
        as done after it.
        """
        dump = bytes.fromhex(request(self.w3, "anvil_dumpState").removeprefix("0x"))
        partial = self.state_path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(gzip.decompress(dump))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.state_path)
        folder = os.open(self.state_dir, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return int(request(self.w3, "eth_blockNumber"), 16)

    def timestamp(self) -> int:
        """Return the Unix seconds of the newest block."""
        return int(request(self.w3, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def mine(self, blocks: int = 1) -> None:
        """Mine `blocks` empty blocks."""
        if blocks < 1:
            raise ChainError(f"can't mine {blocks} blocks: give a number from 1")
        request(self.w3, "anvil_mine", hex(blocks))

    def increase_time(self, seconds: int) -> None:
        """Mine one block that is `seconds` later than the newest; later blocks go on from there."""
        if seconds < 1:
            raise ChainError(f"time can't move by {seconds} s: give a number from 1")
        if self._step_seconds is None:
            request(self.w3, "evm_increaseTime", seconds)
        else:
            request(self.w3, "evm_setNextBlockTimestamp", self.timestamp() + seconds)
        self.mine()

    def fund(self, address: str, wei: int) -> None:
        """Set the ether balance of `address`, in wei, and mine a block whose state root says so."""
        request(self.w3, "anvil_setBalance", address, hex(wei))
        self.mine()

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        # --quiet: anvil's banner would write the development keys into the log.
        command = [str(binary), "--quiet", "--host", HOST, "--port", str(self._port)]
        command += [
            "--chain-id",
            str(self.chain_id),
            "--mnemonic",
            DEV_MNEMONIC,
            "--accounts",
            str(FUNDED_ACCOUNTS),
        ]
        command += ["--slots-in-an-epoch", str(self._epoch_blocks)]
        command += ["--cache-path", str(self.state_dir / "cache")]
        if self.state_path.exists():
            command += ["--load-state", str(self.state_path)]
        elif self._genesis_timestamp is not None:
            command += ["--timestamp", str(self._genesis_timestamp)]
        if self._block_seconds is not None:
            command += ["--block-time", str(self._block_seconds), "--mixed-mining"]
        with self.log_path.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        """Wait for the node's first answer; False when its process ended, ChainError when time is
        over.
        """
        assert self._guard is not None
        w3 = connect(self.url, timeout=max(self._startup_seconds, 30.0))
        deadline = time.monotonic() + self._startup_seconds
        while time.monotonic() < deadline:
            try:
                chain_id = int(request(w3, "eth_chainId"), 16)
            except ChainError:
                if self._guard.poll() is not None:
                    return False
                time.sleep(0.03)
                continue
            # Another program on this port would have ended ours.
            time.sleep(0.03)
            if self._guard.poll() is not None:
                return False
            if chain_id != self.chain_id:
                raise ChainError(
                    f"the node at {self.url} has chain id {chain_id}, not {self.chain_id}: stop it"
                )
            self._w3 = w3
            return True
        raise ChainError(
            f"anvil didn't answer within {self._startup_seconds:g} s: see {self._log_tail()}"
        )

    def _set_clock(self) -> None:
        """Let a chain from disk go on after its last block; anvil alone could step back in time."""
        newest = self.timestamp()
        if self._step_seconds is not None:
            request(self.w3, "evm_setTime", newest)
            request(self.w3, "anvil_setBlockTimestampInterval", self._step_seconds)
        elif newest >= int(time.time()) or self._genesis_timestamp is not None:
            request(self.w3, "evm_setTime", newest + 1)

    def _end_process(self) -> None:
        guard, self._guard, self._w3 = self._guard, None, None
        if guard is None:
            return
        assert guard.stdin is not None
        guard.stdin.close()  # the guard ends anvil when this pipe closes
        try:
            guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()

    def _take_lock(self) -> None:
        self._lock = (self.state_dir / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._release_lock()
            raise ChainError(
                f"another devnet uses {self.state_dir}: stop it, or name another state folder"
            ) from None

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _log_tail(self) -> str:
        lines = []
        if self.log_path.exists():
            lines = self.log_path.read_text(errors="replace").splitlines()[-5:]
        return "\n".join([f"{self.log_path}:", *lines])


def _keep_own_genesis(path: Path) -> None:
    """Leave one genesis in a checkpoint: the parent of block 1.

    anvil makes a genesis of its own before it loads a state, and later dumps it with the rest;
    which of the two it takes for block 0 on the next load is chance.
    """
    try:
        state = json.loads(path.read_bytes())
        headers = [(block, block["header"]) for block in state["blocks"]]
        numbers = [to_int(header["number"], "number") for _, header in headers]
        if numbers.count(0) < 2 or 1 not in numbers:
            return
        parent = to_bytes(headers[numbers.index(1)][1]["parentHash"], "parentHash")
        state["blocks"] = [
            block
            for number, (block, header) in zip(numbers, headers, strict=True)
            if number or header_hash(header) == parent
        ]
    except (ValueError, KeyError, TypeError, FormatError):
        return  # damaged: anvil refuses it, and says why in its log
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def find_anvil() -> Path:
    """Return anvil's platform binary: from `node_modules` here or beside this package, else from
    PATH.

    npm's own `anvil` is a script that starts the binary and leaves it orphaned when killed, so
    scripts are passed over. Raises ChainError, naming the remedy, where there is none.
    """
    for root in (Path.cwd(), Path(__file__).resolve().parents[2]):
        for found in sorted(root.glob("node_modules/@foundry-rs/anvil-*/bin/anvil")):
            return found
    on_path = shutil.which("anvil")
    if on_path and Path(on_path).read_bytes()[:2] != b"#!":
        return Path(on_path)
    raise ChainError("anvil isn't installed: run `npm ci`, or put Foundry's anvil on PATH")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
