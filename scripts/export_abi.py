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

import vyper
from vyper.cli.vyper_compile import compile_files

ROOT = Path(__file__).resolve().parent.parent
ABI_DIRECTORY = ROOT / "oracle" / "chain" / "abi"
CONTRACTS = ("LabelToken", "StakeVault", "CampaignEscrow", "ReceiptBoard")


def _immutables(layout: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Flatten Vyper's code layout; names of modules' immutables are dotted."""
    found: list[dict[str, Any]] = []
    for name, entry in layout.items():
        if isinstance(entry.get("offset"), int):
            place = {"name": prefix + name, "offset": entry["offset"], "length": entry["length"]}
            found.append(place)
        else:
            found.extend(_immutables(entry, f"{prefix}{name}."))
    return sorted(found, key=lambda immutable: immutable["offset"])


def compile_contract(name: str) -> dict[str, Any]:
    """Compile one contract.

    Returns:
        `contractName`, `compiler`, `abi`, `bytecode` (creation code, before the constructor's
        arguments), `runtimeBytecode` (what is deployed, before its immutables), `immutables` (name,
        offset and length in bytes, counted from the end of `runtimeBytecode`) and `sourceDigest`
        (Vyper's integrity sum: SHA-256 over every source and setting that went in).
    """
    source = ROOT / "contracts" / f"{name}.vy"
    formats = ("abi", "bytecode", "bytecode_runtime", "layout", "integrity")
    compiled = compile_files([str(source)], formats, warnings_control="error")
    output = next(value for key, value in compiled.items() if key != "version")
    return {
        "contractName": name,
        "compiler": {"name": "vyper", "version": vyper.__version__},
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtimeBytecode": output["bytecode_runtime"],
        "immutables": _immutables(output["layout"].get("code_layout", {})),
        "sourceDigest": output["integrity"],
    }


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
    for name in CONTRACTS:
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
