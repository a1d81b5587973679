"""A system that was handed over to its timelock, as `oracle.chain.launch` does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.support.system import ZERO, System, load

DELAY = 28 * 86_400


class Governed:
    """A system, its timelock, and the council that proposes to it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.council = boa.env.generate_address("council")
        self.deployer = system.governance
        with boa.env.prank(self.deployer):
            self.timelock = load("Governance", self.council)
            self.owned = {
                "Treasury": system.treasury,
                "StakeVault": system.vault,
                "CampaignEscrow": system.escrow,
                "ReceiptBoard": system.board,
            }
            accept = self.payload(system.vault, "accept_ownership")
            for contract in self.owned.values():
                contract.transfer_ownership(self.timelock.address)
                self.act(contract, accept, 0, self.deployer)
            system.token.transfer_ownership(self.timelock.address)
            update = self.payload(self.timelock, "update_delay", DELAY)
            self.act(self.timelock, update, 0, self.deployer)
            for role in (self.timelock.PROPOSER_ROLE(), self.timelock.CANCELLER_ROLE()):
                self.timelock.renounceRole(role, self.deployer)
        self.owned["LabelToken"] = system.token

    @staticmethod
    def payload(contract: Any, function: str, *arguments: Any) -> bytes:
        return bytes(getattr(contract, function).prepare_calldata(*arguments))

    def schedule(self, contract: Any, payload: bytes, delay: int = DELAY, by: str = "") -> None:
        self.timelock.schedule(
            contract.address, 0, payload, ZERO, ZERO, delay, sender=by or self.council
        )

    def execute(self, contract: Any, payload: bytes) -> None:
        """Anybody may."""
        self.timelock.execute(contract.address, 0, payload, ZERO, ZERO, sender=self.system.stranger)

    def act(self, contract: Any, payload: bytes, delay: int = DELAY, by: str = "") -> None:
        self.schedule(contract, payload, delay, by)
        boa.env.time_travel(seconds=delay)
        self.execute(contract, payload)


@pytest.fixture(scope="module")
def handed_over(deployed: System) -> Iterator[Governed]:
    with boa.env.anchor():
        yield Governed(deployed)


@pytest.fixture
def governed(handed_over: Governed) -> Iterator[Governed]:
    with boa.env.anchor():
        yield handed_over
