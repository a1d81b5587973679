"""Leaderboards, ratings, proposals: who may, what twice, what is shown to whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.community.board import LEAST_LABELS, SHOWN
from oracle.community.community import Community
from oracle.community.proposals import PER_DAY
from oracle.community.ratings import ASPECTS, LEAST_PEOPLE
from oracle.errors import GatewayRefusal, InputError, StoreConflict
from oracle.ports import CampaignPart, Standing
from oracle.quality.reputation import Totals, Track, reputation
from oracle.store.opinions import OpinionStore
from tests.oracle.community.conftest import ANOTHER, EXPERT, SOMEBODY, Clock
from tests.support.courses import course

REQUESTER, OTHER = b"\x9e" * 20, b"\x9f" * 20
PART = CampaignPart(1, REQUESTER, labeled=True, paid=True)
ORIGINAL = "Choose the digit."
REASON = "A one with a foot looks like a two."


def person(number: int) -> bytes:
    return bytes([number]) * 20


def stars(value: int) -> dict[str, int]:
    return dict.fromkeys(ASPECTS, value)


# -- leaderboards ------------------------------------------------------------------------------


def standing(account: bytes, right: int, judged: int = 100) -> Standing:
    track = Track(REQUESTER, 0, (Totals(0, right, judged),))
    return Standing(account, reputation([track], 0))


def agreeing(community: Community, count: int) -> list[bytes]:
    people = [person(number) for number in range(1, count + 1)]
    for one in people:
        community.privacy.agree(one)
    return people


def test_board__by_lower_bound__not_by_volume_and_ties_share_a_rank(community: Community) -> None:
    first, second, third, fourth = agreeing(community, 4)
    standings = [
        standing(fourth, 250, 300),
        standing(third, 95),
        standing(second, 95),
        standing(first, 60),
    ]
    rows = community.board.rows(standings, second)
    assert [(row.rank, row.account, row.mine) for row in rows] == [
        (1, second, True),
        (1, third, False),
        (3, fourth, False),
        (4, first, False),
    ]
    assert rows == community.board.rows(standings[::-1], second)


def test_board__too_few_labels_or_no_agreement__isnt_ranked(community: Community) -> None:
    (one,) = agreeing(community, 1)
    few = standing(one, LEAST_LABELS - 1, LEAST_LABELS - 1)
    assert community.board.rows([few, standing(person(9), 100)], None) == []
    enough = standing(one, LEAST_LABELS, LEAST_LABELS)
    assert len(community.board.rows([enough], None)) == 1


def test_board__hidden__is_gone_at_once_and_leaves_no_gap(community: Community) -> None:
    first, second = agreeing(community, 2)
    standings = [standing(first, 99), standing(second, 60)]
    community.board.hide(first)
    community.board.hide(first)
    assert community.board.is_hidden(first)
    assert [(row.rank, row.account) for row in community.board.rows(standings, first)] == [
        (1, second)
    ]
    community.board.show(first)
    assert len(community.board.rows(standings, None)) == 2


def test_board__data_deleted__isnt_shown_again(community: Community) -> None:
    (one,) = agreeing(community, 1)
    community.board.hide(one)
    community.privacy.delete(one)
    assert community.board.rows([standing(one, 99)], one) == []


def test_board__many__shows_the_first_and_ones_own(community: Community) -> None:
    people = agreeing(community, SHOWN + 10)
    standings = [standing(one, 40 + number) for number, one in enumerate(people)]
    rows = community.board.rows(standings, people[0])
    assert len(rows) == SHOWN + 1
    assert (rows[-1].account, rows[-1].rank, rows[-1].mine) == (people[0], SHOWN + 10, True)


# -- ratings -----------------------------------------------------------------------------------


def test_rate__fewer_than_five_people__is_not_shown(community: Community) -> None:
    ratings = community.ratings
    for number in range(1, LEAST_PEOPLE):
        for campaign in (1, 2):
            ratings.rate(replace(PART, campaign=campaign), person(number), stars(5), "Kind people.")
    assert ratings.summaries([REQUESTER]) == {}
    ratings.rate(PART, person(LEAST_PEOPLE), stars(2), "Too many pictures\r\nof nothing.")
    found = ratings.summaries([REQUESTER, OTHER])
    assert list(found) == [REQUESTER]
    assert (found[REQUESTER].people, found[REQUESTER].tenths) == (5, 44)
    assert set(found[REQUESTER].comments) == {"Kind people.", "Too many pictures\nof nothing."}
    assert all(one == 44 for one in found[REQUESTER].aspects.values())


def test_rate__again__replaces_and_a_person_counts_once_a_requester(community: Community) -> None:
    ratings = community.ratings
    for number in range(1, 6):
        ratings.rate(PART, person(number), stars(5), "")
    for campaign in range(1, 9):
        ratings.rate(replace(PART, campaign=campaign), person(1), stars(1), "")
    found = ratings.summaries([REQUESTER])[REQUESTER]
    assert (found.people, found.tenths, found.comments) == (5, 42, ())
    own = ratings.own(1, person(1))
    assert own is not None
    assert own.clarity == 1


def test_rate__aspects__are_summed_apart(community: Community) -> None:
    for number in range(1, 6):
        given = {"clarity": 5, "fairness": 4, "pay": 1, "help": 1 + (number > 3)}
        community.ratings.rate(PART, person(number), given, "")
    found = community.ratings.summaries([REQUESTER])[REQUESTER]
    assert found.aspects == {"clarity": 50, "fairness": 40, "pay": 10, "help": 14}
    assert found.tenths == 29  # 2.85, half up


@pytest.mark.parametrize(
    ("given", "comment", "told"),
    [
        ({**stars(5), "pay": 6}, "", "each of the four"),
        ({**stars(5), "pay": 0}, "", "each of the four"),
        ({"pay": 5}, "", "each of the four"),
        (stars(5), "x" * 501, "write 0 to 500"),
        (stars(5), "see https://evil.example", "without links"),
        (stars(5), "write to me@evil.example", "without links"),
        (stars(5), "it was 0xAbCdEf0123", "without links"),
        (stars(5), "nul \0 character", "can't be seen"),
        (stars(5), "\u202edetsurt", "can't be seen"),
    ],
)
def test_rate__that_cannot_be__changes_nothing(
    community: Community, given: dict[str, int], comment: str, told: str
) -> None:
    community.ratings.rate(PART, SOMEBODY, stars(4), "As it was.")
    before = community.ratings.own(1, SOMEBODY)
    with pytest.raises(InputError, match=told):
        community.ratings.rate(PART, SOMEBODY, given, comment)
    assert community.ratings.own(1, SOMEBODY) == before


def test_rate__by_who_wasnt_paid__is_refused(community: Community) -> None:
    with pytest.raises(GatewayRefusal, match="once a final receipt pays you"):
        community.ratings.rate(replace(PART, paid=False), SOMEBODY, stars(1), "")
    assert community.ratings.own(1, SOMEBODY) is None


# -- proposals ---------------------------------------------------------------------------------


@pytest.fixture
def taught(community: Community) -> Community:
    community.learning.publish(1, course())
    return community


def newest(community: Community) -> str:
    return community.learning.editions(1, ORIGINAL)[0].text


def propose(community: Community, contributor: bytes = SOMEBODY, **changes: str) -> int:
    passage = changes.get("passage", "A one may have a foot.")
    text = changes.get("text", "A one may have a foot, and never a roof.")
    community.proposals.propose(PART, contributor, newest(community), passage, text, REASON)
    return max(one.number for one in community.proposals.read(1, None))


def test_propose__accepted__makes_the_next_version_and_says_why(taught: Community) -> None:
    before = newest(taught)
    assert "A one may have a foot." in before
    number = propose(taught)
    (seen,) = taught.proposals.read(1, ANOTHER)
    assert (seen.state, seen.mine, seen.supports) == ("open", False, 0)
    assert ("removed", "A one may have a foot.") in seen.changes
    version = taught.proposals.accept(1, EXPERT, number, "You are right, thank you.", ORIGINAL)
    assert version == 3
    assert newest(taught) == before.replace("have a foot.", "have a foot, and never a roof.")
    edition = taught.learning.editions(1, ORIGINAL)[0]
    assert (edition.version, edition.note) == (3, f"Proposed by a contributor: {REASON}")
    (told,) = taught.proposals.read(1, SOMEBODY)
    assert (told.state, told.version, told.answer, told.mine) == (
        "accepted",
        3,
        "You are right, thank you.",
        True,
    )
    # Training and exam are as they were.
    kept = taught.learning.course(1)
    assert kept is not None
    assert kept.training == course().training


def test_propose__without_a_passage__adds_at_the_end(taught: Community) -> None:
    before = newest(taught)
    number = propose(taught, passage="", text="Skip what is blank.")
    taught.proposals.accept(1, EXPERT, number, "Good, it is added.", ORIGINAL)
    assert newest(taught) == f"{before.rstrip()}\n\nSkip what is blank.\n"


def test_answer__twice_or_by_another__changes_nothing(taught: Community) -> None:
    number = propose(taught)
    with pytest.raises(GatewayRefusal, match="only the campaign's experts"):
        taught.proposals.accept(1, SOMEBODY, number, "I like it myself.", ORIGINAL)
    with pytest.raises(GatewayRefusal, match="only the campaign's experts"):
        taught.proposals.decline(1, SOMEBODY, number, "I don't like it.")
    with pytest.raises(InputError, match="was taken back"):
        taught.proposals.decline(1, EXPERT, number + 1, "There is none such.")
    with pytest.raises(InputError, match="write 10 to"):
        taught.proposals.accept(1, EXPERT, number, "ok", ORIGINAL)
    assert taught.proposals.read(1, None)[0].state == "open"
    taught.proposals.decline(1, EXPERT, number, "The picture shows otherwise.")
    for call in (
        lambda: taught.proposals.accept(1, EXPERT, number, "Now I do like it.", ORIGINAL),
        lambda: taught.proposals.decline(1, EXPERT, number, "And once more no."),
        lambda: taught.proposals.support(PART, ANOTHER, number, wanted=True),
    ):
        with pytest.raises(GatewayRefusal, match="answered already"):
            call()
    (told,) = taught.proposals.read(1, None)
    assert (told.state, told.version) == ("declined", None)
    assert taught.learning.editions(1, ORIGINAL)[0].version == 2


def test_accept__passage_gone_since__changes_nothing(taught: Community) -> None:
    first = propose(taught)
    second = propose(taught, ANOTHER, text="A one may have a foot or a flag.")
    taught.proposals.accept(1, EXPERT, first, "You are right, thank you.", ORIGINAL)
    after = newest(taught)
    with pytest.raises(InputError, match="exactly once"):
        taught.proposals.accept(1, EXPERT, second, "This one as well.", ORIGINAL)
    assert newest(taught) == after
    states = {one.number: one.state for one in taught.proposals.read(1, None)}
    assert states == {first: "accepted", second: "open"}


def test_accept__course_published_meanwhile__changes_nothing(
    taught: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = propose(taught)
    accept = OpinionStore.accept

    def late(self: OpinionStore, *arguments: object, **named: object) -> bool:
        taught.learning.publish(1, course(note="Published in between."))
        return accept(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(OpinionStore, "accept", late)
    with pytest.raises(GatewayRefusal, match="just changed"):
        taught.proposals.accept(1, EXPERT, number, "You are right, thank you.", ORIGINAL)
    assert taught.proposals.read(1, None)[0].state == "open"
    assert "never a roof" not in newest(taught)


@pytest.mark.parametrize(
    ("passage", "text", "reason", "told"),
    [
        ("no such words", "other words", REASON, "exactly once"),
        ("A", "other words", REASON, "exactly once"),
        ("", "", REASON, "write 1 to 4,000"),
        ("", "x" * 4_001, REASON, "write 1 to 4,000"),
        ("x" * 2_001, "text", REASON, "write 0 to 2,000"),
        ("", "other words", "short", "write 10 to 400"),
        ("", "words \u202e turned", REASON, "can't be seen"),
    ],
)
def test_propose__that_cannot_be__is_not_kept(
    taught: Community, passage: str, text: str, reason: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        taught.proposals.propose(PART, SOMEBODY, newest(taught), passage, text, reason)
    assert taught.proposals.read(1, None) == []


def test_propose__without_labels_or_too_often__is_refused(taught: Community, clock: Clock) -> None:
    stranger = replace(PART, labeled=False)
    with pytest.raises(GatewayRefusal, match="label first"):
        taught.proposals.propose(stranger, SOMEBODY, newest(taught), "", "Some words.", REASON)
    for place in range(PER_DAY):
        number = propose(taught, text=f"A one may have {place} feet.")
    with pytest.raises(GatewayRefusal, match="wait a little"):
        propose(taught)
    with pytest.raises(GatewayRefusal, match="label first"):
        taught.proposals.support(stranger, ANOTHER, number, wanted=True)
    assert len(taught.proposals.read(1, None)) == PER_DAY
    clock.seconds += 86_401
    propose(taught)


def test_propose__the_same_again__is_one_proposal_until_it_is_answered(taught: Community) -> None:
    number = propose(taught)
    for person_ in (SOMEBODY, ANOTHER):
        with pytest.raises(GatewayRefusal, match="proposed already"):
            propose(taught, person_)
    assert [one.number for one in taught.proposals.read(1, None)] == [number]
    taught.proposals.decline(1, EXPERT, number, "The picture shows otherwise.")
    assert propose(taught, ANOTHER) != number


def test_support__twice__counts_once_and_orders(taught: Community) -> None:
    first, second = propose(taught), propose(taught, ANOTHER, passage="", text="Look twice.")
    for _ in range(2):
        taught.proposals.support(PART, ANOTHER, first, wanted=True)
    with pytest.raises(GatewayRefusal, match="your own proposal"):
        taught.proposals.support(PART, SOMEBODY, first, wanted=True)
    with pytest.raises(InputError, match="was taken back"):
        taught.proposals.support(replace(PART, campaign=2), ANOTHER, first, wanted=True)
    seen = taught.proposals.read(1, ANOTHER)
    assert [(one.number, one.supports, one.supported) for one in seen] == [
        (first, 1, True),
        (second, 0, False),
    ]
    for _ in range(2):
        taught.proposals.support(PART, ANOTHER, first, wanted=False)
    assert [one.number for one in taught.proposals.read(1, None)] == [second, first]


def test_delete__proposer__takes_others_support_along(taught: Community) -> None:
    number = propose(taught)
    taught.proposals.support(PART, ANOTHER, number, wanted=True)
    taught.privacy.delete(SOMEBODY)
    assert taught.proposals.read(1, None) == []
    assert taught.privacy.export(ANOTHER)["proposal_supports"] == []


def test_store__course_of_a_known_version__is_a_conflict_and_keeps_the_proposal(
    taught: Community,
) -> None:
    number = propose(taught)
    store = taught.proposals._store
    row = store.proposal(1, number)
    assert row is not None
    with pytest.raises(StoreConflict):
        store.accept(row, EXPERT, "As it was before.", 2, course().document, now=1)
    assert store.proposal(1, number) == row
