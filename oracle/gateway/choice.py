"""Which of a draw's candidates a gateway leases: the one whose next label tells most.

The draw fixes the candidates, so this choice decides neither pay nor consensus. Source: Welinder
and Perona, "Online crowdsourcing: rating annotators and obtaining cost-effective labels", 2010, DOI
10.1109/CVPRW.2010.5543189 (label what is most uncertain next, stop where nothing is).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from oracle.consensus.streaming import StreamingPosterior


def least_labeled(
    candidates: Sequence[int], slots: Callable[[int], int], *, minimum: int
) -> int | None:
    """Return the candidate with the fewest labels and running leases, the first of equals; None
    where all have the `minimum`. For answers that no posterior is computed of."""
    left = [item for item in candidates if slots(item) < minimum]
    return min(left, key=slots, default=None)


class MostInformative:
    """Chooses for a contributor the candidate with the highest expected information gain.

    `stream` is the live posterior of what the labels so far say: at `threshold_ppm` a settled item
    needs no label beyond the `minimum` that it has. `slots(item)` counts labels and running leases
    together: of items with equal gain, the one that fewer people are at work on comes first.

    By itself this spreads labels: every item gets its first before one gets its second, which is
    the most accurate where the budget is short, though few items close before the last epoch. With
    `finish_first` an item below the minimum counts with what that many first labels tell, shared
    among the labels that it still lacks: begun items are finished first, people are paid sooner,
    and items that agree early cost fewer labels.
    """

    def __init__(
        self,
        contributor: bytes,
        stream: StreamingPosterior,
        slots: Callable[[int], int],
        *,
        threshold_ppm: int,
        minimum: int,
        finish_first: bool = False,
    ) -> None:
        self._contributor, self._stream, self._slots = contributor, stream, slots
        self._threshold_ppm, self._minimum = threshold_ppm, minimum
        self._finish_first = finish_first
        self._gains: dict[int, int] = {}
        self._settled: set[int] = set()

    def weigh(self, items: Iterable[int]) -> None:
        """Compute the gains of `items`: all at once costs little more than one alone."""
        new = [item for item in dict.fromkeys(items) if item not in self._gains]
        if not new:
            return
        settled = self._stream.settled(new, self._threshold_ppm, self._minimum).tolist()
        self._settled.update(item for item, sure in zip(new, settled, strict=True) if sure)
        # None: an item without labels
        *gains, first = self._stream.gains([*new, None], self._contributor).tolist()
        for item, gain in zip(new, gains, strict=True):
            taken = self._slots(item)
            begun = self._finish_first and taken < self._minimum
            lacks = self._minimum - taken
            self._gains[item] = first * self._minimum // lacks if begun else gain

    def best(self, candidates: Sequence[int]) -> int | None:
        """Return the best of `candidates`, the first of equals; None where all are settled."""
        self.weigh(candidates)
        left = [item for item in candidates if item not in self._settled]
        return min(left, key=lambda item: (-self._gains[item], self._slots(item)), default=None)
