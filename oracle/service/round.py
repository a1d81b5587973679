"""One receipt's round: what a leader proposes, and when a peer signs it.

A peer refuses only for an input that breaks a rule, a log that doesn't extend the finalized one, or
something that it held in time and that was left out; that it hands over with the refusal. What it
signs it has derived itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from oracle.errors import DDLPError, FormatError, ProtocolFault, SignatureError
from oracle.evidence.campaign import label_salt
from oracle.evidence.entries import LogRow, Submission, decode_entry
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Proposal as ProposalStruct
from oracle.evidence.supplement import (
    GoldOpening,
    Opening,
    Supplement,
    filing_of,
    filing_position,
)
from oracle.ports import (
    Filing,
    LeaseCertificate,
    Missing,
    OpenedSubmission,
    Proposal,
)
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import Reading, decide, propose, read
from oracle.protocol.openings import cut_of, named_block, open_gold
from oracle.service.follower import submission_of

Reveal = tuple[bytes, tuple[GoldOpening, ...]]


@dataclass(frozen=True)
class Held:
    """What an operator brings to a round: `rows` as far as they were held in time, and what came
    beside them. `filings` and `opened` are by entry hash."""

    rows: Sequence[LogRow]
    filings: Mapping[bytes, Filing]
    opened: Mapping[bytes, OpenedSubmission]
    certificates: Mapping[bytes, LeaseCertificate]
    reveal: Reveal


class LeftOut(ProtocolFault):
    """A proposal lacks what this operator held in time; `missing` is it."""

    def __init__(self, code: str, place: str, message: str, missing: Missing) -> None:
        super().__init__(code, place, message)
        self.missing = missing


# -- the leader ------------------------------------------------------------------------------------


def lead(
    campaign: Campaign,
    previous: EpochResult | None,
    held: Held,
    *,
    epoch: int,
    attempt: int,
    round: int,
    final: bool,
    sign: Callable[[bytes], bytes],
) -> Proposal:
    """Propose cut and supplement from everything held."""
    rows = _to_cut(campaign, previous, held.rows, epoch, final)
    filings = tuple(held.filings[entry_hash].entry for entry_hash in sorted(held.filings))
    seed, gold = held.reveal
    supplement = Supplement(campaign.facts.campaign, epoch, final, seed, gold, filings, ())
    if filings:  # what the log has counts there; what doesn't count now may do so later
        refused = _refused_filings(campaign, previous, rows, supplement)
        kept = tuple(one for number, one in enumerate(filings) if number not in refused)
        supplement = replace(supplement, filings=kept)
    openings = openings_of(campaign, previous, rows, supplement, held.opened)
    supplement = propose(campaign, previous, rows, replace(supplement, openings=openings))
    unsigned = Proposal(
        campaign.facts.campaign,
        epoch,
        attempt,
        round,
        final,
        tuple(rows[_settled(previous) :]),
        supplement,
        b"",
    )
    return replace(unsigned, signature=sign(digest_of(unsigned, campaign, previous)))


def _to_cut(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    epoch: int,
    final: bool,
) -> Sequence[LogRow]:
    cut = cut_of(campaign, previous, epoch, final=final, rows=rows)
    return rows if cut is None else rows[: cut[0]]


def _settled(previous: EpochResult | None) -> int:
    return previous.receipt.log_position if previous is not None else 0


def digest_of(proposal: Proposal, campaign: Campaign, previous: EpochResult | None) -> bytes:
    """Return what a leader signs."""
    last = proposal.rows[-1] if proposal.rows else None
    if last is None and previous is not None:
        position, head = previous.receipt.log_position, previous.receipt.log_head
    else:
        position, head = (last.position, last.head) if last is not None else (0, ZERO32)
    struct = ProposalStruct(
        proposal.campaign,
        proposal.epoch,
        proposal.attempt,
        proposal.round,
        proposal.final,
        position,
        head,
        proposal.supplement.encode()[0].digest,
    )
    return struct.digest(campaign.facts.board_domain)


def leader_of(proposal: Proposal, campaign: Campaign, previous: EpochResult | None) -> bytes | None:
    """Return who signed a proposal; None where nobody can have."""
    try:
        return recover(digest_of(proposal, campaign, previous), proposal.signature)
    except (SignatureError, FormatError):
        return None


def openings_of(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
    opened: Mapping[bytes, OpenedSubmission],
) -> tuple[Opening, ...]:
    """Return the openings of every label in log and filings that `opened` has, except those that
    stand behind the last receipt on items that have closed."""
    closed = frozenset(previous.closed) if previous is not None else frozenset()
    settled = _settled(previous)
    found: list[Opening] = []
    for position, entry_hash, entry in _submissions(previous, rows, supplement):
        one = opened.get(entry_hash)
        filed = filing_of(position)
        new = position > settled if filed is None else filed[0] == supplement.epoch
        done = frozenset() if new else closed
        if one is None or done.issuperset(entry.items):
            continue
        found.extend(
            Opening(item, position, index, answer, label_salt(one.seed, index))
            for index, (item, answer) in enumerate(zip(entry.items, one.answers, strict=False))
            if item not in done
        )
    return tuple(sorted(found))


def _submissions(
    previous: EpochResult | None, rows: Sequence[LogRow], supplement: Supplement
) -> Iterable[tuple[int, bytes, Submission]]:
    """Yield every submission with its position and entry hash: of the log, then filed ones."""
    for row in rows:
        entry = submission_of(row)
        if entry is not None:
            yield row.position, row.entry_hash, entry
    filed = [(one.epoch, one.entries) for one in (previous.filings if previous is not None else ())]
    for epoch, entries in (*filed, (supplement.epoch, supplement.filings)):
        for number, data in enumerate(entries):
            try:
                filed_entry = decode_entry(data)
            except FormatError:
                continue
            if isinstance(filed_entry, Submission):
                yield filing_position(epoch, number), keccak256(data), filed_entry


# -- the peer --------------------------------------------------------------------------------------


def derive(
    campaign: Campaign, previous: EpochResult | None, held: Held, proposal: Proposal
) -> EpochResult:
    """Derive the receipt of a proposal, after looking for what it left out.

    Raises LeftOut with what is to be added, ProtocolFault or InputError where the inputs break a
    rule.
    """
    rows = [*held.rows[: _settled(previous)], *proposal.rows]
    supplement = proposal.supplement
    if (supplement.epoch, supplement.final) != (proposal.epoch, proposal.final):
        raise ProtocolFault("SUPPLEMENT", f"epoch {proposal.epoch}", "is of another epoch")
    _check_log(campaign, previous, held, proposal, rows)
    _check_certificates(campaign, previous, held, proposal, rows)
    _check_secrets(campaign, previous, held, supplement)
    _check_filings(campaign, previous, held, rows, supplement)
    reading = read(campaign, previous, rows, supplement)
    _check_openings(campaign, previous, held, rows, supplement, reading)
    return decide(campaign, previous, rows, supplement, proposal.attempt, reading)


def _check_log(
    campaign: Campaign,
    previous: EpochResult | None,
    held: Held,
    proposal: Proposal,
    rows: Sequence[LogRow],
) -> None:
    """A log that lacks the cut's anchor must be the longest that was held in time."""
    epoch, final = proposal.epoch, proposal.final
    cut = cut_of(campaign, previous, epoch, final=final, rows=rows)
    place = f"epoch {epoch}"
    if cut is not None:
        if cut[0] != len(rows):
            raise ProtocolFault("PROPOSAL-CUT", place, "the log goes on behind the cut")
        return
    ours = _to_cut(campaign, previous, held.rows, epoch, final)
    has_cut = cut_of(campaign, previous, epoch, final=final, rows=ours) is not None
    if has_cut or len(ours) > len(rows):
        raise LeftOut(
            "PROPOSAL-LOG",
            place,
            f"the log ends at {len(rows)}, ours goes on to {len(ours)}",
            Missing(rows=tuple(ours[_settled(previous) :])),
        )


