"""What became of labels, by finalized receipts; and what people object to them in the log."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from oracle.evidence import entries as log
from oracle.evidence.codec import DAG_CBOR, Link, decode_json
from oracle.evidence.entries import decode_entry
from oracle.evidence.hashing import sha256
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import AMBIGUOUS, Evidence, ItemResult
from oracle.evidence.structs import Receipt
from oracle.gateway.gateway import Gateway
from oracle.gateway.receipts import Receipts
from oracle.ports import AppealView, LabelRecord, LabelStore, ReceiptView, StoredSubmission
from oracle.protocol.facts import Settlement

# What an appeal may say, and what an expert's answer. The log is public for good, so it takes no
# words of a person's own: it holds the SHA-256 of one of these.
REASONS = (
    "The answer that was found is wrong.",
    "The item has several right answers, or none.",
    "The guidelines say otherwise.",
    "The item wasn't shown as it should be.",
)
VERDICTS = (
    "The item shows it clearly.",
    "The guidelines decide it.",
    "The item allows several answers; this is the likeliest.",
    "The item isn't shown well enough; this is the likeliest.",
)
REASON_DIGESTS = {sha256(reason.encode()): reason for reason in REASONS}
VERDICT_DIGESTS = {sha256(verdict.encode()): verdict for verdict in VERDICTS}
UNKNOWN_REASON = "A reason that this page doesn't know."

# How long after a receipt is final its judgements can be appealed, seconds of the chain: long
# enough for a holiday, and experts aren't asked about what nobody remembers.
APPEAL_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Disputed:
    """A campaign's appeals and adjudications with their log positions, ascending."""

    appeals: Sequence[tuple[int, log.Appeal]]
    answers: Sequence[tuple[int, log.Adjudication]]

    def answer(self, item: bytes, position: int) -> log.Adjudication | None:
        """Return the answer to an appeal at `position` about an item (its id): the first after it,
        so that none is revised."""
        return next((one for at, one in self.answers if at > position and one.item == item), None)


class Disputes:
    """Appeals and adjudications by campaign, read from the log as it grows."""

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_to: defaultdict[int, int] = defaultdict(int)
        self._appeals: defaultdict[int, list[tuple[int, log.Appeal]]] = defaultdict(list)
        self._answers: defaultdict[int, list[tuple[int, log.Adjudication]]] = defaultdict(list)

    def of(self, gateway: Gateway) -> Disputed:
        """Return what a campaign's log holds of both."""
        campaign, kinds = gateway.campaign, (log.Appeal.KIND, log.Adjudication.KIND)
        with self._lock:
            head = gateway.head()
            known = self._read_to[campaign]
            if head is not None and head.position > known:
                for one in self._store.timed_entries(campaign, kinds, known):
                    entry = decode_entry(one.entry)
                    if isinstance(entry, log.Appeal):
                        self._appeals[campaign].append((one.position, entry))
                    elif isinstance(entry, log.Adjudication):
                        self._answers[campaign].append((one.position, entry))
                    self._read_to[campaign] = one.position
                self._read_to[campaign] = max(head.position, self._read_to[campaign])
            return Disputed(tuple(self._appeals[campaign]), tuple(self._answers[campaign]))


