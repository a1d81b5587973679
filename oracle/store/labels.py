"""The gateway's database: the log with its signed heads, openings, relayed claims, signatures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Engine, Row, bindparam, delete, func, insert, select, update

from oracle.errors import StoreConflict
from oracle.evidence.entries import Delegation, LogRow
from oracle.evidence.hashing import keccak256
from oracle.ports import ClaimJob, NewEntry, StoredSubmission, TimedEntry
from oracle.store.database import reading, writing
from oracle.store.schema import (
    campaigns,
    claim_jobs,
    delegations,
    log_entries,
    log_holds,
    receipt_signatures,
    submissions,
)

# Statements that every entry, page and draw asks for. Built once: building one anew costs twice
# what SQLite takes to answer it.
_CAMPAIGN: BindParameter[int] = bindparam("campaign")
_LOG = select(log_entries).where(log_entries.c.campaign == _CAMPAIGN)
_ROWS = _LOG.where(log_entries.c.position.between(bindparam("first"), bindparam("last"))).order_by(
    log_entries.c.position
)
_LAST_ROW = _LOG.order_by(log_entries.c.position.desc()).limit(1)
_ROW_OF_ENTRY = _LOG.where(log_entries.c.entry_hash == bindparam("entry_hash"))
_LAST_POSITION = select(func.max(log_entries.c.position)).where(log_entries.c.campaign == _CAMPAIGN)
_OPENING_BLOCK = (
    select(submissions.c.opening_block)
    .where(
        submissions.c.campaign == _CAMPAIGN,
        submissions.c.opening == bindparam("digest"),
        submissions.c.opening_block.is_not(None),
    )
    .limit(1)
)
_OPENING_BLOCKS = (
    select(submissions.c.opening_block)
    .where(
        submissions.c.campaign == _CAMPAIGN,
        submissions.c.position.between(bindparam("first"), bindparam("last")),
        submissions.c.opening_block.is_not(None),
    )
    .order_by(submissions.c.position)
)
_NEW_ENTRIES, _NEW_DELEGATIONS, _NEW_SUBMISSIONS = map(
    insert, (log_entries, delegations, submissions)
)
_NO_END = 2**63 - 1  # the largest position that a column holds


class SqlLabelStore:
    """A `LabelStore` on an engine of `open_database`; threads may share it.

    Every method is one transaction. Nothing is cached: what a method returns is what is on disk.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- campaigns and the log -------------------------------------------------------------------

    def register(
        self, campaign: int, *, chain_id: int, escrow: bytes, manifest: bytes, now: int
    ) -> None:
        """Note a campaign once; StoreConflict where it is known with other values."""
        with writing(self._engine) as connection:
            known = connection.execute(
                select(campaigns).where(campaigns.c.campaign == campaign)
            ).first()
            if known is None:
                connection.execute(
                    insert(campaigns).values(
                        campaign=campaign,
                        chain_id=chain_id,
                        escrow=escrow,
                        manifest=manifest,
                        created_at=now,
                    )
                )
            elif (known.chain_id, known.escrow, known.manifest) != (chain_id, escrow, manifest):
                raise StoreConflict(
                    f"campaign {campaign} in this database belongs to another chain, escrow or "
                    "manifest: use a database of its own for each deployment"
                )

    def campaigns(self) -> list[int]:
        """Return the ids of the campaigns registered, ascending."""
        with reading(self._engine) as connection:
            return list(
                connection.scalars(select(campaigns.c.campaign).order_by(campaigns.c.campaign))
            )

    def append(self, campaign: int, entries: Sequence[NewEntry], *, now: int) -> None:
        """Write consecutive log rows with their openings durably, all or none."""
        with writing(self._engine) as connection:
            last = connection.scalar(_LAST_POSITION, {"campaign": campaign})
            for position, new in enumerate(entries, (last or 0) + 1):
                if new.row.position != position:
                    raise StoreConflict(
                        f"the log of campaign {campaign} ends at {last or 0}, so position "
                        f"{new.row.position} isn't next: read the log again and retry"
                    )
            for statement, values in (
                (_NEW_ENTRIES, [_entry_values(campaign, new.row, now) for new in entries]),
                (_NEW_DELEGATIONS, _delegation_values(campaign, entries)),
                (_NEW_SUBMISSIONS, _submission_values(campaign, entries)),
            ):
                if values:
                    connection.execute(statement, values)

    def is_held(self, campaign: int) -> bool:
        """Say whether the log may lack rows whose heads were signed, so that none may follow."""
        query = select(log_holds.c.campaign).where(log_holds.c.campaign == campaign)
        with reading(self._engine) as connection:
            return connection.scalar(query) is not None

    def hold(self, campaign: int, *, now: int) -> None:
        """Note that rows may be missing at the log's end; again does nothing."""
        with writing(self._engine) as connection:
            known = select(log_holds).where(log_holds.c.campaign == campaign)
            if connection.execute(known).first() is None:
                connection.execute(insert(log_holds).values(campaign=campaign, held_at=now))

    def release(self, campaign: int) -> None:
        """Note that nothing is missing at the log's end."""
        with writing(self._engine) as connection:
            connection.execute(delete(log_holds).where(log_holds.c.campaign == campaign))

    def rows(self, campaign: int, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the log's rows at positions `first` to `last` (both included), ascending."""
        values = {"campaign": campaign, "first": first, "last": _NO_END if last is None else last}
        with reading(self._engine) as connection:
            return [_log_row(row) for row in connection.execute(_ROWS, values)]

    def last_row(self, campaign: int) -> LogRow | None:
        """Return the newest row; None for an empty log."""
        with reading(self._engine) as connection:
            row = connection.execute(_LAST_ROW, {"campaign": campaign}).first()
        return None if row is None else _log_row(row)

    def timed_entries(
        self, campaign: int, kinds: Sequence[int], after: int = 0
    ) -> list[TimedEntry]:
        """Return the entries of these kinds behind position `after`, ascending."""
        table = log_entries.c
        query = (
            select(table.position, table.written_at, table.entry)
            .where(table.campaign == campaign, table.position > after, table.kind.in_(kinds))
            .order_by(table.position)
        )
        with reading(self._engine) as connection:
            return [TimedEntry(*row) for row in connection.execute(query)]

    def find_row(self, campaign: int, entry_hash: bytes) -> LogRow | None:
        """Return the row of an entry (its keccak256); None where the log doesn't hold it."""
        values = {"campaign": campaign, "entry_hash": entry_hash}
        with reading(self._engine) as connection:
            row = connection.execute(_ROW_OF_ENTRY, values).first()
        return None if row is None else _log_row(row)

    # --- openings --------------------------------------------------------------------------------

    def submissions(
        self,
        campaign: int,
        *,
        positions: Sequence[int] | None = None,
        contributor: bytes | None = None,
        session: tuple[bytes, int] | None = None,
    ) -> list[StoredSubmission]:
        """Return submissions by position, narrowed by what is given (session key, sequence)."""
        query = (
            select(submissions)
            .where(submissions.c.campaign == campaign)
            .order_by(submissions.c.position)
        )
        # A driver's parameters are limited: long lists are narrowed below instead.
        if positions is not None and len(positions) <= 500:
            query = query.where(submissions.c.position.in_(positions))
        if contributor is not None:
            query = query.where(submissions.c.contributor == contributor)
        if session is not None:
            query = query.where(
                submissions.c.session_key == session[0], submissions.c.sequence == session[1]
            )
        with reading(self._engine) as connection:
            found = [_submission(row) for row in connection.execute(query)]
        if positions is not None:
            wanted = set(positions)
            found = [submission for submission in found if submission.position in wanted]
        return found

    def opening_block(self, campaign: int, digest: bytes) -> bytes | None:
        """Return a sealed opening block; None where it is unknown or erased."""
        values = {"campaign": campaign, "digest": digest}
        with reading(self._engine) as connection:
            block: bytes | None = connection.scalar(_OPENING_BLOCK, values)
        return block

    def opening_blocks(self, campaign: int, first: int, last: int) -> list[bytes]:
        """Return the sealed opening blocks of submissions at positions `first` to `last` (both
        included), by position; erased ones are absent."""
        values = {"campaign": campaign, "first": first, "last": last}
        with reading(self._engine) as connection:
            return list(connection.scalars(_OPENING_BLOCKS, values))

    def erase(self, campaign: int, positions: Sequence[int], *, settled: int, now: int) -> int:
        """Delete answers and seed of submissions, and return how many still had them; and the
        sealed blocks of all that were ever erased up to the position `settled`."""
        erased = 0
        with writing(self._engine) as connection:
            for position in positions:
                changed = connection.execute(
                    update(submissions)
                    .where(
                        submissions.c.campaign == campaign,
                        submissions.c.position == position,
                        submissions.c.erased_at.is_(None),
                    )
                    .values(answers=None, seed=None, erased_at=now)
                )
                erased += changed.rowcount
            unsealed = connection.execute(
                update(submissions)
                .where(
                    submissions.c.campaign == campaign,
                    submissions.c.position <= settled,
                    submissions.c.erased_at.is_not(None),
                    submissions.c.opening_block.is_not(None),
                )
                .values(opening_block=None)
            ).rowcount
        if (erased or unsealed) and self._engine.dialect.name == "sqlite":
            # Until it is folded into the database, the write-ahead log keeps the old pages.
            with self._engine.connect() as connection:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return erased

    # --- relayed claims --------------------------------------------------------------------------

    def queue_claim(self, campaign: int, epoch: int, account: bytes, *, now: int) -> ClaimJob:
        """Queue a relayed claim once per epoch and account; a failed one is queued again."""
        same = (
            (claim_jobs.c.campaign == campaign)
            & (claim_jobs.c.epoch == epoch)
            & (claim_jobs.c.account == account)
        )
        with writing(self._engine) as connection:
            known = connection.execute(select(claim_jobs).where(same)).first()
            if known is None:
                connection.execute(
                    insert(claim_jobs).values(
                        campaign=campaign,
                        epoch=epoch,
                        account=account,
                        state="queued",
                        created_at=now,
                        updated_at=now,
                    )
                )
            elif known.state == "failed":
                connection.execute(
                    update(claim_jobs)
                    .where(same)
                    .values(state="queued", error=None, transaction_hash=None, updated_at=now)
                )
            return _claim_job(connection.execute(select(claim_jobs).where(same)).one())

    def claim_jobs(
        self, *, state: str | None = None, account: bytes | None = None
    ) -> list[ClaimJob]:
        """Return claim jobs, oldest first."""
        query = select(claim_jobs).order_by(claim_jobs.c.job)
        if state is not None:
            query = query.where(claim_jobs.c.state == state)
        if account is not None:
            query = query.where(claim_jobs.c.account == account)
        with reading(self._engine) as connection:
            return [_claim_job(row) for row in connection.execute(query)]

    def update_claim(
        self,
        job: int,
        state: str,
        *,
        now: int,
        transaction_hash: bytes | None = None,
        error: str | None = None,
    ) -> None:
        """Note what became of a claim job; StoreConflict for a job that isn't there."""
        with writing(self._engine) as connection:
            changed = connection.execute(
                update(claim_jobs)
                .where(claim_jobs.c.job == job)
                .values(state=state, transaction_hash=transaction_hash, error=error, updated_at=now)
            )
            if changed.rowcount != 1:
                raise StoreConflict(f"there is no claim job {job}: queue the claim again")

    # --- receipts --------------------------------------------------------------------------------

    def add_receipt_signature(
        self, campaign: int, receipt: bytes, operator: bytes, signature: bytes, *, now: int
    ) -> None:
        """Keep an operator's signature of a receipt digest; the first one kept stays."""
        with writing(self._engine) as connection:
            known = connection.execute(
                select(receipt_signatures.c.signature).where(
                    receipt_signatures.c.campaign == campaign,
                    receipt_signatures.c.receipt == receipt,
                    receipt_signatures.c.operator == operator,
                )
            ).first()
            if known is None:
                connection.execute(
                    insert(receipt_signatures).values(
                        campaign=campaign,
                        receipt=receipt,
                        operator=operator,
                        signature=signature,
                        received_at=now,
                    )
                )

    def receipt_signatures(self, campaign: int, receipt: bytes) -> dict[bytes, bytes]:
        """Return signatures of a receipt digest by operator address."""
        query = (
            select(receipt_signatures.c.operator, receipt_signatures.c.signature)
            .where(
                receipt_signatures.c.campaign == campaign,
                receipt_signatures.c.receipt == receipt,
            )
            .order_by(receipt_signatures.c.operator)
        )
        with reading(self._engine) as connection:
            return {row.operator: row.signature for row in connection.execute(query)}


def _entry_values(campaign: int, row: LogRow, now: int) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "position": row.position,
        "kind": row.data[0],
        "entry": row.data,
        "entry_hash": row.entry_hash,
        "head": row.head,
        "signature": row.signature,
        "written_at": now,
    }


