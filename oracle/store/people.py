"""What the page keeps of people, off chain: sessions, agreements, profiles, learning, questions.

Rows in, rows out; the rules are in `oracle/community`. Contributors are 20-byte addresses, times
Unix seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    LargeBinary,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from oracle.errors import StoreConflict
from oracle.evidence.entries import Anchor, Delegation
from oracle.store.database import reading, writing
from oracle.store.schema import (
    agreements,
    campaign_ratings,
    courses,
    delegations,
    exam_attempts,
    guideline_proposals,
    inbox_questions,
    log_entries,
    network_salts,
    profiles,
    proposal_supports,
    submissions,
    training_answers,
    tutorial_steps,
    unlisted,
    web_sessions,
)

_SESSION = select(web_sessions).where(web_sessions.c.token_hash == bindparam("token_hash"))
_COURSES = (
    select(courses.c.version, courses.c.document, courses.c.published_at)
    .where(courses.c.campaign == bindparam("campaign"))
    .order_by(courses.c.version)
)

# Every request asks who it is from. What this process ends is ended at once; what another one on
# the same database ends, after so long at most.
KEPT_SECONDS = 10.0
KEPT_SESSIONS = 10_000

# Everything of a person that is theirs to take along or to delete.
PERSONAL = (
    web_sessions,
    agreements,
    profiles,
    tutorial_steps,
    training_answers,
    exam_attempts,
    inbox_questions,
    unlisted,
    campaign_ratings,
    guideline_proposals,
    proposal_supports,
)


@dataclass(frozen=True)
class SessionRow:
    """A browser that is signed in; `place` (8 bytes) is None once its day's salt is gone."""

    token_hash: bytes
    contributor: bytes
    browser: str
    place: bytes | None
    began_at: int
    seen_at: int
    ends_at: int


@dataclass(frozen=True)
class DelegationRow:
    """A session key (address) that may label in a campaign until `valid_until`."""

    campaign: int
    session_key: bytes
    generation: int
    valid_until: int
    consent: bytes


@dataclass(frozen=True)
class AttemptRow:
    """An attempt at a campaign's exam; the last three are None until it is handed in."""

    number: int
    version: int
    questions: tuple[str, ...]
    began_at: int
    correct: int | None
    passed: bool | None
    ended_at: int | None


@dataclass(frozen=True)
class InboxRow:
    """A question in a campaign's inbox; the last three are None until it is answered."""

    number: int
    contributor: bytes
    text: str
    asked_at: int
    answer: str | None
    answered_by: bytes | None
    answered_at: int | None


@dataclass(frozen=True)
class AnswerRow:
    """An answer to a training question."""

    contributor: bytes
    question: str
    choice: int
    correct: bool


