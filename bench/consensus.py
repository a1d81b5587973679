"""Consensus beside crowd-kit: the same tables, one run, two threads each.

    make bench-consensus                      # about ten minutes on two cores
    .venv/bin/python bench/consensus.py --resume     # goes on where an interrupted run ended
    .venv/bin/python bench/consensus.py --only DawidSkene --pairs 3 --huge

Installs crowd-kit (pinned, with the scikit-learn that it needs) into build/bench/venv by the hashed
lock beside this file. Every measurement is a process of its own, that repeats what takes less than
three seconds; peer and ours alternate, and the least time of each counts. Then bench/scale.py
measures the exact method from 10⁴ to 10⁷ labels.
Writes build/bench/consensus.json after each case, and build/bench/consensus.png: `ratios` by case,
`start` (import and first call, cold and warm), `scale`, `results`. Says which targets are met.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import venv
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build/bench"
SCALE = OUT / "scale.json"  # written by bench/scale.py
COLD_SECONDS = 2
SECONDS = 3  # of one measurement, at least
LOCK = ROOT / "bench/requirements-crowdkit.lock"
OURS, PEER = "oracle.consensus.estimators", "crowdkit.aggregation"
TWENTY = {"n_iter": 20, "tol": -1.0}  # twenty iterations, converged or not


@dataclass(frozen=True)
class Case:
    """One method on one table; `target` is the least speed-up asked for, None for 5x where slow."""

    method: str
    table: str
    params: dict[str, Any] = field(default_factory=dict)
    target: float | None = None
    ours: str | None = None  # where our class has another name
    gold: bool = False

    @property
    def name(self) -> str:
        return f"{self.ours or self.method} on {self.table}"


CASES = [
    Case("DawidSkene", "integers 1e4", TWENTY),
    Case("DawidSkene", "integers 1e5", TWENTY),
    Case("DawidSkene", "integers 1e6", TWENTY, 50),
    Case("DawidSkene", "strings 1e6", TWENTY, 80),
    Case("DawidSkene", "integers 1e4", TWENTY, ours="ExactDawidSkene"),
    Case("DawidSkene", "integers 1e5", TWENTY, ours="ExactDawidSkene"),
    Case("DawidSkene", "integers 1e6", TWENTY, 40, ours="ExactDawidSkene"),
    Case("OneCoinDawidSkene", "integers 1e5", TWENTY),
    Case("MajorityVote", "integers 1e4"),
    Case("MajorityVote", "integers 1e6"),
    Case("MajorityVote", "strings 1e6"),
    Case("GoldMajorityVote", "integers 1e6", gold=True),
    Case("Wawa", "integers 1e6"),
    Case("ZeroBasedSkill", "integers 1e5"),
    Case("KOS", "binary 1e5"),
    Case("GLAD", "d_product", {}, 100),
    Case("MACE", "d_product", {}, 50),
    Case("MMSR", "rte"),  # on d_product crowd-kit fails: skills are NaN
]
SCALING = [Case("DawidSkene", "integers 1e7", TWENTY)]


def make_table(name: str) -> pd.DataFrame:
    """Labels by name: a folder of DDLP_DATA, or simulated with five labels a task."""
    if " " not in name:
        folder = Path(os.environ.get("DDLP_DATA", ROOT.parent / "shared/data"))
        if not (folder / name).is_dir():
            raise SystemExit(f"no {folder / name}: set DDLP_DATA to the folder of label files")
        return pd.read_csv(folder / name / "labels.csv")[["task", "worker", "label"]]
    kind, size = name.split()
    n_labels, n_classes = int(float(size)), 2 if kind == "binary" else 4
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(n_labels // 5), 5)
    n_workers = min(2_000, n_labels // 50)
    worker = random.integers(0, n_workers, n_labels)
    accuracy = random.beta(6, 3, n_workers)
    truth = random.integers(0, n_classes, n_labels // 5)
    right = random.random(n_labels) < accuracy[worker]
    label = np.where(right, truth[task], random.integers(0, n_classes, n_labels))
    frame = pd.DataFrame({"task": task, "worker": worker, "label": label})
    frame = frame.iloc[random.permutation(n_labels)].reset_index(drop=True)
    if kind == "strings":
        for column in frame:
            frame[column] = [f"{column}-{code:07d}" for code in frame[column]]
    return frame


def table_file(name: str) -> Path:
    path = OUT / f"{name.replace(' ', '-')}.pickle"
    if not path.exists():
        make_table(name).to_pickle(path)
    return path


def gold_file(name: str) -> Path:
    """Answers of every tenth task: the vote's, so that every worker has gold to be judged on."""
    path = table_file(name).with_suffix(".gold")
    if not path.exists():
        frame = pd.read_pickle(table_file(name))
        some = frame[frame.task.isin(np.sort(frame.task.unique())[::10])]
        some.groupby("task").label.agg(lambda given: given.mode().iloc[0]).to_pickle(path)
    return path


