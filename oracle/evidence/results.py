"""What an epoch's evidence says: closed items, contributors, leaves, and the index that a receipt
names (docs/FORMATS.md, section 6).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from oracle.errors import FormatError
from oracle.evidence.campaign import Fetch, links
from oracle.evidence.codec import (
    Block,
    Link,
    cbor_block,
    cells,
    column,
    integers,
    read_cbor,
    split,
    whole,
)
from oracle.evidence.hashing import MerkleTree, word
from oracle.evidence.rows import Column, Rows
from oracle.evidence.structs import payout_leaf, slash_leaf

AGREED, GOLD, AMBIGUOUS, FINAL, ADJUDICATED, COLLECTED = 1, 2, 3, 4, 5, 6
ITEM_ROWS, ITEM_BYTES = 2048, 786_432


@dataclass(frozen=True)
class ItemResult:
    """A closed item: its number, the epoch and status it closed with, the answer's class, label
    count, posterior (ppm by class).
    """

    item: int
    epoch: int
    status: int
    answer: int
    labels: int
    posterior: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ItemResults(Rows[ItemResult]):
    """Closed items as columns, (n,) each; `posteriors` is (n, classes), ppm. All uint32."""

    items: Column
    epochs: Column
    status: Column
    answers: Column
    labels: Column
    posteriors: Column

    @classmethod
    def of(cls, rows: Sequence[ItemResult]) -> ItemResults:
        """Bring items into columns; FormatError where a number doesn't fit or classes differ."""
        if isinstance(rows, ItemResults):
            return rows
        classes = {len(row.posterior) for row in rows}
        if len(classes) > 1:
            raise FormatError("item results: posteriors are items × classes")
        shares = _u32([share for row in rows for share in row.posterior])
        return cls(
            _u32([row.item for row in rows]),
            _u32([row.epoch for row in rows]),
            _u32([row.status for row in rows]),
            _u32([row.answer for row in rows]),
            _u32([row.labels for row in rows]),
            shares.reshape(len(rows), max(classes, default=1)),
        )

    @classmethod
    def join(cls, parts: Sequence[ItemResults]) -> ItemResults:
        """Put items one after another; FormatError where classes differ."""
        if not parts:
            return cls.of(())
        if len({part.posteriors.shape[1] for part in parts}) > 1:
            raise FormatError("item results: posteriors are items × classes")
        names = [one.name for one in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __len__(self) -> int:
        return len(self.items)

    def row(self, number: int) -> ItemResult:
        """Return one item."""
        return ItemResult(
            int(self.items[number]),
            int(self.epochs[number]),
            int(self.status[number]),
            int(self.answers[number]),
            int(self.labels[number]),
            tuple(self.posteriors[number].tolist()),
        )

    def part(self, chosen: slice) -> ItemResults:
        """Return some items."""
        return ItemResults(*(getattr(self, one.name)[chosen] for one in dataclasses.fields(self)))


@dataclass(frozen=True)
class PayoutLeaf:
    """What an account has earned in this campaign so far (base units), with counters for its
    reputation.
    """

    account: bytes
    cumulative: int
    accepted: int
    submitted: int

    def encode(self) -> bytes:
        """ABI encoding that the tree hashes."""
        return payout_leaf(self.account, self.cumulative, self.accepted, self.submitted)


@dataclass(frozen=True)
class SlashLeaf:
    """What an account's stake loses in this campaign so far (base units of the stake token)."""

    account: bytes
    cumulative: int

    def encode(self) -> bytes:
        """ABI encoding that the tree hashes."""
        return slash_leaf(self.account, self.cumulative)


@dataclass(frozen=True)
class ContributorResult:
    """How an account's pay came about; money in base units, `agreement` in ppm."""

    account: bytes
    labels: int
    rewards: int
    matches: int
    judged: int
    agreement: int
    gold_right: int
    gold_total: int
    passed: bool
    faulted: int
    unjudged: int


@dataclass(frozen=True)
class Evidence:
    """The content behind a receipt."""

    campaign: int
    epoch: int
    attempt: int
    final: bool
    manifest: Link
    previous: Link | None
    log: tuple[Link, ...]
    supplement: Link
    items: Sequence[ItemResult]
    leaves: tuple[PayoutLeaf, ...]
    slashes: tuple[SlashLeaf, ...]
    contributors: tuple[ContributorResult, ...]

    @cached_property
    def payout_tree(self) -> MerkleTree:
        """The tree of payout leaves, in the order of `leaves`."""
        return MerkleTree([leaf.encode() for leaf in self.leaves])

    @cached_property
    def slash_tree(self) -> MerkleTree:
        """The tree of slash leaves, in the order of `slashes`."""
        return MerkleTree([leaf.encode() for leaf in self.slashes])

    def encode(self) -> tuple[Block, list[Block]]:
        """Return the index block, whose digest the receipt names, and its result shards (not log
        and supplement).
        """
        for rows in (self.leaves, self.slashes, self.contributors):
            accounts = [row.account for row in rows]
            if accounts != sorted(set(accounts)):
                raise FormatError("evidence: accounts are sorted, without repeats")
        results = ItemResults.of(self.items)
        if (results.items[1:] <= results.items[:-1]).any():
            raise FormatError("evidence: items are sorted, without repeats")
        size = _item_rows(results.posteriors.shape[1])
        items = [
            _items_block(results.part(slice(first, first + size)))
            for first in range(0, len(results), size)
        ]
        leaves = [_leaves_block(part) for part in split(self.leaves)]
        slashes = [_slashes_block(part) for part in split(self.slashes)]
        contributors = [_contributors_block(part) for part in split(self.contributors, 4096)]
        index = cbor_block(
            "evidence",
            {
                "campaign": word(self.campaign),
                "epoch": self.epoch,
                "attempt": self.attempt,
                "final": self.final,
                "manifest": self.manifest,
                "previous": self.previous,
                "log": list(self.log),
                "supplement": self.supplement,
                "items": [block.link for block in items],
                "leaves": [block.link for block in leaves],
                "slashes": [block.link for block in slashes],
                "contributors": [block.link for block in contributors],
            },
        )
        return index, [*items, *leaves, *slashes, *contributors]

    @classmethod
    def decode(cls, data: bytes, fetch: Fetch) -> Evidence:
        """Parse an index block, fetching result shards by link; FormatError unless encoding gives
        the same bytes.
        """
        fields = _read_index(data)
        evidence = cls(
            int.from_bytes(fields["campaign"], "big"),
            whole(fields["epoch"]),
            whole(fields["attempt"], 32),
            fields["final"],
            fields["manifest"],
            fields["previous"],
            tuple(links(fields["log"])),
            fields["supplement"],
            ItemResults.join([_read_items(fetch(link)) for link in links(fields["items"])]),
            tuple(row for link in links(fields["leaves"]) for row in _read_leaves(fetch(link))),
            tuple(row for link in links(fields["slashes"]) for row in _read_slashes(fetch(link))),
            tuple(
                row
                for link in links(fields["contributors"])
                for row in _read_contributors(fetch(link))
            ),
        )
        if evidence.encode()[0].data != data:
            raise FormatError("evidence: its shards are not cut canonically")
        return evidence


def supplement_of(data: bytes) -> Link:
    """Return the link to the supplement in an evidence index block, without fetching any shard;
    FormatError where it isn't one."""
    supplement: Link = _read_index(data)["supplement"]
    return supplement


def _read_index(data: bytes) -> dict[str, Any]:
    fields = read_cbor(
        data,
        "evidence",
        (
            "campaign",
            "epoch",
            "attempt",
            "final",
            "manifest",
            "previous",
            "log",
            "supplement",
            "items",
            "leaves",
            "slashes",
            "contributors",
        ),
    )
    linked = isinstance(fields["manifest"], Link) and isinstance(fields["supplement"], Link)
    previous = fields["previous"] is None or isinstance(fields["previous"], Link)
    if not (linked and previous and isinstance(fields["final"], bool)):
        raise FormatError("evidence: a field has the wrong type")
    if len(cells(fields["campaign"], 32)) != 1:
        raise FormatError("evidence: campaign is 32 bytes")
    return fields


def _item_rows(classes: int) -> int:
    """How many items a shard holds: 2,048, or fewer where many classes would overfill a block."""
    return min(ITEM_ROWS, ITEM_BYTES // (17 + 4 * classes))


def _items_block(rows: ItemResults) -> Block:
    return cbor_block(
        "item-results",
        {
            "items": column(rows.items, "u32"),
            "epochs": column(rows.epochs, "u32"),
            "status": bytes(rows.status.tolist()),
            "answers": column(rows.answers, "u32"),
            "labels": column(rows.labels, "u32"),
            "posteriors": column(rows.posteriors.reshape(-1), "u32"),
        },
    )


def _read_items(data: bytes) -> ItemResults:
    fields = read_cbor(
        data,
        "item-results",
        ("items", "epochs", "status", "answers", "labels", "posteriors"),
    )
    items = integers(fields["items"], "u32").astype(np.uint32)
    count = len(items)
    posteriors = integers(fields["posteriors"], "u32").astype(np.uint32)
    if not count or len(posteriors) % count:
        raise FormatError("item results: posteriors are items × classes")
    cells(fields["status"], 1, count)
    return ItemResults(
        items,
        integers(fields["epochs"], "u32", count).astype(np.uint32),
        np.frombuffer(fields["status"], dtype=np.uint8).astype(np.uint32),
        integers(fields["answers"], "u32", count).astype(np.uint32),
        integers(fields["labels"], "u32", count).astype(np.uint32),
        posteriors.reshape(count, -1),
    )


def _leaves_block(rows: Sequence[PayoutLeaf]) -> Block:
    return cbor_block(
        "leaves",
        {
            "accounts": b"".join(row.account for row in rows),
            "cumulatives": b"".join(word(row.cumulative) for row in rows),
            "accepted": column([row.accepted for row in rows], "u64"),
            "submitted": column([row.submitted for row in rows], "u64"),
        },
    )


def _read_leaves(data: bytes) -> list[PayoutLeaf]:
    fields = read_cbor(data, "leaves", ("accounts", "cumulatives", "accepted", "submitted"))
    accounts = cells(fields["accounts"], 20)
    count = len(accounts)
    return [
        PayoutLeaf(*row)
        for row in zip(
            accounts,
            _amounts(fields["cumulatives"], count),
            integers(fields["accepted"], "u64", count).tolist(),
            integers(fields["submitted"], "u64", count).tolist(),
            strict=True,
        )
    ]


def _slashes_block(rows: Sequence[SlashLeaf]) -> Block:
    return cbor_block(
        "slashes",
        {
            "accounts": b"".join(row.account for row in rows),
            "cumulatives": b"".join(word(row.cumulative) for row in rows),
        },
    )


def _read_slashes(data: bytes) -> list[SlashLeaf]:
    fields = read_cbor(data, "slashes", ("accounts", "cumulatives"))
    accounts = cells(fields["accounts"], 20)
    amounts = _amounts(fields["cumulatives"], len(accounts))
    return [SlashLeaf(*row) for row in zip(accounts, amounts, strict=True)]


def _contributors_block(rows: Sequence[ContributorResult]) -> Block:
    return cbor_block(
        "contributors",
        {
            "accounts": b"".join(row.account for row in rows),
            "labels": column([row.labels for row in rows], "u64"),
            "rewards": b"".join(word(row.rewards) for row in rows),
            "matches": column([row.matches for row in rows], "u64"),
            "judged": column([row.judged for row in rows], "u64"),
            "agreements": column([row.agreement for row in rows], "u32"),
            "goldRight": column([row.gold_right for row in rows], "u32"),
            "goldTotal": column([row.gold_total for row in rows], "u32"),
            "passed": bytes(row.passed for row in rows),
            "faulted": b"".join(word(row.faulted) for row in rows),
            "unjudged": b"".join(word(row.unjudged) for row in rows),
        },
    )


def _read_contributors(data: bytes) -> list[ContributorResult]:
    names = ("accounts", "labels", "rewards", "matches", "judged", "agreements")
    more = ("goldRight", "goldTotal", "passed", "faulted", "unjudged")
    fields = read_cbor(data, "contributors", (*names, *more))
    accounts = cells(fields["accounts"], 20)
    count = len(accounts)
    return [
        ContributorResult(*row)
        for row in zip(
            accounts,
            integers(fields["labels"], "u64", count).tolist(),
            _amounts(fields["rewards"], count),
            integers(fields["matches"], "u64", count).tolist(),
            integers(fields["judged"], "u64", count).tolist(),
            integers(fields["agreements"], "u32", count).tolist(),
            integers(fields["goldRight"], "u32", count).tolist(),
            integers(fields["goldTotal"], "u32", count).tolist(),
            [cell != b"\0" for cell in cells(fields["passed"], 1, count)],
            _amounts(fields["faulted"], count),
            _amounts(fields["unjudged"], count),
            strict=True,
        )
    ]


def _u32(values: list[int]) -> Column:
    return integers(column(values, "u32"), "u32").astype(np.uint32)


def _amounts(data: object, rows: int) -> list[int]:
    return [int.from_bytes(cell, "big") for cell in cells(data, 32, rows)]
