"""A finished campaign in real Kubo daemons: the same CIDs, fetched, audited, caught up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest

from oracle.archive import content
from oracle.auditor import audit
from oracle.chain.devnet import Devnet
from oracle.content import kubo as adapter
from oracle.content import replicated
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.errors import UnknownCampaign
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.protocol.campaign import EpochResult
from oracle.replay.contributors import SimulatedContributor
from oracle.replay.demo import Demo, Scale, run_demo
from oracle.replay.play import GENESIS
from tests.support.servers.kubo import Kubo

pytestmark = [
    pytest.mark.chain,
    pytest.mark.services,
    pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning"),
]
StartKubo = Callable[..., Kubo]
SCALE = Scale(items=120, gold=36, rounds=(3, 2))
SEED = 11


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    run_demo(out, seed=SEED, scale=SCALE)
    return out


@pytest.fixture(scope="module")
def car(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its campaign as one CAR."""
    path = tmp_path_factory.mktemp("car") / "campaign.car"
    ddlp("export", 1, "--dir", run, "--content", run / "content", "--out", path)
    return path


def ddlp(*arguments: object, **environ: str) -> str:
    result = click.testing.CliRunner(env=environ).invoke(content, [str(one) for one in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def held(folder: Path) -> dict[Link, bytes]:
    blocks = LocalContent(folder)
    return {link: blocks.get(link.digest, link.codec) for link in blocks.iterate()}


def pins(daemon: Kubo) -> set[str]:
    return {line.split()[0] for line in daemon.run("pin", "ls").decode().splitlines()}


def root_of(exported: str) -> str:
    return next(word for word in exported.split() if word.startswith("bafy"))


def without_content(run: Path, out: Path) -> Path:
    """Copy what a run's folder holds beside its content."""
    out.mkdir()
    for name in ("chain.jsonl", "deployment.json"):
        shutil.copy(run / name, out / name)
    return out


def test_kubo__imports_our_car__and_agrees_on_every_cid(
    run: Path, car: Path, kubo: StartKubo
) -> None:
    daemon, blocks = kubo(), held(run / "content")
    told = [
        json.loads(line)
        for line in daemon.run("dag", "import", "--stats", "--enc=json", str(car)).splitlines()
    ]
    assert [one["Stats"]["BlockCount"] for one in told if one.get("Stats")] == [len(blocks)]
    (root,) = (one["Root"]["Cid"]["/"] for one in told if one.get("Root"))
    assert pins(daemon) >= {str(link) for link in blocks}
    theirs = KuboContent(daemon.address)
    for link, data in blocks.items():
        assert theirs.get(link.digest, link.codec) == data
        if link.codec == DAG_CBOR:  # a process each: the items alone are hundreds
            assert daemon.run("block", "get", str(link)) == data
    assert daemon.run("dag", "export", "--progress=false", root) == car.read_bytes()


def test_import__of_what_kubo_exported__gives_the_same_blocks(
    run: Path, car: Path, kubo: StartKubo, tmp_path: Path
) -> None:
    daemon, blocks = kubo(), held(run / "content")
    ours = KuboContent(daemon.address)
    for link, data in blocks.items():
        ours.put(data, link.codec)
    assert set(blocks) <= set(ours.iterate())
    root = root_of(ddlp("import", car, "--content", tmp_path / "ours"))
    theirs = tmp_path / "theirs.car"
    theirs.write_bytes(daemon.run("dag", "export", "--progress=false", root))
    ddlp("import", theirs, "--content", tmp_path / "theirs")
    assert held(tmp_path / "theirs") == held(tmp_path / "ours") == blocks


def test_audit__content_that_a_connected_daemon_has__is_verified(
    run: Path, car: Path, kubo: StartKubo, tmp_path: Path
) -> None:
    here, there = kubo(online=True), kubo(online=True)
    there.run("dag", "import", str(car))
    folder = without_content(run, tmp_path / "run")
    (folder / "content").mkdir()
    assert audit(folder).availability != "verified"
    here.connect(there)
    environ = {
        "DDLP_IPFS_URL": here.address,
        "DDLP_CONTENT_DIR": str(tmp_path / "cache"),
    }
    fetched = tmp_path / "fetched.car"
    root = root_of(ddlp("export", 1, "--dir", folder, "--out", fetched, **environ))
    assert fetched.read_bytes() == car.read_bytes()
    ddlp("import", fetched, "--content", folder / "content")
    report = audit(folder)
    assert (report.verdict, report.availability) == ("verified", "verified")
    # And by one recursive pin the daemon keeps all of it, without the other.
    KuboContent(here.address).pin(Link.parse(root))
    there.stop()
    here.run("repo", "gc")
    assert pins(here) >= {str(link) for link in held(run / "content")}
    assert here.run("dag", "export", "--progress=false", root) == car.read_bytes()


def test_check__a_daemon_that_lost_blocks__is_repaired_from_the_folder(
    run: Path, kubo: StartKubo, tmp_path: Path
) -> None:
    daemon = kubo()
    shutil.copytree(run / "content", tmp_path / "content")
    environ = {"DDLP_IPFS_URL": daemon.address, "DDLP_CONTENT_DIR": str(tmp_path / "content")}
    missing = len(held(run / "content"))
    checked = ddlp("check", 1, "--dir", run, "--repair", **environ)
    assert checked.count("repaired: ") == missing
    assert "repaired" not in ddlp("check", 1, "--dir", run, **environ)
    with pytest.raises(UnknownCampaign):
        ddlp("check", 2, "--dir", run, **environ)


class DemoOverKubo(Demo):
    """The demonstration with a daemon beside its folder, down during the second epoch."""

    def __init__(self, devnet: Devnet, folder: Path, state: Path, daemon: Kubo) -> None:
        super().__init__(devnet, folder, state, SEED, SCALE, lambda what, share: None)
        self.daemon, self.there = daemon, KuboContent(daemon.address)
        self.platform.content = ReplicatedContent([self.platform.content, self.there])
        self.missed: list[int] = []

    def label(self, people: list[SimulatedContributor], epoch: int) -> None:
        if epoch == 2:
            self.daemon.stop()
        super().label(people, epoch)

    def settle(self) -> EpochResult:
        result = super().settle()
        if len(self.results) == 1:
            self.missed.append(self.platform.content.repair())
            self.daemon.start()
        self.platform.step_campaign(self.campaign)
        self.platform.catch_up.wait()
        return result

    def alter(self) -> None:
        """The altered copy is none of this test's."""


def test_platform__daemon_that_is_down_for_an_epoch__goes_on_and_catches_up(
    kubo: StartKubo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(replicated, name, 0.01)
    monkeypatch.setattr(adapter, "RETRY_PAUSES", ())
    daemon, folder, given = kubo(), tmp_path / "run", []
    count = ReplicatedContent.repair

    def repair(self: ReplicatedContent) -> int:
        given.append(count(self))
        return given[-1]

    monkeypatch.setattr(ReplicatedContent, "repair", repair)
    with Devnet(tmp_path / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        demo = DemoOverKubo(devnet, folder, tmp_path / "state", daemon)
        demo.run()
    assert demo.missed == [0]  # while the daemon was down
    assert sum(given) > 5  # evidence, results, log, supplement and openings of that epoch
    blocks = held(folder / "content")
    assert set(blocks) <= set(demo.there.iterate())
    elsewhere = without_content(folder, tmp_path / "elsewhere")
    copy = LocalContent(elsewhere / "content")
    for link in blocks:
        copy.put(demo.there.get(link.digest, link.codec), link.codec)
    assert audit(elsewhere).verdict == "verified"


def test_demo__over_a_folder_alone__makes_the_same_receipts(run: Path) -> None:
    report: dict[str, Any] = json.loads((run / "report.json").read_text())
    assert report["audit"]["verdict"] == "verified"
    assert len(report["receipts"]) == len(SCALE.rounds) + 1
