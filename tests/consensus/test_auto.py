"""What `auto` averages, and how it chooses: by how well labels foretell one another."""

import numpy as np
import pandas as pd
import pytest

from oracle.consensus import (
    PPM,
    Hierarchical,
    OneCoin,
    auto,
    bayesian_dawid_skene,
    dawid_skene,
    leave_one_out,
    majority_vote,
    one_coin,
    softmax_ppm,
)
from oracle.consensus.auto import stack
from oracle.consensus.estimators import Exact
from oracle.consensus.held_out import held_out, label_chances
from oracle.consensus.labels import LabelTable
from oracle.consensus.skills import Tally, crowd_accuracy_ppm, log_confusion_of
from oracle.errors import InputError
from tests.support.crowd import crowd
from tests.support.float_methods import float_auto, float_chances, hierarchical_rates


@pytest.mark.parametrize("n_classes", [2, 4])
def test_auto__simulated__matches_the_float_one(n_classes):
    people = crowd(1, n_items=200, n_classes=n_classes)
    result = auto(*people.columns, **people.sizes)
    posterior, weights = float_auto(people.columns, people.sizes)
    assert sum(result.weights_ppm) == PPM
    assert np.array(result.weights_ppm) / PPM == pytest.approx(weights, abs=0.002)
    assert np.abs(result.posterior_ppm / PPM - posterior).max() < 0.002
    assert np.array_equal(result.answer, posterior.argmax(axis=1))


def test_label_chances__simulated__are_those_of_each_label_given_the_others():
    people = crowd(2, n_items=60, n_classes=3)
    result = bayesian_dawid_skene(*people.columns, **people.sizes)
    posterior = result.posterior_ppm / PPM
    expected = float_chances(
        people.columns,
        (result.skills / PPM, result.class_counts / PPM),
        posterior,
        hierarchical_rates,
        class_weight=1.0,
    )
    chances = label_chances(result, LabelTable.of(*people.columns, **people.sizes))
    assert chances / 2**30 == pytest.approx(expected, abs=1e-4)


def test_label_chances__certain_gold__are_the_rates_on_the_gold_answer_alone():
    columns = [0, 0, 1], [0, 1, 0], [1, 1, 0]
    table = LabelTable.of(*columns, n_items=2, n_workers=2, n_classes=2, gold=[1, 0])
    result = one_coin(*columns, n_items=2, n_workers=2, n_classes=2, gold=[1, 0])
    # All are right, and the crowd's accuracy is 3.7 of 4. Without the label: 1 + 3.7 of 1 + 4 for
    # the worker of two labels, 3.7 of 4 for the other.
    expected = [(1 + 3.7) / 5, 3.7 / 4, (1 + 3.7) / 5]
    assert label_chances(result, table) / 2**30 == pytest.approx(expected, abs=1e-5)


