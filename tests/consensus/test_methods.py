"""What holds for every exact method: shape, ties, order, names, limits."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.consensus import (
    METHODS,
    PPM,
    SkillPrior,
    dawid_skene,
    item_posterior,
    leave_one_out,
    log_fixed,
    majority_vote,
)
from oracle.consensus.labels import MAX_CELLS, MAX_ITEMS, Groups
from oracle.errors import InputError
from tests.support.crowd import crowd

ALL = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


@st.composite
def label_tables(draw):
    n_items, n_workers = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    n_classes = draw(st.integers(2, 4))
    row = st.tuples(
        st.integers(0, n_items - 1), st.integers(0, n_workers - 1), st.integers(0, n_classes - 1)
    )
    rows = draw(st.lists(row, max_size=30, unique_by=lambda r: r[:2]))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    gold = np.array(
        draw(st.lists(st.integers(-1, n_classes - 1), min_size=n_items, max_size=n_items))
    )
    return columns, gold, {"n_items": n_items, "n_workers": n_workers, "n_classes": n_classes}


def digest(consensus):
    parts = (
        consensus.posterior_ppm,
        consensus.answer,
        consensus.counted_ppm,
        consensus.skills,
        consensus.class_counts,
    )
    return hashlib.sha256(b"".join(part.astype(">i8").tobytes() for part in parts)).hexdigest()


@ALL
@settings(deadline=None)
@given(table=label_tables(), data=st.data())
def test_method__any_labels__is_exact_and_knows_no_row_order(method, table, data):
    columns, gold, sizes = table
    result = method(*columns, **sizes, gold=gold)
    assert (result.posterior_ppm.sum(axis=1) == PPM).all()
    assert (result.posterior_ppm >= 0).all()
    for array in vars(result).values():
        assert not isinstance(array, np.ndarray) or array.dtype == np.int64
    order = data.draw(st.permutations(range(columns.shape[1])))
    shuffled = columns[:, np.array(order, dtype=np.int64)]
    assert digest(method(*shuffled, **sizes, gold=gold)) == digest(result)

    seen = np.zeros(sizes["n_items"], dtype=bool)
    seen[columns[0]] = True
    seen |= gold >= 0
    assert ((result.answer == -1) == ~seen).all()
    assert (result.answer[gold >= 0] == gold[gold >= 0]).all()
    assert (result.posterior_ppm[gold >= 0].max(axis=1, initial=PPM) == PPM).all()
    # every label is counted once, whole
    assert int(result.skills.sum()) == columns.shape[1] * PPM
    assert int(result.class_counts.sum()) == int(seen.sum()) * PPM


@ALL
def test_method__workers_renamed__gives_the_same_posteriors_and_permuted_skills(method):
    people = crowd(1, n_items=200)
    names = np.random.default_rng(0).permutation(people.n_workers)
    before = method(*people.columns, **people.sizes)
    after = method(people.items, names[people.workers], people.labels, **people.sizes)
    assert np.array_equal(before.posterior_ppm, after.posterior_ppm)
    assert np.array_equal(before.skills, after.skills[names])


@ALL
def test_method__tie__goes_to_the_lowest_class(method):
    sizes = {"n_items": 1, "n_workers": 2, "n_classes": 3}
    for labels in ([2, 1], [1, 2]):
        result = method([0, 0], [0, 1], labels, **sizes)
        assert result.answer.tolist() == [1]
        # Where an odd unit is left over, the lowest among equals has it. Whoever is right by the
        # tie rule has the greater weight in a weighted vote.
        if method is not METHODS["weighted-majority"]:
            assert 0 <= result.posterior_ppm[0, 1] - result.posterior_ppm[0, 2] <= 1


@ALL
def test_method__one_item_one_worker_one_label__answers_with_it(method):
    result = method([0], [0], [1], n_items=1, n_workers=1, n_classes=2)
    assert result.answer.tolist() == [1]


@ALL
def test_method__no_labels_at_all__answers_nothing(method):
    result = method([], [], [], n_items=2, n_workers=0, n_classes=2)
    assert result.answer.tolist() == [-1, -1]
    assert result.posterior_ppm.tolist() == [[500_000, 500_000]] * 2


@ALL
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": [0, 2]}, "items must lie from 0 to 1"),
        ({"workers": [0, -1]}, "workers must lie from 0"),
        ({"labels": [0, 3]}, "labels must lie from 0 to 2"),
        ({"labels": [0.0, 1.0]}, "array of integers"),
        ({"labels": [True, False]}, "array of integers"),
        ({"labels": [[0, 1]]}, "one-dimensional"),
        ({"items": [0]}, "same length"),
        ({"n_classes": 1}, "at least 2"),
        ({"n_classes": 1_001}, "n_classes is 1001"),
        ({"n_items": MAX_ITEMS + 1}, "n_items is"),
        ({"n_workers": MAX_CELLS // 9 + 1}, "it must be from 0|cells"),
        ({"n_items": MAX_ITEMS, "n_classes": 1_000}, "cells"),
        ({"gold": [0]}, "gold has 1 entries for 2 items"),
        ({"gold": [0, 3]}, "gold must lie from -1 to 2"),
    ],
)
def test_method__bad_input__raises_and_names_it(method, change, message):
    good = {
        "items": [0, 1],
        "workers": [0, 1],
        "labels": [0, 2],
        "n_items": 2,
        "n_workers": 2,
        "n_classes": 3,
        "gold": [-1, 2],
    }
    assert method(**good).answer.tolist() == [0, 2]
    with pytest.raises(InputError, match=message):
        method(**good | change)


def test_skill_prior__without_doubt_or_weight__raises():
    assert SkillPrior().counts(3).tolist()[0] == [700_000, 150_000, 150_000]
    for prior in (SkillPrior(accuracy_ppm=PPM), SkillPrior(weight_ppm=0)):
        with pytest.raises(InputError, match="prior needs"):
            prior.counts(3)


def test_dawid_skene__iterations_out_of_bounds__raises():
    with pytest.raises(InputError, match="iterations"):
        dawid_skene([0], [0], [0], n_items=1, n_workers=1, n_classes=2, iterations=0)


def test_dawid_skene__converged__stays_where_it_is():
    people = crowd(3, n_items=100)
    short = dawid_skene(*people.columns, **people.sizes, iterations=200)
    long = dawid_skene(*people.columns, **people.sizes, iterations=400)
    assert short.converged
    assert short.n_iter < 200
    assert digest(short) == digest(long)


def test_dawid_skene__of_its_own_model__answers_as_closing():
    """Closing reads the same skills, and integrates over the quality of the crowd besides."""
    people = crowd(4, n_items=150)
    result = dawid_skene(*people.columns, **people.sizes, iterations=300)
    assert result.converged
    posterior = item_posterior(
        *people.columns,
        **people.sizes,
        skills=result.skills,
        class_counts=result.class_counts,
        prior=SkillPrior(),
    )
    assert np.array_equal(posterior.argmax(axis=1), result.posterior_ppm.argmax(axis=1))


@settings(deadline=None)
@given(table=label_tables())
def test_groups__any_keys__sum_like_a_plain_loop(table):
    (items, _, labels), _, sizes = table
    groups = Groups.by(items, sizes["n_items"])
    expected = [0] * sizes["n_items"]
    for item, label in zip(items.tolist(), labels.tolist(), strict=True):
        expected[item] += label
    assert groups.sum(labels[groups.order]).tolist() == expected
    assert groups.counts().tolist() == np.bincount(items, minlength=sizes["n_items"]).tolist()


def test_leave_one_out__golden__is_the_answer_of_the_others():
    # item 0: classes 1, 1, 2; item 1: a lone label; item 2: 0 and 2
    columns = [0, 0, 0, 1, 2, 2], [0, 1, 2, 0, 0, 1], [1, 1, 2, 2, 0, 2]
    sizes = {"n_items": 3, "n_workers": 3, "n_classes": 3}
    result = majority_vote(*columns, **sizes)
    reference, others = leave_one_out(result, *columns, **sizes)
    # without one of the ones it is 1 against 2: the lowest class; a lone label leaves nothing
    assert reference.tolist() == [1, 1, 1, 0, 2, 0]
    assert others.tolist() == [2, 2, 2, 0, 1, 1]
    clamped, _ = leave_one_out(result, *columns, **sizes, gold=[-1, 1, 2])
    assert clamped.tolist() == [1, 1, 1, 1, 2, 2]


@settings(deadline=None)
@given(table=label_tables())
def test_leave_one_out__majority__is_the_vote_of_the_others(table):
    columns, gold, sizes = table
    result = majority_vote(*columns, **sizes, gold=gold)
    reference, others = leave_one_out(result, *columns, **sizes)
    for row, (item, _, _) in enumerate(columns.T.tolist()):
        votes = [0] * sizes["n_classes"]
        for other_row, (i, _, answer) in enumerate(columns.T.tolist()):
            if i == item and other_row != row:
                votes[answer] += 1
        assert reference[row] == votes.index(max(votes))
        assert others[row] == sum(votes)


@settings(deadline=None)
@given(table=label_tables())
def test_leave_one_out__dawid_skene__weighs_by_skills_from_other_items(table):
    columns, gold, sizes = table
    rows, n_classes = columns.T.tolist(), sizes["n_classes"]
    result = dawid_skene(*columns, **sizes, gold=gold)
    reference, others = leave_one_out(result, *columns, **sizes)
    seen = {item for item, _, _ in rows} | set(np.flatnonzero(gold >= 0).tolist())
    prior = SkillPrior().counts(n_classes)
    for row, (item, _, _) in enumerate(rows):
        elsewhere = sorted(seen - {item})
        scores = []
        for klass in range(n_classes):
            part_of_class = PPM + int(result.posterior_ppm[elsewhere, klass].sum())
            score = int(log_fixed(np.array(part_of_class)))
            for other_row, (i, worker, answer) in enumerate(rows):
                if i != item or other_row == row:
                    continue
                counts = prior[klass].tolist()
                for i2, w2, a2 in rows:
                    if w2 == worker and i2 != item:
                        counts[a2] += int(result.posterior_ppm[i2, klass])
                said, asked = log_fixed(np.array([counts[answer], sum(counts)])).tolist()
                score += said - asked
            scores.append(score)
        assert reference[row] == scores.index(max(scores))
        assert others[row] == sum(i == item for i, _, _ in rows) - 1


def test_leave_one_out__simulated__matches_as_often_as_a_fit_without_the_label():
    """A label must not vouch for itself by the skills it helped to estimate."""
    people = crowd(0, n_items=150)
    result = dawid_skene(*people.columns, **people.sizes)
    reference, others = leave_one_out(result, *people.columns, **people.sizes)
    rows = np.flatnonzero(others >= 2)[::4]
    refitted = np.array(
        [
            dawid_skene(
                *(np.delete(column, row) for column in people.columns), **people.sizes
            ).answer[people.items[row]]
            for row in rows
        ]
    )
    labels = people.labels[rows]
    with_refit, without = (refitted == labels).mean(), (reference[rows] == labels).mean()
    assert abs(with_refit - without) <= 0.02
    assert (refitted == reference[rows]).mean() >= 0.95
