"""Money is conserved: random lives of two campaigns against a small model of the books."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.system import CONTRIBUTOR, UNIT, Receipt, System, Tree, payout_tree

CAMPAIGNS = st.sampled_from([1, 2])
AMOUNTS = st.integers(0, 75 * UNIT)  # three of them pass the cap of 200 now and then
Rows = list[tuple[str, int, int, int]]


@pytest.fixture(scope="module", autouse=True)
def deployed() -> None:
    """One deployment, made before the machine runs: each example rolls its own changes back."""
    Solvency.system = System()


class Solvency(RuleBasedStateMachine):
    """Post, finalize, claim, fund, close, refund, stake and slash in any order.

    The model knows what arrived and what left, per campaign; the escrow's own books, and the
    tokens it holds, must agree with it after every step.
    """

    system: System

    @initialize()
    def begin(self) -> None:
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.earners = [self.system.contributor, self.system.gateway, self.system.stranger]
        self.arrived = {}
        self.left = {}
        self.earned: dict[int, list[int]] = {}
        self.pending: dict[int, tuple[Receipt, Tree, Rows]] = {}
        self.settled: dict[int, list[tuple[Receipt, Tree, Rows]]] = {}
        for campaign in (1, 2):
            assert self.system.create() == campaign
            self.arrived[campaign] = self.system.BUDGET + self.system.BOND
            self.left[campaign] = 0
            self.earned[campaign] = [0, 0, 0]
            self.settled[campaign] = []
        self.system.stake(self.system.contributor, 100 * UNIT)
        self.fees = 0

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)

    def attempt(self, contract: Any, function: str, *arguments: Any, sender: str) -> bool:
        """Call; a refusal must have moved nothing."""
        before = self.books()
        try:
            getattr(contract, function)(*arguments, sender=sender)
        except boa.BoaError:
            assert self.books() == before
            return False
        return True

    def books(self) -> list[Any]:
        """What a refused call must leave: the campaigns, and what both contracts hold."""
        campaigns = [self.system.escrow.campaign(campaign) for campaign in (1, 2)]
        held = [self.system.balance(self.system.escrow), self.system.balance(self.system.vault)]
        return [*campaigns, *held]

    @rule(campaign=CAMPAIGNS, amount=st.integers(0, 50 * UNIT))
    def fund(self, campaign: int, amount: int) -> None:
        escrow = self.system.escrow
        if self.attempt(escrow, "fund", campaign, amount, sender=self.system.requester):
            self.arrived[campaign] += amount

    @rule(
        campaign=CAMPAIGNS,
        added=st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
        fee_ppm=st.integers(0, 52_000),
        charged=st.integers(0, 100),
        final=st.booleans(),
        lie=st.booleans(),
    )
    def post(
        self,
        campaign: int,
        added: tuple[int, int, int],
        fee_ppm: int,
        charged: int,
        final: bool,
        lie: bool,
    ) -> None:
        state = self.system.escrow.campaign(campaign)
        totals = [old + new for old, new in zip(self.earned[campaign], added, strict=True)]
        rows = [(account, total, 1, 1) for account, total in zip(self.earners, totals, strict=True)]
        if lie:  # a corrupt quorum: the tree says more than the receipt
            rows = [(account, total * 3, 1, 1) for account, total, _, _ in rows]
        tree = payout_tree(rows)
        receipt = self.system.receipt(
            campaign,
            final=final and state.closed_at != 0,
            payoutRoot=tree.root,
            payoutTotal=sum(totals),
            feeTotal=state.fee_total + sum(added) * fee_ppm // 10**6,
            bondCharge=state.bond_charge + sum(added) * charged // 100,
        )
        signatures = self.system.sign(receipt)
        board = self.system.board
        if self.attempt(board, "post", receipt.values(), signatures, sender=self.system.stranger):
            self.pending[campaign] = (receipt, tree, rows)
            self.earned[campaign] = totals

    @rule(campaign=CAMPAIGNS)
    @precondition(lambda self: self.pending)
    def finalize(self, campaign: int) -> None:
        if campaign not in self.pending:
            return
        receipt, tree, rows = self.pending.pop(campaign)
        fees = self.system.escrow.campaign(campaign).fee_total
        self.system.finalize(receipt)
        self.fees += receipt.feeTotal - fees
        self.settled[campaign].append((receipt, tree, rows))

    @rule(campaign=CAMPAIGNS, data=st.data())
    def claim(self, campaign: int, data: st.DataObject) -> None:
        if not self.settled[campaign]:
            return
        receipt, tree, rows = data.draw(st.sampled_from(self.settled[campaign]))
        row = data.draw(st.sampled_from(rows))
        before = self.system.balance(row[0])
        arguments = (campaign, receipt.epoch, *row, tree.proof(row))
        self.attempt(self.system.escrow, "claim", *arguments, sender=self.system.stranger)
        self.left[campaign] += self.system.balance(row[0]) - before

    @rule(campaign=CAMPAIGNS)
    def close(self, campaign: int) -> None:
        self.attempt(self.system.escrow, "close", campaign, sender=self.system.requester)
        boa.env.time_travel(blocks=2)

    @rule(campaign=CAMPAIGNS)
    def refund(self, campaign: int) -> None:
        before = self.system.balance(self.system.requester)
        self.attempt(self.system.escrow, "refund", campaign, sender=self.system.requester)
        self.left[campaign] += self.system.balance(self.system.requester) - before

    @rule(operator=st.integers(0, 1))
    def withdraw_fees(self, operator: int) -> None:
        account = self.system.operators[operator].address
        before = self.system.balance(account)
        token = self.system.token.address
        self.attempt(self.system.escrow, "withdraw_fees", token, [1 << 32 | 0b011], sender=account)
        self.fees -= self.system.balance(account) - before

    @rule(campaign=CAMPAIGNS, amount=st.integers(0, 60 * UNIT))
    def commit(self, campaign: int, amount: int) -> None:
        contributor = self.system.contributor
        self.attempt(self.system.escrow, "commit_stake", campaign, amount, sender=contributor)

    @rule(amount=st.integers(0, 60 * UNIT))
    def unbond(self, amount: int) -> None:
        contributor = self.system.contributor
        self.attempt(self.system.vault, "unbond", CONTRIBUTOR, amount, sender=contributor)

    @rule(campaign=CAMPAIGNS, amount=st.integers(1, 200 * UNIT))
    def slash(self, campaign: int, amount: int) -> None:
        # as the board would: through its right, with any amount
        taken = self.system.vault.slash(
            CONTRIBUTOR,
            self.system.contributor,
            campaign.to_bytes(32, "big"),
            amount,
            "0x" + "00" * 20,
            sender=self.system.board.address,
        )
        assert taken <= amount

    @rule(days=st.integers(1, 30))
    def wait(self, days: int) -> None:
        boa.env.time_travel(seconds=days * 86_400)
        contributor = self.system.contributor
        before = self.system.balance(contributor)
        self.attempt(self.system.vault, "withdraw", CONTRIBUTOR, sender=contributor)
        assert self.system.balance(contributor) >= before

    @invariant()
    def books_balance(self) -> None:
        held = 0
        for campaign in (1, 2):
            state = self.system.escrow.campaign(campaign)
            committed = state.payout_total + state.fee_total
            # what arrived is what left, and what the campaign still holds
            assert state.claimed <= state.payout_total
            assert committed + state.reserved <= state.budget + state.bond
            assert committed <= state.budget + state.bond_charge
            assert state.bond_charge <= state.bond
            holds = state.budget + state.bond - state.claimed
            assert self.arrived[campaign] - self.left[campaign] == holds
            held += holds
        # fees stay in the campaigns' books: of them, what operators drew has left the escrow
        drawn = sum(self.system.balance(o.address) for o in self.system.operators)
        assert self.system.balance(self.system.escrow) == held - drawn
        credited = self.system.escrow.fee_pool(self.system.token.address, 1 << 32 | 0b011)
        assert self.fees == credited - drawn >= 0

    @invariant()
    def stakes_are_covered(self) -> None:
        position = self.system.vault.position(CONTRIBUTOR, self.system.contributor)
        assert position.locked <= position.staked + position.unbonding
        assert self.system.balance(self.system.vault) == self.system.vault.total()
        locks = [
            self.system.vault.lock_of(
                CONTRIBUTOR, self.system.contributor, campaign.to_bytes(32, "big")
            ).amount
            for campaign in (1, 2)
        ]
        assert sum(locks) == position.locked


TestSolvency = Solvency.TestCase
TestSolvency.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
