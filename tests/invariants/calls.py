"""Transactions in process, counted: how many a run made, and which functions ever accepted one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from eth_abi import decode

from tests.support.system import boa

ERROR = bytes.fromhex("08c379a0")  # selector of Error(string)


@dataclass(frozen=True)
class Reply:
    """What a transaction came to: its output, or the reason it was refused."""

    accepted: bool
    output: bytes
    reason: str = ""

    @property
    def number(self) -> int:
        return int.from_bytes(self.output[:32], "big")


@dataclass
class Tally:
    """Transactions by function, accepted and refused."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.accepted.total() + self.refused.total()

    def add(self, other: Tally) -> None:
        self.accepted += other.accepted
        self.refused += other.refused
        self.reasons += other.reasons

    def never_accepted(self) -> list[str]:
        return sorted(set(self.refused) - set(self.accepted))

    def table(self) -> str:
        """One line per function: how many calls, which share was accepted."""
        lines = [f"{'function':<34}{'calls':>9}{'accepted':>10}"]
        for name in sorted(set(self.accepted) | set(self.refused)):
            calls = self.accepted[name] + self.refused[name]
            lines.append(f"{name:<34}{calls:>9,}{self.accepted[name] / calls:>10.1%}")
        share = self.accepted.total() / self.total if self.total else 0
        return "\n".join([*lines, f"{'all':<34}{self.total:>9,}{share:>10.1%}"])


def transact(
    contract: Any, function: str, arguments: tuple[Any, ...], sender: str, value: int
) -> Reply:
    """Send one transaction; a revert is a reply, not an exception.

    Straight to the interpreter: titanoboa's own call builds a stack trace for each revert.
    """
    data = getattr(contract, function).prepare_calldata(*arguments)
    done = boa.env.execute_code(contract.address, sender=sender, data=data, value=value)
    output = bytes(done.output)
    if done.is_success:
        return Reply(True, output)
    reason = decode(["string"], output[4:])[0] if output[:4] == ERROR else repr(done.error)
    return Reply(False, output, reason)
