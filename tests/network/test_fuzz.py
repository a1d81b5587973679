"""The protocol between operators and with the gateway, on seeded schedules; and whether the fuzz
would notice a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from oracle.service.member import Member
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


def test_schedule__labels_logged_for_other_items__are_filed_and_paid() -> None:
    schedule = Schedule(4, replace(CALM, gateway="TurnsItems")).run()
    outcome = check(schedule)
    assert outcome.occurred["gateway TurnsItems"]
    assert outcome.occurred["label is filed"]
    turned = [fault for _, fault in schedule.honest[0].results[-1].rejected]
    assert {fault.code for fault in turned} == {"SUBMISSION-SIGNATURE"}


def test_schedule__run_again__is_the_same() -> None:
    plan = Plan(3, "Forks", "Equivocates", 0.1, 0.3, False)
    first, second = (Schedule(3, plan).run() for _ in range(2))
    assert first.chain.finalized() == second.chain.finalized()
    assert first.trace == second.trace


# -- planted faults: each must be found --------------------------------------------------------


class PublishesEarly(Member):
    """Publishes a proposal's openings when it signs, not when the receipt stands on chain."""

    def _derive(self, proposal: Any, campaign: Any) -> Any:
        vote = super()._derive(proposal, campaign)
        for block in list(self._derived.values())[-1].blocks:
            self._content.put(block.data, block.codec)
        return vote


@pytest.mark.parametrize(
    ("fault", "plan"),
    [
        (PublishesEarly, Plan(0, "Honest", "Silent", 0.3, 0.0, False)),
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
