"""Group commit: work that arrives while the disk is busy shares the next transaction.

A commit costs an fsync, so one entry a commit is what a disk can do, whatever the processor could.
Source: D. J. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984,
doi:10.1145/602259.602261, section 5.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from oracle.errors import DDLPError

T = TypeVar("T")


class GroupCommit:
    """Runs threads' work one by one, many to a transaction; no thread of its own.

    `transaction` returns a context that commits at its end, and undoes everything where it is left
    by an error.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._turn = threading.Condition()
        self._waiting: list[_Job[Any]] = []
        self._leading = False

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` within a transaction; return its result once that is committed.

        A DDLPError of `work` is its own: the others' work is committed. Any other error, and a
        failed commit, undo the transaction, and are raised to all who shared it.
        """
        job = _Job(work)
        with self._turn:
            self._waiting.append(job)
            while self._leading and not job.done:
                self._turn.wait()
            if job.done:
                return job.outcome()
            # Whoever finds nobody leading takes all that waits, its own work included.
            group, self._waiting, self._leading = self._waiting, [], True
        failure: BaseException | None = None
        try:
            with self._transaction():
                for one in group:
                    one.run()
        except BaseException as error:
            failure = error
        with self._turn:
            for one in group:
                one.finish(failure)
            self._leading = False
            self._turn.notify_all()
        return job.outcome()


class _Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T  # once it has run without error
        self._error: BaseException | None = None
        self.done = False

    def run(self) -> None:
        try:
            self._result = self._work()
        except DDLPError as error:
            self._error = error

    def finish(self, failure: BaseException | None) -> None:
        # A refusal was found beside work that never happened, so it falls with the transaction.
        self._error = failure or self._error
        self.done = True

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result
