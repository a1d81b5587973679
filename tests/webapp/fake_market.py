"""The offers of a platform in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle.errors import GatewayRefusal
from oracle.ports import Lock, Offer, RequesterRecord

if TYPE_CHECKING:
    from tests.webapp.fake_desk import FakeDesk


class FakeMarket:
    """A `WorkMarket` over a fake desk's one campaign, and `more` offers that tests add."""

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk
        self.more: list[Offer] = []

    def offers(self, contributor: bytes | None) -> Sequence[Offer]:
        offers = [
            Offer(
                campaign=view,
                seconds_per_item=view.seconds_per_item,
                seconds_measured=False,
                hourly=view.expected_reward * 3600 // view.seconds_per_item,
                remaining=view.item_count - view.items_closed,
                wait_seconds=240,
                requester=RequesterRecord(b"\x9e" * 20, 1, 0, 0, None),
                lock=self._lock(contributor or bytes(20)),
            )
            for view in self._desk.campaigns()
        ]
        return [*offers, *self.more]

    def _lock(self, contributor: bytes) -> Lock | None:
        if not self._desk.view.accepting:
            return Lock("closed", "the requester has closed it: labels in hand are still paid")
        try:
            self._desk.check_qualified(self._desk.view.number, contributor)
        except GatewayRefusal as refusal:
            return Lock(refusal.code, refusal.message)
        return None
