"""Appeals: who may object and when, who may answer, and what is shown of it to whom."""

from __future__ import annotations

import pytest
from flask import Flask

from oracle.community.community import Community
from tests.support.courses import course
from tests.webapp.browser_double import CAMPAIGN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_appeals import REASONS, VERDICTS
from tests.webapp.fake_desk import FakeDesk

HISTORY, APPEALS = "/earnings/campaigns/1", "/campaigns/1/appeals"


@pytest.fixture
def expert(
    app: Flask, contributor: BrowserDouble, community: Community, clock: Clock
) -> BrowserDouble:
    """An expert of the campaign who has delegated and labeled nothing."""
    browser = BrowserDouble(app, "expert", now=clock)
    assert browser.sign_in().status_code == 201
    assert browser.delegate().status_code == 201
    community.learning.publish(1, course(experts=["0x" + browser.address.hex()]))
    return browser


@pytest.fixture
def differs(contributor: BrowserDouble, desk: FakeDesk) -> BrowserDouble:
    """A contributor whose label of item 0 differs from what was found; that of item 1 agrees."""
    contributor.lease()
    assert contributor.submit({0: "3", 1: "4"}).status_code == 201
    desk.earnings.outcomes = {0: "9", 1: "4"}
    return contributor


def test_appeal__of_a_label_that_differs__is_logged_once(
    differs: BrowserDouble, desk: FakeDesk
) -> None:
    assert "Until <time" in differs.get(HISTORY).text
    entry = differs.appeal_entry(0, REASONS[0])
    logged = differs.post(f"{CAMPAIGN}/appeals", entry)
    assert logged.status_code == 201
    position = logged.get_json()["position"]
    assert differs.post(f"{CAMPAIGN}/appeals", entry).get_json()["position"] == position
    page = differs.get(HISTORY).text
    assert f"{REASONS[0]} It stands in the log at position {position}." in page
    assert "An expert will answer" in page


def test_appeal__that_cannot_be__changes_nothing(
    app: Flask, differs: BrowserDouble, desk: FakeDesk, clock: Clock
) -> None:
    rows = list(desk.rows)
    assert differs.appeal(1, REASONS[0]).status_code == 409  # it agreed
    assert differs.appeal(0, "Because I say so.").status_code == 409
    entry = differs.appeal_entry(0, REASONS[0])["entry"]
    forged = {"entry": entry[:-130] + "11" * 64 + "1b"}
    assert differs.post(f"{CAMPAIGN}/appeals", forged).status_code == 409
    assert differs.post(f"{CAMPAIGN}/appeals", {"entry": "0x07"}).status_code == 422
    other = BrowserDouble(app, "other", now=clock)
    assert other.sign_in().status_code == 201
    assert other.post(f"{CAMPAIGN}/appeals", {"entry": entry}).status_code == 422
    desk.earnings.appeal_until = int(clock()) - 1
    late = differs.appeal(0, REASONS[0])
    assert (late.status_code, late.get_json()["code"]) == (409, "APPEAL-LATE")
    assert desk.rows == rows


def test_answer__by_an_expert__is_shown_to_the_contributor_with_what_follows(
    differs: BrowserDouble, expert: BrowserDouble, desk: FakeDesk
) -> None:
    assert "No appeal waits for you" in expert.get(APPEALS).text
    assert differs.appeal(0, REASONS[0]).status_code == 201
    page = expert.get(APPEALS).text
    for shown in (REASONS[0], "<strong>3</strong>", "<strong>9</strong>", "1 × 3", VERDICTS[1]):
        assert shown in page
    assert "/campaigns/1/items/0" in page
    assert differs.address.hex() not in page.lower()  # the expert judges the item, not the person
    assert "A seven may have a bar." in page

    answered = expert.adjudicate(desk.item_id(0), "3", VERDICTS[0])
    assert answered.status_code == 201
    assert "No appeal waits for you" in expert.get(APPEALS).text
    history = differs.get(HISTORY).text
    assert f"found <strong>3</strong>, as you did: {VERDICTS[0]}" in history
    assert "What is final stays as it was paid" in history


def test_answer__that_may_not_be__changes_nothing(
    app: Flask,
    differs: BrowserDouble,
    expert: BrowserDouble,
    desk: FakeDesk,
    community: Community,
    clock: Clock,
) -> None:
    item = desk.item_id(0)
    assert expert.adjudicate(item, "3", VERDICTS[0]).status_code == 409  # nobody objected
    assert differs.appeal(0, REASONS[0]).status_code == 201
    rows = list(desk.rows)
    refused = {
        "no_expert": differs.adjudicate(item, "3", VERDICTS[0]),
        "ADJUDICATION-REASON": expert.adjudicate(item, "3", "They are a friend of mine."),
        "ADJUDICATION-ANSWER": expert.adjudicate(item, "ten", VERDICTS[0]),
        "ADJUDICATION-APPEAL": expert.adjudicate(desk.item_id(1), "3", VERDICTS[0]),
    }
    assert {answer.get_json()["code"]: answer.status_code for answer in refused.values()} == (
        dict.fromkeys(refused, 409)
    )
    forged = expert.adjudication(item, "3", VERDICTS[0])["entry"][:-130] + "11" * 64 + "1b"
    assert expert.post(f"{CAMPAIGN}/adjudications", {"entry": forged}).status_code == 409
    stolen = expert.adjudication(item, "3", VERDICTS[0])
    assert differs.post(f"{CAMPAIGN}/adjudications", stolen).status_code == 422

    # Whoever appealed may be an expert too: not of what they labeled themselves.
    community.learning.publish(1, course(experts=["0x" + differs.address.hex()]))
    own = differs.adjudicate(item, "3", VERDICTS[0])
    assert own.get_json()["code"] == "ADJUDICATION-EXPERT"
    assert "No appeal waits for you" in differs.get(APPEALS).text
    assert desk.rows == rows


def test_answer__twice__the_first_stands(
    differs: BrowserDouble, expert: BrowserDouble, desk: FakeDesk
) -> None:
    assert differs.appeal(0, REASONS[0]).status_code == 201
    body = expert.adjudication(desk.item_id(0), "3", VERDICTS[0])
    first = expert.post(f"{CAMPAIGN}/adjudications", body).get_json()["position"]
    rows = list(desk.rows)
    assert expert.post(f"{CAMPAIGN}/adjudications", body).get_json()["position"] == first
    assert expert.adjudicate(desk.item_id(0), "9", VERDICTS[1]).status_code == 409
    assert desk.rows == rows


def test_appeals__tab__is_of_experts_alone(
    visitor: BrowserDouble, contributor: BrowserDouble, expert: BrowserDouble
) -> None:
    assert f'href="{APPEALS}"' in expert.get("/campaigns/1").text
    for browser in (visitor, contributor):
        assert f'href="{APPEALS}"' not in browser.get("/campaigns/1").text
    assert contributor.get(APPEALS).status_code == 409
