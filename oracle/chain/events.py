"""Logs to events, by the contracts' ABI alone: the reader decodes a node's logs, the auditor those
of a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from oracle.chain.artifacts import load_artifact
from oracle.chain.codec import abi_type, signature, to_plain
from oracle.chain.proofs import to_bytes
from oracle.errors import ChainError, FormatError
from oracle.evidence.hashing import keccak256
from oracle.ports import ChainEvent, ChainLog


class EventDecoder:
    """Decodes the logs of the contracts at `addresses` (20 bytes each), by contract name."""

    def __init__(self, addresses: Mapping[str, bytes]) -> None:
        self._names = {address: name for name, address in addresses.items()}

    @property
    def addresses(self) -> list[bytes]:
        """The contracts' addresses."""
        return list(self._names)

    def decode(
        self, log: Mapping[str, Any], *, block: int, index: int, transaction: bytes
    ) -> ChainEvent | None:
        """Return the event in a JSON-RPC log (`address`, `topics`, `data`); None where it is
        another contract's.

        Raises ChainError where one of our contracts emitted what its ABI doesn't know.
        """
        return self.decode_log(read_log(log, block=block, index=index, transaction=transaction))

    def decode_log(self, log: ChainLog) -> ChainEvent | None:
        """Return the event in a log, as `decode` does."""
        contract = self._names.get(log.address)
        if contract is None:
            return None
        entry = _events(contract).get(log.topics[0]) if log.topics else None
        if entry is None:
            raise ChainError(
                f"block {log.block}: {contract} emitted an event that its ABI doesn't know: the "
                "deployment is of another version than this installation"
            )
        try:
            arguments = _arguments(entry, log.topics[1:], log.data)
        except (DecodingError, FormatError, ValueError) as error:
            raise ChainError(
                f"block {log.block}: {contract}.{entry['name']} is malformed: {error}"
            ) from error
        return ChainEvent(contract, entry["name"], arguments, log.block, log.index, log.transaction)


def read_log(log: Mapping[str, Any], *, block: int, index: int, transaction: bytes) -> ChainLog:
    """Return a JSON-RPC log (`address`, `topics`, `data`) that stands at the place given;
    FormatError where a part isn't hex."""
    return ChainLog(
        block,
        index,
        transaction,
        to_bytes(log["address"], "address"),
        tuple(to_bytes(topic, "topic") for topic in log["topics"]),
        to_bytes(log["data"], "data"),
    )


def event_topic(contract: str, name: str) -> bytes:
    """Return the first topic of an event's logs."""
    for topic, entry in _events(contract).items():
        if entry["name"] == name:
            return topic
    raise ChainError(f"{contract} has no event {name}: see oracle/chain/abi/{contract}.json")


@cache
def _events(contract: str) -> Mapping[bytes, Mapping[str, Any]]:
    return {
        keccak256(signature(entry).encode()): entry
        for entry in load_artifact(contract).abi
        if entry["type"] == "event"
    }


def _arguments(entry: Mapping[str, Any], topics: Sequence[bytes], data: bytes) -> Mapping[str, Any]:
    indexed = [part for part in entry["inputs"] if part["indexed"]]
    plain = [part for part in entry["inputs"] if not part["indexed"]]
    values = [decode([part["type"]], topic)[0] for part, topic in zip(indexed, topics, strict=True)]
    values += decode([abi_type(part) for part in plain], data)
    return {
        part["name"]: to_plain(part, value)
        for part, value in zip(indexed + plain, values, strict=True)
    }
