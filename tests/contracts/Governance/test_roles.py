"""Who may do what with the timelock itself."""

from __future__ import annotations

import boa
import pytest
from eth.exceptions import Revert

from tests.contracts.Governance.conftest import DELAY, Governed
from tests.support.system import ZERO, ZERO_ADDRESS, System, events, load

MISSING = "access_control: account is missing role"


def test_init__council_and_deployer__propose_without_delay_at_first(system: System) -> None:
    council = boa.env.generate_address("council")
    with boa.env.prank(system.stranger):
        timelock = load("Governance", council)
    assert timelock.get_minimum_delay() == 0
    proposer, canceller, executor, admin = (
        timelock.PROPOSER_ROLE(),
        timelock.CANCELLER_ROLE(),
        timelock.EXECUTOR_ROLE(),
        timelock.DEFAULT_ADMIN_ROLE(),
    )
    for account in (council, system.stranger):
        assert timelock.hasRole(proposer, account)
        assert timelock.hasRole(canceller, account)
        assert not timelock.hasRole(executor, account)
        assert not timelock.hasRole(admin, account)
    assert timelock.hasRole(executor, ZERO_ADDRESS)
    assert timelock.hasRole(admin, timelock.address)


def test_init__council_zero_or_deployer__is_refused(system: System) -> None:
    with boa.reverts("Governance: council is zero"):
        load("Governance", ZERO_ADDRESS)
    with boa.reverts("Governance: council is the deployer"), boa.env.prank(system.stranger):
        load("Governance", system.stranger)


def test_hand_over__deployer__holds_nothing(governed: Governed) -> None:
    timelock, deployer = governed.timelock, governed.deployer
    for role in ("PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE", "DEFAULT_ADMIN_ROLE"):
        assert not timelock.hasRole(getattr(timelock, role)(), deployer)
    assert not governed.system.token.is_minter(deployer)
    assert governed.system.token.is_minter(timelock.address)
    for contract in governed.owned.values():
        assert contract.owner() == timelock.address
    with governed.system.refused("LabelToken: not a minter"):
        governed.system.token.mint(deployer, 1, sender=deployer)


def test_schedule__council__logs_and_waits(governed: Governed) -> None:
    escrow, timelock = governed.system.escrow, governed.timelock
    payload = governed.payload(escrow, "set_min_fee", 250)
    governed.schedule(escrow, payload)
    key = timelock.hash_operation(escrow.address, 0, payload, ZERO, ZERO)
    governed.timelock.cancel(key, sender=governed.council)
    governed.schedule(escrow, payload)
    assert events(timelock) == [
        (
            "CallScheduled",
            {
                "id": key,
                "index": 0,
                "target": escrow.address,
                "amount": 0,
                "payload": payload,
                "predecessor": ZERO,
                "delay": DELAY,
            },
        )
    ]
    assert timelock.is_operation(key)
    assert timelock.is_operation_pending(key)
    assert not timelock.is_operation_ready(key)
    assert timelock.get_timestamp(key) == boa.env.evm.patch.timestamp + DELAY
    with governed.system.refused("timelock_controller: operation already scheduled"):
        governed.schedule(escrow, payload)


@pytest.mark.parametrize("caller", ["deployer", "stranger", "guardian"])
def test_schedule_and_cancel__others__are_refused(governed: Governed, caller: str) -> None:
    system = governed.system
    account = governed.deployer if caller == "deployer" else getattr(system, caller)
    payload = governed.payload(system.escrow, "set_min_fee", 250)
    with system.refused(MISSING):
        governed.schedule(system.escrow, payload, by=account)
    governed.schedule(system.escrow, payload)
    key = governed.timelock.hash_operation(system.escrow.address, 0, payload, ZERO, ZERO)
    with system.refused(MISSING):
        governed.timelock.cancel(key, sender=account)
    assert governed.timelock.is_operation_pending(key)


