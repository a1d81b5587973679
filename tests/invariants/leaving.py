"""Exit: with the quorum gone for ever, everybody takes out what is theirs; only dust remains."""

from __future__ import annotations

from tests.invariants.books import BOARD, CONTRACTS, ESCROW, OPEN, TREASURY, VAULT
from tests.invariants.requester_rules import RequesterRules
from tests.invariants.world_rules import WorldRules
from tests.support.system import System


class Leaving(RequesterRules, WorldRules):
    """The end of every run; no operator signs any more."""

    def leave(self) -> None:
        self.transfers_work()
        self.receipts_end()
        self.payers_leave()
        self.blacklist_ends()
        self.contributors_leave()
        self.operators_take_fees()
        self.harmed_are_compensated()
        self.stakers_leave()
        self.check_balances()
        self.check_all()
        self.only_dust_remains()

    def transfers_work(self) -> None:
        """Whom a token never pays nobody can help; here it gives in."""
        if self.books.tokens["false"].is_broken:
            self.send("false", "set_broken", False, sender=self.scene.stranger, must=True)
            self.books.tokens["false"].is_broken = False

    def blacklist_ends(self) -> None:
        """Later than payers leave: one whom the token refuses doesn't keep the other."""
        for account in list(self.books.tokens["blocking"].blocked):
            arguments = (account, False)
            self.send("blocking", "set_blocked", *arguments, sender=self.scene.stranger, must=True)
            self.books.tokens["blocking"].block(account, False)

    def receipts_end(self) -> None:
        """Cases whose arbitrator is silent run into their deadline; what is left is final."""
        self.wait(System.DISPUTE)
        for number, case in self.books.cases.items():
            if case.outcome == OPEN:
                self.expire_case(number)
        self.wait(System.WINDOW)
        for number, course in self.courses.items():
            if course.pending:
                self.finalize_campaign(number)

    def payers_leave(self) -> None:
        """What receipts did not commit goes back, budget and bond each to its payer."""
        for number, campaign in self.books.campaigns.items():
            if not campaign.closed_at and not campaign.is_refunded:
                self.close_by(number, campaign.requester)
        self.wait(max(0, self.paused_until - self.now) + System.ABANDON)
        left = [n for n, campaign in self.books.campaigns.items() if not campaign.is_refunded]
        for number in left:
            if not self.books.campaigns[number].is_complete:
                self.abandon_by(number, self.books.campaigns[number].bond_payer)
        self.wait(System.NOTICE)
        for number in left:
            campaign = self.books.campaigns[number]
            rest = sum(
                campaign.token.arrives(amount)
                for payee, amount in campaign.refunds()[:2]
                if campaign.token.carries(payee)
            )
            before = self.wallets(campaign.token.name, campaign.requester, campaign.bond_payer)
            self.refund_by(number, campaign.bond_payer)
            after = self.wallets(campaign.token.name, campaign.requester, campaign.bond_payer)
            assert campaign.is_refunded
            assert after - before == rest

    def contributors_leave(self) -> None:
        """Where no quorum lied, everybody's last row is paid in full."""
        for number, course in self.courses.items():
            campaign = self.books.campaigns[number]
            for post in reversed(course.finalized.values()):
                for row in post.rows:
                    if 0 < self.books.due(number, *row[:2]) <= campaign.payable:
                        self.claim_row(number, post, row)
            if campaign.is_honest:
                assert campaign.payable == 0
                assert dict(+campaign.drawn) == {k: v for k, v in self.earned(number).items() if v}

    def operators_take_fees(self) -> None:
        for (name, quorum), pool in self.books.pools.items():
            token = self.books.tokens[name]
            self.treasury_takes_fees(token, quorum)
            for operator in self.books.members[quorum]:
                if self.books.fee_due(operator, token, quorum):
                    self.withdraw_fees_by(operator, token, [quorum])
            members = [TREASURY, *self.books.members[quorum]]
            taken = sum(self.books.fees_taken[name, quorum, member] for member in members)
            assert pool - len(members) < taken <= pool

    def harmed_are_compensated(self) -> None:
        """Each pot goes to the contributors of its campaign; what is left is governance's."""
        for number, pot in self.books.pots.items():
            if pot.is_swept:
                continue
            for whose in range(len(self.scene.contributors) + 1):
                self.compensate_from(number, whose)
            if pot.epoch and self.books.campaigns[pot.campaign].is_honest:
                assert pot.amount - pot.paid <= len(self.scene.contributors)
        self.wait(System.COMPENSATION)
        for number, pot in self.books.pots.items():
            if not pot.is_swept:
                self.sweep_pot(number)
        for name, token in self.books.tokens.items():
            amount = self.books.general[name]
            arguments = (self.scene.tokens[name].address, self.scene.stranger, amount)
            self.send("treasury", "spend", *arguments, sender=self.scene.governance, must=True)
            self.books.spend(token, self.scene.stranger, amount)

    def stakers_leave(self) -> None:
        """All stake that wasn't slashed, once unbonding and the longest lock are over."""
        for (payer, requester, name), amount in list(self.books.pledges.items()):
            if amount:
                self.withdraw_pledge_of(payer, requester, name, amount)
        for (role, account), position in self.books.positions.items():
            if position.staked:
                self.unbond_by(role, account, position.staked)
        self.wait(max(System.UNBONDING, System.MAX_LOCK))
        for (role, account), position in self.books.positions.items():
            for subject, (amount, _) in list(position.locks.items()):
                if amount:
                    self.release_of(role, account, subject)
            if position.unbonding:
                self.withdraw_of(role, account)
            assert position.staked == position.unbonding == position.locked == 0

    def only_dust_remains(self) -> None:
        """Less than one base unit per member in each pool, and what a lying tree gave to nobody."""
        for name, token in self.books.tokens.items():
            held = dict(self.books.holdings[name])
            for contract in CONTRACTS:
                held[contract] -= self.books.gifts[name, contract]
            assert held[VAULT] == held[BOARD] == held[TREASURY] == 0
            pools = [quorum for kind, quorum in self.books.pools if kind == name]
            members = sum(1 + len(self.books.members[quorum]) for quorum in pools)
            orphaned = sum(
                campaign.payable
                for campaign in self.books.campaigns.values()
                if campaign.token is token and not campaign.is_honest
            )
            assert 0 <= held[ESCROW] - orphaned <= members

    def wallets(self, token: str, *accounts: str) -> int:
        """What these accounts hold together, as the token says."""
        contract = self.scene.tokens[token]
        return sum(contract.balanceOf(account) for account in set(accounts))
