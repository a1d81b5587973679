"""What people earned on a platform in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from oracle.errors import GatewayRefusal, InputError, SignatureError
from oracle.evidence import entries
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.signing import recover
from oracle.ports import (
    AppealView,
    CampaignEarnings,
    ClaimedAll,
    Earnings,
    LabelRecord,
    LoggedEntry,
    ReceiptView,
)

if TYPE_CHECKING:
    from tests.webapp.fake_desk import FakeDesk

REASONS = ("The answer that was found is wrong.", "The item wasn't shown as it should be.")
RECEIPT = ReceiptView(
    2, "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", b"\xd1" * 32
)


class FakeEarnings:
    """An `EarningsDesk` over a fake desk's one campaign: `outcomes` are answers found by item,
    `answered` experts' answers to appeals by item, `locked` base units in a posted receipt, `more`
    lines of other campaigns."""

    page = 10

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk
        self.outcomes: dict[int, str] = {}
        self.answered: dict[int, str] = {}
        self.locked = 0
        self.more: list[CampaignEarnings] = []

    @property
    def reasons(self) -> Mapping[bytes, str]:
        return {sha256(reason.encode()): reason for reason in REASONS}

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

    def appeal(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        if known := self._desk._find(entry):
            return known
        parsed = entries.decode_entry(entry)
        if not isinstance(parsed, entries.Appeal) or parsed.contributor != contributor:
            raise InputError("this is no appeal of yours: sign in with the wallet that signed it")
        if (
            recover(parsed.struct(campaign).digest(self._desk.domain), parsed.signature)
            != contributor
        ):
            raise SignatureError("the appeal is signed by another wallet: sign it again")
        records = [
            one
            for one in self.history(campaign, contributor)[0]
            if (one.submission, one.index) == (parsed.submission, parsed.index)
        ]
        if not records or not records[0].appealable:
            raise GatewayRefusal("APPEAL-LABEL", "this label can't be appealed: see your history")
        return self._desk._append(entry)

    def _record(self, position: int, entry: entries.Submission, index: int) -> LabelRecord:
        item = entry.items[index]
        submission = entry.struct(1).digest(self._desk.domain)
        answer = str(self._desk.answers[entry.contributor, item])
        outcome = self.outcomes.get(item)
        status = "waiting" if outcome is None else "agreed" if outcome == answer else "differed"
        appeal = next(
            (
                AppealView(
                    row.position,
                    self.reasons[row.entry.reason],
                    self.answered.get(item),
                    b"\xe1" * 20 if item in self.answered else None,
                )
                for row in self._desk.rows
                if isinstance(row.entry, entries.Appeal)
                and (row.entry.submission, row.entry.index) == (submission, index)
            ),
            None,
        )
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
            appealable=status == "differed" and appeal is None,
        )