def _delegation_values(campaign: int, entries: Sequence[NewEntry]) -> list[dict[str, Any]]:
    values = []
    for new in entries:
        if new.row.data[0] == Delegation.KIND:
            entry = new.row.entry
            assert isinstance(entry, Delegation)
            values.append(
                {
                    "campaign": campaign,
                    "position": new.row.position,
                    "contributor": entry.contributor,
                    "session_key": entry.session_key,
                    "generation": entry.generation,
                    "valid_until": entry.valid_until,
                    "consent": entry.consent,
                }
            )
    return values


def _submission_values(campaign: int, entries: Sequence[NewEntry]) -> list[dict[str, Any]]:
    return [
        {
            "campaign": campaign,
            "position": one.position,
            "contributor": one.contributor,
            "session_key": one.session_key,
            "sequence": one.sequence,
            "digest": one.digest,
            "opening": one.opening,
            "answers": _answers_text(one.answers),
            "seed": one.seed,
            "opening_block": new.opening_block,
        }
        for new in entries
        if (one := new.submission) is not None
    ]


def _answers_text(answers: Sequence[bytes] | None) -> str | None:
    return None if answers is None else json.dumps([answer.decode() for answer in answers])


def _log_row(row: Row[Any]) -> LogRow:
    # Hashed anew: the column is an index, and must not vouch for an entry that was tampered with.
    return LogRow(row.position, row.entry, keccak256(row.entry), row.head, row.signature)


def _submission(row: Row[Any]) -> StoredSubmission:
    answers = None if row.answers is None else tuple(map(str.encode, json.loads(row.answers)))
    return StoredSubmission(
        row.position,
        row.contributor,
        row.session_key,
        row.sequence,
        row.digest,
        row.opening,
        answers,
        row.seed,
    )


def _claim_job(row: Row[Any]) -> ClaimJob:
    return ClaimJob(
        row.job,
        row.campaign,
        row.epoch,
        row.account,
        row.state,
        row.transaction_hash,
        row.error,
    )
