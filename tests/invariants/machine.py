"""What every rule needs: sending, the books beside it, checks after each step, and the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.invariants.books import CONTRACTS, Campaign
from tests.invariants.calls import Reply, Tally, transact
from tests.invariants.scene import Scene
from tests.support.revm import running_in
from tests.support.system import Receipt, Tree, boa

FULL_CHECK_EVERY = 20  # steps; a full check costs as much as a dozen transactions


@dataclass
class Post:
    """A posted receipt with the trees behind its roots."""

    receipt: Receipt
    tree: Tree | None
    rows: list[tuple[str, int, int, int]]
    slashes: Tree | None
    slashed: list[tuple[str, int]]
    digest: bytes
    quorum: int
    signers: set[str]
    posted_at: int  # or when its window began anew
    cases: list[int] = field(default_factory=list)  # open ones
    named: set[int] = field(default_factory=set)  # faults
    was_challenged: bool = False
    was_restarted: bool = False


@dataclass
class Course:
    """How far a campaign's receipts have come."""

    digest: bytes = b"\0" * 32
    epoch: int = 0
    attempt: int = 0
    position: int = 0
    labels: int = 0
    as_of: int = 0
    posted_at: int = 0
    voided_at: int = 0
    voids: Counter[int] = field(default_factory=Counter)  # by epoch
    expirations: int = 0
    pending: Post | None = None
    finalized: dict[int, Post] = field(default_factory=dict)


@dataclass
class Council:
    """The operator set: who signs, and whose signature counts now."""

    version: int
    members: list[str]  # by seat
    threshold: int
    active: set[str]
    min_stake: int

    def signers(self, choice: int, keys: Sequence[Any]) -> list[Any]:
        """Some of the members, ascending: enough of them, or all, seldom one too few."""
        able = [key for key in keys if key.address in self.active]
        if choice == 10:
            return [key for key in keys if key.address in self.members]
        if choice == 11:
            return able[: self.threshold - 1]
        if choice % 2:
            return able
        first = choice % len(able) if able else 0
        chosen = (able[first:] + able[:first])[: self.threshold]
        return [key for key in able if key in chosen]

    def quorum(self, keys: Sequence[Any]) -> int:
        """The set's version above the bitmap of the signers' seats."""
        seats = sum(1 << self.members.index(key.address) for key in keys)
        return self.version << 32 | seats


