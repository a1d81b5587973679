"""The posterior that a gateway chooses by: when it is fitted anew, and what people see of that."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from oracle.consensus.streaming import StreamingPosterior
from oracle.gateway import gateway
from oracle.gateway.gateway import RECONCILE_SECONDS
from tests.support.gateway import GatewayScene
from tests.support.world import BLOCK_SECONDS

MOST_SECONDS = 60  # for what needs milliseconds


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[StreamingPosterior]:
    """The posteriors fitted so far."""
    found: list[StreamingPosterior] = []
    fit = StreamingPosterior.reconcile

    def reconcile(stream: StreamingPosterior) -> None:
        found.append(stream)
        fit(stream)

    monkeypatch.setattr(StreamingPosterior, "reconcile", reconcile)
    return found


def test_follow__a_fit_under_way__keeps_nobody_waiting(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.join("ann", "ben")
    items = scene.lease("ann")
    scene.gateway.submit(**scene.submission("ann", items))
    fit, under_way, go_on = StreamingPosterior.reconcile, threading.Event(), threading.Event()

    def reconcile(stream: StreamingPosterior) -> None:
        under_way.set()
        assert go_on.wait(MOST_SECONDS)
        fit(stream)

    monkeypatch.setattr(StreamingPosterior, "reconcile", reconcile)
    following = threading.Thread(target=scene.pass_anchors, args=(1,))
    following.start()
    try:
        assert under_way.wait(MOST_SECONDS)
        # While the fit waits for us:
        work = scene.lease("ben")
        scene.gateway.submit(**scene.submission("ben", work))
    finally:
        go_on.set()
        following.join(MOST_SECONDS)
    monkeypatch.undo()

    restarted = scene.start()
    every = range(len(scene.gateway.item_ids))
    live, fitted = scene.gateway._stream, restarted._stream
    assert live is not None
    assert fitted is not None
    live.reconcile()
    assert np.array_equal(live.posterior(every), fitted.posterior(every))


def test_follow__anchors_close_together__fits_once_in_a_while(
    scene: GatewayScene, fits: list[StreamingPosterior], monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_seconds = scene.chain.step * BLOCK_SECONDS
    monkeypatch.setattr(gateway, "RECONCILE_SECONDS", 3 * anchor_seconds)
    scene.join("ann")
    for _ in range(6):
        scene.work("ann")
        scene.pass_anchors(1)
    assert len(fits) == 2


def test_follow__no_label_since__fits_nothing(
    scene: GatewayScene, fits: list[StreamingPosterior]
) -> None:
    scene.join("ann")
    scene.work("ann")
    scene.pass_time(RECONCILE_SECONDS + scene.chain.step * BLOCK_SECONDS)
    assert len(fits) == 1
    scene.pass_time(RECONCILE_SECONDS + scene.chain.step * BLOCK_SECONDS)
    assert len(fits) == 1
