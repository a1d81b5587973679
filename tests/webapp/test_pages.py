from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.errors import ChainError
from oracle.ports import Media
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.fake_desk import FakeDesk, digit_picture
from webapp.presenting import about, duration, percent, tokens

HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}"


def test_index__campaign__shows_reward_pay_time_and_progress(visitor: BrowserDouble) -> None:
    page = visitor.get("/").text
    for text in (
        "Handwritten digits",
        "0.05 LABEL",
        "about 0.042 LABEL",
        "about 3 s",
        ">4</span> of 25 items",
    ):
        assert text in page
    assert 'href="/campaigns/1"' in page
    assert "<script" not in page


def test_index__no_campaign__says_so(visitor: BrowserDouble, desk: FakeDesk) -> None:
    desk.campaigns = list  # type: ignore[method-assign, assignment]
    assert "no campaign at the moment" in visitor.get("/").text


def test_campaign__page__shows_guidelines_and_consent(visitor: BrowserDouble) -> None:
    page = visitor.get("/campaigns/1").text
    assert "A one may have a foot or a flag" in page
    assert "Your network address and how long you took" in page
    assert "30 % of the reward" in page
    assert 'data-campaign="1"' in page


@pytest.mark.parametrize("field", ["title", "description", "guideline_text", "consent_text"])
def test_campaign__hostile_texts__are_escaped(
    visitor: BrowserDouble, desk: FakeDesk, field: str
) -> None:
    desk.view = replace(desk.view, **{field: HOSTILE})
    for path in ("/", "/campaigns/1"):
        page = visitor.get(path).text
        assert "<img src=x" not in page
        assert "49" not in page
    assert "&lt;img src=x" in visitor.get("/campaigns/1").text


def test_campaign__unknown__is_a_page_that_leads_back(visitor: BrowserDouble) -> None:
    answer = visitor.get("/campaigns/2")
    assert answer.status_code == 404
    assert "There is no campaign 2: choose one from the list." in answer.text
    assert 'href="/"' in answer.text
    assert visitor.get("/api/campaigns/2").get_json()["status"] == 404


def test_campaign__data__is_what_the_script_signs_with(
    visitor: BrowserDouble, desk: FakeDesk
) -> None:
    body = visitor.get("/api/campaigns/1").get_json()
    assert body["network"]["chainId"] == 31337
    assert body["network"]["escrow"] == "0x" + "5f" * 20
    assert body["campaign"]["consent"] == "0x" + desk.view.consent.hex()
    assert len(body["campaign"]["operatorKeys"]) == 3
    assert body["campaign"]["reward"] == "50000000000000000"


def test_media__picture__is_sent_as_it_is(visitor: BrowserDouble) -> None:
    answer = visitor.get("/campaigns/1/items/3")
    assert answer.content_type == "image/png"
    assert answer.data == digit_picture(3)
    assert visitor.get("/campaigns/1/items/25").status_code == 422


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "text/html\r\nX-Evil: 1"])
def test_media__types_that_can_run_script__are_downloads(
    visitor: BrowserDouble, desk: FakeDesk, kind: str
) -> None:
    desk.media = lambda campaign, item, viewer: Media(kind, b"<svg/>")  # type: ignore[method-assign]
    answer = visitor.get("/campaigns/1/items/3")
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "X-Evil" not in answer.headers


def test_failure__of_a_part__is_a_503_without_its_inner_text(
    visitor: BrowserDouble, desk: FakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    assert visitor.get("/healthz").get_json() == {"status": "ok", "chainId": 31337}
    desk.failure = ChainError("connection to 10.0.0.7:8545 refused: start the node")
    for path in ("/", "/campaigns/1", "/api/campaigns/1", "/healthz"):
        answer = visitor.get(path)
        assert answer.status_code == 503
        assert "Try again in a minute" in answer.text
        assert "10.0.0.7" not in answer.text
    assert "10.0.0.7" in caplog.text


def test_bug__in_a_view__is_a_500_in_plain_words(
    visitor: BrowserDouble, desk: FakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    desk.network = broken  # type: ignore[method-assign, assignment]
    answer = visitor.get("/api/campaigns/1")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 LABEL"),
        (1, "0 LABEL"),
        (5 * 10**16, "0.05 LABEL"),
        (10**18, "1 LABEL"),
        (1_234_567 * 10**18 + 999_999_999_999_999_999, "1,234,567.999999 LABEL"),
    ],
)
def test_tokens__base_units__are_cut_never_rounded_up(
    desk: FakeDesk, amount: int, text: str
) -> None:
    assert tokens(amount, desk.chain) == text


def test_tokens__no_decimals__is_the_integer(desk: FakeDesk) -> None:
    assert tokens(1200, replace(desk.chain, decimals=0)) == "1,200 LABEL"


def test_small_filters__values__read_well(desk: FakeDesk) -> None:
    assert about(42_006 * 10**12, desk.chain) == "about 0.042 LABEL"
    assert about(0, desk.chain) == "about 0 LABEL"
    assert (duration(5), duration(300)) == ("5 s", "5 min")
    assert (percent(300_000), percent(12_500)) == ("30 %", "1.2 %")
