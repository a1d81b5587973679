"""A short slice of what `make invariants` runs at length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.invariants import machine
from tests.invariants.life import Life, play


def test_lives__any_order_of_everything__money_is_safe_and_everybody_leaves() -> None:
    tally = play(Life, calls=2_000, seed=1)
    assert tally.total >= 2_000
    # the machine isn't stuck in refusals
    assert tally.accepted.total() > tally.total // 2


@contextmanager
def running_in_py_evm(env: Any, revm: Any) -> Iterator[None]:
    """Stay in the interpreter that deployed everything, at the same time of day."""
    with env.anchor():
        env.evm.patch.timestamp = revm.patch.timestamp
        yield


def test_lives__in_another_interpreter__are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    in_revm = play(Life, calls=500, seed=3, shrink=False)
    monkeypatch.setattr(machine, "running_in", running_in_py_evm)
    in_py_evm = play(Life, calls=500, seed=3, shrink=False)
    assert in_revm == in_py_evm