def peer_python() -> Path:
    """The interpreter of crowd-kit's venv, made anew when its lock changes."""
    folder = OUT / "venv"
    stamp = folder / f"stamp-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if not stamp.exists():
        print("installing crowd-kit into build/bench/venv", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
        stamp.touch()
    return folder / "bin/python"


def measure(python: Path, module: str, method: str, case: Case, seconds: float) -> dict[str, Any]:
    job = {
        "module": module,
        "method": method,
        "params": case.params,
        "data": str(table_file(case.table)),
        "seconds": seconds,
    }
    if case.gold:
        job["true_labels"] = str(gold_file(case.table))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    path = {"PYTHONPATH": str(ROOT)} if module == OURS else {}
    child = subprocess.run(
        [python, ROOT / "bench/peers/measure.py", json.dumps(job)],
        env=os.environ | threads | path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2]),
    )
    if child.returncode:
        raise RuntimeError(f"{module} {method} on {case.table} failed:\n{child.stderr}")
    result: dict[str, Any] = json.loads(child.stdout)
    return result


def least(results: list[dict[str, Any]]) -> dict[str, Any]:
    return results[0] | {
        key: min(result[key] for result in results)
        for key in ("import", "first", "second", "best", "cpu", "memory")
    }


def run(case: Case, pairs: int, peer: bool = True) -> dict[str, Any]:
    ours, theirs = [], []
    for _ in range(pairs):
        if peer:
            theirs.append(measure(peer_python(), PEER, case.method, case, SECONDS))
        ours.append(
            measure(
                Path(sys.executable), OURS, case.ours or case.method, case, SECONDS if peer else 0
            )
        )
    result: dict[str, Any] = {"case": case.name, **asdict(case), "mine": least(ours)}
    if peer:
        result["peer"] = least(theirs)
        result["speedup"] = result["peer"]["best"] / result["mine"]["best"]
        result["memory_share"] = result["mine"]["memory"] / max(result["peer"]["memory"], 1)
        asked = case.target or (5 if result["peer"]["best"] > 1 else 1)
        result["asked"], result["met"] = asked, result["speedup"] >= asked
        if case.method == "DawidSkene" and case.target:
            result["memory_asked"] = 1 / 3
            result["memory_met"] = result["memory_share"] <= 1 / 3
    return result


def line(result: dict[str, Any]) -> str:
    mine = result["mine"]
    text = f"{result['case']:38} {mine['best']:9.4f} s {mine['memory'] / 2**20:7.0f} MiB"
    if "peer" in result:
        peer = result["peer"]
        text += f"  peer {peer['best']:9.4f} s {peer['memory'] / 2**20:7.0f} MiB"
        text += f"  {result['speedup']:7.1f}x of {result['asked']:g}x"
        text += "" if result["met"] else "  NOT MET"
    return text


