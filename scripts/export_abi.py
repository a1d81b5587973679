"""Compile the contracts and write `oracle/chain/abi/<Contract>.json`, which ships with the wheel.

Run `python scripts/export_abi.py` after every change under `contracts/`; with `--check` it writes
nothing and fails when a file is out of date. The result depends on the sources and on the pinned
compiler alone, so an auditor can rebuild it and compare it with what a chain holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from oracle.chain import compiler
from oracle.chain.artifacts import ABI_DIR as ABI_DIRECTORY
from oracle.chain.artifacts import CONTRACTS, MOCKS

ROOT = Path(__file__).resolve().parent.parent


def compile_contract(name: str) -> dict[str, Any]:
    """Compile one contract of this checkout."""
    folder = ROOT / "contracts" / ("mocks" if name in MOCKS else "")
    return compiler.compile_contract(folder / f"{name}.vy")


def render(artifact: dict[str, Any]) -> str:
    """The file's text: sorted keys, so that a change shows as a small difference."""
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Write or check every artifact; 1 when `--check` finds one out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args().check
    ABI_DIRECTORY.mkdir(parents=True, exist_ok=True)
    stale = []
    for name in CONTRACTS + MOCKS:
        path = ABI_DIRECTORY / f"{name}.json"
        text = render(compile_contract(name))
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run: python scripts/export_abi.py")
        return 1
    print(f"written: {', '.join(stale) or 'nothing, all up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
