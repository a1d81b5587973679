"""A page's reader of the chain: asks the node seldom, and never tells of what doesn't count yet."""

from __future__ import annotations

import pytest

from oracle.chain.reader import RecentReader
from oracle.errors import ChainError
from tests.oracle.chain.conftest import Platform

pytestmark = pytest.mark.chain


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
