"""A gateway's log as operators follow it."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.errors import InputError
from oracle.evidence.entries import LogRow
from oracle.evidence.supplement import GoldOpening
from oracle.gateway.gateway import Gateway
from oracle.ports import LogPage

PAGE = 512
PAGE_BYTES = 16 << 20  # of entries and openings in one page; one row is there whatever it takes


class GatewayFeed:
    """The `LogFeed` of a gateway; who may ask is the transport's to check.

    An opening that was erased is left out of its page once a finalized receipt covers it.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def page(self, after: int, limit: int) -> LogPage:
        """Return up to `limit` rows behind position `after`, with their sealed openings: fewer
        where all of them would be too much for one answer."""
        if after < 0 or not 1 <= limit <= PAGE:
            raise InputError(f"{limit} rows behind {after}: ask for 1 to {PAGE} behind a position")
        rows = tuple(self._gateway.rows(after + 1, after + limit))
        openings = self._gateway.opening_blocks(after + 1, after + len(rows)) if rows else []
        while len(rows) > 1 and _size(rows, openings) > PAGE_BYTES:
            rows = rows[: len(rows) // 2]
            openings = self._gateway.opening_blocks(after + 1, after + len(rows))
        return LogPage(rows, tuple(openings))

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        """Return the epoch's draw seed and gold, once the log holds the cut."""
        return self._gateway.reveal(epoch, final=final)


def _size(rows: Sequence[LogRow], openings: Sequence[bytes]) -> int:
    return sum(len(row.data) for row in rows) + sum(map(len, openings))
