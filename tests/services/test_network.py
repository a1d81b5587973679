"""The whole network as operators run it: PostgreSQL, two Kubo daemons, 2,000 submissions in five
epochs; the audit reads through the daemon that has to fetch every block from the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.chain.devnet import Devnet
from oracle.content.kubo import KuboContent
from oracle.evidence.codec import DAG_CBOR
from tests.services.conftest import Scene
from tests.support.network import OracleNetwork
from tests.support.servers.kubo import Kubo
from tests.support.servers.postgres import Postgres

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:The 'strict' parameter is no longer needed:FutureWarning"),
]

SUBMISSIONS = int(os.environ.get("NETWORK_SUBMISSIONS", "2000"))
EPOCHS = int(os.environ.get("NETWORK_EPOCHS", "5"))


def test_network__postgresql_and_two_kubo__every_operator_signs_the_same_and_the_audit_verifies(
    tmp_path: Path, kubo: Callable[..., Kubo], postgres_server: Postgres
) -> None:
    daemon, fetching = kubo(online=True), kubo(online=True)
    fetching.connect(daemon)
    names = ["gateway", *(f"operator{number}" for number in range(4))]
    with Devnet(tmp_path / "chain", step_seconds=1) as devnet:
        network = OracleNetwork(
            tmp_path,
            devnet,
            settings={
                name: {
                    "DDLP_IPFS_URL": daemon.address,
                    "DDLP_CONTENT_DIR": str(tmp_path / name / "content"),
                }
                for name in names
            },
            database=lambda name: postgres_server.create_database(),
        )
        network.set_up()
        scene = Scene(network, KuboContent(daemon.address))
        # Two labels an item in the mean, and those of who comes first: enough stay open to the end.
        scene.open(people=40, items=SUBMISSIONS // 2 + 20, gold=12)
        with network.started():
            scene.all_at_work()
            for _ in range(EPOCHS):
                scene.wait_for_next_epoch()
                with network.pace.held():
                    scene.label(SUBMISSIONS // EPOCHS)
            scene.wait_until(
                lambda: len(scene.finalized) >= EPOCHS, f"{EPOCHS} receipts", epochs=2 * EPOCHS
            )
            scene.finish()
            signed = [network.metric(name, "ddlp_signatures_total") for name in names[1:]]
            refused = [network.metric(name, "ddlp_disagreements_total") for name in names[1:]]
        assert scene.submissions >= SUBMISSIONS
        assert sum(signed) >= 3 * len(scene.finalized)
        assert refused == [0, 0, 0, 0]

        held = KuboContent(fetching.address, timeout=10)
        assert not held.has(scene.finalized[-1].evidence, DAG_CBOR)
        scene.take_content_from(fetching.address)
        scene.check_end()
