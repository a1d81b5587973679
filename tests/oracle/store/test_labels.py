"""The gateway's database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from oracle.errors import StoreConflict, StoreError
from oracle.evidence.entries import Anchor, Delegation, LogRow, chain_rows, encode_entry
from oracle.evidence.hashing import ZERO32, sha256
from oracle.ports import LabelStore, NewEntry, StoredSubmission
from oracle.store.database import MIGRATIONS, migrate, open_database
from oracle.store.labels import SqlLabelStore
from oracle.store.people import PeopleStore
from oracle.store.schema import metadata

CAMPAIGN = 2**200 + 1
CONTRIBUTOR, SESSION, OPERATOR = b"\x0c" * 20, b"\x05" * 20, b"\x0e" * 20
NOW = 1_700_000_000


@pytest.fixture
def sqlite(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'gateway.db'}")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def downgrade(engine: Engine) -> None:
    """Drop all tables."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


@pytest.fixture
def store(engine: Engine) -> LabelStore:
    store: LabelStore = SqlLabelStore(engine)
    store.register(CAMPAIGN, chain_id=31337, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW)
    return store


def rows(count: int) -> list[LogRow]:
    entries = [encode_entry(Anchor(number, sha256(bytes([number])))) for number in range(count)]
    return list(chain_rows((entry, b"\x02" * 65) for entry in entries))


def submission(position: int, **changes: object) -> StoredSubmission:
    fields = {
        "position": position,
        "contributor": CONTRIBUTOR,
        "session_key": SESSION,
        "sequence": 2**64 - position,
        "digest": sha256(b"digest" + bytes([position])),
        "opening": sha256(b"block" + bytes([position])),
        "answers": (b'"7"', '"schön"'.encode()),
        "seed": b"\x09" * 32,
    }
    return StoredSubmission(**{**fields, **changes})  # type: ignore[arg-type]


# --- the log --------------------------------------------------------------------------------------


def test_append__rows_in_order__are_read_back(store: LabelStore) -> None:
    written = rows(5)
    assert store.last_row(CAMPAIGN) is None
    for row in written:
        store.append(CAMPAIGN, [NewEntry(row)], now=NOW)
    assert store.rows(CAMPAIGN) == written
    assert store.rows(CAMPAIGN, 2, 3) == written[1:3]
    assert store.rows(CAMPAIGN, 6) == []
    assert store.last_row(CAMPAIGN) == written[-1]
    assert store.find_row(CAMPAIGN, written[2].entry_hash) == written[2]
    assert store.find_row(CAMPAIGN, ZERO32) is None


@pytest.mark.parametrize("index", [0, 2])
def test_append__a_row_that_is_not_next__is_refused(store: LabelStore, index: int) -> None:
    written = rows(3)
    store.append(CAMPAIGN, [NewEntry(written[0])], now=NOW)
    with pytest.raises(StoreConflict, match="ends at 1"):
        store.append(CAMPAIGN, [NewEntry(written[index])], now=NOW)
    assert store.rows(CAMPAIGN) == written[:1]


def test_append__unknown_campaign__is_refused(store: LabelStore) -> None:
    with pytest.raises(StoreConflict):
        store.append(1, [NewEntry(rows(1)[0])], now=NOW)
    assert store.rows(1) == []


def test_append__a_used_sequence__writes_neither_entry_nor_opening(store: LabelStore) -> None:
    first, second = rows(2)
    store.append(CAMPAIGN, [NewEntry(first, submission(1), b"sealed")], now=NOW)
    used = submission(2, sequence=2**64 - 1)
    with pytest.raises(StoreConflict):
        store.append(CAMPAIGN, [NewEntry(second, used, b"other")], now=NOW)
    assert store.rows(CAMPAIGN) == [first]
    assert store.submissions(CAMPAIGN) == [submission(1)]
    assert store.opening_block(CAMPAIGN, submission(2).opening) is None


