"""Stake: in, locked, slashed, unbonding, out; bans; and what the operator set makes of it."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.invariants.books import TREASURY
from tests.invariants.machine import Post
from tests.invariants.receipt_rules import ReceiptRules
from tests.invariants.requester_rules import ANY
from tests.support.system import CONTRIBUTOR, OPERATOR, ZERO_ADDRESS, System

AMOUNT = st.integers(0, 700)
DAY = 86_400


class StakeRules(ReceiptRules):
    """Rules of contributors' and operators' stake."""

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT)
    def stake(self, who: int, operator: bool, amount: int) -> None:
        role, account, amount = self.staker(who, operator, amount)
        must = amount != 0 and self.banned_until(account) <= self.now
        if self.send("vault", "stake", role, amount, sender=account, must=must).accepted:
            self.books.stake(role, account, amount)
            self.synced(role, account)

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT)
    def unbond(self, who: int, operator: bool, amount: int) -> None:
        """Nothing delays the start of leaving: no lock, no ban."""
        self.unbond_by(*self.staker(who, operator, amount))

    def unbond_by(self, role: int, account: str, amount: int) -> None:
        must = 0 < amount <= self.books.positions[role, account].staked
        if self.send("vault", "unbond", role, amount, sender=account, must=must).accepted:
            self.books.unbond(role, account, amount, self.now + System.UNBONDING)
            self.synced(role, account)

    @rule(who=ANY, operator=st.booleans())
    @precondition(lambda self: any(p.unbonding for p in self.books.positions.values()))
    def withdraw(self, who: int, operator: bool) -> None:
        leaving = [key for key, p in self.books.positions.items() if p.unbonding]
        role, account = leaving[who % len(leaving)]
        self.withdraw_of(role, account)

    def withdraw_of(self, role: int, account: str) -> None:
        position = self.books.positions[role, account]
        must = position.withdrawable > 0 and self.now >= position.ready_at
        reply = self.send("vault", "withdraw", role, sender=account, must=must)
        if reply.accepted:
            assert reply.number == self.books.withdraw(role, account)

    @rule(n=ANY, who=ANY, amount=AMOUNT)
    @precondition(lambda self: self.books.campaigns)
    def commit_stake(self, n: int, who: int, amount: int) -> None:
        number = self.pick(n)
        account = self.scene.contributors[who % 4]
        subject = number.to_bytes(32, "big")
        campaign = self.books.campaigns[number]
        reply = self.send(
            "escrow",
            "commit_stake",
            number,
            amount,
            sender=account,
            must=campaign.closed_at == 0
            and not campaign.is_refunded
            and self.may_lock(CONTRIBUTOR, account, subject, amount),
        )
        if reply.accepted:
            self.locked(CONTRIBUTOR, account, subject, amount, self.now + System.LOCK)

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT, days=st.integers(1, 61))
    def court_locks(self, who: int, operator: bool, amount: int, days: int) -> None:
        """A registered contract beside escrow and board."""
        self.court_lock_of(*self.staker(who, operator, amount), days)

    def court_lock_of(self, role: int, account: str, amount: int, days: int) -> None:
        subject, expires_at = b"\x55" * 32, self.now + days * DAY
        must = (
            self.court_is_registered
            and days <= 60
            and self.may_lock(role, account, subject, amount)
        )
        arguments = (role, account, subject, amount, expires_at)
        if self.send("vault", "lock", *arguments, sender=self.scene.court, must=must).accepted:
            self.locked(role, account, subject, amount, expires_at)

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT, to_victim=st.booleans())
    def court_slashes(self, who: int, operator: bool, amount: int, to_victim: bool) -> None:
        self.court_slash_of(*self.staker(who, operator, amount), to_victim)

    def court_slash_of(self, role: int, account: str, amount: int, to_victim: bool) -> None:
        subject = b"\x55" * 32
        recipient = self.scene.stranger if to_victim else ZERO_ADDRESS
        reply = self.send(
            "vault",
            "slash",
            role,
            account,
            subject,
            amount,
            recipient,
            sender=self.scene.court,
            must=self.court_is_registered,
        )
        if not reply.accepted:
            return
        to = self.scene.stranger if to_victim else TREASURY
        taken = self.books.slash(role, account, subject, amount, to, self.now)
        if not to_victim:
            self.books.credit(0, self.books.stake_token, taken, self.now)
        assert reply.number == taken
        self.synced(role, account)

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT, slashed=st.booleans())
    def leave_while_locked(self, who: int, operator: bool, amount: int, slashed: bool) -> None:
        """Unbonding ends before the lock: what is locked stays, and can still be slashed."""
        role, account, amount = self.staker(who, operator, amount)
        self.court_lock_of(role, account, amount, 60)
        staked = self.books.positions[role, account].staked
        if staked:
            self.unbond_by(role, account, staked)
        self.wait(System.UNBONDING)
        self.withdraw_of(role, account)
        if slashed:
            self.court_slash_of(role, account, amount, False)

    @rule(who=ANY, operator=st.booleans(), amount=AMOUNT)
    def court_locks_what_there_is(self, who: int, operator: bool, amount: int) -> None:
        """As the board does with signers: never refused for want of stake, nor for a ban."""
        role, account, amount = self.staker(who, operator, amount)
        subject, expires_at = b"\x55" * 32, self.now + DAY
        arguments = (role, account, subject, amount, expires_at)
        must = self.court_is_registered
        reply = self.send("vault", "lock_up_to", *arguments, sender=self.scene.court, must=must)
        if reply.accepted:
            self.note_harm(role, account)
            now = self.now
            assert reply.number == self.books.lock_up_to(*arguments, now)

    @rule(who=ANY, operator=st.booleans())
    def court_unlocks(self, who: int, operator: bool) -> None:
        role, account, _ = self.staker(who, operator, 0)
        arguments = (role, account, b"\x55" * 32)
        must = self.court_is_registered
        if self.send("vault", "unlock", *arguments, sender=self.scene.court, must=must).accepted:
            self.books.unlock(*arguments)

    @rule(who=ANY, operator=st.booleans())
    def join(self, who: int, operator: bool) -> None:
        role, account, _ = self.staker(who, operator, 0)
        must = self.banned_until(account) <= self.now
        self.send("vault", "join", role, b"\x01" * 32, sender=account, must=must)

    @rule(who=ANY, days=st.integers(0, 61))
    def court_bans(self, who: int, days: int) -> None:
        _, account, _ = self.staker(who, who % 3 == 0, 0)
        until = self.now + days * DAY if days else 0
        must = days <= 60 and self.court_is_registered
        if self.send("vault", "ban", account, until, sender=self.scene.court, must=must).accepted:
            self.bans[account] = until
            self.synced(OPERATOR, account)

    @rule(who=ANY)
    def release(self, who: int) -> None:
        """Anybody frees what an expired lock held."""
        held = [
            (role, account, subject)
            for (role, account), position in self.books.positions.items()
            for subject, (amount, _) in position.locks.items()
            if amount
        ]
        if held:
            self.release_of(*held[who % len(held)])

    def release_of(self, role: int, account: str, subject: bytes) -> None:
        _, expires_at = self.books.positions[role, account].locks[subject]
        must = self.now >= expires_at
        arguments = (role, account, subject)
        if self.send(
            "vault", "release", *arguments, sender=self.scene.stranger, must=must
        ).accepted:
            self.books.unlock(role, account, subject)

    @rule(n=ANY, who=ANY, more=AMOUNT)
    @precondition(lambda self: self.books.campaigns)
    def post_and_finalize_slash(self, n: int, who: int, more: int) -> None:
        """A receipt that adds nothing, and slashes one contributor."""
        number = self.pick(n)
        campaign = self.books.campaigns[number]
        account = self.scene.contributors[who % 4]
        slashed = self.slash_demands.get((number, account), 0) + more
        said = self.same_again(campaign)
        if self.post_receipt(number, said, {account: slashed, self.scene.thief: 1}, 0):
            self.slash_demands[number, account] = slashed
            self.wait(System.WINDOW)
            self.finalize_campaign(number)

    @rule(n=ANY, forged=st.integers(0, 9))
    @precondition(lambda self: any(self.slash_posts()))
    def execute_slash(self, n: int, forged: int) -> None:
        """Takes what is locked for the campaign, as far as it goes."""
        posts = list(self.slash_posts())
        number, post = posts[n % len(posts)]
        account, demanded = post.slashed[0]
        proof = post.slashes.proof((account, demanded))
        done = self.slashed.get((number, account), 0)
        said = demanded + 1 if forged == 0 else demanded
        reply = self.send(
            "board",
            "execute_slash",
            number,
            post.receipt.epoch,
            account,
            said,
            proof,
            sender=self.scene.stranger,
            must=forged != 0 and demanded > done,
        )
        if reply.accepted:
            subject = number.to_bytes(32, "big")
            taken = self.books.slash(
                CONTRIBUTOR, account, subject, demanded - done, TREASURY, self.now
            )
            self.books.credit(number, self.books.stake_token, taken, self.now)
            assert reply.number == taken
            self.slashed[number, account] = done + taken

    # -------------------------------------------------------- the operator set

    @rule(who=ANY)
    def sync(self, who: int) -> None:
        account = self.scene.operators[who % 5].address
        self.send("board", "sync", account, sender=self.scene.stranger, must=True)
        self.synced(OPERATOR, account)

    @rule(first=st.integers(0, 4), size=st.integers(2, 5), threshold=st.integers(1, 5))
    def set_operators(self, first: int, size: int, threshold: int) -> None:
        everybody = [key.address for key in self.scene.operators]  # ascending
        chosen = (everybody[first:] + everybody[:first])[:size]
        members = [account for account in everybody if account in chosen]
        must = threshold <= size < 2 * threshold and all(
            self.is_eligible(account) for account in members
        )
        reply = self.send(
            "board", "set_operators", members, threshold, sender=self.scene.governance, must=must
        )
        if reply.accepted:
            council = self.council
            council.version += 1
            council.members, council.threshold = members, threshold
            council.active = set(members)

    @rule(thousands=st.integers(1, 2))
    def set_min_operator_stake(self, thousands: int) -> None:
        amount = thousands * System.MIN_STAKE
        self.send(
            "board", "set_min_operator_stake", amount, sender=self.scene.governance, must=True
        )
        self.council.min_stake = amount

    # ----------------------------------------------------------------- helpers

    def staker(self, who: int, operator: bool, amount: int) -> tuple[int, str, int]:
        """Somebody, and an amount of the size of their stake."""
        if operator:
            return OPERATOR, self.scene.operators[who % 5].address, amount * System.MIN_STAKE // 400
        return CONTRIBUTOR, self.scene.contributors[who % 4], amount

    def banned_until(self, account: str) -> int:
        return self.bans.get(account, 0)

    def may_lock(self, role: int, account: str, subject: bytes, amount: int) -> bool:
        """Whether free stake that isn't unbonding suffices; a lock that expired is freed first."""
        position = self.books.positions[role, account]
        held, until = position.locks.get(subject, (0, 0))
        locked = position.locked - (held if self.now >= until else 0)
        return (
            amount != 0
            and locked + amount <= position.staked
            and self.banned_until(account) <= self.now
        )

    def locked(self, role: int, account: str, subject: bytes, amount: int, until: int) -> None:
        self.note_harm(role, account)
        self.books.lock(role, account, subject, amount, until, self.now)

    def note_harm(self, role: int, account: str) -> None:
        if role == OPERATOR:
            self.harmed.add(account)

    def is_eligible(self, account: str) -> bool:
        return (
            self.books.positions[OPERATOR, account].staked >= self.council.min_stake
            and self.banned_until(account) <= self.now
        )

    def synced(self, role: int, account: str) -> None:
        """The vault tells the board of every change: membership implies stake."""
        if role == OPERATOR and account in self.council.members:
            if self.is_eligible(account):
                self.council.active.add(account)
            else:
                self.council.active.discard(account)

    def slash_posts(self) -> Iterator[tuple[int, Post]]:
        """Finalized receipts that slash somebody, with their campaigns' numbers."""
        for number, course in self.courses.items():
            for post in course.finalized.values():
                if post.slashes:
                    yield number, post
