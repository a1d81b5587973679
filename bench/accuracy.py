"""Accuracy on real labels with truth: every method of ours, crowd-kit's beside it.

    make bench-accuracy                                  # a quarter of an hour on two cores
    .venv/bin/python bench/accuracy.py --only auto       # one method; the rest stays as it was

Reads the categorical sets in DDLP_DATA (default: ../shared/data), each a folder with labels.csv and
truth.csv; any folders of that form will do. Writes build/bench/accuracy.json and prints the tables
of docs/CONSENSUS.md. Every fit is a process of its own, crowd-kit's in the venv of
bench/consensus.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from consensus import OURS, OUT, PEER, ROOT, peer_python

FLOAT = (
    *("MajorityVote", "Wawa", "ZeroBasedSkill", "DawidSkene", "OneCoinDawidSkene"),
    *("GLAD", "MACE", "MMSR", "KOS"),
)
EXACT = (
    *("majority", "weighted-majority", "one-coin", "dawid-skene", "bayesian-dawid-skene"),
    "auto",
)
MAX_CLASSES = 50  # with more, labels are numbers or texts


def sets(folder: Path) -> list[Path]:
    """The categorical sets: few answers, and every true one among them."""
    found = []
    for path in sorted(folder.glob("*/truth.csv")):
        labels = pd.read_csv(path.with_name("labels.csv"), dtype=str)
        truth = pd.read_csv(path, dtype=str)
        if not {"task", "worker", "label"} <= set(labels) or "label" not in truth:
            continue
        if labels.label.nunique() <= MAX_CLASSES and truth.label.isin(labels.label).all():
            found.append(path.parent)
    if not found:
        raise SystemExit(f"no labeled sets in {folder}: set DDLP_DATA to a folder that has some")
    return found


def measure(python: Path, module: str, method: str, params: dict[str, Any], folder: Path) -> Any:
    job = {"module": module, "method": method, "params": params, "folder": str(folder)}
    child = subprocess.run(
        [python, ROOT / "bench/peers/accuracy.py", json.dumps(job)],
        env=os.environ | ({"PYTHONPATH": str(ROOT)} if module == OURS else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(child.stdout.splitlines()[-1])


def row(name: str, results: dict[str, Any], folders: list[Path]) -> str:
    shares = [
        results[folder.name]["right"] / results[folder.name]["tasks"]
        if "right" in results[folder.name]
        else None
        for folder in folders
    ]
    cells = ["–" if share is None else f"{share:.4f}".removeprefix("0") for share in shares]
    known = [share for share in shares if share is not None]
    mean = f"{sum(known) / len(known):.4f}".removeprefix("0") if len(known) == len(shares) else "–"
    return f"| {name} | {' | '.join(cells)} | {mean} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="methods whose name contains this")
    parser.add_argument("--ours", action="store_true", help="leave crowd-kit out")
    options = parser.parse_args()
    folders = sets(Path(os.environ.get("DDLP_DATA", ROOT.parent / "shared/data")))
    OUT.mkdir(parents=True, exist_ok=True)
    report = OUT / "accuracy.json"
    found: dict[str, dict[str, Any]] = json.loads(report.read_text()) if report.exists() else {}
    jobs = [(f"{name}, exact", OURS, "Exact", {"method": name}) for name in EXACT]
    jobs += [(name, OURS, name, {}) for name in FLOAT]
    if not options.ours:
        jobs += [(f"{name}, crowd-kit", PEER, name, {}) for name in FLOAT]
    print(f"| | {' | '.join(folder.name for folder in folders)} | mean |")
    print("| --- " * (len(folders) + 2) + "|")
    for name, module, method, params in jobs:
        if options.only in name:
            python = Path(sys.executable) if module == OURS else peer_python()
            found[name] = {
                folder.name: measure(python, module, method, params, folder) for folder in folders
            }
            report.write_text(json.dumps(found, indent=1) + "\n")
        if name in found:
            print(row(name, found[name], folders), flush=True)


if __name__ == "__main__":
    main()
