"""What a replay comes to, in figures: `report.json`.

Amounts are decimal strings of base units, gas is in units of gas, shares are from 0 to 1 with at
most six decimals. Accuracy is that of answers to items with truth that aren't gold, where nothing
was told a gold answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv  # type: ignore[import-untyped]

from oracle.auditor.report import AuditReport
from oracle.consensus import dawid_skene, majority_vote
from oracle.evidence.signing import checksum
from oracle.protocol.campaign import EpochResult
from oracle.replay.label_files import LabelFiles
from oracle.replay.play import Played
from oracle.replay.report import audit_report, money_report, transactions

PPM = 1_000_000
TAIL = 0.025  # on either side of a 95 % interval
Int64 = NDArray[np.int64]
Columns = tuple[Int64, Int64, Int64]


class Sizes(TypedDict):
    """The numbers of items, workers and classes that a method needs."""

    n_items: int
    n_workers: int
    n_classes: int


@dataclass(frozen=True)
class Worker:
    """A worker of the file: the name there, the wallet here, and the milliseconds that their labels
    took, None where the file doesn't say it of all."""

    name: str
    account: bytes
    milliseconds: int | None


@dataclass(frozen=True)
class ReplayedRun(Played):
    """A finished replay; `items` maps the file's tasks to item numbers."""

    options: Mapping[str, Any]
    files: LabelFiles
    items: Mapping[int, int]
    workers: tuple[Worker, ...]
    left_out: int

    @property
    def truth(self) -> dict[int, int]:
        """The class of every item whose truth is known."""
        return {self.items[task]: klass for task, klass in self.files.truth.items()}


def build_report(run: ReplayedRun, verdicts: AuditReport) -> dict[str, Any]:
    """Return the report of a run with its audit, but for the seconds that all of it took."""
    receipt = run.last.receipt
    spent = [one for one in transactions(run) if one.block >= _created(run)]
    return {
        "version": 1,
        "kind": "replay",
        "seed": run.options["seed"],
        "options": dict(run.options),
        "items": len(run.files.tasks),
        "classes": list(run.files.classes),
        "gold": len(run.last.gold),
        "truth": len(run.files.truth),
        "labels": receipt.label_count,
        "contributors": len(run.workers),
        "epochs": sum(not one.receipt.final for one in run.results),
        "input": {
            "rows": run.files.rows,
            "repeated": run.files.repeated,
            "conflicting": run.files.conflicting,
            "left_out": run.left_out,
            "ignored_columns": {name: list(names) for name, names in run.files.ignored.items()},
            "truth_of_other_tasks": run.files.strangers,
            "sha256": run.files.digest,
        },
        "accuracy": accuracy(run, run.last),
        "receipts": [_receipt(run, result) for result in run.results],
        **money_report(run),
        "gas": {"total": sum(one.gas for one in spent), "transactions": len(spent)},
        "gas_per_label": sum(one.gas for one in spent) // max(1, receipt.label_count),
        "reward": str(run.manifest.reward),
        "slash_proven": str(sum(leaf.cumulative for leaf in run.last.evidence.slashes)),
        "durations": run.files.has_durations,
        "people": people_report(run),
        "audit": audit_report(verdicts),
    }


def _created(run: ReplayedRun) -> int:
    return next(event.block for event in run.named("CampaignCreated"))


def _receipt(run: ReplayedRun, result: EpochResult) -> dict[str, Any]:
    receipt = result.receipt
    return {
        "epoch": receipt.epoch,
        "final": receipt.final,
        "labels": receipt.label_count,
        "items": receipt.item_count,
        "accuracy": accuracy(run, result),
        "agreement": round(receipt.agreement / PPM, 6),
        "payout_total": str(receipt.payout_total),
        "payout_root": "0x" + receipt.payout_root.hex(),
        "slash_root": "0x" + receipt.slash_root.hex(),
        "evidence": "0x" + receipt.evidence.hex(),
    }


# -- answers ---------------------------------------------------------------------------------------


def accuracy(run: ReplayedRun, result: EpochResult) -> dict[str, float | None]:
    """Accuracy by method on the labels opened so far: `consensus` is the campaign's own method,
    beside it the baselines. None where no item that isn't gold has a truth."""
    labels = result.labels
    items = sorted({label.item for label in labels})
    place = {item: number for number, item in enumerate(items)}
    accounts = {account: number for number, account in enumerate(result.accounts)}
    truth = run.truth
    expected = np.array(
        [truth.get(item, -1) if item not in result.gold else -1 for item in items], dtype=np.int64
    )
    counted = expected >= 0
    if not counted.any():
        return dict.fromkeys(("consensus", *BASELINES))
    columns = (
        np.array([place[label.item] for label in labels], dtype=np.int64),
        np.array([accounts[label.contributor] for label in labels], dtype=np.int64),
        np.array([label.klass for label in labels], dtype=np.int64),
    )
    sizes: Sizes = {
        "n_items": len(items),
        "n_workers": len(accounts),
        "n_classes": len(run.manifest.classes),
    }
    found: dict[str, float | None] = {}
    for name, method in BASELINES.items():
        answer = method(columns, sizes)
        right = int((answer[counted] == expected[counted]).sum())
        found[name] = round(right / int(counted.sum()), 4)
    own = "majority" if run.manifest.method == "majority" else "dawid_skene"
    return {"consensus": found[own], **found}


