"""An operator's store that is gone with its process: for operators whose gateway and content keep
everything in the same process, and for simulations."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from oracle.errors import StoreConflict
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.ports import Filing, OpenedSubmission


class MemoryOperatorStore:
    """An `OperatorStore` in lists and dicts."""

    def __init__(self) -> None:
        self._rows: list[LogRow] = []
        self._received: list[int] = []
        self._filings: dict[bytes, Filing] = {}
        self._opened: dict[bytes, OpenedSubmission] = {}
        self._notes: dict[str, dict[bytes, bytes]] = {}

    def rows(self, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the rows at positions `first` to `last`."""
        return self._rows[max(first, 1) - 1 : last]

    def last_row(self) -> LogRow | None:
        """Return the newest row."""
        return self._rows[-1] if self._rows else None

    def append(
        self, rows: Sequence[LogRow], opened: Sequence[OpenedSubmission], *, now: int
    ) -> None:
        """Add consecutive rows and what opens submissions."""
        if rows and rows[0].position != len(self._rows) + 1:
            raise StoreConflict(
                f"the log ends at {len(self._rows)}, so position {rows[0].position} isn't next: "
                "read it again and retry"
            )
        self._rows.extend(rows)
        # Time never runs back in what is kept, so that a deadline divides it in two.
        received = max([now, *self._received[-1:]])
        self._received.extend(received for _ in rows)
        self.add_opened(opened, now=now)

    def adopt(self, rows: Sequence[LogRow], *, now: int) -> None:
        """Replace what the log holds from the first row's position on."""
        kept = rows[0].position - 1
        if kept > len(self._rows):
            raise StoreConflict(f"the log ends at {len(self._rows)}: read it again and retry")
        del self._rows[kept:], self._received[kept:]
        self.append(rows, (), now=now)

    def position_at(self, time: int) -> int:
        """Return the last position received at `time` or before."""
        return bisect_right(self._received, time)

    def add_filing(self, filing: Filing, opened: OpenedSubmission | None, *, now: int) -> None:
        """Keep a filing once, and what opens it."""
        self._filings.setdefault(keccak256(filing.entry), filing)
        self.add_opened((opened,) if opened is not None else (), now=now)

    def filings(self) -> dict[bytes, Filing]:
        """Return the filings by entry hash."""
        return dict(self._filings)

    def add_opened(self, opened: Sequence[OpenedSubmission], *, now: int) -> None:
        """Keep what opens submissions; the first one kept stays."""
        for one in opened:
            self._opened.setdefault(one.entry_hash, one)

    def opened(self) -> dict[bytes, OpenedSubmission]:
        """Return what opens submissions, by entry hash."""
        return dict(self._opened)

    def forget(
        self,
        *,
        filings: Sequence[bytes] = (),
        opened: Sequence[bytes] = (),
        certificates: Sequence[bytes] = (),
    ) -> None:
        """Delete filings, what opens submissions, and certificates."""
        noted = self._notes.get("certificate", {})
        for table, keys in (
            (self._filings, filings),
            (self._opened, opened),
            (noted, certificates),
        ):
            for key in keys:
                table.pop(key, None)

    def note(self, kind: str, key: bytes, data: bytes, *, now: int) -> None:
        """Keep bytes under a kind and key; the first one kept stays."""
        self._notes.setdefault(kind, {}).setdefault(key, data)

    def find_note(self, kind: str, key: bytes) -> bytes | None:
        """Return what is kept under a kind and key."""
        return self._notes.get(kind, {}).get(key)

    def notes(self, kind: str) -> dict[bytes, bytes]:
        """Return everything kept under a kind, by key."""
        return dict(self._notes.get(kind, {}))
