"""One SHA-256 on every machine: golden, in any order, under any name, threads and processor."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle.consensus import METHODS, item_posterior, leave_one_out, sums
from tests.support.simd import dispatched_features, environment_without_simd

ROOT = Path(__file__).parents[2]
GOLDEN = "32dcea7f36d576fb3000117a5447c12888d1ab7a8a5d1c46353eaa88ef31ee0a"
SIZES = {"n_items": 1_000, "n_workers": 20, "n_classes": 5}
GOLD = np.where(np.arange(1_000) % 10 == 0, np.arange(1_000) % 7 % 5, -1)


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


def outputs_digest(order=None, names=None) -> str:
    """SHA-256 over all that all methods give; rows in `order`, workers under `names`.

    What belongs to a row or a worker is brought back to where it was before it is hashed.
    """
    items, workers, labels = fixed_crowd()
    order = np.arange(items.size) if order is None else order
    names = np.arange(SIZES["n_workers"]) if names is None else names
    columns = items[order], names[workers][order], labels[order]
    back = np.argsort(order)
    digest = hashlib.sha256()
    for _, method in sorted(METHODS.items()):
        for known in (None, GOLD):
            result = method(*columns, **SIZES, gold=known)
            arrays = [
                result.posterior_ppm,
                result.answer,
                result.counted_ppm,
                result.skills[names],
                result.class_counts,
                np.array([result.n_iter, result.converged]),
                *(part[back] for part in leave_one_out(result, *columns, **SIZES, gold=known)),
                item_posterior(
                    *columns, **SIZES, skills=result.skills, class_counts=result.class_counts
                ),
            ]
            for array in arrays:
                digest.update(array.astype(">i8").tobytes())
    return digest.hexdigest()


def digest_in_a_process(environment) -> tuple[list[str], str]:
    program = (
        "import json\n"
        "from tests.consensus.test_determinism import outputs_digest\n"
        "from tests.support.simd import dispatched_features\n"
        "print(json.dumps([dispatched_features(), outputs_digest()]))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(child.stdout)


def test_methods__fixed_labels__give_the_golden_digest():
    assert outputs_digest() == GOLDEN


@pytest.mark.parametrize("seed", range(2))
def test_methods__rows_shuffled_and_workers_renamed__give_the_golden_digest(seed):
    random = np.random.default_rng(seed)
    assert outputs_digest(order=random.permutation(4_000)) == GOLDEN
    assert outputs_digest(names=random.permutation(SIZES["n_workers"])) == GOLDEN


@pytest.mark.parametrize("threads", [1, 2])
def test_methods__small_blocks_over_threads__give_the_golden_digest(monkeypatch, threads):
    monkeypatch.setattr(sums, "BLOCK_LABELS", 500)
    monkeypatch.setattr(sums, "BLOCK_NUMBERS", 1_000)
    monkeypatch.setattr(sums, "LABELS_A_CELL", 1)
    monkeypatch.setattr(sums, "_cores", lambda: threads)
    assert outputs_digest() == GOLDEN


def test_methods__another_openblas_kernel__give_the_golden_digest():
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    _, digest = digest_in_a_process(os.environ | threads | {"OPENBLAS_CORETYPE": "Prescott"})
    assert digest == GOLDEN


def test_methods__simd_switched_off__give_the_golden_digest():
    if not dispatched_features():
        pytest.skip("this numpy dispatches on no CPU feature here: needs an x86-64 or ARM wheel")
    still_on, digest = digest_in_a_process(environment_without_simd())
    assert still_on == []
    assert digest == GOLDEN
