"""Stores for processes that keep nothing: development chains, tools that run once, tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from oracle.errors import StoreConflict
from oracle.ports import ChainLog, SentTransaction
from oracle.protocol.facts import Block


class MemoryEvents:
    """An `EventStore` that ends with its process."""

    def __init__(self) -> None:
        self._deployment: bytes | None = None
        self._recent: list[Block] = []
        self._kept: dict[int, Block] = {}
        self._logs: list[ChainLog] = []

    def open(self, deployment: bytes) -> None:
        """Note whose logs these are; StoreConflict where they are another deployment's."""
        if self._deployment not in (None, deployment):
            raise StoreConflict(
                "these are the events of another deployment: use a store of its own"
            )
        self._deployment = deployment

    def recent(self) -> list[Block]:
        """Return the checkpoint and the blocks read after it, ascending."""
        return list(self._recent)

    def logs(self, first: int = 0) -> list[ChainLog]:
        """Return the logs of block `first` and later ones, in chain order."""
        return [log for log in self._logs if log.block >= first]

    def append(
        self, after: Block | None, blocks: Sequence[Block], logs: Sequence[ChainLog], final: int
    ) -> None:
        """Add what was read behind `after`, and move the checkpoint; see EventStore."""
        if (self._recent[-1] if self._recent else None) != after:
            raise StoreConflict("something else has read on or rolled back: read again and retry")
        known = [*self._recent, *blocks]
        first = max((at for at, one in enumerate(known) if one.number <= final), default=0)
        self._recent = known[first:]
        self._logs += logs

    def rollback(self, to: Block) -> None:
        """Forget all blocks and logs after `to`; StoreConflict where it isn't known."""
        if to not in self._recent:
            raise StoreConflict(f"block {to.number} isn't one of the recent: read again and retry")
        self._recent = self._recent[: self._recent.index(to) + 1]
        self._logs = [log for log in self._logs if log.block <= to.number]

    def blocks(self, first: int, last: int) -> list[Block]:
        """Return the blocks `first` to `last` that were kept, and the recent ones, ascending."""
        known = {**self._kept, **{block.number: block for block in self._recent}}
        return [known[number] for number in sorted(known) if first <= number <= last]

    def keep(self, blocks: Sequence[Block]) -> None:
        """Keep blocks up to the checkpoint, for `blocks`."""
        for block in blocks:
            if not self._recent or block.number > self._recent[0].number:
                raise StoreConflict(f"block {block.number} may still be undone: keep older ones")
        for block in blocks:
            self._kept.setdefault(block.number, block)


class MemoryTransactions:
    """A `TransactionStore` that ends with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[SentTransaction] = []

    def add(self, transaction: SentTransaction, *, now: int) -> None:
        """Keep a signed transaction; StoreConflict where its nonce is another open call's.

        One that was closed, and is signed again since its block was undone, is open again.
        """
        with self._lock:
            if transaction.hash in {one.hash for one in self._all if one.state == "signed"}:
                raise StoreConflict("this transaction is kept already: read again and retry")
            for one in self._all:
                if self._is_open(one, transaction.sender, transaction.nonce) and (
                    one.call != transaction.call
                ):
                    raise StoreConflict(
                        f"nonce {transaction.nonce} is another transaction's that is under way: "
                        "let one process alone send for an account"
                    )
            self._all = [one for one in self._all if one.hash != transaction.hash]
            self._all.append(transaction)

    def open(self, sender: bytes) -> list[SentTransaction]:
        """Return the sender's open transactions, by nonce, then in the order signed."""
        return [one for one in self.history(sender) if one.state == "signed"]

    def close(self, sender: bytes, nonce: int, mined: bytes | None, *, now: int) -> None:
        """Close what is open of a nonce: `mined` as mined, the others as replaced; all as refused
        where it is None."""
        rest = "refused" if mined is None else "replaced"
        with self._lock:
            self._all = [
                replace(one, state="mined" if one.hash == mined else rest)
                if self._is_open(one, sender, nonce)
                else one
                for one in self._all
            ]

    def history(self, sender: bytes) -> list[SentTransaction]:
        """Return all of the sender's transactions, by nonce, then in the order signed."""
        with self._lock:
            found = [one for one in self._all if one.sender == sender]
        return sorted(found, key=lambda one: one.nonce)

    @staticmethod
    def _is_open(one: SentTransaction, sender: bytes, nonce: int) -> bool:
        return (one.sender, one.nonce, one.state) == (sender, nonce, "signed")