class Judge:
    """Says what became of one contributor's labels in one campaign, by finalized receipts."""

    def __init__(
        self,
        gateway: Gateway,
        receipts: Receipts,
        disputed: Disputed,
        contributor: bytes,
    ) -> None:
        self._gateway, self._receipts, self._disputed = gateway, receipts, disputed
        self._facts = receipts.facts(gateway)
        self._rewards = gateway.promised(contributor)
        self._appeals = [one for one in disputed.appeals if one[1].contributor == contributor]
        self._final_since: dict[int, int] = {}  # by block
        finalized, running = receipts.finalized(gateway), receipts.running(gateway)
        self._final = receipts.evidence(finalized) if finalized is not None else None
        self._posted: tuple[Receipt, Evidence, int] | None = None
        if running is not None:
            final_at = receipts.final_at(running, self._facts)
            self._posted = running.receipt, receipts.evidence(running.receipt), final_at

    @property
    def appeals(self) -> list[log.Appeal]:
        """The contributor's appeals in the log."""
        return [appeal for _, appeal in self._appeals]

    def records(self, stored: StoredSubmission, store: LabelStore) -> list[LabelRecord]:
        """Return what became of each label of a submission, in the order signed."""
        entry = store.rows(self._gateway.campaign, stored.position, stored.position)[0].entry
        assert isinstance(entry, log.Submission)
        answers = stored.answers or (None,) * len(entry.items)
        return [self._record(stored, entry, index, answer) for index, answer in enumerate(answers)]

    def _record(
        self, stored: StoredSubmission, entry: log.Submission, index: int, answer: bytes | None
    ) -> LabelRecord:
        item, manifest = entry.items[index], self._gateway.manifest
        status, outcome, labels, receipt, final_at = "waiting", None, 0, None, None
        appeal_until = None
        if (found := _result(self._final, item)) is not None:
            status, labels = self._status(found, answer), found.labels
            outcome = None if manifest.task.measured else words(manifest.classes[found.answer])
            covering = self._covering(found.epoch)
            receipt = self._view(covering.receipt)
            if status in ("differed", "ambiguous"):
                appeal_until = self._final_at(covering) + APPEAL_SECONDS
        elif self._posted is not None and _result(self._posted[1], item) is not None:
            status, receipt, final_at = "locked", self._view(self._posted[0]), self._posted[2]
        appeal = self._appeal(stored.digest, index, item)
        return LabelRecord(
            position=stored.position,
            index=index,
            submission=stored.digest,
            item=item,
            submitted_at=entry.submitted_at,
            reward=self._rewards.get(item, 0),
            answer=None if answer is None else words(decode_json(answer)),
            status=status,
            outcome=outcome,
            labels=labels,
            receipt=receipt,
            final_at=final_at,
            appeal=appeal,
            appeal_until=appeal_until if appeal is None else None,
        )

    def _status(self, found: ItemResult, answer: bytes | None) -> str:
        if self._gateway.manifest.task.measured:
            return "collected"
        if found.status == AMBIGUOUS:
            return "ambiguous"
        if answer is None:
            return "closed"
        own = self._gateway.manifest.class_numbers.get(answer)
        return "agreed" if own == found.answer else "differed"

    def _covering(self, epoch: int) -> Settlement:
        finalized = [one for one in self._facts.settlements if one.finalized_block is not None]
        return min(
            (one for one in finalized if one.receipt.epoch >= epoch),
            key=lambda one: one.receipt.epoch,
        )

    def _final_at(self, settled: Settlement) -> int:
        block = settled.finalized_block
        assert block is not None
        if block not in self._final_since:
            self._final_since[block] = self._receipts.time_of(block)
        return self._final_since[block]

    def _view(self, receipt: Receipt) -> ReceiptView:
        cid = str(Link(DAG_CBOR, receipt.evidence))
        return ReceiptView(receipt.epoch, cid, receipt.digest(self._facts.board_domain))

    def _appeal(self, submission: bytes, index: int, item: int) -> AppealView | None:
        appealed = [
            one for one in self._appeals if (one[1].submission, one[1].index) == (submission, index)
        ]
        if not appealed:
            return None
        position, appeal = appealed[0]
        answer = self._disputed.answer(self._gateway.item_ids[item], position)
        return AppealView(
            position,
            REASON_DIGESTS.get(appeal.reason, UNKNOWN_REASON),
            None if answer is None else class_of(self._gateway.manifest, answer.answer_digest),
            None if answer is None else VERDICT_DIGESTS.get(answer.reason, UNKNOWN_REASON),
            None if answer is None else answer.expert,
        )


def _result(evidence: Evidence | None, item: int) -> ItemResult | None:
    if evidence is None:
        return None
    place = bisect_left(evidence.items, item, key=lambda row: row.item)
    if place == len(evidence.items) or evidence.items[place].item != item:
        return None
    return evidence.items[place]


def class_of(manifest: Manifest, digest: bytes) -> str:
    """Write the class with an answer digest for people to read."""
    return words(manifest.classes[manifest.answer_digests.index(digest)])


def words(answer: object) -> str:
    """Write an answer of any task for people to read."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(map(words, answer)) or "none"
    if isinstance(answer, dict):
        return ", ".join(f"{name} {words(value)}" for name, value in answer.items())
    return str(answer)
