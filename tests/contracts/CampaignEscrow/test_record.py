"""A requester's record: what they paid, disputes they lost, how long people waited; events alone
give it, to anybody, over all their campaigns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import boa
from eth_account import Account
from eth_utils import keccak

from tests.contracts.CampaignEscrow.test_prove_fork import prove
from tests.support.system import UNIT, System, events

FORKER = Account.from_key(keccak(text="a gateway that forks"))


@dataclass
class Record:
    paid: int  # base units that reached people
    charged: int  # of the gateway's bond, for its faults
    forfeited: int  # of the bond, for a fork
    forks: int
    voids: int  # receipts of theirs that were voided
    waits: list[int]  # seconds from a campaign's creation to each payment


class Log:
    """Events with their time, as a chain gives them, and nothing else."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str, dict[str, Any]]] = []

    def after(self, contract: Any) -> None:
        now = boa.env.evm.patch.timestamp
        self.events += [(now, name, values) for name, values in events(contract)]

    def record(self, requester: str) -> Record:
        created: dict[int, int] = {}
        charged: Counter[int] = Counter()
        found = Record(0, 0, 0, 0, 0, [])
        for time, name, values in self.events:
            if name == "CampaignCreated" and values["requester"] == requester:
                created[values["campaign"]] = time
            campaign = values.get("campaign")
            if campaign not in created:
                continue
            if name == "Settled":
                charged[campaign] = values["bond_charge"]
            elif name == "Paid":
                found.paid += values["amount"]
                found.waits.append(time - created[campaign])
            elif name == "ForkProven":
                found.forks += 1
            elif name == "ReceiptVoided":
                found.voids += 1
            elif name == "Refunded":
                found.forfeited += values["forfeited"]
        found.charged = charged.total()
        return found


def test_record__two_campaigns__follows_from_events_alone(system: System) -> None:
    log = Log()

    good = system.create()
    log.after(system.escrow)
    voided = system.receipt(good, payoutRoot=b"\x01" * 32, payoutTotal=UNIT)
    system.post(voided)
    log.after(system.board)
    system.rule(system.challenge(voided), 2)
    log.after(system.arbitrator)
    for member in system.operators:
        system.mint(member.address, system.MIN_STAKE)
        system.approve(member.address, system.vault)
        system.vault.stake(2, system.MIN_STAKE, sender=member.address)
    amounts = {system.contributor: 30 * UNIT, system.stranger: 10 * UNIT}
    receipt, tree = system.pay(good, amounts, bondCharge=5 * UNIT)
    log.after(system.board)
    boa.env.time_travel(seconds=500)
    waits = []
    for account, amount in amounts.items():
        system.claim(receipt, tree, account, amount)
        log.after(system.escrow)
        waits.append(boa.env.evm.patch.timestamp - system.escrow.campaign(good).created_at)

    bad = system.create(gateway=FORKER.address)
    log.after(system.escrow)
    prove(system, bad)
    log.after(system.escrow)
    boa.env.time_travel(blocks=2)
    system.settle(system.receipt(bad, final=True))
    log.after(system.board)
    system.escrow.refund(bad, sender=system.stranger)
    log.after(system.escrow)

    assert log.record(system.requester) == Record(
        paid=40 * UNIT,
        charged=5 * UNIT,
        forfeited=system.BOND // 4,
        forks=1,
        voids=1,
        waits=waits,
    )
    # it is what the contracts hold
    assert system.escrow.campaign(good).claimed == 40 * UNIT
    assert system.escrow.campaign(good).bond_charge == 5 * UNIT
    assert log.record(system.stranger) == Record(0, 0, 0, 0, 0, [])
