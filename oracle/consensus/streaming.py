"""A posterior that takes one more label in microseconds: for assignment and for stopping early.

Scores are sums, so a label adds one row to its item's. The rows are the workers' skills as of the
last `reconcile`, which fits them anew. All is in integers, though no payment rests on it: a draw's
choice is the same on every machine, and so are the runs that tests repeat to the bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from oracle.consensus.closing import (
    Closing,
    class_shares,
    closes,
    crowd_priors,
    log_crowd_weights,
)
from oracle.consensus.dawid_skene import dawid_skene
from oracle.consensus.fixed import (
    EXP_BITS,
    LOG_ONE,
    PPM,
    Int64,
    exp_fixed,
    log_fixed,
    softmax_ppm,
)
from oracle.consensus.skills import SkillPrior, log_class_prior_of, log_confusion_of
from oracle.consensus.sums import by_cell
from oracle.errors import InputError

# An item waits until its labelers are known: so many labels each, on average over its labels.
# Before that a fit follows few labels, and is over-confident in what it makes of them.
KNOWN_LABELS = 40
GROWTH = 250  # a fit is due when labels have grown by one in so many since the last
_NEGLIGIBLE = -20 * LOG_ONE  # qualities of the crowd e^20 times less likely than the best are left


class StreamingPosterior:
    """The live posterior of items over `n_classes` classes, as labels come in.

    It is `item_posterior` with skills from all labels taken so far, the item's own left out (as in
    `leave_one_out`). Items and workers are named by any hashable; an item without a label has the
    shares of the classes.
    """

    def __init__(self, n_classes: int) -> None:
        if n_classes < 2:
            raise InputError("a stream needs at least two classes")
        self.n_classes = n_classes
        self._items: dict[Hashable, int] = {}  # row of each item; row 0 is one without a label
        self._workers: dict[Hashable, int] = {}
        self._given: list[int] = []  # labels by worker
        self._rows: list[int] = []  # of each label: its item's row …
        self._cells: list[int] = []  # … and worker · n_classes + class
        self._fitted = 0
        self._set_skills(
            np.zeros((0, n_classes, n_classes), dtype=np.int64), np.zeros(n_classes, dtype=np.int64)
        )
        self._scores: Int64 = np.zeros((1, self._log_prior.size), dtype=np.int64)
        self._n_labels: Int64 = np.zeros(1, dtype=np.int64)
        self._known: Int64 = np.zeros(1, dtype=np.int64)  # labels by an item's labelers, summed up

    def add(self, item: Hashable, worker: Hashable, klass: int) -> None:
        """Take one more label. Raises `InputError`."""
        if not 0 <= klass < self.n_classes:
            raise InputError(f"there is no class {klass}: give one from 0 to {self.n_classes - 1}")
        row = self._items.setdefault(item, len(self._items) + 1)
        if row == len(self._n_labels):
            self._grow()
        number = self._workers.setdefault(worker, len(self._given))
        if number == len(self._given):
            self._given.append(0)
        cell = number * self.n_classes + klass
        # Who came after the last fit is like the crowd: the last cells.
        known = number < self._n_fitted
        self._scores[row] += self._log_rates[cell if known else klass - self.n_classes]
        self._n_labels[row] += 1
        self._known[row] += self._given[number]
        self._given[number] += 1
        self._rows.append(row)
        self._cells.append(cell)

    def posterior(self, items: Sequence[Hashable]) -> Int64:
        """Posterior of the classes of `items`, int64 (n, n_classes) in ppm."""
        return class_shares(self._joint(self._rows_of(items)), self.n_classes)

    def settled(
        self,
        items: Sequence[Hashable],
        threshold_ppm: int,
        minimum: int,
        known: int = KNOWN_LABELS,
    ) -> NDArray[np.bool_]:
        """Which of `items` need no further label for now, bool (n,).

        Those that `closes` calls agreed, and whose labelers are known: `known` labels each on other
        items, on average. What the next fit makes uncertain is open again. Raises `InputError`.
        """
        rows = self._rows_of(items)
        count = self._n_labels[rows]
        never = max(minimum, int(count.max(initial=0)) + 1)
        posterior = class_shares(self._joint(rows), self.n_classes)
        verdict = closes(posterior, count, threshold_ppm, minimum, never)
        return np.asarray((verdict == Closing.AGREED) & (self._known[rows] >= known * count))

    def gains(self, items: Sequence[Hashable], worker: Hashable) -> Int64:
        """Expected information gain of a label by `worker` on each of `items`: int64 (n,), in
        millionths of a nat.

        The mutual information of the item's class and the label. D. V. Lindley, "On a Measure of
        the Information Provided by an Experiment", 1956, doi:10.1214/aoms/1177728069.
        """
        joint = self._joint(self._rows_of(items))
        joint = joint.reshape(len(joint), -1, self.n_classes)
        first = min(self._workers.get(worker, self._n_fitted), self._n_fitted) * self.n_classes
        rates = exp_fixed(self._log_rates[first : first + self.n_classes]) * PPM >> EXP_BITS
        by_label = rates.reshape(self.n_classes, -1, self.n_classes)  # label, crowd, class
        both = np.einsum("ick,lck->ilk", joint, by_label) // PPM  # item, label and class, ppm
        gain = _p_log_p(both).sum(axis=(1, 2)) + _p_log_p(both.sum(axis=(1, 2)))
        gain -= _p_log_p(both.sum(axis=1)).sum(axis=1) + _p_log_p(both.sum(axis=2)).sum(axis=1)
        return np.asarray(np.maximum(gain, 0) // LOG_ONE)

    @property
    def is_due(self) -> bool:
        """Whether labels have grown enough since the last fit for another one."""
        return (len(self._rows) - self._fitted) * GROWTH > self._fitted

    def copy(self) -> StreamingPosterior:
        """Return one of its own with the same labels and skills, to be reconciled while this one
        takes more."""
        twin = copy(self)
        twin._items, twin._workers = dict(self._items), dict(self._workers)
        twin._given, twin._rows, twin._cells = self._given[:], self._rows[:], self._cells[:]
        twin._scores, twin._n_labels = self._scores.copy(), self._n_labels.copy()
        twin._known = self._known.copy()
        return twin

    def take_rest(self, source: StreamingPosterior) -> None:
        """Take the labels that `source` has taken since this was copied from it."""
        items, workers, known = list(source._items), list(source._workers), len(self._rows)
        for row, cell in zip(source._rows[known:], source._cells[known:], strict=True):
            worker, klass = divmod(cell, self.n_classes)
            self.add(items[row - 1], workers[worker], klass)

    def reconcile(self) -> None:
        """Fit skills to all labels by `dawid_skene`, and weigh every item by them."""
        if not self._rows:
            return
        rows, cells = np.array(self._rows), np.array(self._cells)
        workers, labels = cells // self.n_classes, cells % self.n_classes
        fit = dawid_skene(
            rows,
            workers,
            labels,
            n_items=len(self._n_labels),
            n_workers=len(self._given),
            n_classes=self.n_classes,
        )
        self._set_skills(fit.skills, fit.class_counts)
        self._fitted = rows.size
        self._known[:] = 0
        np.add.at(self._known, rows, np.array(self._given)[workers] - 1)
        # An item's own part is taken out of every count, or it would vouch for itself.
        own = fit.posterior_ppm[rows]
        said = by_cell(fit.skills)[cells] - own
        asked = fit.skills.sum(axis=2)[workers] - own
        parts = []
        for prior in self._crowds:
            pseudo = prior.counts(self.n_classes)
            parts.append(log_fixed(said + pseudo.T[labels]) - log_fixed(asked + pseudo.sum(axis=1)))
        self._scores = np.zeros((len(self._n_labels), self._log_prior.size), dtype=np.int64)
        np.add.at(self._scores, rows, np.hstack(parts))

    def _set_skills(self, skills: Int64, class_counts: Int64) -> None:
        """Log rates by cell, for (crowd, class) pairs; the last cells are of a stranger."""
        weights = log_crowd_weights(skills)
        likely = weights > _NEGLIGIBLE
        self._crowds: list[SkillPrior] = [
            prior for prior, kept in zip(crowd_priors(), likely.tolist(), strict=True) if kept
        ]
        stranger = np.zeros((1, self.n_classes, self.n_classes), dtype=np.int64)
        counts = np.concatenate([skills, stranger])
        self._log_rates = np.hstack(
            [by_cell(log_confusion_of(counts, one)) for one in self._crowds]
        )
        self._n_fitted = len(skills)
        of_class = log_class_prior_of(class_counts)
        self._log_prior = (weights[likely][:, None] + of_class).reshape(-1)

    def _grow(self) -> None:
        """Double the rows, so that a label costs the same however many items there are."""
        self._scores = np.vstack([self._scores, np.zeros_like(self._scores)])
        self._n_labels = np.append(self._n_labels, np.zeros_like(self._n_labels))
        self._known = np.append(self._known, np.zeros_like(self._known))

    def _rows_of(self, items: Sequence[Hashable]) -> list[int]:
        return [self._items.get(item, 0) for item in items]

    def _joint(self, rows: list[int]) -> Int64:
        """Posterior of (crowd, class) pairs, ppm."""
        return softmax_ppm(self._scores[rows] + self._log_prior)


def _p_log_p(shares_ppm: Int64) -> Int64:
    """p · log p of shares in ppm, in ppm of Q24; 0 at 0."""
    logs = log_fixed(np.maximum(shares_ppm, 1)) - log_fixed(np.array(PPM))
    return np.asarray(shares_ppm * logs)
