"""Who pays: requesters and the sponsor of bonds create, fund, close, abandon and take back."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.invariants.books import Campaign
from tests.invariants.machine import Course, Machine
from tests.support.system import ZERO_ADDRESS, System

ANY = st.integers(0, 11)
AMOUNT = st.integers(0, 5_000)  # base units: small, so that every rounding shows
TOKENS = st.sampled_from(["label", "fee", "false", "reentrant", "blocking"])
MANIFEST = b"\x07" * 32
MAX_CAMPAIGNS = 8


class RequesterRules(Machine):
    """Rules of requesters and bond payers."""

    @initialize(tokens=st.lists(TOKENS, min_size=3, max_size=3), pledge=AMOUNT)
    def begin(self, tokens: list[str], pledge: int) -> None:
        """Three campaigns in different tokens, one on a pledged bond."""
        for who, token in enumerate(tokens):
            self.pledge_bond(token, who, pledge)
            self.create(token, who, 3_000, 900, 100, 500, pledged=who == 0)

    @rule(
        token=TOKENS,
        who=ANY,
        budget=AMOUNT,
        cap=st.integers(0, 2_000),
        spare=st.integers(-1, 500),
        fee_bps=st.sampled_from([99, 100, 500, 333, 10_000]),
        pledged=st.booleans(),
    )
    @precondition(lambda self: len(self.books.campaigns) < MAX_CAMPAIGNS)
    def create(
        self,
        token: str,
        who: int,
        budget: int,
        cap: int,
        spare: int,
        fee_bps: int,
        pledged: bool,
    ) -> None:
        bond = max(0, cap + spare)
        requester = self.scene.requesters[who % 2]
        campaign = Campaign(
            token=self.books.tokens[token],
            requester=requester,
            bond_payer=self.scene.sponsor if pledged else requester,
            budget=budget,
            bond=bond,
            cap=cap,
            fee_bps=fee_bps,
            created_at=self.now,
        )
        reply = self.send(
            "escrow",
            "create",
            self.scene.tokens[token].address,
            budget,
            bond,
            cap,
            fee_bps,
            self.scene.gateway.address,
            MANIFEST,
            self.scene.sponsor if pledged else ZERO_ADDRESS,
            sender=requester,
        )
        if reply.accepted:
            self.books.create(reply.number, campaign, pledged)
            self.courses[reply.number] = Course()

    @rule(token=TOKENS, who=ANY, amount=AMOUNT)
    def pledge_bond(self, token: str, who: int, amount: int) -> None:
        requester = self.scene.requesters[who % 2]
        sponsor = self.scene.sponsor
        address = self.scene.tokens[token].address
        reply = self.send("escrow", "pledge_bond", requester, address, amount, sender=sponsor)
        if reply.accepted:
            self.books.pledge(sponsor, requester, self.books.tokens[token], amount)

    @rule(token=TOKENS, who=ANY, amount=AMOUNT)
    def withdraw_pledge(self, token: str, who: int, amount: int) -> None:
        requester = self.scene.requesters[who % 2]
        self.withdraw_pledge_of(self.scene.sponsor, requester, token, amount)

    def withdraw_pledge_of(self, payer: str, requester: str, token: str, amount: int) -> None:
        kind = self.books.tokens[token]
        enough = amount <= self.books.pledges[payer, requester, token]
        reply = self.send(
            "escrow",
            "withdraw_pledge",
            requester,
            self.scene.tokens[token].address,
            amount,
            sender=payer,
            must=enough and (amount == 0 or kind.carries(payer)),
        )
        if reply.accepted:
            self.books.withdraw_pledge(payer, requester, kind, amount)

    @rule(n=ANY, amount=AMOUNT)
    @precondition(lambda self: self.books.campaigns)
    def fund(self, n: int, amount: int) -> None:
        number = self.pick(n)
        reply = self.send("escrow", "fund", number, amount, sender=self.scene.stranger)
        if reply.accepted:
            self.books.fund(number, self.scene.stranger, amount)

    @rule(who=ANY, valid=st.booleans())
    @precondition(lambda self: len(self.books.campaigns) < MAX_CAMPAIGNS)
    def create_with_permit(self, who: int, valid: bool) -> None:
        """A permit that fails is passed over: there is an allowance as well."""
        requester = self.scene.requesters[who % 2]
        label = self.books.tokens["label"]
        terms = (2_000, 700, 600, 500)
        arguments = (self.scene.tokens["label"].address, *terms, self.scene.gateway.address)
        permit = (self.now + valid, 27, b"\x01" * 32, b"\x02" * 32)
        reply = self.send(
            "escrow",
            "create_with_permit",
            *arguments,
            MANIFEST,
            ZERO_ADDRESS,
            *permit,
            sender=requester,
        )
        if reply.accepted:
            campaign = Campaign(label, requester, requester, *terms, created_at=self.now)
            self.books.create(reply.number, campaign, False)
            self.courses[reply.number] = Course()

    @rule(n=ANY, amount=AMOUNT)
    @precondition(lambda self: self.books.campaigns)
    def fund_with_permit(self, n: int, amount: int) -> None:
        number, funder = self.pick(n), self.scene.stranger
        permit = (self.now, 27, b"\x01" * 32, b"\x02" * 32)
        reply = self.send("escrow", "fund_with_permit", number, amount, *permit, sender=funder)
        if reply.accepted:
            self.books.fund(number, funder, amount)

    @rule(n=ANY, who=ANY)
    @precondition(lambda self: self.books.campaigns)
    def delegate(self, n: int, who: int) -> None:
        """Words alone: no money moves."""
        number, contributor = self.pick(n), self.scene.contributors[who % 4]
        arguments = (number, self.scene.stranger, 1, self.now, MANIFEST)
        must = not self.books.campaigns[number].is_refunded
        self.send("escrow", "delegate", *arguments, sender=contributor, must=must)

    @rule(n=ANY, amount=AMOUNT)
    @precondition(lambda self: self.books.campaigns)
    def raise_bond(self, n: int, amount: int) -> None:
        number = self.pick(n)
        reply = self.send("escrow", "raise_bond", number, amount, sender=self.scene.sponsor)
        if reply.accepted:
            self.books.raise_bond(number, self.scene.sponsor, amount)

    @rule(n=ANY, more=st.integers(0, 2_000))
    @precondition(lambda self: self.books.campaigns)
    def raise_epoch_cap(self, n: int, more: int) -> None:
        number = self.pick(n)
        campaign = self.books.campaigns[number]
        cap = campaign.cap + more
        fits = campaign.cap < cap <= campaign.bond
        reply = self.send(
            "escrow",
            "raise_epoch_cap",
            number,
            cap,
            sender=campaign.requester,
            must=fits and campaign.closed_at == 0 and not campaign.is_refunded,
        )
        if reply.accepted:
            campaign.cap = cap

    @rule(n=ANY, stranger=st.booleans())
    @precondition(lambda self: self.books.campaigns)
    def close(self, n: int, stranger: bool) -> None:
        number = self.pick(n)
        self.close_by(
            number, self.scene.stranger if stranger else self.books.campaigns[number].requester
        )

    def close_by(self, number: int, sender: str) -> None:
        campaign = self.books.campaigns[number]
        idle_since = max(campaign.created_at, self.last_activity(number))
        idle = self.now >= idle_since + System.ABANDON
        is_open = campaign.closed_at == 0 and not campaign.is_refunded
        must = is_open and (idle or sender == campaign.requester)
        if self.send("escrow", "close", number, sender=sender, must=must).accepted:
            campaign.closed_at, campaign.closed_block = self.now, self.block

    @rule(n=ANY, sponsor=st.booleans())
    @precondition(lambda self: self.books.campaigns)
    def abandon(self, n: int, sponsor: bool) -> None:
        number = self.pick(n)
        campaign = self.books.campaigns[number]
        self.abandon_by(number, campaign.bond_payer if sponsor else campaign.requester)

    def abandon_by(self, number: int, sender: str) -> None:
        campaign, course = self.books.campaigns[number], self.courses[number]
        idle_since = max(campaign.closed_at, self.last_activity(number))
        must = (
            campaign.closed_at != 0
            and not campaign.is_refunded
            and not campaign.is_complete
            and course.pending is None
            and self.now >= idle_since + System.ABANDON
        )
        if self.send("escrow", "abandon", number, sender=sender, must=must).accepted:
            campaign.notice_at = self.now

    @rule(n=ANY)
    @precondition(lambda self: self.books.campaigns)
    def refund(self, n: int) -> None:
        number = self.pick(n)
        self.refund_by(number, self.books.campaigns[number].requester)

    def refund_by(self, number: int, sender: str) -> None:
        campaign = self.books.campaigns[number]
        pays = any(amount for _, amount in campaign.refunds())
        must = self.may_refund(number) and not (pays and campaign.token.is_broken)
        if self.send("escrow", "refund", number, sender=sender, must=must).accepted:
            self.books.refund(number, self.now)

    def may_refund(self, number: int) -> bool:
        """Whether its requester may take back what isn't committed."""
        campaign, course = self.books.campaigns[number], self.courses[number]
        left = (
            campaign.notice_at != 0
            and self.last_activity(number) < campaign.notice_at
            and self.now >= campaign.notice_at + System.NOTICE
        )
        return (
            campaign.closed_at != 0
            and not campaign.is_refunded
            and course.pending is None
            and (campaign.is_complete or left)
        )
