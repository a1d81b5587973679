"""Learning: the tutorial's progress, guidelines by version, training, refreshers, and the exam that
lets people work.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from oracle.community.course import Course, Question
from oracle.errors import GatewayRefusal, InputError
from oracle.store.people import AnswerRow, AttemptRow, PeopleStore

TUTORIAL = ("welcome", "interface", "money", "quality", "privacy")
REFRESHER = 5  # questions of one refresher
MOST_PAIRS = 1_000_000  # of lines that are compared: some tenths of a second
MOST_ANSWERS = 1_000  # of one person in a campaign's training
COMMON_PEOPLE = 5  # an error is shown once so many people answered its question


@dataclass(frozen=True)
class Edition:
    """A version of a campaign's guidelines, Markdown; `published_at` is 0 for the manifest's."""

    version: int
    text: str
    note: str
    published_at: int


@dataclass(frozen=True)
class Standing:
    """Where somebody is with a campaign's exam.

    `left` attempts remain, the next from `again_at` (Unix seconds, 0 for now) on. `running` is an
    attempt that wasn't handed in yet.
    """

    needed: bool
    passed: bool
    left: int
    again_at: int
    running: AttemptRow | None
    last: AttemptRow | None


@dataclass(frozen=True)
class Feedback:
    """What a training answer brought."""

    question: Question
    choice: int
    correct: bool


@dataclass(frozen=True)
class CommonError:
    """A question that people get wrong: `wrong` of `answers` first tries (ppm share `share`), most
    often by choosing `mistaken`."""

    question: Question
    people: int
    share: int
    mistaken: str


class Learning:
    """What people learn for campaigns; `now` gives Unix seconds."""

    def __init__(self, store: PeopleStore, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    # -- tutorial ----------------------------------------------------------------------------

    def steps(self, contributor: bytes) -> list[str]:
        """Return the tutorial's steps that somebody has done, in its order."""
        done = self._store.steps(contributor)
        return [step for step in TUTORIAL if step in done]

    def finish_step(self, contributor: bytes, step: str) -> None:
        """Note a step as done; InputError for one that the tutorial hasn't."""
        if step not in TUTORIAL:
            raise InputError("the tutorial has no such step: go back to its first")
        self._store.finish_step(contributor, step, now=int(self._now()))

    # -- courses -----------------------------------------------------------------------------

    def publish(self, campaign: int, course: Course) -> int:
        """Make a course the campaign's newest; return its version. The same again changes
        nothing."""
        known = self._store.courses(campaign)
        if known and known[-1][1] == course.document:
            return known[-1][0]
        # The guidelines that the manifest names are version 1.
        version = known[-1][0] + 1 if known else 2
        self._store.add_course(campaign, version, course.document, now=int(self._now()))
        return version

    def course(self, campaign: int) -> Course | None:
        """Return the campaign's newest course."""
        known = self._store.courses(campaign)
        return Course.parse(known[-1][1]) if known else None

    def is_expert(self, campaign: int, contributor: bytes | None) -> bool:
        """Say whether the campaign's course names somebody as an expert."""
        course = self.course(campaign)
        return course is not None and contributor in course.experts

    def check_expert(self, campaign: int, contributor: bytes) -> None:
        """Refuse (GatewayRefusal) whoever the campaign's course doesn't name as an expert."""
        if not self.is_expert(campaign, contributor):
            raise GatewayRefusal(
                "no_expert",
                "only the campaign's experts answer here: ask its requester to name you",
            )

    def editions(self, campaign: int, original: str) -> list[Edition]:
        """Return all versions of the guidelines, the newest first; `original` is the manifest's."""
        found = [Edition(1, original, "As the campaign began.", 0)]
        for version, document, published_at in self._store.courses(campaign):
            course = Course.parse(document)
            if course.guidelines.strip() != found[-1].text.strip():
                found.append(Edition(version, course.guidelines, course.note, published_at))
        return found[::-1]

    # -- training ----------------------------------------------------------------------------

    def next_question(self, campaign: int, contributor: bytes) -> Question | None:
        """Return the next training question: those never answered right in the order of the
        course, the wrong ones again after the others; None when all are done."""
        course = self.course(campaign)
        if course is None:
            return None
        answers = self._store.answers(campaign, contributor)
        right = {answer.question for answer in answers if answer.correct}
        tried = {answer.question: place for place, answer in enumerate(answers)}
        open_ = [question for question in course.training if question.id not in right]
        return min(open_, key=lambda question: tried.get(question.id, -1), default=None)

    def progress(self, campaign: int, contributor: bytes) -> tuple[int, int]:
        """Return how many training questions somebody answered right at least once, of how many."""
        course = self.course(campaign)
        if course is None:
            return 0, 0
        answers = self._store.answers(campaign, contributor)
        right = {answer.question for answer in answers if answer.correct}
        return sum(question.id in right for question in course.training), len(course.training)

    def train(self, campaign: int, contributor: bytes, question_id: str, choice: int) -> Feedback:
        """Take a training answer and judge it; InputError where there is no such question or
        choice, GatewayRefusal for one answer too many. Questions of the exam are none of
        training's, so nobody learns their answers here."""
        question = self._training_question(campaign, question_id)
        if not 0 <= choice < len(question.choices):
            raise InputError("this answer isn't among the choices: choose one of them")
        if len(self._store.answers(campaign, contributor)) >= MOST_ANSWERS:
            raise GatewayRefusal(
                "trained", "you have trained here more than enough: take the exam, or label"
            )
        correct = choice == question.answer
        answer = AnswerRow(contributor, question.id, choice, correct)
        self._store.add_answer(campaign, answer, now=int(self._now()))
        return Feedback(question, choice, correct)

    def refresher(self, campaign: int, contributor: bytes) -> list[Question]:
        """Return the questions somebody should see again: of their topics, by how often they were
        wrong in each lately, those they got wrong first. Empty without errors."""
        course = self.course(campaign)
        if course is None:
            return []
        by_id = {question.id: question for question in course.training}
        topics, errors = Counter[str](), Counter[str]()
        for answer in self._store.answers(campaign, contributor):
            if (question := by_id.get(answer.question)) is None:
                continue
            # Each right answer takes half of a topic's weight back: what was mended fades.
            if answer.correct:
                topics[question.topic] //= 2
                errors[question.id] = 0
            else:
                topics[question.topic] += 2
                errors[question.id] += 1
        weak = [question for question in course.training if topics[question.topic]]
        weak.sort(key=lambda question: (-errors[question.id], -topics[question.topic]))
        return weak[:REFRESHER]

    def common_errors(self, campaign: int) -> list[CommonError]:
        """Return what people get wrong most at their first try, the most frequent first."""
        course = self.course(campaign)
        if course is None:
            return []
        first: dict[str, dict[bytes, int]] = defaultdict(dict)
        for answer in self._store.answers(campaign):
            first[answer.question].setdefault(answer.contributor, answer.choice)
        found = []
        for question in course.training:
            choices = first[question.id]
            wrong = Counter(
                choice
                for choice in choices.values()
                if choice != question.answer and choice < len(question.choices)
            )
            # Fewer people could recognise one another.
            if wrong and len(choices) >= COMMON_PEOPLE:
                most = min(wrong, key=lambda choice: (-wrong[choice], choice))
                share = 1_000_000 * wrong.total() // len(choices)
                found.append(CommonError(question, len(choices), share, question.choices[most]))
        return sorted(found, key=lambda error: -error.share)

    # -- the exam ----------------------------------------------------------------------------

    def standing(self, campaign: int, contributor: bytes) -> Standing:
        """Return where somebody is with the campaign's exam. Who passed once stays qualified when
        the course gets a new version."""
        course = self.course(campaign)
        if course is None or course.exam is None:
            return Standing(False, False, 0, 0, None, None)
        attempts = self._store.attempts(campaign, contributor)
        ended = [attempt for attempt in attempts if attempt.ended_at is not None]
        running = next((attempt for attempt in attempts if attempt.ended_at is None), None)
        again = (ended[-1].ended_at or 0) + course.exam.cool_down if ended else 0
        return Standing(
            True,
            any(attempt.passed for attempt in ended),
            max(0, course.exam.attempts - len(ended)),
            again if again > self._now() else 0,
            running,
            ended[-1] if ended else None,
        )

    def begin_exam(self, campaign: int, contributor: bytes) -> list[Question]:
        """Return the questions of the running attempt, or of a new one.

        GatewayRefusal where none may begin: passed already, none left, or too early.
        """
        course, standing = self.course(campaign), self.standing(campaign, contributor)
        if course is None or course.exam is None:
            raise GatewayRefusal("no_exam", "this campaign has no exam: start to label")
        if standing.running is not None:
            return [
                course.by_id[name] for name in standing.running.questions if name in course.by_id
            ]
        if standing.passed:
            raise GatewayRefusal("passed", "you have passed this exam already: start to label")
        if not standing.left:
            raise GatewayRefusal(
                "no_attempts", "you have used all attempts at this exam: choose another campaign"
            )
        if standing.again_at:
            raise GatewayRefusal(
                "cool_down", "it is too early for another attempt: train, and come back later"
            )
        order = random.Random(secrets.randbits(128))
        drawn = order.sample(course.exam.pool, course.exam.questions)
        number = standing.last.number + 1 if standing.last is not None else 1
        version = self._store.courses(campaign)[-1][0]
        names = [question.id for question in drawn]
        now = int(self._now())
        self._store.begin_attempt(campaign, contributor, number, version, names, now=now)
        return drawn

    def hand_in(self, campaign: int, contributor: bytes, choices: Sequence[int]) -> AttemptRow:
        """Judge the running attempt, once; GatewayRefusal where none runs.

        A question that a newer course dropped counts as right: its loss is not the person's.
        """
        course, standing = self.course(campaign), self.standing(campaign, contributor)
        attempt = standing.running
        if course is None or course.exam is None or attempt is None:
            raise GatewayRefusal("no_attempt", "no attempt is under way: begin one first")
        asked = [name for name in attempt.questions if name in course.by_id]
        if len(choices) != len(asked):
            raise InputError("some questions have no answer: answer each of them")
        correct = (
            len(attempt.questions)
            - len(asked)
            + sum(
                course.by_id[name].answer == choice
                for name, choice in zip(asked, choices, strict=True)
            )
        )
        taken = self._store.end_attempt(
            campaign,
            contributor,
            attempt.number,
            choices,
            correct=correct,
            passed=correct >= min(course.exam.required, len(attempt.questions)),
            now=int(self._now()),
        )
        if not taken:
            raise GatewayRefusal("handed_in", "this attempt was handed in already: reload the page")
        return self._store.attempts(campaign, contributor)[-1]

    def check_qualified(self, campaign: int, contributor: bytes) -> None:
        """GatewayRefusal where the campaign has an exam that somebody hasn't passed."""
        standing = self.standing(campaign, contributor)
        if standing.needed and not standing.passed:
            raise GatewayRefusal(
                "unqualified",
                "this campaign has a short exam: pass it first, on the campaign's page under Exam",
            )

    def _training_question(self, campaign: int, question_id: str) -> Question:
        course = self.course(campaign)
        for question in course.training if course is not None else ():
            if question.id == question_id:
                return question
        raise InputError("this question isn't part of the training any more: take the next one")


def differences(old: str, new: str) -> list[tuple[str, str]]:
    """Return the lines of two texts as (kind, line): "same", "removed" or "added", in order.

    Between what begins and ends alike, texts too long to compare line by line differ as a whole.
    """
    before, after = old.splitlines(), new.splitlines()
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    start, end = before[:head], before[len(before) - tail :]
    before, after = before[head : len(before) - tail], after[head : len(after) - tail]
    found = [("same", line) for line in start]
    if len(before) * len(after) > MOST_PAIRS:
        steps = [("replace", 0, len(before), 0, len(after))]
    else:
        steps = list(SequenceMatcher(None, before, after, autojunk=False).get_opcodes())
    for kind, a, b, c, d in steps:
        if kind == "equal":
            found += [("same", line) for line in before[a:b]]
        else:
            found += [("removed", line) for line in before[a:b]]
            found += [("added", line) for line in after[c:d]]
    return found + [("same", line) for line in end]


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines two texts have alike from their beginning on."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
