"""Calls and results by the contracts' ABI; values as everywhere here: addresses are 20 bytes, lists
and structs tuples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from oracle.chain.artifacts import load_artifact
from oracle.errors import ChainError
from oracle.evidence.hashing import keccak256


def encode_call(contract: str, function: str, arguments: Sequence[Any]) -> bytes:
    """Return the data of a call; ChainError where the arguments don't fit the function's types."""
    entry = _function(contract, function)
    types = [abi_type(part) for part in entry["inputs"]]
    try:
        return keccak256(signature(entry).encode())[:4] + encode(types, arguments)
    except (EncodingError, ValueError) as error:
        raise ChainError(f"{contract}.{function} can't take these arguments: {error}") from error


def decode_result(contract: str, function: str, data: bytes) -> Any:
    """Return what a call returned: one value, or a tuple of several; ChainError where it is
    malformed.
    """
    outputs = _function(contract, function)["outputs"]
    try:
        values = decode([abi_type(part) for part in outputs], data)
    except DecodingError as error:
        raise ChainError(
            f"{contract}.{function} returned 0x{data.hex()}: is it there, in this version?"
        ) from error
    plain = tuple(to_plain(part, value) for part, value in zip(outputs, values, strict=True))
    return plain[0] if len(plain) == 1 else plain


def member_names(contract: str, function: str) -> list[str]:
    """Return the names of the members of the struct that a function returns."""
    return [part["name"] for part in _function(contract, function)["outputs"][0]["components"]]


def signature(entry: Mapping[str, Any]) -> str:
    """Return the signature of a function or event, whose keccak-256 is its selector or topic."""
    return f"{entry['name']}({','.join(abi_type(part) for part in entry['inputs'])})"


def abi_type(part: Mapping[str, Any]) -> str:
    """Return an ABI type as signatures write it: a struct is the list of its members' types."""
    kind: str = part["type"]
    if kind.startswith("tuple"):
        members = ",".join(abi_type(member) for member in part["components"])
        return f"({members}){kind.removeprefix('tuple')}"
    return kind


def to_plain(part: Mapping[str, Any], value: Any) -> Any:
    """Turn eth_abi's value of an ABI type into ours."""
    kind: str = part["type"]
    if kind.endswith("]"):
        inner = {**part, "type": kind[: kind.rindex("[")]}
        return tuple(to_plain(inner, one) for one in value)
    if kind == "tuple":
        members = zip(part["components"], value, strict=True)
        return tuple(to_plain(member, one) for member, one in members)
    return bytes.fromhex(value[2:]) if kind == "address" else value


@cache
def _function(contract: str, function: str) -> Mapping[str, Any]:
    for entry in load_artifact(contract).abi:
        if entry["type"] == "function" and entry["name"] == function:
            return entry
    raise ChainError(f"{contract} has no function {function}: see oracle/chain/abi/{contract}.json")
