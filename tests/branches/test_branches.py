"""The measure of branch coverage itself: what counts as a branch, and when a run fails."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import boa
import pytest

from tests.branches import report
from tests.branches.points import Point, probe
from tests.branches.probes import add_builtins, all_points
from tests.support.altered import Source

TEXT = """
interface Other:
    def known() -> bool: view

total: uint256

@deploy
def __init__():
    \"\"\"
    @notice Nothing.
    \"\"\"
    self.total = 1

@external
def all(flags: DynArray[bool, 3], a: uint256, b: uint256) -> uint256:
    assert a != 0 or b != 0, "both zero"
    if a == b:
        return 1 if flags[0] else 2
    for flag: bool in flags:
        if flag: return max(a, min(b, 9))
    for i: uint256 in range(3):
        self.total += i
    return 0

@external
def alone() -> bool:
    return staticcall Other(self).known() == True
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "Sample.vy"
    path.write_text(TEXT, encoding="utf-8")
    return Source(path)


def test_probe__every_kind__is_a_point_at_its_place(source: Source) -> None:
    points, text = probe(source, first=7)
    found = [(point.kind, point.function, point.line, point.code) for point in points]
    assert found == [
        ("function", "__init__", 12, "__init__"),
        ("function", "all", 16, "all"),
        ("assert", "all", 16, "a != 0 or b != 0"),
        ("operand", "all", 16, "a != 0"),
        ("operand", "all", 16, "b != 0"),
        ("if", "all", 17, "a == b"),
        ("ternary", "all", 18, "flags[0]"),
        ("loop", "all", 19, "for flag: bool in flags:"),
        ("if", "all", 20, "flag"),
        ("min/max", "all", 20, "max(a, min(b, 9))"),
        ("min/max", "all", 20, "min(b, 9)"),
        ("function", "alone", 27, "alone"),
    ]
    assert "assert probe(9, probe(10, a != 0) or probe(11, b != 0))" in text
    assert "probe_max(16, a, probe_min(17, b, 9))" in text


def test_probe__deployed__does_the_same_and_tells_the_outcomes(source: Source) -> None:
    points, text = probe(source)
    seen = defaultdict(set)
    add_builtins(points, lambda number, outcome: seen[points[number].code].add(outcome))
    original, probed = boa.loads(TEXT), boa.loads(text)
    calls = [([True], 1, 1), ([False], 1, 1), ([], 1, 2), ([False, True], 5, 7)]
    for flags, a, b in calls:
        assert probed.all(flags, a, b) == original.all(flags, a, b)
    with boa.reverts("both zero"):
        probed.all([], 0, 0)
    assert dict(seen) == {
        "__init__": {"entered"},
        "all": {"entered"},
        "a != 0 or b != 0": {"true", "false"},
        "a != 0": {"true", "false"},
        "b != 0": {"false"},
        "a == b": {"true", "false"},
        "flags[0]": {"true", "false"},
        "for flag: bool in flags:": {"entered", "empty"},
        "flag": {"true", "false"},
        "max(a, min(b, 9))": {"second"},
        "min(b, 9)": {"first"},
    }


@pytest.fixture
def explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty list of explanations in place of the real one."""
    path = tmp_path / "uncovered.toml"
    path.write_text("", encoding="utf-8")
    monkeypatch.setattr(report, "UNCOVERED", path)
    return path


POINTS = [Point("function", "C", "f", 1, "f")]
POINTS += [Point("if", "C", "f", line, f"a == {line}") for line in range(20)]
ALL = {number: {outcome: {"t"} for outcome in p.outcomes} for number, p in enumerate(POINTS)}
ENTRY = '[[branch]]\ncontract = "C"\nfunction = "f"\ncode = "{}"\nnever = "{}"\nreason = "why"\n'


def test_problems__everything_covered__are_none(explained: Path) -> None:
    assert report.problems(POINTS, ALL) == []
    assert report.coverage(POINTS, ALL) == {"C": 1.0}


def test_problems__missing_branch__needs_an_explanation(explained: Path) -> None:
    seen = ALL | {3: {"true": {"t"}}}
    problem = "C.f: a == 2 is never false"
    assert report.problems(POINTS, seen) == [f"FAILED not in uncovered.toml: {problem}"]
    assert any(line.endswith(f"{problem}: NOT EXPLAINED") for line in report.table(POINTS, seen))
    explained.write_text(ENTRY.format("a == 2", "false"), encoding="utf-8")
    assert report.problems(POINTS, seen) == []
    assert any(line.endswith(f"{problem}: why") for line in report.table(POINTS, seen))


def test_problems__explanation__must_be_true(explained: Path) -> None:
    explained.write_text(
        ENTRY.format("a == 2", "false") + ENTRY.format("a == 99", "true"), encoding="utf-8"
    )
    assert report.problems(POINTS, ALL) == [
        "FAILED explained, but covered: C.f: a == 2 is never false",
        "FAILED explained, but not there: C.f: a == 99 is never true",
    ]


def test_problems__explained_but_too_many__are_below_the_least(explained: Path) -> None:
    seen = ALL | {number: {"true": {"t"}} for number in (1, 2, 3)}
    text = "".join(ENTRY.format(f"a == {line}", "false") for line in range(3))
    explained.write_text(text, encoding="utf-8")
    assert report.problems(POINTS, seen) == ["FAILED C: 92.5% of branches covered, 95% wanted"]


def test_problems__function_never_entered__is_one(explained: Path) -> None:
    assert report.problems(POINTS, ALL | {0: {}}) == [
        "FAILED not in uncovered.toml: C.f: f is never entered"
    ]


def test_uncovered__every_entry__names_a_branch_that_is_there() -> None:
    points, _ = all_points()
    known = {report.key(point, outcome) for point in points for outcome in point.outcomes}
    said = report.explained()
    assert set(said) <= known
    assert all(len(reason) > 20 for reason in said.values())