def _majority(columns: Columns, sizes: Sizes) -> Int64:
    return majority_vote(*columns, **sizes).answer


def _dawid_skene(columns: Columns, sizes: Sizes) -> Int64:
    return dawid_skene(*columns, **sizes).answer


def wawa(columns: Columns, sizes: Sizes) -> Int64:
    """Worker agreement with aggregate: a vote weighed by how often each worker agrees with the
    plain vote, in ppm; the lowest class among equals.

    `columns` are items, workers and labels, int64 (L,) each. Returns int64 (n_items,). As crowd-kit
    has it: Ustalov et al., Journal of Open Source Software 9(96), 2024, doi:10.21105/joss.06227.
    """
    items, workers, labels = columns
    matches = np.zeros(sizes["n_workers"], dtype=np.int64)
    np.add.at(matches, workers, labels == _majority(columns, sizes)[items])
    counts = np.maximum(np.bincount(workers, minlength=sizes["n_workers"]), 1)
    scores = np.zeros((sizes["n_items"], sizes["n_classes"]), dtype=np.int64)
    np.add.at(scores, (items, labels), (matches * PPM // counts)[workers])
    best: Int64 = scores.argmax(axis=1).astype(np.int64)
    return best


BASELINES: dict[str, Callable[[Columns, Sizes], Int64]] = {
    "majority": _majority,
    "wawa": wawa,
    "dawid_skene": _dawid_skene,
}


# -- people ----------------------------------------------------------------------------------------


def people_report(run: ReplayedRun) -> list[dict[str, Any]]:
    """One row per worker, in the file's order."""
    evidence = run.last.evidence
    earned = {leaf.account: leaf.cumulative for leaf in evidence.leaves}
    proven = {leaf.account: leaf.cumulative for leaf in evidence.slashes}
    judged = {row.account: row for row in evidence.contributors}
    paid: Counter[bytes] = Counter()
    slashed: Counter[bytes] = Counter()
    for event in run.named("Paid"):
        paid[event.arguments["account"]] += event.arguments["amount"]
    for event in run.named("SlashExecuted"):
        slashed[event.arguments["account"]] += event.arguments["taken"]
    given: Counter[bytes] = Counter(label.contributor for label in run.last.labels)
    right, known = _right(run)
    rows = []
    for worker in run.workers:
        account, row = worker.account, judged.get(worker.account)
        matches, count = (row.matches, row.judged) if row else (0, 0)
        low, high = skill_interval(matches, count)
        rows.append(
            {
                "name": worker.name,
                "account": checksum(account),
                "labels": given[account],
                "right": round(right[account] / known[account], 4) if known[account] else None,
                "gold_right": row.gold_right if row else 0,
                "gold_total": row.gold_total if row else 0,
                "matches": matches,
                "judged": count,
                "skill_low": low / PPM,
                "skill_high": high / PPM,
                "agreement": round(row.agreement / PPM, 6) if row else 0.0,
                "passed": bool(row and row.passed),
                "earned": str(earned.get(account, 0)),
                "paid": str(paid[account]),
                "slash_proven": str(proven.get(account, 0)),
                "slashed": str(slashed[account]),
                "seconds": None if worker.milliseconds is None else worker.milliseconds / 1000,
                "hourly": _hourly(paid[account], worker.milliseconds),
            }
        )
    return rows


def _right(run: ReplayedRun) -> tuple[Counter[bytes], Counter[bytes]]:
    """Right labels, and labels of items with truth, by account."""
    truth = run.truth
    right: Counter[bytes] = Counter()
    known: Counter[bytes] = Counter()
    for label in run.last.labels:
        if label.item in truth:
            known[label.contributor] += 1
            right[label.contributor] += truth[label.item] == label.klass
    return right, known


def _hourly(paid: int, milliseconds: int | None) -> str | None:
    """Base units an hour; None where the time isn't known."""
    return str(paid * 3_600_000 // milliseconds) if milliseconds else None


def skill_interval(matches: int, judged: int) -> tuple[int, int]:
    """The 95 % credible interval, in ppm, of how often a worker matches what the others lead to
    (gold included): Beta(1 + matches, 1 + misses), so every skill is as likely at first.

    For display; no payment depends on it.
    """
    shape = 1 + matches, 1 + judged - matches
    low, high = (float(betaincinv(*shape, tail)) for tail in (TAIL, 1 - TAIL))
    return round(low * PPM), round(high * PPM)
