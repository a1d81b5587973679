"""Write tests/consensus/crowdkit.json: what crowd-kit answers on one small table of labels.

    build/bench/venv/bin/python bench/peers/crowdkit_golden.py

Run by hand, in the venv of bench/consensus.py. The tests compare our estimators with the file, so
that they need no crowd-kit.
"""

from __future__ import annotations

import json
from pathlib import Path

import crowdkit.aggregation as peer
import numpy as np
import pandas as pd

OUT = Path(__file__).parents[2] / "tests/consensus/crowdkit.json"
METHODS = ("MajorityVote", "Wawa", "ZeroBasedSkill", "DawidSkene", "OneCoinDawidSkene", "GLAD")


def table() -> pd.DataFrame:
    """400 labels: 80 tasks, 12 workers, one of whom has a single label, some rows twice.

    Names are such that order of appearance is order of name, for workers and for classes: where it
    isn't, crowd-kit's MACE mixes up its workers.
    """
    random = np.random.default_rng(7)
    truth = random.integers(0, 3, 80)
    rows = []
    for task in range(80):
        for worker in sorted(random.choice(11, 5, replace=False)):
            right = random.random() < 0.4 + 0.05 * worker
            rows.append((task, worker, truth[task] if right else random.integers(0, 3)))
    rows += [*rows[3:8], (5, 11, 2)]
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    for column in ("worker", "label"):
        frame[column] = pd.factorize(frame[column])[0]
    return frame


def main() -> None:
    frame = table()
    golden: dict[str, object] = {column: frame[column].tolist() for column in frame}
    for name in METHODS:
        model = getattr(peer, name)()
        probas = model.fit_predict_proba(frame).sort_index(axis=0).sort_index(axis=1)
        result: dict[str, object] = {"probas": probas.to_numpy().tolist()}
        if hasattr(model, "loss_history_"):
            result["loss_history"] = model.loss_history_
        if hasattr(model, "errors_"):
            result["errors"] = model.errors_.sort_index().to_numpy().tolist()
        if hasattr(model, "skills_"):
            result["skills"] = model.skills_.sort_index().to_list()
        golden[name] = result
    answers = pd.Series({0: 1, 7: 0, 9: 2})
    model = peer.DawidSkene(n_iter=10, tol=-1).fit(frame, answers)
    golden["DawidSkene with true_labels"] = {
        "probas": model.probas_.sort_index().to_numpy().tolist(),
        "loss_history": model.loss_history_,
    }
    mace = peer.MACE(n_restarts=1, n_iter=20).fit(frame)
    golden["MACE"] = {"probas": mace.probas_.to_numpy().tolist()}
    OUT.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
