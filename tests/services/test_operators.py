"""Operators and gateway as processes: the same receipts from all of them, and a verified audit."""

from __future__ import annotations

import pytest

from tests.services.conftest import Scene

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


def test_network__two_epochs__operators_agree_and_the_audit_verifies(scene: Scene) -> None:
    scene.open(people=5)
    with scene.network.started():
        scene.label_until_finalized(2)
        scene.finish()
        scene.wait_until_claimed()
        for name, process in scene.network.processes.items():
            assert scene.network.metric(name, "ddlp_circuit_open") == 0
            assert process.end() == 0  # SIGTERM ends each in order
    scene.check_end()
