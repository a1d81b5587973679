"""Events as they are asked for again and again: a campaign's, and the operator set's, apart."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from oracle.chain.facts import FACTS, SEATS
from oracle.ports import ChainEvent


class EventIndex:
    """Events in chain order. Payments are most of them, and facts read none: without `whole` only
    those are kept that campaigns' facts and the operator set follow from.

    Every method's `last` is the last block whose events it returns.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self._whole = whole
        self._all: list[ChainEvent] = []
        self._created: list[ChainEvent] = []
        self._seats: list[ChainEvent] = []
        self._facts: defaultdict[int, list[ChainEvent]] = defaultdict(list)

    def add(self, events: Iterable[ChainEvent]) -> None:
        """Append events, which follow those that are there."""
        for event in events:
            if event.name in FACTS:
                self._facts[event.arguments["campaign"]].append(event)
            if event.name == "CampaignCreated":
                self._created.append(event)
            if event.name in SEATS:
                self._seats.append(event)
            if self._whole or event.name in FACTS or event.name in SEATS:
                self._all.append(event)

    def forget(self, first: int) -> None:
        """Drop the events of block `first` and later ones."""
        if not self._all or self._all[-1].block < first:
            return
        for events in (self._all, self._created, self._seats, *self._facts.values()):
            del events[bisect_left(events, first, key=_block_of) :]

    def all(self, last: int) -> Sequence[ChainEvent]:
        """Return all events that are kept."""
        return _up_to(self._all, last)

    def created(self, last: int) -> Sequence[ChainEvent]:
        """Return what told of new campaigns."""
        return _up_to(self._created, last)

    def of_seats(self, last: int) -> Sequence[ChainEvent]:
        """Return what the operator set follows from."""
        return _up_to(self._seats, last)

    def of_campaign(self, campaign: int, last: int) -> Sequence[ChainEvent]:
        """Return what a campaign's facts follow from."""
        return _up_to(self._facts.get(campaign, []), last)


def _up_to(events: list[ChainEvent], last: int) -> Sequence[ChainEvent]:
    return events[: bisect_right(events, last, key=_block_of)]


def _block_of(event: ChainEvent) -> int:
    return event.block
