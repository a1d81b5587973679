"""Stopping early on real labels: how many are saved at what loss, is the posterior right, how fast.

    .venv/bin/python bench/stopping.py                 # about half an hour on two cores
    .venv/bin/python bench/stopping.py --orders 4 --only dog --only rte

Labels of every set with eight or more an item are revealed one by one in random order. An item that
`StreamingPosterior.settled` calls settled takes no label, until a fit opens it again; with more
than one epoch, items that the closing rule of `decide` closes at a cut, by the skills behind the
receipt before it, stay closed. What the campaign's method makes of the labels taken is compared
with what it makes of all. Writes build/bench/stopping.json, stopping.png and calibration.png.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from oracle.consensus import METHODS, PPM, Closing, Consensus, closes, dawid_skene, item_posterior
from oracle.consensus.streaming import StreamingPosterior

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build/bench"
DATA = Path(os.environ.get("DDLP_DATA", ROOT.parent / "shared/data"))
SETS = (
    *("bluebird", "rte", "dog", "weather_amt", "zencrowd_all", "quiz_medicine"),
    *("sentpol", "d_product"),
)
LEAST_LABELS = 8  # an item; with fewer a replay misleads, since there is little to save
THRESHOLDS = (900_000, 950_000, 980_000, 990_000, 995_000, 998_000)
DECLARED = 980_000  # the threshold that the summary is given for
MINIMUM = 3
FITS = 40  # fits in a replay, at least so many labels apart
FINAL = ("dawid-skene", "bayesian-dawid-skene", "majority")  # methods that have the last word
TARGET_SAVED, TARGET_LOSS = 0.30, 0.005
BINS = np.array([0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0])

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """A set's labels as numbers, and the truth: -1 where it isn't known."""

    items: Ints
    workers: Ints
    labels: Ints
    truth: Ints
    n_workers: int
    n_classes: int

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "n_items": self.truth.size,
            "n_workers": self.n_workers,
            "n_classes": self.n_classes,
        }

    def some(self, rows: NDArray[Any]) -> tuple[Ints, Ints, Ints]:
        return self.items[rows], self.workers[rows], self.labels[rows]

    def accuracy(self, answer: Ints) -> float:
        known = self.truth >= 0
        return float((answer == self.truth)[known].mean())


@lru_cache
def read(name: str) -> Labels:
    """Labels of a folder of DDLP_DATA; of a worker's several on one item the first counts."""
    frame = pd.read_csv(DATA / name / "labels.csv").drop_duplicates(["task", "worker"])
    truth = pd.read_csv(DATA / name / "truth.csv").drop_duplicates("task").set_index("task").label
    items, tasks = pd.factorize(frame.task, sort=True)
    workers, people = pd.factorize(frame.worker, sort=True)
    labels, classes = pd.factorize(frame.label, sort=True)
    known = classes.get_indexer(truth.reindex(tasks).to_numpy())
    return Labels(items, workers, labels, known, len(people), len(classes))


# -- stopping --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One replay: a set, a random order, a threshold, and the number of epochs."""

    name: str
    order: int
    threshold_ppm: int
    epochs: int = 1


