"""A gateway of a task whose answers are measured: it takes what the task allows, and infers
nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.evidence import entries
from oracle.evidence.hashing import ZERO32, sha256
from oracle.gateway.choice import least_labeled
from tests.oracle.gateway.test_gateway import ANN, refused
from tests.support.gateway import GatewayScene

TEXT = {
    "type": "text",
    "maxLength": 20,
    "match": 700_000,
    "schema": {"type": "string", "pattern": "^[0-9a-z ]+$"},
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[GatewayScene]:
    made = GatewayScene(
        tmp_path,
        task=TEXT,
        consensus__method="none",
        consensus__redundancyMin=1,
        consensus__redundancyMax=2,
        payment__policy="gold",
    )
    made.join("ann", "ben")
    yield made
    made.close()


def test_submit__free_texts__are_taken_and_survive_a_restart(scene: GatewayScene) -> None:
    items = scene.lease("ann", 5)
    texts = [f"a text of {item}" for item in items]
    scene.gateway.submit(**scene.submission("ann", items, texts))
    again = scene.start()
    opened = again.openings_for(items)
    assert sorted(row.answer.decode() for row in opened) == sorted(f'"{text}"' for text in texts)
    assert again.status(ANN).submitted == 5


@pytest.mark.parametrize("answer", ["", "x" * 21, "CAPITALS"])
def test_submit__what_task_or_schema_refuse__changes_nothing(
    scene: GatewayScene, answer: str
) -> None:
    items = scene.lease("ann", 1)
    refused(
        scene,
        "SUBMISSION-ANSWER",
        scene.gateway.submit,
        **scene.submission("ann", items, [answer]),
    )


def test_lease__items_with_their_labels__go_to_nobody_but_as_gold(scene: GatewayScene) -> None:
    taken = set()
    while len(items := scene.lease("ann", 5)) == 5:
        scene.gateway.submit(**scene.submission("ann", items))
        taken |= set(items)
        if len(taken) >= 40:
            break
    gold = {row.item for row in scene.files.secrets.gold}
    assert not set(scene.lease("ben", 5)) & (taken - gold)


def test_adjudicate__measured__is_refused(scene: GatewayScene) -> None:
    item = scene.gateway.item_ids[scene.lease("ben", 1)[0]]
    entry = entries.Adjudication(ANN, item, sha256(b'"7"'), ZERO32, entries.NO_SIGNATURE)
    refused(scene, "ADJUDICATION-ANSWER", scene.gateway.adjudicate, entry)


def test_least_labeled__the_fewest_first__none_where_all_have_enough() -> None:
    counts = {4: 2, 5: 0, 6: 1, 7: 0}
    assert least_labeled([4, 6, 5, 7], counts.__getitem__, minimum=2) == 5
    assert least_labeled([4, 6], counts.__getitem__, minimum=2) == 6
    assert least_labeled([4], counts.__getitem__, minimum=2) is None
