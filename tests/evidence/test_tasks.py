"""Task types: what is an answer, and in which form."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from oracle.errors import FormatError
from oracle.evidence.manifest import Manifest
from oracle.evidence.tasks import TASK_SCHEMAS, read_task
from tests.support.world import manifest_document

REGIONS = {"classes": ["car", "dog"], "scale": 100, "most": 3, "match": 500_000}
TASKS: dict[str, dict[str, Any]] = {
    "categorical": {"classes": ["yes", "no"]},
    "ordinal": {"classes": ["1", "2", "3"]},
    "pairwise": {"classes": ["first", "second", "neither"]},
    "multilabel": {"labels": ["sea", "sky"], "attributes": {"light": ["day", "night"]}},
    "boxes": REGIONS,
    "polygons": REGIONS,
    "spans": {"classes": ["name", "place"], "most": 3, "match": 500_000},
    "text": {"maxLength": 10, "match": 700_000},
    "transcription": {"maxLength": 10, "match": 700_000},
}
TRIANGLE = [[0, 0], [10, 0], [0, 10]]


def task(kind: str) -> dict[str, Any]:
    return {"type": kind, "schema": {}, **TASKS[kind]}


def box(name: str, *corners: Any) -> dict[str, Any]:
    return {"class": name, "box": list(corners)}


def ring(name: str, *points: Any) -> dict[str, Any]:
    return {"class": name, "points": [list(point) for point in points]}


def span(name: str, start: Any, end: Any) -> dict[str, Any]:
    return {"class": name, "start": start, "end": end}


def both(labels: Any, **attributes: Any) -> dict[str, Any]:
    return {"labels": labels, "attributes": attributes}


ALLOWED: list[tuple[str, Any]] = [
    ("categorical", "no"),
    ("ordinal", "3"),
    ("pairwise", "neither"),
    ("multilabel", both([], light="day")),
    ("multilabel", both(["sea", "sky"], light="night")),
    ("boxes", []),
    ("boxes", [box("car", 0, 0, 100, 100), box("dog", 0, 0, 1, 1)]),
    ("boxes", [box("car", 0, 0, 1, 2), box("car", 0, 0, 2, 1)]),
    ("polygons", [ring("dog", *TRIANGLE)]),
    ("spans", [span("name", 0, 4), span("place", 0, 4), span("name", 4, 6)]),
    ("text", "ten signs!"),
    ("transcription", ""),
]
REFUSED: list[tuple[str, Any]] = [
    ("categorical", "maybe"),
    ("categorical", 1),
    ("ordinal", 3),
    ("pairwise", "both"),
    ("multilabel", ["sea"]),
    ("multilabel", both(["sky", "sea"], light="day")),  # out of order
    ("multilabel", both(["sea", "sea"], light="day")),
    ("multilabel", both(["land"], light="day")),
    ("multilabel", both(["sea"])),
    ("multilabel", both(["sea"], light="dusk")),
    ("multilabel", both(["sea"], light="day", more="no")),
    ("boxes", {}),
    ("boxes", [box("cat", 0, 0, 1, 1)]),
    ("boxes", [box("car", 0, 0, 1)]),
    ("boxes", [box("car", 0, 0, 0, 1)]),  # no width
    ("boxes", [box("car", 0, 1, 1, 1)]),  # no height
    ("boxes", [box("car", 0, 0, 101, 1)]),
    ("boxes", [box("car", -1, 0, 1, 1)]),
    ("boxes", [box("car", 0, 0, 1, True)]),
    ("boxes", [box("dog", 0, 0, 1, 1), box("car", 0, 0, 1, 1)]),  # out of order
    ("boxes", [box("car", 0, 0, 1, 1)] * 2),
    ("boxes", [box("car", 0, 0, 1, n) for n in range(1, 5)]),  # too many
    ("boxes", [ring("car", *TRIANGLE)]),
    ("polygons", [ring("car", [0, 0], [1, 1])]),
    ("polygons", [ring("car", [0, 0], [1, 1], [2, 2])]),  # no area
    ("polygons", [ring("car", [0, 0], [1, 0], [0, 1, 2])]),
    ("polygons", [ring("car", [0, 0], [1, 0], [0, 101])]),
    ("spans", [span("name", 4, 4)]),
    ("spans", [span("name", -1, 4)]),
    ("spans", [span("name", 4, 6), span("name", 0, 2)]),  # out of order
    ("spans", [span("name", 0, 4), span("name", 3, 6)]),  # overlap
    ("spans", [span("other", 0, 4)]),
    ("text", ""),
    ("text", "eleven signs"),
    ("text", None),
    ("transcription", 5),
]


@pytest.mark.parametrize(("kind", "answer"), ALLOWED)
def test_fault__an_answer_of_the_task__none(kind: str, answer: Any) -> None:
    assert read_task(task(kind)).fault(answer) is None
    schema = read_task(task(kind)).answer_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(answer)


@pytest.mark.parametrize(("kind", "answer"), REFUSED)
def test_fault__what_is_no_answer__says_why(kind: str, answer: Any) -> None:
    assert read_task(task(kind)).fault(answer)


@pytest.mark.parametrize("kind", sorted(TASK_SCHEMAS))
def test_answers__those_that_are_numbered__are_all_answers(kind: str) -> None:
    one = read_task(task(kind))
    assert one.measured == (not one.answers)
    assert all(one.fault(answer) is None for answer in one.answers)


def test_multilabel__combinations__each_is_one_class() -> None:
    answers = read_task(task("multilabel")).answers
    assert len(answers) == 2**2 * 2
    assert answers[0] == both([], light="day")
    assert answers[-1] == both(["sea", "sky"], light="night")


def test_multilabel__too_many_combinations__refused() -> None:
    many = {"labels": list("abcdefgh"), "attributes": {"light": ["day", "night"]}}
    with pytest.raises(FormatError, match="512 answers, at most 256"):
        read_task({**task("multilabel"), **many})


def document(kind: str, **changes: Any) -> dict[str, Any]:
    measured = kind in ("boxes", "polygons", "spans", "text", "transcription")
    terms = {
        "task": task(kind),
        "consensus__method": "none" if measured else "majority",
        "payment__policy": "gold" if measured else "agreement",
        "gold__count": 5,
    }
    return manifest_document(**{**terms, **changes})


@pytest.mark.parametrize("kind", sorted(TASK_SCHEMAS))
def test_manifest__every_type__reads_and_knows_its_answers(kind: str) -> None:
    manifest = Manifest.from_document(document(kind))
    assert manifest.task.type == kind
    assert manifest.chances == (len(manifest.classes) or 2)
    assert manifest.allows(b'"yes"') == (kind in ("categorical", "text", "transcription"))
    assert not manifest.allows(b'"not canonical" ')


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("boxes", {"consensus__method": "majority"}, "method 'none'"),
        ("boxes", {"payment__policy": "agreement"}, "policy 'gold'"),
        ("boxes", {"gold__count": 0}, "judged by gold alone"),
        ("categorical", {"consensus__method": "none"}, "a consensus method"),
        ("categorical", {"payment__policy": "gold"}, "policy 'agreement'"),
        ("boxes", {"task": {**task("boxes"), "scale": 5000}}, "scale: 5000"),
        ("boxes", {"task": {**task("boxes"), "type": "ovals"}}, "task.type"),
        ("text", {"task": {**task("text"), "classes": ["a", "b"]}}, "classes"),
    ],
)
def test_manifest__what_does_not_fit_the_type__refused(
    kind: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        Manifest.from_document(document(kind, **changes))
