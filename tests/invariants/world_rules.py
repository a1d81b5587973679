"""The world around: time passes, tokens misbehave, governance and guardian act."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.invariants.books import CONTRACTS, TREASURY
from tests.invariants.dispute_rules import DisputeRules
from tests.invariants.requester_rules import ANY, TOKENS
from tests.support.system import ZERO_ADDRESS, System

JUMPS = [12, System.WINDOW // 2, System.WINDOW, 86_400, System.NOTICE, System.DISPUTE]
JUMPS += [System.ABANDON, System.PAUSE_COOLDOWN, System.COMPENSATION]


class WorldRules(DisputeRules):
    """Rules of time, hostile tokens and those in power."""

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    @rule(token=TOKENS, contract=st.sampled_from(CONTRACTS), amount=st.integers(0, 300))
    def give(self, token: str, contract: str, amount: int) -> None:
        """Tokens sent straight to a contract change nobody's account."""
        giver, kind = self.scene.thief, self.books.tokens[token]
        if token == "false" and kind.is_broken:
            return  # returns False: nothing moves
        to = getattr(self.system, contract).address
        self.send(token, "transfer", to, amount, sender=giver, must=kind.carries(giver))
        self.books.give(kind, giver, contract, amount)

    @rule(broken=st.booleans())
    def token_breaks(self, broken: bool) -> None:
        """Its transfers return False."""
        self.send("false", "set_broken", broken, sender=self.scene.stranger, must=True)
        self.books.tokens["false"].is_broken = broken

    @rule(who=ANY, blocked=st.booleans())
    def token_blocks(self, who: int, blocked: bool) -> None:
        """A blacklist."""
        some = [*self.scene.contributors, *self.scene.requesters, self.scene.sponsor]
        account = some[who % len(some)]
        self.send(
            "blocking", "set_blocked", account, blocked, sender=self.scene.stranger, must=True
        )
        self.books.tokens["blocking"].block(account, blocked)

    @rule(n=ANY, kind=st.sampled_from(["claim", "claim", "refund", "finalize", "fees", "none"]))
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def token_attacks(self, n: int, kind: str) -> None:
        """From now on the token calls the system in the midst of its own transfers."""
        number, post = self.finalized(n, 0)
        row = post.rows[n % len(post.rows)]
        waiting = self.courses[number].pending or post
        calls = {
            "claim": (
                self.system.escrow.claim,
                (number, post.receipt.epoch, *row, post.tree.proof(row)),
                lambda: self.books.claim(number, [row[:2]]),
            ),
            "refund": (
                self.system.escrow.refund,
                (number,),
                lambda: self.books.refund(number, self.now),
            ),
            "finalize": (
                self.system.board.finalize,
                (waiting.receipt.values(),),
                lambda: self.settle_pending(number),
            ),
            "fees": (
                self.system.escrow.withdraw_treasury_fees,
                (self.scene.tokens["reentrant"].address, [post.quorum]),
                lambda: self.books.withdraw_fees(
                    TREASURY, self.books.tokens["reentrant"], [post.quorum], self.now
                ),
            ),
        }
        target, payload, self.attack = ZERO_ADDRESS, b"", lambda: None
        if kind in calls:
            function, arguments, self.attack = calls[kind]
            target, payload = function.contract.address, function.prepare_calldata(*arguments)
        sender = self.scene.stranger
        self.send("reentrant", "set_attack", target, payload, sender=sender, must=True)

    # --------------------------------------------------------- those in power

    @rule(patient=st.booleans())
    @precondition(lambda self: self.may_pause() or self.steps % 16 == 3)  # seldom too early
    def pause(self, patient: bool) -> None:
        """The guardian stops posting and creating, for a while and not at once again."""
        if patient:
            self.wait(System.PAUSE_COOLDOWN)
        must = self.may_pause()
        if self.send("board", "pause", sender=self.system.guardian, must=must).accepted:
            self.paused_until = self.now + System.MAX_PAUSE

    def may_pause(self) -> bool:
        return self.now >= self.paused_until + System.PAUSE_COOLDOWN

    @rule()
    @precondition(lambda self: self.now < self.paused_until)
    def unpause(self) -> None:
        must = self.now < self.paused_until
        if self.send("board", "unpause", sender=self.system.guardian, must=must).accepted:
            self.paused_until = self.now

    @rule(amount=st.integers(1_000, 3_000))
    def set_challenge_bond(self, amount: int) -> None:
        must = amount >= self.system.CHALLENGE_BOND
        sender = self.scene.governance
        if self.send("board", "set_challenge_bond", amount, sender=sender, must=must).accepted:
            self.challenge_bond = amount

    @rule(n=ANY, allowed=st.booleans())
    def set_token(self, n: int, allowed: bool) -> None:
        """A token that isn't allowed any more stops new money alone, never what goes out."""
        name = list(self.books.tokens)[n % len(self.books.tokens)]
        arguments = (self.scene.tokens[name].address, allowed or n > 2)
        self.send("escrow", "set_token", *arguments, sender=self.scene.governance, must=True)

    @rule(fee_bps=st.sampled_from([0, 100, 400, 10_001]))
    def set_min_fee(self, fee_bps: int) -> None:
        must = fee_bps <= 10_000
        self.send("escrow", "set_min_fee", fee_bps, sender=self.scene.governance, must=must)

    @rule(registered=st.booleans())
    def register_court(self, registered: bool) -> None:
        arguments = (self.scene.court, registered)
        self.send("vault", "register", *arguments, sender=self.scene.governance, must=True)
        self.court_is_registered = registered

    @rule()
    @precondition(lambda self: self.steps % 16 == 5)  # else a life may be little else
    def replace_the_powerful(self) -> None:
        """Cases stay with the arbitrator that they were brought before."""
        governance = self.scene.governance
        arbitrator, guardian = self.system.arbitrator.address, self.system.guardian
        self.send(
            "board", "set_arbitrator", arbitrator, b"", "ipfs://new", sender=governance, must=True
        )
        self.send("board", "set_guardian", guardian, sender=governance, must=True)
        self.send("board", "set_guardian", guardian, sender=self.scene.thief, must=False)
