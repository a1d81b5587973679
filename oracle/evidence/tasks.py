"""Task types: what an answer may be, its canonical form, and whether answers are classes
(docs/FORMATS.md, section 3).

A task whose answers are finitely many numbers them, and consensus is over those numbers: single
class, ordinal rating, pairwise comparison, and several labels with attributes, where each allowed
combination is a class. Regions, spans and texts have no such numbers: they are *measured* against
gold (oracle/quality/closeness.py), and nothing is inferred from them.

What is checked here decides money, so it reads no table that changes between versions (such as
Unicode's), and no float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, pairwise, product
from typing import Any, ClassVar

from oracle.errors import FormatError
from oracle.evidence.codec import encode_json

MAX_CLASSES = 256  # skills are tables of workers × classes², which decide holds in memory
MAX_LABELS = 8  # 2^8 combinations
MAX_SCALE = 1024  # polygons are compared cell by cell
MAX_REGIONS = 20
MAX_POINTS = 100
MAX_SPANS = 100
MAX_CHARACTERS = 1 << 20  # of a text that spans point into
MAX_TEXT = 4000

_NAME = {"type": "string", "minLength": 1, "maxLength": 1000}
_MATCH = {"type": "integer", "minimum": 1, "maximum": 1_000_000}


def _names(least: int, most: int) -> dict[str, Any]:
    return {
        "type": "array",
        "items": _NAME,
        "minItems": least,
        "maxItems": most,
        "uniqueItems": True,
    }


def _task(kind: str, **properties: Any) -> dict[str, Any]:
    properties = {"type": {"const": kind}, "schema": {"type": "object"}, **properties}
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


_REGIONS = {
    "classes": _names(1, MAX_CLASSES),
    "scale": _whole(2, MAX_SCALE),
    "most": _whole(1, MAX_REGIONS),
    "match": _MATCH,
}
_TEXTS = {"maxLength": _whole(1, MAX_TEXT), "match": _MATCH}

# By type: the JSON Schema of a manifest's `task`.
TASK_SCHEMAS: dict[str, dict[str, Any]] = {
    "categorical": _task("categorical", classes=_names(2, MAX_CLASSES)),
    "ordinal": _task("ordinal", classes=_names(2, MAX_CLASSES)),
    "pairwise": _task("pairwise", classes=_names(2, 3)),
    "multilabel": _task(
        "multilabel",
        labels=_names(1, MAX_LABELS),
        attributes={
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": 100},
            "additionalProperties": _names(2, MAX_CLASSES),
        },
    ),
    "boxes": _task("boxes", **_REGIONS),
    "polygons": _task("polygons", **_REGIONS),
    "spans": _task(
        "spans", classes=_names(1, MAX_CLASSES), most=_whole(1, MAX_SPANS), match=_MATCH
    ),
    "text": _task("text", **_TEXTS),
    "transcription": _task("transcription", **_TEXTS),
}


@dataclass(frozen=True)
class Task:
    """A manifest's `task`, already valid by its schema."""

    document: Mapping[str, Any]
    measured: ClassVar[bool]

    @property
    def type(self) -> str:
        """One of `TASK_SCHEMAS`."""
        return str(self.document["type"])

    @cached_property
    def answers(self) -> tuple[Any, ...]:
        """Every answer there is, in the order that numbers them; none where they are measured."""
        return ()

    @property
    def match_ppm(self) -> int:
        """From which closeness to gold on a measured answer is right."""
        return int(self.document["match"])

    def fault(self, answer: Any) -> str | None:
        """Say what is wrong with an answer (a JSON value); None for one of the task, in its
        canonical form."""
        raise NotImplementedError

    def answer_schema(self) -> dict[str, Any]:
        """Return a JSON Schema that answers fit, for whoever writes a manifest."""
        raise NotImplementedError


@dataclass(frozen=True)
class ClassTask(Task):
    """One of the classes, named: single class, ordinal rating (in their order), pairwise (first,
    second and, where there are three, neither)."""

    measured: ClassVar[bool] = False

    @cached_property
    def answers(self) -> tuple[Any, ...]:
        """The classes."""
        return tuple(self.document["classes"])

    def fault(self, answer: Any) -> str | None:
        """As `Task.fault`."""
        known = isinstance(answer, str) and answer in self.answers
        return None if known else "is none of the task's classes"

    def answer_schema(self) -> dict[str, Any]:
        """As `Task.answer_schema`."""
        return {"type": "string", "enum": list(self.answers)}


