"""The protocol between operators and with the gateway, on seeded schedules; and whether the fuzz
would notice a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from oracle.errors import ChainError
from oracle.protocol.decide import decide
from oracle.service import member as members
from oracle.service.follower import Follower, submission_of
from oracle.service.member import Member
from oracle.service.round import Held
from tests.network.gateways import BEHAVIOURS
from tests.network.invariants import check
from tests.network.liars import LIARS
from tests.network.schedule import Plan, Schedule, Violation

CALM = Plan(0, "Honest", "honest", 0.0, 0.0, False)


def test_behaviours__as_many_as_promised() -> None:
    assert len(BEHAVIOURS) - 1 >= 15
    assert len(LIARS) - 1 >= 4


@pytest.mark.parametrize(
    ("gateway", "liar"),
    [
        ("Honest", "Crashed"),
        ("Dies", "SignsAnything"),
        ("ShowsEachAnother", "honest"),
        ("Swallows", "OmitsFilings"),
    ],
)
def test_schedule__gateway_and_operator_misbehave__all_invariants_hold(
    gateway: str, liar: str
) -> None:
    check(Schedule(1, Plan(1, gateway, liar, 0.1, 0.0, False)).run())


def test_schedule__run_again__is_the_same() -> None:
    plan = Plan(3, "Forks", "Equivocates", 0.1, 0.3, False)
    first, second = (Schedule(3, plan).run() for _ in range(2))
    assert first.chain.finalized() == second.chain.finalized()
    assert first.trace == second.trace


# -- planted faults: each must be found --------------------------------------------------------


class SignsBlindly(Member):
    """Derives what a leader proposes, and looks for nothing that was left out."""

    def _derive(self, proposal: Any, campaign: Any) -> Any:
        known = members.derive

        def blind(campaign: Any, previous: Any, held: Held, proposal: Any) -> Any:
            settled = previous.receipt.log_position if previous is not None else 0
            rows = [*held.rows[:settled], *proposal.rows]
            return decide(campaign, previous, rows, proposal.supplement, proposal.attempt)

        members.derive = blind  # type: ignore[assignment]
        try:
            return super()._derive(proposal, campaign)
        finally:
            members.derive = known


class DropsFilings(Member):
    """Acknowledges filings and brings none to the round."""

    def _held(self, *arguments: Any, **named: Any) -> Held:
        return replace(super()._held(*arguments, **named), filings={})


class PublishesEarly(Member):
    """Publishes a proposal's openings when it signs, not when the receipt stands on chain."""

    def _derive(self, proposal: Any, campaign: Any) -> Any:
        vote = super()._derive(proposal, campaign)
        for block in list(self._derived.values())[-1].blocks:
            self._content.put(block.data, block.codec)
        return vote


class Credulous(Follower):
    """Takes pages without their openings."""

    def follow(self, feed: Any, campaign: Any, *, now: int) -> int:
        rows = self.connected(feed.page(len(self.rows), 512).rows, campaign, after=len(self.rows))
        opened = []
        for row in rows:
            entry = submission_of(row)
            block = None if entry is None else feed_blocks(feed, row.position).get(entry.opening)
            if entry is not None and block is not None:
                opened.append(self.open(row.data, entry, block, campaign))
        if rows:
            self._append(rows, [one for one in opened if one is not None], now)
        return len(rows)


def feed_blocks(feed: Any, position: int) -> dict[bytes, bytes]:
    from oracle.evidence.hashing import sha256

    return {sha256(one): one for one in feed.page(position - 1, 1).openings}


class TakesPagesWithoutOpenings(Member):
    """Follows a log whose openings don't come with it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.log = Credulous(named["store"], named["unseal"], self._lock)
        self.intake._log = self.log


class AddsUp(Member):
    """Pays somebody one unit more, in its own receipts alone."""

    def _derive(self, proposal: Any, campaign: Any) -> Any:
        if self.address == self.members[0]:
            raise ChainError("another result")
        return super()._derive(proposal, campaign)


@pytest.mark.parametrize(
    ("fault", "plan"),
    [
        (SignsBlindly, Plan(0, "Swallows", "OmitsFilings", 0.0, 0.0, False)),
        (DropsFilings, Plan(0, "Swallows", "honest", 0.0, 0.0, False)),
        (PublishesEarly, Plan(0, "Honest", "Equivocates", 0.3, 0.0, False)),
        (TakesPagesWithoutOpenings, Plan(0, "DropsOpenings", "honest", 0.0, 0.0, False)),
        (AddsUp, Plan(0, "Honest", "Crashed", 0.0, 0.0, False)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_fuzz__planted_fault__is_found(fault: type[Member], plan: Plan) -> None:
    def finds(member_class: Callable[..., Member]) -> bool:
        for seed in range(6):
            play = partial(Schedule, seed, replace(plan, seed=seed), member_class)
            try:
                check(play().run())
            except Violation:
                return True
        return False

    assert finds(fault)
    check(Schedule(0, plan).run())
