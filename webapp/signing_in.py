"""Sign in with Ethereum (EIP-4361): the message to sign, and its check.

The server writes the whole message, so that domain, URI, chain, nonce and times hold because the
signature is over exactly this text; a nonce serves once, in the browser that asked for it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.messages import encode_defunct

from oracle.community.privacy import notices
from oracle.errors import SignatureError
from oracle.evidence.signing import checksum

_STATEMENT = (
    "Sign in to DDLP to label and to see what you earned. This costs nothing and moves nothing. "
    "I have read the privacy notice, version {version}, at {origin}/privacy."
)
_MAX_PENDING = 10_000


@dataclass(frozen=True)
class Challenge:
    """A message for `contributor` (20 bytes) to sign until `expires` (Unix seconds)."""

    nonce: str
    message: str
    contributor: bytes
    expires: float


class ChallengeBook:
    """The challenges given out and not answered yet; safe to use from several threads."""

    def __init__(self, seconds: int, now: Callable[[], float]) -> None:
        self._seconds, self._now = seconds, now
        self._lock = threading.Lock()
        self._pending: dict[str, Challenge] = {}

    def issue(self, origin: str, chain_id: int, contributor: bytes) -> Challenge:
        """Write a new challenge for a page at `origin`."""
        issued = self._now()
        expires = issued + self._seconds
        nonce = secrets.token_hex(16)
        statement = _STATEMENT.format(version=notices()[0].version, origin=origin)
        message = (
            f"{urlsplit(origin).netloc} wants you to sign in with your Ethereum account:\n"
            f"{checksum(contributor)}\n\n{statement}\n\n"
            f"URI: {origin}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\n"
            f"Issued At: {_iso(issued)}\nExpiration Time: {_iso(expires)}"
        )
        challenge = Challenge(nonce, message, contributor, expires)
        with self._lock:
            self._forget(issued)
            self._pending[nonce] = challenge
        return challenge

    def answer(self, nonce: str, signature: bytes) -> bytes:
        """Return the contributor whose wallet signed the challenge; SignatureError otherwise.
        Either way the nonce is spent.
        """
        with self._lock:
            challenge = self._pending.pop(nonce, None)
        if challenge is None:
            raise SignatureError("this sign-in was used or is unknown: start signing in again")
        if self._now() >= challenge.expires:
            raise SignatureError(
                "this sign-in took too long and has expired: start signing in again"
            )
        try:
            signer = Account.recover_message(
                encode_defunct(text=challenge.message), signature=signature
            )
        except Exception as error:  # eth-keys and eth-account raise many kinds on hostile bytes
            raise SignatureError("this is no signature of a wallet: sign in again") from error
        if bytes.fromhex(signer[2:]) != challenge.contributor:
            raise SignatureError(
                "another account signed than the one you chose: "
                "pick the account in your wallet and sign in again"
            )
        return challenge.contributor

    def _forget(self, now: float) -> None:
        """Drop the expired, and the oldest where too many are left (dicts keep the order of
        insertion).
        """
        for nonce in [nonce for nonce, one in self._pending.items() if one.expires <= now]:
            del self._pending[nonce]
        while len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
