"""A fit over the workers of a Dask cluster: each holds some blocks, and sends sums.

An iteration sends skills out and sums back; labels and posteriors stay where they are. If a worker
is lost, Dask repeats its steps elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from oracle.consensus.shares import Posterior, Share, Total
from oracle.errors import InputError

SECONDS = 30  # to find the scheduler


class Cluster:
    """Blocks spread over the workers of the cluster at `address`; use it in a `with` statement."""

    def __init__(self, share: Share, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError(
                "a cluster needs Dask: pip install 'ddlp[distributed]', or leave the cluster out"
            ) from error
        try:
            connect: Any = Client  # untyped
            self.client = connect(address, timeout=SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or "
                "leave the cluster out"
            ) from error
        workers = sorted(self.client.scheduler_info(n_workers=-1)["workers"])
        parts = [share.blocks[number :: len(workers)] for number in range(len(workers))]
        # A cluster that has no worker yet gets one part, which waits for it.
        held = [replace(share, blocks=part) for part in parts if part] or [share]
        self.shares = [
            self.client.scatter(part, workers=workers[number : number + 1] or None, hash=False)
            for number, part in enumerate(held)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()

    def advance(self, step: Callable[[Share], Share]) -> Total:
        """As in `Shares`."""
        self.shares = self._on_all(step)
        totals = self.client.gather(self._on_all(Share.total))
        return Total.of(totals)

    def posteriors(self) -> Iterator[Posterior]:
        """As in `Shares`: one part at a time, so that no more than one is on its way."""
        for future in self._on_all(Share.posteriors):
            yield from future.result()

    def _on_all(self, work: Callable[[Share], Any]) -> list[Any]:
        return [self.client.submit(work, share, pure=False) for share in self.shares]
