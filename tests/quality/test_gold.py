import numpy as np
import pytest

from oracle.errors import InputError
from oracle.quality.gold import gold_stands, gold_tallies, passed


def test_gold_stands__contradicted_by_two_others__counts_for_nothing():
    expected = np.array([-1, 3, 3, 3, 3])
    reference = np.array([0, 3, 1, 1, 1])
    others = np.array([5, 5, 2, 1, 0])
    # not gold; confirmed; contradicted by two; by one, who can't judge; by nobody
    assert gold_stands(expected, reference, others).tolist() == [False, True, False, True, True]


def test_gold_tallies__golden__counts_right_and_total_per_contributor():
    workers = np.array([0, 0, 0, 2, 2])
    labels = np.array([1, 1, 1, 0, 0])
    expected = np.array([1, 0, -1, 0, 1])
    stands = np.array([True, True, False, True, False])
    right, total = gold_tallies(workers, labels, expected, stands, 3)
    assert right.tolist() == [1, 0, 1]
    assert total.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("right", "total", "n_classes", "result"),
    [(0, 0, 2, False), (4, 4, 2, False), (5, 5, 2, True), (7, 8, 2, True), (6, 8, 2, False)],
)
def test_passed__golden__rejects_chance_at_5_percent(right, total, n_classes, result):
    assert passed(right, total, n_classes) is result


def test_passed__one_class__raises():
    with pytest.raises(InputError):
        passed(1, 1, 1)
