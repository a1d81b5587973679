"""Simulated contributors at a real gateway: their work is valid, and the same again."""

from __future__ import annotations

from pathlib import Path

from nacl.public import PrivateKey

from oracle.content.sealing import encryption_key, open_sealed, seal_opening
from oracle.evidence.hashing import keccak256
from oracle.replay.contributors import SimulatedContributor, box_by_seed
from tests.support.gateway import OPERATORS, GatewayScene
from tests.support.world import START, key_of


def test_box_by_seed__opened_by_the_operator__is_an_ordinary_sealed_box() -> None:
    keys = [encryption_key(key) for key in OPERATORS]
    seed = keccak256(b"seed")
    block = seal_opening(
        [b'"1"', b'"7"'], seed, keys, lambda plain, key: box_by_seed(seed, plain, key)
    ).block.data
    for private in OPERATORS:
        assert open_sealed(block, private) == ((b'"1"', b'"7"'), seed)


def test_box_by_seed__same_seed__same_bytes_but_never_one_key_pair_for_two() -> None:
    first, second = (bytes(PrivateKey(key).public_key) for key in OPERATORS[:2])
    box = box_by_seed(b"s" * 32, b"plain", first)
    assert box == box_by_seed(b"s" * 32, b"plain", first)
    assert box[:32] != box_by_seed(b"t" * 32, b"plain", first)[:32]
    assert box[:32] != box_by_seed(b"s" * 32, b"plain", second)[:32]


def heads(folder: Path) -> list[bytes]:
    """Let two contributors work at a fresh gateway; return every head of its log."""
    folder.mkdir()
    scene = GatewayScene(folder)
    people = [
        SimulatedContributor(
            scene.gateway,
            scene.chain.known.escrow_domain,
            key_of(name),
            secret=key_of(f"{name} secret"),
            answer=lambda item: int(scene.truth[item]),
        )
        for name in ("first", "second")
    ]
    for person in people:
        person.delegate(START + 86_400)
    assert people[0].work(5, START) == 0  # too early: from the second anchor on
    scene.pass_anchors(2)
    for _ in range(2):
        for person in people:
            assert person.work(5, START) == 5
        scene.pass_anchors(1)
    for person in people:
        standing = scene.gateway.status(person.address)
        assert (standing.submitted, standing.running) == (10, ())
    openings = scene.gateway.openings_for(range(60))
    assert len(openings) == 20
    assert all(scene.truth[row.item] == row.answer.decode().strip('"') for row in openings)
    return [row.head for row in scene.gateway.rows()]


def test_contributors__same_secrets__give_the_same_log(tmp_path: Path) -> None:
    assert heads(tmp_path / "one") == heads(tmp_path / "two")
