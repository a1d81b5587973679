"""Expectation-maximisation in integers, for every method that learns skills."""

from __future__ import annotations

import numpy as np

from oracle.consensus.fixed import PPM, Int64, shares_ppm
from oracle.consensus.labels import LabelTable
from oracle.consensus.result import Consensus, answers, clamp_gold
from oracle.consensus.skills import (
    SkillModel,
    Tally,
    crowd_accuracy_ppm,
    log_class_prior_of,
)
from oracle.consensus.sums import Block, blocks_of, by_cell, over_threads, soft_confusion
from oracle.errors import InputError

ITERATIONS = 30
MAX_ITERATIONS = 1_000
MAX_RECORD_PPM = 1_000 * PPM


def fit(
    table: LabelTable,
    model: SkillModel,
    *,
    iterations: int = ITERATIONS,
    record: Int64 | None = None,
    class_weight_ppm: int = PPM,
    correlation_permille: int = 0,
    blocks: list[Block] | None = None,
) -> Consensus:
    """Posteriors and skills in turn, from the shares of the vote.

    Gold is clamped. Runs `iterations` times, or until an iteration changes no posterior, after
    which no further one can. `blocks`: those of the table, if there already. The others as in
    `Consensus`. Raises `InputError`.
    """
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise InputError(f"iterations must be from 1 to {MAX_ITERATIONS}")
    record = checked_record(record, table.n_workers)
    blocks = blocks_of(table) if blocks is None else blocks
    votes = table.votes()
    label_counts = votes.sum(axis=1)
    seen = (label_counts > 0) | (table.gold >= 0)
    posterior = clamp_gold(shares_ppm(votes + (label_counts == 0)[:, None]), table.gold)

    def expect(block: Block) -> tuple[Int64, bool]:
        """New posteriors of a block: its soft counts, and whether nothing changed."""
        before, n_labels = posterior[block.items], label_counts[block.items]
        after = block.posterior(likelihoods, log_prior, n_labels, correlation_permille)
        after = np.ascontiguousarray(clamp_gold(after, table.gold[block.items]))
        same = np.array_equal(before, after)
        posterior[block.items] = after
        return block.by_cell.sum(after), same

    parts = over_threads(lambda block: block.by_cell.sum(posterior[block.items]), blocks)
    converged = False
    n_iter = 0
    while True:
        skills = soft_confusion(table, blocks, parts)
        class_counts = (posterior if seen.all() else posterior[seen]).T.copy().sum(axis=1)
        if converged or n_iter == iterations:  # so the skills are those of the last posterior
            break
        tally, crowd_ppm = Tally.of(skills, record), crowd_accuracy_ppm(skills)
        likelihoods = by_cell(model.label_scores(tally, crowd_ppm))
        log_prior = log_class_prior_of(class_counts, class_weight_ppm)
        results = over_threads(expect, blocks)
        parts = [part for part, _ in results]
        converged = all(same for _, same in results)
        n_iter += 1
    return Consensus(
        posterior_ppm=posterior,
        answer=answers(posterior, label_counts, table.gold),
        counted_ppm=posterior,
        skills=skills,
        record=record,
        class_counts=class_counts,
        class_weight_ppm=class_weight_ppm,
        model=model,
        correlation_permille=correlation_permille,
        n_iter=n_iter,
        converged=converged,
    )


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
