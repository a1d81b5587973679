"""Content addressable archives: blocks in one file (CARv1).

Source: IPLD, "Specification: Content Addressable aRchives (CAR / .car) v1",
https://ipld.io/specs/transport/car/carv1/. Of the kinds of blocks that it allows, these are the two
that DDLP has: raw and dag-cbor with SHA-256, at most 1 MiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from oracle.errors import FormatError
from oracle.evidence.codec import MAX_BLOCK, Link, decode_cbor, encode_cbor
from oracle.evidence.hashing import sha256

CID_BYTES = 36
VARINT_BYTES = 9  # of a 63-bit number, the largest that multiformats have


def write_car(file: BinaryIO, roots: Sequence[Link], blocks: Iterable[tuple[Link, bytes]]) -> int:
    """Write `blocks` as they come and return how many those were.

    FormatError where the roots don't fit into a header of 1 MiB (about 25,000 do).
    """
    header = encode_cbor({"roots": list(roots), "version": 1})
    if len(header) > MAX_BLOCK:
        raise FormatError(f"{len(roots)} roots are too many for one CAR: put an index over them")
    file.write(_varint(len(header)) + header)
    count = 0
    for link, data in blocks:
        file.write(_varint(CID_BYTES + len(data)) + link.binary)
        file.write(data)
        count += 1
    return count


class CarReader:
    """A CAR that is read once, from its start: `roots`, then its blocks by iteration.

    Nothing is held but one block; every block is hashed before it is handed out. FormatError, with
    the number of the block, for whatever isn't such a file; blocks handed out by then are what they
    say they are.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = self._read_size("the header", MAX_BLOCK)
        if size is None:
            raise FormatError("the file is empty: no CAR, export it again")
        header = decode_cbor(self._read(size, "the header"))
        if not isinstance(header, dict) or header.get("version") != 1:
            raise FormatError("no CAR of version 1: `ipfs dag export` writes one")
        if set(header) != {"roots", "version"}:
            raise FormatError(f"a CAR's header has roots and version, not {sorted(header)}")
        roots = header["roots"]
        if not isinstance(roots, list) or not all(isinstance(one, Link) for one in roots):
            raise FormatError("a CAR's roots are CIDs")
        if not roots:
            raise FormatError("the CAR has no root: export it again, naming what is wanted")
        self.roots: tuple[Link, ...] = tuple(roots)

    def __iter__(self) -> Iterator[tuple[Link, bytes]]:
        number = 0
        while True:
            number += 1
            place = f"block {number}"
            size = self._read_size(place, CID_BYTES + MAX_BLOCK)
            if size is None:
                return
            if size < CID_BYTES:
                raise FormatError(f"{place} of the CAR has {size} bytes, fewer than its CID")
            try:
                link = Link.from_binary(self._read(CID_BYTES, place))
            except FormatError as error:
                raise FormatError(
                    f"{place} of the CAR is of a kind that DDLP has none of: {error}"
                ) from error
            data = self._read(size - CID_BYTES, place)
            if sha256(data) != link.digest:
                raise FormatError(f"{place} of the CAR holds other bytes than its CID {link} says")
            yield link, data

    def _read_size(self, place: str, limit: int) -> int | None:
        """Read an unsigned varint of at most `limit`; None at the end of the file."""
        value = 0
        for at in range(VARINT_BYTES):
            byte = self._file.read(1)
            if not byte:
                if at == 0:
                    return None
                raise FormatError(f"the CAR ends within {place}: copy or export it again")
            value |= (byte[0] & 0x7F) << 7 * at
            if byte[0] < 0x80:
                if at and not byte[0]:
                    raise FormatError(f"the size of {place} of the CAR isn't in its shortest form")
                if value > limit:
                    raise FormatError(f"{place} of the CAR has {value} bytes, over {limit}")
                return value
        raise FormatError(f"the size of {place} of the CAR has over {VARINT_BYTES} bytes")

    def _read(self, size: int, place: str) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise FormatError(f"the CAR ends within {place}: copy or export it again")
        return data


def _varint(value: int) -> bytes:
    """Encode as multiformats do: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
