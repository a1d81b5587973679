"""The supplement: gold, seed, filings and openings that an epoch needs beside the log
(docs/FORMATS.md, section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from oracle.errors import FormatError
from oracle.evidence.campaign import Fetch, links
from oracle.evidence.codec import (
    SHARD_ROWS,
    Block,
    cbor_block,
    cells,
    column,
    integers,
    read_cbor,
    table_rows,
    text_rows,
    text_table,
    whole,
)
from oracle.evidence.entries import SHARD_BYTES, slice_bytes
from oracle.evidence.hashing import keccak256
from oracle.evidence.rows import Column, Rows

FILED = 1 << 63


def filing_position(epoch: int, number: int) -> int:
    """Return the place, among log positions, of filing `number` of the supplement of `epoch`.

    It lies beyond every position of the log itself. FormatError where a number is out of bounds.
    """
    if not 0 <= epoch < 1 << 31 or not 0 <= number < 1 << 32:
        raise FormatError(f"there is no filing {number} of epoch {epoch}")
    return FILED | epoch << 32 | number


def filing_of(position: int) -> tuple[int, int] | None:
    """Undo `filing_position`: (epoch, number), or None for a place in the log."""
    if not position & FILED:
        return None
    return (position - FILED) >> 32, position & 0xFFFFFFFF


@dataclass(frozen=True, order=True)
class Opening:
    """One opened label: item, log position of its submission (for filings see `filing_position`),
    place in it, answer (canonical JSON), salt.
    """

    item: int
    position: int
    index: int
    answer: bytes
    salt: bytes


@dataclass(frozen=True, eq=False)
class Openings(Rows[Opening]):
    """Openings as columns, (n,) each: items, positions, indexes; `answers` are places in `table`,
    `salts` 32 bytes a row."""

    items: Column
    positions: Column
    indexes: Column
    answers: Column
    table: tuple[bytes, ...]
    salts: bytes

    @classmethod
    def of(cls, rows: Sequence[Opening]) -> Openings:
        """Bring openings into columns; FormatError where a number doesn't fit."""
        if isinstance(rows, Openings):
            return rows
        table = sorted({row.answer for row in rows})
        number = {text: index for index, text in enumerate(table)}
        if any(len(row.salt) != 32 for row in rows):
            raise FormatError("supplement: a salt is 32 bytes")
        return cls(
            integers(column([row.item for row in rows], "u32"), "u32"),
            integers(column([row.position for row in rows], "u64"), "u64"),
            integers(column([row.index for row in rows], "u16"), "u16"),
            integers(column([number[row.answer] for row in rows], "u32"), "u32"),
            tuple(table),
            b"".join(row.salt for row in rows),
        )

    @classmethod
    def join(cls, parts: Sequence[Openings]) -> Openings:
        """Put openings one after another."""
        if not parts:
            return cls.of(())
        table = tuple(sorted({text for part in parts for text in part.table}))
        number = {text: index for index, text in enumerate(table)}
        answers = [
            np.array([number[text] for text in part.table], dtype=np.uint32)[part.answers]
            for part in parts
        ]
        return cls(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.indexes for part in parts]),
            np.concatenate(answers),
            table,
            b"".join(part.salts for part in parts),
        )

    def __len__(self) -> int:
        return len(self.items)

    def row(self, number: int) -> Opening:
        """Return one opening."""
        return Opening(
            int(self.items[number]),
            int(self.positions[number]),
            int(self.indexes[number]),
            self.table[self.answers[number]],
            self.salts[32 * number : 32 * number + 32],
        )

    def part(self, chosen: slice) -> Openings:
        """Return consecutive openings."""
        first, last, _ = chosen.indices(len(self))
        rows = slice(first, last)
        return Openings(
            self.items[rows],
            self.positions[rows],
            self.indexes[rows],
            self.answers[rows],
            self.table,
            self.salts[32 * first : 32 * last],
        )

    def __iter__(self) -> Iterator[Opening]:
        for first in range(0, len(self), SHARD_ROWS):
            part = self.part(slice(first, first + SHARD_ROWS))
            for number, place in enumerate(
                zip(
                    part.items.tolist(),
                    part.positions.tolist(),
                    part.indexes.tolist(),
                    part.answers.tolist(),
                    strict=True,
                )
            ):
                salt = part.salts[32 * number : 32 * number + 32]
                yield Opening(*place[:3], self.table[place[3]], salt)

    def ascend(self) -> bool:
        """Say whether item, position and index ascend, without a repeat."""
        order = np.lexsort((self.indexes, self.positions, self.items))
        if (order != np.arange(len(order))).any():
            return False
        same = np.ones(max(0, len(self) - 1), dtype=bool)
        for values in (self.items, self.positions, self.indexes):
            same &= values[1:] == values[:-1]
        return not same.any()


