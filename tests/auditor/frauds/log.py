"""The log: its chain of heads, who may say what in it, and what was published of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from oracle.auditor.codes import Severity
from oracle.evidence import entries
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import address_of, sign
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.ledger import Ledger
from tests.auditor.forge import resigned, with_log, with_supplement
from tests.auditor.frauds.catalogue import Options, folder, gateway, quorum, run_of, stage
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import key_of

EXPERT = address_of(key_of("expert"))


def delegation(run: PaperRun, name: str = "late", **changes: object) -> entries.Delegation:
    """A signed delegation of a newcomer, and how it differs."""
    entry = entries.Delegation(
        0,
        address_of(key_of(name)),
        address_of(key_of(f"{name} session 0")),
        0,
        2**40,
        run.manifest.consent,
        entries.NO_SIGNATURE,
    )
    entry = replace(entry, **changes)  # type: ignore[arg-type]
    digest = entry.struct(1).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of(name), digest))


def rechained(run: PaperRun, data: Sequence[bytes], *, first: int, before: bytes) -> list[LogRow]:
    """Rows that hold these entries, with heads that the gateway signs."""
    rows = []
    for position, one in enumerate(data, first):
        head = entries.next_head(before, keccak256(one))
        row = LogRow(position, one, keccak256(one), head, b"")
        digest = row.signed_head(1).digest(run.facts.escrow_domain)
        rows.append(replace(row, signature=sign(run.gateway_key, digest)))
        before = head
    return rows


def published(
    run: PaperRun, result: EpochResult, rows: Sequence[LogRow], head: bytes
) -> EpochResult:
    """Evidence that publishes these rows after `head`."""
    blocks = entries.encode_log(1, rows, before=head)
    evidence = replace(result.evidence, log=tuple(block.link for block in blocks))
    result = replace(result, blocks=(*result.blocks, *blocks))
    last = rows[-1]
    return resigned(run, result, evidence, log_position=last.position, log_head=last.head)


def _new_rows(run: PaperRun, result: EpochResult) -> list[LogRow]:
    return list(run.rows[run.results[0].receipt.log_position : result.receipt.log_position])


# -- entries that break a rule -----------------------------------------------------------------


@gateway("ENTRY-FORMAT")
def bytes_that_are_no_entry(run: PaperRun) -> None:
    """The gateway takes bytes into its log that are no entry."""
    rows = rechained(run, [b"\x63junk"], first=len(run.rows) + 1, before=run.rows[-1].head)
    run.rows += rows
    run.ledger.position, run.ledger.head = rows[0].position, rows[0].head


@run_of("CLOCK", "gateway")
def entry_before_the_first_anchor() -> PaperRun:
    """A delegation stands before the first anchor, where there is no time."""
    run = PaperRun()
    anchor = run.rows.pop()
    run.ledger = Ledger(run.manifest, run.facts, closed={}, secrets=run.ledger.secrets)
    run.append(delegation(run), check=False)
    run.append(anchor.entry)
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    run.cut()
    return run


@gateway("CONSENT")
def consent_to_other_terms(run: PaperRun) -> entries.Entry:
    """A delegation agrees to terms that aren't the campaign's."""
    return delegation(run, consent=b"\5" * 32)


@gateway("DELEGATION-SIGNATURE")
def delegation_of_somebody_else(run: PaperRun) -> entries.Entry:
    """A delegation is signed by another wallet than it names."""
    return replace(delegation(run), contributor=EXPERT)


@gateway("DELEGATION-SIGNATURE")
def delegation_for_another_campaign(run: PaperRun) -> entries.Entry:
    """A delegation that was signed for another campaign is used here."""
    entry = delegation(run)
    digest = entry.struct(2).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of("late"), digest))


@gateway("DELEGATION-SOURCE")
def event_that_never_was(run: PaperRun) -> entries.Entry:
    """A delegation refers to an event that the escrow didn't emit."""
    return replace(delegation(run), source=1, signature=entries.NO_SIGNATURE)


@gateway("DELEGATION-REVOKED")
def revoked_generation(run: PaperRun) -> entries.Entry:
    """A delegation of a generation comes back that its wallet had replaced."""
    run.delegate("late", generation=3)
    return delegation(run, generation=2)


