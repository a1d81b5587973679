"""Progress, leaderboards, ratings and proposals as pages."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask

from oracle.community.community import Community
from oracle.community.ratings import ASPECTS
from oracle.errors import GatewayBusy
from tests.support.courses import course
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import UNIT, FakeDesk
from tests.webapp.fake_growth import REQUESTER, much
from tests.webapp.test_account import send
from tests.webapp.test_learning import HOSTILE
from webapp.charts import chart

STARS = dict.fromkeys(ASPECTS, "4")
PROPOSAL = {
    "passage": "A one may have a foot.",
    "text": "A one may have a foot, never a roof.",
    "reason": "A one with a roof looks like a seven.",
}


@pytest.fixture
def labeler(contributor: BrowserDouble) -> BrowserDouble:
    """A contributor who has labeled, and isn't paid yet."""
    contributor.lease()
    assert contributor.submit({0: "3", 1: "4"}).status_code == 201
    return contributor


def paid_people(app: Flask, desk: FakeDesk, clock: Clock, count: int) -> list[BrowserDouble]:
    """People who were paid in campaign 1."""
    people = []
    for number in range(count):
        browser = BrowserDouble(app, f"paid {number}", now=clock)
        assert browser.sign_in().status_code == 201
        account = desk._account(browser.address)
        account.submitted, account.accepted, account.earned = 2, 2, UNIT
        people.append(browser)
    return people


def main(page: str) -> str:
    """What a page says, without its frame and tags."""
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found.group()).split())


# -- progress ----------------------------------------------------------------------------------


def test_progress__nothing_judged__says_how_it_begins(contributor: BrowserDouble) -> None:
    said = main(contributor.get("/progress").text)
    assert "Nothing of yours is judged yet" in said
    assert "Charts start with your first final receipt" in said
    assert "Tier 0" in said


