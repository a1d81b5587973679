"""Challenges as the board's events tell them: who forfeits what, and what a void undoes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from oracle.auditor.flows import Flows
from oracle.auditor.folder import Chain
from oracle.auditor.report import Findings
from oracle.chain.facts import OPERATOR_ROLE
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent

DISMISSED, UPHELD, LATE, EXPIRED = 1, 2, 3, 4
MAX_DOUBLINGS = 6


@dataclass
class Contest:
    """A pending receipt, and the cases open against it. Times in Unix seconds."""

    campaign: int
    digest: bytes
    requester: bytes
    signers: frozenset[bytes]
    window_from: int
    open: set[int] = field(default_factory=set)
    challenged: bool = False
    restarted: bool = False
    voided_in: bytes | None = None  # transaction


@dataclass
class Case:
    """One challenge; `bond` in base units of LabelToken."""

    contest: Contest
    challenger: bytes
    bond: int
    deadline: int
    ruled: int | None = None
    closed: bool = False


class Disputes:
    """Replays the board's cases. `flows` are the board's tokens; `slashed` what the vault took from
    signers, by transaction and digest."""

    def __init__(self, chain: Chain, found: Findings) -> None:
        self.chain, self.found = chain, found
        self.flows = Flows(chain.deployment.board)
        self.contests: dict[bytes, Contest] = {}
        self.cases: dict[int, Case] = {}
        self.by_dispute: dict[tuple[bytes, int], Case] = {}
        self.expirations: defaultdict[int, int] = defaultdict(int)
        self.challenge_bond = chain.deployment.parameters.min_challenge_bond
        self.slashed: defaultdict[tuple[bytes, bytes], dict[bytes, int]] = defaultdict(dict)
        self.voids: dict[tuple[bytes, bytes], tuple[int, int, int]] = {}
        self.owed_to_signers: defaultdict[bytes, int] = defaultdict(int)  # by transaction

    def post(self, contest: Contest) -> None:
        """Take a receipt that was posted."""
        self.contests[contest.digest] = contest

    def take_slash(self, event: ChainEvent) -> None:
        """Take a slash of the vault whose stake came to the board."""
        values = event.arguments
        subject, account, taken = values["subject"], values["account"], values["taken"]
        contest = self.contests.get(subject)
        place = f"{_at(event)}, {checksum(account)}"
        holds = contest is not None and account in contest.signers
        self._check(
            holds and values["role"] == OPERATOR_ROLE, "SIGNER-SLASH", place, "it signed no receipt"
        )
        stake = self.chain.deployment.parameters.receipt_stake
        holds = values["demanded"] == stake and taken <= stake
        self._check(holds, "SIGNER-SLASH", place, f"a receipt binds {stake} of each signer")
        of_receipt = self.slashed[event.transaction, subject]
        self._check(account not in of_receipt, "SIGNER-SLASH", place, "it is slashed a second time")
        of_receipt[account] = taken
        token = self.chain.deployment.token
        self.flows.into[event.transaction, token, self.chain.deployment.vault] += taken

    def challenged(self, event: ChainEvent, pending: bytes | None) -> None:
        """A case is opened against the receipt that is pending."""
        values, now = event.arguments, self._time(event)
        place = f"case {values['case']}"
        contest = self.contests.get(values["digest"])
        window = self.chain.deployment.parameters.window_seconds
        known = contest is not None and values["digest"] == pending and contest.voided_in is None
        ordered = values["case"] == len(self.cases) + 1
        if not self._check(known and ordered, "CASE-UNKNOWN", place, "no such receipt is pending"):
            return
        assert contest is not None
        holds = now < contest.window_from + window
        self._check(holds, "CHALLENGE-LATE", place, "the receipt's window was over")
        doublings = min(self.expirations[contest.campaign], MAX_DOUBLINGS)
        due = self.challenge_bond << doublings
        self._check(values["bond"] == due, "CASE-BOND", place, f"a challenge's bond is {due}")
        contest.open.add(values["case"])
        contest.challenged = True
        case = Case(contest, values["challenger"], values["bond"], values["deadline"])
        self.cases[values["case"]] = case
        self.by_dispute[values["arbitrator"], values["dispute"]] = case
        token = self.chain.deployment.token
        self.flows.into[event.transaction, token, case.challenger] += case.bond

    def ruling(self, event: ChainEvent) -> None:
        """An arbitrator decides."""
        values = event.arguments
        case = self.by_dispute.get((values["arbitrator"], values["dispute"]))
        place = f"dispute {values['dispute']}"
        if not self._check(case is not None, "CASE-RULING", place, "no case is before it"):
            return
        assert case is not None
        holds = case.ruled is None and self._time(event) < case.deadline and not case.closed
        self._check(holds, "CASE-RULING", place, "it was ruled before, or its deadline was over")
        case.ruled = max(values["ruling"], DISMISSED)

    def voided(self, event: ChainEvent) -> Contest | None:
        """A receipt becomes void; the case that does so closes in the same transaction."""
        values = event.arguments
        contest = self.contests.get(values["digest"])
        place = f"campaign {values['campaign']}, epoch {values['epoch']}"
        open_cases = contest is not None and bool(contest.open) and contest.voided_in is None
        why = "no case was open against it"
        if not self._check(open_cases, "VOID-UNFOUNDED", place, why):
            return None
        assert contest is not None
        contest.voided_in = event.transaction
        sums = (values["slashed"], values["reward"], values["to_treasury"])
        self.voids[event.transaction, contest.digest] = sums
        taken = sum(self.slashed[event.transaction, contest.digest].values())
        holds = sums[0] == taken and sums[1] + sums[2] == taken
        self._check(holds, "SIGNER-SLASH", place, f"the vault slashed {taken}")
        return contest

    def restarted(self, event: ChainEvent) -> None:
        """Evidence was late: the window begins anew, once."""
        values = event.arguments
        contest = self.contests.get(values["digest"])
        window = self.chain.deployment.parameters.window_seconds
        now = self._time(event)
        holds = contest is not None and not contest.restarted and values["ends_at"] == now + window
        place = f"campaign {values['campaign']}"
        self._check(holds, "CASE-RULING", place, "a window began anew twice, or for another time")
        if contest is not None:
            contest.restarted, contest.window_from = True, now

    def closed(self, event: ChainEvent) -> None:
        """A case ends: its bond goes where its outcome says."""
        values = event.arguments
        case, place = self.cases.get(values["case"]), f"case {values['case']}"
        known = case is not None and not case.closed and case.contest.digest == values["digest"]
        if not self._check(known, "CASE-UNKNOWN", place, "there is no such open case"):
            return
        assert case is not None
        case.closed, outcome, contest = True, values["outcome"], case.contest
        contest.open.discard(values["case"])
        if outcome == EXPIRED:
            late = self._time(event) >= case.deadline and case.ruled is None
            self._check(late, "CASE-RULING", place, "its deadline wasn't over, or it was ruled")
            self.expirations[contest.campaign] += 1
        else:
            why = f"the arbitrator ruled {case.ruled}"
            self._check(outcome == case.ruled, "CASE-RULING", place, why)
        half = case.bond // 2
        shares = {DISMISSED: (0, half), EXPIRED: (half, 0)}.get(outcome, (case.bond, 0))
        due = (*shares, case.bond - sum(shares))
        says = (values["returned"], values["to_signers"], values["to_treasury"])
        self._check(says == due, "CASE-BOND", place, f"its bond must be split into {due}")
        self._pay(event, case.challenger, values["returned"])
        self._pay(event, self.chain.escrow, values["to_signers"])
        self._pay(event, self.chain.deployment.treasury, values["to_treasury"])
        self.owed_to_signers[event.transaction] += values["to_signers"]
        self._check_void(event, case, outcome, place)

    def _check_void(self, event: ChainEvent, case: Case, outcome: int, place: str) -> None:
        """Upheld and expired cases void, the first to do so; only the former slash."""
        contest = case.contest
        void = self.voids.pop((event.transaction, contest.digest), None)
        if void is None:
            holds = outcome in (DISMISSED, LATE) or contest.voided_in is not None
            self._check(holds, "VOID-MISSING", place, "the receipt stands though the case says not")
            return
        slashed, reward, to_treasury = void
        holds = outcome in (UPHELD, EXPIRED)
        self._check(holds, "VOID-UNFOUNDED", place, "it was dismissed, and the receipt voided")
        accounts = set(self.slashed[event.transaction, contest.digest])
        must = contest.signers if outcome == UPHELD else frozenset()
        why = "not each of the signers was slashed once, or there was no cause"
        self._check(accounts == must, "SIGNER-SLASH", place, why)
        party = case.challenger in contest.signers or case.challenger == contest.requester
        due = 0 if party else slashed // 2
        self._check(reward == due, "CASE-BOND", place, f"the challenger's reward is {due}")
        self._pay(event, case.challenger, reward)
        self._pay(event, self.chain.deployment.treasury, to_treasury)

    def finish(self) -> None:
        """What was voided must have been voided by a case."""
        for _, digest in self.voids:
            place = f"campaign {self.contests[digest].campaign}"
            self._check(False, "VOID-UNFOUNDED", place, "no case closed as it was voided")

    def _pay(self, event: ChainEvent, to: bytes, amount: int) -> None:
        if amount:
            self.flows.out[event.transaction, self.chain.deployment.token, to] += amount

    def _time(self, event: ChainEvent) -> int:
        return self.chain.block(event.block).timestamp

    def _check(self, holds: bool, code: str, place: str, sentence: str) -> bool:
        return self.found.check(holds, "money", code, place, sentence)


def _at(event: ChainEvent) -> str:
    return f"transaction 0x{event.transaction.hex()}"
