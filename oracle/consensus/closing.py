"""When an item has labels enough: its posterior from its own labels, and the closing rule."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.fixed import PPM, Int64, Integers, log_fixed
from oracle.consensus.labels import MAX_LABELS, LabelTable
from oracle.consensus.skills import SkillPrior, log_class_prior_of, log_confusion_of
from oracle.consensus.sums import Block, CellScores, blocks_of, by_cell, over_threads
from oracle.errors import InputError

# Four labels per row, not one as in the fit: an open item can wait for another label, so a worker
# seen rarely weighs less here.
CLOSING_PRIOR = SkillPrior(weight_ppm=4 * PPM)

# How good the crowd is, is unknown too, and the same for all labels of an item: a Beta of mean .7
# and the weight of four labels, on a grid. Without it, five strangers who agree would be taken for
# five independent witnesses of a quality that nobody has seen.
CROWD_PPM = tuple(range(50_000, PPM, 100_000))
_BETA_TENTHS = (18, 2)  # Beta(2.8, 1.2): the exponents of its density
_WORKER_LABELS = 4  # labels by which one worker tells of the crowd; more tell of that worker


class Closing(IntEnum):
    """What the rule says of an item; the numbers are the statuses in evidence."""

    OPEN = 0
    AGREED = 1
    AMBIGUOUS = 3


def crowd_priors(prior: SkillPrior = CLOSING_PRIOR) -> list[SkillPrior]:
    """What each quality of the crowd makes of an unknown worker."""
    return [SkillPrior(accuracy_ppm, prior.weight_ppm) for accuracy_ppm in CROWD_PPM]


def log_crowd_weights(skills: Int64) -> Int64:
    """Log of how likely each quality in `CROWD_PPM` is, Q24, up to a constant; the greatest is 0.

    `skills`: soft counts int64 (n_workers, n_classes, n_classes) in ppm of a label. A worker's
    labels count as up to four, since they tell of one person. Within the limits of a table sums
    stay below 2^62.
    """
    right = np.trace(skills, axis1=1, axis2=2)
    total = skills.sum(axis=(1, 2))
    labels = np.maximum(total // PPM, _WORKER_LABELS)
    hits = int((right * _WORKER_LABELS // labels // 1_000).sum())  # in thousandths of a label
    misses = int(((total - right) * _WORKER_LABELS // labels // 1_000).sum())
    grid = np.array(CROWD_PPM, dtype=np.int64)
    hit, miss = (log_fixed(share) - log_fixed(np.array(PPM)) for share in (grid, PPM - grid))
    weights = (_BETA_TENTHS[0] * hit + _BETA_TENTHS[1] * miss) // 10
    weights += (hits * hit + misses * miss) // 1_000
    return np.asarray(weights - weights.max(), dtype=np.int64)


def class_shares(joint_ppm: Integers, n_classes: int) -> Int64:
    """Sum the posterior of (crowd, class) pairs over crowds: int64 (n, crowds · K) to (n, K)."""
    return np.asarray(joint_ppm.reshape(len(joint_ppm), -1, n_classes).sum(axis=1))


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

    Two unknowns are integrated. Each confusion row, given its counts: a label's likelihood is
    linear in the row, so the integral is the posterior mean, and few labels keep a worker near the
    crowd. And the quality of the crowd, by a sum over a grid: what misleads one stranger may
    mislead all, so their joint likelihood grows by a power of their number, not exponentially
    (Pólya's urn). Not integrated is that the counts themselves rest on inferred answers, nor that
    workers err on the same items. Raises `InputError`.
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
    log_crowd = log_crowd_weights(skills)
    log_classes = log_class_prior_of(class_counts)
    own = np.unique(table.workers)  # a grid for those who labeled here only
    table = LabelTable.of(
        table.items,
        np.searchsorted(own, table.workers),
        table.labels,
        n_items=n_items,
        n_workers=own.size,
        n_classes=n_classes,
    )
    scores = CellScores.of(
        np.hstack([by_cell(log_confusion_of(skills[own], crowd)) for crowd in crowd_priors(prior)])
    )
    log_prior = (log_crowd[:, None] + log_classes).reshape(-1)
    posterior = np.empty((n_items, n_classes), dtype=np.int64)

    def infer(block: Block) -> None:
        joint = block.posterior(scores, log_prior).T
        posterior[block.items] = class_shares(joint, n_classes)

    over_threads(infer, blocks_of(table, n_classes * len(CROWD_PPM)))
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
