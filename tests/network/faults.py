"""Faults planted into operators and rules, each of which the invariants must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from oracle.evidence.hashing import sha256
from oracle.protocol import settling
from oracle.protocol.decide import decide
from oracle.protocol.ledger import Ledger
from oracle.quality.payment import Capped, apply_cap
from oracle.service import member as members
from oracle.service.follower import Follower, submission_of
from oracle.service.member import Member
from oracle.service.round import Held


class SignsBlindly(Member):
    """Derives what a leader proposes, and looks for nothing that was left out."""

    def _derive(self, proposal: Any, campaign: Any) -> Any:
        def blind(campaign: Any, previous: Any, held: Held, proposal: Any) -> Any:
            settled = previous.receipt.log_position if previous is not None else 0
            rows = [*held.rows[:settled], *proposal.rows]
            return decide(campaign, previous, rows, proposal.supplement, proposal.attempt)

        with patch.object(members, "derive", blind):
            return super()._derive(proposal, campaign)


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


class _Credulous(Follower):
    def follow(self, feed: Any, campaign: Any, *, now: int) -> int:
        page = feed.page(len(self.rows), 512)
        blocks = {sha256(block): block for block in page.openings}
        rows = self.connected(page.rows, campaign, after=len(self.rows))
        entries = [(row, entry) for row in rows if (entry := submission_of(row)) is not None]
        opened = [
            self.open(row.data, entry, blocks[entry.opening], campaign)
            for row, entry in entries
            if entry.opening in blocks
        ]
        if rows:
            self._append(rows, [one for one in opened if one is not None], now)
        return len(rows)


class TakesPagesWithoutOpenings(Member):
    """Follows a log whose openings don't come with it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.log = _Credulous(named["store"], named["unseal"], self._lock)
        self.intake._log = self.log


class NeverPassesOn(Member):
    """Waits for an epoch's first leader for ever."""

    def _seat(self, campaign: Any, epoch: int, round_number: int) -> int:
        return super()._seat(campaign, epoch, 0)


@contextmanager
def adds_up() -> Iterator[None]:
    """Pays the formula's value in every epoch anew: the sum, not the greatest."""

    def cap(previous: Any, wanted: Mapping[bytes, int], *limits: int) -> tuple[Capped, int]:
        paid = {one.account: one.cumulative for one in previous.evidence.leaves} if previous else {}
        sums = {account: due + paid.get(account, 0) for account, due in wanted.items()}
        return honest(previous, sums, *limits)

    honest = settling._cap
    with patch.object(settling, "_cap", cap):
        yield


@contextmanager
def falls() -> Iterator[None]:
    """Pays what the newest agreement comes to, though more was granted before."""

    def lowered(paid: Mapping[bytes, int], wanted: Mapping[bytes, int], **named: Any) -> Capped:
        return apply_cap({}, wanted, **named)

    with patch.object(settling, "apply_cap", lowered):
        yield


@contextmanager
def knows_no_cap() -> Iterator[None]:
    """Pays everything at once, whatever the cap."""

    def whole(paid: Mapping[bytes, int], wanted: Mapping[bytes, int], **named: Any) -> Capped:
        return apply_cap(paid, wanted, **{**named, "cap": 2**100})

    with patch.object(settling, "apply_cap", whole):
        yield


@contextmanager
def forgets_what_waits() -> Iterator[None]:
    """Grants what the cap lets through, and calls it all."""

    def whole(paid: Mapping[bytes, int], wanted: Mapping[bytes, int], **named: Any) -> Capped:
        return replace(apply_cap(paid, wanted, **named), waiting=0)

    with patch.object(settling, "apply_cap", whole):
        yield


@contextmanager
def frees_at_once() -> Iterator[None]:
    """Gives the budget of a lapsed lease to others, though its work may still be filed."""

    def free(ledger: Any) -> None:
        ledger._leased_rewards -= sum(ledger._lapsed_rewards.values())
        ledger._lapsed_rewards.clear()

    with patch.object(Ledger, "_free_lapsed", free):
        yield


RULES: dict[str, Callable[[], Any]] = {
    one.__name__: one for one in (adds_up, falls, knows_no_cap, forgets_what_waits, frees_at_once)
}
