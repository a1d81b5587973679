"""From the contracts' source to their artifacts, and whether those that ship are what it gives.

Needs the pinned Vyper and snekmate (`pip install 'ddlp[contracts]'`); nothing else imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.chain.artifacts import ABI_DIR, CONTRACTS, read_artifact
from oracle.errors import InputError

INSTALL = "install ddlp[contracts], which has the pinned compiler"
# What code on chain and the meaning of its events rest on; `sourceDigest` follows from the source.
COMPARED = ("abi", "bytecode", "runtimeBytecode", "immutables")
# In a checkout the sources stand beside the package; otherwise where the auditor stands.
SOURCES = (Path(__file__).parents[2] / "contracts", Path("contracts"))


def find_sources() -> Path:
    """Return the folder of the contracts' sources; InputError where there is none."""
    for folder in SOURCES:
        if all((folder / f"{name}.vy").is_file() for name in CONTRACTS):
            return folder
    raise InputError(
        "there is no contracts/ here, which the wheel doesn't hold: check out the project's "
        "source of this version, and run the audit from its folder"
    )


def check_sources(folder: Path) -> str:
    """Compile the contracts in `folder`, compare them with the artifacts that ship, and say in
    words what compiled them.

    Raises InputError where they can't be compiled or differ: then the installation, on which every
    audit rests, isn't what the source says.
    """
    compiler = ""
    for name in CONTRACTS:
        shipped = read_artifact(name)
        compiler = f"{shipped['compiler']['name']} {shipped['compiler']['version']}"
        built = compile_contract(folder / f"{name}.vy", shipped["compiler"]["version"])
        unlike = [part for part in COMPARED if built[part] != shipped[part]]
        if unlike:
            raise InputError(
                f"{folder}/{name}.vy compiles to other {', '.join(unlike)} than "
                f"{ABI_DIR}/{name}.json holds: source and installation are of different versions, "
                "or one was altered; install again from a source that you trust"
            )
    return compiler


def compile_contract(source: Path, version: str | None = None) -> dict[str, Any]:
    """Compile one contract.

    Returns `contractName`, `compiler`, `abi`, `bytecode` (creation code, before the constructor's
    arguments), `runtimeBytecode` (what is deployed, before its immutables), `immutables` (name,
    offset and length in bytes, counted from the end of `runtimeBytecode`) and `sourceDigest`
    (Vyper's integrity sum: SHA-256 over every source and setting that went in).

    Raises InputError where Vyper is missing, isn't of `version` (if given), or refuses the source.
    """
    try:
        import vyper
        from vyper.cli.vyper_compile import compile_files
        from vyper.exceptions import VyperException
    except ImportError as error:
        raise InputError(f"Vyper isn't installed ({error}): {INSTALL}") from error
    if version is not None and vyper.__version__ != version:
        raise InputError(f"Vyper is {vyper.__version__}, {version} is needed: {INSTALL}")
    formats = ("abi", "bytecode", "bytecode_runtime", "layout", "integrity")
    try:
        compiled = compile_files([str(source)], formats, warnings_control="error")
    except (VyperException, OSError, UnicodeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{source} doesn't compile ({reason}): {INSTALL} and snekmate") from error
    output = next(value for key, value in compiled.items() if key != "version")
    return {
        "contractName": source.stem,
        "compiler": {"name": "vyper", "version": vyper.__version__},
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtimeBytecode": output["bytecode_runtime"],
        "immutables": _immutables(output["layout"].get("code_layout", {})),
        "sourceDigest": output["integrity"],
    }


def _immutables(layout: Mapping[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Flatten Vyper's code layout; names of modules' immutables are dotted."""
    found: list[dict[str, Any]] = []
    for name, entry in layout.items():
        if isinstance(entry.get("offset"), int):
            place = {"name": prefix + name, "offset": entry["offset"], "length": entry["length"]}
            found.append(place)
        else:
            found.extend(_immutables(entry, f"{prefix}{name}."))
    return sorted(found, key=lambda immutable: int(immutable["offset"]))
