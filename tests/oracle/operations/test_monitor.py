"""/healthz, /readyz and /metrics: what each says, and when it says no."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import create_engine

from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.errors import ChainError, ContentUnavailable
from oracle.operations import health
from oracle.operations.health import (
    FAIL,
    OK,
    WARN,
    Check,
    check_content,
    check_database,
    check_disk,
    check_head,
    looked_at,
)
from oracle.operations.metrics import Metrics
from oracle.operations.monitor import create_monitor
from oracle.ports import ChainReader
from oracle.protocol.facts import Block

Usage = namedtuple("Usage", "total used free")


class Node:
    """A chain whose newest block was made at time 1,000."""

    def head(self) -> Block:
        return Block(50, bytes(32), 1_000)


class Clock:
    def __init__(self, time: int) -> None:
        self.time = time

    def now(self) -> int:
        return self.time


def head_check(now: int, followed: int | None) -> Check:
    return check_head(cast(ChainReader, Node()), Clock(now), 60, followed, 10)


def test_readyz__all_parts_well__is_200_and_lists_them() -> None:
    found = [Check("chain", OK, "block 5"), Check("disk", WARN, "little", "free some")]
    client = create_monitor(Metrics(), lambda: found).test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "ready": True,
        "checks": [
            {"part": "chain", "status": "ok", "message": "block 5", "remedy": ""},
            {"part": "disk", "status": "warn", "message": "little", "remedy": "free some"},
        ],
    }


def test_readyz__one_part_failed__is_503_while_healthz_stays_200() -> None:
    client = create_monitor(Metrics(), lambda: [Check("chain", FAIL, "x")]).test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_healthz__loop_that_hangs__is_503() -> None:
    client = create_monitor(Metrics(), lambda: [], lambda: False).test_client()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "stuck"})


def test_metrics__values_set__are_in_prometheus_text() -> None:
    metrics = Metrics()
    metrics.lag_blocks.labels(3).set(12)
    metrics.posted.labels(3).inc()
    answer = create_monitor(metrics, lambda: []).test_client().get("/metrics")
    assert 'ddlp_lag_blocks{campaign="3"} 12.0' in answer.text
    assert 'ddlp_receipts_posted_total{campaign="3"} 1.0' in answer.text
    assert answer.content_type.startswith("text/plain")


def test_operations__metrics_table__lists_every_metric() -> None:
    text = (Path(__file__).parents[3] / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    for family in Metrics().registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in text


@pytest.mark.parametrize(
    ("now", "followed", "status"),
    [(1_060, 45, OK), (1_061, 45, FAIL), (1_000, 40, OK), (1_000, 39, FAIL), (1_000, None, OK)],
)
def test_check_head__age_and_lag__are_bounded(now: int, followed: int | None, status: str) -> None:
    assert head_check(now, followed).status == status


def test_check_head__ahead_of_the_chain__is_no_lag() -> None:
    assert "0 blocks behind" in head_check(1_000, 52).message


def test_looked_at__expected_error__is_a_failed_check_with_its_remedy() -> None:
    def look() -> Check:
        raise ChainError("the node at http://a:1 can't be reached: start it")

    assert looked_at("chain", look) == Check(
        "chain", FAIL, "the node at http://a:1 can't be reached", "start it"
    )


def test_check_database__reachable_and_gone__differ(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}")
    assert check_database(engine).status == OK
    engine.dispose()
    (tmp_path / "a.sqlite").unlink()
    (tmp_path / "a.sqlite").mkdir()
    check = check_database(engine)
    assert (check.status, check.remedy) == (FAIL, "start it, or mend DDLP_DATABASE_URL")


def test_check_content__folder__answers(tmp_path: Path) -> None:
    assert check_content(LocalContent(tmp_path)) == Check("content", OK, "LocalContent answers")


@pytest.mark.parametrize(("copies", "status"), [(1, WARN), (2, FAIL)])
def test_check_content__a_daemon_that_is_down__fails_only_where_its_copy_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int, status: str
) -> None:
    def down(*_: object) -> bool:
        raise ContentUnavailable("the daemon is down: start it")

    here, there = LocalContent(tmp_path / "here"), LocalContent(tmp_path / "there")
    content = ReplicatedContent([here, there], copies)
    assert check_content(content).status == OK
    monkeypatch.setattr(there, "has", down)
    check = check_content(content)
    assert check.status == status
    assert "the daemon is down" in check.message
    assert "start what is down" in check.remedy


@pytest.mark.parametrize(("free", "status"), [(6 << 30, OK), (2 << 30, WARN), (100 << 20, FAIL)])
def test_check_disk__free_space__decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    assert health.shutil is shutil
    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: Usage(1 << 40, 0, free))
    check = check_disk(tmp_path / "not" / "there")
    assert check.status == status
    assert bool(check.remedy) == (status != OK)
