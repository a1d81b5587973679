"""Answers that are measured against gold: what a quorum signs beside the rules of such a task."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from oracle.evidence.results import AGREED, COLLECTED, ContributorResult, SlashLeaf
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import resigned
from tests.auditor.frauds.catalogue import run_of
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import TOKEN, key_of

GUESSER = address_of(key_of("guesser"))
BOXES: list[Any] = [[{"class": "car", "box": [20 * n, 0, 20 * n + 10, 10]}] for n in range(4)]
TERMS = {
    "task": {
        "type": "boxes",
        "classes": ["car"],
        "scale": 100,
        "most": 5,
        "match": 500_000,
        "schema": {},
    },
    "consensus__method": "none",
    "consensus__redundancyMin": 2,
    "payment__policy": "gold",
    "gold__share": 600_000,
    "gold__newcomerShare": 600_000,
}


@cache
def _labeled() -> PaperRun:
    """A run of boxes before its first cut, in which one person draws them anywhere."""
    run = PaperRun(pool=BOXES, gold_per_epoch=16, epochs=1, changes=TERMS)
    for name in (*NAMES[:3], "guesser"):
        run.delegate(name)
    run.pass_time(180)
    for _ in range(3):
        for name in NAMES[:3]:
            run.work(name, 5, lambda item: run.truth[item])
        run.work("guesser", 5, lambda item: (run.truth[item] + 1) % len(BOXES))
        run.pass_time(60)
    run.pass_time(600)
    return run


def honest() -> PaperRun:
    """The run with the receipt that the rules give."""
    run = deepcopy(_labeled())
    run.claim(run.cut())
    return run


def _cheated(fraud: Any) -> PaperRun:
    run = deepcopy(_labeled())
    run.tamper = fraud
    run.cut()
    return run


def _with_guesser(result: EpochResult, **changes: Any) -> tuple[ContributorResult, ...]:
    return tuple(
        replace(row, **changes) if row.account == GUESSER else row
        for row in result.evidence.contributors
    )


@run_of("CONTRIBUTOR-RESULT", "quorum")
def far_boxes_counted_as_right() -> PaperRun:
    """Somebody's boxes are far from gold, and the evidence says that they match it."""

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        row = next(one for one in result.evidence.contributors if one.account == GUESSER)
        rows = _with_guesser(result, gold_right=row.gold_total, matches=row.gold_total)
        return resigned(run, result, replace(result.evidence, contributors=rows))

    return _cheated(fraud)


@run_of("PAYOUT-MISSING", "quorum")
def close_boxes_unpaid() -> PaperRun:
    """Somebody's boxes match gold, and they get no leaf."""

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        leaves = result.evidence.leaves[1:]
        return resigned(run, result, replace(result.evidence, leaves=leaves))

    return _cheated(fraud)


@run_of("PAYOUT-PADDED", "quorum")
def closeness_rounded_up() -> PaperRun:
    """A contributor's closeness is rounded up where the rules round down."""

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        first = result.evidence.leaves[0]
        leaves = (replace(first, cumulative=first.cumulative + 1), *result.evidence.leaves[1:])
        return resigned(run, result, replace(result.evidence, leaves=leaves))

    return _cheated(fraud)


@run_of("ITEM-RESULT", "quorum")
def measured_items_called_agreed() -> PaperRun:
    """Items whose labels were only collected are said to be agreed on."""

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        items = [
            replace(row, status=AGREED) if row.status == COLLECTED else row
            for row in result.evidence.items
        ]
        return resigned(run, result, replace(result.evidence, items=items))

    return _cheated(fraud)


@run_of("SLASH-MISMATCH", "quorum")
def slashed_by_distance() -> PaperRun:
    """Somebody is slashed since their boxes are far from gold, which proves nothing."""

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        slashes = (SlashLeaf(GUESSER, TOKEN),)
        return resigned(run, result, replace(result.evidence, slashes=slashes))

    return _cheated(fraud)
