"""When an item has labels enough: its posterior from its own labels, and the closing rule."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64
from oracle.consensus.labels import MAX_LABELS, LabelTable
from oracle.consensus.skills import SkillPrior, log_class_prior_of, log_confusion_of
from oracle.consensus.sums import Block, blocks_of, by_cell, over_threads
from oracle.errors import InputError

# Four labels per row, not one as in the fit: an open item can wait for another label, so a worker
# seen rarely weighs less here.
CLOSING_PRIOR = SkillPrior(weight_ppm=4 * PPM)


class Closing(IntEnum):
    """What the rule says of an item; the numbers are the statuses in evidence."""

    OPEN = 0
    AGREED = 1
    AMBIGUOUS = 3


def item_posterior(
    items: NDArray[Any],
    workers: NDArray[Any],
    labels: NDArray[Any],
    *,
    n_items: int,
    n_workers: int,
    n_classes: int,
    skills: Int64 | None = None,
    class_counts: Int64 | None = None,
    prior: SkillPrior = CLOSING_PRIOR,
) -> Int64:
    """Posterior of each item from its own labels and the skills of an earlier receipt.

    `items`, `workers`, `labels`: integers (L,). `skills`: int64 (n_workers, n_classes, n_classes)
    soft counts in ppm of a label, zero rows for workers not seen before; `class_counts`: int64
    (n_classes,) in ppm of an item; None means nothing is known yet: the prior alone, and equal
    classes. Returns int64 (n_items, n_classes) in ppm, rows summing to exactly 1,000,000.

    The uncertainty of each confusion row, given its counts, is integrated exactly: a label's
    likelihood is linear in the row, so the integral is the posterior mean, and few labels keep a
    worker near the prior. Not integrated is that the counts themselves rest on inferred answers;
    that leaves the posterior somewhat over-confident where the answers behind it are in doubt.
    Raises `InputError`.
    """
    table = LabelTable.of(
        items, workers, labels, n_items=n_items, n_workers=n_workers, n_classes=n_classes
    )
    if skills is None:
        skills = np.zeros((n_workers, n_classes, n_classes), dtype=np.int64)
    if class_counts is None:
        class_counts = np.zeros(n_classes, dtype=np.int64)
    if skills.shape != (n_workers, n_classes, n_classes) or class_counts.shape != (n_classes,):
        raise InputError("skills need shape (workers, classes, classes), class_counts (classes,)")
    for name, counts in (("skills", skills), ("class_counts", class_counts)):
        if counts.size and not 0 <= int(counts.min()) <= int(counts.max()) <= MAX_LABELS * PPM:
            raise InputError(f"{name} must be from 0 to {MAX_LABELS} labels in ppm")
    likelihoods = by_cell(log_confusion_of(skills, prior))
    log_prior = log_class_prior_of(class_counts)
    posterior = np.empty((n_items, n_classes), dtype=np.int64)

    def infer(block: Block) -> None:
        posterior[block.items] = block.posterior(likelihoods, log_prior)

    over_threads(infer, blocks_of(table))
    return posterior


def closes(
    posterior_ppm: Int64,
    n_labels: Int64,
    threshold_ppm: int,
    minimum: int,
    maximum: int,
) -> Int64:
    """Which items close: int64 (n_items,) of `Closing`.

    AGREED when the greatest posterior reaches `threshold_ppm` with at least `minimum` labels;
    AMBIGUOUS when `maximum` labels did not get there; else OPEN. `n_labels`: int64 (n_items,). An
    item without a label stays OPEN. Raises `InputError`.
    """
    if not 0 < threshold_ppm <= PPM:
        raise InputError("the threshold must be from 1 to 1,000,000 ppm")
    if not 1 <= minimum <= maximum:
        raise InputError("redundancy must satisfy 1 <= minimum <= maximum")
    if posterior_ppm.ndim != 2 or n_labels.shape != posterior_ppm.shape[:1]:
        raise InputError("posterior_ppm needs shape (items, classes), n_labels (items,)")
    agreed = (n_labels >= minimum) & (posterior_ppm.max(axis=1) >= threshold_ppm)
    exhausted = ~agreed & (n_labels >= maximum)
    return np.where(agreed, Closing.AGREED, np.where(exhausted, Closing.AMBIGUOUS, Closing.OPEN))
