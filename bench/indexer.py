"""How fast events are read from anvil, proven and stored, beside web3's own get_logs and decoding.

On a fresh anvil `--people` are paid in batches, two events each (Paid and Transfer). Then, each
several times: the reader follows the chain from nothing into SQLite (logs, headers, receipts proven
by their roots, rows written, events decoded); and web3's `contract.events.X.get_logs` asks for the
same payments and decodes them, which proves and stores nothing. Writes build/bench/indexer.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from web3 import Web3

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from oracle.chain.artifacts import load_artifact  # noqa: E402
from oracle.chain.deployment import DEVNET, Deployment  # noqa: E402
from oracle.chain.development import establish  # noqa: E402
from oracle.chain.devnet import Devnet  # noqa: E402
from oracle.chain.poster import BATCH  # noqa: E402
from oracle.chain.reader import Web3Reader  # noqa: E402
from oracle.chain.rpc import connect  # noqa: E402
from oracle.chain.transactions import Sender  # noqa: E402
from oracle.evidence.hashing import MerkleTree  # noqa: E402
from oracle.evidence.results import PayoutLeaf  # noqa: E402
from oracle.evidence.signing import checksum  # noqa: E402
from oracle.store.database import open_database  # noqa: E402
from oracle.store.events import SqlEventStore  # noqa: E402
from tests.oracle.chain.conftest import OPERATOR_KEYS, Platform  # noqa: E402

OUT = ROOT / "build" / "bench"
TARGET = 5_000  # events a second
EACH = 10**14  # base units a person


def pay(platform: Platform, people: int) -> None:
    """Settle a receipt over so many leaves, and claim them all in batches."""
    campaign = platform.create()
    leaves = [PayoutLeaf((number + 1).to_bytes(20, "big"), EACH, 3, 4) for number in range(people)]
    receipt = platform.receipt(campaign, 1, leaves)
    platform.settle(receipt)
    tree = MerkleTree([leaf.encode() for leaf in leaves])
    sender = Sender(platform.devnet.w3, platform.wallets.relayer)
    for start in range(0, people, BATCH):
        part = leaves[start : start + BATCH]
        sender.call_contract(
            "CampaignEscrow",
            platform.deployment.escrow,
            "claim_batch",
            campaign,
            1,
            [(leaf.account, leaf.cumulative, leaf.accepted, leaf.submitted) for leaf in part],
            [tree.proof(start + at) for at in range(len(part))],
        )


def ours(url: str, deployment: Deployment) -> tuple[float, float, int]:
    """Return seconds, seconds of this process' CPU, and number of events of a first sync."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlEventStore(open_database(f"sqlite:///{folder}/ddlp.sqlite"))
        reader = Web3Reader(connect(url), deployment, "latest", store)
        started, cpu = time.perf_counter(), time.process_time()
        found = len(reader.events())
        return time.perf_counter() - started, time.process_time() - cpu, found


def theirs(url: str, deployment: Deployment) -> tuple[float, float, int]:
    """Return the same of web3's own way, in memory."""
    w3 = connect(url)
    contracts = []
    for name, event in (("CampaignEscrow", "Paid"), ("LabelToken", "Transfer")):
        abi: Any = list(load_artifact(name).abi)
        address = Web3.to_checksum_address(checksum(deployment.addresses[name]))
        contracts.append(w3.eth.contract(address, abi=abi).events[event]())
    started, cpu = time.perf_counter(), time.process_time()
    found = sum(len(one.get_logs(from_block=deployment.first_block)) for one in contracts)
    return time.perf_counter() - started, time.process_time() - cpu, found


def main() -> None:
    """Make the chain, measure both, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    devnet = Devnet(Path(folder.name) / "chain", genesis_timestamp=1_700_000_000, step_seconds=1)
    with folder, devnet:
        deployment = establish(devnet, OPERATOR_KEYS, 2, replace(DEVNET, window_seconds=30))
        pay(Platform(devnet, deployment), chosen.people)
        runs = []
        for _ in range(chosen.repeat):
            *seconds, found = ours(devnet.url, deployment)
            *peer_seconds, peer_found = theirs(devnet.url, deployment)
            assert found >= peer_found >= 2 * chosen.people
            runs.append(
                [found / one for one in seconds] + [peer_found / one for one in peer_seconds]
            )
        blocks = devnet.block_number()
    rate, cpu_rate, peer_rate, peer_cpu_rate = map(statistics.median, zip(*runs, strict=True))
    result = {
        "events": found,
        "blocks": blocks,
        "events_per_second": round(rate),
        "events_per_cpu_second": round(cpu_rate),
        "web3_events_per_second": round(peer_rate),
        "web3_events_per_cpu_second": round(peer_cpu_rate),
        "ratio": round(rate / peer_rate, 2),
        "target": TARGET,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "indexer.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    if rate < TARGET:
        sys.exit(f"{rate:.0f} events a second: fewer than {TARGET}")


if __name__ == "__main__":
    main()
