"""The offers of work: what a campaign pays, how long it takes people, who asks, what is in the way.

Durations are differences of the gateway's own clock. They are shown, in sums over several people,
and go nowhere else: not to operators, not on chain, not into evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median_low

from oracle.chain.facts import settlements
from oracle.errors import GatewayBusy, GatewayRefusal
from oracle.evidence import entries as log
from oracle.evidence.entries import decode_entry
from oracle.gateway.gateway import Gateway
from oracle.gateway.receipts import Receipts
from oracle.ports import (
    CampaignView,
    ChainEvent,
    ChainReader,
    LabelStore,
    Lock,
    Offer,
    RequesterRecord,
    TimedEntry,
)

NOBODY = bytes(20)
PACE_ENTRIES = 20_000  # so many of the newest log entries tell how fast people are
PACE_PEOPLE = 3  # fewer, and the figure would tell on one of them
_HOUR = 3600


class Market:
    """A `WorkMarket` over the gateways of this process; `campaign` returns a campaign's view,
    `paused` those that lease nothing for now, `check_qualified` refuses who must pass an exam."""

    def __init__(
        self,
        gateways: Callable[[], Mapping[int, Gateway]],
        campaign: Callable[[int], CampaignView],
        reader: ChainReader,
        store: LabelStore,
        receipts: Receipts,
        paused: Callable[[], Collection[object]],
        check_qualified: Callable[[int, bytes], None],
    ) -> None:
        self._gateways, self._campaign = gateways, campaign
        self._reader, self._store, self._receipts = reader, store, receipts
        self._paused, self._check_qualified = paused, check_qualified
        self._paces: dict[int, tuple[tuple[int, bytes], int | None]] = {}
        self._records: tuple[tuple[object, ...], dict[int, RequesterRecord]] = ((), {})

    def offers(self, contributor: bytes | None) -> list[Offer]:
        """Return an offer for every campaign served, newest first; what is in the way of
        `contributor`, or of anybody where None."""
        records = self._requesters()
        return [
            self._offer(number, gateway, contributor or NOBODY, records[number])
            for number, gateway in sorted(self._gateways().items(), reverse=True)
        ]

    def _offer(
        self, number: int, gateway: Gateway, contributor: bytes, requester: RequesterRecord
    ) -> Offer:
        view = self._campaign(number)
        measured = self._pace(gateway)
        seconds = measured if measured is not None else view.seconds_per_item
        return Offer(
            campaign=view,
            seconds_per_item=seconds,
            seconds_measured=measured is not None,
            hourly=view.expected_reward * _HOUR // seconds,
            remaining=max(0, view.item_count - view.items_closed),
            wait_seconds=self._receipts.wait(gateway),
            requester=requester,
            lock=self._locked(number, gateway, contributor, view.accepting),
        )

    def _locked(
        self, number: int, gateway: Gateway, contributor: bytes, accepting: bool
    ) -> Lock | None:
        if not accepting:
            return Lock("closed", "the requester has closed it: labels in hand are still paid")
        if gateway.running(contributor) is not None:
            return None  # there is work in their hands
        try:
            self._check_qualified(number, contributor)
        except GatewayRefusal as refusal:
            return Lock(refusal.code, refusal.message)
        if number in self._paused():
            return Lock("paused", "its operators can't pay just now: come back in a while", 60)
        found = gateway.lease_refusal(contributor)
        if found is None:
            return None
        return Lock(
            found.code, found.message, found.wait_seconds if isinstance(found, GatewayBusy) else 0
        )

    # -- pace ------------------------------------------------------------------------------------

    def _pace(self, gateway: Gateway) -> int | None:
        """The seconds per item of the median person who passed by gold, None for too few."""
        receipt, head = self._receipts.finalized(gateway), gateway.head()
        if receipt is None or head is None:
            return None
        state = (head.position, receipt.evidence)
        known = self._paces.get(gateway.campaign)
        if known is None or known[0] != state:
            contributors = self._receipts.evidence(receipt).contributors
            passed = {one.account for one in contributors if one.passed}
            kinds = (log.Lease.KIND, log.Submission.KIND)
            after = max(0, head.position - PACE_ENTRIES)
            timed = self._store.timed_entries(gateway.campaign, kinds, after)
            known = self._paces[gateway.campaign] = (state, pace(timed, passed))
        return known[1]

    # -- requesters ------------------------------------------------------------------------------

    def requester(self, campaign: int) -> bytes:
        """Return the address that created a campaign."""
        return self._requesters()[campaign].requester

    def _requesters(self) -> dict[int, RequesterRecord]:
        """What the chain tells of each campaign's requester, by campaign."""
        events = self._reader.events()
        # Told anew where something happened, not with every block: all events are read for it.
        state = (len(events), *events[-1:])
        if self._records[0] != state:
            self._records = (state, self._read_records(events))
        return self._records[1]

    def _read_records(self, events: Iterable[ChainEvent]) -> dict[int, RequesterRecord]:
        by_campaign: defaultdict[int, list[ChainEvent]] = defaultdict(list)
        requesters: dict[int, tuple[bytes, bytes]] = {}  # and the token: sums are of one alone
        for event in events:
            if "campaign" not in event.arguments:
                continue
            by_campaign[event.arguments["campaign"]].append(event)
            if event.name == "CampaignCreated":
                values = event.arguments
                requesters[values["campaign"]] = values["requester"], values["token"]
        records = {}
        for requester in set(requesters.values()):
            own = [number for number, one in requesters.items() if one == requester]
            settled = [one for number in own for one in settlements(by_campaign[number])]
            delays = [
                self._reader.block(one.finalized_block).timestamp
                - self._reader.block(one.receipt.as_of).timestamp
                for one in settled
                if one.finalized_block is not None
            ]
            paid = sum(
                event.arguments["amount"]
                for number in own
                for event in by_campaign[number]
                if event.name == "Paid"
            )
            record = RequesterRecord(
                requester[0], len(own), paid, len(delays), median_low(delays) if delays else None
            )
            records.update(dict.fromkeys(own, record))
        return records


@dataclass(frozen=True)
class Worked:
    """A submission of `labels`, and how many seconds it took."""

    position: int
    contributor: bytes
    labels: int
    seconds: int


def worked(entries: Iterable[TimedEntry], since: dict[bytes, int]) -> Iterator[Worked]:
    """Yield what each submission took: from its contributor's lease, or the submission before it,
    to its own place in the log. `since` holds when each began, and is brought up to date. Who had
    their times deleted (0) took no time that is known."""
    for one in entries:
        entry = decode_entry(one.entry)
        if not isinstance(entry, log.Lease | log.Submission) or not one.written_at:
            continue
        begun = since.get(entry.contributor)
        if isinstance(entry, log.Submission) and begun is not None:
            seconds = one.written_at - begun
            yield Worked(one.position, entry.contributor, len(entry.items), seconds)
        since[entry.contributor] = one.written_at


def pace(entries: Iterable[TimedEntry], passed: Collection[bytes]) -> int | None:
    """Return the whole seconds per item, at least 1, of the median of `passed` contributors; None
    where fewer than `PACE_PEOPLE` of them handed anything in.

    A person counts by the median of their submissions, so that neither a break nor somebody who
    labels all day decides.
    """
    paces: defaultdict[bytes, list[int]] = defaultdict(list)
    for one in worked(entries, {}):
        if one.contributor in passed:
            paces[one.contributor].append(one.seconds // one.labels)
    if len(paces) < PACE_PEOPLE:
        return None
    return max(1, median_low(median_low(own) for own in paces.values()))
