"""One measurement in a process of its own: time and memory of one method on one table.

    python bench/peers/measure.py JSON

Runs in either venv. JSON has `module`, `method`, `params`, `data` (a pickled DataFrame `task,
worker, label`), optionally `true_labels` (a pickled Series), and `seconds`: repeat until so much
time has passed, at least once. Prints JSON: `import`, `first` and `second` (the import, and two
calls on a tiny table: cold and warm), `best` seconds, `cpu` (seconds of all threads), `runs`,
`memory` (peak bytes above those with the data loaded), `labels` (a digest of the answers) and
`versions`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # crowd-kit's, of pandas


def status(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{key}:\s+(\d+) kB", text)
    assert found, key
    return int(found[1]) * 1024


def main() -> None:
    job = json.loads(sys.argv[1])
    start = time.perf_counter()
    module = importlib.import_module(job["module"])
    imported = time.perf_counter()
    import pandas as pd

    rows = [(t, w, (t + (t * w % 7 == 1)) % 2) for t in range(60) for w in range(6) if t % 6 != w]
    tiny = pd.DataFrame(rows, columns=["task", "worker", "label"])
    method = getattr(module, job["method"])
    gold = (pd.Series([t % 2 for t in range(60)]),) if "true_labels" in job else ()
    begun = time.perf_counter()
    method(**job["params"]).fit_predict(tiny, *gold)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    method(**job["params"]).fit_predict(tiny, *gold)
    second = time.perf_counter() - begun

    data = pd.read_pickle(job["data"])
    if gold:
        gold = (pd.read_pickle(job["true_labels"]),)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS")
    times: list[float] = []
    cpu: list[float] = []
    while not times or sum(times) < job["seconds"]:
        begun, worked = time.perf_counter(), time.process_time()
        answers = method(**job["params"]).fit_predict(data, *gold)
        times.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - worked)
    memory = status("VmHWM") - before
    digest = hashlib.sha256(
        repr(sorted(zip(answers.index.astype(str), answers.astype(str), strict=True))).encode()
    )
    versions = {
        name: importlib.import_module(name).__version__ for name in ("numpy", "pandas", "scipy")
    }
    print(
        json.dumps(
            {
                "import": imported - start,
                "first": first,
                "second": second,
                "best": min(times),
                "cpu": min(cpu),
                "runs": len(times),
                "memory": memory,
                "labels": digest.hexdigest()[:16],
                "versions": versions,
            }
        )
    )


if __name__ == "__main__":
    main()
