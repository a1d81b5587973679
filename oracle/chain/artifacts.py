"""The compiled contracts that ship with the wheel: `abi/<Contract>.json`, written by
scripts/export_abi.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oracle.errors import ChainError

ABI_DIR = Path(__file__).with_name("abi")
# In the order of deployment.
CONTRACTS = (
    "LabelToken",
    "Governance",
    "Treasury",
    "StakeVault",
    "CampaignEscrow",
    "ReceiptBoard",
)
# Deployed on development chains beside them.
MOCKS = ("TestArbitrator",)


@dataclass(frozen=True)
class Immutable:
    """A value that the constructor writes behind the runtime code: offset and length in bytes."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class Artifact:
    """One compiled contract: `creation_code` before the constructor's arguments, `runtime_code`
    before its immutables.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    creation_code: bytes
    runtime_code: bytes
    immutables: tuple[Immutable, ...]

    @property
    def constructor_types(self) -> list[str]:
        """ABI types of the constructor's arguments."""
        for entry in self.abi:
            if entry["type"] == "constructor":
                return [argument["type"] for argument in entry["inputs"]]
        return []


@cache
def load_artifact(name: str) -> Artifact:
    """Return the artifact of the contract `name`; ChainError where it didn't come with this
    installation.
    """
    content = read_artifact(name)
    return Artifact(
        name,
        tuple(content["abi"]),
        bytes.fromhex(content["bytecode"].removeprefix("0x")),
        bytes.fromhex(content["runtimeBytecode"].removeprefix("0x")),
        tuple(
            Immutable(one["name"], one["offset"], one["length"]) for one in content["immutables"]
        ),
    )


def read_artifact(name: str) -> Mapping[str, Any]:
    """Return an artifact's file as JSON values; ChainError where it is missing."""
    path = ABI_DIR / f"{name}.json"
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChainError(
            f"{path} is missing: run `make abi`, or install the package again"
        ) from None
    return content
