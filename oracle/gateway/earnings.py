"""What a contributor earned: sums by campaign, every label with what became of it, claims of all
at once, and appeals."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from oracle.chain.poster import MANY, claim_many_call
from oracle.errors import (
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    FormatError,
    GatewayRefusal,
    InputError,
    UnknownCampaign,
)
from oracle.evidence import entries as log
from oracle.evidence.codec import DAG_CBOR, Link, decode_json
from oracle.evidence.entries import decode_entry
from oracle.evidence.hashing import sha256
from oracle.evidence.results import AMBIGUOUS, Evidence, ItemResult
from oracle.evidence.structs import Receipt
from oracle.gateway.gateway import Gateway
from oracle.gateway.parsing import own_entry
from oracle.gateway.receipts import Receipts
from oracle.ports import (
    AppealView,
    CampaignEarnings,
    ChainReader,
    ClaimedAll,
    Earnings,
    LabelRecord,
    LabelStore,
    LoggedEntry,
    PayoutClaim,
    ReceiptPoster,
    ReceiptView,
    StoredSubmission,
)
from oracle.quality.payment import expected_reward

# What an appeal may say. The log is public for good, so it takes no words of a person's own: it
# holds the SHA-256 of one of these.
REASONS = (
    "The answer that was found is wrong.",
    "The item has several right answers, or none.",
    "The guidelines say otherwise.",
    "The item wasn't shown as it should be.",
)
_REASON_DIGESTS = {sha256(reason.encode()): reason for reason in REASONS}
SUBMISSIONS_A_PAGE = 10
_UNREADABLE = (ContentMissing, ContentCorrupt, ContentUnavailable, FormatError)


class Ledgers:
    """An `EarningsDesk` over the gateways of this process; `claim` returns what is final for an
    account in a campaign, ready to be claimed."""

    def __init__(
        self,
        gateways: Callable[[], Mapping[int, Gateway]],
        claim: Callable[[int, bytes], PayoutClaim | None],
        token: Callable[[], bytes],
        reader: ChainReader,
        relayer: ReceiptPoster,
        store: LabelStore,
        receipts: Receipts,
    ) -> None:
        self._gateways, self._claim, self._token = gateways, claim, token
        self._reader, self._relayer, self._store = reader, relayer, store
        self._receipts = receipts
        self._disputes = _Disputes(store)

    @property
    def reasons(self) -> Mapping[bytes, str]:
        """What an appeal may say, by the digest that is signed."""
        return _REASON_DIGESTS

    # -- sums ------------------------------------------------------------------------------------

    def overview(self, contributor: bytes) -> Earnings:
        """Return the wallet's balance, and a line for every campaign labeled in, newest first."""
        lines = [
            self._line(gateway, contributor)
            for _, gateway in sorted(self._gateways().items(), reverse=True)
        ]
        return Earnings(
            self._reader.balance(self._token(), contributor),
            tuple(line for line in lines if line is not None),
        )

    def _line(self, gateway: Gateway, contributor: bytes) -> CampaignEarnings | None:
        standing, number = gateway.status(contributor), gateway.campaign
        if not standing.submitted:
            return None
        manifest = gateway.manifest
        reward = expected_reward(
            standing.reward, gateway.bounded.base_ppm, len(gateway.manifest.classes)
        )
        readable, earned, accepted, locked, locked_until = True, 0, 0, 0, None
        try:
            claim = self._claim(number, contributor)
            if claim is not None:
                earned, accepted = claim.leaf.cumulative, claim.leaf.accepted
            running = self._receipts.running(gateway)
            if running is not None:
                leaves = self._receipts.evidence(running.receipt).leaves
                owed = next((one.cumulative for one in leaves if one.account == contributor), 0)
                locked = max(0, owed - earned)
                facts = self._receipts.facts(gateway)
                locked_until = self._receipts.final_at(running, facts) if locked else None
        except _UNREADABLE:
            readable = False  # one campaign's trouble must not hide the others
        return CampaignEarnings(
            campaign=number,
            title=manifest.document["title"],
            submitted=standing.submitted,
            pending=standing.pending,
            expected=standing.pending * reward,
            accepted=accepted,
            earned=earned,
            claimed=self._reader.claimed(number, contributor).cumulative if earned else 0,
            locked=locked,
            locked_until=locked_until,
            wait_seconds=self._receipts.wait(gateway),
            readable=readable,
        )

    # -- claims ----------------------------------------------------------------------------------

    def claim_all(self, contributor: bytes) -> ClaimedAll:
        """Claim everything final in every campaign, the relayer paying gas; InputError where there
        is nothing."""
        claims = self._due(contributor)
        before = self._reader.balance(self._token(), contributor)
        sent = self._relayer.claim_many(claims)
        balance = self._reader.balance(self._token(), contributor)
        transactions = tuple(one.transaction for one in sent if one.transaction is not None)
        if not transactions:
            raise InputError("somebody has claimed this already: the balance shows it")
        return ClaimedAll(transactions, len(claims), balance - before, balance)

    def claim_call(self, contributor: bytes) -> bytes:
        """Return the call data with which the wallet itself claims from the escrow, up to 16
        campaigns at once; InputError where there is nothing."""
        return claim_many_call(self._due(contributor)[:MANY])

    def _due(self, contributor: bytes) -> list[PayoutClaim]:
        due = []
        for number in sorted(self._gateways()):
            try:
                claim = self._claim(number, contributor)
            except _UNREADABLE:
                continue
            if claim is None:
                continue
            if claim.leaf.cumulative > self._reader.claimed(number, contributor).cumulative:
                due.append(claim)
        if not due:
            raise InputError("there is nothing to claim yet: pay arrives with an epoch's receipt")
        return due

    # -- every label -----------------------------------------------------------------------------

    def history(
        self, campaign: int, contributor: bytes, before: int | None = None
    ) -> tuple[Sequence[LabelRecord], int | None]:
        """Return the labels of a contributor's newest submissions before log position `before`,
        newest first, and the position to go on from (None: these are the oldest)."""
        gateway = self._gateway(campaign)
        mine = [
            one
            for one in self._store.submissions(campaign, contributor=contributor)
            if before is None or one.position < before
        ]
        shown = mine[-SUBMISSIONS_A_PAGE:]
        judge = _Judge(gateway, self._receipts, self._disputes.of(gateway), contributor)
        records = [one for stored in reversed(shown) for one in judge.records(stored, self._store)]
        return records, shown[0].position if len(mine) > len(shown) else None

    # -- appeals ---------------------------------------------------------------------------------

    def appeal(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        """Take a signed appeal into the log; the same one again returns where it stands.

        GatewayRefusal where the label can't be appealed: its item isn't final, its answer was the
        one found, or it was appealed before.
        """
        gateway, parsed = self._gateway(campaign), own_entry(log.Appeal, entry, contributor)
        if parsed.reason not in _REASON_DIGESTS:
            raise GatewayRefusal("APPEAL-REASON", "this reason isn't known: choose one of the list")
        judge = _Judge(gateway, self._receipts, self._disputes.of(gateway), contributor)
        stored = next(
            (
                one
                for one in self._store.submissions(campaign, contributor=contributor)
                if one.digest == parsed.submission
            ),
            None,
        )
        records = judge.records(stored, self._store) if stored is not None else []
        label = next((one for one in records if one.index == parsed.index), None)
        if label is not None and not label.appealable and parsed not in judge.appeals:
            raise GatewayRefusal(
                "APPEAL-LABEL",
                "this label can't be appealed: it was judged as you answered, isn't judged yet, or "
                "was appealed before; look at your history",
            )
        return gateway.appeal(parsed)

    def _gateway(self, campaign: int) -> Gateway:
        gateway = self._gateways().get(campaign)
        if gateway is None:
            raise UnknownCampaign(f"campaign {campaign} isn't served here: open another address")
        return gateway


class _Judge:
    """Says what became of one contributor's labels in one campaign, by finalized receipts."""

    def __init__(
        self,
        gateway: Gateway,
        receipts: Receipts,
        disputes: tuple[Sequence[tuple[int, log.Appeal]], Sequence[tuple[int, log.Adjudication]]],
        contributor: bytes,
    ) -> None:
        self._gateway, self._contributor = gateway, contributor
        self._facts = receipts.facts(gateway)
        self._rewards = gateway.promised(contributor)
        self._appeals = [one for one in disputes[0] if one[1].contributor == contributor]
        self._adjudications = disputes[1]
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
        if (found := _result(self._final, item)) is not None:
            status, labels = self._status(found, answer), found.labels
            outcome = None if manifest.task.measured else _words(manifest.classes[found.answer])
            receipt = self._covering(found.epoch)
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
            answer=None if answer is None else _words(decode_json(answer)),
            status=status,
            outcome=outcome,
            labels=labels,
            receipt=receipt,
            final_at=final_at,
            appeal=appeal,
            appealable=status in ("differed", "ambiguous") and appeal is None,
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

    def _covering(self, epoch: int) -> ReceiptView:
        finalized = [
            one.receipt for one in self._facts.settlements if one.finalized_block is not None
        ]
        covering = min(
            (one for one in finalized if one.epoch >= epoch), key=lambda receipt: receipt.epoch
        )
        return self._view(covering)

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
        item_id, manifest = self._gateway.item_ids[item], self._gateway.manifest
        answers = [one for at, one in self._adjudications if at > position and one.item == item_id]
        answer = answers[-1] if answers else None
        return AppealView(
            position,
            _REASON_DIGESTS.get(appeal.reason, "A reason that this page doesn't know."),
            _words(manifest.classes[manifest.answer_digests.index(answer.answer_digest)])
            if answer is not None
            else None,
            answer.expert if answer is not None else None,
        )


class _Disputes:
    """Appeals and adjudications by campaign, read from the log as it grows."""

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_to: defaultdict[int, int] = defaultdict(int)
        self._appeals: defaultdict[int, list[tuple[int, log.Appeal]]] = defaultdict(list)
        self._answers: defaultdict[int, list[tuple[int, log.Adjudication]]] = defaultdict(list)

    def of(
        self, gateway: Gateway
    ) -> tuple[Sequence[tuple[int, log.Appeal]], Sequence[tuple[int, log.Adjudication]]]:
        """Return a campaign's appeals and adjudications with their log positions, ascending."""
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
            return tuple(self._appeals[campaign]), tuple(self._answers[campaign])


def _result(evidence: Evidence | None, item: int) -> ItemResult | None:
    if evidence is None:
        return None
    place = bisect_left(evidence.items, item, key=lambda row: row.item)
    if place == len(evidence.items) or evidence.items[place].item != item:
        return None
    return evidence.items[place]


def _words(answer: object) -> str:
    """Write an answer of any task for people to read."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(map(_words, answer)) or "none"
    if isinstance(answer, dict):
        return ", ".join(f"{name} {_words(value)}" for name, value in answer.items())
    return str(answer)
