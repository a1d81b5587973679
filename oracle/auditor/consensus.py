"""The verdict `consensus`: `decide` is run again, epoch by epoch, and must give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from oracle.auditor.codes import Severity
from oracle.auditor.published import CampaignContent, Published
from oracle.auditor.report import Findings, units
from oracle.errors import InputError, ProtocolFault
from oracle.evidence.hashing import ZERO32
from oracle.evidence.signing import checksum
from oracle.evidence.supplement import filing_of
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.ledger import Ledger, Secrets
from oracle.protocol.openings import cut_of, read_log
from oracle.protocol.resume import Settled, resume

Difference = tuple[str, str, str]  # code, place after the receipt's, sentence


def check_consensus(
    content: CampaignContent,
    found: Findings,
    since: int = 0,
    tell: Callable[[float], None] = lambda share: None,
) -> Iterator[EpochResult]:
    """Recompute every receipt of a campaign, and yield the results in order. Receipts of epochs
    before `since` are taken as they stand. `tell` is called with the share that is done.

    After a receipt that differs the next is judged on it as it stands: each receipt answers for
    itself. Where evidence breaks a rule that nobody may sign over, nothing can be built on it, and
    the campaign's later receipts stay unjudged.
    """
    settled: dict[bytes, EpochResult | None] = {ZERO32: None}
    differs = False
    known = [one for one in content.receipts if one.finalized and one.receipt.epoch < since]
    if known:
        trusted = Trusted(known)
        try:
            settled[known[-1].digest] = resume(content.campaign, trusted, known[-1].rows)
        except (ProtocolFault, InputError) as fault:
            found.cannot_tell("consensus", f"nothing builds on {known[-1].place}: {fault}")
            return
    for number, one in enumerate(content.receipts):
        tell(number / len(content.receipts))
        if one.receipt.epoch < since:
            continue
        if one.receipt.previous not in settled:
            found.cannot_tell("consensus", f"{one.place}: its predecessor wasn't judged")
            return
        previous = settled[one.receipt.previous]
        # What was voided nobody was paid from: the platform passed over it, as it should.
        severity = Severity.FAULT if one.voided else None
        try:
            result = decide(content.campaign, previous, one.rows, one.supplement, one.attempt)
        except ProtocolFault as fault:
            where = f"{one.place}, {fault.place}"
            found.add("consensus", fault.code, where, fault.message, severity)
            if one.voided:
                continue
            _report_log(content, one, previous, found)
            found.cannot_tell("consensus", f"{one.place} can't be recomputed")
            return
        except InputError as error:
            found.add("consensus", "LOG-SHORT", one.place, str(error), severity or Severity.FRAUD)
            if one.voided:
                continue
            return
        except (LookupError, ValueError, ArithmeticError) as error:
            if not differs:  # on evidence that the rules gave, this is a bug of ours
                raise
            found.cannot_tell("consensus", f"{one.place} builds on false evidence: {error!r}")
            return
        if not _reaches_cut(one, content.campaign, previous):
            sentence = "the gateway stopped its log there, or the operators left its end out"
            found.add("consensus", "LOG-SHORT", one.place, sentence, Severity.FAULT)
        found.checks += len(result.ledger.labels) + len(result.evidence.items)
        found.checks += len(result.evidence.leaves) + len(result.blocks) + len(one.rows)
        differences = list(_differences(one, result, content.campaign.manifest.classes))
        if one.receipt != result.receipt and not differences:
            sentence = "its evidence says the same in other blocks than the rules'"
            differences = [("EVIDENCE-BYTES", "", sentence)]
        differs = differs or bool(differences)
        for code, place, sentence in differences:
            found.add("consensus", code, f"{one.place}{place}", sentence, severity)
        counted = (severity or Severity.FRAUD) if differences else None
        _report_entries(one, result, previous, counted, found)
        _report_unopened(one, result, found)
        yield result
        # A ledger is as large as the log, and the next receipt builds its own.
        facts, manifest = content.campaign.facts, content.campaign.manifest
        empty = Ledger(manifest, facts, closed={}, secrets=result.secrets)
        if one.finalized:  # nothing builds on the others, or on what came before
            stands = replace(
                result, receipt=one.receipt, evidence=one.evidence, ledger=empty, blocks=()
            )
            settled = {ZERO32: None, one.digest: stands}
        del result, previous


class Trusted(Sequence[Settled]):
    """Receipts that are taken as they stand, each read when it is asked for."""

    def __init__(self, receipts: Sequence[Published]) -> None:
        self._receipts = receipts

    def __len__(self) -> int:
        return len(self._receipts)

    def __getitem__(self, number: int) -> Settled:  # type: ignore[override]
        one = self._receipts[number]
        return one.receipt, one.evidence, one.supplement


def _reaches_cut(one: Published, campaign: Campaign, previous: EpochResult | None) -> bool:
    """Say whether the log has the anchor that cuts a receipt's epoch."""
    epoch, final = one.supplement.epoch, one.supplement.final
    return cut_of(campaign, previous, epoch, final=final, rows=one.rows) is not None


