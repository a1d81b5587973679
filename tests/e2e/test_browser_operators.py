"""The page and the operators: three of them and a gateway, each with its own database, over one
development chain; a page that asks operators about its lease, and files with them what the gateway
keeps from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.bootstrap import Keys, Platform, establish_devnet, sealing_key
from oracle.chain.devnet import Devnet
from oracle.chain.rpc import connect
from oracle.chain.wallets import DevWallets
from oracle.content.local import LocalContent
from oracle.errors import UnknownCampaign
from oracle.evidence.entries import Submission
from oracle.evidence.signing import address_of
from oracle.operations.loop import Loop
from oracle.operations.metrics import Metrics
from oracle.ports import LogFeed
from oracle.processes.folder import Peers
from oracle.processes.gateway import GatewayProcess
from oracle.processes.operator import OperatorProcess
from oracle.replay.digits import TOKEN, digit_campaign, digit_terms
from oracle.transport.listening import listening
from oracle.transport.server import create_feed_app, create_operator_app
from tests.e2e.accessibility import violations
from tests.e2e.chromium import (
    DESKTOP,
    SMALL_PHONE,
    TestWallet,
    free_port,
    screenshot,
    watch,
)
from tests.support.network import wait_until
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
expect.set_options(timeout=60_000)

OPERATORS = 3
LOOPBACK = "http://127.0.0.1:"


@dataclass
class Network:
    """Where the page is, the gateway and the operators behind it; a `hiding` gateway takes
    submissions, signs for them, and shows operators nothing any more."""

    origin: str
    platform: Platform
    operators: list[OperatorProcess]
    hiding: bool = False

    def feed(self, gateway: GatewayProcess, campaign: int) -> LogFeed:
        if self.hiding:
            raise UnknownCampaign("nothing to see here: ask another gateway")
        return gateway.feed(campaign)

    def logged(self) -> list[bytes]:
        """The hashes of the submissions in the gateway's log."""
        rows = self.platform.gateway(1).rows()
        return [row.entry_hash for row in rows if isinstance(row.entry, Submission)]

    def holders(self, submission: bytes, *, filed: bool) -> int:
        """How many operators say that they hold a submission: in their log, or as a filing."""
        holds = [one for one in self.operators if one.desk(1).holds([submission])]
        filings = [one for one in holds if one.peer(1).filings([submission])]
        return len(filings if filed else holds)


@contextmanager
def running(folder: Path) -> Iterator[Network]:
    """Run all of it in threads of this process, as `ddlp gateway run` and `ddlp operator run` do
    in processes of their own."""
    keys = Keys.of_devnet(OPERATORS)
    feed_port, page_port, *ports = (free_port() for _ in range(2 + OPERATORS))
    urls = {
        bytes.fromhex(one.address[2:]): f"{LOOPBACK}{port}"
        for one, port in zip(keys.operators, ports, strict=True)
    }
    peers = Peers(urls, {address_of(keys.gateway): f"{LOOPBACK}{feed_port}"})
    with Devnet(folder / "chain", block_seconds=1) as devnet, ExitStack() as stack:
        deployment = establish_devnet(devnet, keys)
        content = LocalContent(folder / "content")

        def loop(process: GatewayProcess | OperatorProcess) -> None:
            one = Loop(process, Metrics())
            one.start()
            stack.callback(one.stop)

        platform = Platform(
            devnet.w3,
            deployment,
            keys=keys,
            state_dir=folder / "gateway",
            finality="finalized",
            content=content,
        )
        terms = digit_terms(epochSeconds=600, leaseSeconds=580, graceSeconds=2, anchorBlocks=2)
        files, _ = digit_campaign(terms, items=60, gold=12, gold_epochs=2, secret=b"\x05" * 32)
        platform.create_campaign(
            files,
            DevWallets(deployment.chain_id).requester(),
            budget=100 * TOKEN,
            bond=100 * TOKEN,
            epoch_cap=100 * TOKEN,
            fee_bps=500,
        )
        gateway = GatewayProcess(platform)
        operators = [
            OperatorProcess(
                connect(devnet.url),
                deployment,
                signer=account,
                sealing_key=sealing_key(account),
                peers=peers,
                state_dir=folder / account.address,
                finality="finalized",
                content=content,
                database_url=f"sqlite:///{folder / account.address}.sqlite",
            )
            for account in keys.operators
        ]
        origin = f"{LOOPBACK}{page_port}"
        network = Network(origin, platform, operators)
        feed = create_feed_app(
            gateway.identity, lambda number: network.feed(gateway, number), gateway.operators
        )
        stack.enter_context(listening(feed, "127.0.0.1", feed_port))
        loop(gateway)
        for process, port in zip(operators, ports, strict=True):
            app = create_operator_app(process.identity, process, process.members)
            stack.enter_context(listening(app, "127.0.0.1", port))
            loop(process)
        page = create_app(
            platform.desk(name="Local devnet"),
            platform.community,
            Settings((origin,), b"k" * 32, operators=urls),
        )
        stack.enter_context(listening(page, "127.0.0.1", page_port))
        wait_until(lambda: 1 in platform.gateways(), 60, what="campaign served")
        yield network


