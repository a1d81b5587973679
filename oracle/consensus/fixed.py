"""Fixed-point logarithm, exponential and softmax on int64, from frozen integer tables.

Floats differ in the last bit between instruction sets (AVX2, AVX-512) and math libraries; money may
not. Everything here is integer arithmetic, so every machine gets the same bits. The tables are
built once, at import, from exact Python integers with 128 fractional bits and rounded; a test
freezes their SHA-256.

Units: logarithms are natural, in 1/`LOG_ONE` nats (Q24); exponentials in 1/`EXP_ONE` (Q30);
probabilities in ppm, where `PPM` is one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.errors import InputError

Int64 = NDArray[np.int64]

PPM = 1_000_000
LOG_BITS = 24
LOG_ONE = 1 << LOG_BITS
EXP_BITS = 30
EXP_ONE = 1 << EXP_BITS
MAX_CLASSES = 1_000

_GUARD_BITS = 128  # working precision of the exact integers the tables are rounded from
_GUARD_ONE = 1 << _GUARD_BITS
_MANTISSA_BITS = 12  # the log table has 2^12 steps per octave; linear interpolation errs by < 2^-26
_EXP_WHOLE = 32  # e^-32 < 2^-46: below one unit of Q30, so it is zero
_EXP_WHOLE_BITS = 32
_FEW_CLASSES = 8  # up to here, comparing all pairs of classes is faster than sorting them


def _round_to(value: int, bits: int) -> int:
    """`value` with `_GUARD_BITS` fractional bits, rounded to nearest with `bits` of them."""
    shift = _GUARD_BITS - bits
    return (value + (1 << (shift - 1))) >> shift


def _atanh_inverse(n: int) -> int:
    """atanh(1/n) for an integer n > 1, by its power series."""
    power = _GUARD_ONE // n
    total, k = 0, 1
    while power:
        total += power // k
        power //= n * n
        k += 2
    return total


def _exp_of_minus(numerator: int, denominator: int) -> int:
    """exp(-numerator/denominator) for a ratio in [0, 1], by its power series."""
    total, term, k = 0, _GUARD_ONE, 0
    while term:
        total += term if k % 2 == 0 else -term
        k += 1
        term = term * numerator // (denominator * k)
    return total


def _log_table() -> Int64:
    """ln(1 + i / 2^12) in Q24 for i = 0 … 2^12, by ln((n+1)/n) = 2 atanh(1/(2n+1))."""
    first = 1 << _MANTISSA_BITS
    exact = [0]
    for n in range(first, 2 * first):
        exact.append(exact[-1] + 2 * _atanh_inverse(2 * n + 1))
    return np.array([_round_to(value, LOG_BITS) for value in exact], dtype=np.int64)


def _octave_table() -> Int64:
    """e · ln 2 in Q24 for e = 0 … 63: each rounded by itself, so the error does not grow with e."""
    ln2 = 2 * _atanh_inverse(3)
    return np.array([_round_to(e * ln2, LOG_BITS) for e in range(64)], dtype=np.int64)


def _exp_table(steps: int, denominator: int) -> Int64:
    """exp(-i/denominator) in Q30 for i = 0 … steps - 1."""
    step = _exp_of_minus(1, denominator)
    exact = [_GUARD_ONE]
    for _ in range(steps - 1):
        exact.append(exact[-1] * step >> _GUARD_BITS)
    return np.array([_round_to(value, EXP_BITS) for value in exact], dtype=np.int64)


def _exp_whole_table() -> Int64:
    """exp(-i) in Q32 for i = 0 … 31, each rounded down from the one before.

    So an entry is never more than what the fractions above it come down to, and the exponential
    has no step where whole nats meet. The roundings add up to less than 2 units of Q32.
    """
    step = _exp_of_minus(1, 1)
    table = [1 << _EXP_WHOLE_BITS]
    for _ in range(_EXP_WHOLE - 1):
        table.append(table[-1] * step >> _GUARD_BITS)
    return np.array(table, dtype=np.int64)


def _frozen(table: Int64) -> Int64:
    table.flags.writeable = False
    return table


_POWERS = _frozen(1 << np.arange(63, dtype=np.int64))
LOG_TABLE = _frozen(_log_table())
OCTAVE_TABLE = _frozen(_octave_table())
# x = whole + high/2^12 + low/2^24, so exp(-x) is the product of one entry of each table.
EXP_WHOLE_TABLE = _frozen(_exp_whole_table())
_EXP_WHOLE_OR_ZERO = _frozen(np.append(EXP_WHOLE_TABLE, 0))
EXP_HIGH_TABLE = _frozen(_exp_table(1 << 12, 1 << 12))
EXP_LOW_TABLE = _frozen(_exp_table(1 << 12, 1 << 24))


def _floor_log2(values: Int64) -> Int64:
    """Index of the highest set bit of each positive int64."""
    return np.searchsorted(_POWERS, values, side="right") - 1


def log_fixed(values: Int64) -> Int64:
    """Natural logarithm of positive integers, in Q24.

    `values`: int64 of any shape, each in [1, 2^62). Returns int64 of the same shape in [0,
    43·2^24], within 3 units (2e-7) of the truth and never decreasing in its argument. Take the log
    of a ratio as the difference of two logs.
    """
    values = np.asarray(values, dtype=np.int64)
    if values.size and (int(values.min()) < 1 or int(values.max()) >= 1 << 62):
        raise InputError("log_fixed takes integers from 1 to 2^62 - 1: add a prior to zero counts")
    exponent = _floor_log2(values)
    scaled_bits = _MANTISSA_BITS + LOG_BITS
    scaled = np.where(
        exponent >= scaled_bits,
        values >> np.maximum(exponent - scaled_bits, 0),
        values << np.maximum(scaled_bits - exponent, 0),
    )
    index = (scaled >> LOG_BITS) - (1 << _MANTISSA_BITS)
    fraction = scaled & (LOG_ONE - 1)
    lower = LOG_TABLE[index]
    slope = LOG_TABLE[index + 1] - lower
    logarithm: Int64 = OCTAVE_TABLE[exponent] + lower + ((slope * fraction) >> LOG_BITS)
    return logarithm


def exp_fixed(values: Int64) -> Int64:
    """Exponential of non-positive fixed-point numbers: Q24 in, Q30 out.

    `values`: int64 of any shape, each ≤ 0. Returns int64 of the same shape in [0, 2^30], within 3
    units (3e-9) of the truth and never falling in its argument; zero below -32 nats. Products stay
    below 2^63.
    """
    values = np.asarray(values, dtype=np.int64)
    if values.size and int(values.max()) > 0:
        raise InputError("exp_fixed takes numbers <= 0: subtract the maximum first")
    return _exp(np.atleast_1d(values)).reshape(values.shape)


def _exp(values: Int64) -> Int64:
    """`exp_fixed` unchecked. In place where it can be: this is the inner loop of every method."""
    x = np.maximum(values, -_EXP_WHOLE * LOG_ONE)  # also keeps -(-2^63) from overflowing
    np.negative(x, out=x)
    index = x & 0xFFF
    # The fraction first: its steps are larger than its error, so the result never falls.
    result = np.take(EXP_LOW_TABLE, index)
    np.right_shift(x, 12, out=index)
    index &= 0xFFF
    result *= np.take(EXP_HIGH_TABLE, index)
    result >>= EXP_BITS
    x >>= LOG_BITS
    result *= np.take(_EXP_WHOLE_OR_ZERO, x)
    result >>= _EXP_WHOLE_BITS
    return result


def shares_ppm(weights: Int64) -> Int64:
    """Weights as shares in ppm that sum to exactly 1,000,000 in every row.

    `weights`: int64 (n, K), each ≥ 0 and < 2^42, at least one positive per row. Rounding is by
    largest remainder: every share is rounded down, then the missing units go, one each, to the
    largest remainders; equal remainders favour the lowest class. Returns int64 (n, K).
    """
    weights = np.asarray(weights, dtype=np.int64)
    if weights.ndim != 2 or not 1 <= weights.shape[1] <= MAX_CLASSES:
        raise InputError(f"weights need shape (n, K) with K from 1 to {MAX_CLASSES}")
    if weights.shape[0] == 0:
        return weights.copy()
    if int(weights.min()) < 0 or int(weights.max()) >= 1 << 42:
        raise InputError("weights must be from 0 to 2^42 - 1: scale them down")
    if int(weights.sum(axis=1).min()) == 0:
        raise InputError("a row of weights is all zero: shares of nothing are undefined")
    return _shares(np.ascontiguousarray(weights.T)).T


def _shares(weights: Int64) -> Int64:
    """`shares_ppm` unchecked, with a row for each class: int64 (K, n) in and out."""
    n_classes = len(weights)
    totals = weights.sum(axis=0)
    remainders = weights * PPM
    shares: Int64 = remainders // totals
    remainders -= shares * totals
    missing = PPM - shares.sum(axis=0)
    if n_classes > _FEW_CLASSES:
        order = np.argsort(-remainders, axis=0, kind="stable")
        units = np.arange(n_classes)[:, None] < missing
        np.put_along_axis(shares, order, np.take_along_axis(shares, order, axis=0) + units, axis=0)
        return shares
    # A class gets a unit if fewer classes than are missing come before it in that order.
    before = np.zeros(weights.shape, dtype=np.int8)
    for klass in range(1, n_classes):
        for lower in range(klass):
            is_before = remainders[lower] >= remainders[klass]
            before[klass] += is_before
            before[lower] += ~is_before
    shares += before < missing
    return shares


def softmax_ppm(scores: Int64) -> Int64:
    """Posterior in ppm from log scores in Q24; every row sums to exactly 1,000,000.

    `scores`: int64 (n, K), |score| < 2^62. Rounding as in `shares_ppm`. Returns int64 (n, K).
    """
    scores = np.asarray(scores, dtype=np.int64)
    if scores.shape[0] == 0:
        return scores.copy()
    # A row for each class: along the long axis, numpy is several times faster.
    by_class = scores.T.copy()
    by_class -= by_class.max(axis=0)
    return _shares(_exp(by_class)).T
