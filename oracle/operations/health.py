"""Is a part well? One `Check` each, for `/readyz` and `ddlp doctor` alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from web3 import Web3

from oracle.chain.failover import Nodes
from oracle.content.replicated import ReplicatedContent
from oracle.errors import DDLPError
from oracle.evidence.codec import RAW
from oracle.evidence.hashing import ZERO32
from oracle.ports import ChainReader, Clock, ContentStore

OK, WARN, FAIL = "ok", "warn", "fail"
LOW_DISK, FULL_DISK = 5 << 30, 1 << 30  # bytes


@dataclass(frozen=True)
class Check:
    """What was looked at, how it is (`ok`, `warn` or `fail`), in which words, and what to do."""

    part: str
    status: str
    message: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return asdict(self)


def failed(part: str, error: DDLPError) -> Check:
    """Return the failed check that an error stands for, with the remedy that its message holds."""
    message, _, remedy = str(error).rpartition(": ")
    return Check(part, FAIL, message or remedy, remedy if message else "")


def looked_at(part: str, look: Callable[[], Check]) -> Check:
    """Return what `look` finds; an expected error is a failed check."""
    try:
        return look()
    except DDLPError as error:
        return failed(part, error)


def is_ready(checks: Iterable[Check]) -> bool:
    """Say whether no check failed."""
    return all(check.status != FAIL for check in checks)


def check_head(
    reader: ChainReader, clock: Clock, max_age: int, followed: int | None, max_lag: int
) -> Check:
    """Look at the chain: its newest block's age in seconds, and how far behind we are.

    `followed` is the last block that leaves nothing undone; None where nothing is followed.
    """
    head = reader.head()
    age = clock.now() - head.timestamp
    if age > max_age:
        return Check(
            "chain",
            FAIL,
            f"block {head.number} is {age} s old",
            "see whether the node is synchronised, and this machine's clock right",
        )
    lag = max(0, head.number - followed) if followed is not None else 0
    if lag > max_lag:
        return Check(
            "chain",
            FAIL,
            f"{lag} blocks behind block {head.number}",
            "wait; if it grows, look for errors in the log",
        )
    return Check("chain", OK, f"block {head.number}, {age} s old, {lag} blocks behind")


def check_nodes(w3: Web3) -> list[Check]:
    """Look at each of several nodes as it answered last; nothing where there is but one."""
    if not isinstance(w3.provider, Nodes):
        return []
    nodes = w3.provider.status()
    troubled = [f"{one.name}: {one.trouble}" for one in nodes if one.trouble]
    if troubled:
        remedy = "start or replace them: the others must agree without them"
        return [Check("nodes", WARN, "; ".join(troubled), remedy)]
    return [Check("nodes", OK, f"{sum(one.agrees for one in nodes)} of {len(nodes)} agree")]


def check_database(engine: Engine) -> Check:
    """Look whether the database answers."""
    try:
        with engine.execution_options(writes=False).connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return Check(
            "database",
            FAIL,
            f"{engine.dialect.name} doesn't answer ({type(error).__name__})",
            "start it, or mend DDLP_DATABASE_URL",
        )
    return Check("database", OK, f"{engine.dialect.name} answers")


def check_content(content: ContentStore) -> Check:
    """Look whether the content store answers; ContentUnavailable where it can't be used."""
    content.has(ZERO32, RAW)
    if isinstance(content, ReplicatedContent) and (failing := content.failing()):
        too_few = len(content.stores) - len(failing) < content.copies
        remedy = "start what is down: it is given what it missed"
        return Check("content", FAIL if too_few else WARN, "; ".join(failing), remedy)
    return Check("content", OK, f"{type(content).__name__} answers")


def check_disk(folder: Path) -> Check:
    """Look at the free space of the disk that holds `folder`."""
    there = next(one for one in (folder, *folder.resolve().parents) if one.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / (1 << 30):.1f} GiB free at {there}"
    remedy = "free some, or move DDLP_STATE_DIR to a larger disk"
    if free < FULL_DISK:
        return Check("disk", FAIL, said, remedy)
    return Check("disk", WARN if free < LOW_DISK else OK, said, remedy if free < LOW_DISK else "")


def check_paused(paused: dict[int | str, str]) -> Check:
    """Look at what the circuit breakers leave alone."""
    if not paused:
        return Check("campaigns", OK, "none is left alone")
    named = "; ".join(f"{name}: {reason}" for name, reason in sorted(paused.items(), key=str))
    return Check(
        "campaigns", FAIL, f"left alone after failures: {named}", "mend what each error names"
    )
