"""Disputes: challenges, cosigners, rulings of every kind, deadlines, proven forks; the pots."""

from __future__ import annotations

from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.invariants.books import (
    DISMISSED,
    EXPIRED,
    LATE,
    OPEN,
    OPERATOR,
    TREASURY,
    UPHELD,
    Case,
    Pot,
)
from tests.invariants.machine import Post
from tests.invariants.receipt_rules import STUBBORN
from tests.invariants.requester_rules import ANY
from tests.invariants.stake_rules import StakeRules
from tests.support.system import System, boa, compact

MAX_DOUBLINGS = 6
COST = System.ARBITRATION_COST


class DisputeRules(StakeRules):
    """Rules of challengers, the arbitrator, and those who are compensated."""

    # -------------------------------------------------------------- challenges

    @rule(n=ANY, who=ANY, fault=st.integers(0, 3), wait=st.booleans(), underpaid=st.integers(0, 9))
    @precondition(lambda self: any(course.pending for course in self.courses.values()))
    def challenge(self, n: int, who: int, fault: int, wait: bool, underpaid: int) -> None:
        waiting = [number for number, course in self.courses.items() if course.pending]
        number = waiting[n % len(waiting)]
        if wait:
            self.wait(System.WINDOW // 3)
        self.challenge_pending(number, who, fault, COST - (underpaid == 0))

    @rule(n=ANY, who=ANY, ruling=st.integers(0, 4), cosigned=st.booleans())
    @precondition(lambda self: self.books.campaigns)
    def post_challenge_and_rule(self, n: int, who: int, ruling: int, cosigned: bool) -> None:
        """A whole dispute at once; ruling 4 stands for the deadline."""
        number = self.pick(n)
        self.post_statement(n, [40, 30, 20, 10], 100, 0, False, 2 * who, "none")
        if self.courses[number].pending is None:
            return
        if cosigned:
            self.cosign_pending(number)
        self.challenge_pending(number, who, 0, COST)
        if who % 2:  # its window ends, but it stays frozen
            self.wait(System.WINDOW)
            self.finalize_campaign(number)
            if self.courses[number].pending is None:
                return
        for case in list(self.courses[number].pending.cases):
            if ruling == EXPIRED:
                self.wait(System.DISPUTE)
                self.expire_case(case)
            else:
                self.rule_case(case, ruling)

    @rule(n=ANY, ruled=st.booleans())
    @precondition(lambda self: self.books.campaigns)
    def void_an_epoch_for_good(self, n: int, ruled: bool) -> None:
        """After three voids nothing of that epoch is taken, and the next one is."""
        number = self.pick(n)
        for _ in range(4):
            self.post_statement(n, [9, 8, 7, 6], 90, 0, False, STUBBORN, "none")
            if self.courses[number].pending is None:
                return
            self.challenge_pending(number, 0, 0, COST)
            for case in list(self.courses[number].pending.cases):
                if ruled:
                    self.rule_case(case, UPHELD)
                else:
                    self.wait(System.DISPUTE)
                    self.expire_case(case)

    def challenge_pending(self, number: int, who: int, fault: int, value: int) -> None:
        post = self.courses[number].pending
        some = [self.scene.stranger, *self.scene.requesters, *self.scene.contributors]
        some += [key.address for key in self.scene.operators]
        challenger = some[who % len(some)]
        must = (
            self.now < post.posted_at + System.WINDOW and fault not in post.named and value == COST
        )
        bond = self.challenge_bond << min(self.courses[number].expirations, MAX_DOUBLINGS)
        boa.env.set_balance(challenger, COST)
        reply = self.send(
            "board",
            "challenge",
            post.receipt.values(),
            "ITEM-RESULT",
            f"item {fault}",
            sender=challenger,
            value=value,
            must=must,
        )
        if not reply.accepted:
            return
        deadline = self.now + System.DISPUTE
        case = Case(number, post.digest, challenger, bond, deadline)
        self.books.challenge(reply.number, case)
        self.contests[post.digest] = post
        post.cases.append(reply.number)
        post.named.add(fault)
        post.was_challenged = True
        until = post.posted_at + System.WINDOW + System.DISPUTE
        for signer in post.signers:
            locked = self.books.lock_up_to(
                OPERATOR, signer, post.digest, self.system.RECEIPT_STAKE, until, self.now
            )
            # so many receipts may be open that every signer's stake covers each of them
            assert locked == self.system.RECEIPT_STAKE or signer in self.harmed, "stake too small"

    @rule(n=ANY)
    @precondition(lambda self: any(course.pending for course in self.courses.values()))
    def cosign(self, n: int) -> None:
        waiting = [number for number, course in self.courses.items() if course.pending]
        self.cosign_pending(waiting[n % len(waiting)])

    def cosign_pending(self, number: int) -> None:
        """All active members who haven't signed yet."""
        post = self.courses[number].pending
        council = self.council
        others = [
            key
            for key in self.scene.operators
            if key.address in council.active and key.address not in post.signers
        ]
        must = (
            bool(others)
            and not post.was_challenged
            and post.quorum >> 32 == council.version
            and self.now < post.posted_at + System.WINDOW // 2
        )
        reply = self.send(
            "board",
            "cosign",
            post.receipt.values(),
            self.system.sign(post.receipt, others),
            council.members,
            sender=self.scene.stranger,
            must=must,
        )
        if reply.accepted:
            post.quorum |= council.quorum(others)
            post.signers |= {key.address for key in others}
            self.books.members[post.quorum] = tuple(post.signers)

    # ----------------------------------------------------------------- rulings

    @rule(n=ANY, ruling=st.integers(0, 4))
    @precondition(lambda self: self.books.cases)
    def give_ruling(self, n: int, ruling: int) -> None:
        """The arbitrator closes an open case, seldom one that is closed."""
        cases = [i for i, case in self.books.cases.items() if case.outcome == OPEN or n == 0]
        if cases:
            self.rule_case(cases[n % len(cases)], ruling)

    @rule(n=ANY, patient=st.booleans())
    @precondition(lambda self: self.books.cases)
    def expire(self, n: int, patient: bool) -> None:
        cases = [i for i, case in self.books.cases.items() if case.outcome == OPEN or n == 0]
        if cases:
            if patient:
                self.wait(System.DISPUTE)
            self.expire_case(cases[n % len(cases)])

    def rule_case(self, number: int, ruling: int) -> None:
        case = self.books.cases[number]
        must = case.outcome == OPEN and self.now < case.deadline and ruling <= LATE
        dispute = number - 1  # the arbitrator counts from 0
        arbitrator = self.system.arbitrator.address
        if self.send("board", "rule", dispute, ruling, sender=arbitrator, must=must).accepted:
            self.close_case(case, number, max(ruling, DISMISSED))

    def expire_case(self, number: int) -> None:
        case = self.books.cases[number]
        must = case.outcome == OPEN and self.now >= case.deadline
        if self.send("board", "expire", number, sender=self.scene.stranger, must=must).accepted:
            self.courses[case.campaign].expirations += 1
            self.close_case(case, number, EXPIRED)

    def close_case(self, case: Case, number: int, outcome: int) -> None:
        course, post = self.courses[case.campaign], self.contests[case.digest]
        post.cases.remove(number)
        if course.pending is post:  # else another case has voided it
            if outcome in (UPHELD, EXPIRED):
                self.void(case, post, outcome == UPHELD)
            else:
                if outcome == LATE and not post.was_restarted:
                    post.was_restarted = True
                    post.posted_at = course.posted_at = self.now
                    self.post_periods.append(self.now // System.WINDOW)
                if not post.cases:
                    self.unlock(post)
        self.books.close_case(case, outcome, post.quorum, self.now)

    def void(self, case: Case, post: Post, slashed: bool) -> None:
        """The receipt never was; what it reserved is free, and its signers answer for it."""
        number, course = case.campaign, self.courses[case.campaign]
        self.books.campaigns[number].pending = None
        course.pending = None
        course.digest = post.receipt.previous
        course.attempt += 1
        course.voids[post.receipt.epoch] += 1
        course.voided_at = self.now
        if not slashed:
            self.unlock(post)
            return
        party = {*post.signers, self.books.campaigns[number].requester}
        rewarded = None if case.challenger in party else case.challenger
        stake = self.system.RECEIPT_STAKE
        self.books.void(number, post.digest, post.signers, stake, rewarded, self.now)
        for signer in post.signers:
            self.synced(OPERATOR, signer)

    def unlock(self, post: Post) -> None:
        for signer in post.signers:
            self.books.unlock(OPERATOR, signer, post.digest)

    # ------------------------------------------------------------------- forks

    @rule(n=ANY, forged=st.integers(0, 4))
    @precondition(lambda self: self.books.campaigns)
    def prove_fork(self, n: int, forged: int) -> None:
        """Two heads that the gateway signed for one position; one in five is another's."""
        number = self.pick(n)
        campaign = self.books.campaigns[number]
        keys = [self.scene.gateway, self.scene.operators[0] if forged == 0 else self.scene.gateway]
        heads = [self.head(number, 7, bytes([i + 1]) * 32, key) for i, key in enumerate(keys)]
        must = forged != 0 and not campaign.is_forked and not campaign.is_refunded
        if self.send(
            "escrow", "prove_fork", number, 7, *heads, sender=self.scene.stranger, must=must
        ).accepted:
            campaign.is_forked = True
            if not campaign.closed_at:
                campaign.closed_at, campaign.closed_block = self.now, self.block

    def head(self, number: int, position: int, head: bytes, key: object) -> tuple[bytes, ...]:
        """`(entry, head, r, vs)`, by eth-account's own encoder."""
        fields = {
            "campaign": "uint256",
            "position": "uint64",
            "entry": "bytes32",
            "head": "bytes32",
        }
        signable = encode_typed_data(
            {
                "name": "DDLP",
                "version": "1",
                "chainId": boa.env.evm.patch.chain_id,
                "verifyingContract": self.system.escrow.address,
            },
            {"Head": [{"name": name, "type": kind} for name, kind in fields.items()]},
            {"campaign": number, "position": position, "entry": head, "head": head},
        )
        digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
        return head, head, *compact(key.unsafe_sign_hash(digest))

    # ---------------------------------------------------------------- the pots

    @rule(n=ANY, whose=ANY)
    @precondition(lambda self: self.books.pots)
    def compensate(self, n: int, whose: int) -> None:
        number = list(self.books.pots)[n % len(self.books.pots)]
        self.compensate_from(number, whose)

    def compensate_from(self, number: int, whose: int) -> None:
        """A share of the pot for one of its tree's accounts."""
        pot = self.books.pots[number]
        finalized = self.courses[pot.campaign].finalized
        if not finalized:
            return
        post = finalized[pot.epoch or max(finalized)]
        row = post.rows[whose % len(post.rows)]
        must = self.may_compensate(pot, row[0], row[1]) and pot.token.carries(row[0])
        arguments = (number, *row, post.tree.proof(row))
        reply = self.send(
            "treasury", "compensate", *arguments, sender=self.scene.stranger, must=must
        )
        if reply.accepted:
            self.books.fix(pot, self.now)
            assert reply.number == self.books.compensate(pot, row[0], row[1])

    def may_compensate(self, pot: Pot, account: str, cumulative: int) -> bool:
        if pot.is_swept or account in pot.compensated:
            return False
        if not pot.epoch and not self.books.can_fix(pot):
            return False
        total = pot.payout_total or self.books.campaigns[pot.campaign].payout_total
        share = min(pot.amount * cumulative // total, pot.amount - pot.paid)
        return cumulative <= total and share > 0

    @rule(n=ANY)
    @precondition(lambda self: self.books.pots)
    def sweep(self, n: int) -> None:
        self.sweep_pot(list(self.books.pots)[n % len(self.books.pots)])

    def sweep_pot(self, number: int) -> None:
        pot = self.books.pots[number]
        campaign = self.books.campaigns[pot.campaign]
        nobodys = campaign.is_refunded and campaign.payout_total == 0
        must = not pot.is_swept and (self.now >= pot.sweepable_at or nobodys)
        reply = self.send("treasury", "sweep", number, sender=self.scene.stranger, must=must)
        if reply.accepted:
            assert reply.number == pot.amount - pot.paid
            self.books.sweep(pot)

    @rule(n=ANY, share=st.integers(0, 110))
    @precondition(lambda self: +self.books.general)
    def spend(self, n: int, share: int) -> None:
        """Governance spends the general balance, and no more than that."""
        name = list(self.books.tokens)[n % len(self.books.tokens)]
        token = self.books.tokens[name]
        amount = self.books.general[name] * share // 100
        must = amount <= self.books.general[name] and token.carries(TREASURY)
        arguments = (self.scene.tokens[name].address, self.scene.stranger, amount)
        if self.send(
            "treasury", "spend", *arguments, sender=self.scene.governance, must=must
        ).accepted:
            self.books.spend(token, self.scene.stranger, amount)
