"""All rows of a database as plain values, so that SQLite's can be loaded into PostgreSQL and back.

Values are what SQLAlchemy's types make of a column: integers, bytes, texts, None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from oracle.errors import StoreConflict
from oracle.store.database import reading, writing
from oracle.store.schema import metadata

ROWS = 500  # in one part
TABLES = {table.name: table for table in metadata.sorted_tables}
Part = list[list[Any]]


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction in which all reads see one moment, while others write."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as connection:
        yield connection


def revision(connection: Connection) -> str:
    """Return the version of the tables."""
    found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return found


def columns() -> dict[str, list[str]]:
    """Return the tables' columns, in the order of the values of a row."""
    return {name: [column.name for column in table.columns] for name, table in TABLES.items()}


def dump(connection: Connection) -> Iterator[tuple[str, Part]]:
    """Yield the rows of every table in parts, tables that others refer to first."""
    for name, table in TABLES.items():
        query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS)
        for part in connection.execute(query).partitions():
            yield name, [list(row) for row in part]


def is_empty(engine: Engine) -> bool:
    """Say whether no table has a row."""
    with reading(engine) as connection:
        return all(
            connection.execute(select(table).limit(1)).first() is None for table in TABLES.values()
        )


def load(engine: Engine, parts: Iterable[tuple[str, Part]], *, now: int) -> None:
    """Write rows as `dump` gave them into an empty database, all or none, every log held.

    StoreConflict where a row is there already, or lacks one that it refers to.
    """
    with writing(engine) as connection:
        for table in TABLES.values():
            if connection.execute(select(table).limit(1)).first() is not None:
                raise StoreConflict(f"the database has rows in {table.name}: name an empty one")
        for name, part in parts:
            table = TABLES[name]
            names = [column.name for column in table.columns]
            rows = [dict(zip(names, row, strict=True)) for row in part]
            if name == "log_holds":
                continue  # all are held below
            connection.execute(insert(table), rows)
        holds = [
            {"campaign": campaign, "held_at": now}
            for campaign in connection.scalars(select(TABLES["campaigns"].c.campaign))
        ]
        if holds:
            connection.execute(insert(TABLES["log_holds"]), holds)
        if connection.dialect.name == "postgresql":
            for table in TABLES.values():
                _count_on(connection, table)


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that brought their own number."""
    column = table.autoincrement_column
    if column is not None:
        newest = connection.scalar(select(func.max(column)))
        if newest is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(select(func.setval(sequence, newest)))
