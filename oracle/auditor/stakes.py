"""Stake as the vault's events tell it: nobody takes out more than unbonded, and nothing is slashed
but what a receipt's slash tree says."""

from __future__ import annotations

from collections import Counter, defaultdict

from oracle.auditor.folder import Chain
from oracle.auditor.report import Findings
from oracle.chain.deployment import Parameters
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent

Position = tuple[int, bytes]  # role, account


class Stakes:
    """Replays the vault's events. Amounts are base units of LabelToken, by role and account."""

    def __init__(self, chain: Chain, found: Findings) -> None:
        self.chain, self.found = chain, found
        self.staked: defaultdict[Position, int] = defaultdict(int)
        self.unbonding: defaultdict[Position, int] = defaultdict(int)
        self.ready_at: defaultdict[Position, int] = defaultdict(int)
        # by transaction, account, campaign, demanded and taken
        self.locks: defaultdict[tuple[Position, bytes], int] = defaultdict(int)  # by subject
        self.locked: defaultdict[Position, int] = defaultdict(int)
        self.taken: Counter[tuple[bytes, bytes, int, int, int]] = Counter()
        self.executed: Counter[tuple[bytes, bytes, int, int, int]] = Counter()

    def take(self, event: ChainEvent) -> None:
        """Take one event of the vault, or the board's SlashExecuted, in chain order."""
        values = event.arguments
        if event.name == "SlashExecuted":
            sums = (values["demanded"], values["taken"])
            self.executed[event.transaction, values["account"], values["campaign"], *sums] += 1
            return
        position = (values["role"], values["account"])
        place = f"transaction 0x{event.transaction.hex()}, {checksum(values['account'])}"
        if event.name == "Staked":
            self.staked[position] += values["amount"]
            holds = self.staked[position] == values["staked"]
            self._check(holds, "CONSERVATION", place, "the stake doesn't add up")
        elif event.name == "UnbondingStarted":
            self.staked[position] -= values["amount"]
            self.unbonding[position] += values["amount"]
            self.ready_at[position] = self._time(event) + self._parameters.unbonding_seconds
            holds = self.staked[position] >= 0
            self._check(holds, "STAKE-EXCESS", place, "more unbonds than was staked")
            holds = self.ready_at[position] == values["ready_at"]
            self._check(holds, "STAKE-EXCESS", place, "it is ready at another time than it may be")
        elif event.name in ("LockSet", "LockReleased"):
            amount = values["amount"] if event.name == "LockSet" else 0
            self.locked[position] += amount - self.locks[position, values["subject"]]
            self.locks[position, values["subject"]] = amount
        elif event.name == "Withdrawn":
            self.unbonding[position] -= values["amount"]
            left = self.staked[position] + self.unbonding[position]
            holds = left >= self.locked[position]
            self._check(holds, "STAKE-LOCKED", place, f"{self.locked[position]} was locked")
            holds = self.unbonding[position] >= 0 and self._time(event) >= self.ready_at[position]
            self._check(holds, "STAKE-EXCESS", place, "more was taken out than had unbonded")
        else:
            self._slashed(event, position, place)

    def _slashed(self, event: ChainEvent, position: Position, place: str) -> None:
        values = event.arguments
        subject = int.from_bytes(values["subject"], "big")
        sums = (values["demanded"], values["taken"])
        lock = (position, values["subject"])
        unlocked = max(0, values["taken"] - self.locks[lock])
        self.locks[lock] -= values["taken"] - unlocked
        self.locked[position] -= values["taken"] - unlocked
        deployment = self.chain.deployment
        if values["recipient"] == deployment.board:  # of signers: the disputes account for it
            self._take(position, values["taken"])
            why = "more was slashed than a challenge had locked"
            self._check(not unlocked, "SIGNER-SLASH", place, why)
            return
        self.taken[event.transaction, values["account"], subject, *sums] += 1
        self._take(position, values["taken"])
        holds = self.unbonding[position] >= 0 and values["taken"] <= values["demanded"]
        self._check(holds, "SLASH-EXCESS", place, "more was taken than demanded or staked")
        holds = values["recipient"] == deployment.treasury
        self._check(holds, "SLASH-UNTRACED", place, "the stake went to others than the treasury")

    def _take(self, position: Position, amount: int) -> None:
        from_staked = min(amount, self.staked[position])
        self.staked[position] -= from_staked
        self.unbonding[position] -= amount - from_staked

    def finish(self) -> None:
        """Hold every slash of the vault against the board's that demanded it."""
        for key in sorted({*self.taken, *self.executed}):
            place = f"transaction 0x{key[0].hex()}, {checksum(key[1])}"
            holds = self.taken[key] == self.executed[key]
            why = "the vault's slashes and those that a receipt's tree demanded differ"
            self._check(holds, "SLASH-UNTRACED", place, why)

    @property
    def _parameters(self) -> Parameters:
        return self.chain.deployment.parameters

    def _time(self, event: ChainEvent) -> int:
        return self.chain.block(event.block).timestamp

    def _check(self, holds: bool, code: str, place: str, sentence: str) -> None:
        self.found.check(holds, "money", code, place, sentence)
