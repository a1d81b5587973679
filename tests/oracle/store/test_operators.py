"""What an operator keeps: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from oracle.errors import StoreConflict
from oracle.evidence.entries import LogRow, chain_rows
from oracle.evidence.hashing import keccak256
from oracle.ports import Filing, OpenedSubmission, OperatorStore
from oracle.service.memory import MemoryOperatorStore
from oracle.store.database import open_database
from oracle.store.operators import SqlOperatorStore

OPERATOR, OTHER = b"\x05" * 20, b"\x06" * 20
ROWS = list(chain_rows((b"entry %d" % number, b"\x01" * 65) for number in range(1, 9)))


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgres", marks=[pytest.mark.services])],
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine | None]:
    """The database, or None for the store in memory."""
    url = f"sqlite:///{tmp_path / 'operator.db'}" if request.param == "sqlite" else None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").create_database()
    if url is None:
        yield None
        return
    found = open_database(url)
    yield found
    found.dispose()


@pytest.fixture
def store(engine: Engine | None) -> OperatorStore:
    return MemoryOperatorStore() if engine is None else SqlOperatorStore(engine, OPERATOR, 7)


def opened(number: int, seed: bytes = b"\x02" * 32) -> OpenedSubmission:
    return OpenedSubmission(keccak256(b"%d" % number), (b'"cat"', '"ü"'.encode()), seed)


def rows_from(position: int, branch: bytes) -> list[LogRow]:
    """Rows of another branch, from `position` to 8."""
    before = ROWS[position - 2].head
    data = ((branch + b" %d" % number, b"\x03" * 65) for number in range(position, 9))
    return list(chain_rows(data, first=position, before=before))


def test_append__in_order__is_read_back(store: OperatorStore) -> None:
    assert (store.rows(), store.last_row()) == ([], None)
    store.append(ROWS[:3], [opened(1)], now=10)
    store.append(ROWS[3:5], [opened(2)], now=20)
    assert store.rows() == ROWS[:5]
    assert store.rows(2, 4) == ROWS[1:4]
    assert store.last_row() == ROWS[4]
    assert store.opened() == {one.entry_hash: one for one in (opened(1), opened(2))}


def test_append__with_a_gap_or_twice__changes_nothing(store: OperatorStore) -> None:
    store.append(ROWS[:3], [], now=10)
    for rows in (ROWS[4:], ROWS[:3]):
        with pytest.raises(StoreConflict, match="isn't next"):
            store.append(rows, [opened(1)], now=20)
    assert store.rows() == ROWS[:3]
    assert store.opened() == {}


def test_adopt__another_branch__replaces_rows_from_there(store: OperatorStore) -> None:
    store.append(ROWS, [], now=10)
    branch = rows_from(5, b"other")
    store.adopt(branch, now=20)
    assert store.rows() == ROWS[:4] + branch
    with pytest.raises(StoreConflict, match="read it again"):
        store.adopt([LogRow(12, b"", b"", b"", b"")], now=30)
    assert store.rows() == ROWS[:4] + branch


def test_position_at__any_time__is_what_was_received_by_then(store: OperatorStore) -> None:
    assert store.position_at(10) == 0
    store.append(ROWS[:3], [], now=10)
    store.append(ROWS[3:5], [], now=20)
    store.append(ROWS[5:], [], now=15)  # a clock that was set back
    assert [store.position_at(time) for time in (9, 10, 19, 20)] == [0, 3, 3, 8]


def test_add__again__keeps_what_came_first(store: OperatorStore) -> None:
    filing = Filing(b"entry", b"opening")
    store.add_filing(filing, opened(1), now=10)
    store.add_filing(Filing(b"entry", b"other"), opened(1, b"\x04" * 32), now=20)
    store.add_filing(Filing(b"another", b""), None, now=20)
    assert store.filings() == {
        keccak256(b"entry"): filing,
        keccak256(b"another"): Filing(b"another", b""),
    }
    assert store.opened() == {opened(1).entry_hash: opened(1)}
    store.add_opened([opened(1, b"\x05" * 32), opened(2)], now=30)
    assert store.opened()[opened(1).entry_hash] == opened(1)
    store.note("kind", b"\x01" * 32, b"first", now=10)
    store.note("kind", b"\x01" * 32, b"second", now=20)
    store.note("other", b"\x01" * 32, b"third", now=20)
    assert store.notes("kind") == {b"\x01" * 32: b"first"}
    assert store.notes("none") == {}


def test_forget__named__leaves_the_others(store: OperatorStore) -> None:
    store.add_filing(Filing(b"entry", b""), opened(1), now=10)
    store.add_filing(Filing(b"another", b""), opened(2), now=10)
    store.forget(filings=[keccak256(b"entry")])
    assert set(store.filings()) == {keccak256(b"another")}
    assert set(store.opened()) == {opened(1).entry_hash, opened(2).entry_hash}
    store.forget(opened=[opened(2).entry_hash, b"\x00" * 32])
    assert set(store.opened()) == {opened(1).entry_hash}


def test_certificates__forgotten__leave_other_notes(store: OperatorStore) -> None:
    one, two = b"\x01" * 32, b"\x02" * 32
    for kind in ("signed", "certificate"):
        store.note(kind, one, b"first", now=10)
        store.note(kind, two, b"second", now=20)
    store.forget(certificates=[two])
    assert store.notes("certificate") == {one: b"first"}
    assert store.find_note("certificate", two) is None
    assert store.find_note("signed", two) == b"second"


def test_stores__of_others__stay_apart(engine: Engine | None) -> None:
    if engine is None:
        one, other, third = (MemoryOperatorStore() for _ in range(3))
    else:
        one, other, third = (
            SqlOperatorStore(engine, operator, campaign)
            for operator, campaign in ((OPERATOR, 7), (OTHER, 7), (OPERATOR, 8))
        )
    one.append(ROWS, [opened(1)], now=10)
    one.note("kind", b"\x01" * 32, b"data", now=10)
    other.append(ROWS[:1], [], now=10)
    other.adopt(rows_from(2, b"other")[:1], now=20)
    assert one.rows() == ROWS
    assert (len(other.rows()), other.opened(), other.notes("kind")) == (2, {}, {})
    assert (third.rows(), third.last_row(), third.position_at(99)) == ([], None, 0)


def test_reopened__after_a_restart__holds_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operator.db'}"
    first = open_database(url)
    SqlOperatorStore(first, OPERATOR, 7).append(ROWS, [opened(1)], now=10)
    first.dispose()
    again = open_database(url)
    store = SqlOperatorStore(again, OPERATOR, 7)
    assert store.rows() == ROWS
    assert store.opened() == {opened(1).entry_hash: opened(1)}
    again.dispose()
