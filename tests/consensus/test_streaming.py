"""The live posterior: what one more label does, when an item is settled, and what a label tells."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from oracle.consensus import PPM, dawid_skene, item_posterior
from oracle.consensus.streaming import GROWTH, KNOWN_LABELS, StreamingPosterior
from oracle.errors import InputError
from tests.consensus.test_accuracy import real_labels
from tests.support.crowd import crowd

THRESHOLD, MINIMUM = 980_000, 3


def filled(rows, n_classes):
    stream = StreamingPosterior(n_classes)
    for item, worker, label in rows:
        stream.add(item, worker, label)
    return stream


def rows_of(people):
    return list(zip(*(column.tolist() for column in people.columns), strict=True))


def test_add__no_fit_yet__is_the_closing_posterior_of_strangers():
    people = crowd(2, n_items=100)
    stream = filled(rows_of(people), people.n_classes)
    assert np.array_equal(
        stream.posterior(range(100)), item_posterior(*people.columns, **people.sizes)
    )


def test_reconcile__one_item__is_weighed_by_what_was_said_of_all_others():
    """The item's part is taken out of the counts: its posterior is that of skills without it."""
    people = crowd(4, n_items=300, n_classes=3)
    stream = filled(rows_of(people), 3)
    stream.reconcile()
    fit = dawid_skene(*people.columns, **people.sizes)
    for item in range(10):
        own = people.items == item
        skills = fit.skills.copy()
        for worker, label in zip(people.workers[own], people.labels[own], strict=True):
            skills[worker, :, label] -= fit.posterior_ppm[item]
        expected = item_posterior(
            *(column[own] for column in people.columns),
            **people.sizes,
            skills=skills,
            class_counts=fit.class_counts,
        )[item]
        # Taking one item out moves the crowd's quality a little, and unlikely ones are left out.
        assert np.abs(stream.posterior([item])[0] - expected).max() <= 2_000


def test_reconcile__rows_shuffled_and_workers_renamed__changes_no_bit():
    people = crowd(6, n_items=200)
    rows = rows_of(people)
    random = np.random.default_rng(0)
    once = filled(rows, people.n_classes)
    again = filled(
        [
            (rows[place][0], f"w{rows[place][1]}", rows[place][2])
            for place in random.permutation(len(rows))
        ],
        people.n_classes,
    )
    for stream in (once, again):
        stream.reconcile()
    assert np.array_equal(once.posterior(range(200)), again.posterior(range(200)))
    assert np.array_equal(
        once.settled(range(200), THRESHOLD, MINIMUM), again.settled(range(200), THRESHOLD, MINIMUM)
    )


def test_settled__a_dissenting_label__opens_the_item_again():
    stream = filled([(item, worker, item % 2) for item in range(60) for worker in range(4)], 2)
    stream.reconcile()
    assert stream.settled([0], THRESHOLD, MINIMUM)[0]
    for worker in range(4, 8):
        for item in range(60):
            stream.add(item, worker, item % 2 if item else 1)
    assert not stream.settled([0], THRESHOLD, MINIMUM)[0]


def test_settled__labelers_with_too_few_labels_elsewhere__waits():
    for n_items, expected in ((KNOWN_LABELS, False), (KNOWN_LABELS + 1, True)):
        rows = [(item, worker, item % 2) for item in range(n_items) for worker in range(4)]
        stream = filled(rows, 2)
        stream.reconcile()
        assert stream.posterior([0])[0, 0] > THRESHOLD
        assert stream.settled([0], THRESHOLD, MINIMUM)[0] == expected


def entropy(shares):
    shares = shares[shares > 0] / PPM
    return -(shares * np.log(shares)).sum()


