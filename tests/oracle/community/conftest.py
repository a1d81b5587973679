from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from oracle.community.community import Community
from oracle.content.local import LocalContent
from oracle.store.database import open_database

SOMEBODY, ANOTHER, EXPERT = b"\x01" * 20, b"\x02" * 20, b"\xe1" * 20


class Clock:
    """Unix seconds that tests move."""

    def __init__(self) -> None:
        self.seconds = 1_760_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.services])])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'people.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").create_database()
    found = open_database(url)
    yield found
    found.dispose()


@pytest.fixture
def community(engine: Engine, tmp_path: Path, clock: Clock) -> Community:
    return Community(engine, LocalContent(tmp_path / "content"), now=clock)
