"""Who signed the log's entries and heads, recovered over all cores before the rules ask."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from oracle.errors import FormatError, SignatureError
from oracle.evidence.entries import LogRow, Signed
from oracle.evidence.structs import Domain

WORTH = 4_000  # rows; below, starting processes costs more than they save
CHUNK = 250

Signers = tuple[bytes | None, bytes | None]  # of a row's head and of its entry


def recover_ahead(
    rows: Sequence[LogRow], campaign: int, domain: Domain, cores: int | None = None
) -> int:
    """Recover the signers of rows and their entries over `cores` processes (all by default).

    Returns how many rows were done so. What isn't, because there are few rows, one core or no
    fork, is recovered when a rule asks: the outcome is the same.
    """
    cores = cores or os.cpu_count() or 1
    if cores < 2 or len(rows) < WORTH or "fork" not in multiprocessing.get_all_start_methods():
        return 0
    chunks = [rows[at : at + CHUNK] for at in range(0, len(rows), CHUNK)]
    tasks = [(chunk, campaign, domain) for chunk in chunks]
    done = 0
    # A forked child imports nothing and runs no caller's module again, as a spawned one would.
    fork = multiprocessing.get_context("fork")
    try:
        # Frozen, what the children inherit isn't looked through for garbage, and so not copied.
        with ProcessPoolExecutor(
            min(cores, len(chunks)), mp_context=fork, initializer=gc.freeze
        ) as pool:
            for chunk, signers in zip(chunks, pool.map(_recover, tasks), strict=True):
                for row, (head, entry) in zip(chunk, signers, strict=True):
                    if head is not None:
                        row.remember_signer(campaign, domain, head)
                    if entry is not None and isinstance(row.entry, Signed):
                        row.entry.remember_signer(campaign, domain, entry)
                done += len(chunk)
    except (BrokenProcessPool, OSError):
        pass  # no more processes or memory to be had: the rest is recovered one by one
    return done


def _recover(task: tuple[Sequence[LogRow], int, Domain]) -> list[Signers]:
    rows, campaign, domain = task
    return [(_signer(row, campaign, domain), _entry_signer(row, campaign, domain)) for row in rows]


def _entry_signer(row: LogRow, campaign: int, domain: Domain) -> bytes | None:
    try:
        entry = row.entry
    except FormatError:
        return None
    return _signer(entry, campaign, domain) if isinstance(entry, Signed) else None


def _signer(signed: Signed, campaign: int, domain: Domain) -> bytes | None:
    try:
        return signed.signer(campaign, domain)
    except (SignatureError, FormatError):
        return None  # the rules will say so
