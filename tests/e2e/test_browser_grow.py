"""Growing in a real Chromium: progress with its charts, leaderboards, ratings, proposals, by
keyboard alone; no barrier, in both themes and sizes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.community.community import Community
from oracle.community.course import Course
from oracle.community.ratings import ASPECTS
from oracle.evidence.hashing import keccak256
from oracle.ports import CampaignPart
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
from tests.support.courses import course_document
from tests.support.people import community_in
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.fake_desk import FakeDesk
from tests.webapp.fake_growth import REQUESTER, much
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)

PAGES = {
    "progress": "/progress",
    "leaderboard": "/leaderboard",
    "leaderboard-boxes": "/leaderboard?kind=boxes",
    "rating": "/campaigns/1/rating",
    "proposals": "/campaigns/1/proposals",
    "guidelines-proposals": "/campaigns/1/guidelines",
    "find-work-rated": "/",
}


class Site:
    """A server where one contributor has worked for a while, among others."""

    def __init__(self, origin: str, desk: FakeDesk, community: Community) -> None:
        self.origin, self.desk, self.community = origin, desk, community
        app = create_app(desk, community, Settings((origin,), b"k" * 32))
        self.app = app
        experts = ["0x" + BrowserDouble(app, "expert", origin=origin).address.hex()]
        community.learning.publish(1, Course.of(course_document(experts=experts)))
        desk.check_qualified = lambda campaign, contributor: None
        labeler = BrowserDouble(app, "grower", origin=origin)
        assert labeler.sign_in().status_code == 201
        assert labeler.delegate().status_code == 201
        labeler.lease()
        assert labeler.submit({0: "3", 1: "4"}).status_code == 201
        desk.finalize()
        self.me = labeler.address
        desk.growth.records[self.me] = much()
        self._populate()

    def _populate(self) -> None:
        """Other people, who rated, proposed, supported, and stand on the boards."""
        part = CampaignPart(1, REQUESTER, labeled=True, paid=True)
        people = [keccak256(bytes([number]))[:20] for number in range(7)]
        for number, one in enumerate(people):
            self.community.privacy.agree(one)
            stars = {aspect: 3 + (number + place) % 3 for place, aspect in enumerate(ASPECTS)}
            said = f"Paid in time, and a question was answered within {number + 1} hours."
            self.community.ratings.rate(part, one, stars, said)
        bounds = {one: (70 + 4 * number, 100) for number, one in enumerate(people)}
        self.desk.growth.seat({**bounds, self.me: (85, 98)})
        self.desk.growth.seat({**dict(list(bounds.items())[:3]), self.me: (80, 98)}, "boxes")
        guidelines = self.community.learning.editions(1, "")[0].text
        for passage, text in (
            ("A one may have a foot.", "A one may have a foot, and never a roof."),
            ("", "Skip a picture that shows two digits."),
            ("A seven may have a bar.", "A seven may have a bar or a hook."),
        ):
            self.community.proposals.propose(
                part, people[0], guidelines, passage, text, "It was unclear to me at first."
            )
        open_, _, declined = sorted(one.number for one in self.community.proposals.read(1, None))
        self.community.proposals.support(part, people[1], open_, wanted=True)
        expert = BrowserDouble(self.app, "expert", origin=self.origin).address
        self.community.proposals.decline(1, expert, declined, "A hook makes it a nine here.")

    def sign_in(self, page: Page, name: str, following: str) -> None:
        """Sign in with the wallet of this name."""
        wallet = TestWallet(keccak256(name.encode()), 31337)
        wallet.install(page)
        page.goto(f"{self.origin}/sign-in?next={following}")
        page.get_by_role("button", name="Use Test Wallet").click()
        expect(page).to_have_url(f"{self.origin}{following}")


@pytest.fixture
def site() -> Iterator[Site]:
    port = free_port()
    with community_in() as community:
        site = Site(f"http://127.0.0.1:{port}", FakeDesk(), community)
        with listening(site.app, "127.0.0.1", port):
            yield site


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_growing__in_both_themes_and_sizes__has_no_barrier(
    browser: Browser, site: Site, theme: str, size: str
) -> None:
    viewport = SMALL_PHONE if size == "phone" else DESKTOP
    context = browser.new_context(viewport=viewport, color_scheme=theme)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        troubles, found = watch(page, site.origin), []
        page.goto(f"{site.origin}/campaigns/1/rating")
        found += violations(page)
        site.sign_in(page, "grower", "/progress")
        for name, path in PAGES.items():
            page.goto(site.origin + path)
            for closed in page.locator("main summary").all():
                closed.click()
            screenshot(page, f"{size}-{theme}-{name}")
            found += [f"{path}: {one}" for one in violations(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{path}: wider than the screen")
            small = page.locator("main :is(button, .button, textarea, .stars-field label):visible")
            heights = small.evaluate_all(
                "all => all.map((one) => one.getBoundingClientRect().height)"
            )
            if heights and min(heights) < 44:
                found.append(f"{path}: a target of {min(heights)} px")
        newcomer = context.new_page()
        site.sign_in(newcomer, "newcomer", "/progress")
        screenshot(newcomer, f"{size}-{theme}-progress-new")
        found += violations(newcomer)
        assert found == []
        assert troubles == []
    finally:
        context.close()


def test_growing__keyboard_alone__opts_out_rates_and_proposes(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        site.sign_in(page, "grower", "/progress")
        page.get_by_role("button", name="Don't show me").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("no leaderboard any more")
        assert site.community.board.is_hidden(site.me)
        page.get_by_role("link", name="See the leaderboards").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("row")).to_have_count(8)
        expect(page.get_by_text("you", exact=True)).to_have_count(0)

        page.goto(site.origin)
        page.get_by_role("link", name="Rated 4.0 of 5 by 7 people").click()
        expect(page).to_have_url(f"{site.origin}/campaigns/1/rating")
        for place, words in enumerate(ASPECTS.values()):
            page.get_by_role("group", name=words).get_by_role("radio").first.focus()
            page.keyboard.press("Space")
            for _ in range(place):
                page.keyboard.press("ArrowRight")
        page.get_by_label("Comment").focus()
        page.keyboard.type("Fast, and fair to me.")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Kept")
        own = site.community.ratings.own(1, site.me)
        assert own is not None
        assert [own.clarity, own.fairness, own.pay, own.help] == [1, 2, 3, 4]

        page.goto(f"{site.origin}/campaigns/1/proposals")
        page.get_by_label("What should stand there").focus()
        page.keyboard.type("A nine has its loop above.")
        page.keyboard.press("Tab")
        page.keyboard.type("Upside down it looks like a six.")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Proposed")
        page.get_by_role("button", name="Support proposal 2").focus()
        page.keyboard.press("Enter")
        expect(
            page.get_by_role("button", name="Take my support back from proposal 2")
        ).to_be_visible()
        expect(page.get_by_role("button", name="Accept")).to_have_count(0)

        expert = browser.new_context().new_page()
        site.sign_in(expert, "expert", "/campaigns/1/proposals")
        expert.get_by_label("Your answer to proposal 2").fill("Good, such pictures are rare.")
        expert.get_by_role("button", name="Accept proposal 2").focus()
        expert.keyboard.press("Enter")
        expect(expert.get_by_role("status")).to_contain_text("version 3")
        page.goto(f"{site.origin}/campaigns/1/guidelines")
        expect(page.get_by_text("Skip a picture that shows two digits.")).to_be_visible()
        expert.context.close()
    finally:
        context.close()
