"""Expectation-maximisation in integers, for every method that learns skills."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from oracle.consensus.fixed import PPM, Int64
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers
from oracle.consensus.shares import Share, spread
from oracle.consensus.skills import (
    SkillModel,
    Tally,
    crowd_accuracy_ppm,
    log_class_prior_of,
)
from oracle.consensus.sums import Block, CellScores, blocks_of, by_cell, over_threads
from oracle.errors import InputError

ITERATIONS = 30
MAX_ITERATIONS = 1_000
SCORES_AT_A_TIME = 1 << 20
MAX_RECORD_PPM = 1_000 * PPM


def fit(
    table: LabelTable,
    model: SkillModel,
    *,
    blocks: list[Block] | None = None,
    **options: Any,
) -> Consensus:
    """`fit_blocks` to a table; `blocks`: those of the table, if there already."""
    shape = table.n_items, table.n_workers, table.n_classes
    return fit_blocks(blocks or blocks_of(table), model, shape=shape, **options)


def fit_blocks(
    blocks: list[Block],
    model: SkillModel,
    *,
    shape: tuple[int, int, int],
    iterations: int = ITERATIONS,
    record: Int64 | None = None,
    class_weight_ppm: int = PPM,
    cluster: str | None = None,
) -> Consensus:
    """Posteriors and skills in turn, from the shares of the vote.

    Gold is clamped. Runs `iterations` times, or until an iteration changes no posterior, after
    which no further one can. `shape`: items, workers, classes; `cluster`: address of a Dask
    cluster to compute on, where not here. The others as in `Consensus`. Raises `InputError`.
    """
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise InputError(f"iterations must be from 1 to {MAX_ITERATIONS}")
    n_items, n_workers, n_classes = shape
    record = checked_record(record, n_workers)
    with spread(Share(n_workers, n_classes, blocks), cluster) as shares:
        total = shares.advance(Share.voted)
        converged = False
        n_iter = 0
        while n_iter < iterations and not converged:
            total = shares.advance(
                partial(
                    Share.expected,
                    scores=cell_scores(model, total.skills(), record),
                    log_prior=log_class_prior_of(total.class_counts, class_weight_ppm),
                )
            )
            converged = total.same
            n_iter += 1
        posterior = np.empty((n_items, n_classes), dtype=np.int64)
        label_counts = np.empty(n_items, dtype=np.int64)
        gold = np.empty(n_items, dtype=np.int64)
        for items, n_labels, known, shares_of_items in shares.posteriors():
            posterior[items] = shares_of_items.T
            label_counts[items], gold[items] = n_labels, known
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, gold),
        counted_ppm=posterior,
        skills=total.skills(),  # of the last posterior
        record=record,
        class_counts=total.class_counts,
        class_weight_ppm=class_weight_ppm,
        model=model,
        n_iter=n_iter,
        converged=converged,
    )


def cell_scores(model: SkillModel, skills: Int64, record: Int64) -> CellScores:
    """What each worker's labels add to the scores of the classes, over threads."""
    n_workers, n_classes, _ = skills.shape
    crowd_ppm = crowd_accuracy_ppm(skills)

    def score(first: int) -> Int64:
        some = slice(first, first + step)
        return by_cell(model.label_scores(Tally.of(skills[some], record[some]), crowd_ppm))

    step = max(1, SCORES_AT_A_TIME // n_classes**2)
    parts = over_threads(score, range(0, n_workers, step))
    nobody = np.zeros((0, n_classes), dtype=np.int64)
    return CellScores.of(np.concatenate([nobody, *parts]))


def checked_record(record: Int64 | None, n_workers: int) -> Int64:
    """What is known of workers from elsewhere, (n_workers, 2); nothing where None."""
    if record is None:
        return np.zeros((n_workers, 2), dtype=np.int64)
    record = np.asarray(record)
    if record.shape != (n_workers, 2) or record.dtype.kind not in "iu":
        raise InputError("record needs shape (workers, 2): right answers and labels, in ppm")
    right, given = record[:, 0], record[:, 1]
    if record.size and not (int(right.min()) >= 0 and bool((right <= given).all())):
        raise InputError("record must hold no more right answers than labels")
    if record.size and int(given.max()) > MAX_RECORD_PPM:
        raise InputError("record may weigh 1,000 labels a worker: scale it down")
    return record.astype(np.int64)
