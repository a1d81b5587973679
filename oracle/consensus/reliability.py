"""How far people agree beyond chance: Krippendorff's alpha, Cohen's and Fleiss' kappa.

For reports: these are floats, and no payment rests on them (that is `oracle.quality.agreement`).
Intervals are by percentile bootstrap over items, with a seed: the same labels, the same interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import InputError

Float = NDArray[np.float64]
LEVELS = ("nominal", "ordinal", "interval")
MAX_VALUES = 1_000  # of distinct answers: tables are values²


@dataclass(frozen=True)
class Coefficient:
    """An agreement coefficient: 1 is perfect, 0 is chance, below is worse than chance.

    low, high: bounds of its interval at `confidence`. n_items: items that count, those with two
    answers or more. All three are NaN where nothing can vary: fewer than two items that count, or
    a single answer given throughout.
    """

    value: float
    low: float
    high: float
    confidence: float
    n_items: int


def krippendorff_alpha(
    items: NDArray[Any],
    values: NDArray[Any],
    *,
    level: str = "nominal",
    confidence: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> Coefficient:
    """Krippendorff's alpha for any number of answers per item.

    K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011,
    repository.upenn.edu/asc_papers/43; Hayes and Krippendorff 2007, doi:10.1080/19312450709336664.
    `items`: any sortable keys (L,); `values`: answers (L,): any sortable for "nominal" and
    "ordinal", whose order they have; numbers for "interval". Whose answer it is doesn't matter.
    Raises `InputError`.
    """
    if level not in LEVELS:
        raise InputError(f"level must be one of {', '.join(LEVELS)}")
    counts, names = _answer_counts(items, values)
    if level == "interval" and names.dtype.kind not in "iuf":
        raise InputError("interval needs numbers: use nominal or ordinal for names")
    answers = counts.sum(axis=1)
    counts = counts[answers >= 2]
    per_pair = 1 / (counts.sum(axis=1) - 1)

    def alpha(weights: Float) -> float:
        totals = weights @ counts
        pairs = counts.T @ (counts * (weights * per_pair)[:, None])
        pairs -= np.diag((weights * per_pair) @ counts)
        distance = _squared_distance(level, names, totals)
        expected = totals @ distance @ totals / (totals.sum() - 1)
        return 1 - float((pairs * distance).sum() / expected) if expected > 0 else np.nan

    return _with_interval(alpha, len(counts), confidence, resamples, seed)


def fleiss_kappa(
    items: NDArray[Any],
    values: NDArray[Any],
    *,
    confidence: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> Coefficient:
    """Fleiss' kappa, for items that all have the same number of answers.

    J. L. Fleiss, "Measuring Nominal Scale Agreement Among Many Raters", Psychological Bulletin
    76(5), 1971, doi:10.1037/h0031619. `items`, `values` as in `krippendorff_alpha`, which takes
    unequal numbers too. Raises `InputError`.
    """
    counts, _ = _answer_counts(items, values)
    answers = counts.sum(axis=1)
    if answers.size and (answers.min() != answers.max() or answers[0] < 2):
        raise InputError(
            "Fleiss' kappa needs equally many answers, two or more, on every item: "
            "use Krippendorff's alpha"
        )
    each = answers[0] if answers.size else 2
    agreement = ((counts**2).sum(axis=1) - each) / (each * (each - 1))

    def kappa(weights: Float) -> float:
        shares = weights @ counts / (weights.sum() * each)
        chance = shares @ shares
        observed = weights @ agreement / weights.sum()
        return float((observed - chance) / (1 - chance)) if chance < 1 else np.nan

    return _with_interval(kappa, len(counts), confidence, resamples, seed)


def cohen_kappa(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    confidence: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> Coefficient:
    """Cohen's kappa of two people who answered the same items.

    J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
    Measurement 20(1), 1960, doi:10.1177/001316446002000104. `first`, `second`: their answers (n,),
    item by item. Raises `InputError`.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(
            "Cohen's kappa needs two answers for every item: two columns of one length"
        )
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = codes[: first.size], codes[first.size :]

    def kappa(weights: Float) -> float:
        total = weights.sum()
        shares = [np.bincount(side, weights, minlength=names.size) / total for side in (one, two)]
        chance = float(shares[0] @ shares[1])
        observed = float(weights @ (one == two)) / total
        return float((observed - chance) / (1 - chance)) if chance < 1 else np.nan

    return _with_interval(kappa, first.size, confidence, resamples, seed)


def _answer_counts(items: NDArray[Any], values: NDArray[Any]) -> tuple[Float, NDArray[Any]]:
    """Answers by item and value (items, values), and the values in ascending order."""
    items, values = np.asarray(items), np.asarray(values)
    if items.ndim != 1 or items.shape != values.shape:
        raise InputError("items and values must be two columns of one length")
    keys, item = np.unique(items, return_inverse=True)
    names, value = np.unique(values, return_inverse=True)
    if names.size > MAX_VALUES:
        raise InputError(f"{names.size} distinct answers, at most {MAX_VALUES}: round them first")
    cells = np.bincount(item * names.size + value, minlength=keys.size * names.size)
    return cells.reshape(keys.size, names.size).astype(np.float64), names


def _squared_distance(level: str, names: NDArray[Any], totals: Float) -> Float:
    """δ² of any two values (values, values); `totals` is how often each is given."""
    if level == "nominal":
        return 1 - np.eye(names.size)
    # Ordinal values lie as far apart as answers rank between them, each end counting half.
    ranks = np.cumsum(totals) - totals / 2
    position = names.astype(np.float64) if level == "interval" else ranks
    return np.asarray((position[:, None] - position) ** 2, dtype=np.float64)


def _with_interval(
    coefficient: Callable[[Float], float],
    n_items: int,
    confidence: float,
    resamples: int,
    seed: int,
) -> Coefficient:
    """The coefficient of all items once each, and its interval over resampled items."""
    if not 0 < confidence < 1 or resamples < 1:
        raise InputError("confidence must lie between 0 and 1, and resamples be at least 1")
    if n_items < 2:
        return Coefficient(np.nan, np.nan, np.nan, confidence, n_items)
    value = coefficient(np.ones(n_items))
    random = np.random.default_rng(seed)
    drawn = np.array(
        [
            coefficient(np.bincount(random.integers(0, n_items, n_items), minlength=n_items) * 1.0)
            for _ in range(resamples)
        ]
    )
    drawn = drawn[~np.isnan(drawn)]  # resamples in which nothing varies say nothing
    if np.isnan(value) or not drawn.size:
        return Coefficient(value, np.nan, np.nan, confidence, n_items)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Coefficient(value, float(low), float(high), confidence, n_items)
