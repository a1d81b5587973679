"""Other processes that read, hash and recover signatures, so that an audit uses every core.

They are forked while the audit is still small, are handed names and places rather than data, and
answer with columns.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing.connection import wait
from types import TracebackType
from typing import TypeVar

from oracle.auditor.memory import give_back_large_arrays
from oracle.errors import ProcessDied

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4  # tasks a worker that are under way or done and not asked for yet


class Workers:
    """`cores` processes (all that this one may use by default); with one, this process does it."""

    def __init__(self, cores: int | None = None) -> None:
        give_back_large_arrays()
        forks = "fork" in multiprocessing.get_all_start_methods()
        self.cores = (cores or len(os.sched_getaffinity(0))) if forks else 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield what `work` makes of each task, in their order, a bounded number of them ahead.

        Raises what `work` raises, and ProcessDied where a process was killed.
        """
        tasks = iter(tasks)
        first = list(islice(tasks, 2))
        if len(first) < 2 or self.cores == 1:
            yield from map(work, chain(first, tasks))
            return
        pending: deque[Future[R]] = deque()
        try:
            pool = self._started()
            for task in chain(first, tasks):
                pending.append(pool.submit(work, task))
                if len(pending) > AHEAD * self.cores:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except (BrokenProcessPool, OSError) as error:
            raise ProcessDied(
                f"a process of the audit died or couldn't start ({error}): end what needs the "
                "memory, or audit with --cores 1"
            ) from error

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A forked child imports nothing and runs no caller's module again, as a spawned one
            # would.
            fork = multiprocessing.get_context("fork")
            self._pool = ProcessPoolExecutor(self.cores, mp_context=fork, initializer=_begin)
        return self._pool


def _begin() -> None:
    # Frozen, what was inherited isn't looked through for garbage, and so not copied.
    gc.freeze()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed can't end its children: they end themselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