@dataclass(frozen=True, order=True)
class GoldOpening:
    """One opened gold item: its batch's epoch and place, item, answer (canonical JSON) and salt."""

    epoch: int
    index: int
    item: int
    answer: bytes
    salt: bytes


@dataclass(frozen=True)
class Supplement:
    """Everything that operators exchange for a cut; rows in canonical order (see `encode`)."""

    campaign: int
    epoch: int
    final: bool
    seed: bytes
    gold: tuple[GoldOpening, ...]
    filings: tuple[bytes, ...]
    openings: Sequence[Opening]

    def encode(self) -> tuple[Block, list[Block]]:
        """Return the index block and its shards; FormatError where rows are out of order or
        repeated.
        """
        _check_order(self.gold, [(row.epoch, row.index) for row in self.gold])
        _check_order(self.filings, [keccak256(entry) for entry in self.filings])
        rows = Openings.of(self.openings)
        if not rows.ascend():
            raise FormatError("supplement: Opening rows are out of order or repeated")
        gold = _cut(len(self.gold), lambda part: _gold_block(self.gold[part]))
        filings = [_filings_block(part) for part in _by_size(self.filings)]
        openings = _cut(len(rows), lambda part: _openings_block(rows.part(part)))
        index = cbor_block(
            "supplement",
            {
                "campaign": self.campaign.to_bytes(32, "big"),
                "epoch": self.epoch,
                "final": self.final,
                "seed": self.seed,
                "gold": [block.link for block in gold],
                "filings": [block.link for block in filings],
                "openings": [block.link for block in openings],
            },
        )
        return index, [*gold, *filings, *openings]

    @classmethod
    def decode(cls, data: bytes, fetch: Fetch) -> Supplement:
        """Parse an index block, fetching shards by link; FormatError unless encoding gives the same
        bytes.
        """
        fields = _read_index(data)
        seed, campaign = fields["seed"], fields["campaign"]
        if len(cells(seed, 32)) != 1 or len(cells(campaign, 32)) != 1:
            raise FormatError("supplement: seed and campaign are 32 bytes")
        if not isinstance(fields["final"], bool):
            raise FormatError("supplement: final is a boolean")
        supplement = cls(
            int.from_bytes(campaign, "big"),
            whole(fields["epoch"]),
            fields["final"],
            seed,
            tuple(row for link in links(fields["gold"]) for row in _read_gold(fetch(link))),
            tuple(
                entry for link in links(fields["filings"]) for entry in _read_filings(fetch(link))
            ),
            Openings.join([_read_openings(fetch(link)) for link in links(fields["openings"])]),
        )
        if supplement.encode()[0].data != data:
            raise FormatError("supplement: its shards are not cut canonically")
        return supplement

    @classmethod
    def decode_filings(cls, data: bytes, fetch: Fetch) -> tuple[bytes, ...]:
        """Parse the filings of an index block alone, fetching their shards; FormatError where one
        of them is malformed."""
        shards = links(_read_index(data)["filings"])
        return tuple(entry for link in shards for entry in _read_filings(fetch(link)))


