"""Labels opened, and filings: what the supplement brings into a cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oracle.auditor.codes import Severity
from oracle.evidence import entries
from oracle.evidence.codec import DAG_CBOR, Block, decode_cbor, encode_cbor
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of
from oracle.evidence.supplement import Opening, Supplement, filing_position
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from tests.auditor.forge import resigned, with_supplement
from tests.auditor.frauds.catalogue import quorum, run_of, stage
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import key_of

Openings = tuple[Opening, ...]


def _with_openings(
    run: PaperRun, result: EpochResult, change: Callable[[Openings], Openings]
) -> EpochResult:
    return with_supplement(
        run, result, lambda one: replace(one, openings=tuple(sorted(change(one.openings))))
    )


def redecided(
    run: PaperRun, change: Callable[[Supplement], Supplement], *, final: bool = False
) -> EpochResult:
    """What the rules give for another supplement: nothing else is wrong with it."""
    return decide(run.campaign, run.previous, run.rows, change(run.supplement(final=final)))


@quorum("OPENING-COMMITMENT")
def another_answer(run: PaperRun, result: EpochResult) -> EpochResult:
    """A label is opened to an answer that its contributor didn't sign."""

    def change(rows: Openings) -> Openings:
        answer = b'"1"' if rows[0].answer != b'"1"' else b'"2"'
        return (replace(rows[0], answer=answer), *rows[1:])

    return _with_openings(run, result, change)


@quorum("OPENING-COMMITMENT")
def answer_of_another_contributor(run: PaperRun, result: EpochResult) -> EpochResult:
    """A label is opened by the answer and salt of another contributor on the same item."""

    def change(rows: Openings) -> Openings:
        first = rows[0]
        other = next(row for row in rows[1:] if row.item == first.item)
        return (replace(first, answer=other.answer, salt=other.salt), *rows[1:])

    return _with_openings(run, result, change)


@quorum("OPENING-LABEL")
def place_of_another_label(run: PaperRun, result: EpochResult) -> EpochResult:
    """An opening points at a submission that labels other items."""

    def change(rows: Openings) -> Openings:
        other = next(row for row in rows if row.item != rows[0].item)
        return (replace(rows[0], position=other.position, index=other.index), *rows[1:])

    return _with_openings(run, result, change)


@quorum("OPENING-LABEL")
def label_out_of_nowhere(run: PaperRun, result: EpochResult) -> EpochResult:
    """An opening points at an entry of the log that is no submission."""
    return _with_openings(run, result, lambda rows: (replace(rows[0], position=1), *rows))


@quorum("OPENING-ANSWER")
def answer_of_no_class(run: PaperRun, result: EpochResult) -> EpochResult:
    """A label is opened to an answer that is none of the classes."""
    return _with_openings(run, result, lambda rows: (replace(rows[0], answer=b'"ten"'), *rows[1:]))


@quorum("OPENING-CLOSED")
def label_of_a_closed_item(run: PaperRun, result: EpochResult) -> EpochResult:
    """A label is opened for an item that an earlier receipt has closed."""
    closed = run.results[0].closed
    row = next(row for row in run.held.values() if row.item in closed)
    return _with_openings(run, result, lambda rows: (*rows, row))


@run_of("ITEM-OPEN", "quorum")
def item_opened_too_early() -> PaperRun:
    """An item is opened with fewer labels than the minimum, so that a friend's answer stands."""
    run = stage("delegated")
    run.label(NAMES[:2], rounds=1)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        gold = set(result.gold)
        item = next(row.item for row in run.held.values() if row.item not in gold)
        rows = tuple(row for row in run.held.values() if row.item == item)
        return _with_openings(run, result, lambda known: (*known, *rows))

    run.tamper = fraud
    run.cut()
    return run


@quorum("EVIDENCE-FORMAT")
def label_opened_twice(run: PaperRun, result: EpochResult) -> EpochResult:
    """One label is listed twice, to count twice."""
    links = {block.link: block for block in result.blocks}
    index = decode_cbor(links[result.evidence.supplement].data)
    index["openings"] = index["openings"] * 2
    block = Block(DAG_CBOR, encode_cbor(index))
    evidence = replace(result.evidence, supplement=block.link)
    return resigned(run, replace(result, blocks=(*result.blocks, block)), evidence)


@quorum("LABEL-UNOPENED")
def label_withheld(run: PaperRun, result: EpochResult) -> EpochResult:
    """Operators withhold one label's opening: no rule says who could have opened it."""

    def change(one: Supplement) -> Supplement:
        rows = one.openings
        counts = [row.item for row in rows]
        gold = {row.item for row in one.gold}
        left_out = next(row for row in rows if counts.count(row.item) > 3 or row.item in gold)
        return replace(one, openings=tuple(row for row in rows if row != left_out))

    return redecided(run, change)


