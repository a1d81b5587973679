"""The pages around the labels in a real Chromium: from the first visit to being allowed to label,
without a mouse; every page without a barrier that axe-core knows, in both themes and on a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from oracle.community.community import Community
from oracle.community.course import Course
from oracle.community.learning import TUTORIAL
from oracle.evidence.codec import RAW, Block
from oracle.evidence.entries import Delegation, chain_rows, encode_entry
from oracle.ports import NewEntry
from oracle.store.labels import SqlLabelStore
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
from tests.support.courses import course_document, question
from tests.support.people import community_in
from tests.webapp.fake_desk import FakeDesk, digit_picture
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)


@dataclass
class Site:
    """A server of its own, with a course in campaign 1."""

    origin: str
    desk: FakeDesk
    community: Community


def teach(community: Community, expert: bytes) -> None:
    """Publish a course that has everything a course can have."""
    picture = Block(RAW, digit_picture(3, 96))
    community._content.put(picture.data, picture.codec)
    shown = {"picture": str(picture.link), "describes": "A three with a flat top"}
    training = [
        question("bar", "Sevens and ones", **shown),
        question("foot", "Ones", 1),
        question("hook", "Ones", 2),
    ]
    guidelines = (
        "# How to read digits\n\nA **seven** may have a bar, a *one* may have a foot.\n\n"
        f"![A three with a flat top](ipfs://{picture.link})\n\n"
        "| looks like | is |\n|---|---|\n| 1 with a bar | 7 |\n| 0 with a stroke | 0 |\n\n"
        "> If you can't tell, skip it.\n"
    )
    experts = ["0x" + expert.hex()]
    changes = {"guidelines": guidelines, "training": training, "experts": experts}
    community.learning.publish(1, Course.of(course_document(**changes)))
    for person in range(1, 7):
        community.learning.train(1, bytes([person]) * 20, "bar", person % 3)
    community.inbox.ask(1, bytes(20), "Is a seven without a bar a one?")
    number = community.inbox.read(1, None)[0].number
    community.inbox.answer(1, expert, number, "No: look at its top. A one has no roof.")


@pytest.fixture
def site() -> Iterator[Site]:
    port = free_port()
    origin, desk = f"http://127.0.0.1:{port}", FakeDesk()
    with community_in() as community:
        desk.check_qualified = community.learning.check_qualified
        teach(community, b"\xe1" * 20)
        app = create_app(desk, community, Settings((origin,), b"k" * 32))
        with listening(app, "127.0.0.1", port):
            yield Site(origin, desk, community)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    yield opened
    opened.close()


def open_page(
    context: BrowserContext, site: Site, chain_id: int = 31337
) -> tuple[Page, TestWallet]:
    page = context.new_page()
    page.set_default_timeout(30_000)
    wallet = TestWallet.named("somebody", chain_id)
    wallet.install(page)
    return page, wallet


def sign_in(page: Page, site: Site, following: str = "/") -> None:
    page.goto(f"{site.origin}/sign-in?next={following}")
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page).to_have_url(f"{site.origin}{following}")


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the focus is on what is called `words`."""
    for _ in range(60):
        focused = page.evaluate(
            "(document.activeElement.innerText || document.activeElement.ariaLabel || '').trim()"
        )
        if focused == words:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {words!r}")


def press(page: Page, words: str, leads_to: str = "") -> None:
    """Tab to what is called `words` and press it; wait for the page whose address ends so."""
    page.wait_for_load_state()
    tab_to(page, words)
    page.keyboard.press("Enter")
    if leads_to:
        expect(page).to_have_url(re.compile(f"^http://[^/]+(/campaigns/1)?{leads_to}$"))


def choose(page: Page, name: str, place: int) -> None:
    """Answer one question by keyboard: Tab into its choices, arrows to the place."""
    for _ in range(60):
        if page.evaluate("document.activeElement.name") == name:
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(place):
        page.keyboard.press("ArrowDown")
    assert page.locator(f'input[name="{name}"]:checked').get_attribute("value") == str(place)


