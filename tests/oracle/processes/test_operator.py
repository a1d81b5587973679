"""An operator's process over the campaigns that it ever followed."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle.processes import operator as module
from oracle.processes.operator import OVER, OperatorProcess
from oracle.service.memory import MemoryOperatorStore

GATEWAY = bytes([9]) * 20


class Scene:
    """A process without chain and peers: campaigns 1 and 2, of which `complete` are complete."""

    def __init__(self, stores: dict[int, MemoryOperatorStore]) -> None:
        self.complete: set[int] = set()
        self.opened: list[int] = []
        process = self.process = OperatorProcess.__new__(OperatorProcess)
        process._gateways = frozenset({GATEWAY})
        process._found, process._members, process._over = {}, {}, set()
        process._passed_over, process._lock = set(), threading.RLock()
        process.reader = cast(Any, self)
        process.read_campaign = cast(Any, SimpleNamespace(forget=lambda campaign: None))
        process._store = cast(Any, stores.__getitem__)
        process._open = cast(Any, self.open)
        process._catch_up = cast(Any, lambda content: None)
        process.content = cast(Any, None)

    def created(self) -> list[Any]:
        return [
            SimpleNamespace(arguments={"campaign": campaign, "gateway": GATEWAY})
            for campaign in (1, 2)
        ]

    def operators(self) -> Any:
        return SimpleNamespace(version=1)

    def head(self) -> Any:
        return SimpleNamespace(timestamp=50)

    def facts(self, campaign: int, anchor_blocks: int) -> int:
        return campaign

    def open(self, campaign: int, seats: Any) -> Any:
        self.opened.append(campaign)
        scene = self

        class Member:
            is_over = property(lambda _: campaign in scene.complete)

            def step(self) -> None:
                pass

        return Member()


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[int, MemoryOperatorStore]:
    return {1: MemoryOperatorStore(), 2: MemoryOperatorStore()}


def started(stores: dict[int, MemoryOperatorStore], monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene(stores)
    monkeypatch.setattr(module, "is_complete", scene.complete.__contains__)
    scene.process.discover()
    return scene


def test_served__campaign_that_is_over__rests_also_after_a_restart_and_takes_no_memory(
    stores: dict[int, MemoryOperatorStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = started(stores, monkeypatch)
    for campaign in scene.process.served():
        scene.process.step_campaign(campaign)
    scene.complete.add(1)
    assert scene.process.served() == [2]
    assert list(scene.process._members) == [2]
    assert (bool(stores[1].notes(OVER)), bool(stores[2].notes(OVER))) == (True, False)
    again = started(stores, monkeypatch)
    again.complete.add(1)
    assert again.process.served() == [2]
    assert again.opened == []  # its log isn't even read


def test_served__blocks_undone_since__is_followed_again(
    stores: dict[int, MemoryOperatorStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores[1].note(OVER, bytes(32), b"", now=10)
    scene = started(stores, monkeypatch)
    assert scene.process.served() == [1, 2]
