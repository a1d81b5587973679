"""Which of a draw's candidates a gateway leases: the one whose next label tells most.

The draw fixes the candidates, so this choice decides neither pay nor consensus and may use floats.
Source: Welinder and Perona, "Online crowdsourcing: rating annotators and obtaining cost-effective
labels", 2010, DOI 10.1109/CVPRW.2010.5543189 (label what is most uncertain next).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log

# What a contributor of unknown skill is taken to get right; only the order of gains depends on it.
ASSUMED_ACCURACY = 0.7


def most_informative(
    candidates: Sequence[int],
    votes: Callable[[int], Sequence[int]],
    slots: Callable[[int], int],
    finish: int = 0,
) -> int:
    """Return the candidate with the highest expected information gain, the first of equals.

    `votes(item)` counts the plain labels by class, `slots(item)` labels and running leases
    together: of items with equal gain, the one that fewer people are at work on comes first.

    By itself this spreads labels: every item gets its first before one gets its second, which is
    the most accurate where the budget is short, though few items close before the last epoch.
    With `finish` (the minimum of labels that an item closes with) an item below it counts with what
    `finish` first labels tell, shared among the labels that it still lacks: begun items are
    finished first, people are paid sooner, and items that agree early cost fewer labels.
    """

    def gain(item: int) -> float:
        taken = slots(item)
        if taken < finish:
            return expected_gain([0] * len(votes(item))) * finish / (finish - taken)
        return expected_gain(votes(item))

    ranked = [(-gain(item), slots(item), place) for place, item in enumerate(candidates)]
    return candidates[min(ranked)[2]]


def expected_gain(votes: Sequence[int]) -> float:
    """Return the mutual information (nats) between an item's class and one more label on it.

    The label errs evenly over the other classes, so its entropy given the class is a constant.
    """
    classes = len(votes)
    if classes < 2:
        return 0.0
    error = (1 - ASSUMED_ACCURACY) / (classes - 1)
    # Relative to the leading class, lest many votes underflow.
    weights = [(ASSUMED_ACCURACY / error) ** (count - max(votes)) for count in votes]
    total = sum(weights)
    label = [error + (ASSUMED_ACCURACY - error) * weight / total for weight in weights]
    given = [ASSUMED_ACCURACY, *[error] * (classes - 1)]
    # Rounded, so that equal items are equal whatever order their sums were taken in.
    return round(_entropy(label) - _entropy(given), 9)


def _entropy(shares: Sequence[float]) -> float:
    return -sum(share * log(share) for share in shares if share > 0)
