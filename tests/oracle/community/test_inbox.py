from __future__ import annotations

import pytest

from oracle.community.community import Community
from oracle.community.inbox import PER_HOUR
from oracle.errors import GatewayRefusal, InputError
from tests.oracle.community.conftest import ANOTHER, EXPERT, SOMEBODY, Clock
from tests.support.courses import course

TEXT = "Is a crossed seven a seven?"


@pytest.fixture(autouse=True)
def _course(community: Community) -> None:
    community.learning.publish(1, course())


def test_ask__answered_by_an_expert__is_read_by_all(community: Community, clock: Clock) -> None:
    inbox = community.inbox
    inbox.ask(1, SOMEBODY, f"  {TEXT}\r\n")
    inbox.ask(1, ANOTHER, "And what about an eight?")
    mine, other = inbox.read(1, SOMEBODY)
    assert (mine.text, mine.mine, mine.answer) == (TEXT, True, None)
    assert not other.mine
    inbox.answer(1, EXPERT, mine.number, "It is, bar or not.")
    assert inbox.read(1, None)[1].answer == "It is, bar or not."
    assert inbox.read(2, SOMEBODY) == []


def test_answer__by_another_or_elsewhere__changes_nothing(community: Community) -> None:
    inbox = community.inbox
    inbox.ask(1, SOMEBODY, TEXT)
    number = inbox.read(1, None)[0].number
    with pytest.raises(GatewayRefusal, match="only the campaign's experts"):
        inbox.answer(1, SOMEBODY, number, "I say it is.")
    community.learning.publish(2, course())
    for campaign, wanted in ((2, number), (1, number + 1)):
        with pytest.raises(InputError, match="was taken back"):
            inbox.answer(campaign, EXPERT, wanted, "An answer astray.")
    assert inbox.read(1, None)[0].answer is None
    assert not community.learning.is_expert(1, None)


def test_ask__too_often__waits_an_hour(community: Community, clock: Clock) -> None:
    for _ in range(PER_HOUR):
        community.inbox.ask(1, SOMEBODY, TEXT)
    with pytest.raises(GatewayRefusal, match="wait a little"):
        community.inbox.ask(2, SOMEBODY, TEXT)
    assert community.inbox.read(2, None) == []
    community.inbox.ask(1, ANOTHER, TEXT)
    clock.seconds += 3_601
    community.inbox.ask(2, SOMEBODY, TEXT)


@pytest.mark.parametrize("text", ["short", " " * 50, "x" * 2_001, "nul \0 character"])
def test_ask__no_readable_text__is_refused(community: Community, text: str) -> None:
    with pytest.raises(InputError, match=r"write 10 to 2,000 characters|can't be seen"):
        community.inbox.ask(1, SOMEBODY, text)
    assert community.inbox.read(1, None) == []