class Machine(RuleBasedStateMachine):
    """One run: a deployment's life from first campaign to the last one's leaving."""

    scene: ClassVar[Scene]
    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.interpreter = running_in(boa.env, self.scene.revm)
        self.interpreter.__enter__()
        self.system = self.scene.system
        self.books = self.scene.books()
        self.courses: dict[int, Course] = {}
        members = [key.address for key in self.scene.operators[:4]]
        self.council = Council(1, members, 3, set(members), self.system.MIN_STAKE)
        self.contests: dict[bytes, Post] = {}  # challenged receipts, by digest
        self.post_periods: list[int] = []  # of posts and of windows that began anew
        self.paused_until = 0
        self.challenge_bond = self.system.CHALLENGE_BOND
        self.court_is_registered = True
        self.harmed: set[str] = set()  # operators whose stake the court locked
        self.bans: dict[str, int] = {}  # account -> until
        self.slash_demands: dict[tuple[int, str], int] = {}  # campaign, account -> cumulative
        self.slashed: dict[tuple[int, str], int] = {}  # what was taken of it
        self.journal: list[str] = []
        self.reentries = 0
        self.attack: Callable[[], None] = lambda: None  # what a successful callback does
        self.steps = 0

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.leave()
        finally:
            note("calls of this run:\n" + "\n".join(self.journal))
            self.interpreter.__exit__(None, None, None)

    def leave(self) -> None:
        """With the quorum gone for ever, everybody takes out what is theirs."""

    # --------------------------------------------------------------- sending

    @property
    def now(self) -> int:
        return int(boa.env.evm.patch.timestamp)

    @property
    def block(self) -> int:
        return int(boa.env.evm.patch.block_number)

    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        self.journal.append(f"... {seconds} seconds later")

    def send(
        self,
        contract: str,
        function: str,
        *arguments: Any,
        sender: str,
        value: int = 0,
        must: bool | None = None,
    ) -> Reply:
        """One transaction, counted.

        Args:
            contract: An attribute of System, or a token's name.
            must: Whether the books say that it has to be accepted, or refused; None where they
                don't say.
        """
        target = self.scene.tokens.get(contract) or getattr(self.system, contract)
        reply = transact(target, function, arguments, sender, value)
        name = f"{contract}.{function}"
        if reply.accepted:
            self.tally.accepted[name] += 1
        else:
            self.tally.refused[name] += 1
            self.tally.reasons[name, reply.reason] += 1
        outcome = "accepted" if reply.accepted else f"refused: {reply.reason}"
        if reply.accepted:
            self.notice_reentry(contract)
        said = ", ".join(self.spell(argument) for argument in arguments)
        self.journal.append(f"{name}({said}) by {self.spell(sender)}: {outcome}")
        if must is not None:
            expected = "be accepted" if must else "be refused"
            assert reply.accepted == must, f"{name} had to {expected}, but was {outcome}"
        return reply

    def notice_reentry(self, contract: str) -> None:
        """A token called back in the midst of its transfer: the payer's guard has to hold.

        The treasury pays while the escrow is at rest; then the callback is a call like any other.
        """
        successes = self.scene.reentries()
        if successes == self.reentries:
            return
        at_rest = ("treasury", "reentrant")  # the token itself: a transfer that nobody's guard sees
        assert contract in at_rest, f"the token got back in while the {contract} was paying"
        assert successes == self.reentries + 1
        self.reentries = successes
        self.attack()

    def spell(self, value: Any) -> str:
        """A value as a journal shows it: names for addresses, digests cut short."""
        if isinstance(value, bytes):
            return value.hex()[:8] if value.strip(b"\0") else "0"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(self.spell(item) for item in value) + "]"
        return self.scene.names.get(value, str(value)) if isinstance(value, str) else str(value)

    # --------------------------------------------------------------- choosing

    def last_activity(self, number: int) -> int:
        course = self.courses[number]
        return max(course.posted_at, course.voided_at, self.paused_until)

    def pick(self, number: int) -> int | None:
        """One of the campaigns; None before the first."""
        ids = list(self.books.campaigns)
        return ids[number % len(ids)] if ids else None

    # ---------------------------------------------------------------- checks

    @invariant()
    def all_is_well(self) -> None:
        self.check_balances()
        self.steps += 1
        if self.steps % FULL_CHECK_EVERY == 0:
            self.check_all()

    def check_balances(self) -> None:
        """Every balance of everybody, and solvency: what is held is what is owed."""
        for name, slots in self.scene.slots.items():
            held = {holder: self.scene.holding(name, slot) for slot, holder in slots.items()}
            said = self.books.holdings[name]
            wrong = {
                self.scene.names.get(holder, holder): (amount, said[holder])
                for holder, amount in held.items()
                if amount != said[holder]
            }
            assert not wrong, f"{name} token, held and said: {wrong}"
            token = self.books.tokens[name]
            for contract in CONTRACTS:
                owed = self.books.owed(contract, token) + self.books.gifts[name, contract]
                assert held[contract] == owed, f"{contract}, {name} token"

    def check_all(self) -> None:
        """The contracts' own books, field by field, against ours."""
        for number, campaign in self.books.campaigns.items():
            self.check_campaign(number, campaign)
        for (role, account), position in self.books.positions.items():
            seen = self.system.vault.position(role, account)
            said = (position.staked, position.unbonding, position.locked, position.ready_at)
            assert tuple(seen) == said, (role, self.spell(account), seen, said)
            assert position.locked <= position.staked + position.unbonding
        stakes = self.books.owed("vault", self.books.stake_token)
        assert self.system.vault.total() == stakes
        for (name, quorum), amount in self.books.pools.items():
            token = self.scene.tokens[name].address
            assert self.system.escrow.fee_pool(token, quorum) == amount
        for number, case in self.books.cases.items():
            assert self.system.board.case(number).outcome == case.outcome
        for number, pot in self.books.pots.items():
            seen = self.system.treasury.pot(number)
            assert (seen.amount, seen.paid, seen.epoch) == (pot.amount, pot.paid, pot.epoch)
            assert seen.swept == pot.is_swept
            assert pot.paid <= pot.amount
        assert self.system.board.paused_until() == self.paused_until

    def check_campaign(self, number: int, campaign: Campaign) -> None:
        """Conservation within the campaign, and its isolation from all others."""
        seen = self.system.escrow.campaign(number)
        assert (seen.budget, seen.bond, seen.epoch_cap) == (
            campaign.budget,
            campaign.bond,
            campaign.cap,
        )
        assert (seen.payout_total, seen.fee_total, seen.bond_charge) == (
            campaign.payout_total,
            campaign.fee_total,
            campaign.charge,
        )
        assert seen.reserved == campaign.reserved
        assert seen.claimed == campaign.drawn.total()
        assert seen.complete == campaign.is_complete
        assert seen.forked == campaign.is_forked
        assert self.system.board.is_pending(number) == (self.courses[number].pending is not None)
        assert seen.refunded == campaign.is_refunded
        assert seen.closed_at == campaign.closed_at
        # reserved + committed ≤ budget + bond, and no claim beyond what receipts committed
        assert campaign.payout_total + campaign.fee_total + campaign.reserved <= (
            campaign.budget + campaign.bond
        )
        assert campaign.committed <= campaign.budget
        assert campaign.charge <= campaign.bond
        assert 0 <= campaign.payable <= campaign.owed
        # what a corrupt quorum took: at most what its receipts reserved, and what lay unclaimed
        assert campaign.stolen <= campaign.exposed
