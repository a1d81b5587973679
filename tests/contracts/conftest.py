"""One deployment for all contract tests; each test's changes are rolled back."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.system import System


@pytest.fixture(scope="session")
def deployed() -> System:
    return System()


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with boa.env.anchor():
        yield deployed


@pytest.fixture
def campaign(system: System) -> int:
    return system.create()
