"""`ddlp replay`, whole: files to an audited run, the same again, and on after every kind of end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from oracle.auditor import audit
from oracle.cli import cli
from oracle.errors import InputError
from oracle.protocol.campaign import EpochResult
from oracle.replay.label_files import read_label_files
from oracle.replay.replay import REWARD, Options, Plan, Replay, run_replay
from oracle.replay.replay_command import replay
from oracle.replay.replay_report import BASELINES
from oracle.replay.workspace import Workspace

pytestmark = pytest.mark.chain

CLASSES = ("cat", "dog", "bird")
WORKERS, TASKS = 8, 60


class Killed(BaseException):
    """What no handler of ours may take for an ordinary failure."""


def write_files(folder: Path, *, truth: bool = True, durations: bool = True) -> Path:
    """Labels of workers from careful to careless, five a task, from a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(4)
    rows, known = [], []
    for task in range(TASKS):
        klass = rng.choice(CLASSES)
        known.append(f"item {task},{klass}")
        for worker in rng.sample(range(WORKERS), 5):
            right = rng.random() < 0.97 - 0.08 * worker
            label = klass if right else rng.choice([one for one in CLASSES if one != klass])
            rows.append(f"item {task},w{worker},{label},{2 + worker}.5")
    header = "task,worker,label,duration_s"
    if not durations:
        header, rows = "task,worker,label", [row.rpartition(",")[0] for row in rows]
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    if truth:
        (folder / "truth.csv").write_text("\n".join(["task,label", *known]) + "\n")
    return folder


