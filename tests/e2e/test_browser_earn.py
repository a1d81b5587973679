"""Finding work and earning in a real Chromium: lists without JavaScript, sums that move while one
looks, claims of everything, appeals; no barrier, in both themes and sizes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.community.community import Community
from oracle.evidence import entries
from oracle.evidence.hashing import keccak256
from oracle.ports import CampaignEarnings, Lock, RequesterRecord
from oracle.transport.listening import listening
from tests.e2e.accessibility import violations
from tests.e2e.chromium import (
    DESKTOP,
    SMALL_PHONE,
    TestWallet,
    free_port,
    screenshot,
    watch,
)
from tests.support.courses import course
from tests.support.people import community_in
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.fake_appeals import REASONS
from tests.webapp.fake_desk import UNIT, FakeDesk
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)

RATES = {"EUR": Decimal("0.35"), "USD": Decimal("0.4")}


class SendingWallet(TestWallet):
    """A wallet that also sends: it keeps what it was asked to."""

    sent: list[dict[str, str]]

    def request(self, method: str, text: str) -> str:
        if method != "eth_sendTransaction":
            return super().request(method, text)
        self.sent.append(json.loads(text)[0])
        return json.dumps({"result": "0x" + "ab" * 32})


class Site:
    """A server with one contributor who has labeled four items."""

    def __init__(self, origin: str, desk: FakeDesk, app: Any, community: Community) -> None:
        self.origin, self.desk, self.app, self.community = origin, desk, app, community
        desk.check_expert = community.learning.check_expert
        self.labeler = BrowserDouble(app, "earner", origin=origin)
        assert self.labeler.sign_in().status_code == 201
        assert self.labeler.delegate().status_code == 201
        self.labeler.lease()
        assert self.labeler.submit({0: "3", 1: "4", 2: "7", 3: "8"}).status_code == 201

    def sign_in(self, page: Page, following: str, name: str = "earner") -> SendingWallet:
        """Sign in, by default as that contributor."""
        wallet = SendingWallet(keccak256(name.encode()), 31337)
        wallet.sent = []
        wallet.install(page)
        page.goto(f"{self.origin}/sign-in?next={following}")
        page.get_by_role("button", name="Use Test Wallet").click()
        expect(page).to_have_url(f"{self.origin}{following}")
        return wallet

    def appeal(self) -> None:
        """Let the contributor appeal."""
        assert self.labeler.appeal(1, REASONS[0]).status_code == 201

    def teach(self) -> None:
        """Publish a course that names the expert, who has delegated."""
        expert = BrowserDouble(self.app, "expert", origin=self.origin)
        assert expert.sign_in().status_code == 201
        assert expert.delegate().status_code == 201
        experts = ["0x" + expert.address.hex()]
        self.community.learning.publish(1, course(experts=experts))

    def expert_answers(self, browser: Browser, answer: str) -> None:
        """Let the expert answer the one open appeal in a browser of their own."""
        self.teach()
        context = browser.new_context()
        try:
            page = context.new_page()
            troubles = watch(page, self.origin)
            wallet = self.sign_in(page, "/campaigns/1", name="expert")
            page.get_by_role("link", name="Appeals").click()
            page.get_by_label("The right answer").select_option(answer)
            page.get_by_label("Because").select_option("The guidelines decide it.")
            wallet.declines = {"eth_signTypedData_v4"}
            page.get_by_role("button", name="Sign the answer").click()
            expect(page.locator("#error")).to_contain_text("You declined in your wallet")
            wallet.declines = set()
            page.get_by_role("button", name="Sign the answer").click()
            expect(page.get_by_text("Answered: it stands in the log.")).to_be_focused()
            assert isinstance(self.desk.rows[-1].entry, entries.Adjudication)
            page.reload()
            expect(page.get_by_text("No appeal waits for you.")).to_be_visible()
            assert troubles == []
        finally:
            context.close()

    def offer_more(self) -> None:
        """Put two more campaigns on offer: measured, and locked."""
        (first,) = self.desk.market.offers(None)
        market = self.desk.market
        exam = Lock("unqualified", "this campaign has a short exam: pass it first")
        for number, lock in ((2, None), (3, exam)):
            view = replace(
                first.campaign,
                number=number,
                title=f"Rate translations, part {number}",
                task={"type": "ordinal"},
                reward=UNIT // 4,
            )
            market.more.append(
                replace(
                    first,
                    campaign=view,
                    seconds_per_item=45,
                    seconds_measured=True,
                    hourly=17 * UNIT,
                    requester=RequesterRecord(b"\x9e" * 20, 12, 4321 * UNIT, 40, 5400),
                    lock=lock,
                )
            )


@pytest.fixture
def site() -> Iterator[Site]:
    port = free_port()
    origin, desk = f"http://127.0.0.1:{port}", FakeDesk()
    with community_in() as community:
        app = create_app(desk, community, Settings((origin,), b"k" * 32, rates=RATES))
        with listening(app, "127.0.0.1", port):
            yield Site(origin, desk, app, community)


def test_find_work__without_javascript__sorts_narrows_and_prices(
    browser: Browser, site: Site
) -> None:
    site.offer_more()
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(site.origin)
        expect(page.locator("li.campaign")).to_have_count(3)
        page.get_by_label("Sort by").select_option("Expected hourly pay")
        page.get_by_label("Currency").select_option("EUR")
        page.get_by_label("Only what I can do now").check()
        page.get_by_role("button", name="Show").click()
        expect(page.locator("li.campaign h2")).to_have_text(
            ["Handwritten digits", "Rate translations, part 2"]
        )
        expect(page.get_by_text("17.64 EUR")).to_be_visible()
        page.get_by_label("Kind of task").select_option("Passages of texts")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Show all campaigns").click()
        expect(page.locator("li.campaign")).to_have_count(3)
    finally:
        context.close()


def test_earn__sums_move_while_one_looks__claims_all_and_appeals(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        troubles = watch(page, site.origin)
        wallet = site.sign_in(page, "/earnings")
        claim = page.get_by_role("button", name="Claim all")
        expect(claim).to_be_disabled()
        expect(page.locator('[data-campaign="1"] [data-field="pending"]')).to_have_text("4")
        expect(page.locator("#live")).to_have_text("Live")
        site.desk.earnings.more = [
            CampaignEarnings(2, "Other work", 3, 0, 0, 3, UNIT, 0, 0, None, None, True)
        ]
        site.desk.earnings.locked = UNIT // 10
        expect(page.locator('[data-note="locked"]')).to_contain_text("unless challenged")
        site.desk.earnings.locked = 0
        site.desk.finalize()
        expect(page.locator('[data-sum="claimable"]')).to_have_text("1.2 LABEL")  # by itself
        expect(page.locator('[data-note="locked"]')).to_be_empty()
        expect(page.locator('[data-note="pending"]')).to_be_empty()
        expect(page.locator("#notice")).to_contain_text("reload to see it here")

        page.get_by_role("button", name="Claim by my wallet").click()
        expect(page.locator("#claimed")).to_contain_text("0x" + "ab" * 32)
        assert wallet.sent[0]["to"].lower() == "0x" + site.desk.chain.escrow.hex()
        assert wallet.sent[0]["from"] == wallet.address
        claim.click()
        expect(page.locator("#claimed")).to_contain_text("1.2 LABEL from 2 campaigns moved")
        expect(claim).to_be_disabled()
        screenshot(page, "desktop-light-claimed-all")

        site.desk.earnings.outcomes = {0: "3", 1: "9", 2: "7"}
        page.goto(f"{site.origin}/earnings")
        page.get_by_role("link", name="Handwritten digits").click()
        wallet.declines = {"eth_signTypedData_v4"}
        page.get_by_role("button", name="Appeal").click()
        expect(page.locator("#error")).to_contain_text("You declined in your wallet")
        wallet.declines = set()
        page.get_by_label("Why").select_option("The item wasn't shown as it should be.")
        page.get_by_role("button", name="Appeal").click()
        expect(page.get_by_text("You appealed")).to_be_visible()
        expect(page).to_have_url(re.compile(r"#label-\d+-1$"))
        assert isinstance(site.desk.rows[-1].entry, entries.Appeal)
        site.expert_answers(browser, "4")
        page.reload()
        expect(page.get_by_text("as you did: The guidelines decide it.")).to_be_visible()
        expect(page.get_by_text("What is final stays as it was paid")).to_be_visible()
        screenshot(page, "desktop-light-answered")
        assert troubles == []
    finally:
        context.close()


def test_earn__stream_that_breaks__polls_and_says_where_one_is_signed_out(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.route("**/api/earnings/stream", lambda route: route.fulfill(status=502))
        site.sign_in(page, "/earnings")
        expect(page.locator("#live")).to_have_text("Live")
        site.desk.finalize()
        expect(page.locator('[data-sum="claimable"]')).to_have_text("0.2 LABEL")
        context.clear_cookies()
        expect(page.locator("#error")).to_contain_text("You are signed out")
        expect(page.locator("#live")).to_have_text("Not live: trying again …")
    finally:
        context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_pages__in_both_themes_and_sizes__have_no_barrier(
    browser: Browser, site: Site, theme: str, size: str
) -> None:
    site.offer_more()
    site.desk.earnings.outcomes = {0: "3", 1: "9", 2: "1"}
    site.desk.earnings.locked = UNIT // 10
    viewport = SMALL_PHONE if size == "phone" else DESKTOP
    context = browser.new_context(viewport=viewport, color_scheme=theme)  # type: ignore[arg-type]
    found = []
    try:
        page = context.new_page()
        troubles = watch(page, site.origin)
        site.sign_in(page, "/earnings")
        for name, path in {
            "offers": "/?currency=EUR",
            "offers-none": "/?task=spans",
            "earnings": "/earnings",
            "history": "/earnings/campaigns/1",
        }.items():
            page.goto(site.origin + path)
            if name == "earnings":
                expect(page.locator("#live")).to_have_text("Live")
            screenshot(page, f"{size}-{theme}-{name}")
            found += [f"{path}: {one}" for one in violations(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{path}: wider than the screen")
        site.teach()
        site.appeal()
        site.sign_in(experts := context.new_page(), "/campaigns/1/appeals", name="expert")
        expect(experts.get_by_role("button", name="Sign the answer")).to_be_visible()
        screenshot(experts, f"{size}-{theme}-appeals")
        found += [f"appeals: {one}" for one in violations(experts)]
        assert not experts.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert found == []
        assert troubles == []
    finally:
        context.close()
