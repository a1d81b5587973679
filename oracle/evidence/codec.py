"""Canonical bytes: blocks, their digests and CIDs, and the columns inside them (docs/FORMATS.md,
section 1).

Whatever is read is encoded again and compared: bytes that are valid but not canonical are refused,
so that one object has one digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cbor2
import numpy as np
import rfc8785
from numpy.typing import NDArray

from oracle.errors import FormatError
from oracle.evidence.hashing import sha256

MAX_BLOCK = 1 << 20
MAX_DEPTH = 64
SHARD_ROWS = 8192
RAW, DAG_CBOR = 0x55, 0x71

Array = NDArray[Any]
_Row = TypeVar("_Row")
_CID_TAG = 42
_SIMPLE = {20: False, 21: True, 22: None}
_NESTING = re.compile(r'\\[\s\S]|["\[\]{}]')
_TYPES = {"u16": ">u2", "u32": ">u4", "u64": ">u8"}


@dataclass(frozen=True)
class Block:
    """One content-addressed block: its codec and bytes (at most 1 MiB)."""

    codec: int
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) > MAX_BLOCK:
            raise FormatError(
                f"a block of {len(self.data)} bytes is over 1 MiB: split it into shards"
            )

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes, 32 bytes."""
        return sha256(self.data)

    @property
    def link(self) -> Link:
        """The CID of the block."""
        return Link(self.codec, self.digest)


@dataclass(frozen=True, order=True)
class Link:
    """A CIDv1 with SHA-256: codec (`RAW` or `DAG_CBOR`) and 32-byte digest."""

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in (RAW, DAG_CBOR) or len(self.digest) != 32:
            raise FormatError("a link is a CIDv1 of codec raw or dag-cbor with a 32-byte SHA-256")

    @property
    def binary(self) -> bytes:
        """The binary CID, 36 bytes."""
        return bytes([1, self.codec, 0x12, 0x20]) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.binary).decode().lower().rstrip("=")

    @classmethod
    def from_binary(cls, data: bytes) -> Link:
        """Parse a 36-byte binary CID; FormatError for any other kind of CID."""
        if len(data) != 36 or data[0] != 1 or data[2:4] != b"\x12\x20":
            raise FormatError(f"not a CIDv1 with SHA-256: {data[:8].hex()}…")
        return cls(data[1], data[4:])

    @classmethod
    def parse(cls, text: str) -> Link:
        """Parse the base32 text of a CIDv1; FormatError unless it is canonical."""
        try:
            body = text[1:].upper()
            link = cls.from_binary(base64.b32decode(body + "=" * (-len(body) % 8)))
        except ValueError as error:
            raise FormatError(f"not a CID: {text[:80]!r}") from error
        if str(link) != text:
            raise FormatError(f"not a canonical CID: {text[:80]!r}")
        return link


