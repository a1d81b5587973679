"""Finding work: what an offer says, how the list is ordered and narrowed, what a lock explains."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from flask import Flask

from oracle.community.community import Community
from oracle.ports import Offer, RequesterRecord
from tests.support.courses import course
from tests.webapp.browser_double import ORIGIN, BrowserDouble
from tests.webapp.fake_desk import UNIT, FakeDesk
from webapp import Settings, create_app
from webapp.offers import priced

RATES = {"EUR": Decimal("0.35"), "USD": Decimal("0.4")}


@pytest.fixture
def app(desk: FakeDesk, community: Community) -> Flask:
    desk.check_qualified = community.learning.check_qualified
    return create_app(desk, community, Settings((ORIGIN,), b"k" * 32, rates=RATES))


def another(desk: FakeDesk, number: int, **changes: object) -> Offer:
    """Put one more campaign on offer."""
    offer = desk.market.offers(None)[0]
    titled = replace(offer.campaign, number=number, title=f"Campaign {number}", **changes)  # type: ignore[arg-type]
    offer = replace(
        offer,
        campaign=titled,
        seconds_per_item=60,
        seconds_measured=True,
        hourly=titled.expected_reward * 60,
        requester=RequesterRecord(b"\x9e" * 20, 2, 12 * UNIT, 4, 420),
    )
    desk.market.more.append(offer)
    return offer


def titles(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/campaigns/\d+">([^<]+)</a></h2>', page)


def test_offer__shows_pay_pace_progress_next_pay_and_requester(
    visitor: BrowserDouble, desk: FakeDesk
) -> None:
    another(desk, 2)
    page = visitor.get("/").text
    for text in (
        "about 50 LABEL",  # 0.042 an item, 1,200 items an hour
        "at the requester&#39;s pace",
        "as the requester says",
        "21 left",
        "in 4 min",
        "no round finished yet",
        "about 2.5 LABEL",  # 0.042 an item, 60 items an hour
        "at the pace of those who passed",
        "measured; the requester says 3 s",
        "2 campaigns, 12 LABEL paid out, pay was final 7 min after a round",
    ):
        assert text.replace("&#39;", "'") in page.replace("&#39;", "'")


def test_offers__sorted_and_narrowed__by_the_address_alone(
    visitor: BrowserDouble, desk: FakeDesk
) -> None:
    another(desk, 2, reward=UNIT, task={"type": "boxes"})
    assert titles(visitor.get("/").text) == ["Campaign 2", "Handwritten digits"]
    assert titles(visitor.get("/?sort=hourly").text) == ["Handwritten digits", "Campaign 2"]
    assert titles(visitor.get("/?sort=reward").text) == ["Campaign 2", "Handwritten digits"]
    assert titles(visitor.get("/?sort=quick").text) == ["Handwritten digits", "Campaign 2"]
    assert titles(visitor.get("/?task=boxes").text) == ["Campaign 2"]
    assert titles(visitor.get("/?sort=%22%3E&task=nonsense&currency=%3Cb%3E").text) == [
        "Campaign 2",
        "Handwritten digits",
    ]
    empty = visitor.get("/?task=spans").text
    assert "Nothing fits." in empty
    assert "Show all campaigns" in empty


def test_offers__in_a_currency__are_priced_beside_tokens_and_say_by_whom(
    visitor: BrowserDouble,
) -> None:
    assert "EUR are a guide" not in visitor.get("/").text
    page = visitor.get("/?currency=EUR").text
    assert "0.017 EUR" in page  # 0.05 LABEL
    assert "17.64 EUR" in page  # 50.4 LABEL an hour
    assert "1 LABEL = 0.35 EUR, as the operator of this page set it" in page


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (UNIT, "0.35 EUR"),
        (0, "0.00 EUR"),
        (UNIT // 1000, "0.00035 EUR"),
        (10_000 * UNIT, "3,500.00 EUR"),
    ],
)
def test_priced__cuts_and_never_rounds_up(desk: FakeDesk, amount: int, text: str) -> None:
    assert priced(amount, desk.chain, "EUR", RATES) == text


def test_lock__exam_to_pass__says_why_and_leads_there(
    contributor: BrowserDouble, community: Community
) -> None:
    assert "Locked" not in contributor.get("/").text
    community.learning.publish(1, course())
    page = contributor.get("/").text
    assert "This campaign has a short exam: pass it first" in page
    assert 'href="/campaigns/1/exam"' in page
    assert titles(contributor.get("/?open=1").text) == []


def test_lock__closed_campaign__says_so(visitor: BrowserDouble, desk: FakeDesk) -> None:
    desk.view = replace(desk.view, accepting=False)
    assert "The requester has closed it" in visitor.get("/").text
