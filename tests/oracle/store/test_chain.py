"""What was read of the chain and signed for it: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from oracle.chain.memory import MemoryEvents, MemoryTransactions
from oracle.errors import StoreConflict
from oracle.evidence.hashing import keccak256
from oracle.ports import ChainLog, EventStore, SentTransaction, TransactionStore
from oracle.protocol.facts import Block
from oracle.store.database import open_database
from oracle.store.events import SqlEventStore
from oracle.store.transactions import SqlTransactionStore

DEPLOYMENT, SENDER, OTHER = b"\x0d" * 32, b"\x05" * 20, b"\x06" * 20
NOW = 1_700_000_000


def block(number: int, branch: bytes = b"") -> Block:
    return Block(number, keccak256(b"%d" % number + branch), NOW + number)


def log(number: int, index: int = 0, topics: int = 3) -> ChainLog:
    """A log of extreme shapes: 0 to 4 topics, and data that may be empty."""
    words = tuple(bytes([topic]) * 32 for topic in range(topics))
    return ChainLog(number, index, b"\x01" * 32, b"\x02" * 20, words, b"\xff" * 33 * (number % 2))


def sent(nonce: int, call: bytes = b"\x0c" * 32, fee: int = 10, **changes: Any) -> SentTransaction:
    raw = b"%d %d %r" % (nonce, fee, call)
    one = SentTransaction(SENDER, nonce, keccak256(raw), raw, call, "Board.post", fee, fee // 2)
    return replace(one, **changes)


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgres", marks=[pytest.mark.services])],
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine | None]:
    """The database, or None for the stores in memory."""
    url = f"sqlite:///{tmp_path / 'chain.db'}" if request.param == "sqlite" else None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").create_database()
    if url is None:
        yield None
        return
    found = open_database(url)
    yield found
    found.dispose()


@pytest.fixture
def events(engine: Engine | None) -> EventStore:
    store: EventStore = MemoryEvents() if engine is None else SqlEventStore(engine)
    store.open(DEPLOYMENT)
    return store


@pytest.fixture
def transactions(engine: Engine | None) -> TransactionStore:
    return MemoryTransactions() if engine is None else SqlTransactionStore(engine, 31337)


# --- events ---------------------------------------------------------------------------------------


def test_open__another_deployment__is_refused(events: EventStore) -> None:
    events.open(DEPLOYMENT)
    with pytest.raises(StoreConflict, match="another deployment"):
        events.open(bytes(32))
    assert (events.recent(), events.logs()) == ([], [])


def test_append__span_after_span__keeps_logs_and_the_blocks_after_the_checkpoint(
    events: EventStore,
) -> None:
    events.append(None, [block(9)], [], 9)
    assert events.recent() == [block(9)]
    logs = [log(10, topics=0), log(11, 3, topics=4), log(11, 7)]
    events.append(block(9), [block(10), block(11)], logs, 9)
    assert events.recent() == [block(9), block(10), block(11)]
    events.append(block(11), [block(12)], [log(12)], 11)
    assert events.recent() == [block(11), block(12)]
    assert events.logs() == [*logs, log(12)]
    assert events.logs(12) == [log(12)]
    assert events.blocks(9, 9) == []


def test_append__behind_another_block__is_refused_and_changes_nothing(events: EventStore) -> None:
    events.append(None, [block(9)], [log(9)], 9)
    for after in (None, block(8), block(9, b"other branch")):
        with pytest.raises(StoreConflict, match="again"):
            events.append(after, [block(10)], [log(10)], 10)
    assert (events.recent(), events.logs()) == ([block(9)], [log(9)])


def test_append__nothing_final_yet__leaves_the_checkpoint(events: EventStore) -> None:
    events.append(None, [block(9), block(10)], [], 0)
    assert events.recent() == [block(9), block(10)]
    events.append(block(10), [block(11)], [], 10**9)
    assert events.recent() == [block(11)]


def test_rollback__to_a_recent_block__forgets_what_came_after(events: EventStore) -> None:
    events.append(None, [block(9)], [log(9)], 9)
    events.append(block(9), [block(10), block(11)], [log(10), log(11)], 9)
    events.rollback(block(10))
    assert (events.recent(), events.logs()) == ([block(9), block(10)], [log(9), log(10)])
    branch = block(11, b"other branch")
    events.append(block(10), [branch], [log(11, 5)], 9)
    assert events.recent()[-1] == branch
    assert events.logs(11) == [log(11, 5)]


def test_rollback__behind_the_checkpoint_or_aside__is_refused(events: EventStore) -> None:
    events.append(None, [block(8)], [log(8)], 8)
    events.append(block(8), [block(9), block(10)], [log(9)], 9)
    for to in (block(8), block(10, b"other branch"), block(11)):
        with pytest.raises(StoreConflict, match="isn't one of the recent"):
            events.rollback(to)
    assert (events.recent(), events.logs()) == ([block(9), block(10)], [log(8), log(9)])


def test_keep__a_final_block__is_found_again_and_is_not_recent(events: EventStore) -> None:
    events.append(None, [block(9), block(10)], [], 9)
    events.keep([block(3), block(5)])
    events.keep([block(3), block(4), block(9)])
    events.keep([])
    with pytest.raises(StoreConflict, match="may still be undone"):
        events.keep([block(2), block(10)])
    assert events.blocks(2, 4) == [block(3), block(4)]
    assert events.blocks(5, 12) == [block(5), block(9), block(10)]
    assert events.recent() == [block(9), block(10)]


# --- transactions ---------------------------------------------------------------------------------


def test_add__transactions_and_replacements__are_open_in_order(
    transactions: TransactionStore,
) -> None:
    first, second, dearer = sent(5), sent(6, b"\x0d" * 32), sent(5, fee=2**200)
    for one in (second, first, dearer):
        transactions.add(one, now=NOW)
    assert transactions.open(SENDER) == [first, dearer, second]
    assert transactions.open(OTHER) == []


def test_add__same_again_or_a_taken_nonce__is_refused(transactions: TransactionStore) -> None:
    transactions.add(sent(5), now=NOW)
    with pytest.raises(StoreConflict):
        transactions.add(sent(5), now=NOW)
    with pytest.raises(StoreConflict, match="nonce 5"):
        transactions.add(sent(5, b"\x0d" * 32), now=NOW)
    transactions.add(sent(5, b"\x0d" * 32, sender=OTHER), now=NOW)
    assert transactions.open(SENDER) == [sent(5)]


def test_close__one_of_a_nonce_mined__the_others_are_replaced(
    transactions: TransactionStore,
) -> None:
    first, dearer, later = sent(5), sent(5, fee=20), sent(6)
    for one in (first, dearer, later):
        transactions.add(one, now=NOW)
    transactions.close(SENDER, 5, first.hash, now=NOW + 1)
    assert transactions.open(SENDER) == [later]
    assert [one.state for one in transactions.history(SENDER)] == ["mined", "replaced", "signed"]
    transactions.close(SENDER, 5, dearer.hash, now=NOW + 2)
    assert [one.state for one in transactions.history(SENDER)] == ["mined", "replaced", "signed"]


def test_close__refused__frees_the_nonce(transactions: TransactionStore) -> None:
    transactions.add(sent(5), now=NOW)
    transactions.close(SENDER, 5, None, now=NOW)
    transactions.add(sent(5, b"\x0d" * 32), now=NOW)
    assert [one.state for one in transactions.history(SENDER)] == ["refused", "signed"]


@pytest.mark.parametrize("was_mined", [True, False])
def test_add__closed_one_signed_again__is_open_again(
    transactions: TransactionStore, was_mined: bool
) -> None:
    """A block is undone, and the same call signs the same transaction."""
    first = sent(5)
    transactions.add(first, now=NOW)
    transactions.close(SENDER, 5, first.hash if was_mined else None, now=NOW)
    transactions.add(first, now=NOW + 1)
    assert transactions.open(SENDER) == transactions.history(SENDER) == [first]


def test_transactions__of_two_chains__do_not_meet(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chain.db'}")
    first, second = (SqlTransactionStore(engine, chain_id) for chain_id in (1, 10))
    for one in (first, second):
        one.add(sent(5), now=NOW)
    first.close(SENDER, 5, None, now=NOW)
    assert (first.open(SENDER), second.open(SENDER)) == ([], [sent(5)])
