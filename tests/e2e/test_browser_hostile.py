"""A requester who writes markup into everything, without a blank, and turns it round; and people
whose thumbs slip and whose phones tell another time: in a real Chromium.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from oracle.gateway.campaign_files import Item, ItemMedia
from oracle.replay.showcase import Showcase
from oracle.transport.listening import listening
from tests.e2e.chromium import DESKTOP, SMALL_PHONE, TestWallet, free_port, screenshot, watch
from tests.support.people import community_in
from tests.webapp.fake_desk import FakeDesk, digit_picture
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
expect.set_options(timeout=30_000)

EVIL = "<img src=x onerror=document.body.dataset.owned=1><svg onload=alert(1)>\"'`{{7*7}}\u202etxet"
LONG = "W" * 120
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"
NAMES = [f"{EVIL}{LONG}", f"</script>{LONG}b"]
REGIONS = {"classes": NAMES, "scale": 1000, "most": 5, "match": 500_000}
TASKS: dict[str, dict[str, Any]] = {
    "categorical": {"classes": NAMES},
    "ordinal": {"classes": NAMES},
    "pairwise": {"classes": NAMES},
    "multilabel": {"labels": NAMES, "attributes": {f"{EVIL}{LONG}": NAMES}, "match": 500_000},
    "boxes": REGIONS,
    "spans": {"classes": NAMES, "most": 5, "match": 500_000},
    "text": {"maxLength": 1000, "match": 500_000},
}


def showcase(kind: str) -> Showcase:
    """A campaign whose every text is hostile."""

    def make(number: int) -> tuple[Item, Any]:
        picture = ItemMedia("image/png", data=digit_picture(number))
        media = picture if kind == "boxes" else None
        return Item(f"../{EVIL}.svg", text=f"{EVIL} {LONG} {number}", media=media), None

    return Showcase(f"{EVIL}{LONG}", EVIL, EVIL, 5, {"type": kind, **TASKS[kind]}, make)


@pytest.fixture
def serve(browser: Browser) -> Iterator[Callable[..., tuple[BrowserContext, Page, str]]]:
    """Serve a desk; open its campaign with a wallet."""
    with ExitStack() as stack:

        def begin(desk: FakeDesk, **options: Any) -> tuple[BrowserContext, Page, str]:
            port = free_port()
            origin = f"http://127.0.0.1:{port}"
            app = create_app(
                desk, stack.enter_context(community_in()), Settings((origin,), b"k" * 32)
            )
            stack.enter_context(listening(app, "127.0.0.1", port))
            context = browser.new_context(**{"viewport": DESKTOP, **options})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            TestWallet.named("contributor", 31337).install(page)
            return context, page, origin

        yield begin


def begin_to_label(page: Page) -> None:
    page.get_by_role("button", name="Use Test Wallet").click()
    page.get_by_role("button", name="I agree").click()
    expect(page.locator('[data-panel="label"]')).to_be_visible()


def harm(page: Page) -> list[str]:
    """What markup of the requester's has become, and what no longer fits."""
    found = page.evaluate(
        """() => [
          document.body.dataset.owned ? 'a script ran' : '',
          document.querySelector('[src="x"], [onerror], [onload]') ? 'markup' : '',
          document.documentElement.scrollWidth > innerWidth
            ? `wider than the screen: ${document.documentElement.scrollWidth}` : '',
        ]"""
    )
    return [f"{page.url}: {one}" for one in found if one]


@pytest.mark.parametrize("kind", TASKS)
def test_requester__writes_markup_without_a_blank_everywhere__it_stays_text_and_fits(
    serve: Callable[..., tuple[BrowserContext, Page, str]], kind: str
) -> None:
    desk = FakeDesk(showcase=showcase(kind), items=2)
    texts = {"description": EVIL + LONG, "guideline_text": EVIL + LONG, "consent_text": EVIL + LONG}
    desk.view = replace(desk.view, **texts)
    _, page, origin = serve(desk, viewport=SMALL_PHONE)
    troubles = watch(page, origin)
    page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
    page.goto(f"{origin}/campaigns/1")
    found = harm(page)
    begin_to_label(page)
    found += harm(page)
    screenshot(page, f"hostile-{kind}")
    page.locator("#help").click()
    found += harm(page)
    page.get_by_role("button", name="Close").click()
    if kind == "boxes":
        expect(page.locator("#stage svg").first).to_be_attached()
        page.keyboard.press("n")
    if kind == "spans":
        page.keyboard.press("ArrowRight")
        page.keyboard.press("1")
    if kind == "text":
        page.locator("#answer-text").fill(EVIL + LONG)
    if kind == "multilabel":
        page.locator("#editor label").first.click()
        page.locator("#editor label").last.click()
    if kind in ("categorical", "ordinal", "pairwise"):
        page.locator("#classes button").first.click()
    else:
        found += harm(page)
        page.locator("#done").click()
    page.locator("#skip").click()
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    found += harm(page)
    screenshot(page, f"hostile-{kind}-review")
    page.get_by_role("button", name="Submit 1 label").click()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    for path in (
        "/",
        "/earnings",
        "/earnings/campaigns/1",
        "/progress",
        "/campaigns/1/guidelines",
        "/campaigns/1/terms",
        "/campaigns/1/questions",
        "/campaigns/1/rating",
        "/campaigns/1/proposals",
    ):
        page.goto(origin + path)
        found += harm(page)
    assert found == []
    assert troubles == []