def _check_certificates(
    campaign: Campaign,
    previous: EpochResult | None,
    held: Held,
    proposal: Proposal,
    rows: Sequence[LogRow],
) -> None:
    """A lease that a quorum confirmed must stand in the log that is signed, unless the log is cut
    before it."""
    epoch, final = proposal.epoch, proposal.final
    is_cut = cut_of(campaign, previous, epoch, final=final, rows=rows) is not None
    for one in held.certificates.values():
        row = one.row
        if row.position <= _settled(previous) or (is_cut and row.position > len(rows)):
            continue
        if not stands(one, rows):
            raise LeftOut(
                "PROPOSAL-LEASE",
                f"log {row.position}",
                "a lease that a quorum confirmed isn't in the log",
                Missing(rows=tuple(held.rows[_settled(previous) :]), certificates=(one,)),
            )


def stands(certificate: LeaseCertificate, rows: Sequence[LogRow]) -> bool:
    """Say whether a log has the lease where a quorum confirmed it."""
    row = certificate.row
    return row.position <= len(rows) and rows[row.position - 1].head == row.head


def _check_secrets(
    campaign: Campaign, previous: EpochResult | None, held: Held, supplement: Supplement
) -> None:
    seed, gold = held.reveal
    lacks_seed = supplement.seed == ZERO32 != seed
    if lacks_seed or set(gold) - set(supplement.gold):
        raise LeftOut(
            "PROPOSAL-SECRETS",
            f"epoch {supplement.epoch}",
            "the seed or gold that the gateway opened is left out",
            Missing(seed=seed, gold=gold),
        )


