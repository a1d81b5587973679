"""What people have become on a platform in memory: told by tests, weighed by the real rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from oracle.ports import (
    CampaignPart,
    LabelEffect,
    Progress,
    ProgressPoint,
    ReputationChange,
    SkillRecord,
    Standing,
)
from oracle.quality.badges import Deeds, badges, level
from oracle.quality.reputation import TIERS, Reputation, Tier, Totals, Track, reputation

if TYPE_CHECKING:
    from tests.webapp.fake_desk import FakeDesk

REQUESTER = b"\x9e" * 20
NOW = 1_760_000_000
UNIT = 10**18


def judged(right: int, labels: int, requesters: int = 1, *, chance: int = 100_000) -> Reputation:
    """The reputation of so many labels, shared among requesters."""
    tracks = [
        Track(bytes([1 + one]) * 20, chance, (Totals(NOW, right, labels),))
        for one in range(requesters)
    ]
    return reputation(tracks, NOW)


def nothing() -> Progress:
    """The record of somebody of whom nothing is judged."""
    return Progress(reputation([], NOW), (), (), (), (), {}, 0, 0, 1, badges(Deeds()), True)


def much(title: str = "Handwritten digits") -> Progress:
    """The record of somebody who has worked for a while, with everything that a record can have."""
    day, told = 86_400, [(9, 10), (7, 12), (11, 12), (0, 0), (10, 14), (15, 16), (17, 18), (16, 16)]
    points = tuple(
        ProgressPoint(
            NOW + place * day, 1, place + 1, right, labels, 600_000 + 30_000 * place,
            (4 + place) * UNIT if place else None,
        )
        for place, (right, labels) in enumerate(told)
    )  # fmt: skip
    lowers = [50_000, 410_000, 380_000, 470_000, 465_000, 460_000, 520_000, 580_000, 640_000]
    changes = tuple(
        ReputationChange(
            NOW + place * day, 1, title, place + 1, right, labels - right, before, after
        )
        for place, ((right, labels), before, after) in enumerate(
            zip(told, lowers, lowers[1:], strict=False)
        )
    )
    effects = (
        LabelEffect(1, title, 3, 14, "7", "7", 3, "decided"),
        LabelEffect(1, title, 2, 11, "3", "3", 5, "against"),
        LabelEffect(1, title, 2, 4, "1", "7", 3, "outvoted"),
    )
    skills = (
        SkillRecord("categorical", judged(85, 98)),
        SkillRecord("boxes", judged(14, 20, chance=500_000)),
    )
    deeds = Deeds(85, 1, 2, 2, 2, 2, skills[0].reputation.lower_ppm)
    reached, following = level(85)
    return Progress(
        judged(49, 59, 2),
        skills,
        changes[::-1],
        points,
        effects,
        {"decided": 1, "against": 1, "outvoted": 1},
        85,
        reached,
        following,
        badges(deeds),
        True,
    )


class FakeGrowth:
    """A `GrowthDesk` over a fake desk's one campaign: `records` by contributor, `everybody` by kind
    of task (None: overall), `paid` people beside those with earnings."""

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk
        self.records: dict[bytes, Progress] = {}
        self.everybody: dict[str | None, list[Standing]] = {None: []}

    @property
    def tiers(self) -> Sequence[Tier]:
        return TIERS

    def progress(self, contributor: bytes) -> Progress:
        self._desk.campaigns()
        return self.records.get(contributor, nothing())

    def kinds(self) -> Sequence[str]:
        return sorted(kind for kind in self.everybody if kind is not None)

    def standings(self, kind: str | None) -> Sequence[Standing]:
        return self.everybody[kind]

    def part(self, campaign: int, contributor: bytes) -> CampaignPart:
        status = self._desk.status(campaign, contributor)
        return CampaignPart(campaign, REQUESTER, status.submitted > 0, status.earned > 0)

    def seat(self, bounds: Mapping[bytes, tuple[int, int]], kind: str | None = None) -> None:
        """Let people stand by their right and judged labels."""
        self.everybody[kind] = [
            Standing(account, judged(right, labels)) for account, (right, labels) in bounds.items()
        ]
