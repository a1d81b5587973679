"""Leases, labels and openings as the rules read them, held in columns.

A campaign has millions of them, and an object with its dictionary entry takes some 500 bytes; a row
of columns takes 30. What is read from a row (`LeasedItem`, `Label`, `OpenLabel`) is made when asked
for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from oracle.evidence.rows import Column, Rows

T = TypeVar("T", bound=Hashable)

STATES = ("running", "submitted", "skipped", "lapsed")
_STATE_NUMBERS = {name: number for number, name in enumerate(STATES)}
# Contributors choose sequence numbers: without Python's secret salt they could choose ones that
# collide.
_SALT = hash("pairs")


class Distinct(Generic[T]):
    """Values that recur, each kept once and named by a small number."""

    def __init__(self, *values: T) -> None:
        self.values = list(values)
        self._numbers = {value: number for number, value in enumerate(values)}

    def number(self, value: T) -> int:
        """Return a value's number, a new one where it wasn't seen before."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
        return known

    def find(self, value: T) -> int | None:
        """Return a value's number, None where it wasn't seen."""
        return self._numbers.get(value)


class Pairs:
    """Different pairs of numbers, in the order they came, and where each stands.

    Open addressing with linear probing: 16 to 24 bytes a pair, where a dictionary takes 200. The
    columns hold `first` in 32 bits and `second` in 64.
    """

    def __init__(self) -> None:
        self.first, self.second = array("I"), array("Q")
        self._slots = array("I", bytes(64))  # row + 1, zero where free; a power of two of them

    def __len__(self) -> int:
        return len(self.first)

    def find(self, first: int, second: int) -> int:
        """Return the row of a pair, -1 where there is none."""
        return self._slots[self._slot(first, second)] - 1

    def place(self, first: int, second: int) -> int:
        """Return the row of a pair, which is appended unless it is there."""
        if 3 * len(self.first) >= 2 * len(self._slots):
            self._grow()
        slot = self._slot(first, second)
        if not self._slots[slot]:
            self.first.append(first)
            self.second.append(second)
            self._slots[slot] = len(self.first)
        return self._slots[slot] - 1

    def _slot(self, first: int, second: int) -> int:
        """Return where a pair stands, or the free place where it would."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = hash((_SALT, first, second)) & mask
        while row := slots[slot]:
            if self.second[row - 1] == second and self.first[row - 1] == first:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._slots = array("I", bytes(8 * len(self._slots)))
        for row, pair in enumerate(zip(self.first, self.second, strict=True), 1):
            self._slots[self._slot(*pair)] = row


class LeasedItem:
    """One item in a contributor's hands, and what became of it: a row of `Leases`."""

    __slots__ = ("_leases", "row")

    def __init__(self, leases: Leases, row: int) -> None:
        self._leases, self.row = leases, row

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LeasedItem):
            return NotImplemented
        names = ("contributor", "item", "reward", "expiry", "epoch", "position", "state", "fault")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self) -> int:
        return hash((self.contributor, self.item))

    def __repr__(self) -> str:
        return f"LeasedItem(0x{self.contributor.hex()}, item {self.item}, {self.state})"

    @property
    def contributor(self) -> bytes:
        """The contributor's address."""
        return self._leases.contributors.values[self._leases.pairs.first[self.row]]

    @property
    def item(self) -> int:
        """The item's number."""
        return self._leases.pairs.second[self.row]

    @property
    def reward(self) -> int:
        """Base units that the lease promises for a label."""
        return self._leases.rewards.values[self._leases.reward[self.row]]

    @property
    def expiry(self) -> int:
        """When it ends, Unix seconds."""
        return self._leases.expiry[self.row]

    @property
    def epoch(self) -> int:
        """The epoch that it was given in."""
        return self._leases.epoch[self.row]

    @property
    def position(self) -> int:
        """The log position of its lease entry."""
        return self._leases.position[self.row]

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return STATES[self._leases.state[self.row]]

    @state.setter
    def state(self, state: str) -> None:
        self._leases.state[self.row] = _STATE_NUMBERS[state]

    @property
    def fault(self) -> str | None:
        """The code of the gateway's fault that touches it, None where none does."""
        return self._leases.faults.values[self._leases.fault[self.row]]

    @fault.setter
    def fault(self, fault: str | None) -> None:
        self._leases.fault[self.row] = self._leases.faults.number(fault)


