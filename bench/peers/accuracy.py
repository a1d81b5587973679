"""Accuracy of one method on one set of real labels, in a process of its own.

    python bench/peers/accuracy.py JSON

Runs in either venv. JSON has `module`, `method`, `params` and `folder` (with labels.csv and
truth.csv). Prints JSON: `right` and `tasks`, counted over tasks with truth; or `error`, where the
method fails.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.simplefilter("ignore")  # crowd-kit's, of pandas and numpy


def main() -> None:
    job = json.loads(sys.argv[1])
    method = getattr(importlib.import_module(job["module"]), job["method"])
    text = {"task": str, "worker": str, "label": str}
    labels = pd.read_csv(Path(job["folder"]) / "labels.csv", dtype=text)
    truth = pd.read_csv(Path(job["folder"]) / "truth.csv", dtype=text).set_index("task").label
    try:
        answers = method(**job["params"]).fit_predict(labels[["task", "worker", "label"]])
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}))
        return
    right = int((answers.reindex(truth.index) == truth).sum())
    print(json.dumps({"right": right, "tasks": len(truth)}))


if __name__ == "__main__":
    main()
