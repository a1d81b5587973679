from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import InputError
from oracle.quality.agreement import (
    judged_labels,
    measure_agreement,
    passed_by_agreement,
    unjudgeable_labels,
)


def measure(rows, answer_counts, final=False, n_workers=3):
    workers, labels, reference, judged = (np.array(column) for column in zip(*rows, strict=True))
    return measure_agreement(
        workers,
        labels,
        reference,
        judged.astype(bool),
        n_workers=n_workers,
        n_classes=len(answer_counts),
        answer_counts=np.array(answer_counts),
        final=final,
    )


rows_of_labels = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=60,
)


@given(rows_of_labels, st.lists(st.integers(0, 9), min_size=4, max_size=4), st.booleans())
def test_measure_agreement__any_labels__is_the_formula_in_fractions(rows, answers, final):
    result = measure(rows, answers, final)
    for worker in range(3):
        own = [(label, reference) for w, label, reference, judged in rows if w == worker and judged]
        n = len(own)
        matches = sum(label == reference for label, reference in own)
        assert (result.judged[worker], result.matches[worker]) == (n, matches)
        if n == 0:
            assert result.ppm[worker] == 0
            continue
        if sum(count > 0 for count in answers) <= 1:
            c = Fraction(1, 4) if final else Fraction(1)
        else:
            shares = [Fraction(sum(label == k for label, _ in own), n) for k in range(4)]
            campaign = [Fraction(count, sum(answers)) for count in answers]
            references = [Fraction(sum(r == k for _, r in own), n) for k in range(4)]
            c = max(
                sum(s * t for s, t in zip(shares, campaign, strict=True)),
                sum(s * t for s, t in zip(shares, references, strict=True)),
            )
        a = (matches + 4 * c) / (n + 4)
        expected = max(Fraction(0), (a - c) / (1 - c)) if c < 1 else Fraction(0)
        assert result.ppm[worker] == int(expected * 1_000_000)
        assert 0 <= result.chance_ppm[worker] - c * 1_000_000 < 1


def test_measure_agreement__always_the_common_class__earns_nothing():
    # nine in ten items are class 0, and so are the references; the honest one follows them
    truth = [0] * 90 + [1] * 10
    lazy = [(0, 0, answer, True) for answer in truth]
    honest = [(1, answer, answer, True) for answer in truth]
    result = measure(lazy + honest, [90, 10])
    assert result.matches.tolist() == [90, 100, 0]
    assert result.ppm[0] == 0
    assert result.ppm[1] == 100 * 1_000_000 // 104


def test_measure_agreement__one_lucky_label__earns_nothing():
    result = measure([(0, 1, 1, True)], [50, 50])
    assert result.matches[0] == 1
    assert result.ppm[0] == 0


def test_measure_agreement__one_class_closed__waits_until_final():
    rows = [(0, 1, 1, True)] * 10
    assert measure(rows, [0, 10]).ppm[0] == 0
    # at final c is 1/2: (10 - 5) / (14 · 1/2)
    assert measure(rows, [0, 10], final=True).ppm[0] == 5 * 1_000_000 // 7
    assert measure(rows, [0, 10], final=True).chance_ppm[0] == 500_000


def test_measure_agreement__ten_million_labels_a_class__does_not_overflow():
    n = 3_000_000
    answers = np.array([10**8 // 2, 10**8 // 2])
    labels = np.arange(n) % 2
    result = measure_agreement(
        np.zeros(n, dtype=np.int64),
        labels,
        labels,
        np.ones(n, dtype=bool),
        n_workers=1,
        n_classes=2,
        answer_counts=answers,
        final=False,
    )
    assert result.ppm[0] == n * 1_000_000 // (n + 4)
    assert result.chance_ppm[0] == 500_000


def test_measure_agreement__shapes_that_do_not_fit__raises():
    with pytest.raises(InputError, match="answer_counts"):
        measure([(0, 0, 0, True)], [1])
    with pytest.raises(InputError, match="same shape"):
        measure_agreement(
            np.zeros(2, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros(2, dtype=np.int64),
            np.ones(2, dtype=bool),
            n_workers=1,
            n_classes=2,
            answer_counts=np.array([1, 1]),
            final=False,
        )


def test_judged_labels__golden__gold_that_stands_or_two_others():
    expected = np.array([1, 1, -1, -1])
    stands = np.array([True, False, False, False])
    others = np.array([0, 4, 2, 1])
    assert judged_labels(expected, stands, others).tolist() == [True, False, True, False]


def test_unjudgeable_labels__golden__never_those_that_others_contradict():
    stands = np.array([True, False, False, False])
    others = np.array([0, 4, 2, 1])
    # lone gold; gold that others contradict; judged; one other is no judge
    assert unjudgeable_labels(stands, others).tolist() == [False, False, False, True]


def test_passed_by_agreement__own_chance_is_high__needs_more():
    assert passed_by_agreement(9, 10, 500_000, 2)
    assert not passed_by_agreement(9, 10, 800_000, 2)
    assert not passed_by_agreement(7, 10, 0, 2)  # chance is at least one in the number of classes