@gateway("DELEGATION-EXPIRED")
def delegation_out_of_time(run: PaperRun) -> entries.Entry:
    """A delegation comes after the time until which it is valid."""
    return delegation(run, valid_until=1)


@gateway("DELEGATION-EXPIRED")
def submission_by_an_expired_key(run: PaperRun) -> entries.Entry:
    """A session key signs after its delegation has expired."""
    run.delegate("late", valid_until=run.ledger.anchor.timestamp + 200)
    run.pass_time(120)
    items = run.lease("late", 2)
    run.pass_time(120)
    return run.submission("late", items, [0] * len(items))[0]


@gateway("SUBMISSION-SIGNATURE")
def submission_by_a_revoked_key(run: PaperRun) -> entries.Entry:
    """A stolen session key signs after its wallet had revoked it."""
    run.delegate("late")
    run.pass_time(180)
    items = run.lease("late", 2)
    entry, _ = run.submission("late", items, [0] * len(items))
    run.delegate("late", generation=1)
    return entry


@gateway("SUBMISSION-SIGNATURE")
def submission_by_a_stranger(run: PaperRun) -> entries.Entry:
    """The gateway signs labels itself, in a contributor's name."""
    items = run.lease("expert", 2)
    return run.submission("expert", items, [0] * len(items), generation=7)[0]


@gateway("SUBMISSION-REPLAYED")
def submission_again(run: PaperRun) -> entries.Entry:
    """A submission is taken a second time."""
    return next(row.entry for row in run.rows if isinstance(row.entry, entries.Submission))


@gateway("SUBMISSION-LEASE")
def submission_without_lease(run: PaperRun) -> entries.Entry:
    """A contributor picks an item to label."""
    free = next(item for item in run.truth if (EXPERT, item) not in run.ledger.leases)
    return run.submission("expert", [free], [0])[0]


@gateway("SUBMISSION-ITEMS")
def one_item_twice(run: PaperRun) -> entries.Entry:
    """One submission labels an item twice."""
    item = next(item for who, item in run.ledger.leases if who == EXPERT)
    return run.submission("expert", [item] * 2, [0, 1])[0]


@gateway("SKIP-LEASE")
def skip_without_lease(run: PaperRun) -> entries.Entry:
    """An item is given back that was never lent."""
    return entries.Skip(address_of(key_of("stranger")), 1, 0)


@gateway("ANCHOR-UNKNOWN")
def anchor_of_no_block(run: PaperRun) -> entries.Entry:
    """An anchor names a block that isn't the chain's."""
    return entries.Anchor(run.ledger.next_anchor(), b"\6" * 32)


@gateway("ANCHOR-ORDER")
def anchor_again(run: PaperRun) -> entries.Entry:
    """An anchor stands twice, to turn back the clock."""
    anchor = run.ledger.anchor
    assert anchor is not None
    return entries.Anchor(anchor.number, anchor.hash)


@gateway("ANCHOR-SKIPPED")
def anchor_skipped(run: PaperRun) -> None:
    """The gateway skips an anchor, so that a lease outlives its time."""
    honest = run.append
    step, skipped = run.manifest.anchor_blocks, run.block // run.manifest.anchor_blocks + 1

    def append(entry: entries.Entry, *, check: bool = True) -> int:
        if isinstance(entry, entries.Anchor) and entry.block_number == skipped * step:
            return len(run.rows)
        return honest(entry, check=check)

    run.append = append  # type: ignore[method-assign]


@gateway("APPEAL-SIGNATURE")
def appeal_of_somebody_else(run: PaperRun) -> entries.Entry:
    """An appeal is signed by another account than it names."""
    entry = entries.Appeal(EXPERT, b"\1" * 32, 0, b"\2" * 32, entries.NO_SIGNATURE)
    digest = entry.struct(1).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of("stranger"), digest))


@gateway("ADJUDICATION-SIGNATURE")
def adjudication_of_somebody_else(run: PaperRun) -> entries.Entry:
    """An adjudication is signed by another account than the expert's."""
    entry = entries.Adjudication(EXPERT, *[b"\1" * 32] * 3, entries.NO_SIGNATURE)
    digest = entry.struct(1).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of("stranger"), digest))


