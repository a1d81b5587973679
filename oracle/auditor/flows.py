"""Tokens that a contract got and gave."""

from __future__ import annotations

from collections import defaultdict


class Flows:
    """Tokens that left and entered `holder`, in base units: by (transaction, token, receiver) and
    by (transaction, token, sender)."""

    def __init__(self, holder: bytes) -> None:
        self.holder = holder
        self.out: defaultdict[tuple[bytes, bytes, bytes], int] = defaultdict(int)
        self.into: defaultdict[tuple[bytes, bytes, bytes], int] = defaultdict(int)

    def balance(self, token: bytes) -> int:
        """What stays of a token."""
        came = sum(amount for (_, one, _), amount in self.into.items() if one == token)
        went = sum(amount for (_, one, _), amount in self.out.items() if one == token)
        return came - went