class Leases(Mapping[tuple[bytes, int], LeasedItem]):
    """Every lease by contributor and item, in the order they were given.

    The columns are public for those who compute over all rows: `pairs` (contributor's number and
    item), `reward` (a number in `rewards`), `expiry`, `epoch`, `position`, `state`, `fault` (a
    number in `faults`, 0 for none).
    """

    def __init__(self) -> None:
        self.contributors: Distinct[bytes] = Distinct()
        self.rewards: Distinct[int] = Distinct()
        self.faults: Distinct[str | None] = Distinct(None)
        self.pairs = Pairs()
        self.reward, self.expiry, self.epoch = array("I"), array("Q"), array("Q")
        self.position = array("Q")
        self.state, self.fault = array("B"), array("B")

    def add(
        self,
        contributor: bytes,
        item: int,
        *,
        reward: int,
        expiry: int,
        epoch: int,
        position: int,
        fault: str | None,
    ) -> LeasedItem:
        """Append a running lease of an item that the contributor hasn't had."""
        row = self.pairs.place(self.contributors.number(contributor), item)
        self.reward.append(self.rewards.number(reward))
        self.expiry.append(expiry)
        self.epoch.append(epoch)
        self.position.append(position)
        self.state.append(0)
        self.fault.append(self.faults.number(fault))
        return LeasedItem(self, row)

    def epochs(self) -> list[int]:
        """The epochs in which leases were given, ascending."""
        return [int(epoch) for epoch in np.unique(np.asarray(self.epoch))]

    def count_faults(self) -> dict[tuple[int, str], int]:
        """How many leases each fault touches, by epoch and code."""
        touched = np.flatnonzero(np.asarray(self.fault))
        counts: Counter[tuple[int, str]] = Counter()
        for row in touched.tolist():
            counts[self.epoch[row], self.faults.values[self.fault[row]] or ""] += 1
        return counts

    def mark(self, epoch: int, fault: str) -> None:
        """Note a fault at every lease of an epoch that has none."""
        chosen = (np.asarray(self.epoch) == epoch) & (np.asarray(self.fault) == 0)
        np.asarray(self.fault)[chosen] = self.faults.number(fault)

    def find(self, contributor: bytes, item: int) -> int:
        """Return the row of a lease, -1 where there is none."""
        number = self.contributors.find(contributor)
        return -1 if number is None else self.pairs.find(number, item)

    def __getitem__(self, key: tuple[bytes, int]) -> LeasedItem:
        row = self.find(*key)
        if row < 0:
            raise KeyError(key)
        return LeasedItem(self, row)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and self.find(*key) >= 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        for contributor, item in zip(self.pairs.first, self.pairs.second, strict=True):
            yield self.contributors.values[contributor], item


@dataclass(frozen=True, slots=True)
class Label:
    """A committed label: where it stands, the commitment, and the lease it fulfils."""

    position: int
    index: int
    commitment: bytes
    leased: LeasedItem

    @property
    def item(self) -> int:
        """The item's number."""
        return self.leased.item

    @property
    def contributor(self) -> bytes:
        """The contributor's address."""
        return self.leased.contributor