# -- entries that break a rule, and count all the same -----------------------------------------


def _counted(run: PaperRun, entry: entries.Submission, openings: Sequence[object]) -> PaperRun:
    """The quorum opens, and so counts, labels that the rules pass over."""
    position = run.append(entry, check=False)
    rows = [replace(one, position=position) for one in openings]  # type: ignore[type-var]
    run.label(NAMES)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        def change(one: Supplement) -> Supplement:
            known = {row.item for row in one.openings}
            more = [row for row in rows if row.item in known]  # type: ignore[attr-defined]
            return replace(one, openings=tuple(sorted((*one.openings, *more))))

        return with_supplement(run, result, change)

    run.tamper = fraud
    run.cut()
    return run


@run_of("DELEGATION-EXPIRED", "quorum", severity=Severity.FRAUD)
def expired_labels_counted() -> PaperRun:
    """Labels of a key count whose delegation had expired."""
    run = stage("labeling")
    run.delegate("late", valid_until=run.ledger.anchor.timestamp + 200)
    run.pass_time(120)
    items = run.lease("late", 3)
    run.pass_time(120)
    entry, openings = run.submission("late", items, [0] * len(items))
    return _counted(run, entry, openings)


@run_of("SUBMISSION-REPLAYED", "quorum", severity=Severity.FRAUD)
def replayed_labels_counted() -> PaperRun:
    """A submission that stands twice in the log counts twice."""
    run = stage("labeling")
    row = next(one for one in run.rows if isinstance(one.entry, entries.Submission))
    openings = [one for place, one in sorted(run.held.items()) if place[0] == row.position]
    return _counted(run, row.entry, openings)


@run_of("SUBMISSION-SIGNATURE", "quorum", severity=Severity.FRAUD)
def revoked_labels_counted() -> PaperRun:
    """Labels of a revoked session key count."""
    run = stage("labeling")
    items = run.lease("expert", 3)
    entry, openings = run.submission("expert", items, [0] * len(items))
    run.delegate("expert", generation=1)
    names = [name for name in NAMES if name != "expert"]
    position = run.append(entry, check=False)
    rows = [replace(one, position=position) for one in openings]
    run.label(names)

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        return with_supplement(
            run, result, lambda one: replace(one, openings=tuple(sorted((*one.openings, *rows))))
        )

    run.tamper = fraud
    run.cut()
    return run


# -- the published log -------------------------------------------------------------------------


@quorum("LOG-SIGNATURE")
def entry_of_the_operators(run: PaperRun, result: EpochResult) -> EpochResult:
    """A head in the published log is signed by another key than the gateway's."""
    rows = list(run.rows[: result.receipt.log_position])
    digest = rows[-3].signed_head(1).digest(run.facts.escrow_domain)
    rows[-3] = replace(rows[-3], signature=sign(key_of("stranger"), digest))
    return with_log(run, result, rows)


@quorum("LOG-CUT")
def cut_later(run: PaperRun, result: EpochResult) -> EpochResult:
    """The log is cut after the anchor that the rules name, to take late labels in."""
    run.pass_time(120)
    return with_log(run, result, run.rows)


@quorum("LOG-SHORT")
def cut_too_early(run: PaperRun, result: EpochResult) -> EpochResult:
    """The log ends before the anchor that the rules name: it stopped, or its end is left out."""
    rows = run.rows[: result.receipt.log_position - 1]
    return decide(run.campaign, run.results[0], rows, run.supplement())


@quorum("LOG-HEAD")
def log_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """The evidence publishes no log for its epoch."""
    return resigned(run, result, replace(result.evidence, log=()))


