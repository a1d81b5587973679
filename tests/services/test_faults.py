"""Processes that are killed, stay away or stop: each run ends with a verified audit, and no
acknowledged submission is lost or counted twice.

SOAK_KILLS (20) and SOAK_SEED (1) say how often, and in which order, processes are killed: `make
soak` asks for 200.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from functools import partial

import pytest

from oracle.bootstrap import read_campaign
from oracle.errors import GatewayRefusal
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Acknowledgement, Confirmation, Domain
from oracle.ports import LeaseCertificate
from oracle.requester.stand_in import StandIn
from tests.services.conftest import TERMS, Scene
from tests.support.network import Process, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("SOAK_KILLS", "20"))
GATEWAY_DOWN = frozenset({"LOG-SHORT", "ANCHOR-SKIPPED", "SEED-UNOPENED"})
SEED = int(os.environ.get("SOAK_SEED", "1"))


def test_network__processes_killed_at_random__recover_without_hands(scene: Scene) -> None:
    print(f"SOAK_SEED={SEED} SOAK_KILLS={KILLS}")
    dice = random.Random(SEED)
    scene.open(people=4, items=150, gold=30)
    processes = scene.network.processes
    killed, next_kill = 0, time.monotonic() + 5
    down: dict[str, float] = {}
    with scene.network.started():

        def disturb() -> bool:
            nonlocal killed, next_kill
            now = time.monotonic()
            for name, until in list(down.items()):
                if now >= until:
                    processes[name].start()
                    del down[name]
            if killed < KILLS and now >= next_kill and not down:
                name = dice.choice(sorted(processes))
                processes[name].end(signal.SIGKILL)
                killed += 1
                down[name] = now + dice.uniform(0, 4)
                next_kill = now + dice.uniform(3, 8)
            return killed == KILLS and not down and len(scene.finalized) >= 2

        scene.label_until(disturb, "all kills and two finalized receipts", epochs=8 + 2 * KILLS)
        for process in processes.values():
            wait_until(process.is_ready, what=f"{process.name} ready again")
        scene.finish()
    assert sum(process.starts for process in processes.values()) == len(processes) + KILLS
    # A gateway that is down at a cut for longer than the operators' patience is at fault, and its
    # bond pays; on a slow machine that takes no more than a restart.
    scene.check_end(GATEWAY_DOWN | {"ANCHOR-ORDER"}, may_lack=True)


def test_network__one_operator_stays_away__the_lead_passes_on(scene: Scene) -> None:
    """Whatever epoch it would have led comes from the next one, a round later."""
    scene.open(people=4, items=120, gold=24)
    away = scene.network.processes["operator2"]
    with scene.network.started():
        away.end(signal.SIGKILL)
        scene.label_until_finalized(2)
        away.start()
        wait_until(away.is_ready, what="the fourth operator ready")
        scene.finish()
        scene.wait_until_followed(2)
    scene.check_end()


def test_network__operator_lies_withholds_and_equivocates__three_of_four_go_on(
    scene: Scene,
) -> None:
    """It misbehaves as a peer, and in the epochs that it leads."""
    scene.open(people=4, items=150, gold=24)
    liar = scene.network.processes["operator3"]
    honest = liar.program
    with scene.network.started():
        scene.all_at_work()
        for how in ("lying", "withholding", "equivocating"):
            assert liar.end() == 0
            liar.program = (sys.executable, "-m", "tests.support.lying", how)
            liar.start()
            wait_until(liar.is_ready, what=f"the operator {how}")
            before = _deeds(liar)
            scene.leap_to_epoch_led_by(3)
            scene.label_until_finalized(1)
            scene.label_until(lambda: _deeds(liar) > before, f"an operator {how}")  # noqa: B023
        assert liar.end() == 0
        liar.program = honest
        liar.start()
        wait_until(liar.is_ready, what="the operator ready again")
        scene.finish()
        scene.wait_until_claimed()
        scene.wait_until_followed(3)
    scene.check_end()


def _deeds(liar: Process) -> int:
    return liar.log.read_text().count("misbehaves")


def test_network__gateway_stops_for_good__filed_work_is_paid(scene: Scene) -> None:
    """Operators confirm a lease; then the gateway is gone, and its work is filed with two of them.

    The requester opens seed and gold in its place: else all labels of that epoch were the bond's.
    """
    network = scene.network
    # An epoch long enough to file in: no cut may come between lease and filing.
    scene.open(people=4, terms={**TERMS, "epochSeconds": 60, "leaseSeconds": 55})
    contributor = scene.people[0]
    domain = Domain(network.deployment.chain_id, network.deployment.board)
    with network.started():
        scene.all_at_work()
        row, filing = wait_until(contributor.hold_back, what="a lease held back")
        desks = network.filing_desks(scene.campaign)
        confirmed = Confirmation(scene.campaign, row.position, row.entry_hash, row.head)
        signatures: dict[bytes, bytes] = {}

        def confirm() -> bool:
            for address, desk in desks.items():
                if address not in signatures:
                    with contextlib.suppress(GatewayRefusal):  # it hasn't followed so far yet
                        signatures[address] = desk.confirm(row.position, row.entry_hash)
            return len(signatures) == len(desks)

        wait_until(confirm, what="confirmations of all operators")
        assert {
            address: recover(confirmed.digest(domain), signature)
            for address, signature in signatures.items()
        } == {address: address for address in desks}
        for desk in desks.values():
            desk.certify(LeaseCertificate(row, tuple(signatures.values())))
        network.processes["gateway"].end(signal.SIGKILL)
        for address, desk in list(desks.items())[:2]:
            epoch = len(scene.finalized) + 1
            word = Acknowledgement(scene.campaign, keccak256(filing.entry), epoch)
            assert recover(word.digest(domain), desk.file(filing)) == address
        contributor.acknowledged.append(filing.entry)
        standing = StandIn(
            partial(read_campaign, network.reader, scene.content, scene.campaign),
            scene.secrets,
            desks,
        )
        network.close(scene.campaign)

        def opened() -> bool:
            standing.step()
            return standing.is_over

        scene.wait_until(opened, "the final receipt")
        rows, filings = scene.published()
        assert filings.count(filing.entry) == 1
        assert filing.entry not in {one.data for one in rows}
        charged = scene.finalized[-1].bond_charge
    assert charged > 0
    scene.check_end(gateway_faults=GATEWAY_DOWN - {"SEED-UNOPENED"})