@dataclass(frozen=True)
class MultiLabelTask(Task):
    """`{"labels": […], "attributes": {name: option}}`: any of the labels, in the taxonomy's order,
    and one option of each attribute. Each combination is a class."""

    measured: ClassVar[bool] = False

    @cached_property
    def answers(self) -> tuple[Any, ...]:
        """All combinations: by number of labels, then by their order, then by options."""
        labels: list[str] = self.document["labels"]
        names = sorted(self.document["attributes"])
        sets = chain.from_iterable(combinations(labels, size) for size in range(len(labels) + 1))
        choices = list(product(*(self.document["attributes"][name] for name in names)))
        return tuple(
            {"labels": list(chosen), "attributes": dict(zip(names, options, strict=True))}
            for chosen in sets
            for options in choices
        )

    def fault(self, answer: Any) -> str | None:
        """As `Task.fault`."""
        if not isinstance(answer, dict) or set(answer) != {"labels", "attributes"}:
            return "is no object of labels and attributes"
        labels, attributes = answer["labels"], answer["attributes"]
        order: list[str] = self.document["labels"]
        if not isinstance(labels, list) or labels != [one for one in order if one in labels]:
            return "names labels that aren't the campaign's, or not in their order"
        allowed: Mapping[str, list[str]] = self.document["attributes"]
        if not isinstance(attributes, dict) or set(attributes) != set(allowed):
            return "needs each attribute once"
        if any(attributes[name] not in options for name, options in allowed.items()):
            return "gives an attribute an option that it hasn't"
        return None

    def answer_schema(self) -> dict[str, Any]:
        """As `Task.answer_schema`."""
        options = {
            name: {"enum": list(options)} for name, options in self.document["attributes"].items()
        }
        return _object(
            labels={
                "type": "array",
                "items": {"enum": list(self.document["labels"])},
                "uniqueItems": True,
            },
            attributes=_object(**options),
        )


@dataclass(frozen=True)
class RegionTask(Task):
    """A list of `{"class": …, "box": [left, top, right, bottom]}` or of `{"class": …, "points":
    [[x, y], …]}`: integers from 0 to `scale`, of the item's width and height each. Ascending by the
    class's place and the coordinates, none twice."""

    measured: ClassVar[bool] = True

    @property
    def shape(self) -> str:
        """The key that holds a region's coordinates."""
        return "box" if self.type == "boxes" else "points"

    def fault(self, answer: Any) -> str | None:
        """As `Task.fault`."""
        scale, most = self.document["scale"], self.document["most"]
        if not isinstance(answer, list) or len(answer) > most:
            return f"is no list of at most {most} regions"
        for region in answer:
            if not isinstance(region, dict) or set(region) != {"class", self.shape}:
                return f"has a region that isn't a class with its {self.shape}"
            if region["class"] not in self.document["classes"]:
                return "has a region whose class isn't the campaign's"
            shape = region[self.shape]
            wrong = _box_fault(shape, scale) if self.shape == "box" else _ring_fault(shape, scale)
            if wrong is not None:
                return f"has a region that {wrong}"
        place = self.document["classes"].index
        if not _ascend([(place(one["class"]), one[self.shape]) for one in answer]):
            return "has regions out of order, or one twice"
        return None

    def answer_schema(self) -> dict[str, Any]:
        """As `Task.answer_schema`."""
        number = _whole(0, self.document["scale"])
        shape = {
            "box": {"type": "array", "items": number, "minItems": 4, "maxItems": 4},
            "points": {
                "type": "array",
                "items": {"type": "array", "items": number, "minItems": 2, "maxItems": 2},
                "minItems": 3,
                "maxItems": MAX_POINTS,
            },
        }[self.shape]
        return _list_of(self.document, **{self.shape: shape})