def _report_entries(
    one: Published,
    result: EpochResult,
    previous: EpochResult | None,
    counted: Severity | None,
    found: Findings,
) -> None:
    """Entries that broke a rule; where the receipt differs from the rules, they were counted."""
    campaign = f"campaign {one.receipt.campaign}"
    for position, fault in (*result.rejected, *result.gateway_faults):
        severity = counted if _is_new(position, one, previous) else None
        place = f"{campaign}, {fault.place}"
        found.add("consensus", fault.code, place, fault.message, severity)
    for (epoch, code), count in result.ledger.leases.count_faults().items():
        if code not in ("SEED-UNOPENED", "GOLD-UNOPENED"):
            continue
        sentence = f"{count} items were leased in it; the gateway's bond pays their labels"
        new = previous is None or epoch > previous.receipt.epoch
        severity = counted if new else None
        found.add("consensus", code, f"{campaign}, epoch {epoch}", sentence, severity)


def _is_new(position: int, one: Published, previous: EpochResult | None) -> bool:
    """Whether a place in log or filings is one that this receipt is the first to cover."""
    filing = filing_of(position)
    if filing is not None:
        return filing[0] == one.supplement.epoch
    return previous is None or position > previous.receipt.log_position


def _report_unopened(one: Published, result: EpochResult, found: Findings) -> None:
    """Labels on closed items that nobody opened: nobody could, or somebody withheld them."""
    for label in result.ledger.labels.unopened(result.labels, list(result.closed)):
        if label.leased.fault is None:  # else it is paid from the bond, opened or not
            found.add(
                "consensus",
                "LABEL-UNOPENED",
                f"campaign {one.receipt.campaign}, log {label.position}/{label.index}, "
                f"item {label.item}, {checksum(label.contributor)}",
                "the item closed without it: who signed it may still hold what opens it",
            )


def _report_log(
    content: CampaignContent, one: Published, previous: EpochResult | None, found: Findings
) -> None:
    """Where `decide` refuses, the cause may be an entry that the receipt counted against the
    rules."""
    campaign = content.campaign
    secrets = previous.secrets if previous is not None else Secrets({}, {}, whole=False)
    try:
        ledger = read_log(campaign, previous, one.rows, one.supplement, secrets)
    except ProtocolFault:
        return  # the log's own break, or a filing's, is the fault that `decide` named
    for position, fault in ledger.rejected:
        place = f"campaign {one.receipt.campaign}, {fault.place}"
        severity = Severity.FRAUD if _is_new(position, one, previous) else None
        found.add("consensus", fault.code, place, fault.message, severity)


# -- what differs, causes first ----------------------------------------------------------------


