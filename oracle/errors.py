"""Every error that DDLP raises: one root, one class per cause.

Adapters translate their library's errors into these. A message says what is wrong and, after a
colon, what to do about it.
"""

from __future__ import annotations


class DDLPError(Exception):
    """Root of all errors that DDLP raises on purpose; anything else is a bug."""


class ConfigError(DDLPError):
    """A setting is missing or malformed; the message names the environment variable."""


class InputError(DDLPError):
    """What a person or caller passed in can't be used; the message names the remedy."""


class FormatError(DDLPError):
    """Bytes are not the valid, canonical encoding of the object they claim to be."""


class SignatureError(DDLPError):
    """A signature is malformed, or recovers to somebody else than the claimed signer."""


class ProtocolFault(DDLPError):
    """A record breaks a rule of the protocol, provably, at a place that others can look up.

    ``code`` is stable and meant for programs, ``place`` tells where (a log index, an item, an
    epoch), ``message`` tells a person what the rule is and how it was broken.
    """

    def __init__(self, code: str, place: str, message: str) -> None:
        super().__init__(code, place, message)
        self.code = code
        self.place = place
        self.message = message

    def __str__(self) -> str:
        return f"{self.code} at {self.place}: {self.message}"


class ChainError(DDLPError):
    """The chain can't be reached, answered nonsense, or reverted a transaction."""


class NodeUnreachable(ChainError):
    """No node gave an answer: whether one acted on the request is unknown."""


class ChainReorg(ChainError):
    """Blocks read before are no longer the chain's: what was derived from them is void."""


class Reverted(ChainError):
    """A contract refused a call; ``reason`` is its revert string, empty where it gave none."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message, reason)
        self.message = message
        self.reason = reason

    def __str__(self) -> str:
        return self.message


class ContentMissing(DDLPError):
    """No store has a block: a matter of availability, not of fraud."""


class ContentCorrupt(DDLPError):
    """A store served bytes that don't hash to the digest asked for."""


class ContentUnavailable(DDLPError):
    """A content store can't be read or written at all: whether it has a block is unknown."""


class ProcessDied(DDLPError):
    """A process that did part of the work was killed, or none could be started."""


class StoreError(DDLPError):
    """The database can't be reached, or its schema is not the one this version expects."""


class StoreConflict(StoreError):
    """Another writer was first, or a row that must be unique is there with other contents."""


class LogHeld(StoreError):
    """A log from a backup may lack rows whose heads were signed: one more might be a fork."""


class GatewayRefusal(DDLPError):
    """The gateway declines a request; ``code`` is stable and goes to the client as it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AccessRefusal(GatewayRefusal):
    """Somebody asks to see what is shown to others alone."""


class PeerUnavailable(DDLPError):
    """A gateway's or operator's process can't be reached, or doesn't answer as it should."""


class NotFollowed(PeerUnavailable):
    """A peer's process answers, and says that it takes no part in that campaign."""


class UnknownCampaign(InputError):
    """No campaign of that number is served here."""


class GatewayBusy(GatewayRefusal):
    """The gateway declines for now; asking again in ``wait_seconds`` may help."""

    def __init__(self, code: str, message: str, wait_seconds: int) -> None:
        super().__init__(code, message)
        self.wait_seconds = wait_seconds
