"""The float estimators: crowd-kit's results and API, odd tables, names and order of rows."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.consensus import estimators, sums
from oracle.consensus.estimators import (
    GLAD,
    KOS,
    MACE,
    MMSR,
    DawidSkene,
    GoldMajorityVote,
    MajorityVote,
    OneCoinDawidSkene,
    Wawa,
    ZeroBasedSkill,
)
from oracle.consensus.estimators.canonical import Canonical
from oracle.consensus.estimators.frame import Labels
from oracle.errors import InputError
from tests.support.crowd import crowd

GOLDEN = json.loads((Path(__file__).parent / "crowdkit.json").read_text())
WITHOUT_GOLD = [
    MajorityVote,
    Wawa,
    ZeroBasedSkill,
    DawidSkene,
    OneCoinDawidSkene,
    GLAD,
    MACE,
    MMSR,
    KOS,
]
WITH_PROBAS = [method for method in WITHOUT_GOLD if method is not KOS]


def golden_frame():
    return pd.DataFrame({column: GOLDEN[column] for column in ("task", "worker", "label")})


def people_frame(seed=0, n_classes=3, n_items=120):
    people = crowd(seed, n_items=n_items, n_classes=n_classes)
    return pd.DataFrame(dict(zip(("task", "worker", "label"), people.columns, strict=True)))


def by_name(table):
    return table.sort_index(axis=0).sort_index(axis=1).to_numpy()


# --- beside crowd-kit


@pytest.mark.parametrize(
    "method", [MajorityVote, Wawa, ZeroBasedSkill, DawidSkene, OneCoinDawidSkene, GLAD]
)
def test_fit__labels_of_the_golden_file__equals_crowd_kit(method):
    expected = GOLDEN[method.__name__]
    model = method()
    probas = model.fit_predict_proba(golden_frame())
    assert np.abs(by_name(probas) - expected["probas"]).max() < 1e-6
    if "loss_history" in expected:
        assert model.loss_history_ == pytest.approx(expected["loss_history"], abs=1e-7)
        assert model.n_iter_ == len(model.loss_history_)
    if "errors" in expected:
        assert np.abs(model.errors_.sort_index().to_numpy() - expected["errors"]).max() < 1e-6
    if "skills" in expected:
        assert model.skills_.sort_index().to_list() == pytest.approx(expected["skills"], abs=1e-6)


def test_dawid_skene__true_labels__equals_crowd_kit():
    answers = pd.Series({0: 1, 7: 0, 9: 2})
    model = DawidSkene(n_iter=10, tol=-1).fit(golden_frame(), answers)
    expected = GOLDEN["DawidSkene with true_labels"]
    assert np.abs(by_name(model.probas_) - expected["probas"]).max() < 1e-6
    assert model.loss_history_ == pytest.approx(expected["loss_history"], abs=1e-7)
    assert model.labels_[answers.index].to_list() == answers.to_list()
    assert not model.converged_


def test_mace__crowd_kits_start_and_names_that_it_does_not_mix_up__equals_crowd_kit(monkeypatch):
    frame = golden_frame()
    rank = Canonical.of(Labels.of(frame)).worker_rank

    def starts(self, n_workers, n_classes):
        first = []
        for width in (2, n_classes):  # one seed for both, as there
            start = np.empty((n_workers, width, 1))
            start[rank, :, 0] = np.random.RandomState(0).uniform(1, 2.5, (n_workers, width))
            first.append(start / start.sum(axis=1, keepdims=True))
        return first

    monkeypatch.setattr(MACE, "_random_starts", starts)
    probas = MACE(n_restarts=1, n_iter=20).fit_predict_proba(frame)
    assert np.abs(by_name(probas) - GOLDEN["MACE"]["probas"]).max() < 1e-6


# --- names, order, threads


@pytest.mark.parametrize("method", WITHOUT_GOLD)
def test_fit__rows_shuffled_and_workers_renamed__gives_the_same_answers(method):
    frame = people_frame(n_classes=2 if method is KOS else 3)
    model = method().fit(frame)
    labels = method().fit_predict(frame)
    renamed = frame.sample(frac=1, random_state=1)
    names = np.random.default_rng(2).permutation(frame.worker.max() + 1)
    renamed["worker"] = [f"w{name}" for name in names[renamed.worker]]
    renamed["task"] = [f"t{task}" for task in renamed.task]
    again = method()
    other = again.fit_predict(renamed)
    other.index = [int(task[1:]) for task in other.index]
    assert (other.sort_index() == labels.sort_index()).all()
    if method in WITH_PROBAS:
        probas = model.fit_predict_proba(frame)
        others = again.probas_.set_axis([int(task[1:]) for task in again.probas_.index])
        assert np.abs(by_name(probas) - by_name(others)).max() < 1e-6


def test_dawid_skene__one_or_two_threads__gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(estimators.sums, "BLOCK", 50)
    results = []
    for cores in (1, 2):
        monkeypatch.setattr(sums, "_cores", lambda cores=cores: cores)
        results.append(DawidSkene().fit_predict_proba(people_frame()).to_numpy())
    assert np.array_equal(*results)
    monkeypatch.undo()
    whole = DawidSkene().fit_predict_proba(people_frame()).to_numpy()
    assert np.abs(results[0] - whole).max() < 1e-9


def test_dawid_skene__more_workers_times_classes_than_labels__numbers_only_what_occurs():
    frame = people_frame()
    expected = DawidSkene().fit(frame).probas_.to_numpy()
    frame["worker"] = frame.worker * 10**9
    wide = pd.DataFrame({"task": [1000], "worker": [5], "label": [0]})
    rare = pd.concat([frame, *[wide.assign(worker=5 + i, task=1000 + i) for i in range(3000)]])
    rare["label"] = rare.label.astype(object)
    model = DawidSkene().fit(rare)
    assert model.probas_.shape == (3120, 3)
    assert len(expected) == 120


# --- odd tables


@pytest.mark.parametrize("method", WITHOUT_GOLD)
@pytest.mark.parametrize(
    "rows",
    [
        [("t", "w", "a")],
        [("t", "w", "a"), ("u", "w", "b")],
        [("t", "w", "a"), ("t", "v", "b")],
        [("t", "w", "a"), ("t", "v", "a"), ("u", "v", "a")],
        [("t", "w", "a"), ("t", "w", "a"), ("t", "w", "b"), ("u", "v", "b"), ("u", "w", "b")],
    ],
    ids=["one label", "one worker", "one task", "one class", "repeated"],
)
def test_fit__few_labels__answers_with_them(method, rows):
    model = method()
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    labels = model.fit_predict(frame)
    assert set(labels.index) == set(frame.task)
    assert labels.notna().all()
    assert isinstance(model.converged_, bool)
    for task, given in frame.groupby("task").label:
        assert labels[task] in set(given) or method is KOS  # KOS may believe a worker's opposite
    if method in WITH_PROBAS:
        assert np.allclose(model.probas_.sum(axis=1), 1)


@pytest.mark.parametrize("method", WITHOUT_GOLD)
def test_fit__tie__goes_to_the_lowest_label(method):
    for order in ([0, 1], [1, 0]):
        frame = pd.DataFrame({"task": [0, 0], "worker": [0, 1], "label": ["b", "a"]}).iloc[order]
        assert method().fit_predict(frame).to_list() == ["a"]


@pytest.mark.parametrize("method", WITHOUT_GOLD)
@pytest.mark.parametrize(
    "names",
    [[True, False], [(1, 2), (1, 3)], [frozenset("a"), frozenset("b")], [1, "1"], [0.5, 1.5]],
    ids=["bool", "tuple", "frozenset", "mixed", "float"],
)
def test_fit__any_hashable_labels__come_back(method, names):
    frame = people_frame(n_classes=2)
    expected = method().fit_predict(frame)
    coded = sorted(range(2), key=lambda code: names[code]) if names != [1, "1"] else [0, 1]
    if isinstance(names[0], frozenset):  # don't compare: subsets; order by text
        coded = [0, 1]
    spoken = [names[coded[label]] for label in frame.label]
    column = np.empty(len(spoken), dtype=object)
    column[:] = spoken
    labels = method().fit_predict(frame.assign(label=pd.Series(column, index=frame.index)))
    assert [names.index(label) for label in labels] == [coded[label] for label in expected]


def test_fit__categorical_and_string_columns__answers_as_for_objects():
    frame = people_frame().astype(str)
    expected = DawidSkene().fit_predict(frame)
    for kind in ("category", "string"):
        assert DawidSkene().fit_predict(frame.astype(kind)).to_list() == expected.to_list()


def test_dawid_skene__no_labels__answers_nothing():
    empty = pd.DataFrame({"task": [], "worker": [], "label": []})
    for method in (MajorityVote, DawidSkene, OneCoinDawidSkene):
        model = method().fit(empty)
        assert model.labels_.empty
        assert model.probas_.empty


def test_dawid_skene__class_only_in_true_labels__is_a_class():
    frame = pd.DataFrame({"task": [0, 0, 1], "worker": [0, 1, 1], "label": ["a", "b", "a"]})
    model = DawidSkene().fit(frame, pd.Series({1: "c"}))
    assert list(model.probas_.columns) == ["a", "b", "c"]
    assert model.labels_[1] == "c"


def test_majority_vote__repeated_rows__count_as_votes_but_once_in_skills(monkeypatch):
    rows = [(0, "x", 1)] * 3 + [(0, "y", 0), (0, "z", 0), (1, "x", 0), (1, "y", 0)]
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    for many in (32, 1):  # either way of finding repetitions
        monkeypatch.setattr(estimators.votes, "MANY", many)
        model = MajorityVote().fit(frame)
        assert model.labels_.to_dict() == {0: 1, 1: 0}
        assert model.skills_.to_dict() == {"x": 1.0, "y": 0.5, "z": 0.0}


# --- parameters and errors


def test_get_params__after_set_params__are_the_constructors():
    model = DawidSkene(n_iter=3)
    assert model.get_params() == {"n_iter": 3, "tol": 1e-5, "initial_error_strategy": None}
    assert model.set_params(tol=0.1) is model
    assert type(model)(**model.get_params()) == model
    with pytest.raises(InputError, match="has no speed: it has n_iter"):
        model.set_params(speed=2)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"task": [0], "worker": [0]}, "no column 'label'"),
        ({"task": [0], "worker": [None], "label": [0]}, "a worker is missing"),
        ({"task": [0], "worker": [0], "label": [np.nan]}, "a label is missing"),
        ({"task": [0], "worker": [0], "label": [[1]]}, "a label is unhashable"),
        ({"task": [0, 1], "worker": [0], "label": [0]}, "equally many rows"),
    ],
)
def test_fit__bad_columns__says_what_to_do(frame, message):
    with pytest.raises(InputError, match=message):
        DawidSkene().fit(frame)


def test_majority_vote__workers_without_skill__as_asked():
    frame = pd.DataFrame({"task": [0, 0, 0], "worker": [0, 1, 2], "label": [1, 0, 0]})
    skills = pd.Series({0: 1.0, 1: 0.3})
    with pytest.raises(InputError, match="1 workers have no skill"):
        MajorityVote().fit(frame, skills)
    assert MajorityVote("ignore").fit_predict(frame, skills)[0] == 1
    assert MajorityVote("value", 0.8).fit_predict(frame, skills)[0] == 0
    with pytest.raises(InputError, match="default_skill goes with"):
        MajorityVote("value").fit(frame, skills)
    with pytest.raises(InputError, match="1 tasks have no worker"):
        MajorityVote("ignore").fit(frame.assign(task=[0, 0, 1]), skills)


def test_gold_majority_vote__trusts_who_is_right_on_gold():
    frame = pd.DataFrame(
        {
            "task": [0, 0, 0, 1, 1, 1],
            "worker": ["x", "y", "z"] * 2,
            "label": [1, 0, 0, 1, 0, 0],
        }
    )
    model = GoldMajorityVote().fit(frame, pd.Series({0: 1}))
    assert model.skills_.to_dict() == {"x": 1.0, "y": 0.0, "z": 0.0}
    assert model.predict(frame).to_list() == [1, 1]
    assert model.predict_proba(frame)[1].to_list() == [1.0, 1.0]
    answers = pd.Series({0: 1})
    assert GoldMajorityVote().fit_predict(frame, answers).equals(model.predict(frame))
    assert GoldMajorityVote().fit_predict_proba(frame, answers).equals(model.probas_)
    with pytest.raises(InputError, match="2 workers have no skill"):
        GoldMajorityVote().fit_predict(frame.assign(task=range(6)), pd.Series({0: 1}))
    assert GoldMajorityVote().fit(frame, pd.Series({0: 7})).skills_.to_list() == [0.0] * 3
    with pytest.raises(InputError, match="1 workers have no skill"):
        model.predict(frame.assign(worker=["x", "y", "new"] * 2))


def test_predict__before_fit__says_so():
    for method in (GoldMajorityVote, Wawa, ZeroBasedSkill, MMSR):
        with pytest.raises(InputError, match="is not fitted: call fit first"):
            method().predict(golden_frame())


def test_kos__more_than_two_classes_or_probabilities__are_refused():
    with pytest.raises(InputError, match="KOS takes two classes, not 3"):
        KOS().fit(people_frame())
    with pytest.raises(InputError, match="gives no probabilities"):
        KOS().fit_predict_proba(people_frame(n_classes=2))


def test_dawid_skene__initial_error__assigned_or_added():
    frame = pd.DataFrame({"task": [0, 0], "worker": ["x", "y"], "label": [0, 1]})
    rows = pd.MultiIndex.from_product([["x", "y"], [0, 1]], names=["worker", "label"])
    history = pd.DataFrame([[9.0, 1], [1, 9], [6, 4], [4, 6]], index=rows, columns=[0, 1])
    for strategy in ("assign", "addition"):
        model = DawidSkene(n_iter=1, tol=-1, initial_error_strategy=strategy)
        first = model.fit(frame, initial_error=history).probas_.loc[0, 0]
        assert 0.5 < first < 1  # x, whose history is better, said 0
    with pytest.raises(InputError, match="has no row for"):
        DawidSkene(initial_error_strategy="assign").fit(frame, initial_error=history.iloc[:1])
    with pytest.raises(InputError, match="must be None, 'assign' or 'addition'"):
        DawidSkene(initial_error_strategy="guess").fit(frame, initial_error=history)


def test_import__the_lean_path__brings_neither_pandas_nor_scipy():
    program = (
        "import sys, oracle.consensus, oracle.auditor\n"
        "print([name for name in ('pandas', 'scipy') if name in sys.modules])"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "[]"


# --- what they are for


@pytest.mark.parametrize(
    "method", [Wawa, ZeroBasedSkill, DawidSkene, OneCoinDawidSkene, GLAD, MACE, MMSR]
)
def test_fit__simulated_crowd__is_better_than_majority(method):
    people = crowd(3, n_items=1_000, n_classes=4)
    frame = pd.DataFrame(dict(zip(("task", "worker", "label"), people.columns, strict=True)))
    truth = pd.Series(people.truth)
    majority = (MajorityVote().fit_predict(frame).sort_index() == truth).mean()
    assert (method().fit_predict(frame).sort_index() == truth).mean() > majority + 0.01


def test_mace__spammers__are_known_as_such():
    people = crowd(3, n_items=1_000, n_classes=4)
    frame = pd.DataFrame(dict(zip(("task", "worker", "label"), people.columns, strict=True)))
    model = MACE().fit(frame)
    assert len(set(model.log_likelihoods_.round(3))) > 1  # genuine restarts
    assert model.skills_.idxmin() == 9  # the spammer of the pool
    assert model.skills_[9] < 0.2
    assert model.skills_[[0, 1, 2]].min() > 0.9
