"""Entries that break a rule: passed over by everybody, found by the auditor, each by its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.evidence import entries
from oracle.evidence.codec import DAG_CBOR, Block, decode_cbor, encode_cbor
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, sign
from oracle.evidence.supplement import Supplement
from oracle.protocol.decide import EpochResult
from tests.auditor.paper import NAMES, PaperRun, cheated_run
from tests.support.world import key_of

EXPERT = address_of(key_of("expert"))


def delegation(run: PaperRun, name: str = "late", **changes: object) -> entries.Delegation:
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


def lease(run: PaperRun, **changes: object) -> entries.Lease:
    """The lease that an honest gateway would give the expert now, and how it differs."""
    item = run.ledger.draw(EXPERT)[0]
    entry = entries.Lease(EXPERT, run.ledger.reward(), run.ledger.latest_expiry(), (item,))
    return replace(entry, **changes)  # type: ignore[arg-type]


def leased(run: PaperRun) -> int:
    return next(item for who, item in run.ledger.leases if who == EXPERT)


def consent(run: PaperRun) -> entries.Entry:
    return delegation(run, consent=b"\5" * 32)


def unsigned_delegation(run: PaperRun) -> entries.Entry:
    return replace(delegation(run), contributor=EXPERT)


def event_that_never_was(run: PaperRun) -> entries.Entry:
    return replace(delegation(run), source=1, signature=entries.NO_SIGNATURE)


def lower_generation(run: PaperRun) -> entries.Entry:
    run.delegate("late", generation=3)
    return delegation(run, generation=2)


def lease_to_a_stranger(run: PaperRun) -> entries.Entry:
    return lease(run, contributor=address_of(key_of("stranger")))


def lease_of_nothing(run: PaperRun) -> entries.Entry:
    return lease(run, items=())


def lease_twice(run: PaperRun) -> entries.Entry:
    return lease(run, items=(leased(run),))


def skip_without_lease(run: PaperRun) -> entries.Entry:
    return entries.Skip(address_of(key_of("stranger")), 1, 0)


def submission_without_lease(run: PaperRun) -> entries.Entry:
    free = next(item for item in run.truth if (EXPERT, item) not in run.ledger.leases)
    return run.submission("expert", [free], [0])[0]


def submission_of_one_item_twice(run: PaperRun) -> entries.Entry:
    return run.submission("expert", [leased(run)] * 2, [0, 1])[0]


def unknown_anchor(run: PaperRun) -> entries.Entry:
    return entries.Anchor(run.ledger.next_anchor(), b"\6" * 32)


def old_anchor(run: PaperRun) -> entries.Entry:
    anchor = run.ledger.anchor
    assert anchor is not None
    return entries.Anchor(anchor.number, anchor.hash)


def stranger_appeals(run: PaperRun) -> entries.Entry:
    entry = entries.Appeal(EXPERT, b"\1" * 32, 0, b"\2" * 32, entries.NO_SIGNATURE)
    digest = entry.struct(1).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of("stranger"), digest))


def stranger_adjudicates(run: PaperRun) -> entries.Entry:
    entry = entries.Adjudication(EXPERT, *[b"\1" * 32] * 3, entries.NO_SIGNATURE)
    digest = entry.struct(1).digest(run.facts.escrow_domain)
    return replace(entry, signature=sign(key_of("stranger"), digest))


def other_reward(run: PaperRun) -> entries.Entry:
    return lease(run, reward=run.ledger.reward() + 1)


def too_long_a_lease(run: PaperRun) -> entries.Entry:
    return lease(run, expiry=run.ledger.latest_expiry() + 1)


def newcomer_at_once(run: PaperRun) -> entries.Entry:
    run.delegate("late")
    return lease(run, contributor=address_of(key_of("late")))


BROKEN = {
    consent: "CONSENT",
    unsigned_delegation: "DELEGATION-SIGNATURE",
    event_that_never_was: "DELEGATION-SOURCE",
    lower_generation: "DELEGATION-REVOKED",
    lease_to_a_stranger: "LEASE-UNDELEGATED",
    lease_of_nothing: "LEASE-ITEMS",
    lease_twice: "LEASE-REPEATED",
    skip_without_lease: "SKIP-LEASE",
    submission_without_lease: "SUBMISSION-LEASE",
    submission_of_one_item_twice: "SUBMISSION-ITEMS",
    unknown_anchor: "ANCHOR-UNKNOWN",
    old_anchor: "ANCHOR-ORDER",
    stranger_appeals: "APPEAL-SIGNATURE",
    stranger_adjudicates: "ADJUDICATION-SIGNATURE",
    other_reward: "LEASE-REWARD",
    too_long_a_lease: "LEASE-EXPIRY",
    newcomer_at_once: "LEASE-EARLY",
}


@pytest.mark.parametrize("break_rule", BROKEN, ids=lambda one: one.__name__)
def test_audit__entry_breaks_a_rule__fault_by_its_code(
    break_rule: Callable[[PaperRun], entries.Entry], tmp_path: Path
) -> None:
    run = PaperRun()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for name in NAMES:
        run.work(name, 5, run.answer)
    run.pass_time(60)
    code = BROKEN[break_rule]
    # A lease that the gateway should not have given stands all the same: its labels are paid.
    stands = code in ("LEASE-REWARD", "LEASE-EXPIRY", "LEASE-EARLY")
    run.append(break_rule(run), check=stands)
    run.label(NAMES)
    run.cut()

    report = audit(run.write(tmp_path))

    assert [one.code for one in report.findings] == [code]
    assert report.findings[0].severity.text == "fault"
    assert (report.money, report.consensus) == ("verified", "findings")


def test_audit__bytes_that_are_no_entry__entry_format(tmp_path: Path) -> None:
    run = PaperRun()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    data = b"\x63junk"
    head = entries.next_head(run.rows[-1].head, keccak256(data))
    row = entries.LogRow(len(run.rows) + 1, data, keccak256(data), head, b"")
    digest = row.signed_head(1).digest(run.facts.escrow_domain)
    run.rows.append(replace(row, signature=sign(run.gateway_key, digest)))
    run.ledger.position, run.ledger.head = row.position, row.head
    run.label(NAMES)
    run.cut()

    report = audit(run.write(tmp_path))
    assert [one.code for one in report.findings] == ["ENTRY-FORMAT"]


def test_audit__index_names_one_shard_many_times__refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    def bomb(run: PaperRun, result: EpochResult) -> EpochResult:
        index = next(one for one in result.blocks if one.link.digest == result.receipt.evidence)
        fields = decode_cbor(index.data)
        fields["leaves"] = fields["leaves"] * 20_000
        block = Block(DAG_CBOR, encode_cbor(fields))
        receipt = replace(result.receipt, evidence=block.digest)
        return replace(result, receipt=receipt, blocks=(*result.blocks, block))

    report = audit(cheated_run(bomb).write(tmp_path))
    assert report.findings[0].code == "EVIDENCE-FORMAT"
    assert "twice" in report.findings[0].sentence


@pytest.mark.parametrize("missing", ["seed", "gold"])
def test_audit__gateway_opens_no_seed_or_gold__bond_pays_and_money_holds(
    missing: str, tmp_path: Path
) -> None:
    class Silent(PaperRun):
        def supplement(self, *, final: bool = False) -> Supplement:
            one = super().supplement(final=final)
            gold = {row.item for row in one.gold}
            if missing == "seed":
                return replace(one, seed=b"\0" * 32, openings=())
            openings = tuple(row for row in one.openings if row.item not in gold)
            return replace(one, gold=(), openings=() if gold else openings)

    run = Silent()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    result = run.cut()
    assert result.receipt.bond_charge > 0
    run.claim(result)

    report = audit(run.write(tmp_path))

    # No draw is blamed: as long as nobody shows what was gold, none can be checked.
    assert {one.code for one in report.findings} == {f"{missing.upper()}-UNOPENED"}
    assert report.findings[0].severity.text == "fault"
    assert report.money == "verified"
    assert report.campaigns[0].paid == result.receipt.bond_charge
