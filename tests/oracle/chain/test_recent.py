"""A page's reader of the chain: asks the node seldom, and never tells of what doesn't count yet."""

from __future__ import annotations

import threading
import time

import pytest

from oracle.chain.reader import PATIENCE, RecentReader
from oracle.errors import ChainError
from oracle.protocol.facts import Block
from tests.oracle.chain.conftest import Platform

pytestmark = pytest.mark.chain
MOST_SECONDS = 60  # for what needs milliseconds


def test_recent__within_the_time__tells_what_was_read_and_asks_no_node(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = platform.reader()
    recent = RecentReader(reader, seconds=3600)
    head, events = recent.head(), recent.events()
    platform.devnet.mine(3)
    monkeypatch.setattr(reader, "head", lambda: pytest.fail("the node was asked"))
    assert recent.head() == head
    assert recent.events() == events
    assert recent.operators() == reader.operators(head.number)


def test_recent__after_the_time__tells_of_the_newest_block(platform: Platform) -> None:
    recent = RecentReader(platform.reader(), seconds=0)
    before = recent.head()
    platform.devnet.mine(3)
    assert recent.head().number == before.number + 3


def test_recent__somebody_else_reads_on__follows_at_once(platform: Platform) -> None:
    reader = platform.reader()
    recent = RecentReader(reader, seconds=3600)
    before = recent.head()
    platform.devnet.mine(1)
    assert reader.head().number == before.number + 1
    assert recent.head() == reader.head()


def test_recent__block_to_come__is_refused(platform: Platform) -> None:
    recent = RecentReader(platform.reader(), seconds=3600)
    with pytest.raises(ChainError, match="doesn't count yet"):
        recent.events(recent.head().number + 1)


def test_recent__the_node_is_slow_to_answer_another__tells_what_is_known(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, reader = platform.create(), platform.reader()
    recent = RecentReader(reader, seconds=3600)
    head, facts = recent.head(), recent.facts(campaign, 1)
    follow, asked, answers = reader._indexer.follow, threading.Event(), threading.Event()

    def slow() -> Block:
        asked.set()
        assert answers.wait(MOST_SECONDS)
        return follow()

    monkeypatch.setattr(reader._indexer, "follow", slow)
    another = threading.Thread(target=reader.head)
    another.start()
    try:
        assert asked.wait(MOST_SECONDS)
        soon = RecentReader(reader, seconds=MOST_SECONDS / PATIENCE)
        told = reader._asked
        assert told is not None
        # Told longer ago than it should be, though not much.
        reader._asked = head, told[1] - 2 * MOST_SECONDS / PATIENCE
        assert soon.head() == head
        assert recent.facts(campaign, 1) is facts
        assert recent.head() == head
    finally:
        answers.set()
        another.join(MOST_SECONDS)


def test_recent__told_long_ago_and_somebody_asks__waits_for_the_answer(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = platform.reader()
    recent = RecentReader(reader, seconds=0.01)
    before = recent.head()
    follow, asked, answers = reader._indexer.follow, threading.Event(), threading.Event()

    def slow() -> Block:
        asked.set()
        assert answers.wait(MOST_SECONDS)
        return follow()

    platform.devnet.mine(1)
    time.sleep(0.01 * PATIENCE)
    monkeypatch.setattr(reader._indexer, "follow", slow)
    another = threading.Thread(target=reader.head)
    another.start()
    assert asked.wait(MOST_SECONDS)
    threading.Timer(0.05, answers.set).start()
    assert recent.head().number == before.number + 1
    another.join(MOST_SECONDS)
