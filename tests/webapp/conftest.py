from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from oracle.community.community import Community
from tests.support.people import community_in
from tests.webapp.browser_double import ORIGIN, BrowserDouble
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app


class Clock:
    """Unix seconds that tests move."""

    def __init__(self) -> None:
        self.seconds = 1_760_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> FakeDesk:
    return FakeDesk(now=clock)


@pytest.fixture
def community(tmp_path: Path, clock: Clock) -> Iterator[Community]:
    with community_in(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def app(desk: FakeDesk, community: Community, clock: Clock) -> Flask:
    desk.check_qualified = community.learning.check_qualified
    desk.check_expert = community.learning.check_expert
    return create_app(desk, community, Settings((ORIGIN,), b"k" * 32), now=clock)


@pytest.fixture
def visitor(app: Flask, clock: Clock) -> BrowserDouble:
    return BrowserDouble(app, "visitor", now=clock)


@pytest.fixture
def contributor(app: Flask, clock: Clock) -> BrowserDouble:
    """A browser that is signed in and has delegated."""
    browser = BrowserDouble(app, now=clock)
    assert browser.sign_in().status_code == 201
    assert browser.delegate().status_code == 201
    return browser
