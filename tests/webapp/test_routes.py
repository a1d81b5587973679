"""Every route, by role: who may ask for it, and what a change by somebody else changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

import webapp
from oracle.community.community import Community
from oracle.evidence.signing import checksum
from oracle.replay.showcase import SHOWCASES
from tests.support.courses import course
from tests.webapp.browser_double import ORIGIN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import FakeDesk

ANYBODY, PERSON, EXPERT, REDIRECT = "anybody", "person", "expert", "redirect to sign in"
# What is needed, by endpoint and method. A route that is missing here fails the first test.
ROUTES: dict[tuple[str, str], str] = {
    ("static", "GET"): ANYBODY,
    ("health", "GET"): ANYBODY,
    ("campaigns.index", "GET"): ANYBODY,
    ("campaigns.show", "GET"): ANYBODY,
    ("campaigns.read", "GET"): ANYBODY,
    ("campaigns.network", "GET"): ANYBODY,
    ("campaigns.media", "GET"): ANYBODY,
    ("campaigns.second", "GET"): ANYBODY,
    ("session.challenge", "POST"): ANYBODY,
    ("session.sign_in", "POST"): ANYBODY,
    ("session.read", "GET"): ANYBODY,
    ("session.sign_out", "DELETE"): ANYBODY,
    ("session.page", "GET"): ANYBODY,
    ("session.leave", "POST"): ANYBODY,
    ("labels.delegate", "POST"): PERSON,
    ("labels.lease", "POST"): PERSON,
    ("labels.submit", "POST"): PERSON,
    ("labels.skip", "POST"): PERSON,
    ("claims.status", "GET"): PERSON,
    ("claims.claim", "POST"): PERSON,
    ("earnings.show", "GET"): REDIRECT,
    ("earnings.history", "GET"): REDIRECT,
    ("earnings.read", "GET"): PERSON,
    ("earnings.stream", "GET"): PERSON,
    ("earnings.claim", "POST"): PERSON,
    ("earnings.claim_call", "GET"): PERSON,
    ("appeals.appeal", "POST"): PERSON,
    ("appeals.show", "GET"): REDIRECT,
    ("appeals.answer", "POST"): EXPERT,
    ("account.show", "GET"): REDIRECT,
    ("account.declare", "POST"): PERSON,
    ("account.end_session", "POST"): PERSON,
    ("account.end_others", "POST"): PERSON,
    ("account.export", "GET"): PERSON,
    ("account.confirm_deletion", "GET"): REDIRECT,
    ("account.delete", "POST"): PERSON,
    ("privacy.notice", "GET"): ANYBODY,
    ("privacy.terms", "GET"): ANYBODY,
    ("tutorial.index", "GET"): ANYBODY,
    ("tutorial.show", "GET"): ANYBODY,
    ("tutorial.finish", "POST"): PERSON,
    ("guidelines.show", "GET"): ANYBODY,
    ("guidelines.picture", "GET"): ANYBODY,
    ("training.show", "GET"): ANYBODY,
    ("training.answer", "POST"): PERSON,
    ("training.exam", "GET"): ANYBODY,
    ("training.begin", "POST"): PERSON,
    ("training.hand_in", "POST"): PERSON,
    ("growth.show", "GET"): REDIRECT,
    ("growth.choose", "POST"): PERSON,
    ("growth.board", "GET"): ANYBODY,
    ("ratings.show", "GET"): ANYBODY,
    ("ratings.rate", "POST"): PERSON,
    ("proposals.show", "GET"): ANYBODY,
    ("proposals.propose", "POST"): PERSON,
    ("proposals.support", "POST"): PERSON,
    ("proposals.answer", "POST"): EXPERT,
    ("inbox.show", "GET"): ANYBODY,
    ("inbox.ask", "POST"): PERSON,
    ("inbox.answer", "POST"): EXPERT,
}
VALUES = {"number": 1, "item": 0, "step": "welcome", "question": 1, "proposal": 1, "version": 1}
SAFE = ("GET",)
PAIRS = next(one for one in SHOWCASES if one.task["type"] == "pairwise")


@dataclass
class Asker:
    """Sends a request to a route, with values that exist."""

    app: Flask

    def ask(
        self,
        browser: BrowserDouble,
        endpoint: str,
        method: str,
        form: Mapping[str, str] | None = None,
        **headers: str,
    ) -> TestResponse:
        adapter = self.app.url_map.bind("127.0.0.1:8000")
        rules = [rule for rule in self.app.url_map.iter_rules(endpoint) if method in rule.methods]
        values = {name: VALUES.get(name, "style.css") for name in rules[0].arguments}
        return browser.http.open(
            adapter.build(endpoint, values, method),
            method=method,
            base_url=ORIGIN,
            headers={"Origin": ORIGIN, **headers},
            **(
                {}
                if method in SAFE
                else {"data": {"text": "Long enough to be a text.", **(form or {})}}
            ),
        )


@pytest.fixture
def asker(app: Flask, community: Community) -> Asker:
    community.learning.publish(1, course())
    return Asker(app)


def needing(*wanted: str) -> list[tuple[str, str]]:
    return [route for route, needed in ROUTES.items() if needed in wanted]


def test_routes__of_the_application__are_all_listed(app: Flask) -> None:
    found = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(ROUTES)


@pytest.mark.parametrize(("endpoint", "method"), needing(PERSON, EXPERT))
def test_routes__of_people__refuse_a_visitor_and_change_nothing(
    asker: Asker,
    visitor: BrowserDouble,
    desk: FakeDesk,
    community: Community,
    endpoint: str,
    method: str,
) -> None:
    answer = asker.ask(visitor, endpoint, method)
    assert answer.status_code == 401
    assert "Sign in" in answer.get_data(as_text=True)
    assert desk.rows == []
    exported = community.privacy.export(bytes(20))
    assert not any(isinstance(rows, list) and rows for rows in exported.values())


@pytest.mark.parametrize(("endpoint", "method"), needing(REDIRECT))
def test_routes__to_look_at_ones_own__lead_a_visitor_to_sign_in(
    asker: Asker, visitor: BrowserDouble, endpoint: str, method: str
) -> None:
    answer = asker.ask(visitor, endpoint, method)
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in?next=/")


@pytest.mark.parametrize(("endpoint", "method"), needing(ANYBODY))
def test_routes__for_anybody__answer_a_visitor(
    asker: Asker, visitor: BrowserDouble, endpoint: str, method: str
) -> None:
    with asker.ask(visitor, endpoint, method) as answer:
        assert answer.status_code not in (401, 403, 500)


@pytest.mark.parametrize(("endpoint", "method"), [one for one in ROUTES if one[1] not in SAFE])
def test_routes__that_change__refuse_every_other_origin(
    asker: Asker,
    contributor: BrowserDouble,
    desk: FakeDesk,
    community: Community,
    endpoint: str,
    method: str,
) -> None:
    before = community.privacy.export(contributor.address)
    for origin in ("http://evil.example", "null", ""):
        assert asker.ask(contributor, endpoint, method, Origin=origin).status_code == 403
    assert community.privacy.export(contributor.address) == before
    assert contributor.get("/api/session").get_json()["address"]


def test_routes__of_an_expert__refuse_others(
    asker: Asker, contributor: BrowserDouble, community: Community
) -> None:
    community.inbox.ask(1, contributor.address, "What about a crossed zero?")
    for endpoint, method in (*needing(EXPERT), ("appeals.show", "GET")):
        assert asker.ask(contributor, endpoint, method).status_code in (409, 415)
    assert community.inbox.read(1, None)[0].answer is None
    community.learning.publish(1, course(experts=["0x" + contributor.address.hex()]))
    assert asker.ask(contributor, "inbox.answer", "POST").status_code == 303
    assert community.inbox.read(1, None)[0].answer == "Long enough to be a text."


@pytest.mark.parametrize(("endpoint", "method"), needing(PERSON, EXPERT))
def test_routes_of_people__from_a_page_of_another_account__are_refused_and_change_nothing(
    asker: Asker,
    contributor: BrowserDouble,
    desk: FakeDesk,
    community: Community,
    endpoint: str,
    method: str,
) -> None:
    """A browser's tabs share their cookie: a tab may still show whom another one signed out."""
    community.learning.publish(1, course(experts=["0x" + contributor.address.hex()]))
    community.inbox.ask(1, contributor.address, "What about a crossed zero?")
    before, rows = community.privacy.export(contributor.address), list(desk.rows)
    other, own = "0x" + "c0" * 20, checksum(contributor.address)
    adapter = asker.app.url_map.bind("127.0.0.1:8000")
    answers = [asker.ask(contributor, endpoint, method, **{"DDLP-Account": other})]
    if method not in SAFE:
        answers.append(asker.ask(contributor, endpoint, method, form={"account": other}))
    if endpoint == "earnings.stream":
        answers.append(contributor.get(f"{adapter.build(endpoint)}?account={other}"))
    for answer in answers:
        assert answer.status_code == 401
        assert "Another account is signed in" in answer.get_data(as_text=True)
    assert community.privacy.export(contributor.address) == before
    assert community.inbox.read(1, None)[0].answer is None
    assert desk.rows == rows
    if endpoint != "account.delete":
        mine = asker.ask(contributor, endpoint, method, **{"DDLP-Account": own})
        assert mine.status_code != 401


