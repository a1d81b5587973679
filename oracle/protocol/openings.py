"""What a cut reads and opens: the log up to its anchor, filings, draw seed, gold and labels.

Every check here is one that no honest operator signs over; each has a code of its own.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from oracle.errors import InputError, ProtocolFault
from oracle.evidence.campaign import commit_label, earlier_seed
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import ZERO32, sha256
from oracle.evidence.supplement import Opening, Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.columns import Distinct, OpenLabels
from oracle.protocol.facts import Block
from oracle.protocol.ledger import Filings, Ledger, Secrets


def cut_of(
    campaign: Campaign,
    previous: EpochResult | None,
    epoch: int,
    *,
    final: bool,
    rows: Sequence[LogRow],
) -> tuple[int, Block] | None:
    """Return the position and block of the anchor that cuts `epoch`, None while the log lacks it.

    An epoch is cut at the first anchor at or after its end; the final one at the first after close
    plus the longest lease; a further final one at the end of the last receipt's epoch.
    """
    named = cut_time(campaign, previous, epoch, final=final)
    if named is None:
        return None
    # The last receipt's cut ended its own epoch, at the latest: the next one stands behind it.
    settled = previous.receipt.log_position if previous is not None else 0
    for row in islice(rows, settled, None):
        if row.data[:1] == b"\x07":
            anchor = campaign.facts.anchors.get(int.from_bytes(row.data[1:9], "big"))
            # Another hash names no block of this chain: the ledger skips such an anchor too.
            if anchor is not None and anchor.timestamp >= named and anchor.hash == row.data[9:41]:
                return row.position, anchor
    return None


def named_block(
    campaign: Campaign, previous: EpochResult | None, epoch: int, *, final: bool
) -> Block | None:
    """Return the block that cuts `epoch`, whether or not the log has it: the chain's first anchor
    at or after the time of the cut. None while the chain hasn't come there."""
    named = cut_time(campaign, previous, epoch, final=final)
    if named is None:
        return None
    return campaign.facts.first_anchor(named)


def cut_time(
    campaign: Campaign, previous: EpochResult | None, epoch: int, *, final: bool
) -> int | None:
    """Return the time from which on an anchor cuts `epoch`; None for a final cut of an open
    campaign."""
    facts, bounded = campaign.facts, campaign.bounded
    if not final:
        return bounded.boundary(epoch)
    if facts.closed is None:
        return None
    named = facts.closed.timestamp + campaign.manifest.lease_seconds
    if previous is not None and previous.receipt.final:
        named = max(named, bounded.boundary(previous.receipt.epoch))
    return named


def rows_to_cut(
    campaign: Campaign,
    previous: EpochResult | None,
    log: Sequence[LogRow],
    supplement: Supplement,
    place: str,
) -> tuple[Sequence[LogRow], Block]:
    """Return the log up to the cut, and the cut's block.

    A log that lacks the cut's anchor is cut where it ends, as at the block that cuts the epoch.
    ProtocolFault `LOG-FORK` where it doesn't extend the last receipt's log, InputError where the
    chain hasn't come to the cut, or there is no log at all.
    """
    epoch, final = supplement.epoch, supplement.final
    cut = cut_of(campaign, previous, epoch, final=final, rows=log)
    anchor = cut[1] if cut is not None else named_block(campaign, previous, epoch, final=final)
    if anchor is None or not len(log):
        raise InputError(f"{place}: the chain or the log isn't at its cut yet: follow them further")
    rows = log[: cut[0]] if cut is not None else log
    if previous is not None:
        at = previous.receipt.log_position
        if len(rows) < at or (at and rows[at - 1].head != previous.receipt.log_head):
            raise ProtocolFault(
                "LOG-FORK", place, "the log doesn't extend the last finalized logHead"
            )
    return rows, anchor


def check_epoch(
    ledger: Ledger, supplement: Supplement, previous: EpochResult | None, place: str
) -> None:
    """Refuse a supplement that names another epoch than the newest one that its cut covers."""
    before = previous.receipt.epoch if previous is not None else 0
    newest = ledger.epoch - (0 if supplement.final else 1)
    if supplement.epoch <= before or supplement.epoch != newest:
        raise ProtocolFault(
            "EPOCH",
            place,
            f"the newest epoch that this cut covers is {newest}, the last receipt's {before}",
        )


def read_log(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
    secrets: Secrets,
) -> Ledger:
    """Apply the log up to the cut, then the filings; mark what an unopened seed or batch
    touches."""
    closed = previous.closed if previous is not None else {}
    cuts = previous.cuts if previous is not None else ()
    ledger = Ledger(campaign.manifest, campaign.facts, closed=closed, secrets=secrets, cuts=cuts)
    ledger.read(rows)
    named = named_block(campaign, previous, supplement.epoch, final=supplement.final)
    if named is not None:
        ledger.cut(named, all_filings(previous, supplement)[-1])
    ledger.count_filed()
    _mark_unopened(ledger, supplement, secrets)
    return ledger


def all_filings(previous: EpochResult | None, supplement: Supplement) -> tuple[Filings, ...]:
    """Return the campaign's filings so far, those of this supplement last."""
    after = previous.receipt.epoch if previous is not None else 0
    earlier = previous.filings if previous is not None else ()
    return (*earlier, Filings(supplement.epoch, after, supplement.filings))


