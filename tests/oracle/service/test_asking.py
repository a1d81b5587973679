"""A proposal put to several peers at once: one that never answers holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from oracle.errors import PeerUnavailable
from oracle.ports import Vote
from oracle.service.asking import at_once, one_by_one

SIGNED, REFUSED = Vote(bytes(65)), Vote(None, "PROPOSAL-OMITS", "opening 3/0", "left out: see")


class Peers:
    """Peers by name, that answer as told; `silent` ones not before the test is over."""

    def __init__(self, **answers: Vote | Exception | None) -> None:
        self.answers, self.asked = answers, list[str]()
        self.over = threading.Event()

    def ask(self, peer: Any) -> Vote:
        self.asked.append(peer)
        answer = self.answers[peer]
        if answer is None:
            self.over.wait(60)
            raise PeerUnavailable("too late: see whether it runs")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def signed(self, asking: Any, wanted: int) -> list[str]:
        """Who has signed by the time that `wanted` have, or nobody else is waited for."""
        found = []
        for peer, answer in asking(cast(Any, list(self.answers)), self.ask):
            if isinstance(answer, Vote) and answer.signature is not None:
                found.append(peer)
            if len(found) == wanted:
                break
        return found


@pytest.fixture
def silent() -> Iterator[Peers]:
    peers = Peers(one=SIGNED, two=None, three=SIGNED, four=SIGNED)
    yield peers
    peers.over.set()


def test_at_once__peer_that_never_answers__is_passed_over_in_a_while(silent: Peers) -> None:
    assert sorted(silent.signed(at_once(3, patience=0.1), 3)) == ["four", "one", "three"]


def test_at_once__enough_sign__asks_no_more_than_that() -> None:
    peers = Peers(one=SIGNED, two=SIGNED, three=SIGNED, four=SIGNED)
    assert sorted(peers.signed(at_once(3, patience=60), 3)) == ["one", "three", "two"]
    assert sorted(peers.asked) == ["one", "three", "two"]


@pytest.mark.parametrize("answer", [REFUSED, PeerUnavailable("down: start it")])
def test_at_once__one_refuses_or_is_down__asks_the_next(answer: Any) -> None:
    peers = Peers(one=SIGNED, two=answer, three=SIGNED, four=SIGNED)
    assert sorted(peers.signed(at_once(3, patience=60), 3)) == ["four", "one", "three"]


def test_at_once__one_refuses_and_one_never_answers__comes_back_with_the_refusal() -> None:
    peers = Peers(one=SIGNED, two=None, three=REFUSED, four=SIGNED)
    try:
        assert sorted(peers.signed(at_once(3, patience=0.1), 3)) == ["four", "one"]
    finally:
        peers.over.set()


@pytest.mark.parametrize("asking", [one_by_one, at_once(3, patience=60)])
def test_asking__a_bug__is_raised(asking: Any) -> None:
    peers = Peers(one=ZeroDivisionError(), two=SIGNED)
    with pytest.raises(ZeroDivisionError):
        peers.signed(asking, 2)
