"""Against plain float Dawid-Skene, written here, on simulated crowds and on real labels."""

import csv

import numpy as np
import pytest

from oracle.consensus import dawid_skene, majority_vote
from tests.support.crowd import crowd

# Measured with both methods; crowd-kit's float Dawid-Skene has .9397, .9275, .8889, .8426, .9152.
REAL = {"d_product": 0.935, "rte": 0.925, "bluebird": 0.88, "dog": 0.838, "sentpol": 0.912}


def float_dawid_skene(items, workers, labels, *, n_items, n_workers, n_classes):
    """Expectation-maximisation in floats, with the same priors and as many iterations."""
    posterior = np.zeros((n_items, n_classes))
    np.add.at(posterior, (items, labels), 1.0)
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1)
    prior = np.full((n_classes, n_classes), 0.3 / (n_classes - 1))
    np.fill_diagonal(prior, 0.7)
    for _ in range(30):
        confusion = np.tile(prior[None], (n_workers, 1, 1))
        for klass in range(n_classes):
            np.add.at(confusion[:, klass], (workers, labels), posterior[items, klass])
        confusion /= confusion.sum(axis=2, keepdims=True)
        classes = posterior.sum(axis=0) + 1
        score = np.tile(np.log(classes / classes.sum()), (n_items, 1))
        np.add.at(score, items, np.log(confusion)[workers, :, labels])
        posterior = np.exp(score - score.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
    return posterior


def real_labels(folder):
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "truth.csv").open(newline="") as file:
        answers = {row["task"]: row["label"] for row in csv.DictReader(file)}
    codes = [
        {name: code for code, name in enumerate(sorted({row[key] for row in rows}))}
        for key in ("task", "worker", "label")
    ]
    columns = [
        np.array([code[row[key]] for row in rows])
        for code, key in zip(codes, ("task", "worker", "label"), strict=True)
    ]
    truth = np.array([codes[2].get(answers.get(task, ""), -1) for task in codes[0]])
    sizes = dict(zip(("n_items", "n_workers", "n_classes"), map(len, codes), strict=True))
    return columns, sizes, truth


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [2, 4, 10])
def test_dawid_skene__simulated__matches_the_float_one_and_beats_majority(seed, n_classes):
    people = crowd(seed, n_items=1_000, n_classes=n_classes)
    exact = dawid_skene(*people.columns, **people.sizes)
    reference = float_dawid_skene(*people.columns, **people.sizes).argmax(axis=1)
    majority = majority_vote(*people.columns, **people.sizes)
    right = [(answer == people.truth).mean() for answer in (exact.answer, reference)]
    assert (exact.answer == reference).mean() >= 0.99
    assert abs(right[0] - right[1]) <= 0.003
    assert right[0] > (majority.answer == people.truth).mean()


@pytest.mark.parametrize("name", REAL)
def test_dawid_skene__real_labels__matches_the_float_one_and_beats_majority(name, data_dir):
    columns, sizes, truth = real_labels(data_dir / name)
    exact = dawid_skene(*columns, **sizes)
    posterior = float_dawid_skene(*columns, **sizes)
    right = (exact.answer == truth).mean()
    assert (exact.answer == posterior.argmax(axis=1)).mean() >= 0.99
    assert abs(right - (posterior.argmax(axis=1) == truth).mean()) <= 0.003
    assert np.abs(exact.posterior_ppm / 1e6 - posterior).mean() < 0.001
    assert right >= REAL[name]
    assert right > (majority_vote(*columns, **sizes).answer == truth).mean()


def test_majority_vote__real_labels__matches_counting(data_dir):
    columns, sizes, truth = real_labels(data_dir / "rte")
    votes = np.zeros((sizes["n_items"], sizes["n_classes"]))
    np.add.at(votes, (columns[0], columns[2]), 1)
    answer = majority_vote(*columns, **sizes).answer
    assert np.array_equal(answer, votes.argmax(axis=1))
    assert (answer == truth).mean() >= 0.88