def test_stack__one_model_foretells_all_better__weighs_all_but_nothing_else():
    good, poor = np.full(500, 9 << 26), np.full(500, 2 << 26)
    assert stack([good, poor]).tolist() == [PPM, 0]
    assert stack([good, good]).tolist() == [PPM // 2, PPM // 2]
    assert stack([good[:0], poor[:0]]).tolist() == [PPM // 2, PPM // 2]


def test_stack__models_that_foretell_different_labels__shares_by_how_many():
    first = np.where(np.arange(1_000) < 700, 900 << 20, 50 << 20)
    assert stack([first, (950 << 20) - first])[0] == pytest.approx(700_000, abs=60_000)


def test_auto__workers_who_confuse_classes__weighs_confusions_and_who_only_err__accuracies():
    weights = []
    for biased in (True, False):
        random = np.random.default_rng(3)
        truth = random.integers(0, 2, 400)
        items = np.repeat(np.arange(400), 6)
        workers = np.concatenate([random.choice(12, 6, replace=False) for _ in truth])
        accuracy = random.uniform(0.6, 0.95, (12, 1)).repeat(2, axis=1)
        if biased:
            accuracy[::2], accuracy[1::2] = (0.55, 0.95), (0.95, 0.55)
        right = random.random(items.size) < accuracy[workers, truth[items]]
        labels = np.where(right, truth[items], 1 - truth[items])
        sizes = {"n_items": 400, "n_workers": 12, "n_classes": 2}
        weights.append(auto(items, workers, labels, **sizes).weights_ppm[0])
    assert weights[0] < 100_000
    assert weights[1] > 3 * weights[0]


def test_held_out__chunks_of_any_size__are_the_same(monkeypatch):
    people = crowd(3, n_items=80, n_classes=3)
    result = auto(*people.columns, **people.sizes)
    table = LabelTable.of(*people.columns, **people.sizes)
    whole = leave_one_out(result, *people.columns, **people.sizes)
    chances = label_chances(result.members[0], table)
    monkeypatch.setattr("oracle.consensus.held_out.CHUNK_NUMBERS", 7)
    assert sum(1 for _ in held_out(result.members[0], table)) > 40
    parts = leave_one_out(result, *people.columns, **people.sizes)
    assert all(np.array_equal(*pair) for pair in zip(whole, parts, strict=True))
    assert np.array_equal(label_chances(result.members[0], table), chances)


def test_leave_one_out__auto__averages_the_members_posteriors():
    people = crowd(5, n_items=50, n_classes=3)
    result = auto(*people.columns, **people.sizes)
    table = LabelTable.of(*people.columns, **people.sizes)
    reference, _ = leave_one_out(result, *people.columns, **people.sizes)
    found = np.zeros((table.items.size, 3), dtype=np.int64)
    for weight, member in zip(result.weights_ppm, result.members, strict=True):
        for chunk in held_out(member, table):
            found[chunk.rows] += weight * softmax_ppm(chunk.without)
    assert np.array_equal(reference, found.argmax(axis=1))


def test_exact_auto__string_tasks_shuffled__gives_the_same():
    people = crowd(6, n_items=120, n_classes=3)
    frame = pd.DataFrame(
        {"task": people.items, "worker": people.workers, "label": people.labels}
    ).astype(str)
    expected = Exact().fit(frame).posterior_ppm_
    shuffled = Exact().fit(frame.sample(frac=1, random_state=1)).posterior_ppm_
    assert shuffled.loc[expected.index].equals(expected)


def test_hierarchical__few_labels__is_like_the_accuracy__many__like_the_rows():
    skills = np.zeros((3, 2, 2), dtype=np.int64)
    skills[1] = [[3 * PPM, 0], [2 * PPM, PPM]]
    skills[2] = 10_000 * skills[1]
    model = Hierarchical()
    rates = np.exp(log_confusion_of(skills, model) / 2**24)
    crowd_accuracy = crowd_accuracy_ppm(skills) / PPM
    # nobody's labels: the crowd's accuracy in every row
    assert rates[0] == pytest.approx(
        np.array([[crowd_accuracy, 1 - crowd_accuracy], [1 - crowd_accuracy, crowd_accuracy]]),
        abs=1e-5,
    )
    own = (4 + 4 * crowd_accuracy) / (6 + 4)
    assert rates[1, 1, 1] == pytest.approx((1 + 16 * own) / (3 + 16), abs=1e-5)
    assert rates[2, 1] == pytest.approx([2 / 3, 1 / 3], abs=1e-3)
    assert rates.sum(axis=2) == pytest.approx(np.ones((3, 2)), abs=1e-5)


@pytest.mark.parametrize("method", [one_coin, bayesian_dawid_skene, auto])
def test_method__record_of_a_worker__counts_as_labels_given_elsewhere(method):
    # Two workers who contradict one another everywhere: only what is known of them decides.
    columns = np.repeat(np.arange(6), 2), np.tile([0, 1], 6), np.tile([0, 1, 1, 0], 3)
    sizes = {"n_items": 6, "n_workers": 2, "n_classes": 2}
    for trusted in (0, 1):
        record = np.zeros((2, 2), dtype=np.int64)
        record[trusted] = 95 * PPM, 100 * PPM
        record[1 - trusted] = 55 * PPM, 100 * PPM
        result = method(*columns, **sizes, record=record)
        said = columns[2][columns[1] == trusted]
        assert np.array_equal(result.answer, said)
        reference, _ = leave_one_out(result, *columns, **sizes)
        assert reference.size == 12


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([[0, 0]], "shape"),
        ([[0.5, 1.0], [0, 0]], "shape"),
        ([[2, 1], [0, 0]], "no more right"),
        ([[-1, 1], [0, 0]], "no more right"),
        ([[0, 1001 * PPM], [0, 0]], "1,000 labels"),
    ],
)
def test_one_coin__impossible_record__raises(record, message):
    columns, sizes = ([0, 1], [0, 1], [0, 1]), {"n_items": 2, "n_workers": 2, "n_classes": 2}
    one_coin(*columns, **sizes, record=np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(InputError, match=message):
        one_coin(*columns, **sizes, record=np.array(record))


def test_one_coin__over_eight_million_labels__keeps_the_accuracy():
    many = np.array([10**14]), np.array([10**14 * 9 // 10])
    tally = Tally(many[1], many[0], many[1], many[0], np.array([True]), 2)
    assert OneCoin().accuracy_ppm(tally, 500_000).tolist() == [pytest.approx(900_000, abs=2)]


@pytest.mark.parametrize("model", [OneCoin(0), Hierarchical(0), Hierarchical(1_001 * PPM)])
def test_prior__weight_out_of_bounds__raises(model):
    with pytest.raises(InputError, match="weight"):
        log_confusion_of(np.zeros((1, 2, 2), dtype=np.int64), model)


def test_bayesian_dawid_skene__few_labels_per_worker__beats_dawid_skene_and_the_vote():
    """200 workers of about 8 labels, four classes: rows of two labels say next to nothing."""
    right = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 4, 320)
        items = np.repeat(np.arange(320), 5)
        workers = np.concatenate([random.choice(200, 5, replace=False) for _ in truth])
        skill = random.beta(3, 2, 200)
        guess = random.integers(0, 4, items.size)
        labels = np.where(random.random(items.size) < skill[workers], truth[items], guess)
        sizes = {"n_items": 320, "n_workers": 200, "n_classes": 4}
        right.append(
            [
                (method(items, workers, labels, **sizes).answer == truth).mean()
                for method in (bayesian_dawid_skene, dawid_skene, majority_vote)
            ]
        )
    hierarchical, plain, vote = np.mean(right, axis=0)
    assert hierarchical > plain + 0.02
    assert hierarchical > vote + 0.005