@quorum("LOG-HEAD")
def another_head(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt's head isn't that of the log behind it."""
    return replace(result, receipt=replace(result.receipt, log_head=b"\1" * 32))


@quorum("LOG-CHAIN")
def entry_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """One entry is left out between two shards of the published log."""
    rows = _new_rows(run, result)
    first = entries.encode_log(1, rows[:4], before=run.results[0].receipt.log_head)
    second = entries.encode_log(1, rows[5:], before=rows[4].head)
    evidence = replace(result.evidence, log=tuple(one.link for one in (*first, *second)))
    return resigned(run, replace(result, blocks=(*result.blocks, *first, *second)), evidence)


@quorum("LOG-CHAIN")
def first_entry_left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """The published log begins one entry late."""
    rows = _new_rows(run, result)
    blocks = entries.encode_log(1, rows[1:], before=rows[0].head)
    evidence = replace(result.evidence, log=tuple(block.link for block in blocks))
    return resigned(run, replace(result, blocks=(*result.blocks, *blocks)), evidence)


@quorum("LOG-FORK")
def forked_after_the_last_receipt(run: PaperRun, result: EpochResult) -> EpochResult:
    """The log goes on from another head than the last finalized receipt's."""
    first = run.results[0].receipt.log_position + 1
    data = [row.data for row in _new_rows(run, result)]
    rows = rechained(run, data, first=first, before=b"\x0f" * 32)
    return published(run, result, rows, b"\x0f" * 32)


@quorum("LOG-FORK")
def forked_before_the_last_receipt(run: PaperRun, result: EpochResult) -> EpochResult:
    """The log is told anew from its start, without an entry that a finalized receipt covers."""
    data = [row.data for row in run.rows[: result.receipt.log_position]]
    del data[12]
    rows = rechained(run, data, first=1, before=ZERO32)
    return published(run, result, rows, ZERO32)


@quorum("EVIDENCE-BYTES")
def shards_cut_otherwise(run: PaperRun, result: EpochResult) -> EpochResult:
    """The log is published whole, but in other shards than the format's."""
    rows = _new_rows(run, result)
    first = entries.encode_log(1, rows[:4], before=run.results[0].receipt.log_head)
    second = entries.encode_log(1, rows[4:], before=rows[3].head)
    evidence = replace(result.evidence, log=tuple(one.link for one in (*first, *second)))
    return resigned(run, replace(result, blocks=(*result.blocks, *first, *second)), evidence)


@quorum("EVIDENCE-FORMAT")
def log_of_another_campaign(run: PaperRun, result: EpochResult) -> EpochResult:
    """The evidence names log shards of another campaign."""
    before = run.results[0].receipt.log_head
    blocks = entries.encode_log(2, _new_rows(run, result), before=before)
    evidence = replace(result.evidence, log=tuple(block.link for block in blocks))
    return resigned(run, replace(result, blocks=(*result.blocks, *blocks)), evidence)


# -- what only kept heads show -----------------------------------------------------------------


def _write_heads(directory: Path, rows: Sequence[LogRow], before: bytes) -> Options:
    lines = []
    for row in rows:
        head = {
            "campaign": 1,
            "position": row.position,
            "entry": "0x" + row.data.hex(),
            "before": "0x" + before.hex(),
            "head": "0x" + row.head.hex(),
            "signature": "0x" + row.signature.hex(),
        }
        lines.append(json.dumps(head))
        before = row.head
    path = directory / "heads.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return {"heads": path}


def _told_to_a_contributor(directory: Path) -> Options:
    """The head that the gateway gave for a submission which its log doesn't have."""
    run = stage("finished")
    at = run.results[0].receipt.log_position - 3
    entry, _ = run.submission("expert", [0], [1])
    before = run.rows[at - 1].head
    rows = rechained(run, [entries.encode_entry(entry)], first=at + 1, before=before)
    return _write_heads(directory, rows, before)


@folder("ENTRY-OMITTED")
def headed_submission_left_out(directory: Path) -> Options:
    """The gateway signed for a submission and told its log without it; a contributor kept the
    head."""
    return _told_to_a_contributor(directory)


@run_of("LABEL-UNOPENED", "quorum")
def labels_of_one_person_withheld() -> PaperRun:
    """All of one contributor's openings are withheld, so that they earn nothing."""
    run = stage("second cut")

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        theirs = {
            (label.position, label.index)
            for label in run.ledger.labels.values()
            if label.contributor == EXPERT
        }
        one = run.supplement()
        gold = {row.item for row in one.gold}
        items = [row.item for row in one.openings]
        kept = tuple(
            row
            for row in one.openings
            if (row.position, row.index) not in theirs
            or (row.item not in gold and items.count(row.item) < 5)
        )
        return decide(run.campaign, run.previous, run.rows, replace(one, openings=kept))

    run.tamper = fraud
    run.cut()
    return run
