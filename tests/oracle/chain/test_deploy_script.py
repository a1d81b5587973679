"""scripts/deploy.py: by ape the same steps, ending in the same code as the shipped artifacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.chain.deployment import DEVNET, Deployment
from oracle.chain.devnet import Devnet
from oracle.chain.reader import Web3Reader
from oracle.evidence.signing import checksum

ROOT = Path(__file__).parents[3]


def _ape_run_deploy(devnet: Devnet, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    bin_dir = Path(sys.executable).parent
    command = [str(bin_dir / "ape"), "run", "deploy", "--network", devnet.url]
    return subprocess.run(
        [*command, "--account", "TEST::0", *options],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "PATH": f"{bin_dir}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.chain
def test_deploy_script__by_ape__gives_a_platform_that_the_reader_accepts(
    devnet: Devnet, tmp_path: Path
) -> None:
    chosen, out = tmp_path / "parameters.json", tmp_path / "deployment.json"
    treasury = "0x" + "11" * 20
    chosen.write_text(json.dumps({"window_seconds": 45, "treasury": treasury}))
    result = _ape_run_deploy(devnet, tmp_path, "--out", str(out), "--parameters", str(chosen))
    assert result.returncode == 0, result.stdout + result.stderr

    deployment = Deployment.load(out)
    assert deployment.parameters == replace(
        DEVNET, window_seconds=45, treasury=bytes.fromhex(treasury[2:])
    )
    assert checksum(deployment.deployer) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    reader = Web3Reader(devnet.w3, deployment, "latest")
    assert reader.events()[-1].name == "TokenSet"
    assert reader.events()[-1].arguments == {"token": deployment.token, "allowed": True}

    chosen.write_text(json.dumps({"window": 45}))
    height = devnet.block_number()
    refused = _ape_run_deploy(devnet, tmp_path, "--parameters", str(chosen))
    assert refused.returncode != 0
    assert "window is no parameter" in refused.stdout + refused.stderr
    assert devnet.block_number() == height
