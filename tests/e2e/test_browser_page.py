"""The page in a real Chromium, over a platform in memory: what people do, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.errors import StoreError
from oracle.transport.listening import listening
from tests.e2e.accessibility import violations
from tests.e2e.chromium import (
    DESKTOP,
    PHONE,
    SMALL_PHONE,
    TestWallet,
    free_port,
    screenshot,
    watch,
)
from tests.support.people import community_in
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@dataclass
class Visit:
    """One browser profile with one wallet, on the page of campaign 1."""

    page: Page
    wallet: TestWallet
    desk: FakeDesk
    troubles: list[str]

    @property
    def address(self) -> bytes:
        return bytes.fromhex(self.wallet.address[2:])

    def panel(self, name: str) -> None:
        expect(self.page.locator(f'[data-panel="{name}"]')).to_be_visible()

    def sign_in(self) -> None:
        self.page.get_by_role("button", name="Use Test Wallet").click()
        self.panel("agree")

    def begin(self) -> None:
        self.sign_in()
        self.page.get_by_role("button", name="I agree").click()
        self.panel("label")

    def press(self, keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def errors_shown(self) -> str:
        return self.page.locator("#error").inner_text()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open the page over a fresh `FakeDesk` made of the given arguments."""
    with ExitStack() as stack:

        def begin(
            *, viewport: dict[str, int] = DESKTOP, chain_id: int = 31337, **more: int
        ) -> Visit:
            port = free_port()
            origin = f"http://127.0.0.1:{port}"
            desk = FakeDesk(**more)  # type: ignore[arg-type]
            community = stack.enter_context(community_in())
            stack.enter_context(
                listening(
                    create_app(desk, community, Settings((origin,), b"k" * 32)), "127.0.0.1", port
                )
            )
            context = browser.new_context(viewport=viewport)  # type: ignore[arg-type]
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(15_000)
            troubles = watch(page, origin)
            wallet = TestWallet.named("contributor", chain_id)
            wallet.install(page)
            page.goto(f"{origin}/campaigns/1")
            return Visit(page, wallet, desk, troubles)

        yield begin


def test_keyboard_alone__from_first_visit_to_tokens(visit: Callable[..., Visit]) -> None:
    one = visit()
    page = one.page

    def tab_to(label: str) -> None:
        """Press Tab until the button or link of exactly this text has the focus."""
        for _ in range(30):
            if label in page.locator("button:focus, a:focus").all_text_contents():
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab never reaches {label!r}")

    page.goto(page.url.replace("/campaigns/1", "/"))
    screenshot(page, "desktop-index")
    tab_to("Handwritten digits")
    page.keyboard.press("Enter")
    one.panel("connect")
    screenshot(page, "desktop-connect")

    tab_to("Use Test Wallet")
    page.keyboard.press("Enter")
    one.panel("agree")
    screenshot(page, "desktop-agree")
    tab_to("I agree: sign once and start")
    page.keyboard.press("Enter")
    one.panel("label")
    screenshot(page, "desktop-label")

    one.press("0123456")
    page.keyboard.press("Backspace")
    one.press("6s89")
    one.panel("review")
    screenshot(page, "desktop-review")
    page.keyboard.press("Backspace")
    one.panel("label")
    one.press("7")
    one.panel("review")
    page.keyboard.press("Enter")
    one.panel("label")
    assert [one.desk.answers[one.address, n] for n in (0, 1, 2, 3, 4, 5, 6, 8, 9)] == list(
        "012345687"
    )
    assert (one.address, 7) not in one.desk.answers
    expect(page.locator("#pending")).to_have_text("9")

    one.desk.finalize()
    claim = page.get_by_role("button", name="Claim 0.45 LABEL")
    expect(claim).to_be_enabled()
    tab_to("Claim 0.45 LABEL")
    page.keyboard.press("Enter")
    expect(page.locator("#claim-result")).to_contain_text("0.45 LABEL moved to your wallet")
    expect(page.locator("#balance")).to_have_text("0.45 LABEL")
    screenshot(page, "desktop-claimed")
    # Two questions in all: one to sign in, one to delegate.
    signed = [method for method in one.wallet.asked if "sign" in method.lower()]
    assert signed == ["personal_sign", "eth_signTypedData_v4"]
    assert one.troubles == []


