"""Where the blocks of a fit are: in this process, over its threads, or on a cluster.

A fit asks only for sums over all blocks. They are sums of integers, so parting the blocks anew
changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from oracle.consensus.fixed import Int32, Int64, Integers, shares_ppm
from oracle.consensus.result import clamp_gold
from oracle.consensus.sums import (
    Block,
    CellScores,
    add_cells,
    over_threads,
    skills_of,
    with_nothing,
)

Posterior = tuple[Int64, Int64, Int64, Int32]  # items, their labels, gold, ppm (n_classes, n)


@dataclass(frozen=True)
class Total:
    """What an iteration adds up."""

    soft_counts: Int64  # (n_classes, cells): posteriors in ppm, summed over each cell's labels
    class_counts: Int64  # (n_classes,): posteriors summed over items with labels or gold
    same: bool  # nothing changed

    @classmethod
    def of(cls, parts: list[Total]) -> Total:
        """Sums of parts, one at least."""
        return cls(
            np.sum([part.soft_counts for part in parts], axis=0),
            np.sum([part.class_counts for part in parts], axis=0),
            all(part.same for part in parts),
        )

    def skills(self) -> Int64:
        """Soft confusion counts (n_workers, n_classes, n_classes) in ppm of a label: [w, t, l]."""
        return skills_of(self.soft_counts)


@dataclass(frozen=True)
class Step:
    """What an iteration makes of a block."""

    posterior: Int32  # (n_classes, n) in ppm, as the block's items
    soft_counts: Integers  # (cells, n_classes), as the block's cells
    class_counts: Int64  # (n_classes,)
    same: bool

    @classmethod
    def of(cls, block: Block, posterior: Int32, before: Step | None) -> Step:
        """Clamp gold and add up."""
        clamp_gold(posterior.T, block.gold)
        seen = (block.n_labels > 0) | (block.gold >= 0)
        class_counts = (posterior if seen.all() else posterior[:, seen]).sum(axis=1, dtype=np.int64)
        same = (  # posteriors are seldom compared: their sums tell first
            before is not None
            and np.array_equal(before.class_counts, class_counts)
            and np.array_equal(before.posterior, posterior)
        )
        return cls(posterior, block.soft_counts(posterior), class_counts, same)


@dataclass(frozen=True)
class Share:
    """Some blocks, and how far they are."""

    n_workers: int
    n_classes: int
    blocks: list[Block]
    steps: list[Step] = field(default_factory=list)

    def voted(self) -> Share:
        """With the shares of the vote as posteriors."""
        one_vote = np.eye(self.n_classes, dtype=np.int64)
        one_vote = with_nothing(np.tile(one_vote, (self.n_workers, 1)), np.int64)

        def step(block: Block) -> Step:
            votes = block.label_sums(one_vote).copy()
            votes[:, block.n_labels == 0] = 1
            shares = shares_ppm(votes.T).T.astype(np.int32, order="C")
            return Step.of(block, shares, None)

        return replace(self, steps=over_threads(step, self.blocks))

    def expected(self, scores: CellScores, log_prior: Int64) -> Share:
        """With the posteriors that these skills give."""

        def step(pair: tuple[Block, Step]) -> Step:
            block, before = pair
            posterior = block.posterior(scores, log_prior)
            return Step.of(block, posterior, before)

        pairs = list(zip(self.blocks, self.steps, strict=True))
        return replace(self, steps=over_threads(step, pairs))

    def total(self) -> Total:
        """Sums over the blocks."""
        soft_counts = np.zeros((self.n_classes, self.n_workers * self.n_classes), dtype=np.int64)
        class_counts = np.zeros(self.n_classes, dtype=np.int64)
        for block, step in zip(self.blocks, self.steps, strict=True):
            add_cells(soft_counts, block.by_cell.keys, step.soft_counts)
            class_counts += step.class_counts
        return Total(soft_counts, class_counts, all(step.same for step in self.steps))

    def posteriors(self) -> list[Posterior]:
        """For each block its items, how many labels they have, their gold and posteriors."""
        return [
            (block.items, block.n_labels, block.gold, step.posterior)
            for block, step in zip(self.blocks, self.steps, strict=True)
        ]


class Shares(Protocol):
    """All blocks of a fit, wherever they are."""

    def advance(self, step: Callable[[Share], Share]) -> Total:
        """Take `step` with every share; sums over all."""

    def posteriors(self) -> Iterable[Posterior]:
        """`Share.posteriors` of all."""


class Here:
    """All blocks in this process."""

    def __init__(self, share: Share) -> None:
        self.share = share

    def advance(self, step: Callable[[Share], Share]) -> Total:
        """As in `Shares`."""
        self.share = step(self.share)
        return self.share.total()

    def posteriors(self) -> Iterable[Posterior]:
        """As in `Shares`."""
        return self.share.posteriors()


@contextmanager
def spread(share: Share, cluster: str | None) -> Iterator[Shares]:
    """The share here, or parted over the workers of the Dask cluster at an address."""
    if cluster is None:
        yield Here(share)
        return
    from oracle.consensus.cluster import Cluster

    with Cluster(share, cluster) as shares:
        yield shares
