"""Appeals and their answers on a platform in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from oracle.errors import GatewayRefusal, InputError, SignatureError
from oracle.evidence import entries
from oracle.evidence.codec import encode_json
from oracle.evidence.hashing import sha256
from oracle.evidence.signing import recover
from oracle.ports import AppealCase, AppealView, LabelRecord, LoggedEntry

if TYPE_CHECKING:
    from tests.webapp.fake_desk import FakeDesk

REASONS = ("The answer that was found is wrong.", "The item wasn't shown as it should be.")
VERDICTS = ("The item shows it clearly.", "The guidelines decide it.")
EXPERT = b"\xe1" * 20


class FakeAppeals:
    """An `AppealsDesk` over a fake desk's one campaign."""

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk

    @property
    def reasons(self) -> Mapping[bytes, str]:
        return {sha256(reason.encode()): reason for reason in REASONS}

    @property
    def verdicts(self) -> Mapping[bytes, str]:
        return {sha256(verdict.encode()): verdict for verdict in VERDICTS}

    def choices(self, campaign: int) -> Mapping[bytes, str]:
        self._desk.campaign(campaign)
        return {sha256(encode_json(one)): one for one in self._desk.view.task["classes"]}

    def appeal(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        if known := self._desk._find(entry):
            return known
        parsed = entries.decode_entry(entry)
        if not isinstance(parsed, entries.Appeal) or parsed.contributor != contributor:
            raise InputError("the entry names another wallet than the one signed in: sign in")
        if parsed.reason not in self.reasons:
            raise GatewayRefusal("APPEAL-REASON", "this reason isn't known: choose one")
        label = self._label(parsed)
        if label is None or label.appeal_until is None:
            raise GatewayRefusal("APPEAL-LABEL", "this label can't be appealed: see your history")
        if self._desk.now() > label.appeal_until:
            raise GatewayRefusal("APPEAL-LATE", "its receipt has been final for too long")
        self._check_signature(parsed, contributor)
        return self._desk._append(entry)

    def waiting(self, campaign: int, expert: bytes) -> Sequence[AppealCase]:
        self._desk.campaign(campaign)
        self._desk.check_expert(campaign, expert)
        return [
            case
            for position, label, reason in self._open()
            if (case := self._case(position, label, reason))
            and label.item not in self._desk._account(expert).seen
        ]

    def answer(self, campaign: int, expert: bytes, entry: bytes) -> LoggedEntry:
        self._desk.campaign(campaign)
        parsed = entries.decode_entry(entry)
        if not isinstance(parsed, entries.Adjudication) or parsed.expert != expert:
            raise InputError("the entry names another wallet than the one signed in: sign in")
        self._desk.check_expert(campaign, expert)
        if known := self._desk._find(entry):
            return known
        if parsed.reason not in self.verdicts:
            raise GatewayRefusal("ADJUDICATION-REASON", "this reason isn't known: choose one")
        waiting = {self._desk.item_id(label.item): label.item for _, label, _ in self._open()}
        if parsed.item not in waiting:
            raise GatewayRefusal("ADJUDICATION-APPEAL", "no appeal about this item waits: reload")
        if parsed.answer_digest not in self.choices(campaign):
            raise GatewayRefusal("ADJUDICATION-ANSWER", "no class has this digest")
        account = self._desk._account(expert)
        if not account.session_keys or waiting[parsed.item] in account.seen:
            raise GatewayRefusal("ADJUDICATION-EXPERT", "leave this item to others")
        self._check_signature(parsed, expert)
        return self._desk._append(entry)

    def settle(self, item: int, answer: str) -> None:
        """Let an expert answer what is open about an item."""
        digest, reason = sha256(encode_json(answer)), sha256(VERDICTS[0].encode())
        entry = entries.Adjudication(
            EXPERT, self._desk.item_id(item), digest, reason, entries.NO_SIGNATURE
        )
        self._desk._append(entries.encode_entry(entry))

    def view(self, submission: bytes, index: int, item: int) -> AppealView | None:
        """What became of an appeal of a label."""
        for row in self._desk.rows:
            appeal = row.entry
            if not isinstance(appeal, entries.Appeal):
                continue
            if (appeal.submission, appeal.index) == (submission, index):
                answer = self._answer(self._desk.item_id(item), row.position)
                return AppealView(
                    row.position,
                    self.reasons[appeal.reason],
                    self.choices(1)[answer.answer_digest] if answer else None,
                    self.verdicts[answer.reason] if answer else None,
                    answer.expert if answer else None,
                )
        return None

    def _open(self) -> list[tuple[int, LabelRecord, str]]:
        found = []
        for row in self._desk.rows:
            if isinstance(row.entry, entries.Appeal):
                label = self._label(row.entry)
                item = label.item if label is not None else -1
                if label and self._answer(self._desk.item_id(item), row.position) is None:
                    found.append((row.position, label, self.reasons[row.entry.reason]))
        return found

    def _case(self, position: int, label: LabelRecord, reason: str) -> AppealCase:
        given = Counter(
            str(answer) for (_, item), answer in self._desk.answers.items() if item == label.item
        )
        answers = tuple(sorted(given.items(), key=lambda pair: (-pair[1], pair[0])))
        item_id = self._desk.item_id(label.item)
        outcome = label.outcome or ""
        return AppealCase(position, label.item, item_id, reason, label.answer, outcome, answers)

    def _label(self, appeal: entries.Appeal) -> LabelRecord | None:
        records, _ = self._desk.earnings.history(1, appeal.contributor)
        wanted = appeal.submission, appeal.index
        return next((one for one in records if (one.submission, one.index) == wanted), None)

    def _answer(self, item: bytes, position: int) -> entries.Adjudication | None:
        for row in self._desk.rows[position:]:
            if isinstance(row.entry, entries.Adjudication) and row.entry.item == item:
                return row.entry
        return None

    def _check_signature(self, entry: entries.Appeal | entries.Adjudication, signer: bytes) -> None:
        digest = entry.struct(1).digest(self._desk.domain)
        try:
            found = recover(digest, entry.signature)
        except SignatureError:
            found = b""
        if found != signer:
            kind = "APPEAL" if isinstance(entry, entries.Appeal) else "ADJUDICATION"
            raise GatewayRefusal(f"{kind}-SIGNATURE", "sign with the wallet that it names")
