"""A requester's campaign by the command line, from creation to refund, on a served platform; and
the served platform across a kill."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import pytest

from oracle.bootstrap import Keys, Platform
from oracle.chain.deployment import Deployment
from oracle.chain.rpc import connect, request
from oracle.chain.wallets import DevWallets
from oracle.cli import main
from oracle.errors import ConfigError
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum
from oracle.gateway.gateway import Gateway
from oracle.operations.loop import Loop
from oracle.replay.contributors import SimulatedContributor
from oracle.requester.plan import TOKEN
from oracle.serving import local_platform
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from tests.support.network import wait_until

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples"
EPOCH, LEASE, WINDOW = 300, 240, 60  # seconds; the window is the devnet's
PEOPLE, EACH = 4, 20
FAULT = 2  # the exit code

pytestmark = [pytest.mark.chain, pytest.mark.timeout(180)]


def ddlp(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; return exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["ddlp", *map(str, arguments)]
    with (
        patch.object(sys, "argv", argv),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def done(*arguments: object) -> str:
    """Run `ddlp campaign …`, which must succeed."""
    code, out, err = ddlp("campaign", *arguments)
    assert (code, err) == (0, "")
    return out


class Scene:
    """A served platform whose campaign is created by the command line and labeled by people."""

    def __init__(self, platform: Platform, folder: Path, operators: Loop) -> None:
        self.platform, self.folder, self.operators = platform, folder, operators
        self.requester = DevWallets(platform.deployment.chain_id).requester()
        gold = map(json.loads, (EXAMPLE / "gold.jsonl").read_text().splitlines())
        self.gold = {row["item"]: row["answer"] for row in gold}
        self.given: dict[tuple[str, str], str] = {}  # (contributor, item) -> answer

    def balance(self) -> int:
        return self.platform.reader.balance(
            self.platform.deployment.token, bytes.fromhex(self.requester.address[2:])
        )

    def status(self, number: int) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(done("status", number, "--json"))
        return state

    def refused(self, number: int, *arguments: object) -> str:
        """Run `ddlp campaign …`, which must fail by one line and change nothing; return it."""
        before = self.platform.reader.campaign(number), self.balance(), sorted(os.listdir())
        code, out, err = ddlp("campaign", *arguments)
        assert (code, out) == (FAULT, "")
        assert re.fullmatch(r"ddlp: [^\n]+\n", err)
        assert (
            self.platform.reader.campaign(number),
            self.balance(),
            sorted(os.listdir()),
        ) == before
        return err

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock jump."""
        request(self.platform.w3, "evm_increaseTime", seconds)

    def pass_receipt(self, number: int, seconds: int) -> None:
        """Let an epoch end by `seconds`, its receipt come, and its window pass."""
        posted = len(self.settlements(number))
        self.pass_time(seconds)
        wait_until(lambda: len(self.settlements(number)) > posted, 60, what="a receipt")
        self.pass_time(WINDOW)
        wait_until(lambda: self.settlements(number)[-1], 60, what="the end of its window")

    def settlements(self, number: int) -> list[bool]:
        """Say of each posted receipt whether it is finalized."""
        facts = self.platform.read_campaign(number).facts
        return [one.finalized_block is not None for one in facts.settlements]

    def label(self, number: int) -> None:
        """Let people label what they are given."""
        wait_until(lambda: number in self.platform.gateways(), 60, what="the new campaign")
        gateway = self.platform.gateway(number)
        facts = self.platform.reader.facts(number, gateway.manifest.anchor_blocks)
        wallets = DevWallets(facts.chain_id)
        people = []
        for person in range(PEOPLE):
            wallet = wallets.contributor(person)
            answer = self.answering(gateway, checksum(bytes.fromhex(wallet.address[2:])))
            people.append(
                SimulatedContributor(
                    gateway,
                    facts.escrow_domain,
                    bytes(wallet.key),
                    secret=keccak256(b"person" + bytes([person])),
                    answer=answer,
                )
            )
        wait_until(lambda: gateway.head() is not None, 60, what="the log's first anchor")
        for one in people:
            one.delegate(int(time.time()) + 86_400)
        left = [EACH] * PEOPLE

        def all_done() -> bool:
            for person, one in enumerate(people):
                if left[person]:
                    left[person] -= one.work(min(10, left[person]), int(time.time()))
            return not any(left)

        wait_until(all_done, 60, what="the labels")

    def answering(self, gateway: Gateway, contributor: str) -> Callable[[int], int]:
        """Answer by the gold, else by the name; note what was answered."""
        classes = gateway.manifest.classes

        def answer(item: int) -> int:
            name = gateway.item(item).name
            given = self.gold.get(name, classes[int(name[-2:]) % 3])
            self.given[contributor, name] = given
            return classes.index(given)

        return answer

    def exported(self, number: int, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        out = self.folder / name
        printed = done("export", number, "--out", out)
        items, labels = (
            [json.loads(line) for line in (out / file).read_text().splitlines()]
            for file in ("items.jsonl", "labels.jsonl")
        )
        assert printed == f"{len(items)} items and {len(labels)} labels in {out}\n"
        assert sorted(os.listdir(out)) == ["items.jsonl", "labels.jsonl"]
        return items, labels


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with local_platform(tmp_path / "state") as served:
        yield Scene(served.platform, tmp_path, served.loop)


def quick_example(folder: Path) -> Path:
    """Return a copy of the documented example whose epochs are minutes."""
    shutil.copytree(EXAMPLE, folder / "campaign")
    path = folder / "campaign" / "campaign.yaml"
    changes = {"epoch": f"{EPOCH}s", "lease": f"{LEASE}s", "grace": "2s", "anchor_blocks": "2"}
    text = path.read_text()
    for name, value in changes.items():
        text = re.sub(rf"^{name}: .*$", f"{name}: {value}", text, flags=re.MULTILINE)
    path.write_text(text)
    return path


def create(path: Path) -> int:
    """Create the example by the command line; return its number."""
    found = re.match(
        r"campaign (\d+): 30 items, 100 locked beside a bond of 40\nmanifest b",
        done("create", path),
    )
    assert found is not None
    return int(found[1])


def test_create__run_again__makes_no_second_campaign_and_brings_secrets_back(scene: Scene) -> None:
    path = quick_example(scene.folder)
    place = path.with_name("campaign.yaml.recovery.json")
    number = create(path)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    kept, balance = place.read_text(), scene.balance()
    assert done("create", path) == f"campaign {number} was created before\n"
    manifest = scene.platform.reader.campaign(number)["manifest"].hex()
    secrets = scene.folder / "state" / "secrets" / f"{manifest}.json"
    again = scene.folder / "again.json"
    assert manifest in done("recover", path, "--out", again)
    assert again.read_text() == secrets.read_text()
    assert "exists and may hold" in scene.refused(number, "recover", path, "--out", again)

    path.write_text(path.read_text().replace("reward: 0.2", "reward: 0.3"))
    for command in (["create", path], ["recover", path, "--out", scene.folder / "third.json"]):
        assert "a file it names" in scene.refused(number, *command)
    place.chmod(0o644)
    assert "run chmod 600" in scene.refused(number, "create", path)
    place.chmod(0o600)
    place.write_text(kept.replace('"version": 1', '"version": 2'))
    assert "is damaged: restore it" in scene.refused(number, "create", path)
    place.write_text(kept)
    assert (scene.balance(), sorted(scene.folder.glob("*.json"))) == (balance, [again])

    other = scene.folder / "other.json"
    assert f"campaign {number + 1}: " in done("create", path, "--recovery", other)
    assert json.loads(other.read_text())["secret"] != json.loads(kept)["secret"]


def test_abandon__operators_gone__the_money_comes_back(scene: Scene) -> None:
    began = scene.balance()
    number = create(quick_example(scene.folder))
    assert f"`ddlp campaign close {number}` first" in scene.refused(number, "abandon", number)
    scene.operators.stop()
    done("close", number)
    assert "abandon it 2 hours after its close" in scene.refused(number, "abandon", number)
    assert f"`ddlp campaign abandon {number}`" in scene.refused(number, "refund", number)
    scene.pass_time(7_200)
    assert "refunded\nfrom 20" in done("abandon", number)
    assert "notice is running" in scene.refused(number, "refund", number)
    assert "refunded\nfrom 20" in done("abandon", number)  # the same notice
    scene.pass_time(600)
    done("refund", number)
    assert scene.balance() == began
    assert "nothing is left in it" in scene.refused(number, "abandon", number)


def test_campaign__from_creation_to_refund__exports_what_was_labeled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = scene.balance()
    number = create(quick_example(scene.folder))
    assert scene.balance() == began - 140 * TOKEN

    assert done("fund", number, "25.5") == f"campaign {number}: budget is now 125.5\n"
    assert "amount: 0 adds nothing" in scene.refused(number, "fund", number, "0")
    assert "'1e3' is no amount" in scene.refused(number, "fund", number, "1e3")
    assert "needed: send it more" in scene.refused(number, "fund", number, "1000000")
    for command in (["fund", 99, "1"], ["status", 99], ["close", 99], ["refund", 99]):
        assert "campaign 99 doesn't exist: " in scene.refused(number, *command)
    assert "doesn't exist" in scene.refused(number, "export", 99, "--out", "exported")
    assert f"`ddlp campaign close {number}` first" in scene.refused(number, "refund", number)
    assert "no finalized receipt yet" in scene.refused(
        number, "export", number, "--out", "exported"
    )

    scene.label(number)
    state = scene.status(number)
    assert (state["phase"], state["epochs_finalized"], state["labels"]) == ("open", 0, 0)
    assert state["money"]["free"] == str(125 * TOKEN + TOKEN // 2)

    scene.pass_receipt(number, EPOCH)
    state = scene.status(number)
    assert state["epochs_finalized"] >= 1
    assert int(state["money"]["earned"]) > 0
    shown = done("status", number)
    assert "How does the guest feel?" in shown
    assert "125.5" in shown
    items, labels = scene.exported(number, "early")
    assert 0 < len(items) <= 30
    assert len(labels) == state["labels"]
    assert all(scene.given[row["contributor"], row["item"]] == row["answer"] for row in labels)

    stranger = DevWallets(scene.platform.deployment.chain_id).requester(1)
    monkeypatch.setenv("DDLP_REQUESTER_KEY", stranger.key.hex())
    assert "set DDLP_REQUESTER_KEYFILE to its" in scene.refused(number, "close", number)
    monkeypatch.delenv("DDLP_REQUESTER_KEY")
    assert "is closing" in done("close", number)
    assert "was closed before" in done("close", number)
    assert "no final receipt yet that pays all" in scene.refused(number, "refund", number)
    assert scene.status(number)["phase"] == "closing"

    scene.pass_receipt(number, LEASE)
    wait_until(lambda: scene.status(number)["phase"] == "closed, refund is due", 60, what="the end")
    money = scene.status(number)["money"]
    cost = int(money["earned"]) + int(money["fees"])
    assert int(money["free"]) == 125 * TOKEN + TOKEN // 2 - cost
    before = scene.balance()
    assert "of the budget refunded, 40 of the bond" in done("refund", number)
    assert scene.balance() - before == int(money["free"]) + 40 * TOKEN
    assert scene.balance() == began - cost
    assert done("refund", number) == f"campaign {number} was refunded before\n"
    assert scene.status(number)["phase"] == "refunded"
    assert scene.status(number)["money"]["free"] == "0"
    assert "is refunded: create another" in scene.refused(number, "fund", number, "1")

    items, labels = scene.exported(number, "whole")
    assert {(row["contributor"], row["item"]): row["answer"] for row in labels} == scene.given
    assert len(labels) == PEOPLE * EACH
    labeled = {item for _, item in scene.given} | set(scene.gold)
    assert {row["item"] for row in items} == labeled
    assert {row["item"]: row["answer"] for row in items if row["item"] in scene.gold} == scene.gold
    agreed = [row for row in items if row["labels"]]
    for row in agreed:  # nobody contradicted anybody
        answers = {scene.given[key] for key in scene.given if key[1] == row["item"]}
        assert answers == {row["answer"]}
    done("export", number, "--out", scene.folder / "whole")
    assert scene.exported(number, "whole") == (items, labels)
    Path("a file").write_text("")
    code, _, _ = ddlp("campaign", "export", number, "--out", "a file")
    assert code == FAULT
    assert "can't be written" in scene.refused(number, "export", number, "--out", "a file/x")


# -- a kill ----------------------------------------------------------------------------------------


class Served:
    """`ddlp serve` in a process of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        environ = {key: value for key, value in os.environ.items() if not key.startswith("DDLP_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oracle.cli", "serve", "--port", "0"],
            env=environ | {"DDLP_STATE_DIR": str(state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        assert self.line, self.process.stderr.read() if self.process.stderr is not None else ""
        self.children = psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    def end(self) -> str:
        """End it as Ctrl-C does; return what it said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return err

    def orphans(self) -> list[int]:
        """Return what still runs of the processes that it started."""
        return [one.pid for one in self.children if one.is_running() and one.status() != "zombie"]

    def chain(self) -> Any:
        return connect(json.loads((self.state / "node.json").read_text())["url"])


def log_heads(state: Path, campaign: int = 1) -> list[bytes]:
    store = SqlLabelStore(open_database(f"sqlite:///{state / 'ddlp.sqlite'}"))
    return [row.head for row in store.rows(campaign, 1, None)]


def test_serve__killed_and_started_again__goes_on_with_the_same_log_and_leaves_no_orphan(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    first = Served(state)
    try:
        assert re.match(r"DDLP is at http://127\.0\.0\.1:[1-9]\d+ ", first.line)
        wait_until(lambda: len(log_heads(state)) > 2, 60, what="anchors")
        height = int(request(first.chain(), "eth_blockNumber"), 16)
    finally:
        first.kill()
    wait_until(lambda: not first.orphans(), 15, what="the chain's end")
    kept = log_heads(state)

    environ = {"DDLP_STATE_DIR": str(state)}
    with patch.dict(os.environ, environ):
        code, _, err = ddlp("campaign", "status", 1)
    assert code == FAULT
    assert "isn't being served any more: run `make serve`" in err

    second = Served(state)
    try:
        wait_until(lambda: len(log_heads(state)) > len(kept) + 1, 60, what="more anchors")
        assert log_heads(state)[: len(kept)] == kept
        # A checkpoint a second: little of the chain is lost, and nothing that the log rests on.
        assert int(request(second.chain(), "eth_blockNumber"), 16) >= height - 10
        with patch.dict(os.environ, environ):
            assert "Handwritten digits" in done("status", 1)
        check_log(state, second)
        assert "another devnet uses" in refused_to_serve(state, "0")
        taken = second.line.split(":")[2].split()[0]
        assert "choose another address or port" in refused_to_serve(tmp_path / "other", taken)
    finally:
        err = second.end()
    assert "ANCHOR" not in err
    wait_until(lambda: not second.orphans(), 15, what="the chain's end")
    assert not (state / "node.json").exists()


def check_log(state: Path, served: Served) -> None:
    """Read the whole log as operators do: chain, signatures, no entry that breaks a rule."""
    platform = Platform(
        served.chain(),
        Deployment.load(state / "chain" / "deployment.json"),
        keys=Keys.of_devnet(),
        state_dir=state,
        finality="latest",
    )
    ledger = platform.gateway(1)._ledger
    assert ledger.rejected == []
    assert ledger.gateway_faults == []


def refused_to_serve(state: Path, port: str) -> str:
    """Start `ddlp serve`, which must end by one line; return it."""
    found = subprocess.run(
        [sys.executable, "-m", "oracle.cli", "serve", "--port", port],
        env=os.environ | {"DDLP_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == FAULT
    assert re.fullmatch(r"ddlp: [^\n]+\n", found.stderr)
    return found.stderr


@pytest.mark.parametrize(
    ("there", "gone"),
    [("chain/deployment.json", "ddlp.sqlite"), ("ddlp.sqlite", "chain/deployment.json")],
)
def test_serve__chain_without_its_log__is_refused_before_anything_starts(
    tmp_path: Path, there: str, gone: str
) -> None:
    (tmp_path / "chain").mkdir()
    (tmp_path / there).write_text("{}")
    message = f"holds {there} without {gone}: restore it from a backup, or remove the folder"
    with pytest.raises(ConfigError, match=message), local_platform(tmp_path):
        pytest.fail("it served")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(there).name]


def test_serve__folder_that_is_a_file__is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with (
        pytest.raises(ConfigError, match="set DDLP_STATE_DIR to another"),
        local_platform(tmp_path / "state"),
    ):
        pytest.fail("it served")
