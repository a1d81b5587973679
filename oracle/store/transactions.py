"""What accounts of one chain have signed, kept before it is sent."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Engine, delete, insert, select, update

from oracle.errors import StoreConflict
from oracle.ports import SentTransaction
from oracle.store.database import reading, writing
from oracle.store.schema import sent_transactions as table


class SqlTransactionStore:
    """A `TransactionStore` for the chain of `chain_id`, on an engine of `open_database`."""

    def __init__(self, engine: Engine, chain_id: int) -> None:
        self._engine = engine
        self._chain_id = chain_id

    def add(self, transaction: SentTransaction, *, now: int) -> None:
        """Keep a signed transaction; StoreConflict where its nonce is another open call's.

        One that was closed, and is signed again since its block was undone, is open again.
        """
        of_nonce = (
            self._of(transaction.sender)
            & (table.c.nonce == transaction.nonce)
            & (table.c.state == "signed")
        )
        with writing(self._engine) as connection:
            calls = set(connection.scalars(select(table.c.call).where(of_nonce)))
            if calls - {transaction.call}:
                raise StoreConflict(
                    f"nonce {transaction.nonce} is another transaction's that is under way: let "
                    "one process alone send for an account"
                )
            again = self._of(transaction.sender) & (table.c.hash == transaction.hash)
            connection.execute(delete(table).where(again & (table.c.state != "signed")))
            connection.execute(
                insert(table).values(
                    chain_id=self._chain_id,
                    sender=transaction.sender,
                    nonce=transaction.nonce,
                    hash=transaction.hash,
                    raw=transaction.raw,
                    call=transaction.call,
                    purpose=transaction.purpose,
                    max_fee=transaction.max_fee,
                    priority_fee=transaction.priority_fee,
                    state=transaction.state,
                    created_at=now,
                    updated_at=now,
                )
            )

    def open(self, sender: bytes) -> list[SentTransaction]:
        """Return the sender's open transactions, by nonce, then in the order signed."""
        return self._select(self._of(sender) & (table.c.state == "signed"))

    def close(self, sender: bytes, nonce: int, mined: bytes | None, *, now: int) -> None:
        """Close what is open of a nonce: `mined` as mined, the others as replaced; all as refused
        where it is None."""
        of_nonce = self._of(sender) & (table.c.nonce == nonce) & (table.c.state == "signed")
        with writing(self._engine) as connection:
            if mined is not None:
                connection.execute(
                    update(table)
                    .where(of_nonce & (table.c.hash == mined))
                    .values(state="mined", updated_at=now)
                )
            rest = "refused" if mined is None else "replaced"
            connection.execute(update(table).where(of_nonce).values(state=rest, updated_at=now))

    def history(self, sender: bytes) -> list[SentTransaction]:
        """Return all of the sender's transactions, by nonce, then in the order signed."""
        return self._select(self._of(sender))

    def _of(self, sender: bytes) -> ColumnElement[bool]:
        return (table.c.chain_id == self._chain_id) & (table.c.sender == sender)

    def _select(self, which: ColumnElement[bool]) -> list[SentTransaction]:
        query = select(table).where(which).order_by(table.c.nonce, table.c.number)
        with reading(self._engine) as connection:
            return [
                SentTransaction(
                    row.sender,
                    row.nonce,
                    row.hash,
                    row.raw,
                    row.call,
                    row.purpose,
                    row.max_fee,
                    row.priority_fee,
                    row.state,
                )
                for row in connection.execute(query)
            ]
