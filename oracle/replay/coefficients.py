"""How far people agree beyond chance, for reports: coefficients of the items that a receipt closed.

Pay has its own measure (`oracle.quality.agreement`); these are what the field compares by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from oracle.consensus.reliability import (
    LEVELS,
    Coefficient,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)
from oracle.protocol.campaign import EpochResult

RESAMPLES = 400
FEWEST_SHARED = 10  # items that two people must share to be compared


def coefficients_report(result: EpochResult, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per coefficient: its name, value and 95 % interval (None where nothing
    varies), and the number of items that count.

    Only items that this receipt closed count, so that receipts side by side show a trend. Ordinal
    and interval alpha where all classes are numbers. Fleiss' kappa is of the items with the
    commonest number of labels, Cohen's of the two people who share most items.
    """
    epoch = result.receipt.epoch
    closed = {row.item for row in result.evidence.items if row.epoch == epoch}
    rows = [(one.item, one.contributor, one.klass) for one in result.labels if one.item in closed]
    items = np.array([item for item, _, _ in rows], dtype=np.int64)
    labels = np.array([klass for _, _, klass in rows], dtype=np.int64)
    scale = _numbers(classes)
    found = []
    for level in LEVELS if scale is not None else LEVELS[:1]:
        # Ranks and distances are those of the numbers, not of the classes' places in the manifest.
        values = labels if scale is None else scale[labels]
        alpha = krippendorff_alpha(items, values, level=level, resamples=RESAMPLES)
        found.append(_row(f"Krippendorff's α, {level}", alpha))
    found.append(_fleiss(items, labels))
    found += _cohen(rows)
    return found


def _numbers(classes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    try:
        values = np.array([float(name) for name in classes])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _fleiss(items: Any, labels: Any) -> dict[str, Any]:
    per_item = Counter(items.tolist())
    sizes = Counter(count for count in per_item.values() if count > 1)
    size = max(sizes, key=lambda count: (sizes[count], count), default=0)
    chosen = np.array([per_item[item] == size for item in items.tolist()], dtype=bool)
    kappa = fleiss_kappa(items[chosen], labels[chosen], resamples=RESAMPLES)
    return _row(f"Fleiss' κ, items with {size} labels", kappa)


def _cohen(rows: Sequence[tuple[int, bytes, int]]) -> list[dict[str, Any]]:
    by_person: defaultdict[bytes, dict[int, int]] = defaultdict(dict)
    by_item: defaultdict[int, list[bytes]] = defaultdict(list)
    for item, person, klass in rows:
        by_person[person][item] = klass
        by_item[item].append(person)
    shared: Counter[tuple[bytes, bytes]] = Counter()
    for people in by_item.values():
        shared.update(combinations(sorted(people), 2))
    pair = max(shared, key=lambda two: (shared[two], two), default=None)
    if pair is None or shared[pair] < FEWEST_SHARED:
        return []
    one, other = (by_person[person] for person in pair)
    common = sorted(one.keys() & other.keys())
    kappa = cohen_kappa(
        np.array([one[item] for item in common]),
        np.array([other[item] for item in common]),
        resamples=RESAMPLES,
    )
    return [_row("Cohen's κ, the two who share most", kappa)]


def _row(name: str, found: Coefficient) -> dict[str, Any]:
    return {
        "name": name,
        "value": _rounded(found.value),
        "low": _rounded(found.low),
        "high": _rounded(found.high),
        "items": found.n_items,
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