def encode_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of `value`; FormatError for floats and for integers of 2^53 and
    more.
    """
    _check_json(value)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise FormatError(f"not canonical JSON: {error}") from error


def parse_json(text: str) -> Any:
    """Parse any JSON that people write; FormatError where it is none, or nests too deeply."""
    _check_nesting(text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise FormatError(f"not JSON: {error}") from error


def decode_json(data: bytes) -> Any:
    """Parse canonical JSON bytes; FormatError for anything that RFC 8785 would write otherwise."""
    _check_size(data)
    try:
        value = parse_json(data.decode())
    except UnicodeDecodeError as error:
        raise FormatError(f"not JSON: {error}") from error
    if encode_json(value) != data:
        raise FormatError("JSON is valid but not canonical (RFC 8785)")
    return value


def encode_cbor(value: Any) -> bytes:
    """Return the DAG-CBOR bytes of `value`; `Link`s become tag 42."""
    try:
        return cbor2.dumps(_to_cbor(value), canonical=True)
    except UnicodeEncodeError as error:
        raise FormatError("DAG-CBOR texts are Unicode, without lone surrogates") from error


def decode_cbor(data: bytes) -> Any:
    """Parse DAG-CBOR bytes; FormatError for whatever DAG-CBOR would write otherwise."""
    _check_size(data)
    reader = _CborReader(data)
    value = reader.value()
    if not reader.at_end() or encode_cbor(value) != data:
        raise FormatError("CBOR is valid but not canonical (DAG-CBOR)")
    return value


def json_block(value: Any) -> Block:
    """Return `value` as a raw block of canonical JSON."""
    return Block(RAW, encode_json(value))


def cbor_block(kind: str, fields: Mapping[str, Any]) -> Block:
    """Return `fields` as a DAG-CBOR block with its `v` and `kind`."""
    return Block(DAG_CBOR, encode_cbor({"v": 1, "kind": kind, **fields}))


def read_cbor(data: bytes, kind: str, keys: Iterable[str]) -> dict[str, Any]:
    """Parse a DAG-CBOR block that must be of `kind` and hold exactly `keys` (beside `v` and
    `kind`).
    """
    value = decode_cbor(data)
    if not isinstance(value, dict) or value.get("kind") != kind or whole(value.get("v")) != 1:
        raise FormatError(f"expected a block of kind {kind!r}, version 1")
    expected = {"v", "kind", *keys}
    if set(value) != expected:
        raise FormatError(f"{kind}: keys {sorted(value)} instead of {sorted(expected)}")
    return value


def whole(value: Any, bits: int = 64) -> int:
    """Check that a decoded value is an unsigned integer of at most `bits`; true and false are
    none."""
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise FormatError(f"expected an unsigned integer of {bits} bits")
    return value


def column(values: Array | Sequence[int], cell: str) -> bytes:
    """Pack non-negative integers as a `u16`, `u32` or `u64` column; FormatError where one doesn't
    fit.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.dtype(_TYPES[cell]):
        return values.tobytes()
    limit = np.iinfo(np.dtype(_TYPES[cell])).max
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if listed and (min(listed) < 0 or max(listed) > limit):
        raise FormatError(f"a value doesn't fit a {cell} column")
    return np.array(listed, dtype=_TYPES[cell]).tobytes()


def integers(data: Any, cell: str, rows: int | None = None) -> Array:
    """Unpack an integer column into a native array (int64; uint64 for `u64`), checking its length
    against `rows`.
    """
    width = int(cell[1:]) // 8
    _check_column(data, width, rows)
    return np.frombuffer(data, dtype=_TYPES[cell]).astype(np.uint64 if cell == "u64" else np.int64)


def cells(data: Any, width: int, rows: int | None = None) -> list[bytes]:
    """Unpack a column of byte strings of `width` bytes each."""
    _check_column(data, width, rows)
    return [data[at : at + width] for at in range(0, len(data), width)]


def text_table(texts: Sequence[bytes]) -> tuple[list[str], list[int]]:
    """Return the distinct canonical texts sorted by bytes, and each row's index into them."""
    table = sorted(set(texts))
    number = {text: index for index, text in enumerate(table)}
    return [text.decode() for text in table], [number[text] for text in texts]


def table_rows(table: Any, indexes: Array) -> list[bytes]:
    """Undo `text_table`; FormatError for an unsorted table or an index outside it."""
    encoded = text_rows(table, indexes)
    return [encoded[index] for index in indexes.tolist()]


def text_rows(table: Any, indexes: Array) -> list[bytes]:
    """Return a table's texts; FormatError unless it is sorted and `indexes` use each of them."""
    if not isinstance(table, list) or not all(isinstance(text, str) for text in table):
        raise FormatError("a table is a list of texts")
    encoded = [text.encode() for text in table]
    if encoded != sorted(set(encoded)) or (len(indexes) and int(indexes.max()) >= len(encoded)):
        raise FormatError("a table is sorted, without repeats, and holds every index")
    if len(np.unique(indexes)) != len(encoded):
        raise FormatError("a table holds no text that no row uses")
    return encoded


