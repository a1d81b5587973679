"""The contributors' desk, over a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from oracle.gateway.desk import PAUSED, Desk
from oracle.gateway.gateway import Gateway
from oracle.ports import LeaseReply, Network

CAMPAIGN, CONTRIBUTOR = 7, bytes(20)


class LeasingGateway:
    """Draws a lease whenever it is asked; `held` is one that runs already."""

    def __init__(self, held: LeaseReply | None) -> None:
        self.held, self.drawn = held, 0

    def running(self, contributor: bytes) -> LeaseReply | None:
        return self.held

    def lease(self, contributor: bytes, count: int) -> LeaseReply:
        self.drawn += 1
        return LeaseReply(None, ())


def desk_over(gateway: LeasingGateway, paused: tuple[int, ...]) -> Desk:
    unused: Any = None
    gateways = cast(Mapping[int, Gateway], {CAMPAIGN: gateway})
    network = cast(Network, SimpleNamespace(token=bytes(20)))
    return Desk(network, lambda: gateways, unused, unused, unused, unused, lambda: paused)


def test_lease__operators_of_the_campaign_are_stuck__draws_nothing_and_says_when_to_ask() -> None:
    gateway = LeasingGateway(None)
    reply = desk_over(gateway, (CAMPAIGN,)).lease(CAMPAIGN, CONTRIBUTOR, 3)
    assert (reply.lease, reply.reason, reply.wait_seconds) == (None, PAUSED, 60)
    assert gateway.drawn == 0


def test_lease__another_campaign_is_stuck__draws() -> None:
    gateway = LeasingGateway(None)
    desk_over(gateway, (CAMPAIGN + 1,)).lease(CAMPAIGN, CONTRIBUTOR, 3)
    assert gateway.drawn == 1


def test_lease__stuck_while_one_runs__shows_what_can_still_be_answered() -> None:
    running = LeaseReply(None, (), "running")
    assert (
        desk_over(LeasingGateway(running), (CAMPAIGN,)).lease(CAMPAIGN, CONTRIBUTOR, 3) is running
    )
