"""The money in plain Python: what everybody holds, and what everybody is owed.

No contract is read here. Two accounts of the same money are kept apart: `holdings`, moved
transfer by transfer, and what the contracts owe (campaigns, pledges, fee pools, stake), derived
from who paid and who earned. Solvency is that both agree, token by token, after every call. All
amounts are integer base units.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# holders that are contracts; all others are accounts
ESCROW, VAULT, BOARD, TREASURY = "escrow", "vault", "board", "treasury"
CONTRACTS = (ESCROW, VAULT, BOARD, TREASURY)
MAX_BPS = 10_000
CONTRIBUTOR, OPERATOR = 1, 2
OPEN, DISMISSED, UPHELD, LATE, EXPIRED = range(5)


@dataclass
class Token:
    """How a token behaves: it may keep a hundredth, fail, or refuse single accounts."""

    name: str
    keeps_a_hundredth: bool = False
    is_broken: bool = False
    blocked: set[str] = field(default_factory=set)

    def arrives(self, amount: int) -> int:
        return amount - amount // 100 if self.keeps_a_hundredth else amount

    def block(self, account: str, blocked: bool) -> None:
        if blocked:
            self.blocked.add(account)
        else:
            self.blocked.discard(account)

    def carries(self, *accounts: str) -> bool:
        """Whether a transfer between these accounts can succeed."""
        return not self.is_broken and self.blocked.isdisjoint(accounts)


@dataclass(frozen=True)
class Statement:
    """What a receipt says about money: totals over the campaign's life, and one row per account.

    The rows of an honest statement add up to its payout, and none ever falls; those of a corrupt
    quorum say anything.
    """

    payout_total: int
    fee_total: int
    charge: int
    rows: Mapping[str, int]
    final: bool = False
    is_honest: bool = True


@dataclass
class Campaign:
    """One campaign's money."""

    token: Token
    requester: str
    bond_payer: str
    budget: int
    bond: int
    cap: int
    fee_bps: int
    created_at: int
    payout_total: int = 0
    fee_total: int = 0
    charge: int = 0
    pending: Statement | None = None
    settled: dict[int, Statement] = field(default_factory=dict)  # epoch -> statement
    drawn: Counter[str] = field(default_factory=Counter)
    earned: dict[str, int] = field(default_factory=dict)  # as the last honest statement said
    exposed: int = 0  # what lying statements could take at most
    closed_at: int = 0
    closed_block: int = 0
    notice_at: int = 0
    is_complete: bool = False
    is_forked: bool = False
    is_refunded: bool = False

    @property
    def reserved(self) -> int:
        if self.pending is None:
            return 0
        said = self.pending.payout_total + self.pending.fee_total
        return said - self.payout_total - self.fee_total

    @property
    def is_honest(self) -> bool:
        """Whether no finalized statement was a lie."""
        return all(said.is_honest for said in self.settled.values())

    @property
    def committed(self) -> int:
        """What the budget, as opposed to the bond, has to pay."""
        return self.payout_total + self.fee_total - self.charge

    @property
    def payable(self) -> int:
        return self.payout_total - self.drawn.total()

    @property
    def stolen(self) -> int:
        """What was drawn beyond what honest statements said."""
        return sum(max(0, amount - self.earned.get(who, 0)) for who, amount in self.drawn.items())

    @property
    def owed(self) -> int:
        """All that the escrow still holds for the campaign; its fees are in the pools."""
        return self.budget + self.bond - self.fee_total - self.drawn.total()

    @property
    def forfeit(self) -> int:
        """What a proven fork leaves to the contributors: a quarter of the bond, if it is there."""
        return min(self.bond // 4, self.bond - self.charge) if self.is_forked else 0

    def refunds(self) -> list[tuple[str, int]]:
        """Who gets how much of budget and bond at the end."""
        return [
            (self.requester, self.budget - self.committed),
            (self.bond_payer, self.bond - self.charge - self.forfeit),
            (TREASURY, self.forfeit),
        ]

    def admits(self, said: Statement, anchored_after_close: bool) -> bool:
        """Whether the escrow may reserve what a statement adds."""
        added = said.payout_total + said.fee_total - self.payout_total - self.fee_total
        return (
            not self.is_refunded
            and (not said.final or (self.closed_at != 0 and anchored_after_close))
            and said.payout_total >= self.payout_total
            and said.fee_total >= self.fee_total
            and self.charge <= said.charge <= min(said.payout_total, self.bond)
            and said.fee_total * MAX_BPS <= said.payout_total * self.fee_bps
            and added <= self.cap + said.charge - self.charge
            and said.payout_total + said.fee_total - said.charge <= self.budget
        )

    def completes(self, said: Statement) -> bool:
        """Whether one more base unit would have fitted under the cap: then nothing is left."""
        room = self.cap + said.charge - self.charge + self.payout_total + self.fee_total
        one_more = said.payout_total + 1
        return said.final and one_more + one_more * self.fee_bps // MAX_BPS <= room


@dataclass
class Position:
    """One account's stake in one role."""

    staked: int = 0
    unbonding: int = 0
    ready_at: int = 0
    locks: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # subject -> amount, expiry

    @property
    def locked(self) -> int:
        return sum(amount for amount, _ in self.locks.values())

    @property
    def withdrawable(self) -> int:
        return min(self.unbonding, self.staked + self.unbonding - self.locked)


@dataclass
class Case:
    """One challenge of a receipt; its bond is in the stake token."""

    campaign: int
    digest: bytes
    challenger: str
    bond: int
    deadline: int
    outcome: int = OPEN


@dataclass
class Pot:
    """What was credited for one campaign's contributors, to be shared as one payout tree says."""

    campaign: int
    token: Token
    since: int  # the last finalized epoch at the credit
    amount: int = 0
    paid: int = 0
    sweepable_at: int = 0
    epoch: int = 0  # of the tree; zero until it is fixed
    payout_total: int = 0
    is_swept: bool = False
    compensated: set[str] = field(default_factory=set)

    def share(self, cumulative: int) -> int:
        return min(self.amount * cumulative // self.payout_total, self.amount - self.paid)


class Books:
    """All that anybody is owed in whatever contract, and every token's holdings."""

    def __init__(
        self, tokens: dict[str, Token], treasury_bps: int, compensation_seconds: int
    ) -> None:
        self.tokens = tokens
        self.stake_token = tokens["label"]
        self.treasury_bps = treasury_bps
        self.compensation_seconds = compensation_seconds
        self.holdings: dict[str, Counter[str]] = defaultdict(Counter)  # token's name -> holder
        self.campaigns: dict[int, Campaign] = {}
        self.pledges: Counter[tuple[str, str, str]] = Counter()  # payer, requester, token's name
        self.pools: Counter[tuple[str, int]] = Counter()  # token's name, quorum
        self.members: dict[int, tuple[str, ...]] = {}  # quorum -> signers
        self.fees_taken: Counter[tuple[str, int, str]] = Counter()  # with the operator
        self.positions: dict[tuple[int, str], Position] = defaultdict(Position)
        self.cases: dict[int, Case] = {}
        self.pots: dict[int, Pot] = {}
        self.open_pots: dict[tuple[int, str], int] = {}  # campaign, token's name -> newest pot
        self.general: Counter[str] = Counter()  # token's name -> what governance may spend
        self.gifts: Counter[tuple[str, str]] = Counter()  # token's name, contract: owed to nobody

    # --------------------------------------------------------------- transfers

    def pull(self, token: Token, payer: str, to: str, amount: int) -> int:
        """A transfer into a contract.

        Returns:
            What arrives.
        """
        self.holdings[token.name][payer] -= amount
        self.holdings[token.name][to] += token.arrives(amount)
        return token.arrives(amount)

    # A transfer out loses what the token keeps just the same.
    push = pull

    def give(self, token: Token, giver: str, to: str, amount: int) -> None:
        """A transfer straight to a contract, which learns nothing of it."""
        self.gifts[token.name, to] += self.pull(token, giver, to, amount)

    # --------------------------------------------------------------- campaigns

    def create(self, number: int, campaign: Campaign, pledged: bool) -> None:
        """The requester pays budget and bond, or the budget beside a pledged bond."""
        token, requester = campaign.token, campaign.requester
        if pledged:
            self.pledges[campaign.bond_payer, requester, token.name] -= campaign.bond
            campaign.budget = self.pull(token, requester, ESCROW, campaign.budget)
        else:
            paid = self.pull(token, requester, ESCROW, campaign.budget + campaign.bond)
            campaign.budget = paid - campaign.bond
        self.campaigns[number] = campaign

    def fund(self, number: int, payer: str, amount: int) -> None:
        campaign = self.campaigns[number]
        campaign.budget += self.pull(campaign.token, payer, ESCROW, amount)

    def raise_bond(self, number: int, payer: str, amount: int) -> None:
        campaign = self.campaigns[number]
        campaign.bond += self.pull(campaign.token, payer, ESCROW, amount)

    def pledge(self, payer: str, requester: str, token: Token, amount: int) -> None:
        self.pledges[payer, requester, token.name] += self.pull(token, payer, ESCROW, amount)

    def withdraw_pledge(self, payer: str, requester: str, token: Token, amount: int) -> None:
        self.pledges[payer, requester, token.name] -= amount
        self.push(token, ESCROW, payer, amount)

    def settle(self, number: int, epoch: int, quorum: int) -> None:
        """The pending statement becomes payable; its fee goes to the pool of its signers."""
        campaign = self.campaigns[number]
        said = campaign.pending
        assert said is not None
        campaign.is_complete = campaign.completes(said)
        if said.is_honest:
            campaign.earned = dict(said.rows)
        else:
            campaign.exposed += campaign.payable + said.payout_total - campaign.payout_total
        self.pools[campaign.token.name, quorum] += said.fee_total - campaign.fee_total
        campaign.payout_total = said.payout_total
        campaign.fee_total = said.fee_total
        campaign.charge = said.charge
        campaign.settled[epoch] = said
        campaign.pending = None

    def due(self, number: int, account: str, cumulative: int) -> int:
        """What a row brings its account; more than the receipts allow is refused as a whole."""
        return max(0, cumulative - self.campaigns[number].drawn[account])

    def claim(self, number: int, rows: Iterable[tuple[str, int]]) -> None:
        campaign = self.campaigns[number]
        for account, cumulative in rows:
            amount = self.due(number, account, cumulative)
            campaign.drawn[account] += amount
            self.push(campaign.token, ESCROW, account, amount)

    def refund(self, number: int, now: int) -> None:
        campaign = self.campaigns[number]
        for payee, amount in campaign.refunds():
            if campaign.token.carries(payee):
                self.push(campaign.token, ESCROW, payee, amount)
            else:  # held for them, so that the other payee gets theirs
                self.pledges[payee, payee, campaign.token.name] += amount
        self.credit(number, campaign.token, campaign.forfeit, now)
        campaign.budget = campaign.committed
        campaign.bond = campaign.charge
        campaign.is_refunded = True

    # -------------------------------------------------------------------- fees

    def fee_share(self, account: str, token: Token, quorum: int) -> int:
        pool = self.pools[token.name, quorum]
        of_treasury = pool * self.treasury_bps // MAX_BPS
        if account == TREASURY:
            return of_treasury
        return (pool - of_treasury) // len(self.members[quorum])

    def fee_due(self, account: str, token: Token, quorum: int) -> int:
        taken = self.fees_taken[token.name, quorum, account]
        return self.fee_share(account, token, quorum) - taken

    def withdraw_fees(self, account: str, token: Token, quorums: Iterable[int], now: int) -> int:
        total = 0
        for quorum in quorums:
            amount = self.fee_due(account, token, quorum)
            self.fees_taken[token.name, quorum, account] += amount
            total += amount
        self.push(token, ESCROW, account, total)
        if account == TREASURY:
            self.credit(0, token, total, now)
        return total

    # ------------------------------------------------------------------- stake

    def stake(self, role: int, account: str, amount: int) -> None:
        self.positions[role, account].staked += amount
        self.pull(self.stake_token, account, VAULT, amount)

    def unbond(self, role: int, account: str, amount: int, ready_at: int) -> None:
        position = self.positions[role, account]
        position.staked -= amount
        position.unbonding += amount
        position.ready_at = ready_at

    def withdraw(self, role: int, account: str) -> int:
        position = self.positions[role, account]
        amount = position.withdrawable
        position.unbonding -= amount
        self.push(self.stake_token, VAULT, account, amount)
        return amount

    def lock(
        self, role: int, account: str, subject: bytes, amount: int, expires_at: int, now: int
    ) -> None:
        """Adds to a lock; one that has expired is gone first."""
        locks = self.positions[role, account].locks
        held, until = locks.get(subject, (0, 0))
        if now >= until:
            held = 0
        locks[subject] = (held + amount, max(until, expires_at))

    def lock_up_to(
        self, role: int, account: str, subject: bytes, amount: int, expires_at: int, now: int
    ) -> int:
        """Raises a lock as far as free stake goes, unbonding stake included."""
        position = self.positions[role, account]
        held, until = position.locks.get(subject, (0, 0))
        if now >= until:
            position.locks.pop(subject, None)
            held, until = 0, 0
        free = position.staked + position.unbonding - position.locked
        raised = max(held, min(amount, held + free))
        if raised:
            position.locks[subject] = (raised, max(until, expires_at))
        return raised

    def unlock(self, role: int, account: str, subject: bytes) -> None:
        self.positions[role, account].locks.pop(subject, None)

    def slash(
        self, role: int, account: str, subject: bytes, amount: int, recipient: str, now: int
    ) -> int:
        """Takes at most what a running lock holds, from staked before unbonding.

        Returns:
            What was taken; it is with the recipient, and not yet credited.
        """
        position = self.positions[role, account]
        held, until = position.locks.get(subject, (0, 0))
        taken = min(amount, held) if now < until else 0
        if taken:
            from_staked = min(taken, position.staked)
            position.staked -= from_staked
            position.unbonding -= taken - from_staked
            position.locks[subject] = (held - taken, until)
        self.push(self.stake_token, VAULT, recipient, taken)
        return taken

    # ------------------------------------------------------------------- cases

    def challenge(self, number: int, case: Case) -> None:
        self.cases[number] = case
        self.pull(self.stake_token, case.challenger, BOARD, case.bond)

    def void(
        self,
        campaign: int,
        digest: bytes,
        signers: Iterable[str],
        receipt_stake: int,
        rewarded: str | None,
        now: int,
    ) -> None:
        """A challenge was upheld: half of the slash rewards it, half is the contributors'."""
        taken = sum(
            self.slash(OPERATOR, signer, digest, receipt_stake, BOARD, now) for signer in signers
        )
        reward = taken // 2
        self.forfeit(campaign, taken - reward, now)
        if rewarded is None:
            self.forfeit(0, reward, now)
        else:
            self.push(self.stake_token, BOARD, rewarded, reward)

    def close_case(self, case: Case, outcome: int, quorum: int, now: int) -> None:
        """Who challenged rightly gets the bond back; else half goes to those who were delayed."""
        case.outcome = outcome
        half = case.bond // 2
        returned = {DISMISSED: 0, UPHELD: case.bond, LATE: case.bond, EXPIRED: half}[outcome]
        to_signers = half if outcome == DISMISSED else 0
        self.push(self.stake_token, BOARD, case.challenger, returned)
        self.push(self.stake_token, BOARD, ESCROW, to_signers)
        if to_signers:
            self.pools[self.stake_token.name, quorum] += to_signers
        self.forfeit(case.campaign, case.bond - returned - to_signers, now)

    def forfeit(self, campaign: int, amount: int, now: int) -> None:
        self.push(self.stake_token, BOARD, TREASURY, amount)
        self.credit(campaign, self.stake_token, amount, now)

    # ---------------------------------------------------------------- treasury

    def credit(self, campaign: int, token: Token, sent: int, now: int) -> None:
        """What arrived of what was sent is a pot for a campaign's contributors, or anybody's.

        Gifts make up for what a token kept.
        """
        amount = min(sent, token.arrives(sent) + self.gifts[token.name, TREASURY])
        self.gifts[token.name, TREASURY] -= amount - token.arrives(sent)
        if campaign == 0:
            self.general[token.name] += amount
        elif amount:
            since = max(self.campaigns[campaign].settled, default=0)
            pot = self.pots.get(self.open_pots.get((campaign, token.name), 0))
            if pot is None or pot.epoch or pot.is_swept or pot.since != since:
                pot = Pot(campaign, token, since)
                self.pots[len(self.pots) + 1] = pot
                self.open_pots[campaign, token.name] = len(self.pots)
            pot.amount += amount
            pot.sweepable_at = now + self.compensation_seconds

    def can_fix(self, pot: Pot) -> bool:
        """Whether a tree may divide the pot: finalized after it, or the last one ever."""
        campaign = self.campaigns[pot.campaign]
        newer = max(campaign.settled, default=0) > pot.since
        return campaign.payout_total != 0 and (newer or campaign.is_refunded)

    def fix(self, pot: Pot, now: int) -> None:
        campaign = self.campaigns[pot.campaign]
        if not pot.epoch:
            pot.epoch = max(campaign.settled)
            pot.payout_total = campaign.payout_total
            pot.sweepable_at = now + self.compensation_seconds

    def compensate(self, pot: Pot, account: str, cumulative: int) -> int:
        share = pot.share(cumulative)
        pot.paid += share
        pot.compensated.add(account)
        self.push(pot.token, TREASURY, account, share)
        return share

    def sweep(self, pot: Pot) -> None:
        pot.is_swept = True
        self.general[pot.token.name] += pot.amount - pot.paid

    def spend(self, token: Token, to: str, amount: int) -> None:
        self.general[token.name] -= amount
        self.push(token, TREASURY, to, amount)

    # -------------------------------------------------------------- what is owed

    def owed(self, holder: str, token: Token) -> int:
        """What a contract owes in a token, to everybody together."""
        if holder == ESCROW:
            campaigns = sum(c.owed for c in self.campaigns.values() if c.token is token)
            pledges = sum(amount for key, amount in self.pledges.items() if key[2] == token.name)
            pools = sum(amount for key, amount in self.pools.items() if key[0] == token.name)
            taken = sum(amount for key, amount in self.fees_taken.items() if key[0] == token.name)
            return campaigns + pledges + pools - taken
        if holder == TREASURY:
            pots = [pot for pot in self.pots.values() if pot.token is token and not pot.is_swept]
            return sum(pot.amount - pot.paid for pot in pots) + self.general[token.name]
        if token is not self.stake_token:
            return 0
        if holder == VAULT:
            return sum(p.staked + p.unbonding for p in self.positions.values())
        return sum(case.bond for case in self.cases.values() if case.outcome == OPEN)