def test_append__two_writers_at_once__let_one_through(engine: Engine, store: LabelStore) -> None:
    row, refused = rows(1)[0], []
    barrier = threading.Barrier(4)

    def write() -> None:
        barrier.wait()
        try:
            SqlLabelStore(engine).append(CAMPAIGN, [NewEntry(row)], now=NOW)
        except StoreConflict as error:
            refused.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert store.rows(CAMPAIGN) == [row]


def test_append__delegations__are_indexed_by_contributor(store: LabelStore, engine: Engine) -> None:
    keys = [b"\x05" * 20, b"\x06" * 20, b"\x05" * 20]
    entries = [
        encode_entry(Delegation(0, CONTRIBUTOR, key, 2**64 - 1, 2**64 - 1, ZERO32, bytes([n]) * 65))
        for n, key in enumerate(keys)
    ]
    for row in chain_rows((entry, b"\x02" * 65) for entry in entries):
        store.append(CAMPAIGN, [NewEntry(row)], now=NOW)
    people = PeopleStore(engine)
    assert [one.session_key for one in people.delegations(CONTRIBUTOR)] == keys[::-1]
    assert people.delegations(OPERATOR) == []


def test_register__twice__keeps_the_first_and_refuses_another(store: LabelStore) -> None:
    store.register(CAMPAIGN, chain_id=31337, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW + 1)
    with pytest.raises(StoreConflict, match="database of its own"):
        store.register(CAMPAIGN, chain_id=1, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW)
    store.register(3, chain_id=1, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW)
    assert store.campaigns() == [3, CAMPAIGN]


# --- openings -------------------------------------------------------------------------------------


def test_submissions__narrowed__return_only_those(store: LabelStore) -> None:
    kept = [submission(1), submission(2, contributor=OPERATOR), submission(3)]
    for row, one in zip(rows(3), kept, strict=True):
        store.append(CAMPAIGN, [NewEntry(row, one)], now=NOW)
    assert store.submissions(CAMPAIGN) == kept
    assert store.submissions(CAMPAIGN, positions=[3, 1, 99]) == [kept[0], kept[2]]
    assert store.submissions(CAMPAIGN, positions=range(2, 2000)) == kept[1:]
    assert store.submissions(CAMPAIGN, positions=[]) == []
    assert store.submissions(CAMPAIGN, contributor=OPERATOR) == [kept[1]]
    assert store.submissions(CAMPAIGN, session=(SESSION, 2**64 - 3)) == [kept[2]]


def test_erase__a_submission__leaves_the_row_without_its_secrets(store: LabelStore) -> None:
    for row in rows(2):
        one = submission(row.position)
        store.append(CAMPAIGN, [NewEntry(row, one, b"sealed")], now=NOW)
    assert store.opening_block(CAMPAIGN, submission(1).opening) == b"sealed"
    assert store.opening_blocks(CAMPAIGN, 1, 2) == [b"sealed", b"sealed"]
    assert store.opening_blocks(CAMPAIGN, 2, 9) == [b"sealed"]
    assert store.erase(CAMPAIGN, [1, 2, 3], settled=0, now=NOW) == 2
    assert store.erase(CAMPAIGN, [1, 2], settled=0, now=NOW) == 0
    erased = submission(1, answers=None, seed=None)
    assert store.submissions(CAMPAIGN, positions=[1]) == [erased]
    assert store.opening_blocks(CAMPAIGN, 1, 2) == [b"sealed", b"sealed"]  # operators follow
    assert store.erase(CAMPAIGN, [], settled=1, now=NOW) == 0
    assert store.opening_block(CAMPAIGN, erased.opening) is None
    assert store.opening_blocks(CAMPAIGN, 1, 2) == [b"sealed"]
    assert store.rows(CAMPAIGN) == rows(2)


def test_erase__on_sqlite__leaves_no_byte_on_disk(sqlite: Engine, tmp_path: Path) -> None:
    store = SqlLabelStore(sqlite)
    store.register(CAMPAIGN, chain_id=31337, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW)
    secret, sealed = b'"a very private answer"', b"a very sealed block"
    for row in rows(2):
        one = submission(row.position, answers=(secret,), seed=b"\x77" * 32)
        store.append(CAMPAIGN, [NewEntry(row, one, sealed)], now=NOW)
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a very private answer" in on_disk

    assert store.erase(CAMPAIGN, [1, 2], settled=2, now=NOW) == 2
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for trace in (b"a very private answer", sealed, b"\x77" * 32):
        assert trace not in on_disk


