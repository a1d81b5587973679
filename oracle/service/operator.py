"""One oracle operator: opens what was sealed to it, derives the receipt itself, and signs only
that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from oracle.errors import FormatError, ProtocolFault
from oracle.evidence.campaign import label_salt
from oracle.evidence.entries import LogRow, Submission
from oracle.evidence.signing import address_of, sign
from oracle.evidence.supplement import Opening, Supplement
from oracle.ports import CutSource
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide, propose

Unseal = Callable[[bytes], tuple[Sequence[bytes], bytes]]


@dataclass(frozen=True, repr=False)
class Operator:
    """An operator's keys: `signing_key` signs receipts, `unseal` opens an opening block that was
    sealed to it."""

    signing_key: bytes
    unseal: Unseal

    @property
    def address(self) -> bytes:
        """The 20-byte address that the ReceiptBoard lists."""
        return address_of(self.signing_key)

    def hold(
        self, source: CutSource, rows: Sequence[LogRow], done: frozenset[int]
    ) -> list[Opening]:
        """Open what the log's submissions sealed to this operator, except labels of items in
        `done`.

        A block that is missing or can't be opened counts as not held: its labels count only if a
        peer holds them.
        """
        held: list[Opening] = []
        for row in rows:
            if row.data[:1] != bytes([Submission.KIND]):
                continue
            entry = row.entry
            assert isinstance(entry, Submission)
            if done.issuperset(entry.items):
                continue
            block = source.opening_block(entry.opening)
            if block is None:
                continue
            try:
                answers, seed = self.unseal(block)
            except FormatError:
                continue
            held.extend(
                Opening(item, row.position, index, answer, label_salt(seed, index))
                for index, (item, answer) in enumerate(zip(entry.items, answers, strict=False))
                if item not in done
            )
        return sorted(held)

    def lead(
        self,
        campaign: Campaign,
        previous: EpochResult | None,
        rows: Sequence[LogRow],
        held: Supplement,
    ) -> Supplement:
        """Propose the supplement of a cut from everything held."""
        return propose(campaign, previous, rows, held)

    def endorse(
        self,
        campaign: Campaign,
        previous: EpochResult | None,
        rows: Sequence[LogRow],
        supplement: Supplement,
        held: Sequence[Opening],
    ) -> tuple[EpochResult, bytes]:
        """Derive the receipt of a proposed supplement and sign it; return the result and 65 bytes
        of signature.

        Raises ProtocolFault `PROPOSAL-OMITS` where an opening that this operator holds would close
        an item or belongs to one that closes, yet is left out, and whatever `decide` finds.
        """
        union = replace(supplement, openings=tuple(sorted({*supplement.openings, *held})))
        whole = propose(campaign, previous, rows, union)
        omitted = set(whole.openings) - set(supplement.openings)
        if omitted:
            row = min(omitted)
            raise ProtocolFault(
                "PROPOSAL-OMITS",
                f"opening {row.position}/{row.index}",
                f"{len(omitted)} openings of items that close are left out",
            )
        result = decide(campaign, previous, rows, supplement)
        digest = result.receipt.digest(campaign.facts.board_domain)
        return result, sign(self.signing_key, digest)
