"""Group commit: who waits shares a transaction, and each gets their own outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from oracle.errors import GatewayRefusal, StoreError
from oracle.gateway.group_commit import GroupCommit


class Journal:
    """What was committed, transaction by transaction; the first one waits for `go`."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.committed: list[list[str]] = []
        self.fault: BaseException | None = None
        self.begun, self.go = threading.Event(), threading.Event()
        self.group = GroupCommit(self.transaction)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.begun.set()
        self.go.wait(60)
        try:
            yield
            if self.fault is not None:
                raise self.fault
            self.committed.append(self.written)
        finally:
            self.written = []

    def write(self, name: str) -> str:
        def work() -> str:
            self.written.append(name)
            return name

        return self.group.run(work)

    def together(self, *work: Callable[[], str]) -> list[Future[str]]:
        """Run `work` behind a first transaction that is under way, so that all of it waits."""
        with ThreadPoolExecutor(len(work) + 1) as pool:
            first = pool.submit(self.write, "first")
            assert self.begun.wait(60)
            rest = [pool.submit(self.group.run, one) for one in work]
            while len(self.group._waiting) < len(work):
                pass
            self.go.set()
        assert first.result() == "first"
        return rest


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_run__alone__returns_after_its_commit(journal: Journal) -> None:
    journal.go.set()
    assert journal.write("one") == "one"
    assert journal.write("two") == "two"
    assert journal.committed == [["one"], ["two"]]


def test_run__many_wait__share_the_next_transaction(journal: Journal) -> None:
    def work(name: str) -> Callable[[], str]:
        return lambda: journal.written.append(name) or name

    names = [f"work {number}" for number in range(8)]
    found = journal.together(*(work(name) for name in names))
    assert [one.result() for one in found] == names
    assert [sorted(group) for group in journal.committed] == [["first"], names]


def test_run__one_is_refused__the_others_stand(journal: Journal) -> None:
    def refuse() -> str:
        raise GatewayRefusal("NO", "no: don't")

    refused, taken = journal.together(refuse, lambda: journal.written.append("taken") or "taken")
    assert taken.result() == "taken"
    with pytest.raises(GatewayRefusal, match="NO"):
        refused.result()
    assert journal.committed == [["first"], ["taken"]]


@pytest.mark.parametrize("fault", [StoreError("disk full"), ZeroDivisionError("a bug")])
def test_run__the_commit_fails__everybody_hears_of_it(journal: Journal, fault: Exception) -> None:
    def refuse() -> str:
        journal.fault = fault
        raise GatewayRefusal("NO", "found beside work that never happened")

    for one in journal.together(refuse, lambda: journal.written.append("lost") or "lost"):
        with pytest.raises(type(fault)):
            one.result()
    assert journal.committed == [["first"]]
    journal.fault = None
    journal.write("later")
    assert journal.committed == [["first"], ["later"]]


def test_run__a_bug_in_one__undoes_the_transaction_and_the_next_one_works(
    journal: Journal,
) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    for one in journal.together(lambda: journal.written.append("lost") or "lost", fail):
        with pytest.raises(ZeroDivisionError):
            one.result()
    assert journal.committed == [["first"]]
    assert journal.write("later") == "later"
