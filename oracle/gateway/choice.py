"""Which of a draw's candidates a gateway leases: the one whose next label tells most.

The draw fixes the candidates, so this choice decides neither pay nor consensus. Source: Welinder
and Perona, "Online crowdsourcing: rating annotators and obtaining cost-effective labels", 2010, DOI
10.1109/CVPRW.2010.5543189 (label what is most uncertain next, stop where nothing is).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.consensus.streaming import StreamingPosterior


def least_labeled(
    candidates: Sequence[int], slots: Callable[[int], int], *, minimum: int
) -> int | None:
    """Return the candidate with the fewest labels and running leases, the first of equals; None
    where all have the `minimum`. For answers that no posterior is computed of."""
    left = [item for item in candidates if slots(item) < minimum]
    return min(left, key=slots, default=None)


def most_informative(
    candidates: Sequence[int],
    contributor: bytes,
    stream: StreamingPosterior,
    slots: Callable[[int], int],
    *,
    threshold_ppm: int,
    minimum: int,
    finish_first: bool = False,
) -> int | None:
    """Return the candidate with the highest expected information gain, the first of equals; None
    where all are settled: at `threshold_ppm` none needs a label beyond the `minimum` that it has.

    `stream` is the live posterior of what the labels so far say; `slots(item)` counts labels and
    running leases together: of items with equal gain, the one that fewer people are at work on
    comes first.

    By itself this spreads labels: every item gets its first before one gets its second, which is
    the most accurate where the budget is short, though few items close before the last epoch. With
    `finish_first` an item below the minimum counts with what that many first labels tell, shared
    among the labels that it still lacks: begun items are finished first, people are paid sooner,
    and items that agree early cost fewer labels.
    """
    settled = stream.settled(candidates, threshold_ppm, minimum).tolist()
    left = [item for item, sure in zip(candidates, settled, strict=True) if not sure]
    if not left:
        return None
    *gains, first = stream.gains(
        [*left, None], contributor
    ).tolist()  # None: an item without labels
    if finish_first:
        for place, item in enumerate(left):
            taken = slots(item)
            if taken < minimum:
                gains[place] = first * minimum // (minimum - taken)
    ranked = [
        (-gain, slots(item), place)
        for place, (gain, item) in enumerate(zip(gains, left, strict=True))
    ]
    return left[min(ranked)[2]]