def outcome(report: dict[str, Any]) -> dict[str, Any]:
    """What must be equal wherever and however often a run was made."""
    return {name: value for name, value in report.items() if name not in ("seconds", "audit")} | {
        "last_hash": report["audit"]["last_hash"],
        "verdict": report["audit"]["verdict"],
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def whole(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run that nothing interrupted: its folder and its report."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, run_replay(files, out, Options(gold_ppm=200_000))


# -- what a run holds ------------------------------------------------------------------------------


def test_replay__label_file__every_label_is_paid_for_and_the_audit_verifies(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    out, report = whole
    assert json.loads((out / "report.json").read_text()) == report
    assert {path.name for path in out.iterdir()} == {
        *("chain", "chain.jsonl", "content", "deployment.json", "report.html", "report.json")
    }
    assert report["audit"]["verdict"] == "verified"
    assert audit(out).findings == ()
    assert (report["labels"], report["items"], report["contributors"]) == (300, TASKS, WORKERS)
    assert (report["gold"], report["epochs"], report["input"]["rows"]) == (12, 3, 300)
    amounts = {name: int(report[name]) for name in ("paid", "refunded", "fees", "unclaimed")}
    assert int(report["funded"]) == sum(amounts.values())
    assert amounts["unclaimed"] == 0
    assert report["money"]["left_over"] == "0"
    assert not list(out.parent.glob(".*"))


def test_replay__report__says_who_did_what_and_what_others_make_of_the_labels(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    out, report = whole
    people = {one["name"]: one for one in report["people"]}
    assert sum(one["labels"] for one in people.values()) == 300
    assert sum(int(one["paid"]) for one in people.values()) == int(report["paid"])
    assert sum(one["gold_total"] for one in people.values()) > 0
    for one in people.values():
        assert one["skill_low"] < one["matches"] / one["judged"] < one["skill_high"]
        assert 0 <= one["gold_right"] <= one["gold_total"]
        assert one["seconds"] == one["labels"] * (int(one["name"][1:]) + 2.5)
        assert int(one["hourly"]) == int(one["paid"]) * 3_600_000 // int(one["seconds"] * 1000)
        assert int(one["paid"]) <= one["labels"] * REWARD
    assert people["w0"]["skill_low"] > people["w7"]["skill_high"]
    assert report["accuracy"]["consensus"] > 0.85
    assert list(report["baselines"]) == list(BASELINES)
    assert report["baselines"]["MajorityVote"] == report["accuracy"]["majority"]
    assert all(0.8 < share <= 1 for share in report["baselines"].values())
    totals = [int(one["payout_total"]) for one in report["receipts"]]
    assert totals == sorted(totals)
    assert [one["final"] for one in report["receipts"]] == [False, False, False, True]
    page = (out / "report.html").read_text()
    assert "w7" in page
    assert report["receipts"][-1]["payout_root"][:18] in page
    assert "<script" not in page


def test_replay__other_seed__other_roots_as_good(
    files: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    report = run_replay(files, tmp_path / "run", Options(gold_ppm=200_000, seed=8))
    assert report["audit"]["verdict"] == "verified"
    roots = [[one["payout_root"] for one in run["receipts"]] for run in (report, whole[1])]
    assert not set(roots[0]) & set(roots[1])


# -- interrupted -----------------------------------------------------------------------------------


def test_replay__broken_off_in_every_step__ends_as_if_it_had_not_been(
    files: Path,
    whole: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, options, notes = tmp_path / "run", Options(gold_ppm=200_000), list[str]()
    hand_in, settle, wind_up = Replay.hand_in, Replay.settle, Replay.wind_up
    checkpoint, publish = Workspace.checkpoint, Workspace.publish

    def run(name: str, owner: type, calls: int) -> None:
        """Run until call number `calls` of a method, and die in it, half of it done or not."""
        original, left = getattr(owner, name), [calls]

        def dying(self: Any, *arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            done = original(self, *arguments)
            if left[0] == 0 and name != "hand_in":
                raise Killed
            return done

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dying)
            with pytest.raises(Killed):
                run_replay(files, out, options, note=notes.append)
        assert not out.exists()

    run("begin", Replay, 1)
    run("hand_in", Replay, 5)
    run("settle", Replay, 2)  # the second receipt is final on chain, and forgotten
    run("checkpoint", Workspace, 1)
    run("wind_up", Replay, 1)
    run("facts", Replay, 1)
    assert (Replay.hand_in, Replay.settle, Replay.wind_up) == (hand_in, settle, wind_up)
    assert (Workspace.checkpoint, Workspace.publish) == (checkpoint, publish)
    report = run_replay(files, out, options, note=notes.append)
    assert outcome(report) == outcome(whole[1])
    steps = [int(note.split()[9]) for note in notes if note.startswith("An unfinished run")]
    assert steps == sorted(steps)
    assert steps[-1] == 5
    assert not list(tmp_path.glob(".*"))


def test_replay__killed_by_the_kernel_three_times__ends_the_same(
    files: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "oracle.cli", "replay", str(files), "--out", str(out)]
    command += ["--gold", "0.2"]
    rng = random.Random(20)
    for step in (1, 3, 4):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (tmp_path / ".run-unfinished" / f"step-{step}").exists():
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not out.exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    assert outcome(json.loads((out / "report.json").read_text())) == outcome(whole[1])
    assert not list(tmp_path.glob(".*"))


def test_replay__unfinished_run_of_other_arguments__is_thrown_away(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, notes = tmp_path / "run", list[str]()

    def stop(self: Replay, epoch: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "epoch", stop)
        with pytest.raises(Killed):
            run_replay(files, out, Options(epochs=1))
    report = run_replay(files, out, Options(epochs=1, method="majority"), note=notes.append)
    assert report["audit"]["verdict"] == "verified"
    assert report["accuracy"]["consensus"] == report["accuracy"]["majority"]
    assert not notes


def test_replay__two_at_once__second_is_refused(tmp_path: Path) -> None:
    with (
        Workspace(tmp_path / "run", {}),
        pytest.raises(InputError, match="another process is making"),
        Workspace(tmp_path / "run", {}),
    ):
        pass


# -- small and odd files ---------------------------------------------------------------------------

ODD = {
    "one worker": ("".join(f"t{n},w,{'ab'[n % 2]}\n" for n in range(9)), Options()),
    "one item": ("".join(f"t,w{n},{'ab'[n % 2]}\n" for n in range(5)), Options()),
    "two labels": ('"../../x\n<script>",{{7*7}},"a\tb"\n"../../x\n<script>",w2,🙂\n', Options()),
    "left out": (
        "".join(f"t{n},w{m},{'ab'[n * m % 2]}\n" for n in range(4) for m in range(5)),
        Options(redundancy=(3, 3), operators=1, threshold=1, epochs=2, method="majority"),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_replay__odd_file__is_verified(name: str, tmp_path: Path) -> None:
    rows, options = ODD[name]
    (tmp_path / "labels.csv").write_text("task,worker,label\n" + rows)
    notes: list[str] = []
    report = run_replay(tmp_path, tmp_path / "run", options, note=notes.append)
    assert report["audit"]["verdict"] == "verified"
    assert report["accuracy"]["consensus"] is None
    assert any(note.startswith("No truth") for note in notes)
    left_out = 8 if name == "left out" else 0
    assert report["input"]["left_out"] == left_out
    assert report["labels"] == sum(1 for _ in read_label_files(tmp_path).labels) - left_out
    assert report["receipts"][-1]["items"] == report["items"]
    if name == "one worker":
        # Nobody else can judge these labels: who closes early pays the doubt.
        assert int(report["paid"]) == 9 * REWARD
    if name == "two labels":
        page = (tmp_path / "run" / "report.html").read_text()
        assert "{{7*7}}" in page
        assert "<script" not in page


# -- the plan --------------------------------------------------------------------------------------


def test_plan__gold__follows_share_seed_and_classes(files: Path) -> None:
    read = read_label_files(files)
    plans = [Plan.of(read, Options(gold_ppm=300_000, seed=seed)) for seed in (1, 1, 2)]
    gold = [{(row.item, row.epoch) for row in plan.campaign.secrets.gold} for plan in plans]
    assert len(gold[0]) == 18
    assert gold[0] == gold[1] != gold[2]
    assert Plan.of(read, Options(gold_ppm=0)).campaign.secrets.gold == ()
    for plan in plans:
        task_of = {number: task for task, number in plan.items.items()}
        for row in plan.campaign.secrets.gold:
            truth = read.classes[read.truth[task_of[row.item]]]
            assert json.loads(row.answer) == truth


def test_plan__labels_of_an_item__stand_in_one_epoch_which_is_its_golds(files: Path) -> None:
    read = read_label_files(files)
    plan = Plan.of(read, Options(gold_ppm=300_000))
    epochs: dict[int, set[int]] = {}
    given = set()
    for epoch, batches in enumerate(plan.epochs, 1):
        for batch in batches:
            assert 1 <= len(batch.answers) <= 100
            for item, klass in batch.answers.items():
                epochs.setdefault(item, set()).add(epoch)
                given.add((item, batch.worker, klass))
    assert all(len(found) == 1 for found in epochs.values())
    assert len(epochs) == TASKS
    for row in plan.campaign.secrets.gold:
        assert epochs[row.item] == {row.epoch}
    assert given == {(plan.items[one.task], one.worker, one.klass) for one in read.labels}
    assert plan.left_out == 0


# -- refusals --------------------------------------------------------------------------------------

REFUSED = {
    "no folder": ([], "is no folder: name the one that holds labels.csv"),
    "no quorum": (["--operators", "4", "--threshold", "2"], "2 of 4 operators are no quorum"),
    "redundancy": (["--redundancy", "1..2"], "give MIN..MAX from 3 to 1000"),
    "redundancy as text": (["--redundancy", "many"], "is no range: give MIN..MAX"),
    "gold": (["--gold", "1.5"], "is no share: give a number from 0 to 1"),
    "epochs": (["--epochs", "0"], "give from 1 to 100 epochs"),
    "duplicates": (["--on-duplicate", "error"], "line 302: an earlier row answers this otherwise"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_command__bad_input__exits_2_with_the_remedy_and_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    arguments, message = REFUSED[name]
    labels = tmp_path / "labels"
    if name != "no folder":
        write_files(labels, durations=False)
        first = (labels / "labels.csv").read_text().splitlines()[1]
        with (labels / "labels.csv").open("a") as file:
            file.write(first.rpartition(",")[0] + ",otherwise\n")
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "oracle.cli", "replay", str(labels), "--out", str(out), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] in ([], ["labels"])


def test_command__place_of_something_else__is_left_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    done = CliRunner().invoke(cli, ["replay", str(files), "--out", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "holds something else than an earlier run" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_replay__disk_full__says_so_and_goes_on_when_there_is_room(
    files: Path,
    whole: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, options = tmp_path / "run", Options(gold_ppm=200_000)

    def full(self: Replay, result: EpochResult) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "claim_all", full)
        with pytest.raises(InputError, match=r"\(No space left on device\): free space"):
            run_replay(files, out, options)
    assert not out.exists()
    assert outcome(run_replay(files, out, options)) == outcome(whole[1])


# -- real labels -----------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_replay__rte__is_verified_and_right(data_dir: Path, tmp_path: Path) -> None:
    report = run_replay(data_dir / "rte", tmp_path / "run", Options())
    assert report["audit"]["verdict"] == "verified"
    assert (report["labels"], report["contributors"]) == (8_000, 164)
    assert report["accuracy"]["consensus"] >= 0.92


def test_docs__replay__name_every_option_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "REPLAY.md").read_text()
    for option in replay.params:
        if isinstance(option, click.Option):
            row = next(
                line
                for line in text.splitlines()
                if line.startswith("|") and f"`{option.opts[0]}" in line
            )
            assert option.default is None or f"`{option.default}`" in row, option.name
