import hashlib
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from oracle.consensus import fixed
from oracle.consensus.fixed import EXP_ONE, LOG_ONE, PPM, exp_fixed, log_fixed, shares_ppm
from oracle.errors import InputError


def test_tables__built_anywhere__are_the_frozen_ones():
    digest = hashlib.sha256()
    for table in (
        fixed.LOG_TABLE,
        fixed.OCTAVE_TABLE,
        fixed.EXP_TABLE,
    ):
        digest.update(table.astype(">i8").tobytes())
        assert not table.flags.writeable
    assert digest.hexdigest() == "ca9390170d0853e4616d12189db9349674e01c034c383b87fda077be8200ae82"


def test_tables__against_decimal__are_rounded_as_said():
    with localcontext() as context:
        context.prec = 50
        for i in range(0, 4097, 61):
            exact = (1 + Decimal(i) / 4096).ln() * LOG_ONE
            assert fixed.LOG_TABLE[i] == int(exact.to_integral_value())
        for i in range(22 * 256 + 1):
            assert fixed.EXP_TABLE[i] == round((Decimal(-i) / 256).exp() * EXP_ONE)
        assert fixed.EXP_TABLE[[0, -1]].tolist() == [EXP_ONE, 0]
        for i in range(64):
            assert fixed.OCTAVE_TABLE[i] == round(i * Decimal(2).ln() * LOG_ONE)


@given(st.lists(st.integers(1, (1 << 62) - 1), min_size=1, max_size=50))
def test_log_fixed__any_positive_integer__is_within_3_units_and_never_falls(values):
    values.sort()
    logs = log_fixed(np.array(values))
    assert (np.diff(logs) >= 0).all()
    for value, log in zip(values, logs, strict=True):
        assert abs(int(log) - math.log(value) * LOG_ONE) <= 3.001


@given(st.lists(st.integers(-(1 << 62), 0), min_size=1, max_size=50))
def test_exp_fixed__any_non_positive__is_within_12_units_and_never_falls(values):
    values.sort()
    exps = exp_fixed(np.array(values))
    assert (np.diff(exps) >= 0).all()
    for value, exp in zip(values, exps, strict=True):
        assert abs(int(exp) - math.exp(value / LOG_ONE) * EXP_ONE) <= 12


@given(st.integers(0, 40 * LOG_ONE))
def test_exp_fixed__of_numbers_near_zero__is_within_12_units(value):
    assert abs(int(exp_fixed(np.array(-value))) - math.exp(-value / LOG_ONE) * EXP_ONE) <= 12


def test_exp_fixed__one_unit_steps_across_table_seams__never_falls():
    around = [(k << 16) + d for k in range(22 * 256 + 2) for d in range(-3, 4)]
    x = -np.array(sorted(value for value in around if value >= 0))[::-1]
    assert (np.diff(exp_fixed(x)) >= 0).all()


@pytest.mark.parametrize("bad", [0, -1, 1 << 62])
def test_log_fixed__outside_its_range__raises(bad):
    assert log_fixed(np.array([1])).tolist() == [0]
    with pytest.raises(InputError, match="from 1 to"):
        log_fixed(np.array([bad]))


def test_exp_fixed__positive__raises():
    assert exp_fixed(np.array([0])).tolist() == [EXP_ONE]
    with pytest.raises(InputError, match="subtract the maximum"):
        exp_fixed(np.array([1]))


@given(
    arrays(
        np.int64,
        array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.integers(0, (1 << 42) - 1),
    )
)
def test_shares_ppm__any_weights__sum_to_a_million_and_err_by_less_than_one(weights):
    weights = weights + (weights.sum(axis=1, keepdims=True) == 0)
    shares = shares_ppm(weights)
    assert (shares.sum(axis=1) == PPM).all()
    for row, result in zip(weights.tolist(), shares.tolist(), strict=True):
        total = sum(row)
        for weight, share in zip(row, result, strict=True):
            assert abs(share * total - weight * PPM) < total


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([1, 1, 1], [333_334, 333_333, 333_333]),  # equal remainders: the lowest class
        ([1, 1, 1, 1, 1, 1], [166_667] * 4 + [166_666] * 2),
        ([2, 1], [666_667, 333_333]),
        ([1, 2], [333_333, 666_667]),  # the larger remainder before the lower class
        ([0, 5], [0, 1_000_000]),
    ],
)
def test_shares_ppm__golden__rounds_by_largest_remainder(weights, shares):
    assert shares_ppm(np.array([weights])).tolist() == [shares]


@pytest.mark.parametrize("weights", [[[0, 0]], [[-1, 2]], [[1 << 42, 1]], [1, 2]])
def test_shares_ppm__what_has_no_shares__raises(weights):
    with pytest.raises(InputError):
        shares_ppm(np.array(weights))


def test_softmax_ppm__golden__matches_hand_computation():
    scores = np.array([[0, 0], [LOG_ONE, 0], [0, -40 * LOG_ONE], [-(1 << 61), 1 << 61]])
    assert fixed.softmax_ppm(scores).tolist() == [
        [500_000, 500_000],
        [731_059, 268_941],
        [1_000_000, 0],
        [0, 1_000_000],
    ]
    thirds = np.array([[0, 0, 0], [-LOG_ONE, 0, 0]])
    assert fixed.softmax_ppm(thirds).tolist() == [
        [333_334, 333_333, 333_333],  # equal remainders: the lowest class
        [155_362, 422_319, 422_319],
    ]


@given(
    arrays(
        np.int64,
        array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.integers(-30 * LOG_ONE, 0),
    )
)
def test_softmax_ppm__any_scores__is_the_stated_formula(scores):
    for row, posterior in zip(scores, fixed.softmax_ppm(scores).tolist(), strict=True):
        weights = [int(weight) for weight in exp_fixed(row - row.max())]
        quotients = [weight * ((PPM << 44) // sum(weights)) for weight in weights]
        expected = [quotient >> 44 for quotient in quotients]
        remainders = [(quotient >> 28) % (1 << 16) for quotient in quotients]
        order = sorted(range(len(row)), key=lambda klass: (-remainders[klass], klass))
        for klass in order[: PPM - sum(expected)]:
            expected[klass] += 1
        assert posterior == expected
        assert sum(posterior) == PPM
        for share, weight in zip(posterior, weights, strict=True):
            assert abs(share - PPM * weight / sum(weights)) <= 1
