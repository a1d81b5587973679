"""anvil as we start it: alone on its state, the same blocks again, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oracle.chain import devnet as module
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet, find_anvil
from oracle.chain.rpc import request
from oracle.chain.wallets import DevWallets, dev_account
from oracle.errors import ChainError
from tests.oracle.chain.conftest import GENESIS, OPERATOR_KEYS, Platform

ROOT = Path(__file__).parents[3]
CHILD = """
import sys, threading, time
from oracle.chain.devnet import Devnet
devnet = Devnet(sys.argv[1])
if sys.argv[2] == "thread":
    # Linux reports a parent *thread*'s death: the chain must outlive the thread that started it.
    starter = threading.Thread(target=devnet.start)
    starter.start()
    starter.join()
    time.sleep(1)
    devnet.mine()
else:
    devnet.start()
print(devnet.url, flush=True)
try:
    time.sleep(60)
finally:
    devnet.stop()
"""


def _anvils(state_dir: Path) -> list[int]:
    """Return the processes, ours alone, whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(part.startswith(os.fsencode(state_dir / "chain")) for part in command[1:]) and (
                b"anvil" in command[0]
            ):
                found.append(int(entry.name))
    return found


def _start_child(state_dir: Path, how: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(state_dir / "chain"), how],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("http://127.0.0.1:")
    return child


def _wait_until_gone(state_dir: Path) -> None:
    deadline = time.monotonic() + 10
    while _anvils(state_dir):
        assert time.monotonic() < deadline, "anvil outlived its parent"
        time.sleep(0.05)


@pytest.mark.chain
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_devnet__parent_gets_a_signal__leaves_no_orphan(tmp_path: Path, name: str) -> None:
    with _start_child(tmp_path, "main") as child:
        assert len(_anvils(tmp_path)) == 1
        child.send_signal(signal.Signals[name])
        child.wait(20)
        _wait_until_gone(tmp_path)


@pytest.mark.chain
def test_devnet__guard_is_killed__anvil_dies_too(tmp_path: Path) -> None:
    with _start_child(tmp_path, "main") as child:
        (anvil,) = _anvils(tmp_path)
        status = Path(f"/proc/{anvil}/status").read_text()
        guard = int(
            next(line for line in status.splitlines() if line.startswith("PPid")).split()[1]
        )
        os.kill(guard, signal.SIGKILL)
        _wait_until_gone(tmp_path)
        child.kill()


@pytest.mark.chain
def test_devnet__started_by_a_thread_that_ended__lives_on(tmp_path: Path) -> None:
    with _start_child(tmp_path, "thread") as child:
        assert len(_anvils(tmp_path)) == 1
        child.kill()
        child.wait(20)
        _wait_until_gone(tmp_path)


@pytest.mark.chain
def test_devnet__killed_and_restarted__goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    devnet = Devnet(tmp_path, genesis_timestamp=GENESIS, step_seconds=1)
    devnet.start()
    devnet.mine(3)
    devnet.increase_time(1_000)
    devnet.checkpoint()
    kept = request(devnet.w3, "eth_getBlockByNumber", "latest", False)
    devnet.mine(2)
    lost = request(devnet.w3, "eth_getBlockByNumber", "latest", False)
    devnet.kill()

    with Devnet(tmp_path, genesis_timestamp=GENESIS, step_seconds=1) as again:
        assert request(again.w3, "eth_getBlockByNumber", "latest", False) == kept
        again.mine(2)
        # The steps taken again give the very blocks that were lost.
        assert request(again.w3, "eth_getBlockByNumber", "latest", False) == lost
        again.mine()
        height = again.block_number()
    with Devnet(tmp_path, genesis_timestamp=GENESIS, step_seconds=1) as third:
        assert third.block_number() == height


@pytest.mark.chain
def test_devnet__restarted_again_and_again__keeps_its_genesis(tmp_path: Path) -> None:
    # anvil dumps its own genesis beside the loaded one: which comes back first was chance.
    found = []
    for _ in range(6):
        with Devnet(tmp_path, genesis_timestamp=GENESIS, step_seconds=1) as devnet:
            devnet.mine()
            found.append(request(devnet.w3, "eth_getBlockByNumber", "0x0", False)["hash"])
    assert len(set(found)) == 1


@pytest.mark.chain
def test_devnet__two_new_chains_with_steps__make_the_same_blocks(tmp_path: Path) -> None:
    hashes = []
    for name in ("first", "second"):
        with Devnet(tmp_path / name, genesis_timestamp=GENESIS, step_seconds=2) as devnet:
            platform = Platform(devnet, establish(devnet, OPERATOR_KEYS, 2))
            platform.create()
            devnet.increase_time(77)
            newest = request(devnet.w3, "eth_getBlockByNumber", "latest", False)
            hashes.append(newest["hash"])
            assert (devnet.timestamp() - GENESIS - 77) % 2 == 0
    assert hashes[0] == hashes[1]


@pytest.mark.chain
def test_devnet__wall_clock__never_steps_back_after_a_restart(tmp_path: Path) -> None:
    with Devnet(tmp_path, block_seconds=1) as devnet:
        devnet.increase_time(1_000_000)
        before = devnet.timestamp()
        assert before >= int(time.time()) + 999_000
    with Devnet(tmp_path, block_seconds=1) as devnet:
        devnet.mine()
        assert devnet.timestamp() >= before
        height = devnet.block_number()
        time.sleep(1.5)
        assert devnet.block_number() > height


@pytest.mark.chain
def test_devnet__state_folder_in_use__is_refused(devnet: Devnet) -> None:
    with pytest.raises(ChainError, match="another devnet uses"):
        Devnet(devnet.state_dir).start()
    assert devnet.block_number() == 0


@pytest.mark.chain
def test_devnet__port_taken__says_so_and_leaves_the_folder_free(
    devnet: Devnet, tmp_path: Path
) -> None:
    port = int(devnet.url.rsplit(":", 1)[1])
    other = Devnet(tmp_path / "other", port)
    with pytest.raises(ChainError, match=f"didn't start on port {port}"):
        other.start()
    with Devnet(tmp_path / "other") as free:
        assert free.block_number() == 0


@pytest.mark.chain
def test_devnet__running__writes_no_key_into_its_log(platform: Platform) -> None:
    written = platform.devnet.log_path.read_text()
    for account in (platform.wallets.deployer, platform.wallets.operator(0)):
        assert bytes(account.key).hex() not in written


def test_devnet__real_chain_id__is_refused() -> None:
    with pytest.raises(ChainError, match="isn't a devnet's"):
        Devnet("unused", chain_id=1)
    with pytest.raises(ChainError, match="isn't a devnet's"):
        DevWallets(1)


def test_find_anvil__nothing_installed__names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "a" / "b" / "devnet.py"))
    wrapper = tmp_path / "anvil"
    wrapper.write_text("#!/usr/bin/env node\n")  # npm's script: killing it would orphan the binary
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChainError, match="npm ci"):
        find_anvil()
    binary = tmp_path / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(b"\x7fELF")
    assert find_anvil() == binary


def test_dev_account__shown__hides_its_key() -> None:
    account = dev_account(0)
    assert account.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert bytes(account.key).hex() not in repr(account) + str(vars(DevWallets(31337)))