def _mark_unopened(ledger: Ledger, supplement: Supplement, secrets: Secrets) -> None:
    """An epoch whose seed or gold stays unopened: every label leased in it is the bond's."""
    if ledger.manifest.assignment == "given":
        return
    for epoch in ledger.leases.epochs():
        if epoch > supplement.epoch:
            continue
        if epoch not in secrets.seeds:
            ledger.leases.mark(epoch, "SEED-UNOPENED")
        elif secrets.batch(epoch) is None:
            ledger.leases.mark(epoch, "GOLD-UNOPENED")


def open_gold(
    campaign: Campaign, previous: EpochResult | None, supplement: Supplement
) -> tuple[dict[int, bytes], Secrets]:
    """Check the seed and the opened gold; return all known gold (item -> answer) and secrets."""
    manifest = campaign.manifest
    place = f"epoch {supplement.epoch}"
    gold: dict[int, bytes] = dict(previous.gold) if previous is not None else {}
    seeds = dict(previous.secrets.seeds) if previous is not None else {}
    batches = dict(previous.secrets.batches) if previous is not None else {}
    first = previous.receipt.epoch + 1 if previous is not None else 1

    if supplement.seed != ZERO32:
        if earlier_seed(supplement.seed, supplement.epoch) != manifest.draw_seed:
            raise ProtocolFault("DRAW-SEED", place, "the seed is not of the manifest's chain")
        seed = supplement.seed
        for epoch in range(supplement.epoch, first - 1, -1):
            seeds[epoch] = seed
            seed = sha256(seed)

    opened: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in supplement.gold:
        where = f"gold {row.epoch}/{row.index}"
        if not 1 <= row.epoch <= len(campaign.gold) or row.epoch in batches:
            raise ProtocolFault("GOLD-BATCH", where, "is of no batch, or of one opened before")
        if row.epoch > supplement.epoch and not supplement.final:
            raise ProtocolFault("GOLD-BATCH", where, "opens a batch before its epoch")
        batch = campaign.gold[row.epoch - 1]
        known = row.index < len(batch) and row.item < manifest.item_count
        if not known or not manifest.allows(row.answer):
            raise ProtocolFault("GOLD-OPENING", where, "names no gold item or no answer")
        commitment = commit_label(campaign.item_ids[row.item], sha256(row.answer), row.salt)
        if commitment != batch[row.index] or row.item in gold:
            raise ProtocolFault("GOLD-OPENING", where, "doesn't open its commitment")
        opened[row.epoch][row.index] = row.item
        gold[row.item] = row.answer
    for epoch, places in opened.items():
        if len(places) != len(campaign.gold[epoch - 1]):
            raise ProtocolFault(
                "GOLD-PARTIAL", f"gold {epoch}", "a batch opens whole or not at all"
            )
        batches[epoch] = tuple(places[index] for index in range(len(places)))
    for epoch, batch in enumerate(campaign.gold, 1):
        if not batch:
            batches.setdefault(epoch, ())
    whole = len(gold) == manifest.gold_count
    return gold, Secrets(seeds, batches, whole, gold_epochs=len(campaign.gold))


def open_labels(
    campaign: Campaign,
    ledger: Ledger,
    previous: EpochResult | None,
    supplement: Supplement,
    gold: Mapping[int, bytes],
) -> OpenLabels:
    """Check the supplement's openings; return every label opened so far."""
    closed_before = previous.closed if previous is not None else {}
    for row in supplement.openings:
        if not may_open(ledger, row, closed_before):
            place = f"opening {row.position}/{row.index}"
            raise ProtocolFault("OPENING-CLOSED", place, f"item {row.item} has closed before")
    opened = check_openings(campaign, ledger, supplement.openings)
    return previous.labels.and_more(opened) if previous is not None else opened


def may_open(ledger: Ledger, row: Opening, closed_before: Mapping[int, int]) -> bool:
    """Say whether an opening's item is open, or closed before the label was leased.

    Such a lease is nobody's fault: where labels are filed, who leases can't know that an item has
    enough of them. The label is judged with the item's others.
    """
    if row.item not in closed_before:
        return True
    label = ledger.labels.find(row.position, row.index)
    return label >= 0 and ledger.labels.row(label).leased.epoch > closed_before[row.item]


def check_openings(campaign: Campaign, ledger: Ledger, openings: Iterable[Opening]) -> OpenLabels:
    """Return the labels that `openings` open; ProtocolFault for the first that opens none."""
    measured = campaign.manifest.task.measured
    class_numbers = campaign.manifest.class_numbers
    labels, classes, texts = array("I"), array("I"), Distinct[bytes]()
    for row in openings:
        fault = why_not_opened(campaign, ledger, row)
        if fault is not None:
            raise fault
        labels.append(ledger.labels.find(row.position, row.index))
        classes.append(texts.number(row.answer) if measured else class_numbers[row.answer])
    return ledger.labels.opened(np.asarray(labels), np.asarray(classes), texts.values)


def why_not_opened(campaign: Campaign, ledger: Ledger, row: Opening) -> ProtocolFault | None:
    """Say why an opening opens no label that counts; None where it does."""
    place = f"opening {row.position}/{row.index}"
    label = ledger.labels.find(row.position, row.index)
    if label < 0 or ledger.labels.item(label) != row.item:
        return ProtocolFault("OPENING-LABEL", place, "opens no label that counts")
    if not campaign.manifest.allows(row.answer):
        return ProtocolFault("OPENING-ANSWER", place, "the answer is none of the task's")
    digest = campaign.manifest.answer_digest(row.answer)
    if commit_label(campaign.item_ids[row.item], digest, row.salt) != ledger.labels.commitment(
        label
    ):
        return ProtocolFault("OPENING-COMMITMENT", place, "doesn't open the signed commitment")
    return None
