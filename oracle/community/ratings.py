"""Ratings of requesters by those they paid: 1 to 5 in four, with a comment.

One a campaign from each person, changeable; shown once so many people rated a requester that
none can be told from the sums, and without who, where and when.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

from oracle.community.texts import checked
from oracle.errors import GatewayRefusal, InputError
from oracle.evidence.hashing import sha256
from oracle.ports import CampaignPart
from oracle.store.opinions import OpinionStore, RatingRow

ASPECTS = {
    "clarity": "Clear guidelines",
    "fairness": "Fair judgement",
    "pay": "Pay for the time it takes",
    "help": "Help with questions",
}
LEAST_PEOPLE = 5  # fewer could be recognised by what changes
LONGEST = 500  # characters of a comment
COMMENTS = 20
# A comment is of work, and leads nowhere: people could be lured away, or named.
_ADDRESS = re.compile(r"https?:|www\.|\S@\S|0x[0-9a-f]{6}", re.IGNORECASE)


@dataclass(frozen=True)
class RatingSummary:
    """What `people` (distinct) say of a requester: tenths, 10 to 50, in all and by aspect."""

    people: int
    tenths: int
    aspects: Mapping[str, int]
    comments: tuple[str, ...]


class Ratings:
    """Takes ratings and sums them up; `now` gives Unix seconds."""

    def __init__(self, store: OpinionStore, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    def rate(
        self, part: CampaignPart, contributor: bytes, stars: Mapping[str, int], comment: str
    ) -> None:
        """Keep somebody's rating, in place of an older one of the same campaign.

        GatewayRefusal for who wasn't paid there; InputError for stars or a comment that can't be.
        """
        if not part.paid:
            raise GatewayRefusal(
                "unpaid", "you can rate a campaign once a final receipt pays you there"
            )
        if stars.keys() != ASPECTS.keys() or not all(1 <= one <= 5 for one in stars.values()):
            raise InputError("rate each of the four with 1 to 5")
        comment = checked(comment, 0, LONGEST)
        if _ADDRESS.search(comment):
            raise InputError("write your comment without links and addresses")
        self._store.rate(
            RatingRow(
                contributor,
                part.campaign,
                part.requester,
                **stars,
                comment=comment,
                rated_at=int(self._now()),
            )
        )

    def own(self, campaign: int, contributor: bytes) -> RatingRow | None:
        """Return somebody's own rating of a campaign."""
        return self._store.rating(campaign, contributor)

    def summaries(self, requesters: Collection[bytes]) -> dict[bytes, RatingSummary]:
        """Return what people say of requesters, of those that enough people rated.

        Somebody counts once for a requester, by the mean over their campaigns. Comments stand in
        the order of their digests, which tells nothing.
        """
        by_requester: defaultdict[bytes, list[RatingRow]] = defaultdict(list)
        for row in self._store.ratings(requesters):
            by_requester[row.requester].append(row)
        return {
            requester: _summary(rows)
            for requester, rows in by_requester.items()
            if len({row.contributor for row in rows}) >= LEAST_PEOPLE
        }


def _summary(rows: Collection[RatingRow]) -> RatingSummary:
    people = {row.contributor for row in rows}
    means = {aspect: Fraction(0) for aspect in ASPECTS}
    for person in people:
        own = [row for row in rows if row.contributor == person]
        for aspect in ASPECTS:
            means[aspect] += Fraction(sum(getattr(row, aspect) for row in own), len(own))
    tenths = {aspect: _tenths(total / len(people)) for aspect, total in means.items()}
    overall = _tenths(sum(means.values(), Fraction(0)) / len(people) / len(ASPECTS))
    comments = sorted({row.comment for row in rows if row.comment}, key=_digest)
    return RatingSummary(len(people), overall, tenths, tuple(comments[:COMMENTS]))


def _tenths(value: Fraction) -> int:
    return int(10 * value + Fraction(1, 2))


def _digest(text: str) -> bytes:
    return sha256(text.encode())
