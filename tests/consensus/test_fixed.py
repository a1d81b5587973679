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
        fixed.EXP_WHOLE_TABLE,
        fixed.EXP_HIGH_TABLE,
        fixed.EXP_LOW_TABLE,
    ):
        digest.update(table.astype(">i8").tobytes())
        assert not table.flags.writeable
    assert digest.hexdigest() == "6efa47771941c0f7182088471307f983a9cc13ea5789b9e9229cb4f21a18b240"


def test_tables__against_decimal__are_rounded_as_said():
    with localcontext() as context:
        context.prec = 50
        for i in range(0, 4097, 61):
            exact = (1 + Decimal(i) / 4096).ln() * LOG_ONE
            assert fixed.LOG_TABLE[i] == int(exact.to_integral_value())
        for i in range(0, 4096, 61):
            assert fixed.EXP_HIGH_TABLE[i] == round((Decimal(-i) / 4096).exp() * EXP_ONE)
            assert fixed.EXP_LOW_TABLE[i] == round((Decimal(-i) / (1 << 24)).exp() * EXP_ONE)
        for i in range(32):
            assert 0 <= (Decimal(-i).exp() * (1 << 32)) - int(fixed.EXP_WHOLE_TABLE[i]) < 2
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
def test_exp_fixed__any_non_positive__is_within_3_units_and_never_falls(values):
    values.sort()
    exps = exp_fixed(np.array(values))
    assert (np.diff(exps) >= 0).all()
    for value, exp in zip(values, exps, strict=True):
        assert abs(int(exp) - math.exp(value / LOG_ONE) * EXP_ONE) <= 3.001


@given(st.integers(0, 40 * LOG_ONE))
def test_exp_fixed__of_numbers_near_zero__is_within_3_units(value):
    assert abs(int(exp_fixed(np.array(-value))) - math.exp(-value / LOG_ONE) * EXP_ONE) <= 3.001


def test_exp_fixed__one_unit_steps_across_table_seams__never_falls():
    around = [k * LOG_ONE + d for k in range(33) for d in range(-3, 4)]
    around += [(k << 12) + d for k in range(1, 9000, 7) for d in range(-2, 3)]
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