def test_schedule__shorter_than_the_delay__is_refused(governed: Governed) -> None:
    escrow = governed.system.escrow
    payload = governed.payload(escrow, "set_min_fee", 250)
    with governed.system.refused("timelock_controller: insufficient delay"):
        governed.schedule(escrow, payload, DELAY - 1)
    governed.schedule(escrow, payload, DELAY)


def test_cancel__scheduled__never_happens(governed: Governed) -> None:
    system, timelock = governed.system, governed.timelock
    payload = governed.payload(system.escrow, "set_min_fee", 250)
    governed.schedule(system.escrow, payload)
    key = timelock.hash_operation(system.escrow.address, 0, payload, ZERO, ZERO)
    timelock.cancel(key, sender=governed.council)
    assert events(timelock) == [("Cancelled", {"id": key})]
    boa.env.time_travel(seconds=DELAY)
    with system.refused("timelock_controller: operation is not ready"):
        governed.execute(system.escrow, payload)
    with system.refused("timelock_controller: operation cannot be cancelled"):
        timelock.cancel(key, sender=governed.council)


def test_execute__what_the_target_refuses__fails_with_its_reason(governed: Governed) -> None:
    system = governed.system
    payload = governed.payload(system.escrow, "set_min_fee", 10_001)
    governed.schedule(system.escrow, payload)
    boa.env.time_travel(seconds=DELAY)
    with system.refused("CampaignEscrow: fee above 100 %"):
        governed.execute(system.escrow, payload)


def test_execute__predecessor__comes_first(governed: Governed) -> None:
    system, timelock = governed.system, governed.timelock
    first = governed.payload(system.escrow, "set_min_fee", 250)
    key = timelock.hash_operation(system.escrow.address, 0, first, ZERO, ZERO)
    second = governed.payload(system.escrow, "set_min_fee", 300)
    call = (system.escrow.address, 0, second, key, ZERO)
    governed.schedule(system.escrow, first)
    timelock.schedule(*call, DELAY, sender=governed.council)
    boa.env.time_travel(seconds=DELAY)
    with system.refused("timelock_controller: missing dependency"):
        timelock.execute(*call, sender=system.stranger)
    governed.execute(system.escrow, first)
    timelock.execute(*call, sender=system.stranger)
    assert system.escrow.min_fee_bps() == 300


def test_update_delay_and_roles__only_by_itself(governed: Governed) -> None:
    system, timelock = governed.system, governed.timelock
    proposer = timelock.PROPOSER_ROLE()
    for caller in (governed.council, governed.deployer, system.stranger):
        with system.refused("timelock_controller: caller must be timelock"):
            timelock.update_delay(0, sender=caller)
        for change in (timelock.grantRole, timelock.revokeRole):
            with system.refused(MISSING):
                change(proposer, system.stranger, sender=caller)
        with system.refused(MISSING):
            timelock.set_role_admin(proposer, proposer, sender=caller)
    grant = governed.payload(timelock, "grantRole", proposer, system.stranger)
    governed.act(timelock, grant)
    assert timelock.hasRole(proposer, system.stranger)
    governed.act(timelock, governed.payload(timelock, "update_delay", DELAY + 1))
    assert timelock.get_minimum_delay() == DELAY + 1


def test_renounceRole__only_ones_own(governed: Governed) -> None:
    timelock, council = governed.timelock, governed.council
    proposer = timelock.PROPOSER_ROLE()
    with governed.system.refused("access_control: can only renounce roles for itself"):
        timelock.renounceRole(proposer, council, sender=governed.system.stranger)
    timelock.renounceRole(proposer, council, sender=council)
    assert not timelock.hasRole(proposer, council)


def test_receive__ether__is_refused(governed: Governed) -> None:
    boa.env.set_balance(governed.system.stranger, 1)
    with pytest.raises(Revert):
        boa.env.raw_call(governed.timelock.address, sender=governed.system.stranger, value=1)
    assert boa.env.get_balance(governed.timelock.address) == 0
