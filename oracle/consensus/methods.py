"""The exact methods under the names that a manifest gives them."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from oracle.consensus.auto import auto
from oracle.consensus.bayesian_dawid_skene import bayesian_dawid_skene
from oracle.consensus.dawid_skene import dawid_skene
from oracle.consensus.majority_vote import majority_vote
from oracle.consensus.one_coin import one_coin
from oracle.consensus.result import Consensus
from oracle.consensus.weighted_majority import weighted_majority


class Method(Protocol):
    """An exact method; arguments and result as in `dawid_skene`."""

    def __call__(
        self,
        items: NDArray[Any],
        workers: NDArray[Any],
        labels: NDArray[Any],
        *,
        n_items: int,
        n_workers: int,
        n_classes: int,
        gold: NDArray[Any] | None = None,
    ) -> Consensus:
        """Infer the answers of a table of labels."""


# A name and the manifest's version stand for these very integers: a method that would give others
# gets a new version, or old receipts couldn't be replayed.
METHODS: dict[str, Method] = {
    "auto": auto,
    "bayesian-dawid-skene": bayesian_dawid_skene,
    "dawid-skene": dawid_skene,
    "majority": majority_vote,
    "one-coin": one_coin,
    "weighted-majority": weighted_majority,
}
