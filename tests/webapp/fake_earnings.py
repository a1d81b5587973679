"""What people earned on a platform in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from oracle.errors import InputError
from oracle.evidence import entries
from oracle.evidence.hashing import keccak256
from oracle.ports import (
    CampaignEarnings,
    ClaimedAll,
    Earnings,
    LabelRecord,
    ReceiptView,
)

if TYPE_CHECKING:
    from tests.webapp.fake_desk import FakeDesk

RECEIPT = ReceiptView(
    2, "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", b"\xd1" * 32
)


class FakeEarnings:
    """An `EarningsDesk` over a fake desk's one campaign: `outcomes` are answers found by item,
    `locked` base units in a posted receipt, `more` lines of other campaigns; what differs can be
    appealed until `appeal_until`."""

    page = 10

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk
        self.outcomes: dict[int, str] = {}
        self.appeal_until = int(desk.now()) + 86_400
        self.locked = 0
        self.more: list[CampaignEarnings] = []

    def overview(self, contributor: bytes) -> Earnings:
        status = self._desk.status(1, contributor)
        line = CampaignEarnings(
            campaign=1,
            title=self._desk.view.title,
            submitted=status.submitted,
            pending=status.pending,
            expected=status.pending * status.expected_reward,
            accepted=status.accepted,
            earned=status.earned,
            claimed=status.claimed,
            locked=self.locked,
            locked_until=int(self._desk.now()) + 600 if self.locked else None,
            wait_seconds=240,
            readable=True,
        )
        return Earnings(status.balance, (line, *self.more) if status.submitted else ())

    def claim_all(self, contributor: bytes) -> ClaimedAll:
        result = self._desk.claim(1, contributor)
        extra = sum(one.claimable for one in self.more)
        self.more = [replace(one, claimed=one.earned) for one in self.more]
        return ClaimedAll(
            (result.transaction,), 1 + len(self.more), result.amount + extra, result.balance + extra
        )

    def claim_call(self, contributor: bytes) -> bytes:
        if not self.overview(contributor).claimable:
            raise InputError("there is nothing to claim yet: pay comes when a round is finalized")
        return keccak256(b"claim_many")[:4] + contributor

    def history(
        self, campaign: int, contributor: bytes, before: int | None = None
    ) -> tuple[Sequence[LabelRecord], int | None]:
        self._desk.campaign(campaign)
        mine = [
            (row.position, row.entry)
            for row in self._desk.rows
            if isinstance(row.entry, entries.Submission)
            and row.entry.contributor == contributor
            and (before is None or row.position < before)
        ]
        shown = mine[-self.page :]
        records = [
            self._record(position, entry, index)
            for position, entry in reversed(shown)
            for index in range(len(entry.items))
        ]
        return records, shown[0][0] if len(mine) > len(shown) else None

    def _record(self, position: int, entry: entries.Submission, index: int) -> LabelRecord:
        item = entry.items[index]
        submission = entry.struct(1).digest(self._desk.domain)
        answer = str(self._desk.answers[entry.contributor, item])
        outcome = self.outcomes.get(item)
        status = "waiting" if outcome is None else "agreed" if outcome == answer else "differed"
        appeal = self._desk.appeals.view(submission, index, item)
        return LabelRecord(
            position=position,
            index=index,
            submission=submission,
            item=item,
            submitted_at=entry.submitted_at,
            reward=self._desk.view.reward,
            answer=answer,
            status=status,
            outcome=outcome,
            labels=3 if outcome else 0,
            receipt=RECEIPT if outcome else None,
            final_at=None,
            appeal=appeal,
            appeal_until=self.appeal_until if status == "differed" and appeal is None else None,
        )
