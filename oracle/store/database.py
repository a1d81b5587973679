"""Opening the database: SQLite (WAL) or PostgreSQL by URL, and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from oracle.errors import StoreConflict, StoreError

# As many as a page's threads and its loop use at once: one more would be opened and closed again
# for each use.
KEPT_CONNECTIONS = 12
MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str) -> Engine:
    """Return an engine for `url`, its tables made or migrated to this version.

    `url` is SQLAlchemy's, such as `sqlite:////var/lib/ddlp/gateway.db` or
    `postgresql+psycopg://user@host/ddlp`. Threads may share the engine. StoreError where the
    database can't be reached, or was written by a newer version.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_size=KEPT_CONNECTIONS)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        else:
            _prepare_postgres(engine)
        migrate(engine)
    except ImportError as error:
        raise StoreError(
            f"the database's driver isn't installed ({error.name}): pip install it, for PostgreSQL "
            "psycopg"
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(
            f"the database can't be opened ({type(error).__name__}): check its URL, and that its "
            "folder or server is there"
        ) from error
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision`; StoreError where they are of a version unknown here."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise StoreError(
                f"the database has tables of another version ({error}): run the version of ddlp "
                "that wrote it, or a newer one"
            ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads; StoreError where the database can't be used."""
    with _translated(), engine.execution_options(writes=False).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that may write; StoreConflict, StoreError where it can't be committed."""
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise StoreConflict(
            "another row is there already, or the one it belongs to is missing: read again and "
            "retry"
        ) from error
    except SQLAlchemyError as error:
        # The driver's own words may hold the values written; its code doesn't.
        cause = getattr(error, "orig", None)
        code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
        raise StoreError(
            f"the database refused ({code or type(error).__name__}): check that it runs, its disk "
            "space and its permissions; what was under way has not happened, or wholly, and asking "
            "again is safe"
        ) from error


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: ConnectionPoolEntry) -> None:
        # The driver's own BEGIN comes too late and too weak; `begin` below says it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # A head that was handed out must survive a power cut: signing its position again would be a
        # fork.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 15000")  # milliseconds
        # Erased answers are overwritten, not only unlinked.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its lock at once: taken later, behind another writer, SQLite would refuse
        # it without waiting.
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: ConnectionPoolEntry) -> None:
        with connection.cursor() as cursor:
            # A server's default may be to answer before a commit is on disk.
            cursor.execute("SET synchronous_commit = on")
            # Behind another writer, or a dead one's transaction: the same wait as on SQLite.
            cursor.execute("SET lock_timeout = '15s'")
            cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
        connection.commit()
