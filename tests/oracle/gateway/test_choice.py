"""Which candidate a gateway leases, and when none."""

from __future__ import annotations

import numpy as np

from oracle.consensus.streaming import KNOWN_LABELS, StreamingPosterior
from oracle.gateway.choice import MostInformative

ANYBODY = b"contributor"
THRESHOLD = 990_000


def stream_of(labels: dict[int, list[int]], classes: int = 3) -> StreamingPosterior:
    """Labels by item, of strangers: each of somebody else."""
    stream = StreamingPosterior(classes)
    for item, given in labels.items():
        for place, klass in enumerate(given):
            stream.add(item, (item, place), klass)
    return stream


def busy_stream(items: int = 60) -> StreamingPosterior:
    """Five people who agree on all items but the last, where they are torn."""
    stream = StreamingPosterior(2)
    for item in range(items):
        for worker in range(4):
            stream.add(item, worker, item % 2 if item < items - 1 else worker % 2)
    stream.reconcile()
    return stream


def choose(
    left: list[int],
    stream: StreamingPosterior,
    slots: dict[int, int] | None = None,
    *,
    finish_first: bool = False,
) -> int | None:
    choice = MostInformative(
        ANYBODY,
        stream,
        (slots or dict.fromkeys(left, 0)).__getitem__,
        threshold_ppm=THRESHOLD,
        minimum=3,
        finish_first=finish_first,
    )
    return choice.best(left)


def test_most_informative__uncertain_items__come_before_decided_ones() -> None:
    stream = stream_of({1: [0, 0, 0, 0], 2: [0, 0, 1, 1], 3: [0], 4: []})
    order, left = [], [1, 2, 3, 4]
    while left:
        best = choose(left, stream)
        assert best is not None
        order.append(best)
        left.remove(best)
    assert order[0] == 4
    assert order[-1] == 1


def test_most_informative__equals__fewest_slots_then_the_first() -> None:
    stream = stream_of({})
    assert choose([3, 1, 2], stream) == 3
    assert choose([3, 1, 2], stream, {3: 2, 1: 1, 2: 1}) == 1


def test_most_informative__finishing__takes_begun_items_before_new_ones() -> None:
    stream = stream_of({1: [], 2: [0], 3: [0, 1], 4: [0, 0, 0], 5: [0, 0, 1, 1]}, classes=2)
    slots = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
    order, left = [], [1, 2, 3, 4, 5]
    while left:
        best = choose(left, stream, slots, finish_first=True)
        assert best is not None
        order.append(best)
        left.remove(best)
    # At the minimum an item counts by what is uncertain.
    assert order[:3] == [3, 2, 1]
    assert order[-1] == 4


def test_most_informative__all_settled__is_nothing() -> None:
    stream = busy_stream()
    assert choose([0, 1, 2], stream) is None
    assert choose([0, 1, 59], stream) == 59
    assert choose([0, 1, 77], stream) == 77  # nobody has labeled it yet


def test_most_informative__labelers_nobody_knows__settle_nothing() -> None:
    """As many agree, but none has the labels elsewhere that would show what that is worth."""
    stream = busy_stream(KNOWN_LABELS - 1)
    assert int(stream.posterior([0])[0].max()) >= THRESHOLD
    assert choose([0, 1, 2], stream) is not None


def test_most_informative__a_better_contributor__has_more_to_tell() -> None:
    stream = busy_stream()
    for item in range(60):
        stream.add(item, "careless", item // 2 % 2)
    stream.reconcile()
    gains = [int(stream.gains([77], who)[0]) for who in (0, "careless")]
    assert gains[0] > 10 * gains[1]
    assert np.all(stream.gains([0, 1, 59, 77], 0) >= 0)
