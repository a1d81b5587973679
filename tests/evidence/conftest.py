"""One Node process that answers for the independent implementations in JavaScript."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "independent.mjs"


@pytest.fixture(scope="session")
def javascript() -> Iterator[Callable[..., Any]]:
    folders = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    node = shutil.which("node", path=folders)
    if node is None or not (SCRIPT.parents[2] / "node_modules").is_dir():
        pytest.skip("Node or node_modules is missing: run `make test`, which installs them")
    with subprocess.Popen(
        [node, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdin
        assert process.stdout
        requests, responses = process.stdin, process.stdout

        def ask(what: str, **request: Any) -> Any:
            requests.write(json.dumps({"ask": what, **request}) + "\n")
            requests.flush()
            return json.loads(responses.readline())

        yield ask
        requests.close()
