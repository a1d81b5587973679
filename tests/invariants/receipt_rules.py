"""Receipts: honest quorums and corrupt ones post, anybody finalizes, and everybody claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.invariants.books import TREASURY, Campaign, Statement, Token
from tests.invariants.machine import Course, Machine, Post
from tests.invariants.requester_rules import ANY, TOKENS
from tests.support.system import Receipt, System, payout_tree, slash_tree

ADDED = st.lists(st.integers(0, 400), min_size=4, max_size=4)
LIES = ["none", "none", "none", "more than the receipt", "all to the thief", "rows that fall"]
PERCENT = st.integers(0, 100)
MAX_ATTEMPTS = 3
STUBBORN = 9  # a choice of signers: all of them


class ReceiptRules(Machine):
    """Rules of operators' receipts and of those who draw on them."""

    # ---------------------------------------------------------------- posting

    @rule(n=ANY, added=ADDED, fee=PERCENT, charge=PERCENT, final=st.booleans(), signers=ANY)
    @precondition(lambda self: self.books.campaigns)
    def post(
        self, n: int, added: list[int], fee: int, charge: int, final: bool, signers: int
    ) -> None:
        self.post_statement(n, added, fee, charge, final, signers, "none")

    @rule(n=ANY, added=ADDED, fee=PERCENT, signers=ANY, lie=st.sampled_from(LIES))
    @precondition(lambda self: self.books.campaigns)
    def post_and_finalize(self, n: int, added: list[int], fee: int, signers: int, lie: str) -> None:
        """A whole epoch at once, so that claims have something to draw on."""
        self.post_statement(n, added, fee, 0, False, signers, lie)
        self.wait(System.WINDOW)
        if self.courses[self.pick(n)].pending:
            self.finalize_campaign(self.pick(n))

    @rule(added=ADDED)
    @precondition(lambda self: len(self.books.campaigns) >= 3)
    def post_everywhere(self, added: list[int]) -> None:
        """As many receipts at once as signers' stakes can answer for, and one more is refused."""
        for n in range(len(self.books.campaigns)):
            self.post_statement(n, [amount // 4 for amount in added], 50, 0, False, 1, "none")

    @rule(n=ANY, signers=ANY, lie=st.sampled_from(LIES[3:]), flee=st.booleans())
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def quorum_turns_corrupt(self, n: int, signers: int, lie: str, flee: bool) -> None:
        """Whoever claims within the window loses nothing; the thief gets the reserve at most."""
        number, last = self.finalized(n, 0)
        campaign, course = self.books.campaigns[number], self.courses[number]
        place = list(self.books.campaigns).index(number)
        if not self.post_statement(place, [400] * 4, 100, 0, False, signers, lie):
            return
        post, reserved = course.pending, campaign.reserved
        if flee and campaign.is_honest:
            for row in last.rows:
                self.claim_row(number, last, row)
            if not campaign.token.is_broken and not campaign.token.blocked:
                assert campaign.payable == 0
        unclaimed, stolen = campaign.payable, campaign.stolen
        self.wait(System.WINDOW)
        self.finalize_campaign(number)
        for row in post.rows:
            self.claim_row(number, post, row)
        assert campaign.stolen - stolen <= reserved + unclaimed

    def post_statement(
        self,
        n: int,
        added: Sequence[int],
        fee: int,
        charge: int,
        final: bool,
        signers: int,
        lie: str,
    ) -> bool:
        """Posts a receipt whose amounts follow from its campaign's; whether it was accepted."""
        number = self.pick(n)
        campaign = self.books.campaigns[number]
        room = max(0, min(campaign.cap, campaign.budget - campaign.committed))
        scale = 100 if sum(added) <= room else 50  # half of the larger ones pass the cap
        added = [amount * scale // 100 for amount in added]
        earned = self.earned(number)
        rows = {
            account: earned.get(account, 0) + more
            for account, more in zip(self.scene.contributors, added, strict=True)
        }
        payout = campaign.payout_total + sum(added)
        allowed = payout * campaign.fee_bps // 10_000
        said = Statement(
            payout_total=payout,
            fee_total=max(campaign.fee_total, allowed * fee // 100),
            charge=campaign.charge + sum(added) * charge // 100,
            rows=self.bend(rows, payout, lie),
            final=final,
            is_honest=lie == "none" and campaign.is_honest,
        )
        return self.post_receipt(number, said, {}, signers)

    def earned(self, number: int) -> dict[str, int]:
        """The rows of the last finalized receipt."""
        settled = self.books.campaigns[number].settled
        return dict(settled[max(settled)].rows) if settled else {}

    def bend(self, rows: dict[str, int], payout: int, lie: str) -> dict[str, int]:
        if lie == "more than the receipt":
            return {account: 3 * amount for account, amount in rows.items()}
        if lie == "all to the thief":
            return {self.scene.thief: payout}
        if lie == "rows that fall":
            halved = {account: amount // 2 for account, amount in rows.items()}
            return {**halved, self.scene.thief: max(0, payout - sum(halved.values()))}
        return rows

    def post_receipt(
        self, number: int, said: Statement, slashed: dict[str, int], signers: int
    ) -> bool:
        campaign, course = self.books.campaigns[number], self.courses[number]
        rows = [(account, amount, 1, 1) for account, amount in said.rows.items()]
        tree = payout_tree(rows)
        slash_rows = list(slashed.items())
        slashes = slash_tree(slash_rows) if slashed else None
        receipt = Receipt(
            campaign=number,
            epoch=self.next_epoch(course, stubborn=signers == STUBBORN),
            attempt=course.attempt,
            final=said.final,
            payoutRoot=tree.root,
            payoutTotal=said.payout_total,
            feeTotal=said.fee_total,
            bondCharge=said.charge,
            slashRoot=slashes.root if slashes else b"\0" * 32,
            logPosition=course.position + 1,
            asOf=max(course.as_of, self.block - 1),
            labelCount=course.labels + 1,
            previous=course.digest,
        )
        keys = self.council.signers(signers, self.scene.operators)
        reply = self.send(
            "board",
            "post",
            receipt.values(),
            self.system.sign(receipt, keys),
            self.council.members,
            sender=self.scene.stranger,
            must=self.may_post(number, said, receipt, keys),
        )
        if reply.accepted:
            campaign.pending = said
            digest = self.system.digest(receipt)
            course.digest = digest
            course.posted_at = self.now
            self.post_periods.append(self.now // System.WINDOW)
            quorum = self.council.quorum(keys)
            signers = {key.address for key in keys}
            self.books.members[quorum] = tuple(signers)
            course.pending = Post(
                receipt, tree, rows, slashes, slash_rows, digest, quorum, signers, self.now
            )
        return reply.accepted

    def next_epoch(self, course: Course, stubborn: bool) -> int:
        """The first one whose attempts aren't spent; whoever is stubborn tries again and again."""
        epoch = course.epoch + 1
        while course.voids[epoch] >= MAX_ATTEMPTS and not stubborn:
            epoch += 1
        return epoch

    def same_again(self, campaign: Campaign) -> Statement:
        """A statement that adds nothing to the last one."""
        last = campaign.settled[max(campaign.settled)] if campaign.settled else None
        rows = last.rows if last else dict.fromkeys(self.scene.contributors, 0)
        totals = (campaign.payout_total, campaign.fee_total, campaign.charge)
        return Statement(*totals, rows, is_honest=campaign.is_honest)

    def may_post(self, number: int, said: Statement, receipt: Receipt, keys: Sequence[Any]) -> bool:
        """Whether board and escrow have to take a receipt."""
        campaign, course = self.books.campaigns[number], self.courses[number]
        signers = {key.address for key in keys}
        return (
            course.pending is None
            and self.now >= self.paused_until
            and self.open_receipts() < self.system.MAX_OPEN
            and course.voids[receipt.epoch] < MAX_ATTEMPTS
            and len(signers) >= self.council.threshold
            and signers <= self.council.active
            and receipt.asOf < self.block
            and campaign.admits(said, receipt.asOf >= campaign.closed_block)
        )

    # ------------------------------------------------------------- finalizing

    @rule(n=ANY, patient=st.booleans())
    @precondition(lambda self: any(course.pending for course in self.courses.values()))
    def wait_and_finalize(self, n: int, patient: bool) -> None:
        if patient:
            self.wait(System.WINDOW)
        self.finalize(n)

    def finalize(self, n: int) -> None:
        """Final only after window and quorum, and then by anybody."""
        waiting = [number for number, course in self.courses.items() if course.pending]
        if not waiting:
            return
        self.finalize_campaign(waiting[n % len(waiting)])

    def finalize_campaign(self, number: int) -> None:
        course = self.courses[number]
        post = course.pending
        must = self.may_finalize(number)
        receipt = post.receipt
        if not self.send(
            "board", "finalize", receipt.values(), sender=self.scene.stranger, must=must
        ).accepted:
            return
        self.settle_pending(number)

    def settle_pending(self, number: int) -> None:
        course = self.courses[number]
        post, receipt = course.pending, course.pending.receipt
        self.books.settle(number, receipt.epoch, post.quorum)
        course.finalized[receipt.epoch] = post
        course.pending = None
        course.epoch, course.attempt = receipt.epoch, 0
        course.position, course.labels = receipt.logPosition, receipt.labelCount
        course.as_of = receipt.asOf

    def may_finalize(self, number: int) -> bool:
        post = self.courses[number].pending
        return post is not None and not post.cases and self.now >= post.posted_at + System.WINDOW

    def open_receipts(self) -> int:
        """Posts that may still be challenged, as the board counts them, and those that are."""
        period = self.now // System.WINDOW
        posts = sum(posted >= period - 1 for posted in self.post_periods)
        challenged = sum(
            bool(course.pending and course.pending.cases) for course in self.courses.values()
        )
        return posts + challenged

    @rule(n=ANY, older=ANY)
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def finalize_again(self, n: int, older: int) -> None:
        """A receipt is finalized once."""
        _, post = self.finalized(n, older)
        values = post.receipt.values()
        self.send("board", "finalize", values, sender=self.scene.stranger, must=False)

    def finalized(self, n: int, older: int) -> tuple[int, Post]:
        """One of the finalized receipts, and its campaign's number."""
        having = [number for number, course in self.courses.items() if course.finalized]
        number = having[n % len(having)]
        posts = list(self.courses[number].finalized.values())
        return number, posts[-1 - older % len(posts)]

    # --------------------------------------------------------------- claiming

    @rule(n=ANY, older=ANY, whose=ANY, forged=st.integers(0, 9))
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def claim(self, n: int, older: int, whose: int, forged: int) -> None:
        """Any row of any finalized receipt, by anybody; one in ten says more than its tree."""
        number, post = self.finalized(n, older)
        row = post.rows[whose % len(post.rows)]
        if forged:
            self.claim_row(number, post, row)
        else:
            more = (row[0], row[1] + 1, *row[2:])
            arguments = (number, post.receipt.epoch, *more, post.tree.proof(row))
            self.send("escrow", "claim", *arguments, sender=self.scene.stranger, must=False)

    def claim_row(self, number: int, post: Post, row: tuple[str, int, int, int]) -> None:
        must = self.may_claim(number, [row])
        arguments = (number, post.receipt.epoch, *row, post.tree.proof(row))
        if self.send("escrow", "claim", *arguments, sender=self.scene.stranger, must=must).accepted:
            self.books.claim(number, [row[:2]])

    @rule(n=ANY, older=ANY)
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def claim_batch(self, n: int, older: int) -> None:
        number, post = self.finalized(n, older)
        proofs = [post.tree.proof(row) for row in post.rows]
        arguments = (number, post.receipt.epoch, post.rows, proofs)
        must = self.may_claim(number, post.rows)
        if self.send(
            "escrow", "claim_batch", *arguments, sender=self.scene.stranger, must=must
        ).accepted:
            self.books.claim(number, [row[:2] for row in post.rows])

    @rule(whose=ANY)
    @precondition(lambda self: any(course.finalized for course in self.courses.values()))
    def claim_many(self, whose: int) -> None:
        """One account's newest rows, across all campaigns."""
        claims, rows = [], []
        for number, course in self.courses.items():
            if course.finalized:
                post = course.finalized[max(course.finalized)]
                row = post.rows[whose % len(post.rows)]
                claims.append((number, post.receipt.epoch, *row, post.tree.proof(row)))
                rows.append((number, row))
        must = all(self.may_claim(number, [row]) for number, row in rows)
        if self.send(
            "escrow", "claim_many", claims, sender=self.scene.stranger, must=must
        ).accepted:
            for number, row in rows:
                self.books.claim(number, [row[:2]])

    def may_claim(self, number: int, rows: Sequence[tuple[str, int, int, int]]) -> bool:
        """Whether the escrow has to pay these rows.

        While no quorum lied, the purse always suffices: an earned cumulative stays claimable.
        """
        campaign = self.books.campaigns[number]
        dues = [(row[0], self.books.due(number, row[0], row[1])) for row in rows]
        total = sum(due for _, due in dues)
        assert total <= campaign.payable or not campaign.is_honest, "earned, but not claimable"
        return total <= campaign.payable and all(
            campaign.token.carries(account) for account, due in dues if due
        )

    # ------------------------------------------------------------------- fees

    @rule(token=TOKENS, who=ANY)
    @precondition(lambda self: self.books.pools)
    def withdraw_fees(self, token: str, who: int) -> None:
        """An operator's shares of all pools that it belongs to, each named once."""
        operator = self.scene.operators[who % len(self.scene.operators)].address
        quorums = [
            quorum
            for name, quorum in self.books.pools
            if name == token and operator in self.books.members[quorum]
        ][:32]
        if not quorums:
            return
        self.withdraw_fees_by(operator, self.books.tokens[token], quorums)

    def withdraw_fees_by(self, operator: str, kind: Token, quorums: list[int]) -> None:
        due = sum(self.books.fee_due(operator, kind, quorum) for quorum in quorums)
        address = self.scene.tokens[kind.name].address
        must = due == 0 or kind.carries(operator)
        if self.send(
            "escrow", "withdraw_fees", address, quorums, sender=operator, must=must
        ).accepted:
            self.books.withdraw_fees(operator, kind, quorums, self.now)

    @rule(n=ANY)
    @precondition(lambda self: self.books.pools)
    def withdraw_treasury_fees(self, n: int) -> None:
        """Anybody sends the treasury its share."""
        name, quorum = list(self.books.pools)[n % len(self.books.pools)]
        self.treasury_takes_fees(self.books.tokens[name], quorum)

    def treasury_takes_fees(self, token: Token, quorum: int) -> None:
        must = self.books.fee_due(TREASURY, token, quorum) == 0 or token.carries(TREASURY)
        arguments = (self.scene.tokens[token.name].address, [quorum])
        if self.send(
            "escrow", "withdraw_treasury_fees", *arguments, sender=self.scene.stranger, must=must
        ).accepted:
            self.books.withdraw_fees(TREASURY, token, [quorum], self.now)

    @rule(who=ANY, n=ANY)
    @precondition(lambda self: self.books.pools)
    def withdraw_fees_of_others(self, who: int, n: int) -> None:
        """Nobody draws from a quorum without having signed in it."""
        name, quorum = list(self.books.pools)[n % len(self.books.pools)]
        outsiders = [key.address for key in self.scene.operators]
        outsiders = [who for who in outsiders if who not in self.books.members[quorum]]
        sender = [*outsiders, self.scene.thief][who % (len(outsiders) + 1)]
        address = self.scene.tokens[name].address
        self.send("escrow", "withdraw_fees", address, [quorum], sender=sender, must=False)
