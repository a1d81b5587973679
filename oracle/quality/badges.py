"""Levels, badges and milestones: what somebody has reached, by rules that anybody can check.

They are worth nothing but the joy: nothing is paid or gated by them. Levels count accepted labels,
badges say how one works, so that neither haste nor one easy campaign earns them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

LEVELS = (1, 25, 100, 400, 1_600, 6_400, 25_600)  # accepted labels; level 1 is the first


@dataclass(frozen=True)
class Deeds:
    """What somebody did, by finalized receipts: accepted labels, campaigns whose gold they passed,
    requesters and kinds of task with labels that count, labels that decided an item or were right
    against most, weeks with judged labels, and the best lower bound of skill in a kind (ppm)."""

    accepted: int = 0
    gold_passed: int = 0
    requesters: int = 0
    kinds: int = 0
    deciding: int = 0
    weeks: int = 0
    best_lower_ppm: int = 0


@dataclass(frozen=True)
class Badge:
    """A badge: its rule in words, and how far somebody is: `have` of `need`."""

    name: str
    rule: str
    have: int
    need: int

    @property
    def earned(self) -> bool:
        """Whether the rule is met."""
        return self.have >= self.need


def level(accepted: int) -> tuple[int, int | None]:
    """Return the level that so many accepted labels make, and how many the next takes (None after
    the last)."""
    reached = bisect_right(LEVELS, accepted)
    return reached, LEVELS[reached] if reached < len(LEVELS) else None


def badges(deeds: Deeds) -> tuple[Badge, ...]:
    """Return every badge with how far somebody is."""
    return (
        Badge("First light", "One label of yours is accepted.", deeds.accepted, 1),
        Badge(
            "Passed by gold", "You passed a campaign's hidden check items.", deeds.gold_passed, 1
        ),
        Badge("Well met", "Three requesters have judged ten labels of yours.", deeds.requesters, 3),
        Badge("Many hands", "You have ten judged labels in three kinds of task.", deeds.kinds, 3),
        Badge(
            "Tipped the scales",
            "Ten of your labels decided an item, or were right against most.",
            deeds.deciding,
            10,
        ),
        Badge("Steady", "Labels of yours were judged in eight different weeks.", deeds.weeks, 8),
        Badge(
            "Sharp eye",
            "In one kind of task your skill is 85 % at least, beyond doubt.",
            deeds.best_lower_ppm // 10_000,
            85,
        ),
    )
