"""The treasury as its events tell it: pots for those harmed, and the general balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oracle.auditor.flows import Flows
from oracle.auditor.folder import Chain
from oracle.auditor.report import Findings
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent


@dataclass
class Pot:
    """What was credited for one campaign in one token; base units."""

    campaign: int
    token: bytes
    since: int  # the campaign's last finalized epoch at the credit
    amount: int = 0
    paid: int = 0
    epoch: int | None = None  # of the receipt whose leaves divide it
    payout_total: int = 0
    sweepable_at: int = 0
    swept: bool = False
    accounts: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Standing:
    """A campaign as the treasury sees it: its last finalized epoch (0: none), all payouts, whether
    it was refunded."""

    epoch: int
    payout_total: int
    refunded: bool


class TreasuryBooks:
    """Replays the treasury's events. `standing` tells a campaign's, `leaves` have what accounts
    earned by campaign and epoch, where that is known."""

    def __init__(
        self,
        chain: Chain,
        found: Findings,
        standing: Callable[[int], Standing],
        leaves: Mapping[tuple[int, int], Mapping[bytes, int]],
    ) -> None:
        self.chain, self.found, self.standing, self.leaves = chain, found, standing, leaves
        self.flows = Flows(chain.deployment.treasury)
        self.pots: dict[int, Pot] = {}
        self.open: dict[tuple[int, bytes], int] = {}
        self.general: defaultdict[bytes, int] = defaultdict(int)
        self.credited: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)

    def take(self, event: ChainEvent) -> None:
        """Take one event, in chain order."""
        handlers = {
            "Credited": self._credited,
            "PotFixed": self._fixed,
            "Compensated": self._compensated,
            "Swept": self._swept,
            "Spent": self._spent,
        }
        handlers[event.name](event)

    def _credited(self, event: ChainEvent) -> None:
        values = event.arguments
        campaign, token, number = values["campaign"], values["token"], values["pot"]
        self.credited[event.transaction, token] += values["amount"]
        if not campaign:
            self._check(number == 0, "POT-UNKNOWN", event, "the general balance is no pot")
            self.general[token] += values["amount"]
            return
        since = self.standing(campaign).epoch
        pot = self.pots.get(self.open.get((campaign, token), 0))
        if pot is None or pot.epoch is not None or pot.swept or pot.since != since:
            pot = self.pots[len(self.pots) + 1] = Pot(campaign, token, since)
            self.open[campaign, token] = len(self.pots)
        holds = number == self.open[campaign, token]
        self._check(holds, "POT-UNKNOWN", event, f"it goes into pot {self.open[campaign, token]}")
        pot.amount += values["amount"]
        pot.sweepable_at = self._delayed(event)

    def _fixed(self, event: ChainEvent) -> None:
        values = event.arguments
        pot = self._pot(event)
        if pot is None:
            return
        now = self.standing(pot.campaign)
        holds = pot.epoch is None and (now.epoch > pot.since or now.refunded)
        self._check(holds, "COMPENSATION", event, "no receipt was finalized since the credit")
        holds = (values["epoch"], values["payout_total"]) == (now.epoch, now.payout_total)
        self._check(holds, "COMPENSATION", event, "it is divided by another receipt's leaves")
        pot.epoch, pot.payout_total = values["epoch"], values["payout_total"]
        pot.sweepable_at = self._delayed(event)

    def _compensated(self, event: ChainEvent) -> None:
        values = event.arguments
        account, amount = values["account"], values["amount"]
        pot = self._pot(event)
        if pot is None:
            return
        self.flows.out[event.transaction, pot.token, account] += amount
        holds = pot.epoch is not None and account not in pot.accounts and not pot.swept
        why = f"{checksum(account)} was paid before, or the pot wasn't divided, or swept"
        self._check(holds, "COMPENSATION", event, why)
        pot.accounts.add(account)
        known = self.leaves.get((pot.campaign, pot.epoch or 0))
        if known is not None and pot.payout_total:
            share = pot.amount * known.get(account, 0) // pot.payout_total
            due = min(share, pot.amount - pot.paid)
            self._check(amount == due, "COMPENSATION", event, f"{checksum(account)} is due {due}")
        pot.paid += amount
        self._check(pot.paid <= pot.amount, "TREASURY-EXCESS", event, f"the pot had {pot.amount}")

    def _swept(self, event: ChainEvent) -> None:
        pot = self._pot(event)
        if pot is None:
            return
        now = self.standing(pot.campaign)
        over = self._time(event) >= pot.sweepable_at or (now.refunded and not now.payout_total)
        self._check(over and not pot.swept, "POT-SWEPT", event, "it was still for contributors")
        rest = pot.amount - pot.paid
        amount = event.arguments["amount"]
        self._check(amount == rest, "TREASURY-EXCESS", event, f"{rest} was left in the pot")
        pot.swept = True
        self.general[pot.token] += amount

    def _spent(self, event: ChainEvent) -> None:
        values = event.arguments
        token = values["token"]
        self.flows.out[event.transaction, token, values["recipient"]] += values["amount"]
        self.general[token] -= values["amount"]
        holds = self.general[token] >= 0
        self._check(holds, "TREASURY-EXCESS", event, "more was spent than isn't for contributors")

    def _pot(self, event: ChainEvent) -> Pot | None:
        pot = self.pots.get(event.arguments["pot"])
        self._check(pot is not None, "POT-UNKNOWN", event, "there is no such pot")
        return pot

    def _delayed(self, event: ChainEvent) -> int:
        return self._time(event) + self.chain.deployment.parameters.compensation_seconds

    def _time(self, event: ChainEvent) -> int:
        return self.chain.block(event.block).timestamp

    def _check(self, holds: bool, code: str, event: ChainEvent, sentence: str) -> None:
        place = f"transaction 0x{event.transaction.hex()}"
        self.found.check(holds, "money", code, place, sentence)
