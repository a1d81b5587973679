"""What a gateway logs, opens and reveals, operators can decide on without finding a fault."""

from __future__ import annotations

from pathlib import Path

from oracle.evidence.campaign import decode_gold
from oracle.evidence.codec import DAG_CBOR
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide, propose
from tests.support.gateway import GatewayScene

NAMES = [f"contributor {number}" for number in range(6)]


def cut(
    scene: GatewayScene, previous: EpochResult | None, epoch: int, *, final: bool = False
) -> EpochResult:
    """Decide a cut as an operator does, and settle its receipt."""
    gateway, manifest = scene.gateway, scene.files.manifest
    commitments = decode_gold(scene.content.get(manifest.gold_commitments, DAG_CBOR))
    campaign = Campaign(manifest, gateway.item_ids, commitments, scene.chain.known)
    seed, gold = gateway.reveal(epoch, final=final)
    opened = previous.secrets.batches if previous is not None else {}
    closed = previous.closed if previous is not None else {}
    waiting = [item for item in range(manifest.item_count) if item not in closed]
    held = Supplement(
        7,
        epoch,
        final,
        seed,
        tuple(row for row in gold if row.epoch not in opened),
        (),
        tuple(gateway.openings_for(waiting)),
    )
    supplement = propose(campaign, previous, gateway.rows(), held)
    result = decide(campaign, previous, gateway.rows(), supplement)
    assert result.gateway_faults == ()
    assert result.rejected == ()
    for block in result.blocks:
        scene.content.put(block.data, block.codec)
    scene.chain.settle(result.receipt)
    scene.pass_anchors(1)
    return result


def test_gateway__through_two_epochs_and_a_restart__is_never_at_fault(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, items=60, gold=12)
    scene.join(*NAMES)
    for name in NAMES:
        scene.work(name, 10)
        scene.work(name, 10)
    scene.pass_time(3600)
    first = cut(scene, None, 1)
    assert first.receipt.item_count >= 6

    scene.gateway = scene.start()
    for name in NAMES:
        scene.work(name, 5)
    scene.chain.close()
    scene.pass_time(700)
    last = cut(scene, first, 2, final=True)
    assert last.receipt.label_count == 6 * 25
    assert last.receipt.item_count > first.receipt.item_count
    # Every answer given was right.
    for row in last.evidence.items:
        if row.labels:
            assert scene.files.manifest.classes[row.answer] == scene.truth[row.item]
    assert {leaf.cumulative for leaf in last.evidence.leaves} != {0}
    assert scene.gateway.status(last.accounts[0]).pending == 0


def test_gateway__finishing_first__closes_more_items_in_the_first_epoch(tmp_path: Path) -> None:
    counts = []
    for finish_first in (False, True):
        scene = GatewayScene(tmp_path / str(finish_first), items=60, gold=12)
        scene.gateway = scene.start(finish_first=finish_first)
        scene.join(*NAMES)
        for name in NAMES:
            scene.work(name, 10)
        scene.pass_time(3600)
        counts.append(cut(scene, None, 1).receipt.item_count)
    assert counts[0] < counts[1]
