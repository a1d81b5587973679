"""The `gold` payment policy: pay for answers that are measured against gold, and nothing else.

Answers such as boxes or texts have no consensus here, and nothing pretends to be one: what a label
on an item without gold is worth, its giver's gold says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.quality.agreement import PRIOR_LABELS
from oracle.quality.gold import JUDGES, passed


@dataclass
class GoldTally:
    """One contributor's labels on gold that stands: how many, how many of them right, and the sum
    of the right ones' closeness in ppm."""

    total: int = 0
    right: int = 0
    closeness: int = 0

    def add(self, ppm: int, match_ppm: int) -> None:
        """Count a label `ppm` close to gold; below `match_ppm` it is wrong, and earns nothing."""
        self.total += 1
        if ppm >= match_ppm:
            self.right += 1
            self.closeness += ppm

    @property
    def agreement_ppm(self) -> int:
        """The mean closeness, shrunk to 0 by a prior of 4 labels, rounded down."""
        return self.closeness // (self.total + PRIOR_LABELS)

    def passed(self, *, final: bool) -> bool:
        """Whether gold rejects "right at most half of the time" at 5 %; when `final`, whether at
        least half is right: who met no gold is paid the base share, at the cost of the requester,
        who chose how soon people meet gold."""
        return passed(self.right, self.total, 2) or (final and 2 * self.right >= self.total)


def gold_withstands(
    label: int,
    to_gold: Sequence[int],
    between: Callable[[int, int], int],
    match_ppm: int,
) -> bool:
    """Whether an item's gold counts for its label number `label`.

    `to_gold` is each label's closeness to gold, `between` that of two labels, ppm. Gold is likely
    wrong itself, and counts for nothing, where more of the others miss it than match it and two of
    those who miss it match each other: then it is not they who are wrong alone.
    """
    others = [number for number in range(len(to_gold)) if number != label]
    missed = [number for number in others if to_gold[number] < match_ppm]
    if len(missed) < JUDGES or 2 * len(missed) <= len(others):
        return True
    return not any(
        between(one, other) >= match_ppm
        for place, one in enumerate(missed)
        for other in missed[:place]
    )


def expected_measured_ppm() -> int:
    """The agreement that the page's forecast reckons with: 20 gold labels, right nine times in ten
    and then 85 % close. Shown beside the nominal reward; decides nothing."""
    labels, right, close = 20, 18, 850_000
    return right * close // (labels + PRIOR_LABELS)
