"""Logs to events, by the contracts' ABI alone: the reader decodes a node's logs, the auditor those
of a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

_BITS = {"bool": 1, "address": 160, **{f"uint{bits}": bits for bits in range(8, 257, 8)}}


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
        event = _events(contract).get(log.topics[0]) if log.topics else None
        if event is None:
            raise ChainError(
                f"block {log.block}: {contract} emitted an event that its ABI doesn't know: the "
                "deployment is of another version than this installation"
            )
        try:
            arguments = event.arguments(log.topics[1:], log.data)
        except (DecodingError, FormatError, ValueError) as error:
            raise ChainError(
                f"block {log.block}: {contract}.{event.name} is malformed: {error}"
            ) from error
        return ChainEvent(contract, event.name, arguments, log.block, log.index, log.transaction)


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
    for topic, event in _events(contract).items():
        if event.name == name:
            return topic
    raise ChainError(f"{contract} has no event {name}: see oracle/chain/abi/{contract}.json")


@dataclass(frozen=True)
class _Event:
    """An event of an ABI: its name, and its indexed inputs before the others."""

    name: str
    inputs: tuple[Mapping[str, Any], ...]
    indexed_types: tuple[str, ...]
    plain_types: tuple[str, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Event:
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        plain = [part for part in entry["inputs"] if not part["indexed"]]
        types = (tuple(map(abi_type, parts)) for parts in (indexed, plain))
        return cls(entry["name"], (*indexed, *plain), *types)

    def arguments(self, topics: Sequence[bytes], data: bytes) -> Mapping[str, Any]:
        if [len(topic) for topic in topics] != [32] * len(self.indexed_types):
            raise FormatError(f"{len(topics)} topics, where {len(self.indexed_types)} words belong")
        head, types = b"".join(topics), (*self.indexed_types, *self.plain_types)
        if _are_words(types):
            values = [*map(_read_word, types, _words(head + data, len(types)))]
        else:
            # Topics are words, as static values stand in data: one call takes all of them.
            values = [*decode(self.indexed_types, head), *decode(self.plain_types, data)]
        return {
            part["name"]: to_plain(part, value)
            for part, value in zip(self.inputs, values, strict=True)
        }


@cache
def _events(contract: str) -> Mapping[bytes, _Event]:
    return {
        keccak256(signature(entry).encode()): _Event.of(entry)
        for entry in load_artifact(contract).abi
        if entry["type"] == "event"
    }


# Most events hold words alone. eth_abi reads them too, but takes twenty times as long, and would be
# most of what following a chain costs.


@cache
def _are_words(types: tuple[str, ...]) -> bool:
    return all(kind == "bytes32" or kind in _BITS for kind in types)


def _words(data: bytes, count: int) -> Iterator[bytes]:
    if len(data) != 32 * count:
        raise FormatError(f"{len(data)} bytes, where {count} words belong")
    return (data[at : at + 32] for at in range(0, len(data), 32))


def _read_word(kind: str, word: bytes) -> Any:
    """Return the value of a word of ABI type `kind`, addresses as eth_abi gives them."""
    if kind == "bytes32":
        return word
    number = int.from_bytes(word, "big")
    if number >> _BITS[kind]:
        raise FormatError(f"0x{word.hex()} is no {kind}")
    if kind == "address":
        return "0x" + word[12:].hex()
    return bool(number) if kind == "bool" else number
