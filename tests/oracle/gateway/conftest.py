"""A campaign with its gateway, fresh for each test."""

from pathlib import Path

import pytest

from tests.support.gateway import GatewayScene


@pytest.fixture
def scene(tmp_path: Path) -> GatewayScene:
    return GatewayScene(tmp_path)
