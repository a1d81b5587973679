"""Other processes do what this one would; where one dies, the audit says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.auditor.workers import Workers
from oracle.errors import FormatError, ProcessDied
from tests.auditor.paper import honest_run


def double(number: int) -> int:
    return 2 * number


def where(number: int) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    raise FormatError(f"{number} is none")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("cores", [1, 2])
def test_map__any_number_of_cores__same_results_in_order(cores: int) -> None:
    with Workers(cores) as workers:
        assert list(workers.map(double, range(50))) == [2 * number for number in range(50)]
        assert list(workers.map(double, [])) == []
        pids = set(workers.map(where, range(20)))
    assert (os.getpid() in pids) == (cores == 1)


def test_map__one_task__done_here() -> None:
    with Workers(2) as workers:
        assert list(workers.map(where, [1])) == [os.getpid()]


@pytest.mark.parametrize("cores", [1, 2])
def test_map__work_refuses__its_error_is_raised(cores: int) -> None:
    with Workers(cores) as workers, pytest.raises(FormatError, match="0 is none"):
        list(workers.map(refuse, range(5)))


def test_map__process_killed__error_names_the_remedy() -> None:
    with Workers(2) as workers, pytest.raises(ProcessDied, match="--cores 1"):
        list(workers.map(die, range(5)))


def test_audit__one_core_or_two__same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.auditor.content.PART", 7)
    folder = honest_run().write(tmp_path)
    alone, together = audit(folder, cores=1), audit(folder, cores=2)
    assert alone.verdict == together.verdict == "verified"
    assert alone.checks == together.checks > 1000
    assert alone.campaigns == together.campaigns