def plot(report: dict[str, Any]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    results = report["results"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
    compared = [result for result in results if "peer" in result]
    names = [result["case"] for result in compared]
    left.barh(names, [result["speedup"] for result in compared], color="tab:blue")
    left.scatter([result["asked"] for result in compared], names, color="tab:red", label="asked")
    left.set(xscale="log", xlabel="times faster than crowd-kit", title="Time of fit_predict")
    left.invert_yaxis()
    left.legend()
    lines: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        if not result["table"].startswith("integers") or result["method"] != "DawidSkene":
            continue
        size = float(result["table"].split()[1])
        lines.setdefault(result["ours"] or "DawidSkene", []).append((size, result["mine"]["cpu"]))
        if "peer" in result and not result["ours"]:
            lines.setdefault("crowd-kit DawidSkene", []).append((size, result["peer"]["cpu"]))
    if report["scale"]:
        lines["exact, from chunks"] = [(r["labels"], r["cpu"]) for r in report["scale"].values()]
    for name, points in lines.items():
        right.plot(*zip(*sorted(points), strict=True), marker="o", label=name)
    right.set(xscale="log", yscale="log", xlabel="labels", ylabel="seconds of processors")
    right.set(title="Twenty iterations, four classes, two threads")
    if lines:
        right.legend()
    figure.savefig(OUT / "consensus.png", dpi=120)


def report_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All that is known, in the order of cases; ratios by name first."""
    results = [found[case.name] for case in CASES + SCALING if case.name in found]
    compared = [result for result in results if "peer" in result]
    cold = {r["case"]: r["mine"]["import"] + r["mine"]["first"] for r in results}
    return {
        "machine": {"cpu": platform.processor() or platform.machine(), "python": sys.version},
        "peer": "crowd-kit 1.4.2, bench/requirements-crowdkit.lock",
        "ratios": {
            result["case"]: {
                key: result[key]
                for key in ("speedup", "asked", "met", "memory_share", "memory_asked", "memory_met")
                if key in result
            }
            for result in compared
        },
        "start": {  # seconds, in a process of its own; the least over cases but for the worst cold
            "import": min(r["mine"]["import"] for r in results),
            "first_call": min(r["mine"]["first"] for r in results),
            "warm_call": min(r["mine"]["second"] for r in results),
            "import_and_first_call": min(cold.values()),
            "worst": max(cold, key=lambda case: cold[case]),
            "import_and_first_call_of_worst": max(cold.values()),
            "asked": COLD_SECONDS,
        },
        "scale": json.loads(SCALE.read_text()) if SCALE.exists() else {},
        "results": results,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name contains this; the rest stay")
    parser.add_argument("--resume", action="store_true", help="only what the report lacks")
    parser.add_argument("--pairs", type=int, default=2, help="measurements of each side")
    parser.add_argument("--huge", action="store_true", help="float estimators at 10⁷ labels too")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    report_file = OUT / "consensus.json"
    found: dict[str, dict[str, Any]] = {}
    if (options.only or options.resume) and report_file.exists():
        before = json.loads(report_file.read_text())["results"]
        found = {r["case"]: r for r in before if "second" in r["mine"]}  # else of an older form
    cases = [
        case for case in CASES + (SCALING if options.huge else []) if options.only in case.name
    ]
    for case in cases:
        if options.resume and case.name in found:
            continue
        found[case.name] = run(case, options.pairs, peer=case not in SCALING)
        print(line(found[case.name]), flush=True)
        report_file.write_text(json.dumps(report_of(found), indent=1) + "\n")
    if not options.only:
        subprocess.run([sys.executable, ROOT / "bench/scale.py"], check=True)
    report = report_of(found)
    report_file.write_text(json.dumps(report, indent=1) + "\n")
    plot(report)
    ratios = report["ratios"].values()
    print(f"{sum(ratio['met'] for ratio in ratios)} of {len(ratios)} speeds as asked")
    memory = [ratio["memory_met"] for ratio in ratios if "memory_met" in ratio]
    print(f"{sum(memory)} of {len(memory)} peaks of memory as asked")
    print("import and first call: {import_and_first_call:.2f} s".format(**report["start"]))
    print(f"written: {report_file}, {OUT / 'consensus.png'}")


if __name__ == "__main__":
    main()