def _check_filings(
    campaign: Campaign,
    previous: EpochResult | None,
    held: Held,
    rows: Sequence[LogRow],
    supplement: Supplement,
) -> None:
    # What stands in the log may count for nothing there: it is left out only if it counts nowhere.
    known = {**_of_our_branch(held.rows, rows), **held.filings}
    left = sorted(set(known) - {keccak256(one) for one in supplement.filings})
    if not left:
        return
    ours = {keccak256(one): one for one in supplement.filings}
    ours.update((entry_hash, known[entry_hash].entry) for entry_hash in left)
    union = replace(
        supplement, filings=tuple(ours[entry_hash] for entry_hash in sorted(ours)), openings=()
    )
    refused = _refused_filings(campaign, previous, rows, union)
    numbers = {entry_hash: number for number, entry_hash in enumerate(sorted(ours))}
    counting = [entry_hash for entry_hash in left if numbers[entry_hash] not in refused]
    if counting:
        raise LeftOut(
            "PROPOSAL-FILING",
            f"filing {counting[0].hex()}",
            f"{len(counting)} filings that count are left out",
            Missing(
                filings=tuple(known[one] for one in counting),
                opened=tuple(held.opened[one] for one in counting if one in held.opened),
            ),
        )


def _refused_filings(
    campaign: Campaign,
    previous: EpochResult | None,
    rows: Sequence[LogRow],
    supplement: Supplement,
) -> set[int]:
    """Return the numbers of a supplement's filings that don't count at this cut."""
    reading = read(campaign, previous, rows, supplement)
    places = (filing_of(position) for position, _ in reading.ledger.rejected)
    return {place[1] for place in places if place is not None and place[0] == supplement.epoch}


def _of_our_branch(ours: Sequence[LogRow], rows: Sequence[LogRow]) -> dict[bytes, Filing]:
    """What our log has behind the place where a proposed one branches off, as filings."""
    for at, (one, other) in enumerate(zip(ours, rows, strict=False)):
        if one.head != other.head:
            return {
                row.entry_hash: Filing(row.data, b"")
                for row in ours[at:]
                if submission_of(row) is not None
            }
    return {}


def _check_openings(
    campaign: Campaign,
    previous: EpochResult | None,
    held: Held,
    rows: Sequence[LogRow],
    supplement: Supplement,
    reading: Reading,
) -> None:
    ours = openings_of(campaign, previous, rows, supplement, held.opened)
    union = replace(supplement, openings=tuple(sorted({*supplement.openings, *ours})))
    whole = propose(campaign, previous, rows, union, reading)
    omitted = set(whole.openings) - set(supplement.openings)
    if omitted:
        row = min(omitted)
        places = {one.position for one in omitted}
        raise LeftOut(
            "PROPOSAL-OMITS",
            f"opening {row.position}/{row.index}",
            f"{len(omitted)} openings of items that close are left out",
            Missing(
                opened=tuple(
                    held.opened[entry_hash]
                    for position, entry_hash, _ in _submissions(previous, rows, supplement)
                    if position in places
                )
            ),
        )


# -- secrets ---------------------------------------------------------------------------------------


def checked_reveal(
    campaign: Campaign, previous: EpochResult | None, epoch: int, final: bool, reveal: Reveal
) -> Reveal:
    """Return of a gateway's seed and gold what opens its commitments, whole batches not yet opened:
    what doesn't counts as not opened."""
    seed, gold = reveal
    retired = previous.secrets.batches if previous is not None else {}
    empty = Supplement(campaign.facts.campaign, epoch, final, ZERO32, (), (), ())

    def holds(part: Supplement) -> bool:
        try:
            open_gold(campaign, previous, part)
            part.encode()
        except (DDLPError, OverflowError, TypeError, AttributeError):
            return False
        return True

    kept: list[GoldOpening] = []
    for batch in sorted({row.epoch for row in gold} - set(retired)):
        rows = sorted(row for row in gold if row.epoch == batch)
        if holds(replace(empty, gold=(*kept, *rows))):
            kept.extend(rows)
    good_seed = isinstance(seed, bytes) and len(seed) == 32 and holds(replace(empty, seed=seed))
    return seed if good_seed else ZERO32, tuple(kept)


def due(
    campaign: Campaign, previous: EpochResult | None, rows: Sequence[LogRow], complete: bool
) -> tuple[int, bool] | None:
    """Return the epoch to cut next and whether it is final; None where nothing is to be cut yet.

    `complete` says that a final receipt left nothing owed. The chain's anchors tell, so that a log
    that stopped is cut too.
    """
    facts, bounded = campaign.facts, campaign.bounded
    if facts.closed is not None:
        if complete:
            return None
        cut = cut_of(campaign, previous, 0, final=True, rows=rows)
        block = cut[1] if cut is not None else named_block(campaign, previous, 0, final=True)
        return (bounded.epoch_at(block.timestamp), True) if block is not None else None
    newest = facts.newest_anchor
    if newest is None:
        return None
    epoch = bounded.epoch_at(newest.timestamp) - 1
    before = previous.receipt.epoch if previous is not None else 0
    return (epoch, False) if epoch > before else None
