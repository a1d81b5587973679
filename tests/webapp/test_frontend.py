"""The browser's encoder: its own tests, and a round trip to PyNaCl."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nacl.public
import pytest

from oracle.evidence.campaign import SealedOpening
from oracle.evidence.codec import decode_cbor
from oracle.evidence.hashing import sha256

FRONTEND = Path(__file__).parents[2] / "webapp" / "frontend"
SEAL = """
import { sealOpening } from './src/opening.js';
import { fromHex, hex } from './src/bytes.js';
const { answers, seed, keys } = JSON.parse(process.argv[1]);
const { block, digest } = await sealOpening(answers, fromHex(seed), keys);
console.log(JSON.stringify({ block: hex(block), digest }));
"""


@pytest.fixture
def node() -> str:
    if not (FRONTEND.parents[1] / "node_modules" / "libsodium-wrappers").is_dir():
        pytest.skip("node_modules is missing: run npm ci")
    # pytest may run outside `make`, without .venv/bin on PATH.
    return shutil.which("node") or str(Path(sys.executable).parent / "node")


def test_own_tests__by_node__pass(node: str) -> None:
    tests = sorted(str(path) for path in (FRONTEND / "test").glob("*.test.js"))
    assert tests
    run = subprocess.run(
        [node, "--test", *tests],
        cwd=FRONTEND,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_opening__sealed_in_javascript__opens_in_python(node: str) -> None:
    operators = [nacl.public.PrivateKey.generate() for _ in range(3)]
    answers, seed = ["7", "0", "猫"], bytes(range(32))
    order = json.dumps(
        {
            "answers": answers,
            "seed": "0x" + seed.hex(),
            "keys": ["0x" + bytes(key.public_key).hex() for key in operators],
        }
    )
    run = subprocess.run(
        [node, "--input-type=module", "-e", SEAL, order],
        cwd=FRONTEND,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    block = bytes.fromhex(result["block"][2:])
    assert "0x" + sha256(block).hex() == result["digest"]
    boxes = dict(SealedOpening.decode(block).boxes)
    assert len(boxes) == 3
    for key in operators:
        text = nacl.public.SealedBox(key).decrypt(boxes[bytes(key.public_key)])
        assert decode_cbor(text) == {"answers": ['"7"', '"0"', '"猫"'], "seed": seed}