def test_requester__svg_as_an_item__is_not_drawn_and_runs_nothing(
    serve: Callable[..., tuple[BrowserContext, Page, str]],
) -> None:
    task = {"type": "ordinal", "classes": ["a", "b"]}
    shown = Item("x.svg", media=ItemMedia("image/svg+xml", data=SVG))
    desk = FakeDesk(
        showcase=Showcase("SVG", "SVG", "SVG", 5, task, lambda _: (shown, "a")), items=1
    )
    _, page, origin = serve(desk)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(f"{origin}/campaigns/1")
    begin_to_label(page)
    expect(page.locator("#error")).to_contain_text("skip it as broken")
    expect(page.locator("#skip-reason")).to_have_value("2")
    with page.expect_download():
        page.evaluate("location.assign('/campaigns/1/items/0')")
    assert dialogs == []
    assert harm(page) == []


def test_thumb__double_taps_and_held_keys__answer_one_item_each(
    serve: Callable[..., tuple[BrowserContext, Page, str]],
) -> None:
    desk = FakeDesk()
    _, page, origin = serve(desk)
    page.goto(f"{origin}/campaigns/1")
    begin_to_label(page)
    place = page.locator("#batch-place")
    page.locator("#classes button").nth(3).dblclick()
    expect(place).to_have_text("Item 2 of 10")
    page.wait_for_timeout(400)
    page.locator("#classes button").nth(3).click()  # the same again, meant so
    expect(place).to_have_text("Item 3 of 10")
    page.wait_for_timeout(400)
    page.locator("#skip").dblclick()
    expect(place).to_have_text("Item 4 of 10")
    for _ in range(5):  # a key held down repeats without coming up
        page.keyboard.down("5")
    page.keyboard.up("5")
    expect(place).to_have_text("Item 5 of 10")
    for key in "678901":
        page.keyboard.press(key)
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    page.locator("#review button").first.dblclick()
    expect(page.locator('[data-panel="label"]')).to_be_visible()
    page.wait_for_timeout(400)
    page.locator("#classes button").nth(0).dblclick()
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    page.get_by_role("button", name="Submit 9 labels").click()
    expect(page.locator("#notice")).to_contain_text("9 labels submitted")
    assert [answer for _, answer in sorted(desk.answers.items())] == list("035678901")


@pytest.mark.parametrize("off", [2 * 3600, -40 * 86_400], ids=["2 hours ahead", "40 days behind"])
def test_phone__whose_clock_is_off__labels_all_the_same(
    serve: Callable[..., tuple[BrowserContext, Page, str]], off: int
) -> None:
    desk = FakeDesk()
    _, page, origin = serve(desk)
    page.clock.install(time=time.time() + off)
    page.goto(f"{origin}/campaigns/1")
    begin_to_label(page)
    left = page.locator("#lease-left")
    expect(left).to_contain_text("left")
    minutes = int(left.inner_text().split(":")[0])
    assert 8 <= minutes <= 10
    delegation = next(row.entry for row in desk.rows if row.data[0] == 1)
    assert abs(delegation.valid_until - time.time() - 30 * 86_400) < 120
    for key in "0123456789":
        page.keyboard.press(key)
    page.get_by_role("button", name="Submit 10 labels").click()
    expect(page.locator("#notice")).to_contain_text("10 labels submitted")
    submission = next(row.entry for row in desk.rows if row.data[0] == 3)
    assert abs(submission.submitted_at - time.time()) < 120
