"""A campaign's log as its receipts publish it: read from the shards whenever it is asked for.

Held are each shard's place and the signers of its rows, which other processes recover; the rows
themselves stay on disk, so that a log of any length takes little memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from oracle.auditor.content import read_block
from oracle.errors import FormatError, SignatureError
from oracle.evidence.codec import Link
from oracle.evidence.entries import LogRow, Signed, decode_log, next_head
from oracle.evidence.hashing import ZERO32
from oracle.evidence.signing import recover
from oracle.evidence.structs import Domain
from oracle.protocol.columns import Distinct

NOBODY = bytes(20)


@dataclass(frozen=True)
class ShardTask:
    """A shard to be read: the folder of blocks and its link, the log's campaign and domain."""

    folder: Path
    link: Link
    campaign: int
    domain: Domain


@dataclass(frozen=True)
class ReadShard:
    """What reading a shard gives: how many rows, the first one's place and hashes, the head after
    the last; 20 bytes for the signer of each row's head, and of each row's entry (zero: nobody).
    """

    link: Link
    count: int
    first: int
    entry_hash: bytes
    first_head: bytes
    last_head: bytes
    heads: bytes
    entries: bytes

    def follows(self, position: int, head: bytes) -> bool:
        """Say whether the shard goes on where the log ended."""
        expected = next_head(head, self.entry_hash)
        return self.first == position + 1 and self.first_head == expected


def read_shard(task: ShardTask) -> ReadShard:
    """Read a shard and recover its signers; FormatError where it is none of the campaign's."""
    rows = decode_log(read_block(task.folder, task.link), task.campaign)
    return ReadShard(
        task.link,
        len(rows),
        rows[0].position,
        rows[0].entry_hash,
        rows[0].head,
        rows[-1].head,
        b"".join(_signer(row, task) for row in rows),
        b"".join(_entry_signer(row, task) for row in rows),
    )


def _entry_signer(row: LogRow, task: ShardTask) -> bytes:
    try:
        entry = row.entry
    except FormatError:
        return NOBODY
    return _signer(entry, task) if isinstance(entry, Signed) else NOBODY


def _signer(signed: Signed, task: ShardTask) -> bytes:
    try:
        digest = signed.struct(task.campaign).digest(task.domain)
        return recover.__wrapped__(digest, signed.signature)  # asked for once: nothing to keep
    except (SignatureError, FormatError):
        return NOBODY  # the rules will say so


@dataclass(frozen=True)
class _Shard:
    """A shard in its log: the row that it begins with (from 0), and the signers by number."""

    link: Link
    start: int
    heads: array[int]
    entries: array[int]


class PublishedLog(Sequence[LogRow]):
    """Rows from position 1 on, read anew whenever they are asked for; a slice shares the shards."""

    def __init__(self, folder: Path, campaign: int, domain: Domain) -> None:
        self.folder, self.campaign, self.domain = folder, campaign, domain
        self._first, self._end = 0, 0
        self._shards: list[_Shard] = []
        self._signers: Distinct[bytes] = Distinct(NOBODY)
        self._kept: list[tuple[Link, list[LogRow]]] = []  # the shard read last

    def and_more(self, shards: Iterable[ReadShard]) -> PublishedLog:
        """Return a log that goes on with these shards, which follow one another."""
        longer = copy(self)
        longer._shards = self._shards[: self._shard_of(self._end)]
        for one in shards:
            heads, entries = self._numbers(one.heads), self._numbers(one.entries)
            longer._shards.append(_Shard(one.link, longer._end, heads, entries))
            longer._end += one.count
        return longer

    def _numbers(self, signers: bytes) -> array[int]:
        number = self._signers.number
        return array("I", (number(signers[at : at + 20]) for at in range(0, len(signers), 20)))

    def _shard_of(self, row: int) -> int:
        return bisect_left(self._shards, row, key=lambda shard: shard.start)

    @property
    def head(self) -> bytes:
        """The log's head after the last row."""
        return self[-1].head if self else ZERO32

    def __len__(self) -> int:
        return self._end - self._first

    @overload
    def __getitem__(self, chosen: int) -> LogRow: ...
    @overload
    def __getitem__(self, chosen: slice) -> PublishedLog: ...
    def __getitem__(self, chosen: int | slice) -> LogRow | PublishedLog:
        if isinstance(chosen, slice):
            first, end, _ = chosen.indices(len(self))
            part = copy(self)
            part._first, part._end = self._first + first, self._first + max(first, end)
            return part
        row = self._first + range(len(self))[chosen]
        shard = self._shards[self._shard_of(row + 1) - 1]
        return self._rows(shard)[row - shard.start]

    def __iter__(self) -> Iterator[LogRow]:
        row = self._first
        while row < self._end:
            shard = self._shards[self._shard_of(row + 1) - 1]
            rows = self._rows(shard)[row - shard.start : self._end - shard.start]
            yield from rows
            row += len(rows)

    def _rows(self, shard: _Shard) -> list[LogRow]:
        if not self._kept or self._kept[0][0] != shard.link:
            rows = decode_log(read_block(self.folder, shard.link), self.campaign)
            signers = self._signers.values
            for row, head, entry in zip(rows, shard.heads, shard.entries, strict=True):
                if head:
                    row.remember_signer(self.campaign, self.domain, signers[head])
                if entry:
                    row.remember_entry_signer(self.campaign, self.domain, signers[entry])
            self._kept[:] = [(shard.link, rows)]
        return self._kept[0][1]
