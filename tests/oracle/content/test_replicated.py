"""Content in several places: what counts as stored, what is passed over, and catching up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.content import replicated
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.errors import (
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    FormatError,
    InputError,
)
from oracle.evidence.codec import MAX_BLOCK, RAW, Link
from oracle.evidence.hashing import sha256

LINK = Link(RAW, sha256(b"block"))


class Place(LocalContent):
    """A folder that can be out of reach; `asked` counts requests."""

    down = False
    asked = 0

    def _reach(self) -> None:
        self.asked += 1
        if self.down:
            raise ContentUnavailable(f"{self} is down: start it")

    def put(self, data: bytes, codec: int) -> bytes:
        self._reach()
        return super().put(data, codec)

    def get(self, digest: bytes, codec: int) -> bytes:
        self._reach()
        return super().get(digest, codec)

    def has(self, digest: bytes, codec: int) -> bool:
        self._reach()
        return super().has(digest, codec)

    def iterate(self) -> Iterator[Link]:
        self._reach()
        return super().iterate()


@pytest.fixture
def places(tmp_path: Path) -> list[Place]:
    return [Place(tmp_path / name) for name in ("one", "two", "three")]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(replicated, "LONGEST_PAUSE", 0.0)


def holders(places: list[Place], link: Link = LINK) -> list[bool]:
    return [LocalContent.has(place, link.digest, link.codec) for place in places]


@pytest.mark.parametrize("copies", [0, 4, -1])
def test_open__more_copies_than_places__is_refused(places: list[Place], copies: int) -> None:
    with pytest.raises(InputError, match="content stores"):
        ReplicatedContent(places, copies)


def test_put__all_up__is_held_by_all(places: list[Place]) -> None:
    assert ReplicatedContent(places, 2).put(b"block", RAW) == LINK.digest
    assert holders(places) == [True, True, True]


@pytest.mark.parametrize("down", [0, 1, 2])
def test_put__enough_up__is_stored(places: list[Place], down: int) -> None:
    places[down].down = True
    content = ReplicatedContent(places, 2)
    assert content.put(b"block", RAW) == LINK.digest
    assert holders(places) == [number != down for number in range(3)]
    assert content.get(LINK.digest, RAW) == b"block"


def test_put__too_few_up__is_unavailable_and_names_them(places: list[Place]) -> None:
    places[0].down = places[2].down = True
    with pytest.raises(ContentUnavailable, match=r"1 of 2 copies: .*one is down.*three is down"):
        ReplicatedContent(places, 2).put(b"block", RAW)


def test_put__over_a_block__is_refused_everywhere(places: list[Place]) -> None:
    with pytest.raises(FormatError):
        ReplicatedContent(places).put(b"x" * (MAX_BLOCK + 1), RAW)
    assert [place.asked for place in places] == [0, 0, 0]


def test_get__block_that_the_first_lacks__is_given_back_to_it(places: list[Place]) -> None:
    places[2].put(b"block", RAW)
    assert ReplicatedContent(places).get(LINK.digest, RAW) == b"block"
    assert holders(places) == [True, True, True]


def test_get__other_bytes_in_one__passes_it_over_by_name_and_heals_it(
    places: list[Place], caplog: pytest.LogCaptureFixture
) -> None:
    content = ReplicatedContent(places)
    content.put(b"block", RAW)
    (places[0].root / str(LINK)).write_bytes(b"other")
    assert content.get(LINK.digest, RAW) == b"block"
    assert [str(places[0].root) in record.getMessage() for record in caplog.records] == [True]
    assert LocalContent(places[0].root).get(LINK.digest, RAW) == b"block"


def test_get__other_bytes_everywhere__is_corrupt_and_names_all(places: list[Place]) -> None:
    content = ReplicatedContent(places)
    content.put(b"block", RAW)
    for place in places:
        (place.root / str(LINK)).write_bytes(b"other")
    with pytest.raises(ContentCorrupt, match=r"one.*two.*three"):
        content.get(LINK.digest, RAW)


@pytest.mark.parametrize(("down", "error"), [(1, ContentMissing), (2, ContentUnavailable)])
def test_get__nobody_has_it__is_missing_only_where_enough_were_asked(
    places: list[Place], down: int, error: type[Exception]
) -> None:
    content = ReplicatedContent(places, 2)
    for place in places[:down]:
        place.down = True
    with pytest.raises(error, match=str(LINK)):
        content.get(LINK.digest, RAW)


def test_has__places_that_are_down__count_as_not_holding_it(places: list[Place]) -> None:
    content = ReplicatedContent(places, 2)
    places[2].put(b"block", RAW)
    places[0].down = places[1].down = True
    assert content.has(LINK.digest, RAW)
    assert not content.has(sha256(b"another"), RAW)
    places[2].down = True
    with pytest.raises(ContentUnavailable, match=r"one is down.*two is down.*three is down"):
        content.has(LINK.digest, RAW)


def test_iterate__too_few_answer__is_unavailable(places: list[Place]) -> None:
    content = ReplicatedContent(places, 2)
    places[2].put(b"block", RAW)
    places[0].down = True
    assert list(content.iterate()) == [LINK]
    places[1].down = True
    with pytest.raises(ContentUnavailable, match=r"one is down.*two is down"):
        list(content.iterate())


def test_iterate__blocks_in_different_places__are_listed_once_and_sorted(
    places: list[Place],
) -> None:
    for number, place in enumerate(places):
        for value in range(number, number + 5):
            place.put(bytes([value]), RAW)
    listed = [str(link) for link in ReplicatedContent(places).iterate()]
    assert listed == sorted({str(Link(RAW, sha256(bytes([value])))) for value in range(7)})


def test_ask__place_that_failed__is_left_alone_for_a_while(
    places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicated, "FIRST_PAUSE", 60.0)
    monkeypatch.setattr(replicated, "LONGEST_PAUSE", 60.0)
    content = ReplicatedContent(places)
    places[0].down = True
    for number in range(5):
        content.put(bytes([number]), RAW)
    assert places[0].asked == 1
    with pytest.raises(ContentUnavailable, match=r"one failed, and is asked again in (59|60) s"):
        content.get(LINK.digest, RAW)


def test_repair__after_a_place_was_down__gives_it_what_it_missed(places: list[Place]) -> None:
    content = ReplicatedContent(places)
    assert content.repair() == 0
    places[1].down = True
    links = [Link(RAW, content.put(bytes([number]), RAW)) for number in range(10)]
    assert content.repair() == 0  # it is still down
    places[1].down = False
    assert content.repair() == 10
    assert all(holders(places, link) == [True] * 3 for link in links)
    asked = [place.asked for place in places]
    assert content.repair() == 0
    assert [place.asked for place in places] == asked


def test_repair__of_a_new_process__compares_the_places_once(places: list[Place]) -> None:
    for number in range(5):
        places[number % 2].put(bytes([number]), RAW)
    assert ReplicatedContent(places).repair() == 2 + 3 + 5
    assert len({tuple(LocalContent.iterate(place)) for place in places}) == 1


def test_repair__place_that_fails_meanwhile__goes_on_later(
    places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        places[0].put(bytes([number]), RAW)
    content = ReplicatedContent(places[:2])
    written = places[1].put

    def full(data: bytes, codec: int) -> bytes:
        if len(list(places[1].root.iterdir())) == 3:
            raise ContentUnavailable("no space left: free some")
        return written(data, codec)

    monkeypatch.setattr(places[1], "put", full)
    assert content.repair() == 3
    monkeypatch.undo()
    assert content.repair() == 3
    assert content.repair() == 0
    assert list(places[1].iterate()) == list(places[0].iterate())


def test_repair__block_that_is_damaged_everywhere__is_named_and_left_out(
    places: list[Place], caplog: pytest.LogCaptureFixture
) -> None:
    places[0].put(b"whole", RAW)
    places[0].put(b"block", RAW)
    (places[0].root / str(LINK)).write_bytes(b"other")
    assert ReplicatedContent(places[:2]).repair() == 1
    assert holders(places) == [True, False, False]
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 1
    assert str(LINK) in warned[0]


def test_failing__places_that_are_down__are_named(places: list[Place]) -> None:
    content = ReplicatedContent(places)
    assert content.failing() == []
    places[1].down = True
    (error,) = content.failing()
    assert "two is down" in error
