"""The chain's logs as far as they were read, and the blocks they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from oracle.errors import StoreConflict
from oracle.ports import ChainLog
from oracle.protocol.facts import Block
from oracle.store.database import reading, writing
from oracle.store.schema import chain_blocks, chain_logs, chain_progress

WORD = 32


class SqlEventStore:
    """An `EventStore` on an engine of `open_database`; threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, deployment: bytes) -> None:
        """Note whose logs these are; StoreConflict where they are another deployment's."""
        with writing(self._engine) as connection:
            known = connection.scalar(select(chain_progress.c.deployment))
            if known is None:
                connection.execute(insert(chain_progress).values(id=1, deployment=deployment))
            elif known != deployment:
                raise StoreConflict(
                    "this database holds the events of another deployment: use a database of its "
                    "own for each"
                )

    def recent(self) -> list[Block]:
        """Return the checkpoint and the blocks read after it, ascending."""
        with reading(self._engine) as connection:
            return _recent(connection)

    def logs(self, first: int = 0) -> list[ChainLog]:
        """Return the logs of block `first` and later ones, in chain order."""
        query = (
            select(chain_logs)
            .where(chain_logs.c.block >= first)
            .order_by(chain_logs.c.block, chain_logs.c.log_index)
        )
        with reading(self._engine) as connection:
            return [_log(row) for row in connection.execute(query)]

    def append(
        self, after: Block | None, blocks: Sequence[Block], logs: Sequence[ChainLog], final: int
    ) -> None:
        """Add what was read behind `after`, and move the checkpoint; see EventStore."""
        with writing(self._engine) as connection:
            recent = _recent(connection)
            if (recent[-1] if recent else None) != after:
                raise StoreConflict(
                    "another process has read on or rolled back: read the store again and retry"
                )
            known = [*recent, *blocks]
            checkpoint = max(
                (block.number for block in known if block.number <= final), default=known[0].number
            )
            connection.execute(insert(chain_blocks), list(map(_row, blocks)))
            if logs:
                connection.execute(insert(chain_logs), [_values(log) for log in logs])
            connection.execute(
                delete(chain_blocks).where(
                    chain_blocks.c.number >= known[0].number, chain_blocks.c.number < checkpoint
                )
            )
            connection.execute(
                update(chain_progress).values(read_to=known[-1].number, checkpoint=checkpoint)
            )

    def rollback(self, to: Block) -> None:
        """Forget all blocks and logs after `to`; StoreConflict where it isn't known."""
        with writing(self._engine) as connection:
            if to not in _recent(connection):
                raise StoreConflict(
                    f"block {to.number} isn't one of the recent: read the store again and retry"
                )
            connection.execute(delete(chain_blocks).where(chain_blocks.c.number > to.number))
            connection.execute(delete(chain_logs).where(chain_logs.c.block > to.number))
            connection.execute(update(chain_progress).values(read_to=to.number))

    def blocks(self, first: int, last: int) -> list[Block]:
        """Return the blocks `first` to `last` that were kept, and the recent ones, ascending."""
        with reading(self._engine) as connection:
            return _blocks(connection, first, last)

    def keep(self, blocks: Sequence[Block]) -> None:
        """Keep blocks up to the checkpoint, for `blocks`."""
        if not blocks:
            return
        by_number = {block.number: block for block in blocks}
        first, last = min(by_number), max(by_number)
        with writing(self._engine) as connection:
            checkpoint = connection.scalar(select(chain_progress.c.checkpoint))
            if checkpoint is None or last > checkpoint:
                raise StoreConflict(f"block {last} may still be undone: keep older ones")
            for known in _blocks(connection, first, last):
                by_number.pop(known.number, None)
            if by_number:
                connection.execute(insert(chain_blocks), list(map(_row, by_number.values())))


def _recent(connection: Connection) -> list[Block]:
    checkpoint = connection.scalar(select(chain_progress.c.checkpoint))
    if checkpoint is None:
        return []
    return _blocks(connection, checkpoint)


def _blocks(connection: Connection, first: int, last: int | None = None) -> list[Block]:
    number = chain_blocks.c.number
    query = select(chain_blocks).where(number >= first).order_by(number)
    if last is not None:
        query = query.where(number <= last)
    return [Block(row.number, row.hash, row.timestamp) for row in connection.execute(query)]


def _row(block: Block) -> dict[str, Any]:
    return {"number": block.number, "hash": block.hash, "timestamp": block.timestamp}


def _values(log: ChainLog) -> dict[str, Any]:
    return {
        "block": log.block,
        "log_index": log.index,
        "transaction_hash": log.transaction,
        "address": log.address,
        "topics": b"".join(log.topics),
        "data": log.data,
    }


def _log(row: Row[Any]) -> ChainLog:
    topics = tuple(row.topics[at : at + WORD] for at in range(0, len(row.topics), WORD))
    return ChainLog(
        row.block, row.log_index, row.transaction_hash, row.address, topics, bytes(row.data)
    )
