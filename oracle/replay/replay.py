"""Replay: a file of labels becomes a campaign, with every label leased, signed, judged and paid.

Each worker of the file is a wallet with a session key. Items are spread over the epochs, gold as
its batches are, everything else in the file's order; all labels of an item are given in one epoch,
so that no item closes while the file still has a label of it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import Any

from oracle.auditor import audit
from oracle.chain.devnet import Devnet
from oracle.errors import InputError
from oracle.evidence.codec import MAX_BLOCK, encode_json
from oracle.evidence.entries import MAX_LABELS
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, recover
from oracle.evidence.structs import Domain
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, build_campaign
from oracle.protocol.terms import fee_of
from oracle.quality.bounds import MAX_REDUNDANCY, MIN_REDUNDANCY
from oracle.replay.contributors import SimulatedContributor
from oracle.replay.label_files import FIRST, LabelFiles, read_label_files
from oracle.replay.page import template
from oracle.replay.play import FEE_BPS, GENESIS, Play, check_out
from oracle.replay.replay_report import ReplayedRun, Worker, build_report
from oracle.replay.workspace import Workspace

PPM = 1_000_000
TOKEN = 10**18
REWARD = TOKEN // 20
SLASH_CAP = 20 * TOKEN
EPOCH_SECONDS, LEASE_SECONDS, GRACE_SECONDS = 3_600, 900, 60
MAX_EPOCHS, MAX_OPERATORS = 100, 10
# What dense tables of workers × classes² may hold: a few of them live at once, 8 bytes a cell.
MAX_CELLS = 1 << 24

GUIDELINES = "These labels were given before: the replay hands them in as the file has them."
CONSENT = """What you agree to

This campaign replays a file of labels on a chain of its own, with wallets made for the purpose.
Nobody is asked anything, and nothing here has value.
"""

Report = dict[str, Any]
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Options:
    """How labels are replayed.

    `redundancy` is (least, most) labels of an item, None for all that the file has; `gold_ppm` is
    the share of the items with truth that becomes gold; `operators` sit in the set, `threshold` of
    them sign.
    """

    method: str = "dawid-skene"
    policy: str = "agreement"
    redundancy: tuple[int, int] | None = None
    gold_ppm: int = 100_000
    epochs: int = 3
    operators: int = 3
    threshold: int = 2
    seed: int = 7
    on_duplicate: str = FIRST

    def __post_init__(self) -> None:
        if self.redundancy is not None:
            least, most = self.redundancy
            if not MIN_REDUNDANCY <= least <= most <= MAX_REDUNDANCY:
                raise InputError(
                    f"redundancy is {least}..{most}: give MIN..MAX from {MIN_REDUNDANCY} to "
                    f"{MAX_REDUNDANCY}; where agreement decides pay a label needs two others"
                )
        if not 0 <= self.gold_ppm <= PPM:
            raise InputError("the share of gold is from 0 to 1")
        if not 1 <= self.epochs <= MAX_EPOCHS:
            raise InputError(f"give from 1 to {MAX_EPOCHS} epochs")
        if not 1 <= self.operators <= MAX_OPERATORS:
            raise InputError(f"give from 1 to {MAX_OPERATORS} operators")
        if not self.operators < 2 * self.threshold <= 2 * self.operators:
            raise InputError(
                f"{self.threshold} of {self.operators} operators are no quorum: the threshold is "
                "more than half of them, and at most all"
            )


def run_replay(
    labels: Path,
    out: Path,
    options: Options,
    *,
    tell: Tell = lambda what, share: None,
    note: Callable[[str], None] = lambda text: None,
) -> Report:
    """Replay the label files of the folder `labels` into `out`; return what `report.json` says.

    `tell` hears what is being done and which share of the whole is behind, `note` what a person
    should know. An unfinished replay of the same arguments is continued. Raises InputError where
    files, options or `out` can't be used, before anything is written.
    """
    began = time.perf_counter()
    out = out.resolve()
    check_out(out)
    tell("reading the labels", 0.0)
    files = read_label_files(labels, options.on_duplicate)
    plan = Plan.of(files, options)
    for text in plan.notes():
        note(text)
    # As JSON gives them back: what is compared with an unfinished run's.
    arguments = json.loads(json.dumps({"version": 1, "files": files.digest, **asdict(options)}))
    try:
        with Workspace(out, arguments) as work:
            if work.done:
                note(f"An unfinished run is here: going on after step {work.done} of {plan.steps}.")
            report = _make(work, plan, tell, began)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{out} can't be written ({reason}): free space or mend permissions, "
            "then run the same command again to go on"
        ) from error
    tell("done", 1.0)
    return report


def _make(work: Workspace, plan: Plan, tell: Tell, began: float) -> Report:
    tell("starting a chain", 0.02)
    with Devnet(work.state / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        replay = Replay(devnet, work, plan, tell)
        replay.run()
        run = replay.facts()
    tell("auditing", 0.85)
    recover.cache_clear()  # a stranger's audit starts cold, and so is timed
    verdicts = audit(work.folder)
    tell("writing the report", 0.97)
    report = build_report(run, verdicts)
    report["seconds"] = round(time.perf_counter() - began, 3)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (work.folder / "report.json").write_text(text, encoding="utf-8")
    page = template("replay.html").render(report=report)
    (work.folder / "report.html").write_text(page, encoding="utf-8")
    work.publish()
    return report


# -- the plan --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """One lease and its submission: `answers` maps item numbers to classes; `sequence` counts the
    worker's submissions from 1."""

    worker: int
    sequence: int
    answers: Mapping[int, int]


