"""One person on two devices, two people at one browser, and nobody online for a minute: nothing is
lost, nothing is sent twice, nothing leaks from one to the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from oracle.replay.showcase import SHOWCASES
from oracle.transport.listening import listening
from tests.e2e.chromium import (
    DESKTOP,
    TestWallet,
    free_port,
)
from tests.support.people import community_in
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
expect.set_options(timeout=30_000)

BY_TYPE = {one.task["type"]: one for one in SHOWCASES}


@dataclass
class Site:
    """A campaign with items of one kind, and devices that come to it."""

    browser: Browser
    origin: str
    desk: FakeDesk
    stack: ExitStack
    wallets: dict[Page, TestWallet] = field(default_factory=dict)

    def device(self) -> BrowserContext:
        """A browser that nobody has used yet."""
        context = self.browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        self.stack.callback(context.close)
        return context

    def come(self, context: BrowserContext, name: str) -> Page:
        """Open the campaign as somebody, and go as far as the first item."""
        page = context.new_page()
        page.set_default_timeout(30_000)
        self.wallets[page] = TestWallet.named(name, 31337)
        self.wallets[page].install(page)
        page.goto(f"{self.origin}/campaigns/1")
        page.get_by_role("button", name="Use Test Wallet").click()
        page.get_by_role("button", name="I agree").click()
        expect(page.locator('[data-panel="label"]')).to_be_visible()
        return page

    @property
    def submissions(self) -> int:
        return sum(row.data[0] == 3 for row in self.desk.rows)


@pytest.fixture
def site(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Site]:
    kind, items = request.param
    with ExitStack() as stack:
        desk, port = FakeDesk(showcase=BY_TYPE[kind], items=items), free_port()
        origin = f"http://127.0.0.1:{port}"
        community = stack.enter_context(community_in())
        app = create_app(desk, community, Settings((origin,), b"k" * 32))
        stack.enter_context(listening(app, "127.0.0.1", port))
        yield Site(browser, origin, desk, stack)


@pytest.mark.parametrize("site", [("text", 4)], indirect=True)
def test_offline__for_a_minute__queue_and_draft_survive_and_are_sent_once(site: Site) -> None:
    context = site.device()
    page = site.come(context, "traveller")
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    gone = time.monotonic()
    for number in range(3):
        page.locator("#answer-text").fill(f"answer {number}")
        page.keyboard.press("Control+Enter")
    page.locator("#answer-text").fill("a draft, begun in the tunnel")
    page.get_by_role("button", name="Submit these 3 now").click()
    expect(page.locator("#error")).to_contain_text("kept in this browser")
    page.wait_for_timeout(1000 * max(0.0, gone + 61 - time.monotonic()))
    assert site.desk.answers == {}
    context.set_offline(False)
    expect(page.locator('[data-panel="label"]')).to_be_visible()
    expect(page.locator("#answer-text")).to_have_value("a draft, begun in the tunnel")
    expect(page.locator("#notice")).to_contain_text("Connected again")
    assert list(site.desk.answers.values()) == [f"answer {n}" for n in range(3)]
    assert site.submissions == 1
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Submit 1 label").click()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    assert len(site.desk.answers) == 4
    assert site.submissions == 2


@pytest.mark.parametrize("site", [("ordinal", 14)], indirect=True)
def test_two_devices__of_one_person__each_item_counts_once(site: Site) -> None:
    phone, laptop = (site.come(site.device(), "same person") for _ in range(2))
    assert len(next(iter(site.desk.accounts.values())).session_keys) == 2
    for page, key in ((phone, "1"), (laptop, "2")):
        for _ in range(10):  # both were given the lease that runs
            page.keyboard.press(key)
        expect(page.locator('[data-panel="review"]')).to_be_visible()
    phone.keyboard.press("Enter")
    expect(phone.locator("#notice")).to_contain_text("10 labels submitted")
    laptop.keyboard.press("Enter")
    expect(laptop.locator("#error")).to_contain_text("The time for these items ran out")
    classes = BY_TYPE["ordinal"].task["classes"]
    assert set(site.desk.answers.values()) == {classes[0]}
    assert (len(site.desk.answers), site.submissions) == (10, 1)
    # What was declined is told, and the next batch is the same on both again.
    for page in (phone, laptop):
        expect(page.locator("#batch-place")).to_have_text("Item 1 of 4")
    for _ in range(4):
        laptop.keyboard.press("2")
    laptop.keyboard.press("Enter")
    expect(laptop.locator("#notice")).to_contain_text("4 labels submitted")
    assert (len(site.desk.answers), site.submissions) == (14, 2)


@pytest.mark.parametrize("site", [("text", 20)], indirect=True)
def test_two_accounts__at_one_browser__see_nothing_of_each_other(site: Site) -> None:
    context = site.device()
    page = site.come(context, "first")
    page.locator("#answer-text").fill("the first one's secret")
    page.keyboard.press("Control+Enter")
    page.locator("#answer-text").fill("and their draft")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator('[data-panel="connect"]')).to_be_visible()
    assert "first one's" not in page.content()
    expect(page.locator("#earnings")).to_be_hidden()
    assert set(page.locator("#earnings dd").all_text_contents()) == {"–"}

    first = site.wallets[page].key
    site.wallets[page].key = TestWallet.named("second", 31337).key
    page.get_by_role("button", name="Use Test Wallet").click()
    page.get_by_role("button", name="I agree").click()  # nobody's permission is another's
    expect(page.locator('[data-panel="label"]')).to_be_visible()
    expect(page.locator("#batch-place")).to_have_text("Item 1 of 10")
    expect(page.locator("#answer-text")).to_have_value("")
    page.locator("#answer-text").fill("of the second")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Submit these 1 now").click()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    assert list(site.desk.answers.values()) == ["of the second"]
    assert "first one's" not in page.content()
    page.get_by_role("button", name="Sign out").click()

    site.wallets[page].key = first
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#batch-place")).to_have_text("Item 2 of 10")
    expect(page.locator("#answer-text")).to_have_value("and their draft")
    page.get_by_role("button", name="Submit these 1 now").click()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    owners = {answer: who for (who, _), answer in site.desk.answers.items()}
    assert set(owners) == {"the first one's secret", "of the second"}
    assert len(set(owners.values())) == 2


@pytest.mark.parametrize("site", [("text", 20)], indirect=True)
def test_two_accounts__in_two_tabs__keep_to_their_own(site: Site) -> None:
    context = site.device()
    page = site.come(context, "first")
    for answer in ("one of the first", "two of the first"):
        page.locator("#answer-text").fill(answer)
        page.keyboard.press("Control+Enter")
    earnings = context.new_page()
    earnings.goto(f"{site.origin}/earnings")
    delete = context.new_page()
    delete.goto(f"{site.origin}/account/delete")

    other = context.new_page()
    site.wallets[other] = TestWallet.named("second", 31337)
    site.wallets[other].install(other)
    other.goto(f"{site.origin}/sign-in?next=/campaigns/1")
    other.get_by_role("button", name="Use Test Wallet").click()
    other.get_by_role("button", name="I agree").click()
    expect(other.locator("#batch-place")).to_have_text("Item 1 of 10")

    # The first's tabs share the second's cookie by now, and say so.
    expect(page.locator("#error")).to_contain_text("Another account was signed in")
    expect(page.locator("#earnings")).to_be_hidden()
    expect(earnings.locator("#error")).to_contain_text("Another account is signed in")
    delete.get_by_role("button", name="Delete it").click()
    expect(delete.get_by_text("Another account is signed in")).to_be_visible()
    other.locator("#answer-text").fill("one of the second")
    other.keyboard.press("Control+Enter")
    other.get_by_role("button", name="Submit these 1 now").click()
    expect(other.locator("#notice")).to_contain_text("1 label submitted")

    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#batch-place")).to_have_text("Item 3 of 10")
    page.get_by_role("button", name="Submit these 2 now").click()
    expect(page.locator("#notice")).to_contain_text("2 labels submitted")
    first, second = (bytes.fromhex(site.wallets[one].address[2:]) for one in (page, other))
    given = {(who, answer) for (who, _), answer in site.desk.answers.items()}
    assert given == {
        (first, "one of the first"),
        (first, "two of the first"),
        (second, "one of the second"),
    }
    expect(other.locator("#error")).to_contain_text("Another account was signed in")