def test_progress__much__shows_interval_causes_charts_and_tables(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    record = desk.growth.records[contributor.address] = much()
    page = contributor.get("/progress").text
    said = main(page)
    lower, upper = (one // 10_000 for one in (record.overall.lower_ppm, record.overall.upper_ppm))
    assert re.search(rf"between {lower}(\.\d)? % and {upper}(\.\d)? %", said)
    assert "16 of 16 newly judged labels right" in said
    assert "no label was newly judged; older ones were judged anew" in said
    assert "you said 1 , and 7 was found" in said
    assert "Leases hold everybody to 10 for now" in said
    assert page.count("<figure") == 2
    for name in ("quality", "pay"):
        assert f'aria-labelledby="{name}-title {name}-description"' in page
    assert "Agreement above chance: from 60 % to 81 % over 8 receipts" in page
    assert 'scope="col">Pay for an hour' in page
    assert "style=" not in page


def test_progress__evidence_missing__says_so(contributor: BrowserDouble, desk: FakeDesk) -> None:
    desk.growth.records[contributor.address] = replace(much(), readable=False)
    assert "can't be read just now" in contributor.get("/progress").text


def test_progress__receipts_being_read__says_when_to_come_again(
    contributor: BrowserDouble, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise GatewayBusy("READING", "the receipts are being read: reload in half a minute", 30)

    for name in ("progress", "kinds", "standings"):
        monkeypatch.setattr(desk.growth, name, busy)
    for path in ("/progress", "/leaderboard"):
        answer = contributor.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        assert "reload in half a minute" in answer.text


def test_progress__of_somebody_else__is_seen_nowhere(
    app: Flask, contributor: BrowserDouble, desk: FakeDesk, clock: Clock
) -> None:
    desk.growth.records[contributor.address] = much()
    other = BrowserDouble(app, "other", now=clock)
    assert other.sign_in().status_code == 201
    assert "Nothing of yours is judged yet" in other.get("/progress").text


def test_chart__values__are_drawn_within_the_frame_and_told() -> None:
    drawn = chart("c", "C", [1, 2, 3], {"A": [0, None, 50], "B": [100, 250, 25]}, str, top=100)
    assert drawn is not None
    assert [line.name for line in drawn.lines] == ["A", "B"]
    for line in drawn.lines:
        assert all(58 <= x <= 388 and 12 <= y <= 172 for x, y in line.dots)
    assert len(drawn.lines[0].dots) == 2
    assert drawn.lines[1].dots[0][1] == drawn.lines[1].dots[1][1] == 12
    assert drawn.rows == ((1, ("0", "100")), (2, ("–", "250")), (3, ("50", "25")))
    assert drawn.description == (
        "A: from 0 to 50 over 2 receipts, lowest 0, highest 50; "
        "B: from 100 to 25 over 3 receipts, lowest 25, highest 250."
    )
    assert chart("c", "C", [1], {"A": [None]}, str) is None
    single = chart("c", "C", [1], {"A": [0]}, str)
    assert single is not None
    assert single.description == "A: 0 at one receipt."


# -- leaderboards ------------------------------------------------------------------------------


def test_leaderboard__opted_out__is_gone_with_the_next_request(
    contributor: BrowserDouble, visitor: BrowserDouble, desk: FakeDesk
) -> None:
    stranger = b"\x77" * 20
    desk.growth.seat({contributor.address: (90, 100), stranger: (99, 100)})
    desk.growth.seat({contributor.address: (40, 50)}, "boxes")
    mine = contributor.address.hex()[:4]
    page = visitor.get("/leaderboard").text
    assert mine in page.lower()
    assert "7777" not in page  # never agreed to the notice of this page
    assert contributor.address.hex() not in page.lower()  # the short form alone
    assert ">you<" in contributor.get("/leaderboard").text
    assert mine in visitor.get("/leaderboard?kind=boxes").text.lower()
    assert send(contributor, "/progress/board").status_code == 303
    for path in ("/leaderboard", "/leaderboard?kind=boxes", "/leaderboard?kind=x%3Cb%3E"):
        page = visitor.get(path).text
        assert mine not in page.lower()
        assert "<b>" not in page
    assert "you said so" in main(contributor.get("/progress").text)
    assert send(contributor, "/progress/board", show="1").status_code == 303
    assert mine in visitor.get("/leaderboard").text.lower()


# -- ratings -----------------------------------------------------------------------------------


def test_rating__of_who_was_paid__is_kept_and_changeable(
    app: Flask, labeler: BrowserDouble, desk: FakeDesk, community: Community
) -> None:
    page = "/campaigns/1/rating"
    assert "once a final receipt pays you" in main(labeler.get(page).text)
    refused = send(labeler, page, **STARS)
    assert refused.status_code == 409
    assert community.ratings.own(1, labeler.address) is None
    desk.finalize()
    assert send(labeler, page, **STARS, comment="Clear.").status_code == 303
    assert send(labeler, page, **{**STARS, "pay": "2"}, comment="Less clear.").status_code == 303
    own = community.ratings.own(1, labeler.address)
    assert own is not None
    assert (own.pay, own.clarity, own.comment, own.requester) == (2, 4, "Less clear.", REQUESTER)
    for fields in (
        {},
        {**STARS, "pay": "9"},
        {**STARS, "pay": "x"},
        {**STARS, "comment": "x" * 501},
    ):
        assert send(labeler, page, **fields).status_code in (400, 422)
    assert community.ratings.own(1, labeler.address) == own
    assert 'value="2" required checked' in labeler.get(page).text


def test_rating__shown_from_five_people_on__beside_offers_and_without_names(
    app: Flask, visitor: BrowserDouble, desk: FakeDesk, clock: Clock
) -> None:
    people = paid_people(app, desk, clock, 5)
    for place, browser in enumerate(people):
        assert "Not rated yet" in visitor.get("/").text
        assert "once 5 people have rated" in main(visitor.get("/campaigns/1/rating").text)
        answer = send(browser, "/campaigns/1/rating", **STARS, comment=f"Comment {place}.")
        assert answer.status_code == 303
    assert "Rated 4.0 of 5 by 5 people" in visitor.get("/").text
    page = visitor.get("/campaigns/1/rating").text
    assert "Comment 3." in page
    assert not any(browser.address.hex()[:4] in main(page).lower() for browser in people)


# -- proposals ---------------------------------------------------------------------------------


def test_proposal__accepted__is_in_the_guidelines(
    app: Flask,
    labeler: BrowserDouble,
    visitor: BrowserDouble,
    community: Community,
    desk: FakeDesk,
    clock: Clock,
) -> None:
    page = "/campaigns/1/proposals"
    expert = BrowserDouble(app, "expert", now=clock)
    assert expert.sign_in().status_code == 201
    community.learning.publish(1, course(experts=["0x" + expert.address.hex()]))
    assert send(labeler, page, **PROPOSAL).status_code == 303
    (other,) = paid_people(app, desk, clock, 1)
    for _ in range(2):
        assert send(other, f"{page}/1/support", wanted="1").status_code == 303
    assert send(labeler, f"{page}/1/support", wanted="1").status_code == 409
    assert send(expert, f"{page}/1/support", wanted="1").status_code == 409
    said = main(visitor.get(page).text)
    assert "Supported by 1" in said
    assert labeler.address.hex()[:4] not in said.lower()
    assert (
        send(labeler, f"{page}/1/answer", text="I accept it myself.", verdict="accept").status_code
        == 409
    )
    assert "Accept" in main(expert.get(page).text)
    answer = send(expert, f"{page}/1/answer", text="You are right, thank you.", verdict="accept")
    assert answer.status_code == 303
    assert "never a roof" in visitor.get("/campaigns/1/guidelines").text
    assert "You are right, thank you." in visitor.get(page).text
    again = send(expert, f"{page}/1/answer", text="And now no more.", verdict="decline")
    assert again.status_code == 409


def test_proposal__of_a_stranger__is_refused(
    contributor: BrowserDouble, community: Community
) -> None:
    assert send(contributor, "/campaigns/1/proposals", **PROPOSAL).status_code == 409
    assert community.proposals.read(1, None) == []
    assert send(contributor, "/campaigns/9/proposals", **PROPOSAL).status_code == 404


def test_hostile_texts__every_field__stay_text(
    app: Flask,
    labeler: BrowserDouble,
    community: Community,
    desk: FakeDesk,
    clock: Clock,
) -> None:
    community.learning.publish(1, course(experts=["0x" + labeler.address.hex()]))
    (other,) = paid_people(app, desk, clock, 1)
    for browser in (labeler, other):
        text = f"{HOSTILE} {browser.address.hex()[:2]}"
        answer = send(browser, "/campaigns/1/proposals", text=text, reason=HOSTILE, passage="")
        assert answer.status_code == 303
    send(labeler, "/campaigns/1/proposals/1/answer", text=HOSTILE, verdict="accept")
    send(labeler, "/campaigns/1/proposals/2/answer", text=HOSTILE, verdict="decline")
    plain = "<script>alert(1)</script> <img src=x onerror=alert(2)> {{7*7}}"
    for browser in paid_people(app, desk, clock, 6):
        assert send(browser, "/campaigns/1/rating", **STARS, comment=plain).status_code == 303
    desk.view = replace(desk.view, title=HOSTILE, description=HOSTILE)
    desk.growth.records[labeler.address] = much(HOSTILE)
    desk.finalize()
    shown = 0
    for path in ("/", "/progress", "/leaderboard", "/campaigns/1/rating",
                 "/campaigns/1/proposals", "/campaigns/1/guidelines"):  # fmt: skip
        page = labeler.get(path).text
        assert not re.search(r"<(script>|b |img src=x)", page)
        assert not re.search(r'(href|src)="(javascript|https?):', page)
        shown += "&lt;script&gt;" in page and "{{7*7}}" in page
    assert shown == 5  # the leaderboard shows no text of anybody's
