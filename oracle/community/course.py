"""A campaign's course: guidelines in their newest version, training questions, and an exam.

Every question is one of choice, whatever the task type: "Is this box right?" teaches boxes. A
course is the requester's file (YAML or JSON); the gateway keeps it, since answers of the test are
secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from oracle.errors import FormatError, InputError
from oracle.evidence.codec import MAX_BLOCK, RAW, Block, Link, encode_json, parse_json
from oracle.ports import ContentStore

_TEXT = {"type": "string", "minLength": 1, "maxLength": 20_000}
_NAME = {"type": "string", "pattern": r"^[a-z0-9-]{1,40}\Z"}
_QUESTION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "topic", "prompt", "choices", "answer", "explanation"],
    "properties": {
        "id": _NAME,
        "topic": {"type": "string", "minLength": 1, "maxLength": 80},
        "prompt": _TEXT,
        "picture": {"type": "string", "maxLength": 100},
        "describes": {"type": "string", "maxLength": 300},
        "choices": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 300},
            "minItems": 2,
            "maxItems": 10,
            "uniqueItems": True,
        },
        "answer": {"type": "integer", "minimum": 0, "maximum": 9},
        "explanation": _TEXT,
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["guidelines"],
    "properties": {
        "guidelines": {"type": "string", "minLength": 1, "maxLength": 200_000},
        "note": {"type": "string", "maxLength": 500},
        "experts": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^0x[0-9a-fA-F]{40}\Z"},
            "maxItems": 100,
        },
        "training": {"type": "array", "items": _QUESTION, "maxItems": 200},
        "exam": {
            "type": "object",
            "additionalProperties": False,
            "required": ["pool", "questions", "pass"],
            "properties": {
                "pool": {"type": "array", "items": _QUESTION, "minItems": 1, "maxItems": 200},
                "questions": {"type": "integer", "minimum": 1, "maximum": 50},
                "pass": {"type": "integer", "minimum": 1, "maximum": 50},
                "attempts": {"type": "integer", "minimum": 1, "maximum": 20},
                "cool_down": {"type": "integer", "minimum": 0, "maximum": 2_592_000},
            },
        },
    },
}
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@dataclass(frozen=True)
class Question:
    """One right answer among `choices`. `prompt` and `explanation` are Markdown; `picture` is a
    CID, or empty, and `describes` says in words what it shows."""

    id: str
    topic: str
    prompt: str
    choices: tuple[str, ...]
    answer: int
    explanation: str
    picture: str = ""
    describes: str = ""


@dataclass(frozen=True)
class Exam:
    """`questions` drawn from `pool`, of which `required` right ones pass; `attempts` in all, each
    `cool_down` seconds after the last."""

    pool: tuple[Question, ...]
    questions: int
    required: int
    attempts: int
    cool_down: int


@dataclass(frozen=True)
class Course:
    """What a campaign teaches. `experts` (addresses, 20 bytes) answer in its inbox."""

    guidelines: str
    note: str
    experts: tuple[bytes, ...]
    training: tuple[Question, ...]
    exam: Exam | None
    document: str

    @property
    def by_id(self) -> dict[str, Question]:
        """Every question, of training and exam."""
        pool = self.exam.pool if self.exam is not None else ()
        return {question.id: question for question in (*self.training, *pool)}

    @classmethod
    def of(cls, value: Any) -> Course:
        """Check a JSON value; InputError naming the place of the first fault and what is right."""
        fault = next(iter(_VALIDATOR.iter_errors(value)), None)
        if fault is not None:
            place = ".".join(map(str, fault.absolute_path)) or "the file"
            raise InputError(f"course, {place}: {fault.message[:200]}: see docs/LEARNING.md")
        training = tuple(map(_question, value.get("training", ())))
        exam = _exam(value["exam"]) if "exam" in value else None
        course = cls(
            value["guidelines"],
            value.get("note", ""),
            tuple(bytes.fromhex(expert[2:]) for expert in value.get("experts", ())),
            training,
            exam,
            encode_json(value).decode(),
        )
        if len(course.by_id) < len(training) + (len(exam.pool) if exam else 0):
            raise InputError("course: two questions have the same id: give each its own")
        return course

    @staticmethod
    @lru_cache(maxsize=64)  # every page of a campaign asks for its course
    def parse(document: str) -> Course:
        """Read what `document` holds of a checked course."""
        return Course.of(parse_json(document))


def read_course(path: Path, content: ContentStore) -> Course:
    """Read a course's file, YAML or JSON; InputError naming what is wrong with it.

    A question's picture may be a file beside it, which goes into `content` once all is checked.
    """
    try:
        if path.stat().st_size > MAX_BLOCK:
            raise InputError(f"{path} is over 1 MiB: shorten it, and leave pictures in own files")
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        pictures = [_picture(path.parent, question) for question in _questions(value)]
    except OSError as error:
        raise InputError(
            f"{error.filename} can't be read ({error.strerror}): name a file that is there"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no YAML: {reason}: mend it there") from None
    course = Course.of(value)
    for picture in pictures:
        if picture is not None:
            content.put(picture.data, picture.codec)
    return course


def _questions(value: Any) -> list[dict[str, Any]]:
    """Every question of a course that isn't checked yet."""
    if not isinstance(value, dict):
        return []
    exam = value.get("exam")
    pool = exam.get("pool") if isinstance(exam, dict) else None
    lists = [one for one in (value.get("training"), pool) if isinstance(one, list)]
    return [question for one in lists for question in one if isinstance(question, dict)]


def _picture(folder: Path, question: dict[str, Any]) -> Block | None:
    """Name a question's picture by its content address, where it is a file; return its block."""
    name = question.get("picture")
    if not isinstance(name, str) or "." not in name:
        return None
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise InputError(f"the picture {name[:80]!r} leaves the course's folder: put it there")
    if file.stat().st_size > MAX_BLOCK:
        raise InputError(f"the picture {name[:80]!r} is over 1 MiB: make it smaller")
    block = Block(RAW, file.read_bytes())
    question["picture"] = str(block.link)
    return block


def _question(value: dict[str, Any]) -> Question:
    if value["answer"] >= len(value["choices"]):
        raise InputError(
            f"course, question {value['id']}: answer {value['answer']} is none of its "
            f"{len(value['choices'])} choices: count from 0"
        )
    picture = value.get("picture", "")
    if picture:
        try:
            Link.parse(picture)
        except FormatError:
            raise InputError(
                f"course, question {value['id']}: the picture is no CID: name a content block"
            ) from None
        if not value.get("describes"):
            raise InputError(
                f"course, question {value['id']}: its picture lacks `describes`: say in words what "
                "it shows, for those who can't see it"
            )
    return Question(
        value["id"],
        value["topic"],
        value["prompt"],
        tuple(value["choices"]),
        value["answer"],
        value["explanation"],
        picture,
        value.get("describes", ""),
    )


def _exam(value: dict[str, Any]) -> Exam:
    pool = tuple(map(_question, value["pool"]))
    if not value["pass"] <= value["questions"] <= len(pool):
        raise InputError(
            f"course, exam: pass {value['pass']} of {value['questions']} out of {len(pool)}: each "
            "is at most the next"
        )
    return Exam(
        pool,
        value["questions"],
        value["pass"],
        value.get("attempts", 3),
        value.get("cool_down", 3_600),
    )
