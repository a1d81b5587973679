"""Leaderboards: who is surely skilled, of those who agreed to this page's notice and don't mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.community.privacy import notices
from oracle.ports import Standing
from oracle.quality.reputation import Reputation
from oracle.store.opinions import OpinionStore

LEAST_LABELS = 30  # that count, to stand on a leaderboard
SHOWN = 50


@dataclass(frozen=True)
class BoardRow:
    """A place on a leaderboard; equal bounds share a rank."""

    rank: int
    account: bytes
    reputation: Reputation
    mine: bool


class Board:
    """Who is shown, and in which order; `now` gives Unix seconds."""

    def __init__(self, store: OpinionStore, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    def is_hidden(self, contributor: bytes) -> bool:
        """Say whether somebody asked not to be shown."""
        return self._store.is_unlisted(contributor)

    def hide(self, contributor: bytes) -> None:
        """Show somebody on no leaderboard from now on."""
        self._store.unlist(contributor, now=int(self._now()))

    def show(self, contributor: bytes) -> None:
        """Show somebody again, as is the rule for whoever says nothing."""
        self._store.relist(contributor)

    def rows(self, standings: Sequence[Standing], viewer: bytes | None) -> list[BoardRow]:
        """Return the first 50 by the lower bound of skill, and the viewer's own place.

        Only who agreed to the notice in force, which says so, is ranked: nobody hidden leaves a
        gap. Equal ones stand in the order of their addresses.
        """
        listed = self._store.listed(notices()[0].digest)
        ranked = sorted(
            (
                one
                for one in standings
                if one.account in listed and one.reputation.labels >= LEAST_LABELS
            ),
            key=lambda one: (-one.reputation.lower_ppm, one.account),
        )
        rows: list[BoardRow] = []
        for place, one in enumerate(ranked, 1):
            tied = rows and rows[-1].reputation.lower_ppm == one.reputation.lower_ppm
            rank = rows[-1].rank if tied else place
            rows.append(BoardRow(rank, one.account, one.reputation, one.account == viewer))
        return [row for place, row in enumerate(rows) if place < SHOWN or row.mine]
