"""What tests marked `services` ask for; nothing starts before a test does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.servers.geth import Geth
from tests.support.servers.kubo import Kubo
from tests.support.servers.postgres import Postgres


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Kubo]]:
    """`kubo(online=False)` starts one more daemon; all end with the module."""
    daemons: list[Kubo] = []

    def start(*, online: bool = False) -> Kubo:
        folder = tmp_path_factory.mktemp("kubo") / "repository"
        daemons.append(Kubo(folder, online=online))
        return daemons[-1].start()

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture(scope="module")
def geth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Geth]:
    """A fresh chain with a block a second; it ends with the module."""
    node = Geth(tmp_path_factory.mktemp("geth") / "data")
    try:
        yield node.start()
    finally:
        node.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The test run's PostgreSQL server."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="module")
def postgres_url(postgres_server: Postgres) -> str:
    """The SQLAlchemy URL of an empty database, another for each module."""
    return postgres_server.create_database()