# --- claims and receipts --------------------------------------------------------------------------


def test_queue_claim__again__is_the_same_job_until_it_fails(store: LabelStore) -> None:
    job = store.queue_claim(CAMPAIGN, 1, CONTRIBUTOR, now=NOW)
    assert job.state == "queued"
    assert store.queue_claim(CAMPAIGN, 1, CONTRIBUTOR, now=NOW) == job
    store.update_claim(job.job, "sent", now=NOW, transaction_hash=sha256(b"tx"))
    assert store.queue_claim(CAMPAIGN, 1, CONTRIBUTOR, now=NOW).state == "sent"
    store.update_claim(job.job, "failed", now=NOW, error="escrow: nothing to claim")
    assert store.claim_jobs(state="failed")[0].error == "escrow: nothing to claim"
    assert store.queue_claim(CAMPAIGN, 1, CONTRIBUTOR, now=NOW) == job
    other = store.queue_claim(CAMPAIGN, 2, OPERATOR, now=NOW)
    assert store.claim_jobs() == [job, other]
    assert store.claim_jobs(account=OPERATOR) == [other]


def test_update_claim__what_cannot_be__is_refused(store: LabelStore) -> None:
    job = store.queue_claim(CAMPAIGN, 1, CONTRIBUTOR, now=NOW)
    with pytest.raises(StoreConflict, match="no claim job"):
        store.update_claim(job.job + 1, "done", now=NOW)
    with pytest.raises(StoreConflict):
        store.update_claim(job.job, "lost", now=NOW)
    assert store.claim_jobs() == [job]


def test_add_receipt_signature__twice__keeps_the_first(store: LabelStore) -> None:
    store.add_receipt_signature(CAMPAIGN, ZERO32, OPERATOR, b"\x01" * 65, now=NOW)
    store.add_receipt_signature(CAMPAIGN, ZERO32, OPERATOR, b"\x02" * 65, now=NOW)
    store.add_receipt_signature(CAMPAIGN, ZERO32, SESSION, b"\x03" * 65, now=NOW)
    found = store.receipt_signatures(CAMPAIGN, ZERO32)
    assert found == {SESSION: b"\x03" * 65, OPERATOR: b"\x01" * 65}
    assert store.receipt_signatures(CAMPAIGN, sha256(b"")) == {}


# --- the database itself --------------------------------------------------------------------------


def test_migrations__all_applied__give_the_tables_of_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    # What Alembic's comparison leaves out.
    found = inspect(engine)
    for table in metadata.sorted_tables:
        checks = {check["name"] for check in found.get_check_constraints(table.name)}
        stated = {str(one.name) for one in table.constraints if hasattr(one, "sqltext")}
        assert checks == stated
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [
            column.name for column in table.primary_key
        ]


def test_migrate__down_and_up__leaves_no_table_behind(engine: Engine) -> None:
    downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_open_database__again__keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    first = SqlLabelStore(open_database(url))
    first.register(3, chain_id=1, escrow=b"\x01" * 20, manifest=ZERO32, now=NOW)
    assert SqlLabelStore(open_database(url)).campaigns() == [3]
    with sqlite3.connect(tmp_path / "gateway.db") as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


def test_open_database__of_a_newer_version__is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    engine = open_database(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer one"):
        open_database(url)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////nowhere/at/all/gateway.db", "oracle3://x"])
def test_open_database__that_cannot_be__names_the_remedy(url: str) -> None:
    with pytest.raises(StoreError, match="check its URL"):
        open_database(url)


def test_open_database__driver_missing__names_it() -> None:
    with pytest.raises(StoreError, match=r"isn't installed \(psycopg2?\)"):
        open_database("postgresql+psycopg2://127.0.0.1/ddlp")