class PeopleStore:
    """Reads and writes the tables of people; threads may share it. `clock` gives seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._kept: dict[bytes, tuple[SessionRow, float]] = {}  # by token hash, and when read

    # -- sessions ----------------------------------------------------------------------------

    def salt(self, day: int, fresh: bytes) -> bytes:
        """Return the day's salt, `fresh` where there is none yet; forget those of other days, and
        with them what they salted."""
        with reading(self._engine) as connection:
            known = connection.scalar(
                select(network_salts.c.salt).where(network_salts.c.day == day)
            )
        if known is not None:
            return bytes(known)
        try:
            with writing(self._engine) as connection:
                connection.execute(delete(network_salts).where(network_salts.c.day != day))
                connection.execute(update(web_sessions).values(place=None))
                connection.execute(insert(network_salts).values(day=day, salt=fresh))
        except StoreConflict:  # another process was first
            return self.salt(day, fresh)
        return fresh

    def add_session(self, row: SessionRow) -> None:
        """Keep a new session, and drop those that have ended."""
        with writing(self._engine) as connection:
            connection.execute(delete(web_sessions).where(web_sessions.c.ends_at <= row.began_at))
            connection.execute(insert(web_sessions).values(**vars(row)))

    def session(self, token_hash: bytes) -> SessionRow | None:
        """Return one session."""
        kept, now = self._kept, self._clock()
        known = kept.get(token_hash)
        if known is not None and now - known[1] < KEPT_SECONDS:
            return known[0]
        row = self._read_session(token_hash)
        if row is not None:
            if len(kept) >= KEPT_SESSIONS:
                self._forget_sessions()
            # Where one was ended meanwhile, nobody looks there any more.
            kept[token_hash] = row, now
        return row

    def _read_session(self, token_hash: bytes) -> SessionRow | None:
        with reading(self._engine) as connection:
            row = connection.execute(_SESSION, {"token_hash": token_hash}).mappings().first()
        return None if row is None else SessionRow(**row)

    def _forget_sessions(self) -> None:
        self._kept = {}

    def sessions(self, contributor: bytes) -> list[SessionRow]:
        """Return somebody's sessions, the newest first."""
        query = (
            select(web_sessions)
            .where(web_sessions.c.contributor == contributor)
            .order_by(web_sessions.c.began_at.desc(), web_sessions.c.token_hash)
        )
        with reading(self._engine) as connection:
            return [SessionRow(**row) for row in connection.execute(query).mappings()]

    def touch_session(self, token_hash: bytes, *, seen_at: int) -> None:
        """Note when a session was last used."""
        with writing(self._engine) as connection:
            connection.execute(
                update(web_sessions)
                .where(web_sessions.c.token_hash == token_hash)
                .values(seen_at=seen_at)
            )
        self._kept.pop(token_hash, None)

    def end_sessions(self, contributor: bytes, token_hashes: Sequence[bytes]) -> None:
        """Delete sessions, of this contributor alone."""
        with writing(self._engine) as connection:
            connection.execute(
                delete(web_sessions).where(
                    web_sessions.c.contributor == contributor,
                    web_sessions.c.token_hash.in_(token_hashes),
                )
            )
        self._forget_sessions()

    def delegations(self, contributor: bytes) -> list[DelegationRow]:
        """Return somebody's delegations in the logs kept here, the newest of a campaign first."""
        table = delegations.c
        query = (
            select(
                table.campaign,
                table.session_key,
                table.generation,
                table.valid_until,
                table.consent,
            )
            .where(table.contributor == contributor)
            .order_by(table.campaign.desc(), table.position.desc())
        )
        with reading(self._engine) as connection:
            return [DelegationRow(*row) for row in connection.execute(query)]

    # -- agreements, profile -----------------------------------------------------------------

    def agree(self, contributor: bytes, digest: bytes, document: str, *, now: int) -> None:
        """Note an agreement once; the first time stays."""
        known = select(agreements.c.agreed_at).where(
            agreements.c.contributor == contributor, agreements.c.digest == digest
        )
        with writing(self._engine) as connection:
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(agreements).values(
                        contributor=contributor, digest=digest, document=document, agreed_at=now
                    )
                )

    def agreements(self, contributor: bytes) -> list[tuple[str, bytes, int]]:
        """Return what somebody agreed to: document, digest, time; the newest first."""
        query = (
            select(agreements.c.document, agreements.c.digest, agreements.c.agreed_at)
            .where(agreements.c.contributor == contributor)
            .order_by(agreements.c.agreed_at.desc(), agreements.c.digest)
        )
        with reading(self._engine) as connection:
            return [(row.document, row.digest, row.agreed_at) for row in connection.execute(query)]

    def profile(self, contributor: bytes) -> tuple[str, str]:
        """Return language and region, empty where somebody said none."""
        query = select(profiles.c.language, profiles.c.region).where(
            profiles.c.contributor == contributor
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return ("", "") if row is None else (row.language, row.region)

    def set_profile(self, contributor: bytes, language: str, region: str, *, now: int) -> None:
        """Replace language and region; both empty delete the row."""
        with writing(self._engine) as connection:
            connection.execute(delete(profiles).where(profiles.c.contributor == contributor))
            if language or region:
                connection.execute(
                    insert(profiles).values(
                        contributor=contributor, language=language, region=region, updated_at=now
                    )
                )

    # -- learning ----------------------------------------------------------------------------

    def finish_step(self, contributor: bytes, step: str, *, now: int) -> None:
        """Note a tutorial step as done, once."""
        with writing(self._engine) as connection:
            done = select(tutorial_steps.c.step).where(
                tutorial_steps.c.contributor == contributor, tutorial_steps.c.step == step
            )
            if connection.execute(done).first() is None:
                connection.execute(
                    insert(tutorial_steps).values(contributor=contributor, step=step, done_at=now)
                )

    def steps(self, contributor: bytes) -> set[str]:
        """Return the tutorial steps done."""
        query = select(tutorial_steps.c.step).where(tutorial_steps.c.contributor == contributor)
        with reading(self._engine) as connection:
            return set(connection.scalars(query))

    def add_course(self, campaign: int, version: int, document: str, *, now: int) -> None:
        """Keep a course's next version; StoreConflict where that version is there."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(courses).values(
                    campaign=campaign, version=version, document=document, published_at=now
                )
            )

    def courses(self, campaign: int) -> list[tuple[int, str, int]]:
        """Return a campaign's courses, oldest first: version, document, time."""
        with reading(self._engine) as connection:
            found = connection.execute(_COURSES, {"campaign": campaign})
            return [(row.version, row.document, row.published_at) for row in found]

    def add_answer(self, campaign: int, answer: AnswerRow, *, now: int) -> None:
        """Keep an answer to a training question."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(training_answers).values(
                    contributor=answer.contributor,
                    campaign=campaign,
                    question=answer.question,
                    choice=answer.choice,
                    correct=int(answer.correct),
                    answered_at=now,
                )
            )

    def answers(self, campaign: int, contributor: bytes | None = None) -> list[AnswerRow]:
        """Return training answers in the order given, of one person or of all."""
        table = training_answers.c
        query = select(table.contributor, table.question, table.choice, table.correct).where(
            table.campaign == campaign
        )
        if contributor is not None:
            query = query.where(table.contributor == contributor)
        with reading(self._engine) as connection:
            return [
                AnswerRow(row.contributor, row.question, row.choice, bool(row.correct))
                for row in connection.execute(query.order_by(table.number))
            ]

    def attempts(self, campaign: int, contributor: bytes) -> list[AttemptRow]:
        """Return somebody's attempts at a campaign's exam, oldest first."""
        table = exam_attempts.c
        query = (
            select(exam_attempts)
            .where(table.campaign == campaign, table.contributor == contributor)
            .order_by(table.number)
        )
        with reading(self._engine) as connection:
            return [
                AttemptRow(
                    row.number,
                    row.version,
                    tuple(json.loads(row.questions)),
                    row.began_at,
                    row.correct,
                    None if row.passed is None else bool(row.passed),
                    row.ended_at,
                )
                for row in connection.execute(query)
            ]

    def begin_attempt(
        self,
        campaign: int,
        contributor: bytes,
        number: int,
        version: int,
        questions: Sequence[str],
        *,
        now: int,
    ) -> None:
        """Keep a new attempt; StoreConflict where one of that number is there."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(exam_attempts).values(
                    contributor=contributor,
                    campaign=campaign,
                    number=number,
                    version=version,
                    questions=json.dumps(list(questions)),
                    began_at=now,
                )
            )

    def end_attempt(
        self,
        campaign: int,
        contributor: bytes,
        number: int,
        choices: Sequence[int],
        *,
        correct: int,
        passed: bool,
        now: int,
    ) -> bool:
        """Keep what was handed in; False where the attempt had been handed in before."""
        table = exam_attempts.c
        with writing(self._engine) as connection:
            done = connection.execute(
                update(exam_attempts)
                .where(
                    table.campaign == campaign,
                    table.contributor == contributor,
                    table.number == number,
                    table.ended_at.is_(None),
                )
                .values(
                    choices=json.dumps(list(choices)),
                    correct=correct,
                    passed=int(passed),
                    ended_at=now,
                )
            )
        return done.rowcount == 1

    # -- inbox -------------------------------------------------------------------------------

    def ask(self, campaign: int, contributor: bytes, text: str, *, now: int) -> None:
        """Keep a question."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(inbox_questions).values(
                    contributor=contributor, campaign=campaign, text=text, asked_at=now
                )
            )

    def asked_since(self, contributor: bytes, since: int) -> int:
        """Return how many questions somebody asked from `since` on, in all campaigns."""
        query = select(func.count()).where(
            inbox_questions.c.contributor == contributor, inbox_questions.c.asked_at >= since
        )
        with reading(self._engine) as connection:
            return int(connection.scalar(query) or 0)

    def inbox(self, campaign: int, limit: int, before: int | None = None) -> list[InboxRow]:
        """Return a campaign's newest questions of numbers below `before`, the newest first."""
        known = inbox_questions.c.number < before if before is not None else true()
        query = (
            select(inbox_questions)
            .where(inbox_questions.c.campaign == campaign, known)
            .order_by(inbox_questions.c.number.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [
                InboxRow(
                    row.number,
                    row.contributor,
                    row.text,
                    row.asked_at,
                    row.answer,
                    row.answered_by,
                    row.answered_at,
                )
                for row in connection.execute(query)
            ]

    def answer(self, campaign: int, number: int, expert: bytes, answer: str, *, now: int) -> bool:
        """Keep the answer to a question, in place of an older one; False where there is none."""
        table = inbox_questions.c
        with writing(self._engine) as connection:
            done = connection.execute(
                update(inbox_questions)
                .where(table.campaign == campaign, table.number == number)
                .values(answer=answer, answered_by=expert, answered_at=now)
            )
        return done.rowcount == 1

    # -- everything of one person --------------------------------------------------------------

    def export(self, contributor: bytes) -> dict[str, list[dict[str, Any]]]:
        """Return all rows of a person, by table; of the gateway's own tables what isn't public:
        answers as long as they are kept in plain, and when entries were written by its clock."""
        entry, given = log_entries.c, submissions.c
        answers = (
            select(given.campaign, given.position, given.answers)
            .where(given.contributor == contributor, given.answers.is_not(None))
            .order_by(given.campaign, given.position)
        )
        times = (
            select(entry.campaign, entry.position, entry.kind, entry.written_at)
            .where(_logged_by(contributor), entry.written_at > 0)
            .order_by(entry.campaign, entry.position)
        )
        gateways = {"answers": answers, "log_times": times}
        with reading(self._engine) as connection:
            return {
                name: [dict(row) for row in connection.execute(query).mappings()]
                for name, query in gateways.items()
            } | {
                table.name: [
                    dict(row)
                    for row in connection.execute(
                        select(table)
                        .where(table.c.contributor == contributor)
                        .order_by(*table.primary_key)
                    ).mappings()
                ]
                for table in PERSONAL
            }

    def delete(self, contributor: bytes) -> int:
        """Delete all rows of a person; what they answered to others stays, without their name, and
        others' support of what they proposed goes with it. The log's entries stay, without the time
        of writing. Return how many rows of theirs went."""
        own = guideline_proposals.c.contributor == contributor
        with writing(self._engine) as connection:
            for answered in (inbox_questions, guideline_proposals):
                connection.execute(
                    update(answered)
                    .where(answered.c.answered_by == contributor)
                    .values(answered_by=None)
                )
            connection.execute(
                delete(proposal_supports).where(
                    proposal_supports.c.contributor != contributor,
                    proposal_supports.c.proposal.in_(
                        select(guideline_proposals.c.number).where(own)
                    ),
                )
            )
            count = sum(
                connection.execute(delete(table).where(table.c.contributor == contributor)).rowcount
                for table in PERSONAL
            )
            connection.execute(
                update(log_entries).where(_logged_by(contributor)).values(written_at=0)
            )
        self._forget_sessions()
        return count


def _logged_by(contributor: bytes) -> ColumnElement[bool]:
    """The log's entries of a person, in the campaigns that they let a key label in: their address
    stands behind the byte of the kind, a delegation's behind its source too."""
    entry = log_entries.c
    mine = select(delegations.c.campaign).where(delegations.c.contributor == contributor)
    place = case((entry.kind == Delegation.KIND, 3), else_=2)
    address = func.substr(entry.entry, place, 20, type_=LargeBinary)
    return entry.campaign.in_(mine) & (entry.kind != Anchor.KIND) & (address == contributor)