def _differences(one: Published, result: EpochResult, classes: list[Any]) -> Iterator[Difference]:
    """Name what differs between a receipt and the recomputed one; what follows from it is left
    out."""
    said, must = one.receipt, result.receipt
    if said == must:
        # The digest in the receipt is the hash of the index, which names every shard by hash.
        return
    if (said.log_position, said.log_head, said.as_of) != (
        must.log_position,
        must.log_head,
        must.as_of,
    ):
        yield (
            "LOG-CUT",
            "",
            f"it is cut at entry {said.log_position} as of block {said.as_of}; the rules cut at "
            f"{must.log_position}, block {must.as_of}",
        )
    if said.previous != must.previous:
        yield "RECEIPT-ORDER", "", "it follows another receipt than the last finalized one"
    if said.attempt != must.attempt:
        yield "RECEIPT-ATTEMPT", "", f"it counts {said.attempt} voids, there were {must.attempt}"
    yield from _items(one, result, classes)
    yield from _contributors(one, result)
    if said.bond_charge != must.bond_charge:
        yield "BOND-CHARGE", "", f"it is {said.bond_charge}, the rules give {must.bond_charge}"
    leaves = list(_leaves(one, result))
    yield from leaves
    slashes = list(_slashes(one, result))
    yield from slashes
    if not slashes and said.slash_root != must.slash_root:
        yield "LEAVES-ROOT", "", "slashRoot isn't that of the slashes"
    if not leaves and said.fee_total != must.fee_total:
        yield "FEE-MISMATCH", "", f"it is {said.fee_total}, the rules give {must.fee_total}"
    terms = (said.next_reward, said.next_threshold)
    if terms != (must.next_reward, must.next_threshold):
        yield (
            "TERMS",
            "",
            f"next reward and threshold are {terms[0]} and {terms[1]}, the rules give "
            f"{must.next_reward} and {must.next_threshold}",
        )
    counts = (said.label_count, said.item_count, said.agreement)
    if counts != (must.label_count, must.item_count, must.agreement):
        yield (
            "COUNTS",
            "",
            f"labels, items and agreement are {counts}, the rules give "
            f"{(must.label_count, must.item_count, must.agreement)}",
        )
    if not leaves and said.payout_root != must.payout_root:
        yield "LEAVES-ROOT", "", "payoutRoot isn't that of the leaves"
    if not leaves and said.payout_total != must.payout_total:
        yield "PAYOUT-TOTAL", "", f"it is {said.payout_total}, the leaves give {must.payout_total}"


def _items(one: Published, result: EpochResult, classes: list[Any]) -> Iterator[Difference]:
    if one.evidence.items == result.evidence.items:
        return
    said = {row.item: row for row in one.evidence.items}
    must = {row.item: row for row in result.evidence.items}
    for item in sorted({*said, *must}):
        place = f", item {item}"
        if item not in must:
            yield "ITEM-MISSING", place, "it is said to be closed, by the rules it is open"
        elif item not in said:
            yield "ITEM-MISSING", place, "it has closed, but isn't in the evidence"
        elif said[item] != must[item]:
            answers = [
                classes[row.answer] if row.answer < len(classes) else f"class {row.answer}"
                for row in (said[item], must[item])
            ]
            yield (
                "ITEM-RESULT",
                place,
                f"the evidence says {answers[0]!r} with {max(said[item].posterior, default=0)} "
                f"ppm, the rules {answers[1]!r} with {max(must[item].posterior, default=0)} ppm",
            )


def _contributors(one: Published, result: EpochResult) -> Iterator[Difference]:
    said = {row.account: row for row in one.evidence.contributors}
    must = {row.account: row for row in result.evidence.contributors}
    for account in sorted({*said, *must}):
        if said.get(account) != must.get(account):
            names = _unlike(said.get(account), must.get(account))
            place = f", {checksum(account)}"
            yield "CONTRIBUTOR-RESULT", place, f"other figures than the rules give: {names}"


def _leaves(one: Published, result: EpochResult) -> Iterator[Difference]:
    said = {leaf.account: leaf for leaf in one.evidence.leaves}
    must = {leaf.account: leaf for leaf in result.evidence.leaves}
    for account in sorted({*said, *must}):
        place = f", {checksum(account)}"
        paid = said[account].cumulative if account in said else 0
        due = must[account].cumulative if account in must else 0
        sentence = f"the leaf is {units(paid)}, the rules give {units(due)}"
        if paid > due:
            yield "PAYOUT-PADDED", place, sentence
        elif account not in said:
            yield "PAYOUT-MISSING", place, f"there is no leaf, the rules give {units(due)}"
        elif paid < due:
            yield "PAYOUT-LOWERED", place, sentence
        elif said[account] != must.get(account):
            yield "LEAF-COUNTERS", place, "accepted or submitted labels aren't those judged"


def _slashes(one: Published, result: EpochResult) -> Iterator[Difference]:
    said = {leaf.account: leaf.cumulative for leaf in one.evidence.slashes}
    must = {leaf.account: leaf.cumulative for leaf in result.evidence.slashes}
    for account in sorted({*said, *must}):
        if said.get(account, 0) != must.get(account, 0):
            sentence = f"it is {said.get(account, 0)}, gold proves {must.get(account, 0)}"
            yield "SLASH-MISMATCH", f", {checksum(account)}", sentence


def _unlike(said: object, must: object) -> str:
    if said is None or must is None:
        return "the whole row"
    names: Iterable[str] = vars(said)
    return ", ".join(name for name in names if getattr(said, name) != getattr(must, name))
