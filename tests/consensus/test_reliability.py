"""Agreement coefficients against published examples, and their intervals against simulation."""

import numpy as np
import pytest

from oracle.consensus.reliability import cohen_kappa, fleiss_kappa, krippendorff_alpha
from oracle.errors import InputError

# Krippendorff 2011, section C: four observers, twelve units, some values missing.
OBSERVERS = ("12332141 2...", "12332241 25.3", ".3332342 251.", "12332441 251.")
# Fleiss' kappa, the example of many textbooks: 10 subjects, 14 raters, 5 categories.
FLEISS = (
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
)


def observed():
    given = [
        (unit, int(value))
        for row in OBSERVERS
        for unit, value in enumerate(row.replace(" ", ""))
        if value != "."
    ]
    return np.array(given).T


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorff_alpha__published_example__gives_the_published_value(level, alpha):
    found = krippendorff_alpha(*observed(), level=level)
    assert found.value == pytest.approx(alpha, abs=0.0005)
    assert found.low < found.value < found.high
    assert found.n_items == 11  # one unit has a single value


def test_krippendorff_alpha__rows_shuffled__gives_the_same_interval():
    items, values = observed()
    order = np.random.default_rng(1).permutation(items.size)
    assert krippendorff_alpha(items[order], values[order]) == krippendorff_alpha(items, values)


def test_fleiss_kappa__textbook_example__gives_its_value():
    items = np.repeat(np.arange(10), 14)
    values = np.concatenate([np.repeat(np.arange(5), row) for row in FLEISS])
    assert fleiss_kappa(items, values).value == pytest.approx(0.210, abs=0.0005)


def test_cohen_kappa__textbook_example__gives_its_value():
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second).value == pytest.approx(0.4)


@pytest.mark.parametrize("measure", [krippendorff_alpha, fleiss_kappa])
def test_measure__perfect_and_random_answers__is_one_and_about_zero(measure):
    items = np.repeat(np.arange(500), 3)
    assert measure(items, items % 4, resamples=20).value == 1
    noise = np.random.default_rng(0).integers(0, 4, items.size)
    found = measure(items, noise)
    assert abs(found.value) < 0.06
    assert found.low < 0 < found.high


def test_interval__many_samples__covers_the_truth_about_as_often_as_stated():
    """Two people who agree by accuracy .8 each on two even classes: kappa is (2·.8 − 1)² = .36."""
    covered = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 2, 200)
        answers = [np.where(random.random(200) < 0.8, truth, 1 - truth) for _ in range(2)]
        found = cohen_kappa(*answers, resamples=200)
        covered += found.low <= 0.36 <= found.high
    assert 88 <= covered <= 100


def test_measure__nothing_varies__is_nan():
    assert np.isnan(krippendorff_alpha([0, 0], [1, 2]).value)
    same = krippendorff_alpha([0, 0, 1, 1], [5, 5, 5, 5])
    assert np.isnan([same.value, same.low, same.high]).all()
    assert np.isnan(cohen_kappa([1, 1], [1, 1]).value)
    assert np.isnan(fleiss_kappa([], []).value)


def test_measure__bad_input__says_what_to_do():
    with pytest.raises(InputError, match="use Krippendorff's alpha"):
        fleiss_kappa([0, 0, 1], [1, 1, 1])
    with pytest.raises(InputError, match="interval needs numbers"):
        krippendorff_alpha([0, 0], ["a", "b"], level="interval")
    with pytest.raises(InputError, match="level must be one of"):
        krippendorff_alpha([0, 0], [1, 2], level="ratio")
    with pytest.raises(InputError, match="two columns of one length"):
        cohen_kappa([0, 1], [0])
    with pytest.raises(InputError, match="confidence must lie between"):
        krippendorff_alpha([0, 0], [1, 2], confidence=95)