@dataclass(frozen=True)
class Plan:
    """What is handed in when: batches by epoch, in order.

    `items` maps tasks of the file to item numbers; `left_out` counts labels beyond the most that an
    item takes.
    """

    files: LabelFiles
    options: Options
    campaign: CampaignFiles
    items: Mapping[int, int]
    epochs: tuple[tuple[Batch, ...], ...]
    left_out: int

    @classmethod
    def of(cls, files: LabelFiles, options: Options) -> Plan:
        """Spread the labels; InputError where they are too many for dense tables or a block."""
        check_size(len(files.tasks), len(files.workers), len(files.classes))
        by_task: dict[int, list[tuple[int, int]]] = {}
        for label in files.labels:
            by_task.setdefault(label.task, []).append((label.worker, label.klass))
        least, most = options.redundancy or (
            MIN_REDUNDANCY,
            max(MIN_REDUNDANCY, *(len(rows) for rows in by_task.values())),
        )
        most = min(most, MAX_REDUNDANCY)
        epochs = min(options.epochs, len(files.tasks))
        campaign = replayed_campaign(files, options, (least, most), epochs)
        items = {task: number for number, task in enumerate(campaign.order)}

        epoch_of = {row.item: row.epoch for row in campaign.secrets.gold}
        rest = [items[task] for task in by_task if items[task] not in epoch_of]
        epoch_of.update({item: 1 + at * epochs // len(rest) for at, item in enumerate(rest)})
        work: list[dict[int, dict[int, int]]] = [{} for _ in range(epochs)]
        for task, rows in by_task.items():
            item = items[task]
            for worker, klass in rows[:most]:
                work[epoch_of[item] - 1].setdefault(worker, {})[item] = klass

        sizes = [len(encode_json(name)) for name in files.classes]
        room = MAX_BLOCK // (options.operators + 1)
        sequences = [0] * len(files.workers)
        planned = []
        for by_worker in work:
            batches = []
            for worker, answers in sorted(by_worker.items()):
                for part in _batches(answers, sizes, room):
                    sequences[worker] += 1
                    batches.append(Batch(worker, sequences[worker], part))
            planned.append(tuple(batches))
        given = sum(len(batch.answers) for batches in planned for batch in batches)
        return cls(files, options, campaign, items, tuple(planned), len(files.labels) - given)

    @property
    def labels(self) -> int:
        """How many labels are handed in."""
        return len(self.files.labels) - self.left_out

    @property
    def steps(self) -> int:
        """How many checkpoints a run has: after its beginning, each epoch, and its end."""
        return len(self.epochs) + 2

    def notes(self) -> Iterator[str]:
        """Say what of the files does not count, and why."""
        files = self.files
        for name, columns in files.ignored.items():
            yield f"{name}: ignored the columns {', '.join(columns)}."
        if files.repeated:
            yield f"{files.repeated} rows repeat an earlier one and are left out."
        if files.conflicting:
            yield (
                f"{files.conflicting} rows contradict an earlier one of the same task and worker: "
                f"the {self.options.on_duplicate} counts (--on-duplicate)."
            )
        if files.strangers:
            yield f"{files.strangers} truths are of tasks that nobody labeled."
        if self.left_out:
            yield f"{self.left_out} labels are beyond the most that an item takes (--redundancy)."
        if len(self.epochs) < self.options.epochs:
            yield f"Fewer tasks than epochs: the labels are handed in over {len(self.epochs)}."
        if not files.truth:
            yield "No truth: there is no gold, and accuracy isn't known."

    @property
    def budget(self) -> int:
        """What pays every label in full, with the fee, base units; and the cap of a receipt.

        One reward more than that: a final receipt that fills its cap wouldn't count as the last.
        """
        rewards = (self.labels + 1) * REWARD
        return rewards + fee_of(rewards, FEE_BPS)

    def secret(self, purpose: str) -> bytes:
        """32 bytes that the seed determines."""
        return seeded(self.options.seed, purpose)


def _batches(
    answers: Mapping[int, int], sizes: Sequence[int], room: int
) -> Iterator[dict[int, int]]:
    """Cut a worker's answers into submissions whose sealed opening, a copy for each operator, fits
    a block."""
    part: dict[int, int] = {}
    size = 0
    for item, klass in answers.items():
        if part and (len(part) == MAX_LABELS or size + sizes[klass] + 8 > room):
            yield part
            part, size = {}, 0
        part[item] = klass
        size += sizes[klass] + 8
    yield part


def check_size(items: int, workers: int, classes: int) -> None:
    """Refuse what memory couldn't hold; InputError says what to do."""
    if workers * classes**2 > MAX_CELLS or items * classes > 4 * MAX_CELLS:
        raise InputError(
            f"{items} tasks, {workers} workers and {classes} classes need tables that are too "
            "large: map the labels to fewer classes, or split the file"
        )


def seeded(seed: int, purpose: str) -> bytes:
    """Return 32 bytes that `seed` and `purpose` determine."""
    return keccak256(f"DDLP replay {seed} {purpose}".encode())


def replayed_campaign(
    files: LabelFiles, options: Options, redundancy: tuple[int, int], epochs: int
) -> CampaignFiles:
    """Build the campaign of a label file; its items are the names of the tasks."""
    gold = draw_gold(files, options)
    return build_campaign(
        replay_terms(files, options, redundancy),
        [Item(name, text=name) for name in files.tasks],
        [Gold(files.tasks[task], files.classes[files.truth[task]]) for task in gold],
        guidelines=GUIDELINES,
        consent=CONSENT,
        gold_epochs=min(epochs, max(1, len(gold))),
        secret=seeded(options.seed, "campaign"),
    )


def draw_gold(files: LabelFiles, options: Options) -> list[int]:
    """Draw the tasks that become gold: as many of each class as its share of the truth says."""
    count = len(files.truth) * options.gold_ppm // PPM
    mixed = sorted(
        files.truth,
        key=lambda task: (
            files.truth[task],
            seeded(options.seed, f"gold {files.tasks[task]}"),
        ),
    )
    return [mixed[at * len(mixed) // count] for at in range(count)]


def replay_terms(
    files: LabelFiles, options: Options, redundancy: tuple[int, int]
) -> dict[str, Any]:
    """Return the manifest's terms; nothing in them moves from epoch to epoch."""
    seconds = [one.milliseconds // 1000 for one in files.labels if one.milliseconds is not None]
    return {
        "version": 1,
        "title": "Replayed labels",
        "description": f"{len(files.labels)} labels that {len(files.workers)} workers gave before.",
        "task": {
            "type": "categorical",
            "classes": list(files.classes),
            "schema": {"type": "string"},
        },
        "gold": {"share": options.gold_ppm, "newcomerShare": options.gold_ppm, "newcomerItems": 0},
        "assignment": "given",
        "consensus": {
            "method": options.method,
            "version": 1,
            "redundancyMin": redundancy[0],
            "redundancyMax": redundancy[1],
            "threshold": PPM,
            "escalation": "ambiguous",
        },
        "payment": {
            "policy": options.policy,
            "version": 1,
            "base": 300_000,
            "reward": str(REWARD),
            "rewardMin": str(REWARD),
            "rewardMax": str(REWARD),
            "rewardStep": 0,
            "thresholdMin": PPM,
            "thresholdMax": PPM,
            "thresholdStep": 0,
            "target": 100_000,
        },
        "slashing": {"floor": 400_000, "cap": str(SLASH_CAP)},
        "qualification": {"minimumTier": 0},
        "privacy": "public",
        "quotas": {},
        "auditors": [],
        "secondsPerItem": min(max(median_low(seconds or [1]), 1), LEASE_SECONDS // 2),
        "epochSeconds": EPOCH_SECONDS,
        "leaseSeconds": LEASE_SECONDS,
        "graceSeconds": GRACE_SECONDS,
        "anchorBlocks": 4,
    }


# -- the run ---------------------------------------------------------------------------------------


class Replay(Play):
    """One replay on a devnet, continued from the workspace's last checkpoint."""

    def __init__(self, devnet: Devnet, work: Workspace, plan: Plan, tell: Tell) -> None:
        super().__init__(
            devnet,
            work.folder,
            work.state,
            plan.campaign,
            operators=plan.options.operators,
            threshold=plan.options.threshold,
        )
        self.work, self.plan, self.tell = work, plan, tell
        self.wallet_keys = [plan.secret(f"wallet {name}") for name in plan.files.workers]
        self.accounts = [address_of(key) for key in self.wallet_keys]

    def run(self) -> None:
        """Take every step that no checkpoint holds yet."""
        steps: list[Callable[[], None]] = [
            self.begin,
            *(partial(self.epoch, epoch) for epoch in range(1, len(self.plan.epochs) + 1)),
            self.finish,
        ]
        self.open(budget=self.plan.budget, cap=self.plan.budget)
        for step in steps[self.work.done :]:
            step()
            self.work.checkpoint(self.devnet)

    def begin(self) -> None:
        """Let every worker agree to the terms, once."""
        self.tell("delegating", 0.05)
        self.pass_anchor()
        for worker in range(len(self.wallet_keys)):
            self.person(worker, 0).delegate(valid_until=GENESIS + 365 * 86_400)

    def epoch(self, epoch: int) -> None:
        """Hand in the epoch's labels, cut, settle, and claim for everybody."""
        self.pass_anchor()
        now = self.devnet.timestamp()
        batches = self.plan.epochs[epoch - 1]
        for at, batch in enumerate(batches):
            if at % 8 == 0:
                self.tell(f"epoch {epoch}: labeling", self._share(epoch, at / len(batches)))
            self.hand_in(batch, now)
        self.tell(f"epoch {epoch}: consensus, receipt, claims", self._share(epoch, 1))
        self.jump_to(self.gateway.bounded.boundary(epoch))
        self.claim_all(self.settle())

    def hand_in(self, batch: Batch, now: int) -> None:
        """Lease a batch's items and submit its labels."""
        person = self.person(batch.worker, batch.sequence - 1, batch.answers)
        items = list(batch.answers)
        leased = self.gateway.lease(person.address, len(items), items)
        assert [one.number for one in leased.items] == items
        person.submit(items, now)

    def finish(self) -> None:
        """Close, settle what is left, claim, refund."""
        self.tell("closing", 0.8)
        self.close()
        result = self.settle()
        assert not result.waiting
        self.claim_all(result)
        self.wind_up(result)

    def facts(self) -> ReplayedRun:
        """Write the chain's record, and gather what the report is made of."""
        self.tell("recording the chain", 0.83)
        self.service.step()  # nothing is due: it only follows what was finalized before a restart
        return ReplayedRun(
            manifest=self.manifest,
            deployment=self.deployment,
            campaign=self.campaign,
            results=tuple(self.service.results),
            record=self.record(self.folder),
            options=asdict(self.plan.options),
            files=self.plan.files,
            items=self.plan.items,
            workers=tuple(self.workers()),
            left_out=self.plan.left_out,
        )

    def workers(self) -> Iterator[Worker]:
        """Everybody in the file: who they are on chain, and how long the labels took that were
        handed in."""
        answered: list[set[int]] = [set() for _ in self.accounts]
        for batches in self.plan.epochs:
            for batch in batches:
                answered[batch.worker].update(batch.answers)
        milliseconds: list[int | None] = [0] * len(self.accounts)
        for label in self.plan.files.labels:
            known = milliseconds[label.worker]
            if self.plan.items[label.task] in answered[label.worker] and known is not None:
                missing = label.milliseconds is None
                milliseconds[label.worker] = None if missing else known + (label.milliseconds or 0)
        for name, account, spent in zip(
            self.plan.files.workers, self.accounts, milliseconds, strict=True
        ):
            yield Worker(name, account, spent)

    def person(
        self, worker: int, submitted: int, answers: Mapping[int, int] | None = None
    ) -> SimulatedContributor:
        """A worker of the file at the gateway, `submitted` submissions into their work."""
        return SimulatedContributor(
            self.gateway,
            Domain(self.deployment.chain_id, self.deployment.escrow),
            self.wallet_keys[worker],
            secret=self.plan.secret(f"session {self.plan.files.workers[worker]}"),
            answer=(answers or {}).__getitem__,
            submitted=submitted,
        )

    def _share(self, epoch: int, share: float) -> float:
        return 0.06 + 0.72 * (epoch - 1 + 0.6 * share) / len(self.plan.epochs)