def split(rows: Sequence[_Row], size: int = SHARD_ROWS) -> list[Sequence[_Row]]:
    """Cut `rows` into shards of at most `size`; no rows, no shards."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BLOCK:
        raise FormatError(f"{len(data)} bytes are over 1 MiB, which no block is")


def _check_column(data: Any, width: int, rows: int | None) -> None:
    if (
        not isinstance(data, bytes)
        or len(data) % width
        or (rows is not None and len(data) != rows * width)
    ):
        raise FormatError(f"a column of {width}-byte cells has the wrong length")


def _check_nesting(text: str) -> None:
    # Before parsing: with a high recursion limit, json overruns the C stack and kills us.
    depth, in_string = 0, False
    for token in _NESTING.findall(text):
        if token == '"':
            in_string = not in_string
        elif token in "[{" and not in_string:
            depth += 1
            if depth > MAX_DEPTH:
                raise FormatError(f"JSON nests deeper than {MAX_DEPTH} levels: flatten it")
        elif token in "]}" and not in_string:
            depth -= 1


def _check_json(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise FormatError(f"JSON nests deeper than {MAX_DEPTH} levels: flatten it")
    if isinstance(value, float):
        raise FormatError(
            "a float can't be hashed: write it as an integer at a stated scale, or as text"
        )
    if isinstance(value, dict):
        for part in value.values():
            _check_json(part, depth + 1)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_json(part, depth + 1)


def _to_cbor(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise FormatError(f"DAG-CBOR here nests at most {MAX_DEPTH} levels")
    if isinstance(value, Link):
        return cbor2.CBORTag(_CID_TAG, b"\0" + value.binary)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise FormatError("DAG-CBOR maps have text keys")
        return {key: _to_cbor(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_cbor(part, depth + 1) for part in value]
    if value is None or isinstance(value, (bool, int, str, bytes)):
        if type(value) is int and not -(2**64) <= value < 2**64:
            raise FormatError("DAG-CBOR integers stop at 64 bits: use a 32-byte string")
        return value
    raise FormatError(f"DAG-CBOR here has no {type(value).__name__}")


class _CborReader:
    """Reads DAG-CBOR's few types and no others.

    A general CBOR reader follows shared references (tag 28), with which 135 bytes stand for 2^22
    lists, compiles regular expressions (tag 35) and more. Source: RFC 8949; the DAG-CBOR
    specification of IPLD.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def value(self, depth: int = 0) -> Any:
        """Read one value; FormatError for whatever DAG-CBOR doesn't have."""
        if depth > MAX_DEPTH:
            raise FormatError(f"DAG-CBOR here nests at most {MAX_DEPTH} levels")
        first = self._take(1)[0]
        major, number = first >> 5, first & 31
        if major == 7:
            if number not in _SIMPLE:
                raise FormatError("DAG-CBOR here has no simple values but false, true and null")
            return _SIMPLE[number]
        if number > 27:
            raise FormatError("DAG-CBOR has no indefinite lengths")
        if number > 23:
            number = int.from_bytes(self._take(1 << number - 24), "big")
        match major:
            case 0:
                return number
            case 1:
                return -1 - number
            case 2:
                return self._take(number)
            case 3:
                return self._text(number)
            case 4:
                return [self.value(depth + 1) for _ in range(number)]
            case 5:
                return {self._key(): self.value(depth + 1) for _ in range(number)}
        return self._link(number, depth)

    def at_end(self) -> bool:
        """Say whether all bytes are read."""
        return self._at == len(self._data)

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise FormatError("DAG-CBOR ends too early")
        self._at += size
        return part

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise FormatError("DAG-CBOR texts are UTF-8") from error

    def _key(self) -> str:
        key = self.value(MAX_DEPTH)
        if not isinstance(key, str):
            raise FormatError("DAG-CBOR maps have text keys")
        return key

    def _link(self, tag: int, depth: int) -> Link:
        binary = self.value(depth + 1)
        if tag != _CID_TAG or not isinstance(binary, bytes) or binary[:1] != b"\0":
            raise FormatError("DAG-CBOR has no tag but 42, for CIDs")
        return Link.from_binary(binary[1:])
