"""On a Dask cluster of any size: the bits of one process."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.consensus import dawid_skene
from oracle.consensus.estimators import ExactDawidSkene
from tests.support.crowd import crowd

ROOT = Path(__file__).parents[2]
# In a process of its own: a cluster's threads and event loop end with it.
PROGRAM = """
import sys
from distributed import LocalCluster
from oracle.consensus import sums
from tests.consensus.test_cluster import digest

def small_blocks():
    sums.BLOCK_LABELS, sums.LABELS_A_CELL = 300, 1

if __name__ == "__main__":
    small_blocks()
    processes = sys.argv[1] == "processes"
    with LocalCluster(
        n_workers=0, threads_per_worker=1, processes=processes, dashboard_address=None,
        host="127.0.0.1", protocol="tcp",
    ) as cluster:
        for n_workers in map(int, sys.argv[2:]):
            cluster.scale(n_workers)
            cluster.wait_for_workers(n_workers)
            print(digest(cluster.scheduler_address))
"""


def digest(cluster: str | None) -> str:
    """SHA-256 over what a fit gives, computed at a scheduler's address, or here."""
    people = crowd(5, n_items=900, n_classes=4)
    found = dawid_skene(*people.columns, **people.sizes, gold=people.gold, cluster=cluster)
    arrays = found.posterior_ppm, found.answer, found.skills, found.class_counts
    numbers = [*arrays, np.array([found.n_iter, found.converged])]
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(part, dtype=">i8").tobytes() for part in numbers)
    ).hexdigest()


def output_of(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.chain
@pytest.mark.parametrize(("kind", "sizes"), [("threads", [1, 2, 4]), ("processes", [2])])
def test_dawid_skene__on_clusters_of_these_sizes__gives_the_digest_of_no_cluster(kind, sizes):
    found = output_of(PROGRAM, kind, *map(str, sizes)).split()
    assert found == [digest(None)] * len(sizes)


@pytest.mark.chain
def test_dawid_skene__no_scheduler_at_the_address__raises_and_names_the_remedy():
    program = (
        "from oracle.consensus import cluster\n"
        "from oracle.errors import InputError\n"
        "from tests.consensus.test_cluster import digest\n"
        "cluster.SECONDS = 1\n"
        "try:\n"
        "    digest('tcp://127.0.0.1:1')\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    assert "start one with `dask scheduler`" in output_of(program)


def test_exact_dawid_skene__cluster__is_a_parameter():
    assert ExactDawidSkene(cluster="tcp://127.0.0.1:1").get_params()["cluster"]
    frame = pd.DataFrame({"task": [1, 1], "worker": [1, 2], "label": ["a", "a"]})
    assert ExactDawidSkene().fit_predict(frame).to_list() == ["a"]
