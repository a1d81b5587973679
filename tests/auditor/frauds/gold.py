"""Gold and draw seeds: what the supplement opens of the campaign's secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oracle.auditor.codes import Severity
from oracle.evidence.hashing import ZERO32, sha256
from oracle.evidence.supplement import GoldOpening, Supplement
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import with_supplement
from tests.auditor.frauds.catalogue import quorum, run_of
from tests.auditor.paper import NAMES, PaperRun


def _with_gold(
    run: PaperRun,
    result: EpochResult,
    change: Callable[[tuple[GoldOpening, ...]], tuple[GoldOpening, ...]],
) -> EpochResult:
    return with_supplement(run, result, lambda one: replace(one, gold=tuple(change(one.gold))))


@quorum("GOLD-PARTIAL")
def opened_in_part(run: PaperRun, result: EpochResult) -> EpochResult:
    """Of an epoch's gold the items that a friend got wrong stay hidden."""
    return _with_gold(run, result, lambda gold: gold[1:])


@quorum("GOLD-OPENING")
def another_salt(run: PaperRun, result: EpochResult) -> EpochResult:
    """A gold item is opened by a salt that doesn't give its commitment."""
    return _with_gold(run, result, lambda gold: (replace(gold[0], salt=b"\3" * 32), *gold[1:]))


@quorum("GOLD-OPENING")
def another_answer(run: PaperRun, result: EpochResult) -> EpochResult:
    """Gold is given the answer that a friend gave."""

    def change(gold: tuple[GoldOpening, ...]) -> tuple[GoldOpening, ...]:
        answer = b'"1"' if gold[0].answer != b'"1"' else b'"2"'
        return (replace(gold[0], answer=answer), *gold[1:])

    return _with_gold(run, result, change)


@quorum("GOLD-OPENING")
def another_item(run: PaperRun, result: EpochResult) -> EpochResult:
    """An ordinary item is passed off as gold."""
    gold = {row.item for row in run.gold_openings}
    item = next(item for item in run.truth if item not in gold)
    return _with_gold(run, result, lambda rows: (replace(rows[0], item=item), *rows[1:]))


@quorum("GOLD-OPENING")
def places_swapped(run: PaperRun, result: EpochResult) -> EpochResult:
    """Two gold items are opened in one another's place, so that draws would name the other."""

    def change(gold: tuple[GoldOpening, ...]) -> tuple[GoldOpening, ...]:
        first, second, *rest = gold
        return (replace(second, index=first.index), replace(first, index=second.index), *rest)

    return _with_gold(run, result, change)


@quorum("GOLD-OPENING")
def batch_swapped(run: PaperRun, result: EpochResult) -> EpochResult:
    """The batch of a later epoch is opened as this epoch's."""
    later = [replace(row, epoch=2) for row in run.gold_openings if row.epoch == 3]
    return _with_gold(run, result, lambda gold: tuple(later))


@quorum("GOLD-BATCH")
def batch_too_early(run: PaperRun, result: EpochResult) -> EpochResult:
    """The gold of an epoch that hasn't begun is shown, for friends to learn."""
    later = tuple(row for row in run.gold_openings if row.epoch == 3)
    return _with_gold(run, result, lambda gold: (*gold, *later))


@quorum("GOLD-BATCH")
def batch_again(run: PaperRun, result: EpochResult) -> EpochResult:
    """A batch that was opened and retired is opened once more."""
    retired = tuple(row for row in run.gold_openings if row.epoch == 1)
    return _with_gold(run, result, lambda gold: (*retired, *gold))


@quorum("GOLD-BATCH")
def batch_of_no_epoch(run: PaperRun, result: EpochResult) -> EpochResult:
    """Gold is opened for which nothing was committed."""
    return _with_gold(run, result, lambda gold: (*gold, replace(gold[-1], epoch=9)))


@quorum("DRAW-SEED")
def another_seed(run: PaperRun, result: EpochResult) -> EpochResult:
    """The draw seed opened isn't of the chain that the manifest commits to."""
    return with_supplement(run, result, lambda one: replace(one, seed=b"\4" * 32))


@quorum("DRAW-SEED")
def seed_of_another_epoch(run: PaperRun, result: EpochResult) -> EpochResult:
    """The seed opened is an earlier epoch's, so that draws can't be checked."""
    return with_supplement(run, result, lambda one: replace(one, seed=sha256(one.seed)))


@quorum("SEED-UNOPENED", severity=Severity.FRAUD)
def seed_hidden_and_pay_kept(run: PaperRun, result: EpochResult) -> EpochResult:
    """The draw seed stays hidden, but the receipt spares the gateway's bond."""
    return with_supplement(run, result, lambda one: replace(one, seed=ZERO32))


@quorum("GOLD-UNOPENED", severity=Severity.FRAUD)
def gold_hidden_and_pay_kept(run: PaperRun, result: EpochResult) -> EpochResult:
    """A whole batch of gold stays hidden, but the receipt spares the gateway's bond."""
    gold = {row.item for row in run.gold_openings if row.epoch == 2}

    def change(one: Supplement) -> Supplement:
        kept = tuple(row for row in one.openings if row.item not in gold)
        return replace(one, gold=(), openings=kept)

    return with_supplement(run, result, change)


class _Silent(PaperRun):
    silent_about = ""

    def supplement(self, *, final: bool = False) -> Supplement:
        one = super().supplement(final=final)
        if self.silent_about == "seed":
            return replace(one, seed=ZERO32, openings=())
        return replace(one, gold=(), openings=())


def _silent_about(what: str) -> PaperRun:
    run = _Silent()
    run.silent_about = what
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    result = run.cut()
    assert result.receipt.bond_charge > 0
    run.claim(result)
    return run


@run_of("SEED-UNOPENED", "gateway")
def seed_hidden() -> PaperRun:
    """The gateway doesn't open the draw seed; operators charge its bond."""
    return _silent_about("seed")


@run_of("GOLD-UNOPENED", "gateway")
def gold_hidden() -> PaperRun:
    """The gateway doesn't open its gold; operators charge its bond."""
    return _silent_about("gold")
