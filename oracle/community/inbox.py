"""A campaign's inbox: contributors ask, its experts answer, everybody reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle.community.learning import Learning
from oracle.community.texts import checked
from oracle.errors import GatewayRefusal, InputError
from oracle.store.people import PeopleStore

HOUR = 3_600
PER_HOUR = 5
SHORTEST, LONGEST = 10, 2_000  # characters
SHOWN = 50


@dataclass(frozen=True)
class InboxQuestion:
    """A question without its asker; `mine` says whether it is the reader's own."""

    number: int
    text: str
    asked_at: int
    answer: str | None
    answered_at: int | None
    mine: bool


class Inbox:
    """Questions and answers; `now` gives Unix seconds."""

    def __init__(self, store: PeopleStore, learning: Learning, now: Callable[[], float]) -> None:
        self._store, self._learning, self._now = store, learning, now

    def read(
        self, campaign: int, contributor: bytes | None, before: int | None = None
    ) -> list[InboxQuestion]:
        """Return the newest `SHOWN` questions, of numbers below `before` (at most 2^31) where that
        is given; first those of the reader's that wait for an answer."""
        found = [
            InboxQuestion(
                row.number,
                row.text,
                row.asked_at,
                row.answer,
                row.answered_at,
                row.contributor == contributor,
            )
            for row in self._store.inbox(campaign, SHOWN, before)
        ]
        return sorted(found, key=lambda one: not (one.mine and one.answer is None))

    def ask(self, campaign: int, contributor: bytes, text: str) -> None:
        """Take a question; InputError for its length, GatewayRefusal where it is one too many."""
        now = int(self._now())
        text = checked(text, SHORTEST, LONGEST)
        if self._store.asked_since(contributor, now - HOUR) >= PER_HOUR:
            raise GatewayRefusal(
                "too_many", f"you asked {PER_HOUR} questions within an hour: wait a little"
            )
        self._store.ask(campaign, contributor, text, now=now)

    def answer(self, campaign: int, expert: bytes, number: int, text: str) -> None:
        """Take an expert's answer; GatewayRefusal from anybody else, InputError for a question
        that isn't in this inbox."""
        self._learning.check_expert(campaign, expert)
        now = int(self._now())
        if not self._store.answer(
            campaign, number, expert, checked(text, SHORTEST, LONGEST), now=now
        ):
            raise InputError("this question was taken back: reload the inbox")
