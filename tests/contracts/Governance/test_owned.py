"""Every function of an owner works through the timelock, after its delay, and in no other way."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boa
import pytest
from eth_utils import to_checksum_address

from tests.contracts.Governance.conftest import DELAY, Governed
from tests.support.system import CONTRACTS, UNIT, System

NOT_OWNER = "ownable: caller is not the owner"
SOMEBODY = to_checksum_address("0x" + "aa" * 20)

# contract -> function -> arguments, and what is to be seen afterwards; the token and the members
# are put in when they are known
TOKEN, MEMBERS = object(), object()
Seen = tuple[tuple[Any, ...], Callable[[System], bool]]
FUNCTIONS: dict[str, dict[str, Seen]] = {
    "CampaignEscrow": {
        "set_token": ((SOMEBODY, True), lambda s: s.escrow.is_allowed(SOMEBODY)),
        "set_min_fee": ((250,), lambda s: s.escrow.min_fee_bps() == 250),
    },
    "ReceiptBoard": {
        "set_operators": ((MEMBERS, 2), lambda s: s.board.operator_set() == 2),
        "set_min_operator_stake": (
            (1_001 * UNIT,),
            lambda s: s.board.min_operator_stake() == 1_001 * UNIT,
        ),
        "set_challenge_bond": ((77 * UNIT,), lambda s: s.board.challenge_bond() == 77 * UNIT),
        "set_arbitrator": ((SOMEBODY, b"", ""), lambda s: s.board.arbitrator() == SOMEBODY),
        "set_guardian": ((SOMEBODY,), lambda s: s.board.guardian() == SOMEBODY),
    },
    "StakeVault": {
        "register": ((SOMEBODY, True), lambda s: s.vault.is_registered(SOMEBODY)),
    },
    "Treasury": {
        "spend": ((TOKEN, SOMEBODY, 3), lambda s: s.balance(SOMEBODY) == 3),
    },
    "LabelToken": {
        "set_minter": ((SOMEBODY, True), lambda s: s.token.is_minter(SOMEBODY)),
        "renounce_ownership": ((), lambda s: int(s.token.owner(), 16) == 0),
        "transfer_ownership": ((SOMEBODY,), lambda s: s.token.owner() == SOMEBODY),
    },
}
TWO_STEP: dict[str, tuple[Any, ...]] = {"transfer_ownership": (SOMEBODY,), "renounce_ownership": ()}
CASES = [
    (contract, function) for contract, functions in FUNCTIONS.items() for function in functions
]


def arguments_of(governed: Governed, contract: str, function: str) -> tuple[Any, ...]:
    given = FUNCTIONS[contract].get(function, (TWO_STEP.get(function, ()), None))[0]
    system = governed.system
    known = {TOKEN: system.token.address, MEMBERS: [one.address for one in system.operators]}
    return tuple(known[one] if one is TOKEN or one is MEMBERS else one for one in given)


@pytest.fixture(autouse=True)
def general_balance(governed: Governed, system: System) -> None:
    """Something for `spend`: the treasury's share of a fee."""
    campaign = system.create()
    system.pay(campaign, {system.contributor: 50 * UNIT})
    system.escrow.withdraw_treasury_fees(system.token.address, [1 << 32 | 0b011])


@pytest.mark.parametrize(("contract", "function"), CASES)
def test_owned__through_the_timelock__works_after_the_delay(
    governed: Governed, contract: str, function: str
) -> None:
    system, owned = governed.system, governed.owned[contract]
    arguments = arguments_of(governed, contract, function)
    payload = governed.payload(owned, function, *arguments)
    seen = FUNCTIONS[contract][function][1]
    governed.schedule(owned, payload)
    boa.env.time_travel(seconds=DELAY - 1)
    with system.refused("timelock_controller: operation is not ready"):
        governed.execute(owned, payload)
    assert not seen(system)
    boa.env.time_travel(seconds=1)
    governed.execute(owned, payload)
    assert seen(system)
    with system.refused("timelock_controller: operation is not ready"):
        governed.execute(owned, payload)


@pytest.mark.parametrize(
    ("contract", "function"),
    CASES + [(name, function) for name in FUNCTIONS for function in TWO_STEP],
)
def test_owned__by_anybody_else__is_refused(
    governed: Governed, contract: str, function: str
) -> None:
    system = governed.system
    call = getattr(governed.owned[contract], function)
    arguments = arguments_of(governed, contract, function)
    for caller in (governed.deployer, governed.council, system.guardian, system.stranger):
        with system.refused(NOT_OWNER):
            call(*arguments, sender=caller)


@pytest.mark.parametrize("contract", FUNCTIONS)
def test_owned__table__names_every_function_of_an_owner(contract: str) -> None:
    source = (CONTRACTS / f"{contract}.vy").read_text(encoding="utf-8")
    bodies = re.split(r"^@external$", source, flags=re.MULTILINE)
    checked = {
        re.search(r"^def (\w+)", body, re.MULTILINE)[1]  # type: ignore[index]
        for body in bodies
        if "ownable._check_owner()" in body.split("\n@internal")[0]
    }
    assert checked <= set(FUNCTIONS[contract])
    if contract != "LabelToken":
        assert checked == set(FUNCTIONS[contract])


def test_pause__guardian__needs_no_delay(governed: Governed) -> None:
    system = governed.system
    system.board.pause(sender=system.guardian)
    with system.refused("CampaignEscrow: paused"):
        system.create()
    system.board.unpause(sender=system.guardian)
    assert system.create()


def test_set_operators__28_members__are_the_most_that_a_proposal_holds(
    governed: Governed,
) -> None:
    # snekmate's payloads end at 1,024 bytes
    board = governed.system.board
    for size, fits in ((28, True), (29, False)):
        members = [boa.env.generate_address() for _ in range(size)]
        payload = governed.payload(board, "set_operators", members, size)
        assert (len(payload) <= 1_024) == fits
        if fits:
            governed.schedule(board, payload)
        else:
            with boa.reverts():
                governed.schedule(board, payload)
