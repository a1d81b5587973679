"""A campaign's log from what is public: the evidence of posted receipts, and operators' copies.

What a gateway alone knew doesn't come back: plain answers and seeds of open items. Operators hold
them sealed, so receipts go on; who labeled can't be shown a standing that needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle.errors import (
    DDLPError,
    FormatError,
    InputError,
    ProtocolFault,
    SignatureError,
    StoreConflict,
)
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow, Submission, next_head
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.results import Evidence
from oracle.ports import LabelStore, NewEntry, OperatorStore, StoredSubmission
from oracle.protocol.campaign import Campaign
from oracle.protocol.facts import ChainFacts
from oracle.service.evidence import read_log

PAGE = 512


class LogCopy(Protocol):
    """Somebody's copy of a campaign's log, such as an operator's (a `Peer`)."""

    def rows(self, after: int, limit: int) -> Sequence[LogRow]:
        """Return up to `limit` (1 to 512) rows behind position `after`; DDLPError where it can't
        be asked now."""
        ...


class OperatorCopy:
    """The copy that an operator's database holds."""

    def __init__(self, store: OperatorStore) -> None:
        self._store = store

    def rows(self, after: int, limit: int) -> Sequence[LogRow]:
        """Return up to `limit` rows behind position `after`."""
        return self._store.rows(after + 1, after + limit)


@dataclass(frozen=True)
class Rebuilt:
    """How far a log reaches now, where its rows came from, and which copies couldn't be asked."""

    position: int
    from_receipts: int
    from_copies: int
    silent: tuple[str, ...]


def rebuild_log(
    campaign: Campaign,
    store: LabelStore,
    fetch: Fetch,
    copies: Sequence[LogCopy] = (),
    *,
    now: int,
) -> Rebuilt:
    """Bring a campaign's log as far as the newest receipt's cut, then as far as any copy reaches.

    `store` knows nothing of the campaign, or holds its log as restored or rebuilt before; the log
    stays held. Every row must follow by hash and carry the gateway's signature.

    Raises InputError where the store's log is a running gateway's; ProtocolFault `LOG-FORK` where
    two heads are signed for one position: then the gateway can't go on, whatever it holds.
    """
    facts = campaign.facts
    number = facts.campaign
    if store.last_row(number) is not None and not store.is_held(number):
        raise InputError(
            f"the database has campaign {number}'s log as its gateway wrote it, and nothing to "
            "rebuild: name an empty database by DDLP_DATABASE_URL"
        )
    store.register(
        number,
        chain_id=facts.chain_id,
        escrow=facts.escrow,
        manifest=facts.manifest,
        now=now,
    )
    store.hold(number, now=now)
    log = _Log(facts, store, now)
    posted = _posted_log(campaign, fetch)
    log.extend(posted)
    from_receipts = log.added
    silent = []
    for copy in copies:
        try:
            for page in _pages(copy, len(posted)):
                log.extend(page)
        except ProtocolFault:
            raise
        except DDLPError as error:
            silent.append(str(error))
    return Rebuilt(log.position, from_receipts, log.added - from_receipts, tuple(silent))


def _posted_log(campaign: Campaign, fetch: Fetch) -> list[LogRow]:
    """Return the log up to the cut of the newest receipt that wasn't voided."""
    standing = [one.receipt for one in campaign.facts.settlements if one.voided_block is None]
    if not standing:
        return []
    receipt = max(standing, key=lambda one: one.log_position)
    evidence = Evidence.decode(fetch(Link(DAG_CBOR, receipt.evidence)), fetch)
    return read_log(campaign, evidence, fetch)


def _pages(copy: LogCopy, after: int) -> Iterator[Sequence[LogRow]]:
    """Read a copy from what is settled on, so that rows we have are compared too."""
    while rows := copy.rows(after, PAGE):
        yield rows
        after = rows[-1].position


class _Log:
    """A stored log and its end; takes rows that follow it, and compares those it has."""

    def __init__(self, facts: ChainFacts, store: LabelStore, now: int) -> None:
        self._facts, self._store, self._now = facts, store, now
        last = store.last_row(facts.campaign)
        self.position = last.position if last is not None else 0
        self._head = last.head if last is not None else ZERO32
        self.added = 0

    def extend(self, rows: Iterable[LogRow]) -> None:
        """Take consecutive rows, from a position that is known or next."""
        new: list[LogRow] = []
        rows = list(rows)
        known = {
            row.position: row
            for row in (
                self._store.rows(self._facts.campaign, rows[0].position, rows[-1].position)
                if rows
                else ()
            )
        }
        for row in rows:
            self._check_signature(row)
            ours = known.get(row.position)
            if ours is not None:
                if ours.head != row.head or ours.data != row.data:
                    raise ProtocolFault(
                        "LOG-FORK",
                        f"log {row.position}",
                        "the gateway has signed two heads for this position: keep this database as "
                        "it is, close the campaign, and let operators settle what they hold",
                    )
                continue
            follows = next_head(self._head, keccak256(row.data)) == row.head
            if row.position != self.position + 1 or not follows:
                raise StoreConflict(
                    f"a copy of the log doesn't go on at position {self.position + 1}: ask another"
                )
            new.append(row)
            self.position, self._head = row.position, row.head
        for first in range(0, len(new), PAGE):
            part = [self._entry(row) for row in new[first : first + PAGE]]
            self._store.append(self._facts.campaign, part, now=self._now)
        self.added += len(new)

    def _check_signature(self, row: LogRow) -> None:
        try:
            signer = row.signer(self._facts.campaign, self._facts.escrow_domain)
        except SignatureError as error:
            raise StoreConflict(
                f"position {row.position} of a copy isn't signed: {error}"
            ) from error
        if signer != self._facts.gateway:
            raise StoreConflict(
                f"position {row.position} of a copy isn't signed by the gateway: ask another"
            )

    def _entry(self, row: LogRow) -> NewEntry:
        """Return a row with the index of its submission, whose answers nobody gave us."""
        try:
            entry = row.entry
            if not isinstance(entry, Submission):
                return NewEntry(row)
            domain = self._facts.escrow_domain
            signer = entry.signer(self._facts.campaign, domain)
        except (FormatError, SignatureError):
            return NewEntry(row)  # an invalid entry stands in the log, and counts for nothing
        digest = entry.struct(self._facts.campaign).digest(domain)
        stored = StoredSubmission(
            row.position, entry.contributor, signer, entry.sequence, digest, entry.opening,
            None, None,
        )  # fmt: skip
        return NewEntry(row, stored)