class Labels(Mapping[tuple[int, int], Label]):
    """Every label by position and place in its submission, in that order.

    The columns are public: `position`, `index`, `lease` (a row of `leases`). Positions ascend, as
    filings stand beyond the log. `by_item` has the labels of each of `item_count` items.
    """

    def __init__(self, leases: Leases, item_count: int) -> None:
        self.leases = leases
        self.position, self.index, self.lease = array("Q"), array("B"), array("I")
        self.latest = array("I", bytes(4 * item_count))  # row + 1 of an item's newest label
        self._before = array("I")  # row + 1 of the label before on the same item
        self._commitments = bytearray()
        self.by_item = LabelsByItem(self)

    def add(self, position: int, index: int, commitment: bytes, leased: LeasedItem) -> None:
        """Append the label that stands after all others."""
        self.position.append(position)
        self.index.append(index)
        self.lease.append(leased.row)
        self._commitments += commitment
        item = leased.item
        self._before.append(self.latest[item])
        self.latest[item] = len(self.position)

    def rows(self, positions: Column, indexes: Column) -> Column:
        """Return the rows of labels by place, int64 (n,); KeyError where one is none."""
        ours, places = np.asarray(self.position), np.asarray(self.index)
        rows = np.searchsorted(ours, positions) + indexes.astype(np.int64)
        inside = rows < len(ours)
        if not inside.all() or (ours[rows] != positions).any() or (places[rows] != indexes).any():
            raise KeyError("a label that was opened isn't in the log")
        return rows

    def find(self, position: int, index: int) -> int:
        """Return the row of a label, -1 where there is none."""
        row = bisect_left(self.position, position) + index
        there = index >= 0 and row < len(self.position) and self.position[row] == position
        return row if there else -1

    def row(self, row: int) -> Label:
        """Return the label of a row."""
        leased = LeasedItem(self.leases, self.lease[row])
        return Label(self.position[row], self.index[row], self.commitment(row), leased)

    def item(self, row: int) -> int:
        """Return the item that a row's label is of."""
        return self.leases.pairs.second[self.lease[row]]

    def commitment(self, row: int) -> bytes:
        """Return the commitment of a row, 32 bytes."""
        return bytes(self._commitments[32 * row : 32 * row + 32])

    def opened(self, rows: Column, classes: Column, texts: Sequence[bytes] = ()) -> OpenLabels:
        """Return the labels of rows (n,), opened to classes (n,), or to these places in `texts`."""
        accounts = self.leases.contributors.values
        order = sorted(range(len(accounts)), key=accounts.__getitem__)
        numbers = np.empty(len(order), dtype=np.uint32)
        numbers[order] = np.arange(len(order), dtype=np.uint32)
        leases = np.asarray(self.lease)[rows]
        return OpenLabels(
            np.asarray(self.position)[rows],
            np.asarray(self.index)[rows],
            np.asarray(self.leases.pairs.second)[leases].astype(np.uint32),
            numbers[np.asarray(self.leases.pairs.first)[leases]],
            classes.astype(np.uint32),
            tuple(accounts[number] for number in order),
            tuple(texts),
        ).sorted()

    def leases_of(self, labels: OpenLabels) -> Column:
        """Return the rows of the leases that opened labels fulfil, (n,)."""
        leases: Column = np.asarray(self.lease)[self.rows(labels.positions, labels.indexes)]
        return leases

    def accounts(self) -> list[bytes]:
        """Everybody who gave a label, in ascending order."""
        givers = np.unique(np.asarray(self.leases.pairs.first)[np.asarray(self.lease)])
        return sorted(self.leases.contributors.values[number] for number in givers.tolist())

    def faulted(self) -> list[Label]:
        """The labels that a gateway's fault touches, in order."""
        faults = np.asarray(self.leases.fault)[np.asarray(self.lease)]
        return [self.row(row) for row in np.flatnonzero(faults).tolist()]

    def unopened(self, opened: OpenLabels, items: Sequence[int]) -> list[Label]:
        """The labels of `items` that aren't among those opened, in order."""
        wanted = np.zeros(len(self.latest), dtype=bool)
        wanted[[item for item in items if item < len(wanted)]] = True
        left = wanted[np.asarray(self.leases.pairs.second)[np.asarray(self.lease)]]
        left[self.rows(opened.positions, opened.indexes)] = False
        return [self.row(row) for row in np.flatnonzero(left).tolist()]

    def counts(self) -> Column:
        """How many labels each item has, int64 (item_count,)."""
        items = np.asarray(self.leases.pairs.second)[np.asarray(self.lease)]
        return np.bincount(items.astype(np.int64), minlength=len(self.latest))

    def of_item(self, item: int) -> list[Label]:
        """Return an item's labels, in order."""
        found, row = [], self.latest[item]
        while row:
            found.append(self.row(row - 1))
            row = self._before[row - 1]
        return found[::-1]

    def __getitem__(self, key: tuple[int, int]) -> Label:
        row = self.find(*key)
        if row < 0:
            raise KeyError(key)
        return self.row(row)

    def __len__(self) -> int:
        return len(self.position)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        yield from zip(self.position, self.index, strict=True)


