"""Operators and gateway as processes: the same receipts from all of them, and a verified audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.chain.devnet import Devnet
from oracle.cli import cli
from oracle.replay.digits import digit_campaign, digit_terms, digit_truth
from tests.support.network import OracleNetwork, Person, local_content, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

TERMS: dict[str, Any] = {
    "epochSeconds": 20,
    "leaseSeconds": 15,
    "graceSeconds": 2,
    "anchorBlocks": 2,
}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[OracleNetwork]:
    with Devnet(tmp_path / "chain", block_seconds=1) as devnet:
        found = OracleNetwork(tmp_path, devnet)
        found.set_up()
        yield found


def audit(network: OracleNetwork) -> str:
    done = CliRunner().invoke(
        cli,
        [
            "audit",
            "--rpc",
            network.devnet.url,
            "--deployment",
            str(network.folder / "deployment.json"),
            "--content",
            str(network.folder / "content"),
        ],
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_network__two_epochs__operators_agree_and_the_audit_verifies(
    network: OracleNetwork,
) -> None:
    files, _ = digit_campaign(
        digit_terms(**TERMS), items=60, gold=12, gold_epochs=6, secret=b"\x07" * 32
    )
    content = local_content(network)
    campaign = network.create(files, content)
    truth = digit_truth()
    with network.started():
        people = [
            Person(
                network.page,
                f"person {number}",
                lambda item: str(truth[files.order[item]]),
                lambda: network.devnet.timestamp(),
            )
            for number in range(5)
        ]

        def label() -> bool:
            for person in people:
                person.work()
            return len(network.finalized(campaign)) >= 2

        wait_until(label, 240, what="two finalized receipts")
        network.close(campaign)
        wait_until(
            lambda: any(one.final for one in network.finalized(campaign)),
            200,
            what="the final receipt",
        )
    assert "verified" in audit(network)
