"""One SHA-256 on every machine: golden, and with numpy's SIMD switched off."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle.consensus import dawid_skene, item_posterior, leave_one_out, majority_vote
from tests.support.simd import dispatched_features, environment_without_simd

ROOT = Path(__file__).parents[2]
GOLDEN = "9a6884cc72964b107f33e20f91986448bac21f000856adade862c1dc6c35c11c"


def fixed_crowd():
    """4,000 labels, 20 workers, 1,000 items, 5 classes, from a generator that can't change."""
    state, draws = 2026, []
    for _ in range(16_000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        draws.append(state >> 33)
    draws = np.array(draws, dtype=np.int64).reshape(4_000, 4)
    items = np.arange(4_000) % 1_000
    workers = (draws[:, 0] % 5) * 4 + np.arange(4_000) // 1_000
    right = draws[:, 1] % 20 < 8 + workers // 2
    labels = np.where(right, items % 7 % 5, draws[:, 2] % 5)
    return items, workers, labels


def outputs_digest() -> str:
    columns = fixed_crowd()
    sizes = {"n_items": 1_000, "n_workers": 20, "n_classes": 5}
    gold = np.where(np.arange(1_000) % 10 == 0, np.arange(1_000) % 7 % 5, -1)
    digest = hashlib.sha256()
    for method in (dawid_skene, majority_vote):
        for known in (None, gold):
            result = method(*columns, **sizes, gold=known)
            arrays = [value for value in vars(result).values() if isinstance(value, np.ndarray)]
            arrays += leave_one_out(result, *columns, **sizes, gold=known)
            arrays.append(
                item_posterior(
                    *columns, **sizes, skills=result.skills, class_counts=result.class_counts
                )
            )
            for array in arrays:
                digest.update(array.astype(">i8").tobytes())
    return digest.hexdigest()


def test_methods__fixed_labels__give_the_golden_digest():
    assert outputs_digest() == GOLDEN


def test_methods__simd_switched_off__give_the_golden_digest():
    switched_off = dispatched_features()
    if not switched_off:
        pytest.skip("this numpy dispatches on no CPU feature here: needs an x86-64 or ARM wheel")
    program = (
        "import json\n"
        "from tests.consensus.test_determinism import outputs_digest\n"
        "from tests.support.simd import dispatched_features\n"
        "print(json.dumps([dispatched_features(), outputs_digest()]))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_without_simd(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    still_on, digest = json.loads(child.stdout)
    assert still_on == []
    assert digest == GOLDEN