def test_forms__of_every_page__say_whom_they_were_made_for(contributor: BrowserDouble) -> None:
    for path in Path(webapp.__file__).parent.glob("templates/**/*.html"):
        if path.name != "base.html":  # signing out, which is for whoever is signed in
            forms = re.findall(
                r'<form method="post"[^>]*>(.{18})', path.read_text(encoding="utf-8")
            )
            assert set(forms) <= {"{{ as_account() }}"}, path.name
    page = contributor.get("/account").text
    assert f'name="account" value="{checksum(contributor.address)}"' in page


def test_routes_of_items__restricted_campaign__answer_whom_they_were_leased_to_alone(
    contributor: BrowserDouble,
    visitor: BrowserDouble,
    app: Flask,
    desk: FakeDesk,
    clock: Clock,
) -> None:
    desk.restricted, desk.showcase = True, PAIRS
    other = BrowserDouble(app, "other", now=clock)
    assert other.sign_in().status_code == 201
    assert other.delegate().status_code == 201
    asker, routes = Asker(app), ("campaigns.media", "campaigns.second")
    for browser in (visitor, contributor, other):
        assert [asker.ask(browser, route, "GET").status_code for route in routes] == [403, 403]
    assert contributor.lease(1).get_json()["items"][0]["number"] == VALUES["item"]
    for route in routes:
        answer = asker.ask(contributor, route, "GET")
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
        # Whoever uses the browser next isn't shown it.
        assert answer.headers["Cache-Control"] == "no-store"
        assert asker.ask(visitor, route, "GET").status_code == 403
        assert asker.ask(other, route, "GET").status_code == 403


def test_two_people__each__sees_and_changes_only_their_own(
    app: Flask, contributor: BrowserDouble, community: Community, clock: Clock
) -> None:
    other = BrowserDouble(app, "other", now=clock)
    assert other.sign_in().status_code == 201
    community.privacy.declare(contributor.address, "pt-BR", "BR")
    form = {"headers": {"Origin": ORIGIN}, "base_url": ORIGIN}
    mine = community.sessions.listed(contributor.address, "", "")[0].name
    assert other.http.post("/account/sessions/end", data={"name": mine}, **form).status_code == 422
    assert other.http.post("/account/sessions/end-others", **form).status_code == 303
    assert other.http.post("/account/delete", **form).status_code == 303
    assert contributor.get("/api/session").get_json()["address"]
    assert community.privacy.profile(contributor.address) == ("pt-BR", "BR")
    assert contributor.address.hex() not in other.get("/account/export.json").text.lower()
    assert other.get("/api/session").get_json() == {"address": None}
