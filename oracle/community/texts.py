"""What people write for others to read: plain, of a stated length, no tricks of display."""

from __future__ import annotations

import unicodedata

from oracle.errors import InputError

# These would let a text show other words than it holds.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def checked(text: str, least: int, most: int) -> str:
    """Return a text without space around it; InputError unless it has `least` to `most` characters,
    all of them printable or ends of lines."""
    text = text.replace("\r\n", "\n").strip()
    hidden = any(
        (unicodedata.category(one) == "Cc" and one not in "\n\t") or one in _BIDIRECTIONAL
        for one in text
    )
    if hidden:
        raise InputError("the text has characters that can't be seen: type it anew")
    if not least <= len(text) <= most:
        raise InputError(f"write {least} to {most:,} characters: this has {len(text):,}")
    return text
