"""Log entries as browsers send them: of the kind expected, and of whoever is signed in."""

from __future__ import annotations

from typing import TypeVar

from oracle.errors import InputError
from oracle.evidence import entries as log

Own = TypeVar("Own", log.Delegation, log.Submission, log.Appeal, log.Adjudication)


def own_entry(kind: type[Own], data: bytes, contributor: bytes) -> Own:
    """Parse an entry; FormatError, or InputError where it is another kind's or another wallet's."""
    entry = log.decode_entry(data)
    if not isinstance(entry, kind):
        raise InputError(f"expected a {kind.__name__.lower()} entry: encode it by docs/FORMATS.md")
    author = entry.expert if isinstance(entry, log.Adjudication) else entry.contributor
    if author != contributor:
        raise InputError("the entry names another wallet than the one signed in: sign in with it")
    return entry
