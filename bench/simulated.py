"""Accuracy of the exact methods on simulated crowds of many kinds, where the truth is known.

    .venv/bin/python bench/simulated.py --crowds 300     # a quarter of an hour on a core

Two generators draw each crowd's kind at random: classes, items, redundancy, labels per worker, skew
of the classes, skill and its spread, spammers, class-dependent errors, items that are hard or
misleading for everybody; the second has sub-classes that look like another class, communities of
workers, ordered classes and ability times ease. Prints mean accuracies: of all, by generator, of
two classes, of more, and where workers give over 60 labels.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.consensus import METHODS

MAX_LABELS = 9_000


@dataclass(frozen=True)
class Crowd:
    """Labels as columns, the truth, and the kind of crowd."""

    columns: tuple[Any, Any, Any]
    sizes: dict[str, int]
    truth: Any
    per_worker: float


def share_out(random: np.random.Generator, n_items: int, n_workers: int, each: int, tail: float):
    """Who labels what: `each` distinct workers an item, some far more active than others."""
    activity = tail * random.normal(size=n_workers)
    keys = -random.gumbel(size=(n_items, n_workers)) - activity
    return np.repeat(np.arange(n_items), each), np.argpartition(keys, each - 1)[:, :each].ravel()


def classes_of(random: np.random.Generator, n_items: int, n_classes: int, skew: float):
    shares = np.exp(skew * random.normal(size=n_classes))
    return random.choice(n_classes, n_items, p=shares / shares.sum())


def finished(random, scores, items, workers, truth, per_worker: float) -> Crowd:
    labels = (scores + random.gumbel(size=scores.shape)).argmax(axis=1)
    names, workers = np.unique(workers, return_inverse=True)
    sizes = {"n_items": truth.size, "n_workers": names.size, "n_classes": scores.shape[1]}
    return Crowd((items, workers, labels), sizes, truth, per_worker)


def by_confusion(random: np.random.Generator) -> Crowd:
    """Workers have log-odds for every pair of true and given class."""
    n_classes = int(random.choice([2, 2, 2, 3, 4, 5, 8, 12]))
    n_items = int(np.exp(random.uniform(np.log(60), np.log(2_500))))
    each = int(random.choice([3, 5, 5, 7, 10, 20]))
    per_worker = float(np.exp(random.uniform(np.log(6), np.log(250))))
    truth = classes_of(random, n_items, n_classes, random.choice([0.0, 0.5, 1.0, 2.0]))
    n_workers = max(each + 2, int(n_items * each / per_worker))
    items, workers = share_out(random, n_items, n_workers, each, random.uniform(0, 1.3))
    mean, spread = random.uniform(0.4, 0.95), float(random.choice([2, 5, 15, 50]))
    skill = random.beta(mean * spread, (1 - mean) * spread, n_workers)
    accuracy = 1 / n_classes + (1 - 1 / n_classes) * skill * 0.97
    odds = random.choice([0.0, 0.0, 0.5, 1.0]) * random.normal(size=(n_classes, n_classes))
    own = random.choice([0.0, 0.0, 0.5, 1.0, 1.5])
    odds = odds + own * random.normal(size=(n_workers, n_classes, n_classes))
    diagonal = np.arange(n_classes)
    odds[:, diagonal, diagonal] += np.log(accuracy / (1 - accuracy) * (n_classes - 1))[:, None]
    spam, kind = random.choice([0.0, 0.0, 0.1, 0.3]), random.random(n_workers)
    odds[kind < spam] = 0  # they guess; half of them have a favourite
    favourite = random.integers(n_classes, size=n_workers)
    stubborn = np.flatnonzero(kind < spam / 2)
    odds[stubborn, :, favourite[stubborn]] = 3
    hard = random.choice([0.0, 0.0, 1.0, 2.0])
    ease = np.exp(-0.5 * hard * np.abs(random.normal(size=n_items)))
    scores = odds[workers, truth[items]] * ease[items, None]
    scores += 0.5 * hard * random.normal(size=(n_items, n_classes))[items]
    trap = random.random(n_items) < random.choice([0.0, 0.0, 0.05, 0.1])
    bait = random.integers(n_classes, size=n_items), trap * random.uniform(0.5, 3, n_items)
    scores[np.arange(items.size), bait[0][items]] += bait[1][items]
    return finished(random, scores, items, workers, truth, per_worker)


def by_ability(random: np.random.Generator) -> Crowd:
    """Workers see sub-classes, some of which look like another class to their community."""
    n_classes = int(random.choice([2, 2, 2, 3, 4, 5, 6, 10]))
    n_items = int(np.exp(random.uniform(np.log(30), np.log(2_000))))
    each = int(random.choice([3, 3, 5, 5, 7, 10, 15, 30]))
    per_worker = float(np.exp(random.uniform(np.log(8), np.log(300))))
    truth = classes_of(random, n_items, n_classes, random.choice([0.0, 0.5, 1.0, 1.5]))
    n_workers = max(each + 1, int(n_items * each / per_worker))
    items, workers = share_out(random, n_items, n_workers, each, random.uniform(0, 1.5))
    groups, n_sub = int(random.choice([1, 1, 2, 4])), 3 * n_classes
    kind = random.integers(3, size=n_items) * n_classes + truth
    look = np.tile(np.eye(n_classes), (groups, 3, 1))
    doubtful = random.random(n_sub) < 2 * random.choice([0.0, 0.0, 0.15, 0.3])
    other = random.integers(n_classes, size=(groups, n_sub))
    weight = random.uniform(0.3, 1.1, (groups, n_sub)) * doubtful
    look[np.arange(groups)[:, None], np.arange(n_sub), other] += weight
    if random.random() < 0.3 and n_classes > 2:
        steps = np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes)))
        look = look @ np.exp(-1.2 * steps)
    ability = random.uniform(0.8, 3.5) * np.exp(
        random.uniform(0.2, 1.2) * random.normal(size=n_workers)
    )
    ability[random.random(n_workers) < random.choice([0.0, 0.0, 0.15])] = 0
    hard = random.choice([0.0, 0.5, 1.0])
    ease = np.exp(0.7 * hard * random.normal(size=n_items))
    clear = np.minimum(ability[workers] * ease[items], 8)[:, None]
    scores = clear * look[random.integers(groups, size=n_workers)[workers], kind[items]]
    bias = random.choice([0.0, 0.5, 1.0]) * random.normal(size=(n_workers, n_classes))
    lean = 0.4 * hard * random.normal(size=(n_items, n_classes))
    return finished(random, scores + bias[workers] + lean[items], items, workers, truth, per_worker)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crowds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first crowd")
    options = parser.parse_args()
    rows, right = [], []
    for seed in range(options.seed, options.seed + options.crowds):
        generator = (by_confusion, by_ability)[seed % 2]
        one = generator(np.random.default_rng(seed))
        if one.columns[0].size > MAX_LABELS:
            continue
        rows.append((generator is by_confusion, one.sizes["n_classes"] == 2, one.per_worker > 60))
        right.append(
            [
                (method(*one.columns, **one.sizes).answer == one.truth).mean()
                for method in METHODS.values()
            ]
        )
    found, (first, binary, dense) = np.array(right), np.array(rows).T
    groups = {
        "all": np.ones(len(rows), dtype=bool),
        "by confusion": first,
        "by ability": ~first,
        "two classes": binary,
        "more classes": ~binary,
        "over 60 labels": dense,
    }
    print(f"| {len(rows)} crowds | {' | '.join(groups)} |")
    print("| --- " * (len(groups) + 1) + "|")
    for place, name in enumerate(METHODS):
        means = [found[chosen, place].mean() for chosen in groups.values()]
        print(f"| {name} | {' | '.join(f'{mean:.4f}'[1:] for mean in means)} |")


if __name__ == "__main__":
    main()