def replay(job: Job) -> dict[str, Any]:
    """Reveal a set's labels one by one; the share saved, and what that changes in accuracy."""
    data = read(job.name)
    count = data.items.size
    order = np.random.default_rng(job.order).permutation(count)
    taken = np.zeros(count, dtype=bool)
    stream = StreamingPosterior(data.n_classes)
    open_ = np.ones(data.truth.size, dtype=bool)
    closed = np.zeros(data.truth.size, dtype=bool)
    previous: Consensus | None = None
    cuts = {count * (epoch + 1) // job.epochs for epoch in range(job.epochs - 1)}
    for place, row in enumerate(order.tolist(), 1):
        item = int(data.items[row])
        if open_[item] and not closed[item]:
            stream.add(item, int(data.workers[row]), int(data.labels[row]))
            taken[row] = True
            open_[item] = not stream.settled([item], job.threshold_ppm, MINIMUM)[0]
        if place % max(1, count // FITS) == 0:
            stream.reconcile()
            everything = range(data.truth.size)
            open_ = ~stream.settled(everything, job.threshold_ppm, MINIMUM)
        if place in cuts:
            closed |= closing(data, taken, previous, job.threshold_ppm)
            opened = np.flatnonzero(taken & closed[data.items])
            previous = dawid_skene(*data.some(opened), **data.sizes)
    used = np.flatnonzero(taken)
    return {
        **asdict(job),
        "saved": 1 - used.size / count,
        "loss": {
            name: full_accuracy(job.name, name)
            - data.accuracy(METHODS[name](*data.some(used), **data.sizes).answer)
            for name in FINAL
        },
    }


def closing(
    data: Labels, taken: NDArray[np.bool_], previous: Consensus | None, threshold_ppm: int
) -> NDArray[np.bool_]:
    """Which items `decide` would close as agreed at a cut."""
    rows = np.flatnonzero(taken)
    posterior = item_posterior(
        *data.some(rows),
        **data.sizes,
        skills=None if previous is None else previous.skills,
        class_counts=None if previous is None else previous.class_counts,
    )
    n_labels = np.bincount(data.items[rows], minlength=data.truth.size)
    never = int(n_labels.max()) + MINIMUM
    return closes(posterior, n_labels, threshold_ppm, MINIMUM, never) == Closing.AGREED


@lru_cache
def full_accuracy(name: str, method: str) -> float:
    data = read(name)
    return data.accuracy(
        METHODS[method](*data.some(np.arange(data.items.size)), **data.sizes).answer
    )


def summary(replays: list[dict[str, Any]], names: list[str], **chosen: int) -> dict[str, Any]:
    """Means over orders, then over sets, of the replays with one threshold and number of epochs."""
    runs = [one for one in replays if all(one[key] == value for key, value in chosen.items())]
    sets = {}
    for name in names:
        own = [one for one in runs if one["name"] == name]
        sets[name] = {
            "saved": round(float(np.mean([one["saved"] for one in own])), 4),
            "loss": {
                method: round(float(np.mean([one["loss"][method] for one in own])), 5)
                for method in FINAL
            },
        }
    return {
        **chosen,
        "saved": round(float(np.mean([one["saved"] for one in sets.values()])), 4),
        "loss": {
            method: round(float(np.mean([one["loss"][method] for one in sets.values()])), 5)
            for method in FINAL
        },
        "sets": sets,
    }


# -- calibration -----------------------------------------------------------------------------------


def calibration(name: str, halves: int = 10) -> dict[str, Any]:
    """Claimed against true confidence of the closing posterior, and of the fit's own.

    Skills come from a random half of the items; items of the other half are judged by their first
    1, 2, 3, ... labels, up to half of what they have. The fit is `dawid_skene` on as many labels.
    """
    data = read(name)
    n_items = data.truth.size
    claims: dict[str, list[Ints]] = {"closing": [], "fit": []}
    right: dict[str, list[NDArray[np.bool_]]] = {"closing": [], "fit": []}
    for seed in range(halves):
        random = np.random.default_rng(seed)
        first = random.permutation(n_items) < n_items // 2
        shuffled = random.permutation(data.items.size)
        nth = np.empty(data.items.size, dtype=np.int64)
        nth[shuffled] = pd.Series(data.items[shuffled]).groupby(data.items[shuffled]).cumcount()
        fit = dawid_skene(*data.some(np.flatnonzero(first[data.items])), **data.sizes)
        most = int(np.median(np.bincount(data.items)))
        for labels in sorted({1, 2, 3, 5, max(1, most // 2)}):
            rows = np.flatnonzero(~first[data.items] & (nth < labels))
            judged = np.flatnonzero(~first & (data.truth >= 0))
            posterior = item_posterior(
                *data.some(rows), **data.sizes, skills=fit.skills, class_counts=fit.class_counts
            )
            alone = dawid_skene(*data.some(np.flatnonzero(nth < labels)), **data.sizes)
            for kind, found in (("closing", posterior), ("fit", alone.posterior_ppm)):
                claims[kind].append(found[judged].max(axis=1))
                right[kind].append(found[judged].argmax(axis=1) == data.truth[judged])
    return {
        kind: reliability(np.concatenate(claims[kind]) / PPM, np.concatenate(right[kind]))
        for kind in claims
    }


def reliability(claimed: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Bins of claimed confidence, the true share in each, and the expected calibration error."""
    place = np.clip(np.digitize(claimed, BINS[1:-1], right=False), 0, BINS.size - 2)
    bins = []
    for number in range(BINS.size - 1):
        inside = place == number
        if inside.sum() >= 30:
            bins.append(
                {
                    "claimed": round(float(claimed[inside].mean()), 4),
                    "true": round(float(right[inside].mean()), 4),
                    "share": round(float(inside.mean()), 4),
                }
            )
    error = sum(one["share"] * abs(one["claimed"] - one["true"]) for one in bins)
    return {"bins": bins, "expected_calibration_error": round(float(error), 4)}


# -- streaming -------------------------------------------------------------------------------------


def streaming(name: str, limit: int = 10_000) -> dict[str, Any]:
    """Cost of one more label, and whether decisions after `limit` labels are the refit's."""
    data = read(name)
    order = np.random.default_rng(0).permutation(data.items.size)[:limit].tolist()
    rows = [(int(data.items[r]), int(data.workers[r]), int(data.labels[r])) for r in order]
    stream = StreamingPosterior(data.n_classes)
    adding = fitting = 0.0
    fits = 0
    for place, row in enumerate(rows, 1):
        began = time.process_time_ns()
        stream.add(*row)
        added = time.process_time_ns()
        adding += added - began
        # The last fit is as long ago as it may be.
        if stream.is_due and place >= limit // FITS and place < len(rows):
            stream.reconcile()
            fitting += time.process_time_ns() - added
            fits += 1
    everything = range(data.truth.size)

    def decisions() -> Ints:
        settled = stream.settled(everything, DECLARED, MINIMUM)
        return np.where(settled, stream.posterior(everything).argmax(axis=1), -1)

    live = decisions()
    stream.reconcile()
    return {
        "labels": len(rows),
        "microseconds_a_label": round(adding / len(rows) / 1_000, 2),
        "fits": fits,
        "fit_microseconds_a_label": round(fitting / len(rows) / 1_000, 1),
        "decisions_agree": round(float((live == decisions()).mean()), 5),
    }


# -- output ----------------------------------------------------------------------------------------


def draw_stopping(report: dict[str, Any], method: str) -> None:
    figure = Figure(figsize=(11, 5), layout="constrained")
    means, each = figure.subplots(1, 2)
    for name in report["summary"][0]["sets"]:
        points = [
            (one["sets"][name]["saved"], one["sets"][name]["loss"][method])
            for one in report["summary"]
        ]
        each.plot(*_percent(points), marker="o", markersize=3, label=name)
    for final in FINAL:
        points = [(one["saved"], one["loss"][final]) for one in report["summary"]]
        means.plot(*_percent(points), marker="o", markersize=3, label=final)
    means.axhline(100 * TARGET_LOSS, color="black", linestyle=":")
    means.axvline(100 * TARGET_SAVED, color="black", linestyle=":")
    for axes, title in ((means, "mean over sets, by final method"), (each, f"by set, {method}")):
        axes.set(title=title, xlabel="labels saved, %", ylabel="accuracy lost, points")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(OUT / "stopping.png", dpi=130)


def _percent(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [100 * saved for saved, _ in points], [100 * loss for _, loss in points]


def draw_calibration(report: dict[str, Any]) -> None:
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, (name, kinds) in zip(
        figure.subplots(2, 4, sharex=True, sharey=True).flat, report.items(), strict=False
    ):
        _draw_reliability(axes, kinds)
        errors = ", ".join(
            f"{kind} {found['expected_calibration_error']:.3f}" for kind, found in kinds.items()
        )
        axes.set_title(f"{name}\ncalibration error: {errors}", fontsize=8)
    figure.supxlabel("claimed confidence")
    figure.supylabel("true share")
    figure.savefig(OUT / "calibration.png", dpi=130)


def _draw_reliability(axes: Axes, kinds: dict[str, Any]) -> None:
    axes.plot([0.2, 1], [0.2, 1], color="black", linestyle=":", linewidth=1)
    for kind, found in kinds.items():
        sizes = [10 + 200 * one["share"] for one in found["bins"]]
        claimed = [one["claimed"] for one in found["bins"]]
        true = [one["true"] for one in found["bins"]]
        axes.plot(claimed, true, linewidth=1, alpha=0.6)
        axes.scatter(claimed, true, s=sizes, alpha=0.6, label=kind)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left")


def jobs(names: list[str], orders: int, epochs: list[int]) -> Iterator[Job]:
    for name in names:
        for order in range(orders):
            for threshold in THRESHOLDS:
                yield Job(name, order, threshold)
            for several in epochs:
                yield Job(name, order, DECLARED, several)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", action="append", choices=SETS, help="a set; may be repeated")
    parser.add_argument("--orders", type=int, default=20, help="random orders of each set")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"no {DATA}: set DDLP_DATA to the folder of label files")
    OUT.mkdir(parents=True, exist_ok=True)
    sets = arguments.only or list(SETS)
    many = [one for one in sets if read(one).items.size >= LEAST_LABELS * read(one).truth.size]
    epochs = [4]
    report: dict[str, Any] = {"orders": arguments.orders, "declared": DECLARED, "minimum": MINIMUM}
    mapped: Callable[..., Any]
    with ProcessPoolExecutor(arguments.processes) as pool:
        mapped = pool.map
        report["calibration"] = dict(zip(sets, mapped(calibration, sets), strict=True))
        report["streaming"] = dict(zip(sets, mapped(streaming, sets), strict=True))
        replays = list(mapped(replay, list(jobs(many, arguments.orders, epochs)), chunksize=2))
    report["summary"] = [
        summary(replays, many, threshold_ppm=threshold, epochs=1) for threshold in THRESHOLDS
    ]
    report["epochs"] = [
        summary(replays, many, threshold_ppm=DECLARED, epochs=several) for several in epochs
    ]
    (OUT / "stopping.json").write_text(json.dumps(report, indent=1) + "\n")
    draw_stopping(report, "dawid-skene")
    draw_calibration(report["calibration"])
    for one in [*report["summary"], *report["epochs"]]:
        losses = ", ".join(f"{name} {100 * loss:.2f}" for name, loss in one["loss"].items())
        print(
            f"threshold {one['threshold_ppm'] / PPM}, {one['epochs']} epochs: "
            f"saved {100 * one['saved']:.1f} %, points lost: {losses}"
        )
    for name, found in report["streaming"].items():
        print(name, found)


if __name__ == "__main__":
    main()
