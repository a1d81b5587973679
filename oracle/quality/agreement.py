"""The `agreement` payment policy: how far above chance a contributor agrees with the others."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64
from oracle.errors import InputError
from oracle.quality.exact import rejects_chance
from oracle.quality.gold import JUDGES, PASS_ALPHA, tally

PRIOR_LABELS = 4  # the weight of "no better than chance" against the labels seen


@dataclass(frozen=True)
class Agreement:
    """Per contributor, int64 (n_workers,) each.

    matches: judged labels equal to their reference. judged: labels that have a reference.
    chance_ppm: what the contributor's own class shares would match by chance, rounded up.
    ppm: the factor that pay is multiplied by.
    """

    matches: Int64
    judged: Int64
    chance_ppm: Int64
    ppm: Int64


def judged_labels(expected: Int64, stands: NDArray[np.bool_], others: Int64) -> NDArray[np.bool_]:
    """Which labels have a reference: those on gold that stands, or with two others on the item.

    `expected` (gold answer or -1) and `others` (labels by others): int64 (L,); `stands`: bool (L,)
    from `gold_stands`. Returns bool (L,).
    """
    return stands | ((expected < 0) & (others >= JUDGES))


def unjudgeable_labels(stands: NDArray[np.bool_], others: Int64) -> NDArray[np.bool_]:
    """Which labels no two others can judge, bool (L,): a final receipt pays them in full.

    Arguments as in `judged_labels`, but not its complement: a label on gold that two others
    contradict has its judges. It counts for nothing in the measure, and is paid by the formula.
    """
    return ~stands & (others < JUDGES)


def measure_agreement(
    workers: Int64,
    labels: Int64,
    reference: Int64,
    judged: NDArray[np.bool_],
    *,
    n_workers: int,
    n_classes: int,
    answer_counts: Int64,
    final: bool,
) -> Agreement:
    """max(0, (a - c) / (1 - c)) for every contributor, floored to ppm.

    `workers`, `labels`, `reference`: int64 (L,), the labels on closed items and the leave-one-out
    answers (the gold answer where there is one). `judged`: bool (L,) from `judged_labels`.
    `answer_counts`: int64 (n_classes,), how many closed items the campaign answered with each
    class.

    a is matches over judged labels, shrunk to c by a prior of 4 labels, which makes the whole
    (matches - judged · c) / ((judged + 4)(1 - c)). c is the greater of two chances of a match for
    somebody who answers with the contributor's class shares but blindly: against the campaign's
    answers, and against the references of the contributor's own items. Always giving the common
    class, guessing, or one lucky label per wallet therefore earn nothing.

    While all closed items have one class no answer can be told from a blind one: the factor is 0
    (that part of the pay waits); when `final`, c is one in the number of classes.

    Exact: the dot products are below 10^16 (10^8 labels against 10^8 items), the rest is rational
    arithmetic on Python integers. Raises `InputError`.
    """
    if answer_counts.shape != (n_classes,) or n_classes < 2:
        raise InputError("answer_counts needs one entry per class, at least two")
    if not workers.shape == labels.shape == reference.shape == judged.shape:
        raise InputError("workers, labels, reference and judged must have the same shape")
    workers, labels, reference = workers[judged], labels[judged], reference[judged]
    matches = tally(workers[labels == reference], n_workers)
    totals = tally(workers, n_workers)
    shape = (n_workers, n_classes)
    given = tally(workers * n_classes + labels, n_workers * n_classes).reshape(shape)
    expected = tally(workers * n_classes + reference, n_workers * n_classes).reshape(shape)
    with_campaign = (given * answer_counts).sum(axis=1)
    with_own_items = (given * expected).sum(axis=1)
    answered = int(answer_counts.sum())
    one_class = int((answer_counts > 0).sum()) <= 1

    chance_ppm = np.zeros(n_workers, dtype=np.int64)
    ppm = np.zeros(n_workers, dtype=np.int64)
    for worker in np.flatnonzero(totals):
        total = int(totals[worker])
        if not one_class:
            chance = max(
                Fraction(int(with_campaign[worker]), total * answered),
                Fraction(int(with_own_items[worker]), total * total),
            )
        else:
            chance = Fraction(1, n_classes) if final else Fraction(1)
        chance_ppm[worker] = -(-chance.numerator * PPM // chance.denominator)
        ppm[worker] = _above_chance_ppm(int(matches[worker]), total, chance)
    return Agreement(matches, totals, chance_ppm, ppm)


def _above_chance_ppm(matches: int, judged: int, chance: Fraction) -> int:
    """The shrunk accuracy's way from chance to one, in ppm, rounded down; 0 at or below chance."""
    if chance >= 1:
        return 0
    above = (matches - judged * chance) / ((judged + PRIOR_LABELS) * (1 - chance))
    return max(0, int(above * PPM // 1))


def passed_by_agreement(matches: int, judged: int, chance_ppm: int, n_classes: int) -> bool:
    """Whether agreement rejects chance at 5 %: the final test for who has not passed by gold.

    Chance is the contributor's own, and at least one in the number of classes.
    """
    chance = max(Fraction(min(chance_ppm, PPM), PPM), Fraction(1, n_classes))
    return rejects_chance(matches, judged, chance.numerator, chance.denominator, *PASS_ALPHA)