def test_phone__development_wallet_and_thumb__labels(visit: Callable[..., Visit]) -> None:
    one = visit(viewport=PHONE)
    page = one.page
    screenshot(page, "phone-connect")
    page.get_by_role("button", name="Use Development wallet").click()
    page.get_by_role("button", name="I agree").click()
    one.panel("label")
    page.wait_for_function("document.getElementById('item-image').complete")
    screenshot(page, "phone-label")
    # Picture and buttons fit one screen, and nothing is wider than it.
    assert page.locator("#classes").bounding_box()["y"] < PHONE["height"] - 120  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for n in range(10):
        page.locator("#classes button").nth(n).click()
    screenshot(page, "phone-review")
    page.get_by_role("button", name="Item 3: 2. Change").click()
    page.locator("#classes button").nth(7).click()
    page.get_by_role("button", name="Submit 10 labels").click()
    expect(page.locator("#notice")).to_contain_text("10 labels submitted")
    assert sorted(one.desk.answers.values()) == sorted("0173456789")
    assert one.wallet.asked == []
    assert one.troubles == []


def test_development_wallet__real_chain__is_not_offered(visit: Callable[..., Visit]) -> None:
    one = visit(development=False)
    expect(one.page.get_by_role("button", name="Use Test Wallet")).to_be_visible()
    assert one.page.get_by_role("button", name="Development").count() == 0


def test_reload__in_mid_batch__restores_answers_and_lease(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.begin()
    one.press("314")
    expires = one.desk.accounts[one.address].lease
    one.page.reload()
    one.panel("label")
    expect(one.page.locator("#batch-place")).to_have_text("Item 4 of 10")
    assert one.desk.accounts[one.address].lease == expires
    one.page.keyboard.press("Backspace")
    expect(one.page.locator("#batch-place")).to_have_text("Item 3 of 10")
    one.press("51592653")
    one.panel("review")
    one.page.keyboard.press("Enter")
    one.panel("label")
    assert "".join(one.desk.answers[one.address, n] for n in range(10)) == "3151592653"
    assert one.wallet.asked.count("eth_signTypedData_v4") == 1
    assert one.troubles == []


def test_server_down__at_submission__answers_arrive_once_it_is_back(
    visit: Callable[..., Visit],
) -> None:
    one = visit()
    one.begin()
    one.press("0123456789")
    one.panel("review")
    one.desk.failure = StoreError("disk full")
    one.page.keyboard.press("Enter")
    one.panel("wait")
    assert "can't be reached" in one.errors_shown()
    one.page.reload()
    one.page.wait_for_timeout(300)
    assert one.desk.answers == {}
    one.desk.failure = None
    one.page.reload()
    one.panel("label")
    assert "".join(one.desk.answers[one.address, n] for n in range(10)) == "0123456789"
    assert one.desk.accounts[one.address].submitted == 10


def test_offline__at_submission__goes_on_by_itself(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.begin()
    one.press("0123456789")
    one.panel("review")
    one.page.context.set_offline(True)
    one.page.keyboard.press("Enter")
    one.panel("wait")
    assert "kept in this browser" in one.errors_shown()
    one.page.context.set_offline(False)
    one.panel("label")
    assert len(one.desk.answers) == 10
    expect(one.page.locator("#notice")).to_contain_text("Connected again")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("signer", "doesn't verify"),
        ("entry", "something else than you sent"),
        ("fork", "two different logs"),
    ],
)
def test_gateway__that_lies__stops_the_labeling(
    visit: Callable[..., Visit], fault: str, told: str
) -> None:
    one = visit()
    one.begin()
    one.press("0123456789")
    one.panel("review")
    one.desk.fault = fault
    one.page.keyboard.press("Enter")
    one.panel("wait")
    expect(one.page.locator("#error")).to_contain_text(told)
    expect(one.page.locator("#wait-reason")).to_have_text("Labeling has stopped on this page.")