class LabelsByItem(Mapping[int, list[Label]]):
    """The labels of each item; none, an empty list."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def __getitem__(self, item: int) -> list[Label]:
        return self._labels.of_item(item) if item < len(self._labels.latest) else []

    def __iter__(self) -> Iterator[int]:
        return (item for item, row in enumerate(self._labels.latest) if row)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Counts(Mapping[int, int]):
    """A number for each of `size` items, from zero on; `counts` is the column."""

    def __init__(self, size: int) -> None:
        self.counts = array("I", bytes(4 * size))

    def __getitem__(self, item: int) -> int:
        return self.counts[item]

    def __setitem__(self, item: int, count: int) -> None:
        self.counts[item] = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.counts)))

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class OpenLabel:
    """An opened label: where it stands, and the class it names (or, where answers are measured,
    its place in `OpenLabels.texts`)."""

    position: int
    index: int
    item: int
    contributor: bytes
    klass: int


@dataclass(frozen=True, eq=False)
class OpenLabels(Rows[OpenLabel]):
    """Opened labels in order of item, position and index.

    `positions` uint64, `indexes` uint8, `items` uint32, `contributors` uint32 (numbers in
    `accounts`, addresses in ascending order), `classes` uint32; (n,) each. Where answers are
    measured, `classes` are places in `texts`, their canonical JSON.
    """

    positions: Column
    indexes: Column
    items: Column
    contributors: Column
    classes: Column
    accounts: tuple[bytes, ...]
    texts: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, labels: Sequence[OpenLabel]) -> OpenLabels:
        """Bring labels into order and columns."""
        accounts = sorted({one.contributor for one in labels})
        number_of = {account: number for number, account in enumerate(accounts)}
        return cls(
            np.array([one.position for one in labels], dtype=np.uint64),
            np.array([one.index for one in labels], dtype=np.uint8),
            np.array([one.item for one in labels], dtype=np.uint32),
            np.array([number_of[one.contributor] for one in labels], dtype=np.uint32),
            np.array([one.klass for one in labels], dtype=np.uint32),
            tuple(accounts),
        ).sorted()

    def and_more(self, more: OpenLabels) -> OpenLabels:
        """These labels and others, in order."""
        accounts = sorted({*self.accounts, *more.accounts})
        numbers = (self.numbered_by(accounts), more.numbered_by(accounts))
        return OpenLabels(
            np.concatenate((self.positions, more.positions)),
            np.concatenate((self.indexes, more.indexes)),
            np.concatenate((self.items, more.items)),
            np.concatenate(numbers).astype(np.uint32),
            np.concatenate((self.classes, more.classes + np.uint32(len(self.texts)))),
            tuple(accounts),
            (*self.texts, *more.texts),
        ).sorted()

    def numbered_by(self, accounts: Sequence[bytes]) -> Column:
        """Return the contributors (n,) as places in `accounts`, which hold them all."""
        number_of = {account: number for number, account in enumerate(accounts)}
        numbers = [number_of.get(account, -1) for account in self.accounts]
        return np.array(numbers, dtype=np.int64)[self.contributors]

    def __len__(self) -> int:
        return len(self.items)

    def row(self, number: int) -> OpenLabel:
        """Return one label."""
        return OpenLabel(
            int(self.positions[number]),
            int(self.indexes[number]),
            int(self.items[number]),
            self.accounts[self.contributors[number]],
            int(self.classes[number]),
        )

    def part(self, chosen: slice) -> OpenLabels:
        """Return some labels."""
        return self._at(chosen)

    def _at(self, chosen: slice | Column) -> OpenLabels:
        return OpenLabels(
            self.positions[chosen],
            self.indexes[chosen],
            self.items[chosen],
            self.contributors[chosen],
            self.classes[chosen],
            self.accounts,
            self.texts,
        )

    def sorted(self) -> OpenLabels:
        """The same labels in order."""
        order = np.lexsort((self.indexes, self.positions, self.items))
        return self._at(order)