def _read_index(data: bytes) -> dict[str, Any]:
    return read_cbor(
        data, "supplement", ("campaign", "epoch", "final", "seed", "gold", "filings", "openings")
    )


def _check_order(rows: Sequence[object], keys: Sequence[object]) -> None:
    if any(not one < other for one, other in pairwise(keys)):  # type: ignore[operator]
        raise FormatError(f"supplement: {type(rows[0]).__name__} rows are out of order or repeated")


def _cut(count: int, encode: Callable[[slice], Block]) -> list[Block]:
    """Cut rows into shards of 8,192; where their texts would overfill a block, half as many, and so
    on until they fit."""
    blocks: list[Block] = []
    first = 0
    while first < count:
        size = min(SHARD_ROWS, count - first)
        while True:
            try:
                blocks.append(encode(slice(first, first + size)))
                break
            except FormatError:
                if size == 1:
                    raise
                size = -(-size // 2)
        first += size
    return blocks


def _by_size(entries: Sequence[bytes]) -> list[list[bytes]]:
    shards: list[list[bytes]] = []
    size = 0
    for entry in entries:
        if not shards or size + len(entry) > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += len(entry)
    return shards


def _openings_block(rows: Openings) -> Block:
    used, answers = np.unique(rows.answers, return_inverse=True)  # the table is sorted already
    return cbor_block(
        "openings",
        {
            "positions": column(rows.positions, "u64"),
            "indexes": column(rows.indexes, "u16"),
            "items": column(rows.items, "u32"),
            "answers": column(answers, "u32"),
            "table": [rows.table[number].decode() for number in used],
            "salts": rows.salts,
        },
    )


def _read_openings(data: bytes) -> Openings:
    fields = read_cbor(
        data, "openings", ("positions", "indexes", "items", "answers", "table", "salts")
    )
    items = integers(fields["items"], "u32")
    count = len(items)
    answers = integers(fields["answers"], "u32", count)
    cells(fields["salts"], 32, count)
    return Openings(
        items.astype(np.uint32),
        integers(fields["positions"], "u64", count),
        integers(fields["indexes"], "u16", count).astype(np.uint16),
        answers.astype(np.uint32),
        tuple(text_rows(fields["table"], answers)),
        fields["salts"],
    )


def _gold_block(rows: Sequence[GoldOpening]) -> Block:
    table, answers = text_table([row.answer for row in rows])
    return cbor_block(
        "gold-openings",
        {
            "batches": column([row.epoch for row in rows], "u32"),
            "indexes": column([row.index for row in rows], "u32"),
            "items": column([row.item for row in rows], "u32"),
            "answers": column(answers, "u32"),
            "table": table,
            "salts": b"".join(row.salt for row in rows),
        },
    )


def _read_gold(data: bytes) -> list[GoldOpening]:
    fields = read_cbor(
        data,
        "gold-openings",
        ("batches", "indexes", "items", "answers", "table", "salts"),
    )
    items = integers(fields["items"], "u32")
    count = len(items)
    return [
        GoldOpening(*row)
        for row in zip(
            integers(fields["batches"], "u32", count).tolist(),
            integers(fields["indexes"], "u32", count).tolist(),
            items.tolist(),
            table_rows(fields["table"], integers(fields["answers"], "u32", count)),
            cells(fields["salts"], 32, count),
            strict=True,
        )
    ]


def _filings_block(entries: Sequence[bytes]) -> Block:
    return cbor_block(
        "filings",
        {
            "lengths": column([len(entry) for entry in entries], "u32"),
            "entries": b"".join(entries),
        },
    )


def _read_filings(data: bytes) -> list[bytes]:
    fields = read_cbor(data, "filings", ("lengths", "entries"))
    return slice_bytes(fields["entries"], integers(fields["lengths"], "u32").tolist())