def test_first_visit__keyboard_alone__learns_agrees_trains_passes_and_may_label(
    context: BrowserContext, site: Site
) -> None:
    page, wallet = open_page(context, site)
    troubles = watch(page, site.origin)
    page.goto(site.origin)
    press(page, "Take the tour first", "/learn")
    press(page, "Sign in", "/sign-in.next=/learn")
    page.get_by_role("button", name="Use Test Wallet").wait_for()
    press(page, "Use Test Wallet", "/learn")

    press(page, "Begin", "/learn/welcome")
    for step, following in zip(TUTORIAL, [*TUTORIAL[1:], None], strict=True):
        expect(page).to_have_url(re.compile(f"/learn/{step}$"))
        if following:
            press(page, "Understood, go on", f"/learn/{following}")
        else:
            press(page, "Understood, finish", "/learn")
    expect(page.get_by_text("done", exact=True)).to_have_count(len(TUTORIAL))

    page.goto(f"{site.origin}/campaigns/1")
    expect(page.locator('[data-panel="agree"]')).to_be_visible()
    expect(page.get_by_text("Becomes public, for good:")).to_be_visible()
    press(page, "I agree: sign once and start")
    expect(page.get_by_role("heading", name="First a short exam")).to_be_focused()
    assert violations(page) == []
    screenshot(page, "desktop-light-exam-first")

    press(page, "Train first", "/training")
    for name, right in (("bar", 0), ("foot", 1), ("hook", 2)):
        choose(page, "choice", (right + 1) % 3)
        press(page, "Check my answer")
        expect(page.get_by_text(f"Because of {name}.")).to_be_visible()
        press(page, "Next")
        expect(page.get_by_role("button", name="Check my answer")).to_be_visible()
    expect(page.get_by_text("A refresher for you")).to_be_visible()

    press(page, "Exam", "/exam")
    press(page, "Begin")
    page.get_by_role("button", name="Hand in").wait_for()
    pool = {one["id"]: one["answer"] for one in course_document()["exam"]["pool"]}
    names = page.locator(".question input").evaluate_all("all => all.map((one) => one.name)")
    for name in dict.fromkeys(names):
        choose(page, name, pool[name])
    press(page, "Hand in")
    expect(page.get_by_text("You passed.")).to_be_visible()
    press(page, "Start to label", "/campaigns/1")
    expect(page.locator('[data-panel="label"]')).to_be_visible()
    signed = [method for method in wallet.asked if "sign" in method.lower()]
    assert signed == ["personal_sign", "eth_signTypedData_v4"]
    assert [one for one in troubles if "409" not in one] == []  # the refusal before the exam


VISITORS = {
    "index": "/",
    "tour": "/learn",
    "sign-in": "/sign-in",
    "privacy": "/privacy",
    "terms": "/campaigns/1/terms",
    "guidelines-visitor": "/campaigns/1/guidelines",
    "training-visitor": "/campaigns/1/training",
    "exam-visitor": "/campaigns/1/exam",
    "questions-visitor": "/campaigns/1/questions",
    "not-found": "/nothing",
    **{f"tutorial-{step}": f"/learn/{step}" for step in TUTORIAL},
}
PEOPLE = {
    "find-work": "/",
    "learn": "/learn",
    "account": "/account",
    "delete": "/account/delete",
    "guidelines": "/campaigns/1/guidelines",
    "guidelines-changes": "/campaigns/1/guidelines?version=2&since=1",
    "training": "/campaigns/1/training",
    "exam": "/campaigns/1/exam",
    "questions": "/campaigns/1/questions",
}


def permit(site: Site, contributor: bytes) -> None:
    """Let a session key of `contributor` stand in the log of campaign 1."""
    store = SqlLabelStore(site.community.sessions._store._engine)
    store.register(1, chain_id=31337, escrow=b"\x5f" * 20, manifest=b"\x06" * 32, now=1)
    entry = Delegation(0, contributor, b"\x11" * 20, 1, 2**32, b"\x07" * 32, b"\x01" * 65)
    rows = chain_rows([(encode_entry(entry), b"\x02" * 65)])
    store.append(1, [NewEntry(row) for row in rows], now=1)


def look(page: Page, site: Site, pages: dict[str, str], theme: str, size: str) -> list[str]:
    """Visit each page; keep a picture; return what is wrong with it."""
    found = []
    for name, path in pages.items():
        page.goto(site.origin + path)
        screenshot(page, f"{size}-{theme}-{name}")
        found += [f"{path}: {one}" for one in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path}: wider than the screen")
        small = page.locator(
            "main :is(button, .button, select, textarea, input:not([type])):visible"
        )
        heights = small.evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
        if heights and min(heights) < 44:
            found.append(f"{path}: a target of {min(heights)} px")
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_every_page__in_both_themes_and_sizes__has_no_barrier(
    browser: Browser, site: Site, theme: str, size: str
) -> None:
    viewport = SMALL_PHONE if size == "phone" else DESKTOP
    context = browser.new_context(viewport=viewport, color_scheme=theme)  # type: ignore[arg-type]
    try:
        page, wallet = open_page(context, site)
        troubles = watch(page, site.origin)
        found = look(page, site, VISITORS, theme, size)
        sign_in(page, site)
        me = bytes.fromhex(wallet.address[2:])
        site.community.privacy.agree_to_terms(me, 1, site.desk.view.consent)
        site.community.sessions.begin(me, "Android Chrome/1", "192.0.2.1")
        site.community.learning.finish_step(me, TUTORIAL[0])
        permit(site, me)
        site.community.inbox.ask(1, me, "May I zoom in on the picture?")
        found += look(page, site, PEOPLE, theme, size)
        page.goto(f"{site.origin}/campaigns/1/training")
        page.get_by_text("not it").click()
        page.get_by_role("button", name="Check my answer").click()
        screenshot(page, f"{size}-{theme}-training-judged")
        found += violations(page)
        page.goto(f"{site.origin}/campaigns/1/exam")
        page.get_by_role("button", name="Begin").click()
        screenshot(page, f"{size}-{theme}-exam-running")
        found += violations(page)
        assert found == []
        assert [one for one in troubles if "404" not in one] == []
    finally:
        context.close()


