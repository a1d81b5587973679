"""The mutants themselves: which there are, how they are judged, and when a run fails."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import __main__ as command
from tests.mutants import run
from tests.mutants.mutators import Mutant, all_mutants, mutants
from tests.mutants.run import Result, judge_all
from tests.support.altered import Source, as_python, sources

TEXT = """
# pragma nonreentrancy on

event Moved:
    amount: uint256

MAX: constant(uint256) = 7
held: HashMap[address, uint256]

@external
@reentrant
def move(amount: uint256) -> bool:
    a: uint256 = 0
    b: uint256 = 0
    a, b = self._two(amount)
    assert amount < MAX and self._check(amount), "too much"
    self.held[msg.sender] += min(amount, a)
    log Moved(amount=amount)
    return True
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "Sample.vy"
    path.write_text(TEXT, encoding="utf-8")
    return Source(path)


def test_mutants__sample__are_these(source: Source) -> None:
    bound = "MAX: constant(uint256)"
    both = "amount < MAX and self._check(amount)"
    assert [mutant.name for mutant in mutants(source, [source])] == [
        "Sample. | pragma dropped | # pragma nonreentrancy on",
        f"Sample. | constant one off | {bound} = 7 -> {bound} = (7) + 1",
        f"Sample. | constant one off | {bound} = 7 -> {bound} = (7) - 1",
        "Sample.move | decorator dropped | @reentrant",
        "Sample.move | assignment dropped | a, b = self._two(amount)",
        "Sample.move | halves swapped | a, b = self._two(amount) -> b, a = self._two(amount)",
        f'Sample.move | check dropped | assert {both}, "too much"',
        f"Sample.move | and/or flipped | {both} -> amount < MAX or self._check(amount)",
        f"Sample.move | operand dropped | {both} -> True and self._check(amount)",
        f"Sample.move | operand dropped | {both} -> amount < MAX and True",
        "Sample.move | comparison flipped | amount < MAX -> amount <= MAX",
        "Sample.move | comparison flipped | amount < MAX -> amount >= MAX",
        "Sample.move | write dropped | self.held[msg.sender] += min(amount, a)",
        "Sample.move | operator flipped | self.held[msg.sender] += min(amount, a)"
        " -> self.held[msg.sender] -= min(amount, a)",
        "Sample.move | min/max flipped | min(amount, a) -> max(amount, a)",
        "Sample.move | event dropped | log Moved(amount=amount)",
        "Sample.move | event altered | amount=amount -> amount=empty(uint256)",
        "Sample.move | result altered | return True -> return not (True)",
        "Sample.move | literal altered | return True -> return False",
    ]


def test_mutants__each__changes_one_place_and_keeps_the_lines(source: Source) -> None:
    for mutant in mutants(source, [source]):
        old, new = TEXT.splitlines(), mutant.text().splitlines()
        assert len(old) == len(new)
        changed = [n for n, pair in enumerate(zip(old, new, strict=True), 1) if pair[0] != pair[1]]
        # without the pragma there is nothing to be exempt from
        exempt = [11] if mutant.operator == "pragma dropped" else []
        assert changed == [mutant.line, *exempt]


def test_mutants__of_the_contracts__are_many_and_named_apart() -> None:
    every = all_mutants()
    names = Counter(mutant.name for mutant in every)
    assert max(names.values()) == 1
    sample = [mutant for mutant in every if command.is_chosen(mutant, "", {})]
    assert len(sample) > command.LEAST_MUTANTS * 3 // 2
    assert {m.contract for m in sample if "check dropped" in m.name} >= {"StakeVault", "LabelToken"}
    assert command.is_chosen(every[0], re.escape(every[0].name), {})


def test_as_python__every_source__has_each_character_at_its_place() -> None:
    for source in sources():
        read = as_python(source.text)
        assert [len(line) for line in read.splitlines()] == [
            len(line) for line in source.text.splitlines()
        ]
        assert "staticcall" not in re.sub(r"#.*|\"\"\".*?\"\"\"", "", read, flags=re.DOTALL)


def judged(mutant: Mutant, tests: list[str], folder: Path) -> Result:
    """In place of pytest: one mutant loops, the others die of their first test."""
    while mutant.operator == "event dropped":
        pass
    return Result("killed", tests[0], 0.5)


def test_judge_all__mutant_that_loops__is_a_timeout(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "judge", judged)
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(run, "GRACE_SECONDS", 1)
    every = mutants(source, [source])
    results = dict(judge_all(every, lambda mutant: ["test"], {"test": 0.0}, jobs=2))
    assert len(results) == len(every)
    statuses = {mutant.operator: result for mutant, result in results.items()}
    assert statuses.pop("event dropped") == Result("timeout")
    assert set(statuses.values()) == {Result("killed", "test", 0.5)}


@pytest.fixture
def found(source: Source) -> dict[Mutant, Result]:
    return {mutant: Result("killed", "test") for mutant in mutants(source, [source])}


def test_problems__all_dead__are_none_but_for_the_number(found: dict[Mutant, Result]) -> None:
    assert command.problems(found, {}, set(), whole=False) == []
    assert command.problems(found, {}, set(), whole=True) == ["19 mutants, 200 wanted"]


def test_problems__survivor__needs_a_reason(found: dict[Mutant, Result]) -> None:
    name = next(mutant.name for mutant in found)
    found = {mutant: result for mutant, result in found.items() if mutant.name != name}
    mutant = Mutant(name, "", Path("Sample.vy"), "", 1, (), ())
    found[mutant] = Result("survived")
    assert command.problems(found, {}, {name}, whole=False) == [
        f"survivor without a reason: {name}"
    ]
    assert command.problems(found, {name: "why"}, {name}, whole=False) == []
    assert "94.7% died, 95% wanted" in command.problems(found, {name: "why"}, {name}, whole=True)


def test_problems__listed_survivor__must_live_and_be_there(found: dict[Mutant, Result]) -> None:
    names = {mutant.name for mutant in found}
    name = min(names)
    listed = {name: "why", "Sample.gone | x": "why"}
    assert command.problems(found, listed, names, whole=False) == [
        f"listed as survivor, but killed: {name}",
        "listed as survivor, but not there: Sample.gone | x",
    ]


def test_survivors__every_entry__names_a_mutant_that_is_made() -> None:
    names = {mutant.name for mutant in all_mutants()}
    reasons = command.reasons()
    assert set(reasons) <= names
    assert all(len(reason) > 20 for reason in reasons.values())