# -- the supplement as a whole -----------------------------------------------------------------


@quorum("SUPPLEMENT")
def supplement_of_another_campaign(run: PaperRun, result: EpochResult) -> EpochResult:
    """The supplement names another campaign."""
    return with_supplement(run, result, lambda one: replace(one, campaign=2))


@quorum("SUPPLEMENT")
def supplement_of_another_epoch(run: PaperRun, result: EpochResult) -> EpochResult:
    """The supplement names another epoch than its receipt."""
    return with_supplement(run, result, lambda one: replace(one, epoch=3))


@quorum("SUPPLEMENT")
def supplement_of_the_end(run: PaperRun, result: EpochResult) -> EpochResult:
    """The supplement of an ordinary epoch says that it is the final one."""
    return with_supplement(run, result, lambda one: replace(one, final=True))


# -- filings -----------------------------------------------------------------------------------


def _filed(*filings: bytes) -> Callable[[Supplement], Supplement]:
    return lambda one: replace(one, filings=tuple(sorted(filings, key=keccak256)))


@quorum("FILING")
def filing_of_a_lease(run: PaperRun, result: EpochResult) -> EpochResult:
    """A lease that the gateway never gave comes in as a filing."""
    account = address_of(key_of("friend"))
    lease = entries.Lease(account, run.manifest.reward, 2**40, (0, 1, 2))
    return with_supplement(run, result, _filed(entries.encode_entry(lease)))


@quorum("FILING")
def filing_of_nothing(run: PaperRun, result: EpochResult) -> EpochResult:
    """A filing holds bytes that are no entry."""
    return with_supplement(run, result, _filed(b"\x63junk"))


@run_of("SUBMISSION-REPLAYED", "quorum")
def filing_replays_the_log() -> PaperRun:
    """A submission of the log is filed once more; the rules pass over it."""
    run = stage("second cut")
    row = next(one for one in run.rows if isinstance(one.entry, entries.Submission))
    run.tamper = lambda run, result: redecided(run, _filed(row.data))
    run.cut()
    return run


@quorum("SUBMISSION-REPLAYED", severity=Severity.FRAUD)
def filing_replayed_and_counted(run: PaperRun, result: EpochResult) -> EpochResult:
    """A submission of the log is filed once more, and its labels are opened a second time."""
    closing = result.evidence.items
    row = next(
        one
        for one in run.rows[run.results[0].receipt.log_position :]
        if isinstance(one.entry, entries.Submission)
        and any(item.item in one.entry.items and item.epoch == 2 for item in closing)
    )

    def change(one: Supplement) -> Supplement:
        again = [opening for opening in one.openings if opening.position == row.position]
        more = [replace(opening, position=filing_position(2, 0)) for opening in again]
        return _filed(row.data)(replace(one, openings=tuple(sorted((*one.openings, *more)))))

    return with_supplement(run, result, change)


@quorum("SUBMISSION-LEASE", severity=Severity.FRAUD)
def filing_without_lease(run: PaperRun, result: EpochResult) -> EpochResult:
    """Labels on items that a contributor never leased come in as a filing, and are opened."""
    account = address_of(key_of("expert"))
    item = next(
        row.item
        for row in result.evidence.items
        if row.epoch == 2 and (account, row.item) not in run.ledger.leases
    )
    entry, openings = run.submission("expert", [item], [run.truth[item]])
    filed = replace(openings[0], position=filing_position(2, 0))

    def change(one: Supplement) -> Supplement:
        rows = tuple(sorted((*one.openings, filed)))
        return _filed(entries.encode_entry(entry))(replace(one, openings=rows))

    return with_supplement(run, result, change)


@run_of("SUBMISSION-SIGNATURE", "quorum", severity=Severity.FRAUD)
def filing_forged() -> PaperRun:
    """Operators file labels in the name of somebody who didn't answer in time."""
    run = stage("delegated")
    run.label(NAMES, rounds=2)
    account = address_of(key_of("expert"))

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        item = next(
            row.item
            for row in result.evidence.items
            if (account, row.item) not in run.ledger.leases
        )
        entry, openings = run.submission("expert", [item], [0], generation=7)
        row = replace(openings[0], position=filing_position(1, 0))

        def change(one: Supplement) -> Supplement:
            rows = tuple(sorted((*one.openings, row)))
            return _filed(entries.encode_entry(entry))(replace(one, openings=rows))

        return with_supplement(run, result, change)

    run.tamper = fraud
    run.cut()
    return run
