"""Sessions of the page: listed, and ended one by one or all at once.

A browser's cookie holds a random token, the database its SHA-256. A network address is kept only as
a hash under a salt of its day, so that one can say "same network as now" today and nothing later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from oracle.errors import InputError
from oracle.evidence.hashing import sha256
from oracle.store.people import PeopleStore, SessionRow

TOUCH_SECONDS = 300  # a session's last use is noted this often at most
DAY = 86_400
_BROWSERS = ("Firefox", "Edg", "OPR", "Chrome", "Safari")  # the first that fits counts
_NAMES = {"Edg": "Edge", "OPR": "Opera"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `name` identifies it to its owner and opens nothing; times are Unix
    seconds; `same_network` is None where it can't be told any more."""

    name: str
    contributor: bytes
    browser: str
    began_at: int
    seen_at: int
    ends_at: int
    current: bool = False
    same_network: bool | None = None


@dataclass(frozen=True)
class Permission:
    """A delegation as the log has it: `state` is `live`, `expired` or `revoked` (by a later one of
    a higher generation)."""

    campaign: int
    session_key: bytes
    valid_until: int
    state: str


class Sessions:
    """Begins, reads, lists and ends sessions of `seconds` each; `now` gives Unix seconds."""

    def __init__(self, store: PeopleStore, seconds: int, now: Callable[[], float]) -> None:
        self._store, self._seconds, self._now = store, seconds, now

    def begin(self, contributor: bytes, agent: str, address: str) -> str:
        """Start a session; return the token that the browser keeps.

        `agent` is the User-Agent header, `address` the network address; neither is stored.
        """
        token, now = secrets.token_urlsafe(32), int(self._now())
        row = SessionRow(
            sha256(token.encode()),
            contributor,
            browser_of(agent),
            self.place(address),
            now,
            now,
            now + self._seconds,
        )
        self._store.add_session(row)
        return token

    def contributor(self, token: str) -> bytes | None:
        """Return who is signed in by a token; None where the session ended or never was."""
        row, now = self._store.session(sha256(token.encode())), int(self._now())
        if row is None or row.ends_at <= now:
            return None
        if now - row.seen_at >= TOUCH_SECONDS:
            self._store.touch_session(row.token_hash, seen_at=now)
        return row.contributor

    def listed(self, contributor: bytes, token: str, address: str) -> list[Session]:
        """Return somebody's running sessions, the newest first."""
        here, now = self.place(address), int(self._now())
        mine = sha256(token.encode())
        return [
            Session(
                _name(row),
                contributor,
                row.browser,
                row.began_at,
                row.seen_at,
                row.ends_at,
                row.token_hash == mine,
                None if row.place is None else row.place == here,
            )
            for row in self._store.sessions(contributor)
            if row.ends_at > now
        ]

    def end(self, contributor: bytes, name: str) -> None:
        """End one of somebody's own sessions; InputError where there is none of that name."""
        rows = [row for row in self._store.sessions(contributor) if _name(row) == name]
        if not rows:
            raise InputError("this session has ended already: reload the page to see which run")
        self._store.end_sessions(contributor, [row.token_hash for row in rows])

    def end_others(self, contributor: bytes, token: str) -> int:
        """End all of somebody's sessions but this one; return how many there were."""
        mine = sha256(token.encode())
        others = [
            row.token_hash for row in self._store.sessions(contributor) if row.token_hash != mine
        ]
        self._store.end_sessions(contributor, others)
        return len(others)

    def sign_out(self, token: str) -> None:
        """End the session of a token."""
        row = self._store.session(sha256(token.encode()))
        if row is not None:
            self._store.end_sessions(row.contributor, [row.token_hash])

    def permissions(self, contributor: bytes) -> list[Permission]:
        """Return which keys somebody let label for them, by campaign, the newest first."""
        rows, now = self._store.delegations(contributor), self._now()
        newest: dict[int, int] = {}
        for row in rows:
            newest[row.campaign] = max(row.generation, newest.get(row.campaign, 0))
        return [
            Permission(
                row.campaign,
                row.session_key,
                row.valid_until,
                "revoked"
                if row.generation < newest[row.campaign]
                else "expired"
                if row.valid_until <= now
                else "live",
            )
            for row in rows
        ]

    def place(self, address: str) -> bytes:
        """Return the salted hash of a network address, 8 bytes, the same for one day (UTC)."""
        salt = self._store.salt(int(self._now()) // DAY, secrets.token_bytes(32))
        return hmac.new(salt, address.encode(), hashlib.sha256).digest()[:8]


def browser_of(agent: str) -> str:
    """Return what a User-Agent header says in three words: `Firefox on Linux`."""
    browser = next((name for name in _BROWSERS if f"{name}/" in agent), None)
    system = next((name for name in _SYSTEMS if re.search(rf"\b{name}\b", agent)), None)
    shown = _NAMES.get(browser, browser) if browser else "A browser"
    return f"{shown} on {system}" if system else shown


def _name(row: SessionRow) -> str:
    return row.token_hash[:8].hex()