@pytest.mark.parametrize("worker", [0, 9, "stranger"])  # an expert, a spammer, an unknown
def test_gains__a_begun_item__is_how_much_entropy_its_next_label_takes_away(worker):
    people = crowd(8, n_items=400, n_classes=4)
    stream = filled(rows_of(people), 4)
    stream.reconcile()
    stream.add("begun", 3, 2)
    before = stream.posterior(["begun"])[0]
    after = []
    for label in range(4):
        tried = deepcopy(stream)
        tried.add("begun", worker, label)
        after.append(tried.posterior(["begun"])[0])
    # The label's probabilities are those by which the posteriors average to the one before.
    chances = np.linalg.solve(np.array(after).T.astype(float), before)
    gain = entropy(before) - sum(
        chance * entropy(shares) for chance, shares in zip(chances, after, strict=True)
    )
    # Shares are whole millionths, and each loses less than one, at 14 nats at most.
    assert stream.gains(["begun"], worker)[0] == pytest.approx(gain * PPM, abs=500)


def test_is_due__labels_grow_by_one_in_so_many__until_the_next_fit():
    stream = StreamingPosterior(2)
    assert not stream.is_due
    for item in range(GROWTH):
        stream.add(item, 0, 0)
    assert stream.is_due
    stream.reconcile()
    assert not stream.is_due
    stream.add(0, 1, 0)
    assert not stream.is_due
    stream.add(1, 1, 0)
    assert stream.is_due


def test_copy__labels_come_during_its_fit__has_taken_them_behind_it():
    rows = rows_of(crowd(6, n_items=200, n_classes=2))
    first, later = rows[: len(rows) // 2], [*rows[len(rows) // 2 :], (500, "new", 0)]
    live, expected = filled(first, 2), filled(first, 2)
    expected.reconcile()
    before = live.posterior(range(200))

    twin = live.copy()
    twin.reconcile()
    assert np.array_equal(live.posterior(range(200)), before)
    for row in later:
        live.add(*row)
        expected.add(*row)
    twin.take_rest(live)

    items = [*range(200), 500]
    assert np.array_equal(twin.posterior(items), expected.posterior(items))
    assert np.array_equal(twin.gains(items, 0), expected.gains(items, 0))
    assert np.array_equal(
        twin.settled(items, THRESHOLD, MINIMUM), expected.settled(items, THRESHOLD, MINIMUM)
    )
    assert not np.array_equal(twin.posterior(items), live.posterior(items))
    twin.take_rest(live)  # nothing is left
    assert np.array_equal(twin.posterior(items), expected.posterior(items))


def decisions(stream, items):
    settled = stream.settled(items, THRESHOLD, MINIMUM)
    return np.where(settled, stream.posterior(items).argmax(axis=1), -1)


def agreement_with_refit(rows, n_items, n_classes):
    """After ten thousand labels at most, the last fit as long ago as it may be."""
    rows = rows[:10_000]
    last = len(rows) * GROWTH // (GROWTH + 1)
    stream = filled(rows[:last], n_classes)
    stream.reconcile()
    for row in rows[last:]:
        stream.add(*row)
    live = decisions(stream, range(n_items))
    stream.reconcile()
    return float((live == decisions(stream, range(n_items))).mean())


@pytest.mark.parametrize("n_classes", [2, 4, 10])
def test_streaming__ten_thousand_simulated_labels__decides_as_the_refit(n_classes):
    people = crowd(n_classes, n_items=2_500, n_classes=n_classes)
    rows = rows_of(people)
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    assert agreement_with_refit(shuffled, 2_500, n_classes) >= 0.995


@pytest.mark.parametrize("name", ["d_product", "sentpol", "rte", "zencrowd_all"])
def test_streaming__real_labels__decides_as_the_refit(name, data_dir):
    columns, sizes, _ = real_labels(data_dir / name)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    assert agreement_with_refit(shuffled, sizes["n_items"], sizes["n_classes"]) >= 0.995


def test_stream__bad_input__says_what_to_do():
    with pytest.raises(InputError, match="at least two classes"):
        StreamingPosterior(1)
    stream = StreamingPosterior(2)
    with pytest.raises(InputError, match="give one from 0 to 1"):
        stream.add(0, 0, 2)
    assert stream.posterior([0]).tolist() == [[500_000, 500_000]]
    stream.reconcile()  # of nothing: nothing changes
    assert not stream.settled([0], 500_001, 1)[0]