@dataclass(frozen=True)
class SpanTask(Task):
    """A list of `{"class": …, "start": …, "end": …}` in Unicode code points of the item's text, the
    end excluded. Ascending by start, end and the class's place; spans of one class don't overlap.
    """

    measured: ClassVar[bool] = True

    def fault(self, answer: Any) -> str | None:
        """As `Task.fault`."""
        most = self.document["most"]
        if not isinstance(answer, list) or len(answer) > most:
            return f"is no list of at most {most} spans"
        for span in answer:
            if not isinstance(span, dict) or set(span) != {"class", "start", "end"}:
                return "has a span that isn't a class with start and end"
            if span["class"] not in self.document["classes"]:
                return "has a span whose class isn't the campaign's"
            ends = [span["start"], span["end"]]
            if not _are_whole(ends, MAX_CHARACTERS) or ends[0] >= ends[1]:
                return "has a span that doesn't end after its start"
        place = self.document["classes"].index
        if not _ascend([(one["start"], one["end"], place(one["class"])) for one in answer]):
            return "has spans out of order, or one twice"
        for name in self.document["classes"]:
            same = [one for one in answer if one["class"] == name]
            if any(after["start"] < one["end"] for one, after in pairwise(same)):
                return "has spans of one class that overlap"
        return None

    def answer_schema(self) -> dict[str, Any]:
        """As `Task.answer_schema`."""
        number = _whole(0, MAX_CHARACTERS)
        return _list_of(self.document, start=number, end=number)


@dataclass(frozen=True)
class TextTask(Task):
    """A text of at most `maxLength` code points; of free text at least one. Pages send it in NFC,
    without blanks at its ends."""

    measured: ClassVar[bool] = True

    def fault(self, answer: Any) -> str | None:
        """As `Task.fault`."""
        least, most = int(self.type == "text"), self.document["maxLength"]
        if not isinstance(answer, str) or not least <= len(answer) <= most:
            return f"is no text of {least} to {most} characters"
        return None

    def answer_schema(self) -> dict[str, Any]:
        """As `Task.answer_schema`."""
        least = int(self.type == "text")
        return {"type": "string", "minLength": least, "maxLength": self.document["maxLength"]}


_TYPES: dict[str, type[Task]] = {
    "categorical": ClassTask,
    "ordinal": ClassTask,
    "pairwise": ClassTask,
    "multilabel": MultiLabelTask,
    "boxes": RegionTask,
    "polygons": RegionTask,
    "spans": SpanTask,
    "text": TextTask,
    "transcription": TextTask,
}


def read_task(document: Mapping[str, Any]) -> Task:
    """Return the task of a manifest, valid by its schema; FormatError where a taxonomy has more
    combinations than consensus can hold."""
    task = _TYPES[document["type"]](document)
    if isinstance(task, MultiLabelTask):
        count = 1 << len(document["labels"])
        for options in document["attributes"].values():
            count *= len(options)
        if count > MAX_CLASSES:
            raise FormatError(
                f"labels and attributes combine to {count} answers, at most {MAX_CLASSES} can be "
                "counted: split the task, or drop an attribute"
            )
    return task


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _list_of(document: Mapping[str, Any], **shape: Any) -> dict[str, Any]:
    one = _object(**{"class": {"enum": list(document["classes"])}}, **shape)
    return {"type": "array", "items": one, "maxItems": document["most"]}


def _are_whole(values: Any, most: int) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= most for value in values
    )


def _box_fault(box: Any, scale: int) -> str | None:
    if not _are_whole(box, scale) or len(box) != 4:
        return f"isn't four whole numbers from 0 to {scale}"
    if not (box[0] < box[2] and box[1] < box[3]):
        return "has no width or no height"
    return None


def _ring_fault(points: Any, scale: int) -> str | None:
    if not isinstance(points, list) or not 3 <= len(points) <= MAX_POINTS:
        return f"hasn't 3 to {MAX_POINTS} points"
    if not all(_are_whole(point, scale) and len(point) == 2 for point in points):
        return f"has a point that isn't two whole numbers from 0 to {scale}"
    following = [*points[1:], points[0]]
    doubled = sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))
    return None if doubled else "has no area"


def _ascend(keys: Sequence[Any]) -> bool:
    return all(before < after for before, after in pairwise(keys))


def canonical_answers(task: Task) -> tuple[bytes, ...]:
    """Canonical JSON of each of a task's answers, by number."""
    return tuple(encode_json(answer) for answer in task.answers)
