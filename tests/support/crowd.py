"""A simulated crowd of stated profiles, for tests of consensus and pay without a chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HONEST_ACCURACY = {"expert": 0.97, "ordinary": 0.88, "careless": 0.75}
COLLUSION_SHARE = 0.4  # of all items: there both colluders give one shared random answer
POOL = (
    *["expert"] * 3,
    *["ordinary"] * 4,
    *["careless"] * 2,
    "spammer",
    *["colluder"] * 2,
)


@dataclass(frozen=True)
class Crowd:
    """Labels of simulated workers, with the truth and the gold (-1 where an item is not gold)."""

    items: NDArray[np.int64]
    workers: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    gold: NDArray[np.int64]
    n_workers: int
    n_classes: int

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "n_items": self.truth.size,
            "n_workers": self.n_workers,
            "n_classes": self.n_classes,
        }

    @property
    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        return self.items, self.workers, self.labels


def crowd(
    seed: int,
    *,
    n_items: int = 600,
    n_classes: int = 10,
    redundancy: tuple[int, int] = (3, 5),
    gold_share: float = 0.1,
    pool: tuple[str, ...] = POOL,
) -> Crowd:
    """Draw a crowd: each item goes to a random number of workers within `redundancy`."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, n_classes, n_items)
    gold = np.where(random.random(n_items) < gold_share, truth, -1)
    colluding = random.random(n_items) < COLLUSION_SHARE
    shared = random.integers(0, n_classes, n_items)
    rows = []
    for item in range(n_items):
        count = random.integers(redundancy[0], redundancy[1] + 1)
        for worker in random.choice(len(pool), count, replace=False):
            profile = pool[worker]
            right = random.random() < HONEST_ACCURACY.get(profile, HONEST_ACCURACY["ordinary"])
            other = (truth[item] + random.integers(1, n_classes)) % n_classes
            label = truth[item] if right else other
            if profile == "spammer":
                label = random.integers(n_classes)
            elif profile == "colluder" and colluding[item]:
                label = shared[item]
            rows.append((item, worker, label))
    items, workers, labels = np.array(rows, dtype=np.int64).T
    return Crowd(items, workers, labels, truth, gold, len(pool), n_classes)
