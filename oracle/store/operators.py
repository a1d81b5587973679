"""What an operator keeps of a campaign: its copy of the log, openings, filings, notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, insert, select

from oracle.errors import StoreConflict
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.ports import Filing, OpenedSubmission
from oracle.store.database import reading, writing
from oracle.store.schema import (
    operator_filings,
    operator_notes,
    operator_openings,
    operator_rows,
)


def operators_of(engine: Engine, campaign: int) -> list[bytes]:
    """Return the operators whose copies of a campaign's log a database holds, ascending."""
    query = select(operator_rows.c.operator).where(operator_rows.c.campaign == campaign)
    with reading(engine) as connection:
        return sorted(connection.scalars(query.distinct()))


class SqlOperatorStore:
    """An `OperatorStore` of one operator (20-byte address) and campaign, on an engine of
    `open_database`; threads may share it."""

    def __init__(self, engine: Engine, operator: bytes, campaign: int) -> None:
        self._engine = engine
        self._owner = {"operator": operator, "campaign": campaign}

    def rows(self, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the rows at positions `first` to `last` (both included), ascending."""
        query = self._mine(operator_rows).where(operator_rows.c.position >= first)
        if last is not None:
            query = query.where(operator_rows.c.position <= last)
        with reading(self._engine) as connection:
            return list(map(_row, connection.execute(query.order_by(operator_rows.c.position))))

    def last_row(self) -> LogRow | None:
        """Return the newest row."""
        query = self._mine(operator_rows).order_by(operator_rows.c.position.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _row(row)

    def append(
        self, rows: Sequence[LogRow], opened: Sequence[OpenedSubmission], *, now: int
    ) -> None:
        """Add consecutive rows and what opens submissions, all or none."""
        with writing(self._engine) as connection:
            self._append(connection, rows, now)
            self._open(connection, opened, now)

    def adopt(self, rows: Sequence[LogRow], *, now: int) -> None:
        """Replace what the log holds from the first row's position on."""
        with writing(self._engine) as connection:
            owned = self._owned(operator_rows)
            connection.execute(
                delete(operator_rows).where(owned, operator_rows.c.position >= rows[0].position)
            )
            self._append(connection, rows, now)

    def position_at(self, time: int) -> int:
        """Return the last position received at `time` or before."""
        query = select(func.max(operator_rows.c.position)).where(
            self._owned(operator_rows), operator_rows.c.received_at <= time
        )
        with reading(self._engine) as connection:
            return connection.scalar(query) or 0

    def add_filing(self, filing: Filing, opened: OpenedSubmission | None, *, now: int) -> None:
        """Keep a filing once, and what opens it."""
        key = {"entry_hash": keccak256(filing.entry)}
        values = {"entry": filing.entry, "opening": filing.opening, "received_at": now}
        with writing(self._engine) as connection:
            self._add(connection, operator_filings, key, values)
            self._open(connection, () if opened is None else (opened,), now)

    def filings(self) -> dict[bytes, Filing]:
        """Return the filings by entry hash."""
        with reading(self._engine) as connection:
            return {
                row.entry_hash: Filing(row.entry, row.opening)
                for row in connection.execute(self._mine(operator_filings))
            }

    def add_opened(self, opened: Sequence[OpenedSubmission], *, now: int) -> None:
        """Keep what opens submissions; the first one kept stays."""
        with writing(self._engine) as connection:
            self._open(connection, opened, now)

    def opened(self) -> dict[bytes, OpenedSubmission]:
        """Return what opens submissions, by entry hash."""
        with reading(self._engine) as connection:
            return {
                row.entry_hash: OpenedSubmission(
                    row.entry_hash, tuple(map(str.encode, json.loads(row.answers))), row.seed
                )
                for row in connection.execute(self._mine(operator_openings))
            }

    def forget(
        self,
        *,
        filings: Sequence[bytes] = (),
        opened: Sequence[bytes] = (),
        certificates: Sequence[bytes] = (),
    ) -> None:
        """Delete filings, what opens submissions, and certificates."""
        if not (filings or opened or certificates):
            return
        with writing(self._engine) as connection:
            for key in certificates:
                noted = operator_notes.c
                same = (noted.kind == "certificate") & (noted.key == key)
                connection.execute(delete(operator_notes).where(self._owned(operator_notes) & same))
            for table, keys in ((operator_filings, filings), (operator_openings, opened)):
                for key in keys:
                    connection.execute(
                        delete(table).where(self._owned(table), table.c.entry_hash == key)
                    )

    def note(self, kind: str, key: bytes, data: bytes, *, now: int) -> None:
        """Keep bytes under a kind and key; the first one kept stays."""
        with writing(self._engine) as connection:
            values = {"data": data, "noted_at": now}
            self._add(connection, operator_notes, {"kind": kind, "key": key}, values)

    def find_note(self, kind: str, key: bytes) -> bytes | None:
        """Return what is kept under a kind and key."""
        noted = operator_notes.c
        same = (noted.kind == kind) & (noted.key == key)
        query = select(noted.data).where(self._owned(operator_notes) & same)
        with reading(self._engine) as connection:
            return connection.scalar(query)

    def notes(self, kind: str) -> dict[bytes, bytes]:
        """Return everything kept under a kind, by key."""
        query = self._mine(operator_notes).where(operator_notes.c.kind == kind)
        with reading(self._engine) as connection:
            return {row.key: row.data for row in connection.execute(query)}

    # -- small parts -------------------------------------------------------------------------

    def _owned(self, table: Table) -> Any:
        return (table.c.operator == self._owner["operator"]) & (
            table.c.campaign == self._owner["campaign"]
        )

    def _mine(self, table: Table) -> Any:
        return select(table).where(self._owned(table))

    def _append(self, connection: Connection, rows: Sequence[LogRow], now: int) -> None:
        if not rows:
            return
        last = connection.execute(
            select(
                func.max(operator_rows.c.position).label("position"),
                func.max(operator_rows.c.received_at).label("received_at"),
            ).where(self._owned(operator_rows))
        ).one()
        if rows[0].position != (last.position or 0) + 1:
            raise StoreConflict(
                f"the log ends at {last.position or 0}, so position {rows[0].position} isn't next: "
                "read it again and retry"
            )
        # Time never runs back in what is kept, so that a deadline divides it in two.
        received = max(now, last.received_at or 0)
        connection.execute(
            insert(operator_rows),
            [
                {
                    **self._owner,
                    "position": row.position,
                    "entry": row.data,
                    "head": row.head,
                    "signature": row.signature,
                    "received_at": received,
                }
                for row in rows
            ],
        )

    def _open(self, connection: Connection, opened: Sequence[OpenedSubmission], now: int) -> None:
        for one in opened:
            answers = json.dumps([answer.decode() for answer in one.answers])
            values = {"answers": answers, "seed": one.seed, "received_at": now}
            self._add(connection, operator_openings, {"entry_hash": one.entry_hash}, values)

    def _add(
        self, connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]
    ) -> None:
        same = self._owned(table)
        for name, value in key.items():
            same &= table.c[name] == value
        if connection.execute(select(table.c.operator).where(same)).first() is None:
            connection.execute(insert(table).values(**self._owner, **key, **values))


def _row(row: Row[Any]) -> LogRow:
    # Hashed anew: what is stored must not vouch for an entry that was tampered with.
    return LogRow(row.position, row.entry, keccak256(row.entry), row.head, row.signature)
