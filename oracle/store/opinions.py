"""What people want and think, off chain: leaderboards, ratings, proposals for guidelines.

Rows in, rows out; the rules are in `oracle/community`. Contributors are 20-byte addresses, times
Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, delete, func, insert, select, update

from oracle.store.database import reading, writing
from oracle.store.schema import (
    agreements,
    campaign_ratings,
    courses,
    guideline_proposals,
    proposal_supports,
    unlisted,
)


@dataclass(frozen=True)
class RatingRow:
    """A rating of a campaign's requester, 1 to 5 in each of four; `comment` may be empty."""

    contributor: bytes
    campaign: int
    requester: bytes
    clarity: int
    fairness: int
    pay: int
    help: int
    comment: str
    rated_at: int


@dataclass(frozen=True)
class ProposalRow:
    """A proposed change: `passage` of the guidelines (empty: their end) becomes `text`. `state` is
    open, accepted (`version` is the one it led to) or declined."""

    number: int
    contributor: bytes
    campaign: int
    passage: str
    text: str
    reason: str
    proposed_at: int
    state: str
    answer: str | None
    answered_by: bytes | None
    answered_at: int | None
    version: int | None


class OpinionStore:
    """Reads and writes the tables of opinions; threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- leaderboards --------------------------------------------------------------------------

    def unlist(self, contributor: bytes, *, now: int) -> None:
        """Keep somebody off the leaderboards."""
        with writing(self._engine) as connection:
            connection.execute(delete(unlisted).where(unlisted.c.contributor == contributor))
            connection.execute(insert(unlisted).values(contributor=contributor, since=now))

    def relist(self, contributor: bytes) -> None:
        """Let somebody onto the leaderboards again."""
        with writing(self._engine) as connection:
            connection.execute(delete(unlisted).where(unlisted.c.contributor == contributor))

    def is_unlisted(self, contributor: bytes) -> bool:
        """Say whether somebody wants to be kept off."""
        query = select(unlisted.c.since).where(unlisted.c.contributor == contributor)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def listed(self, notice: bytes) -> set[bytes]:
        """Return who agreed to the document of this digest and isn't kept off."""
        query = select(agreements.c.contributor).where(
            agreements.c.digest == notice,
            agreements.c.contributor.not_in(select(unlisted.c.contributor)),
        )
        with reading(self._engine) as connection:
            return set(connection.scalars(query))

    # -- ratings -------------------------------------------------------------------------------

    def rate(self, row: RatingRow) -> None:
        """Keep a rating, in place of this person's older one of the campaign."""
        table = campaign_ratings.c
        with writing(self._engine) as connection:
            connection.execute(
                delete(campaign_ratings).where(
                    table.contributor == row.contributor, table.campaign == row.campaign
                )
            )
            connection.execute(insert(campaign_ratings).values(**vars(row)))

    def rating(self, campaign: int, contributor: bytes) -> RatingRow | None:
        """Return somebody's own rating of a campaign."""
        table = campaign_ratings.c
        query = select(campaign_ratings).where(
            table.campaign == campaign, table.contributor == contributor
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else RatingRow(**row)

    def ratings(self, requesters: Collection[bytes]) -> list[RatingRow]:
        """Return all ratings of some requesters, by contributor and campaign."""
        table = campaign_ratings.c
        query = (
            select(campaign_ratings)
            .where(table.requester.in_(requesters))
            .order_by(table.contributor, table.campaign)
        )
        with reading(self._engine) as connection:
            return [RatingRow(**row) for row in connection.execute(query).mappings()]

    # -- proposals -----------------------------------------------------------------------------

    def propose(
        self, campaign: int, contributor: bytes, passage: str, text: str, reason: str, *, now: int
    ) -> None:
        """Keep an open proposal."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(guideline_proposals).values(
                    contributor=contributor,
                    campaign=campaign,
                    passage=passage,
                    text=text,
                    reason=reason,
                    proposed_at=now,
                    state="open",
                )
            )

    def proposed_since(self, contributor: bytes, since: int) -> int:
        """Return how many proposals somebody made from `since` on, in all campaigns."""
        table = guideline_proposals.c
        query = select(func.count()).where(
            table.contributor == contributor, table.proposed_at >= since
        )
        with reading(self._engine) as connection:
            return int(connection.scalar(query) or 0)

    def proposal(self, campaign: int, number: int) -> ProposalRow | None:
        """Return one proposal of a campaign."""
        table = guideline_proposals.c
        query = select(guideline_proposals).where(
            table.campaign == campaign, table.number == number
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else ProposalRow(**row)

    def proposals(self, campaign: int, limit: int) -> list[tuple[ProposalRow, set[bytes]]]:
        """Return a campaign's newest proposals, the newest first, each with who supports it."""
        table = guideline_proposals.c
        query = (
            select(guideline_proposals)
            .where(table.campaign == campaign)
            .order_by(table.number.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            rows = [ProposalRow(**row) for row in connection.execute(query).mappings()]
            supporters: dict[int, set[bytes]] = {row.number: set() for row in rows}
            found = connection.execute(
                select(proposal_supports.c.proposal, proposal_supports.c.contributor).where(
                    proposal_supports.c.proposal.in_(supporters)
                )
            )
            for number, contributor in found:
                supporters[number].add(contributor)
        return [(row, supporters[row.number]) for row in rows]

    def support(self, number: int, contributor: bytes, *, now: int) -> None:
        """Keep that somebody supports a proposal, once."""
        table = proposal_supports.c
        with writing(self._engine) as connection:
            connection.execute(
                delete(proposal_supports).where(
                    table.proposal == number, table.contributor == contributor
                )
            )
            connection.execute(
                insert(proposal_supports).values(
                    contributor=contributor, proposal=number, supported_at=now
                )
            )

    def unsupport(self, number: int, contributor: bytes) -> None:
        """Take somebody's support back."""
        table = proposal_supports.c
        with writing(self._engine) as connection:
            connection.execute(
                delete(proposal_supports).where(
                    table.proposal == number, table.contributor == contributor
                )
            )

    def decline(self, number: int, expert: bytes, answer: str, *, now: int) -> bool:
        """Decline an open proposal; False where it isn't open."""
        table = guideline_proposals.c
        with writing(self._engine) as connection:
            done = connection.execute(
                update(guideline_proposals)
                .where(table.number == number, table.state == "open")
                .values(state="declined", answer=answer, answered_by=expert, answered_at=now)
            )
        return done.rowcount == 1

    def accept(
        self, row: ProposalRow, expert: bytes, answer: str, version: int, document: str, *, now: int
    ) -> bool:
        """Accept an open proposal and keep the course that it leads to, both or neither; False
        where it isn't open, StoreConflict where the course has that version already."""
        table = guideline_proposals.c
        with writing(self._engine) as connection:
            done = connection.execute(
                update(guideline_proposals)
                .where(table.number == row.number, table.state == "open")
                .values(
                    state="accepted",
                    answer=answer,
                    answered_by=expert,
                    answered_at=now,
                    version=version,
                )
            )
            if done.rowcount == 1:
                connection.execute(
                    insert(courses).values(
                        campaign=row.campaign, version=version, document=document, published_at=now
                    )
                )
        return done.rowcount == 1
