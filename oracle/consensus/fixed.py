"""Fixed-point logarithm, exponential and softmax on int64, from frozen integer tables.

Floats differ in the last bit between instruction sets (AVX2, AVX-512) and math libraries; money may
not. Everything here is integer arithmetic, so every machine gets the same bits. The tables are
built once, at import, from exact Python integers with 128 fractional bits and rounded; a test
freezes their SHA-256.

Units: logarithms are natural, in 1/`LOG_ONE` nats (Q24); exponentials in 1/`EXP_ONE` (Q30);
probabilities in ppm, where `PPM` is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import InputError

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Integers = NDArray[np.signedinteger[Any]]

PPM = 1_000_000
LOG_BITS = 24
LOG_ONE = 1 << LOG_BITS
EXP_BITS = 30
EXP_ONE = 1 << EXP_BITS
MAX_CLASSES = 1_000

_GUARD_BITS = 128  # working precision of the exact integers the tables are rounded from
_GUARD_ONE = 1 << _GUARD_BITS
_MANTISSA_BITS = 12  # the log table has 2^12 steps per octave; linear interpolation errs by < 2^-26
_TOP_BIT = 61  # of the numbers whose logarithm is taken
_EXP_STEP_BITS = 8  # the exp table has 2^8 steps per nat
_FALL_BITS = 32
_EXP_NATS = 22  # e^-22 is below half a unit of Q30, so it is zero, and so is what comes after
_SHARE_BITS = 44  # of fraction: shares of the greatest weight, 2^30, stay below 2^64
_FEW_CLASSES = 8  # up to here, comparing all pairs of classes is faster than sorting them
# Numbers that are worked on at a time. Fewer would stay in a core's own cache, but threads wait for
# one another between numpy's calls, which costs more.
_SLICE = 1 << 18


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


def _exp_table() -> Int64:
    """exp(-i / 2^8) in Q30 for i = 0 … 22 · 2^8."""
    step = _exp_of_minus(1, 1 << _EXP_STEP_BITS)
    exact = [_GUARD_ONE]
    for _ in range(_EXP_NATS << _EXP_STEP_BITS):
        exact.append(exact[-1] * step >> _GUARD_BITS)
    return np.array([_round_to(value, EXP_BITS) for value in exact], dtype=np.int64)


def _frozen(table: Int64) -> Int64:
    table.flags.writeable = False
    return table


# Index of the highest bit of 16; none in zero, so less than any.
_HIGHEST_BIT = np.append(np.int8(-64), np.repeat(np.arange(16, dtype=np.int8), 1 << np.arange(16)))
LOG_TABLE = _frozen(_log_table())
_LOG_SLOPES = _frozen(np.diff(LOG_TABLE))
OCTAVE_TABLE = _frozen(_octave_table())
EXP_TABLE = _frozen(_exp_table())
_EXPONENTIALS = EXP_TABLE.astype(np.uint64)  # numpy shifts numbers without a sign faster


def _floor_log2(values: Int64, greatest: int) -> Int64:
    """Index of the highest set bit of each int64 from 1 to `greatest`: by 16 bits at a time."""
    highest = np.take(_HIGHEST_BIT, values & 0xFFFF)
    for shift in range(16, greatest.bit_length(), 16):
        bits = np.take(_HIGHEST_BIT, (values >> shift) & 0xFFFF)
        highest = np.maximum(highest, bits + np.int8(shift))
    exponent: Int64 = highest.astype(np.int64)
    return exponent


def log_fixed(values: Int64) -> Int64:
    """Natural logarithm of positive integers, in Q24.

    `values`: int64 of any shape, each in [1, 2^62). Returns int64 of the same shape in [0,
    43·2^24], within 3 units (2e-7) of the truth and never decreasing in its argument. Take the log
    of a ratio as the difference of two logs.
    """
    values = np.asarray(values, dtype=np.int64)
    least, greatest = (int(values.min()), int(values.max())) if values.size else (1, 1)
    if least < 1 or greatest >= 1 << 62:
        raise InputError("log_fixed takes integers from 1 to 2^62 - 1: add a prior to zero counts")
    exponent = _floor_log2(values, greatest)
    fraction = values << (_TOP_BIT - exponent)  # the highest bit of all is now the same
    fraction >>= _TOP_BIT - _MANTISSA_BITS - LOG_BITS
    index = (fraction >> LOG_BITS) - (1 << _MANTISSA_BITS)
    fraction &= LOG_ONE - 1
    fraction *= np.take(_LOG_SLOPES, index, mode="clip")
    fraction >>= LOG_BITS
    logarithm: Int64 = np.take(OCTAVE_TABLE, exponent, mode="clip")
    logarithm += np.take(LOG_TABLE, index, mode="clip")
    logarithm += fraction
    return logarithm


def exp_fixed(values: Int64) -> Int64:
    """Exponential of non-positive fixed-point numbers: Q24 in, Q30 out.

    `values`: int64 of any shape, each ≤ 0. Returns int64 of the same shape in [0, 2^30], within 12
    units (1.1e-8) of the truth, never falling in its argument, and zero below -22 nats. Of x nats,
    ⌊x · 2^8⌋ says the entry T of `EXP_TABLE`, and the rest h, below 2^-8, how far it falls: by
    ⌊T · (h - h²/2)⌋, where h - h²/2 is in Q32 and its square rounded down.
    """
    values = np.asarray(values, dtype=np.int64)
    if values.size and int(values.max()) > 0:
        raise InputError("exp_fixed takes numbers <= 0: subtract the maximum first")
    capped = np.maximum(np.atleast_1d(values), -_EXP_NATS * LOG_ONE)  # so that -(-2^63) is none
    return _exp_of_minus_fixed(-capped).astype(np.int64).reshape(values.shape)


def _exp_of_minus_fixed(values: Integers) -> UInt64:
    """exp(-x), Q30, of numbers from 0 on in Q24; overwrites `values`."""
    step_bits = LOG_BITS - _EXP_STEP_BITS
    # Whatever is beyond the table is clipped to its last entry, zero.
    result: UInt64 = np.take(_EXPONENTIALS, values >> step_bits, mode="clip")
    values &= (1 << step_bits) - 1
    rest = values.view(f"u{values.itemsize}")  # numpy shifts such numbers faster
    fall = (rest << _FALL_BITS - LOG_BITS) - (rest * rest >> 2 * LOG_BITS + 1 - _FALL_BITS)
    falls = result * fall
    falls >>= np.uint64(_FALL_BITS)
    result -= falls
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
    return _shares(weights.T.astype(np.uint64, order="C")).T.astype(np.int64)


def _shares(weights: UInt64) -> Int32:
    """`shares_ppm` unchecked, with a row for each class: (K, n) in and out; overwrites `weights`.

    Along the long axis numpy is several times faster.
    """
    totals = weights.sum(axis=0)
    weights *= np.uint64(PPM)
    quotients = weights // totals
    shares: Int32 = quotients.astype(np.int32)
    quotients *= totals
    weights -= quotients
    _give_missing_units(shares, remainders=weights)
    return shares


def _give_missing_units(shares: Int32, remainders: NDArray[np.unsignedinteger[Any]]) -> None:
    """Add the units that shares (K, n) lack of a million, one each to the largest remainders."""
    n_classes = len(shares)
    missing = PPM - shares.sum(axis=0, dtype=np.int32)
    if n_classes > _FEW_CLASSES:
        order = np.argsort(-remainders.astype(np.int64), axis=0, kind="stable")
        units = np.arange(n_classes)[:, None] < missing
        np.put_along_axis(shares, order, np.take_along_axis(shares, order, axis=0) + units, axis=0)
        return
    # A class gets a unit if fewer classes than are missing come before it in that order.
    before = np.repeat(
        np.arange(n_classes - 1, -1, -1, dtype=np.int8)[:, None], missing.size, axis=1
    )
    for klass in range(1, n_classes):
        is_before = (remainders[:klass] >= remainders[klass]).view(np.int8)
        before[:klass] -= is_before
        before[klass] += is_before.sum(axis=0, dtype=np.int8)
    shares += (before < missing.astype(np.int8)).view(np.int8)


def softmax_ppm(scores: Int64) -> Int64:
    """Posterior in ppm from log scores in Q24; every row sums to exactly 1,000,000.

    `scores`: int64 (n, K), |score| < 2^62. With weights e = `exp_fixed`(score - greatest score) and
    r = ⌊10^6 · 2^44 / Σ e⌋, the posterior of a class is ⌊e · r / 2^44⌋, and its remainder the next
    16 bits of that quotient; missing units are given as in `shares_ppm`. Returns int64 (n, K).
    """
    scores = np.asarray(scores, dtype=np.int64)
    nothing = np.zeros(scores.shape[1], dtype=np.int64)
    return softmax_by_class(scores.T, nothing).T.astype(np.int64)


def softmax_by_class(scores: Integers, added: Integers) -> Int32:
    """`softmax_ppm` with a row for each class: (K, n) in and out; `added`: (K,), to each score.

    The scores of an item, with what is added, may differ by no more than their type can hold.
    """
    n_classes, n = scores.shape
    posterior = np.empty((n_classes, n), dtype=np.int32)
    step = max(1, _SLICE // max(1, n_classes))
    for first in range(0, n, step):
        some = slice(first, min(n, first + step))
        part = np.empty((n_classes, some.stop - first), dtype=scores.dtype)
        for klass in range(n_classes):  # numpy copies a transpose far slower
            np.add(scores[klass, some], added[klass], out=part[klass])
        np.subtract(part.max(axis=0), part, out=part)
        shares = _exp_of_minus_fixed(part)
        # One division an item, as numpy divides numbers one by one.
        shares *= np.uint64(PPM << _SHARE_BITS) // shares.sum(axis=0)
        shares >>= np.uint64(_SHARE_BITS - 16)
        remainders = shares.astype(np.uint16)
        shares >>= np.uint64(16)
        posterior[:, some] = shares
        _give_missing_units(posterior[:, some], remainders)
    return posterior
