"""Processes that are killed, stay away or stop: each run ends with a verified audit, and no
acknowledged submission is lost or counted twice.

SOAK_KILLS (20) and SOAK_SEED (1) say how often, and in which order, processes are killed: `make
soak` asks for 200.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from click.testing import CliRunner

from oracle.cli import cli
from oracle.errors import GatewayRefusal
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Acknowledgement, Confirmation, Domain
from oracle.ports import LeaseCertificate
from oracle.requester.plan import read_plan
from oracle.requester.recovery import Recovery
from tests.services.conftest import Scene, staged
from tests.support.network import OracleNetwork, Process, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("SOAK_KILLS", "20"))
GATEWAY_DOWN = frozenset({"LOG-SHORT", "ANCHOR-SKIPPED", "SEED-UNOPENED"})
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples"
SEED = int(os.environ.get("SOAK_SEED", "1"))


@pytest.fixture
def unhurried(tmp_path: Path) -> Iterator[Scene]:
    """A network whose chain makes a block a second at most: kills are by the wall clock, and each
    epoch is a receipt that every restarted process reads again."""
    names = ["gateway", *(f"operator{number}" for number in range(4))]
    pauses = {name: {"DDLP_STEP_SECONDS": "1.0"} for name in names}
    with staged(tmp_path, settings=lambda devnet: pauses) as scene:
        yield scene


@pytest.mark.timeout(1800 + 90 * KILLS)
def test_network__processes_killed_at_random__recover_without_hands(unhurried: Scene) -> None:
    print(f"SOAK_SEED={SEED} SOAK_KILLS={KILLS}")
    scene, dice = unhurried, random.Random(SEED)
    # Enough for everybody to be at work from the first kill to the last.
    scene.open(people=4, items=min(1_797, 150 + 10 * KILLS), gold=30)
    processes = scene.network.processes
    killed, next_kill = 0, time.monotonic() + 5
    down: dict[str, float] = {}
    back: dict[str, float] = {}  # when each was started that hasn't caught up yet
    took: list[float] = []
    with scene.network.started():

        def disturb() -> bool:
            nonlocal killed, next_kill
            now = time.monotonic()
            for name, until in list(down.items()):
                if now >= until:
                    processes[name].start()
                    del down[name]
                    back[name] = time.monotonic()
            for name in [one for one in back if processes[one].metric("ddlp_head_block")]:
                took.append(time.monotonic() - back.pop(name))
            if killed < KILLS and now >= next_kill and not down:
                name = dice.choice(sorted(processes))
                processes[name].end(signal.SIGKILL)
                back.pop(name, None)
                killed += 1
                down[name] = now + dice.uniform(0, 4)
                next_kill = now + dice.uniform(3, 8)
            return killed == KILLS and not down and not back and len(scene.finalized) >= 2

        what = "all kills and two finalized receipts"
        scene.label_until(disturb, what, each=2, epochs=8 + 2 * KILLS)
        for process in processes.values():
            wait_until(process.is_ready, what=f"{process.name} ready again")
        scene.finish()
    first, last = median(took[:20]), median(took[-20:])
    print(
        f"caught up after {first:.1f} s at first, {last:.1f} s {len(scene.finalized)} receipts on"
    )
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

    The requester opens seed and gold in its place, by `ddlp campaign open`: else all labels of that
    epoch were the bond's.
    """
    network, file = scene.network, scene.network.folder / "requester" / "campaign.yaml"
    _write_campaign(file)
    network.deployment.save(file.with_name("deployment.json"))
    _requester(network, "create", file, "--gateway", network.wallets.gateway.address)
    plan = read_plan(file, Recovery.load(Recovery.path_of(file)).secret)
    secrets = network.folder / "gateway" / "secrets"
    secrets.mkdir(mode=0o700)
    kept = secrets / f"{plan.files.manifest.block.digest.hex()}.json"
    _requester(network, "recover", file, "--out", kept)
    network.anchor_blocks = plan.files.manifest.anchor_blocks
    scene.employ(
        1, 4, plan.files.manifest.epoch_seconds, lambda item: str(plan.files.order[item] % 10)
    )
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

        with network.pace.held():  # no cut comes between lease and filing
            wait_until(confirm, what="confirmations of all operators")
            assert {
                address: recover(confirmed.digest(domain), signature)
                for address, signature in signatures.items()
            } == {address: address for address in desks}
            for desk in desks.values():
                desk.certify(LeaseCertificate(row, tuple(signatures.values())))
            network.processes["gateway"].end(signal.SIGKILL)
            begun = network.facts(scene.campaign).created.timestamp
            epoch = (row.entry.expiry - begun) // scene.epoch_seconds + 1
            word = Acknowledgement(scene.campaign, keccak256(filing.entry), epoch)
            for address, desk in list(desks.items())[:2]:
                assert recover(word.digest(domain), desk.file(filing)) == address
        contributor.acknowledged.append(filing.entry)
        network.close(scene.campaign)
        peers = network.folder / "operator0" / "peers.json"
        told = _requester(network, "open", scene.campaign, file, "--peers", peers)
        assert told.count("has what opens epoch") >= len(desks)
        assert told.endswith("campaign 1 has its final receipt\n")
        rows, filings = scene.published()
        assert filings.count(filing.entry) == 1
        assert filing.entry not in {one.data for one in rows}
        charged = scene.finalized[-1].bond_charge
    assert charged > 0
    scene.check_end(gateway_faults=GATEWAY_DOWN - {"SEED-UNOPENED"})


def _write_campaign(file: Path) -> None:
    """A campaign of sixty numbers, whose epochs are long enough to begin a lease in each."""
    shutil.copytree(EXAMPLE, file.parent)
    names = [f"number-{number:02}" for number in range(60)]
    items = [{"name": name, "text": f"What is {name}?"} for name in names]
    gold = [{"item": names[number], "answer": str(number % 10)} for number in range(12)]
    for name, rows in (("items", items), ("gold", gold)):
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        file.with_name(f"{name}.jsonl").write_text(text)
    terms = {
        "classes": [str(number) for number in range(10)],
        "epoch": "60s",
        "lease": "55s",
        "grace": "2s",
        "anchor_blocks": 2,
        "gold_epochs": 6,
    }
    lines = [line for line in file.read_text().splitlines() if line.split(":")[0] not in terms]
    lines += [f"{name}: {json.dumps(value)}" for name, value in terms.items()]
    file.write_text("\n".join(lines) + "\n")


def _requester(network: OracleNetwork, *arguments: object) -> str:
    """Run `ddlp campaign …` as the requester; return what it printed."""
    environment = {
        "DDLP_STATE_DIR": str(network.folder / "requester"),
        "DDLP_RPC_URL": network.devnet.url,
        "DDLP_CONTENT_DIR": str(network.folder / "content"),
    }
    done = CliRunner().invoke(cli, ["campaign", *map(str, arguments)], env=environment)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return done.output