def label_all(page: Page) -> None:
    """Answer a whole batch and hand it in."""
    for _ in range(int(page.locator("#batch-place").inner_text().split()[-1])):
        place = page.locator("#batch-place").inner_text()
        page.keyboard.press("7")
        page.wait_for_function(
            "before => document.getElementById('batch-place').textContent !== before"
            " || !document.querySelector('[data-panel=review]').hidden",
            arg=place,
        )
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    page.keyboard.press("Enter")


def look(page: Page, name: str) -> None:
    """Keep pictures of both sizes and themes, and find no barrier; the last is large and dark."""
    for size, viewport in (("phone", SMALL_PHONE), ("desktop", DESKTOP)):
        for theme in ("light", "dark"):
            page.set_viewport_size(viewport)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            screenshot(page, f"{size}-{theme}-{name}")
            assert violations(page) == []
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_page__asks_operators_about_its_lease__and_files_what_the_gateway_hides(
    tmp_path: Path, browser: Browser
) -> None:
    with running(tmp_path) as network:
        page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        troubles = watch(page, LOOPBACK)
        wallet = TestWallet.named("trusts nobody", network.platform.deployment.chain_id)
        wallet.install(page)
        page.goto(f"{network.origin}/campaigns/1")
        page.get_by_role("button", name="Use Test Wallet").click()
        page.get_by_role("button", name="I agree").click()

        # Before work starts, a quorum vouches for the lease by its signatures.
        expect(page.locator('[data-panel="label"]')).to_be_visible()
        vouched = page.locator("#vouched")
        expect(vouched).to_have_text(
            re.compile(r"^[23] of 3 operators vouch for this lease: its pay is backed\.$")
        )
        assert sum(len(one._member(1).intake.certificates) for one in network.operators) >= 2
        look(page, "vouched")
        label_all(page)
        expect(page.locator("#handed-in")).to_have_text(
            re.compile(r"[23] of 3 operators have it: it counts, whatever the gateway does\.$")
        )
        assert len(network.logged()) == 1

        # The gateway goes on taking submissions, and shows operators none of it.
        expect(page.locator('[data-panel="label"]')).to_be_visible()
        network.hiding = True
        label_all(page)
        expect(page.locator("#handed-in")).to_have_text(
            re.compile(r"this page filed it: [23] of 3 took it, and it counts\.$"), timeout=150_000
        )
        expect(page.locator("#wait-title")).to_have_text("Asking the operators")
        expect(page.locator("#wait-reason")).to_contain_text("0 of 3 vouch for them so far")
        look(page, "unvouched")
        page.get_by_role("button", name="Start without their word").click()
        expect(page.locator('[data-panel="label"]')).to_be_visible()
        expect(vouched).to_be_empty()
        shown, hidden = network.logged()
        assert network.holders(shown, filed=False) >= 2
        assert network.holders(hidden, filed=True) >= 2

        page.goto(f"{network.origin}/earnings/campaigns/1")
        kept = page.locator("#kept-list li")
        expect(kept).to_have_count(2)
        assert [one.get_attribute("data-state") for one in kept.all()] == ["filed", "stands"]
        look(page, "kept")
        # Chromium notes every refusal; operators refuse what they don't have yet.
        assert [one for one in troubles if "status of 409" not in one] == []
