"""Earning: live sums, claims of everything, one's own labels and nobody else's."""

from __future__ import annotations

import json

from flask import Flask

from oracle.community.community import Community
from oracle.ports import CampaignEarnings
from tests.webapp.browser_double import ORIGIN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import UNIT, FakeDesk
from tests.webapp.fake_earnings import RECEIPT
from webapp import Settings, create_app

STREAM = "/api/earnings/stream"


def labeled(contributor: BrowserDouble) -> None:
    contributor.lease()
    assert contributor.submit({0: "3", 1: "4"}).status_code == 201


def event(text: str) -> dict[str, str]:
    return dict(
        line.split(": ", 1) for line in text.splitlines() if not line.startswith(":") and line
    )


def test_earnings__nothing_labeled__lead_to_work(contributor: BrowserDouble) -> None:
    page = contributor.get("/earnings").text
    assert "Nothing yet." in page
    assert "disabled>Claim all" in page


def test_earnings__pending_locked_and_final__are_told_apart(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    labeled(contributor)
    desk.earnings.locked = UNIT // 25
    page = contributor.get("/earnings").text
    assert "likely about 0.084 LABEL; next pay in 4 min" in page
    assert '">until <time' in page
    desk.earnings.locked = 0
    desk.finalize()
    page = contributor.get("/earnings").text
    assert 'data-field="claimable">0.1 LABEL' in page
    assert "disabled>Claim all" not in page


def test_stream__says_what_is_new_and_ends__and_nothing_where_nothing_is(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    labeled(contributor)
    answer = contributor.get(STREAM)
    assert answer.content_type.startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    first = event(answer.text)
    assert int(first["retry"]) >= 1000
    assert json.loads(first["data"])["campaigns"][0]["pending"] == 2
    again = contributor.get(STREAM, headers={"Last-Event-ID": first["id"]}).text
    assert event(again) == {"retry": first["retry"]}
    desk.finalize()
    second = event(contributor.get(STREAM, headers={"Last-Event-ID": first["id"]}).text)
    assert second["id"] != first["id"]
    assert json.loads(second["data"])["claimable"] == str(UNIT // 10)
    assert json.loads(second["data"]) == {
        name: value
        for name, value in contributor.get("/api/earnings").get_json().items()
        if name != "network"
    }


def test_stream__signed_out__ends_for_good(contributor: BrowserDouble) -> None:
    contributor.http.delete(
        "/api/session", base_url=contributor.origin, headers={"Origin": contributor.origin}
    )
    assert contributor.get(STREAM).status_code == 401


def test_claim_all__several_campaigns__moves_it_once(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    labeled(contributor)
    refused = contributor.post("/api/earnings/claims")
    assert refused.status_code == 422
    assert "nothing to claim yet" in refused.get_json()["detail"]
    assert contributor.get("/api/earnings/claim-call").status_code == 422
    desk.finalize()
    desk.earnings.more = [
        CampaignEarnings(2, "Other work", 3, 0, 0, 3, UNIT, 0, 0, None, None, True)
    ]
    call = contributor.get("/api/earnings/claim-call").get_json()
    assert call["to"].lower() == "0x" + desk.chain.escrow.hex()
    claimed = contributor.post("/api/earnings/claims")
    assert claimed.status_code == 201
    assert claimed.get_json()["campaigns"] == 2
    assert claimed.get_json()["amount"] == str(UNIT + UNIT // 10)
    assert contributor.get("/api/earnings").get_json()["claimable"] == "0"
    assert contributor.post("/api/earnings/claims").status_code == 422


def test_history__each_label__has_status_reason_and_receipt(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    labeled(contributor)
    assert "Its item is still open" in contributor.get("/earnings/campaigns/1").text
    desk.earnings.outcomes = {0: "3", 1: "7"}
    page = contributor.get("/earnings/campaigns/1").text
    assert "So did the answer found from 3 labels." in page
    assert "The answer found from 3 labels is <strong>7</strong>" in page
    assert RECEIPT.cid in page
    assert "0x" + RECEIPT.digest.hex() in page
    assert page.count('class="appeal"') == 1


def test_history__evidence__is_linked_where_a_content_gateway_is_named(
    contributor: BrowserDouble, desk: FakeDesk, community: Community, clock: Clock
) -> None:
    labeled(contributor)
    desk.earnings.outcomes = {0: "3", 1: "7"}
    assert "/ipfs/" not in contributor.get("/earnings/campaigns/1").text
    settings = Settings((ORIGIN,), b"k" * 32, content_gateway="https://ipfs.example")
    browser = BrowserDouble(create_app(desk, community, settings, now=clock), now=clock)
    assert browser.sign_in().status_code == 201
    page = browser.get("/earnings/campaigns/1").text
    assert f'href="https://ipfs.example/ipfs/{RECEIPT.cid}?format=raw" rel="external' in page


def test_history__more_than_a_page__goes_on_where_it_ended(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    desk.earnings.page = 2
    contributor.lease()
    for number in range(3):
        contributor.submit({number: "3"}, sequence=number + 1)
    newest = contributor.get("/earnings/campaigns/1").text
    assert ["Item 2" in newest, "Item 1" in newest, "Item 0" in newest] == [True, True, False]
    older = newest.split("?before=")[1].split('"')[0]
    page = contributor.get(f"/earnings/campaigns/1?before={older}").text
    assert ["Item 2" in page, "Item 1" in page, "Item 0" in page] == [False, False, True]
    assert "Older" not in page
    assert "There is nothing older" in contributor.get("/earnings/campaigns/1?before=1").text


def test_history__of_somebody_else__is_seen_nowhere(
    app: Flask, contributor: BrowserDouble, desk: FakeDesk, clock: Clock
) -> None:
    labeled(contributor)
    desk.earnings.outcomes = {0: "9", 1: "9"}
    other = BrowserDouble(app, "other", now=clock)
    assert other.sign_in().status_code == 201
    assert "You haven't labeled here yet" in other.get("/earnings/campaigns/1").text
    assert other.get("/api/earnings").get_json()["campaigns"] == []
