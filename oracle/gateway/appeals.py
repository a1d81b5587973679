"""Appeals: contributors object to how a label was judged, experts answer.

What is final stays paid as it was: an answer takes nothing back and pays nothing out. It is signed,
stands in the log, and tells the contributor, the requester and whoever uses the labels
(docs/adr/0040).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from oracle.errors import GatewayRefusal
from oracle.evidence import entries as log
from oracle.evidence.codec import decode_json
from oracle.gateway.gateway import Gateway, served
from oracle.gateway.outcomes import (
    REASON_DIGESTS,
    UNKNOWN_REASON,
    VERDICT_DIGESTS,
    Disputed,
    Disputes,
    Judge,
    words,
)
from oracle.gateway.parsing import own_entry
from oracle.gateway.receipts import Receipts
from oracle.ports import AppealCase, LabelRecord, LabelStore, LoggedEntry, StoredSubmission

SHOWN = 20  # open appeals at a time, the oldest first


class Appeals:
    """An `AppealsDesk` over the gateways of this process. `check_expert(campaign, contributor)`
    raises GatewayRefusal for whoever is no expert of the campaign."""

    def __init__(
        self,
        gateways: Callable[[], Mapping[int, Gateway]],
        store: LabelStore,
        receipts: Receipts,
        disputes: Disputes,
        check_expert: Callable[[int, bytes], None],
    ) -> None:
        self._gateways, self._store = gateways, store
        self._receipts, self._disputes = receipts, disputes
        self._check_expert = check_expert
        self._lock = threading.Lock()

    @property
    def reasons(self) -> Mapping[bytes, str]:
        """What an appeal may say, by the digest that is signed."""
        return REASON_DIGESTS

    @property
    def verdicts(self) -> Mapping[bytes, str]:
        """What an answer may give as its reason, by the digest that is signed."""
        return VERDICT_DIGESTS

    def appeal(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        """Take a signed appeal into the log; the same one again returns where it stands.

        GatewayRefusal where the label can't be appealed: its item isn't final, its answer was the
        one found, it was appealed before, or its time is over.
        """
        gateway = served(self._gateways(), campaign)
        parsed = own_entry(log.Appeal, entry, contributor)
        if parsed.reason not in REASON_DIGESTS:
            raise GatewayRefusal("APPEAL-REASON", "this reason isn't known: choose one of the list")
        disputed = self._disputes.of(gateway)
        label = self._label(gateway, disputed, parsed)
        if label is not None and parsed not in [one for _, one in disputed.appeals]:
            if label.appeal_until is None:
                raise GatewayRefusal(
                    "APPEAL-LABEL",
                    "this label can't be appealed: it was judged as you answered, isn't judged "
                    "yet, or was appealed before; look at your history",
                )
            if self._receipts.now() > label.appeal_until:
                raise GatewayRefusal(
                    "APPEAL-LATE",
                    "its receipt has been final for too long: appeal within the time that your "
                    "history names",
                )
        return gateway.appeal(parsed)

    def choices(self, campaign: int) -> Mapping[bytes, str]:
        """Return the answers that an expert may find, by the digest that is signed."""
        manifest = served(self._gateways(), campaign).manifest
        return dict(zip(manifest.answer_digests, map(words, manifest.classes), strict=True))

    def waiting(self, campaign: int, expert: bytes) -> Sequence[AppealCase]:
        """Return the oldest open appeals that an expert may answer; GatewayRefusal for others.

        None is of an item that was ever leased to the expert: they may have labeled it.
        """
        gateway = served(self._gateways(), campaign)
        self._check_expert(campaign, expert)
        disputed = self._disputes.of(gateway)
        found: list[AppealCase] = []
        for position, appeal in disputed.appeals:
            if len(found) == SHOWN:
                break
            about = self._submission(gateway, appeal)
            if about is None or gateway.has_leased(expert, about[1]):
                continue
            item_id = gateway.item_ids[about[1]]
            if disputed.answer(item_id, position) is not None:
                continue
            label = self._label(gateway, disputed, appeal)
            if label is not None and label.outcome is not None:
                found.append(
                    AppealCase(
                        position=position,
                        item=label.item,
                        item_id=item_id,
                        reason=REASON_DIGESTS.get(appeal.reason, UNKNOWN_REASON),
                        answer=label.answer,
                        outcome=label.outcome,
                        answers=self._answers(gateway, label.item),
                    )
                )
        return found

    def answer(self, campaign: int, expert: bytes, entry: bytes) -> LoggedEntry:
        """Take an expert's signed answer into the log; the same one again returns where it stands.

        GatewayRefusal from anybody but an expert who was never given the item, and where no appeal
        about it waits: the first answer stands.
        """
        gateway = served(self._gateways(), campaign)
        parsed = own_entry(log.Adjudication, entry, expert)
        self._check_expert(campaign, expert)
        if parsed.reason not in VERDICT_DIGESTS:
            raise GatewayRefusal(
                "ADJUDICATION-REASON", "this reason isn't known: choose one of the list"
            )
        with self._lock:  # two experts at once: the second finds the first one's answer
            disputed = self._disputes.of(gateway)
            again = parsed in [one for _, one in disputed.answers]
            if not again and not self._waits(gateway, disputed, parsed.item):
                raise GatewayRefusal(
                    "ADJUDICATION-APPEAL",
                    "no appeal about this item waits: another expert was faster; reload the list",
                )
            return gateway.adjudicate(parsed)

    # -- small parts -----------------------------------------------------------------------------

    def _waits(self, gateway: Gateway, disputed: Disputed, item_id: bytes) -> bool:
        for position, appeal in disputed.appeals:
            found = self._submission(gateway, appeal)
            about = found is not None and gateway.item_ids[found[1]] == item_id
            if about and disputed.answer(item_id, position) is None:
                return True
        return False

    def _submission(
        self, gateway: Gateway, appeal: log.Appeal
    ) -> tuple[StoredSubmission, int] | None:
        """Return what an appeal objects about: the submission and the item; None where the log
        holds no such label."""
        mine = self._store.submissions(gateway.campaign, contributor=appeal.contributor)
        stored = next((one for one in mine if one.digest == appeal.submission), None)
        if stored is None:
            return None
        row = self._store.rows(gateway.campaign, stored.position, stored.position)[0]
        assert isinstance(row.entry, log.Submission)
        items = row.entry.items
        return (stored, items[appeal.index]) if appeal.index < len(items) else None

    def _label(
        self, gateway: Gateway, disputed: Disputed, appeal: log.Appeal
    ) -> LabelRecord | None:
        found = self._submission(gateway, appeal)
        if found is None:
            return None
        judge = Judge(gateway, self._receipts, disputed, appeal.contributor)
        return judge.records(found[0], self._store)[appeal.index]

    def _answers(self, gateway: Gateway, item: int) -> tuple[tuple[str, int], ...]:
        given = Counter(one.answer for one in gateway.openings_for([item]))
        ordered = sorted(given.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple((words(decode_json(answer)), count) for answer, count in ordered)
