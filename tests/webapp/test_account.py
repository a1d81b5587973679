from __future__ import annotations

import json

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from oracle.community.community import Community
from tests.webapp.browser_double import CAMPAIGN, ORIGIN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app


def send(browser: BrowserDouble, path: str, **fields: str) -> TestResponse:
    """Send a form of the page."""
    return browser.http.post(path, data=fields, base_url=ORIGIN, headers={"Origin": ORIGIN})


def test_account__page__lists_sessions_and_agreements(contributor: BrowserDouble) -> None:
    page = contributor.get("/account").text
    assert "this browser" in page
    assert "Privacy notice, version 2." in page
    assert "Terms of campaign 1." in page
    assert contributor.get("/account").headers["Cache-Control"] == "no-store"


def test_session__revoked_in_another_browser__is_over_at_once(
    app: Flask, contributor: BrowserDouble, clock: Clock
) -> None:
    laptop = BrowserDouble(app, now=clock)
    laptop.sign_in()
    assert laptop.get("/api/session").get_json()["address"]
    assert send(contributor, "/account/sessions/end-others").status_code == 303
    assert laptop.get("/api/session").get_json() == {"address": None}
    assert laptop.post(f"{CAMPAIGN}/leases", {"count": 1}).status_code == 401
    assert contributor.get("/api/session").get_json()["address"]


def test_session__signed_out__a_copied_cookie_opens_nothing(contributor: BrowserDouble) -> None:
    with contributor.http.session_transaction(base_url=ORIGIN) as session:
        stolen = dict(session)
    assert send(contributor, "/sign-out").status_code == 303
    with contributor.http.session_transaction(base_url=ORIGIN) as session:
        session.update(stolen)
    assert contributor.get("/api/session").get_json() == {"address": None}


def test_session__after_its_hours__is_over(
    contributor: BrowserDouble, community: Community, clock: Clock
) -> None:
    clock.seconds += community.session_seconds - 1
    assert contributor.get("/account").status_code == 200
    clock.seconds += 1
    assert contributor.get("/account").status_code == 302


def test_profile__declared__is_kept_shown_and_taken_back(
    contributor: BrowserDouble, community: Community
) -> None:
    assert send(contributor, "/account/profile", language="pt-BR", region="").status_code == 303
    assert 'value="pt-BR"' in contributor.get("/account").text
    refused = send(contributor, "/account/profile", language='"><script>', region="")
    assert refused.status_code == 422
    assert "<script>" not in refused.text
    assert community.privacy.profile(contributor.address) == ("pt-BR", "")
    send(contributor, "/account/profile", language="", region="")
    assert community.privacy.profile(contributor.address) == ("", "")


def test_export__file__holds_what_is_kept_and_no_key_to_a_session(
    contributor: BrowserDouble,
) -> None:
    answer = contributor.get("/account/export.json")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=ddlp-")
    found = json.loads(answer.data)
    assert found["contributor"] == "0x" + contributor.address.hex()
    with contributor.http.session_transaction(base_url=ORIGIN) as session:
        assert session["token"] not in answer.text
    assert len(found["agreements"]) == 2


def test_delete__asked_twice__takes_everything_and_signs_out(
    contributor: BrowserDouble, community: Community
) -> None:
    warned = contributor.get("/account/delete").text
    assert "nobody can delete" in warned
    assert community.privacy.export(contributor.address)["web_sessions"]
    assert send(contributor, "/account/delete").status_code == 303
    exported = community.privacy.export(contributor.address)
    assert not any(rows for rows in exported.values() if isinstance(rows, list))
    assert contributor.get("/api/session").get_json() == {"address": None}


def test_rates__many_sign_ins_from_one_place__wait(visitor: BrowserDouble, app: Flask) -> None:
    codes = [
        visitor.post("/api/session/challenge", {"address": "0x" + "01" * 20}).status_code
        for _ in range(31)
    ]
    assert codes == [200] * 30 + [429]
    assert "Wait a minute" in visitor.post("/api/session/challenge").get_json()["detail"]


def test_rates__many_changes_by_one_person__wait(
    desk: FakeDesk, community: Community, clock: Clock
) -> None:
    settings = Settings((ORIGIN,), b"k" * 32, writes_a_second=1)
    person = BrowserDouble(create_app(desk, community, settings, now=clock), now=clock)
    person.sign_in()
    codes = [send(person, "/learn/welcome").status_code for _ in range(61)]
    assert codes == [303] * 60 + [429]
    assert person.get("/learn").status_code == 200
    clock.seconds += 1
    assert send(person, "/learn/welcome").status_code == 303


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/campaigns/1", "/campaigns/1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tevil", "/"),
        ("", "/"),
    ],
)
def test_sign_in__next_page__is_one_of_ours(
    visitor: BrowserDouble, wanted: str, given: str
) -> None:
    page = visitor.get("/sign-in", query_string={"next": wanted}).text
    assert f'data-next="{given}"' in page
