"""What items show: texts with the lease, pictures and sounds by address, no names."""

from __future__ import annotations

import pytest

from oracle.ports import Media
from oracle.replay.showcase import SHOWCASES
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.fake_desk import FakeDesk

BY_TYPE = {one.task["type"]: one for one in SHOWCASES}


def test_lease__items__say_what_they_show_and_not_their_names(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    leased = contributor.lease().get_json()
    assert leased["items"][0] == {
        "number": 0,
        "item": "0x" + desk.item_id(0).hex(),
        "first": {"text": None, "media": "image/png"},
        "second": None,
    }


@pytest.mark.parametrize("kind", ["spans", "pairwise"])
def test_lease__texts_and_comparisons__come_with_their_parts(
    contributor: BrowserDouble, desk: FakeDesk, kind: str
) -> None:
    desk.showcase = BY_TYPE[kind]
    item = contributor.lease().get_json()["items"][1]
    made = BY_TYPE[kind].make(1)[0]
    assert item["first"]["text"] == made.text
    picture = {"text": None, "media": "image/png"}
    assert item["second"] == (picture if kind == "pairwise" else None)
    assert "item-001" not in str(item)


def test_second__the_other_side__is_its_own_picture(visitor: BrowserDouble, desk: FakeDesk) -> None:
    desk.showcase = BY_TYPE["pairwise"]
    first, second = (visitor.get(f"/campaigns/1/items/0{side}").data for side in ("", "/second"))
    made = BY_TYPE["pairwise"].make(0)[0]
    assert made.media is not None
    assert made.second is not None
    assert made.second.media is not None
    assert (first, second) == (made.media.data, made.second.media.data)
    desk.showcase = BY_TYPE["boxes"]
    assert visitor.get("/campaigns/1/items/0/second").status_code == 422


def test_media__sound__is_sent_in_parts_to_players_that_ask(
    visitor: BrowserDouble, desk: FakeDesk
) -> None:
    sound = bytes(range(100))
    desk.media = lambda campaign, item, viewer, second=False: Media("audio/wav", sound)  # type: ignore[method-assign]
    whole = visitor.get("/campaigns/1/items/0")
    assert (whole.content_type, whole.data) == ("audio/wav", sound)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = visitor.get("/campaigns/1/items/0", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, sound[10:20])