def test_first_page__of_a_visitor__is_small(context: BrowserContext, site: Site) -> None:
    page, _ = open_page(context, site)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda one: sizes.append(one["encodedDataLength"]))
    page.goto(site.origin, wait_until="networkidle")
    assert 3 <= len(sizes) <= 6
    assert sum(sizes) < 40_000
    sizes.clear()
    page.goto(f"{site.origin}/sign-in", wait_until="networkidle")
    assert sum(sizes) < 60_000


def test_wallet__that_declines_or_switches__says_what_to_do(
    context: BrowserContext, site: Site
) -> None:
    page, wallet = open_page(context, site)
    wallet.declines = {"personal_sign"}
    page.goto(f"{site.origin}/sign-in?next=/account")
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#error")).to_contain_text("You declined in your wallet")
    wallet.declines = {"eth_requestAccounts"}
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#error")).to_contain_text("press the button again")
    wallet.declines = set()
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page).to_have_url(f"{site.origin}/account")

    # Another device signs everything else out: here that is said, and the way back.
    me = bytes.fromhex(wallet.address[2:])
    site.community.sessions.end_others(me, "another token")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Sign in with your wallet again.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("button", name="Use Test Wallet")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (4100, "Unlock it, allow this site"),
        (4900, "unlock it, and try again"),
        (-32002, "Your wallet is waiting for you"),
        (-32603, "check that it is unlocked"),
    ],
)
def test_wallet__locked_or_busy__says_what_to_do(
    context: BrowserContext, site: Site, code: int, told: str
) -> None:
    page, wallet = open_page(context, site)
    works = wallet._answer
    wallet._answer = lambda method, params: {"code": code, "message": "no"}  # type: ignore[method-assign]
    page.goto(f"{site.origin}/sign-in")
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#error")).to_contain_text(told)
    wallet._answer = works  # type: ignore[method-assign]
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page).to_have_url(f"{site.origin}/")


def test_browser__cleared_or_lost__asks_to_agree_again_and_may_end_the_others(
    context: BrowserContext, site: Site
) -> None:
    page, wallet = open_page(context, site)
    me = bytes.fromhex(wallet.address[2:])
    sign_in(page, site, "/campaigns/1")
    agree = page.get_by_role("button", name="I agree")
    agree.click()
    expect(page.get_by_role("heading", name="First a short exam")).to_be_visible()
    assert site.desk.accounts[me].generation == 1

    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.locator("#agree-again")).to_contain_text("You agreed here before")
    page.get_by_label("End all other permissions").check()
    agree.click()
    # Which wallet it was is forgotten too: the page asks for it, then goes on.
    page.get_by_role("button", name="Use Test Wallet").click()
    page.get_by_label("End all other permissions").check()
    agree.click()
    expect(page.get_by_role("heading", name="First a short exam")).to_be_visible()
    account = site.desk.accounts[me]
    assert (account.generation, len(account.session_keys)) == (2, 1)


def test_no_wallet__visitor__is_told_how_to_get_one(browser: Browser, site: Site) -> None:
    site.desk.chain = type(site.desk.chain)(**{**vars(site.desk.chain), "development": False})
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{site.origin}/sign-in")
        expect(page.locator("#no-wallet")).to_contain_text("No wallet was found in this browser")
    finally:
        context.close()


def test_account__everything_deleted__browser_is_signed_out(
    context: BrowserContext, site: Site
) -> None:
    page, wallet = open_page(context, site)
    sign_in(page, site, "/account")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as JSON").click()
    assert wallet.address.lower() in download.value.path().read_text()
    page.get_by_role("link", name="Delete …").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("status")).to_contain_text("is deleted")
    me = bytes.fromhex(wallet.address[2:])
    exported = site.community.privacy.export(me)
    assert not any(rows for rows in exported.values() if isinstance(rows, list))
    expect(page.locator("#sign-in")).to_be_visible()
