"""scripts/deploy.py: deploys by ape, survives SIGKILL, and hands over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.chain.deployment import DEVNET, Deployment
from oracle.chain.devnet import Devnet
from oracle.chain.launch import inspect
from oracle.chain.poster import OPERATOR, Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.wallets import DevWallets
from oracle.evidence.signing import checksum

ROOT = Path(__file__).parents[3]
WALLETS = DevWallets(31337)


def _start(devnet: Devnet, home: Path, *options: str) -> subprocess.Popen[str]:
    bin_dir = Path(sys.executable).parent
    command = [str(bin_dir / "ape"), "run", "deploy", "--network", devnet.url]
    return subprocess.Popen(
        [*command, "--account", "TEST::0", *options],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "PATH": f"{bin_dir}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _run(devnet: Devnet, home: Path, *options: str) -> tuple[int, str]:
    with _start(devnet, home, *options) as process:
        output, _ = process.communicate(timeout=200)
        return process.returncode, output


@pytest.mark.chain
def test_deploy_script__killed_then_run_again__hands_over_a_platform(
    devnet: Devnet, tmp_path: Path
) -> None:
    out, chosen, named = (
        tmp_path / name for name in ("deployment.json", "parameters.json", "operators.json")
    )
    chosen.write_text(json.dumps({"window_seconds": 45}))
    options = ("--out", str(out), "--parameters", str(chosen))
    journal = out.with_suffix(".journal")
    with _start(devnet, tmp_path, *options) as killed:
        deadline = time.monotonic() + 100
        while not (journal.exists() and "StakeVault" in journal.read_text()):
            assert killed.poll() is None, killed.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        killed.kill()
    assert not out.exists()

    code, output = _run(devnet, tmp_path, *options)
    assert code == 0, output
    assert "deploy LabelToken" not in output  # not a second time
    assert "--  LabelToken: owner" in output
    deployment = Deployment.load(out)
    assert deployment.parameters == replace(DEVNET, window_seconds=45)
    assert checksum(deployment.deployer) == WALLETS.deployer.address
    reader = Web3Reader(devnet.w3, deployment, "latest")
    names = [event.name for event in reader.events()]
    assert names[-2:] == ["TokenSet", "GuardianSet"]

    members = [WALLETS.operator(index) for index in range(2)]
    addresses = [member.address for member in members]
    named.write_text(json.dumps({"operators": addresses, "threshold": 2}))
    options += ("--operators", str(named), "--hand-over")
    code, output = _run(devnet, tmp_path, *options)
    assert code != 0
    assert f"{addresses[1]} hasn't joined and staked yet" in output
    assert "no operators are named yet" in output
    for member in members:
        operator = Poster(devnet.w3, member, deployment)
        operator.join(OPERATOR, b"\x07" * 32)
        operator.stake(OPERATOR, DEVNET.min_operator_stake)
    code, output = _run(devnet, tmp_path, *options)
    assert code == 0, output
    assert "\n--" not in output
    assert all(finding.right for finding in inspect(devnet.w3, deployment))
    assert "ape has no plugin for this network's" in output


@pytest.mark.chain
def test_deploy_script__unknown_parameter__sends_nothing(devnet: Devnet, tmp_path: Path) -> None:
    chosen = tmp_path / "parameters.json"
    chosen.write_text(json.dumps({"window": 45}))
    height = devnet.block_number()
    code, output = _run(devnet, tmp_path, "--parameters", str(chosen))
    assert code != 0
    assert "window is no parameter" in output
    assert devnet.block_number() == height