def test_wallet__declines__says_so_and_can_be_asked_again(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.wallet.declines = {"personal_sign"}
    one.page.get_by_role("button", name="Use Test Wallet").click()
    expect(one.page.locator("#error")).to_contain_text("You declined in your wallet")
    one.wallet.declines = {"eth_signTypedData_v4"}
    one.sign_in()
    one.page.get_by_role("button", name="I agree").click()
    expect(one.page.locator("#error")).to_contain_text("You declined in your wallet")
    assert one.desk.rows == []
    one.wallet.declines = set()
    one.page.get_by_role("button", name="I agree").click()
    one.panel("label")


def test_wallet__on_another_chain__is_asked_to_switch(visit: Callable[..., Visit]) -> None:
    one = visit(chain_id=1)
    one.wallet.declines = {"wallet_switchEthereumChain"}
    one.sign_in()
    one.page.get_by_role("button", name="I agree").click()
    expect(one.page.locator("#error")).to_contain_text("declined")
    one.wallet.declines = set()
    one.page.get_by_role("button", name="I agree").click()
    one.panel("label")
    assert one.wallet.chain_id == 31337


def test_session__ended_in_mid_batch__keeps_the_answers(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.begin()
    one.press("01234")
    one.page.context.clear_cookies()
    one.panel("connect")
    assert "answers are kept" in one.errors_shown()
    one.page.get_by_role("button", name="Use Test Wallet").click()
    one.panel("label")
    expect(one.page.locator("#batch-place")).to_have_text("Item 6 of 10")
    assert one.wallet.asked.count("eth_signTypedData_v4") == 1


def test_wallet__account_switched__is_said(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.begin()
    other = "0x" + "ab" * 20
    one.page.evaluate("account => window.walletEmits('accountsChanged', [account])", other)
    expect(one.page.locator("#notice")).to_contain_text("You are still signed in as")


def test_lease__about_to_end__can_be_submitted_early(visit: Callable[..., Visit]) -> None:
    one = visit(lease_seconds=30)
    one.begin()
    one.press("012")
    one.page.get_by_role("button", name="Submit these 3 now").click()
    expect(one.page.locator("#notice")).to_contain_text("3 labels submitted")
    expect(one.page.locator("#batch-place")).to_have_text("Item 1 of 7")
    assert len(one.desk.answers) == 3


def test_lease__lapsed__says_what_was_lost_and_goes_on(visit: Callable[..., Visit]) -> None:
    one = visit(lease_seconds=3)
    one.begin()
    one.press("0123456")
    expect(one.page.locator("#lease-left")).to_have_text("Time is up")
    one.press("789")
    one.panel("review")
    one.page.keyboard.press("Enter")
    expect(one.page.locator("#error")).to_contain_text("The time for these items ran out")
    one.panel("label")
    one.press("01")
    expect(one.page.locator("#lease-left")).to_have_text("Time is up")
    one.page.reload()
    expect(one.page.locator("#error")).to_contain_text("2 of your answers went unused")
    assert one.desk.answers == {}


def test_everything_labeled__says_thank_you(visit: Callable[..., Visit]) -> None:
    one = visit(items=3)
    one.begin()
    one.press("012")
    one.panel("review")
    one.page.keyboard.press("Enter")
    one.panel("wait")
    expect(one.page.locator("#wait-reason")).to_contain_text("You have labeled everything")
    screenshot(one.page, "desktop-nothing-left")
    one.page.get_by_role("link", name="Find other work").click()
    expect(one.page.get_by_role("heading", name="Find work")).to_be_visible()


def test_campaign__each_panel__has_no_barrier_in_any_theme_and_size(
    visit: Callable[..., Visit],
) -> None:
    one = visit(items=3, viewport=SMALL_PHONE)
    page, found = one.page, []

    def look(panel: str) -> None:
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            for name, size in (("phone", SMALL_PHONE), ("desktop", DESKTOP)):
                page.set_viewport_size(size)  # type: ignore[arg-type]
                screenshot(page, f"{name}-{theme}-panel-{panel}")
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    found.append(f"{panel}: wider than the screen")
            found.extend(f"{panel}: {fault}" for fault in violations(page))

    expect(page.get_by_role("button", name="Use Test Wallet")).to_be_visible()
    look("connect")
    one.wallet.declines = {"personal_sign"}
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page.locator("#error")).to_contain_text("You declined")
    look("declined")
    one.wallet.declines = set()
    one.sign_in()
    look("agree")
    page.get_by_role("button", name="I agree").click()
    one.panel("label")
    one.press("0s2")
    one.panel("review")
    look("review")
    page.keyboard.press("Enter")
    one.panel("wait")
    look("nothing-left")
    one.desk.finalize()
    page.get_by_role("button", name="Claim 0.1 LABEL").click()
    expect(page.locator("#claim-result")).to_contain_text("moved to your wallet")
    look("claimed")
    assert found == []
