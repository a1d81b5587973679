"""What a replay comes to, in figures: `report.json`.

Amounts are decimal strings of base units, gas is in units of gas, shares are from 0 to 1 with at
most six decimals. Accuracy is that of answers to items with truth that aren't gold, where nothing
was told a gold answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv

from oracle.auditor.report import AuditReport
from oracle.consensus import METHODS, majority_vote
from oracle.errors import InputError
from oracle.evidence.signing import checksum
from oracle.protocol.campaign import EpochResult
from oracle.replay.coefficients import coefficients_report
from oracle.replay.label_files import LabelFiles
from oracle.replay.play import Played
from oracle.replay.report import audit_report, money_report, transactions

PPM = 1_000_000
TAIL = 0.025  # on either side of a 95 % interval
BASELINES = ("MajorityVote", "Wawa", "OneCoinDawidSkene", "DawidSkene", "GLAD", "MACE")


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
        "baselines": baselines(run),
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
        "coefficients": coefficients_report(result, run.manifest.classes),
        "payout_total": str(receipt.payout_total),
        "payout_root": "0x" + receipt.payout_root.hex(),
        "slash_root": "0x" + receipt.slash_root.hex(),
        "evidence": "0x" + receipt.evidence.hex(),
    }


# -- answers ---------------------------------------------------------------------------------------


def accuracy(run: ReplayedRun, result: EpochResult) -> dict[str, float | None]:
    """Accuracy of the campaign's method and of majority vote on the labels opened so far.

    None where no item that isn't gold has a truth.
    """
    labels = result.labels
    items = sorted({label.item for label in labels})
    place = {item: number for number, item in enumerate(items)}
    accounts = {account: number for number, account in enumerate(result.accounts)}
    columns = (
        np.array([place[label.item] for label in labels], dtype=np.int64),
        np.array([accounts[label.contributor] for label in labels], dtype=np.int64),
        np.array([label.klass for label in labels], dtype=np.int64),
    )
    found: dict[str, float | None] = {}
    for name, method in (("consensus", METHODS[run.manifest.method]), ("majority", majority_vote)):
        answer = method(
            *columns,
            n_items=len(items),
            n_workers=len(accounts),
            n_classes=len(run.manifest.classes),
        ).answer
        found[name] = _share_right(run, result, dict(zip(items, answer.tolist(), strict=True)))
    return found


def baselines(run: ReplayedRun) -> dict[str, float | None]:
    """Accuracy of other methods on the very labels that the campaign ended with, by name; empty
    where the extra `estimators` isn't installed, or a method can't be applied to so few labels."""
    try:
        import pandas as pd

        from oracle.consensus import estimators
    except (ImportError, InputError):
        return {}
    rows = [(label.item, label.contributor, label.klass) for label in run.last.labels]
    table = pd.DataFrame(rows, columns=["task", "worker", "label"])
    found: dict[str, float | None] = {}
    for name in BASELINES:
        try:
            answers = getattr(estimators, name)().fit_predict(table)
        except InputError:
            continue
        found[name] = _share_right(run, run.last, answers.to_dict())
    return found


def _share_right(run: ReplayedRun, result: EpochResult, answers: Mapping[int, int]) -> float | None:
    truth = run.truth
    counted = [item for item in answers if item in truth and item not in result.gold]
    right = sum(answers[item] == truth[item] for item in counted)
    return round(right / len(counted), 4) if counted else None


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
