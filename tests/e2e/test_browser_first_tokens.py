"""From first visit to tokens in the wallet: a real Chromium, an injected EIP-6963 wallet, and the
whole platform as `ddlp serve` runs it, on a development chain.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.bootstrap import Platform
from oracle.chain.wallets import DevWallets
from oracle.evidence.hashing import keccak256
from oracle.gateway.gateway import Gateway
from oracle.replay.contributors import SimulatedContributor
from oracle.replay.digits import TOKEN, digit_campaign, digit_terms
from oracle.serving import local_platform
from oracle.transport.listening import listening
from tests.e2e.chromium import (
    DESKTOP,
    TestWallet,
    free_port,
    screenshot,
    watch,
)
from tests.support.network import wait_until
from webapp import Settings, create_app

ITEMS, GOLD, GOLD_EPOCHS, OTHERS = 30, 6, 2, 4
FIRST_EPOCH = ITEMS - GOLD // GOLD_EPOCHS  # the second epoch's gold isn't drawn before it
EPOCH_SECONDS, WINDOW_SECONDS = 300, 60

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=30_000)


def small_campaign(platform: Platform) -> tuple[int, list[int]]:
    """Create a campaign that five people can finish; return its number and the truth by item."""
    terms = digit_terms(
        epochSeconds=EPOCH_SECONDS, leaseSeconds=120, graceSeconds=2, anchorBlocks=2
    )
    files, truth = digit_campaign(
        terms, items=ITEMS, gold=GOLD, gold_epochs=GOLD_EPOCHS, secret=keccak256(b"first tokens")
    )
    number = platform.create_campaign(
        files,
        DevWallets(platform.deployment.chain_id).requester(),
        budget=100 * TOKEN,
        bond=100 * TOKEN,
        epoch_cap=100 * TOKEN,
        fee_bps=500,
    )
    return number, truth


def serves(platform: Platform, number: int) -> bool:
    # before its log's first anchor nobody can agree to anything: the page says to wait a minute
    return number in platform.gateways() and platform.gateway(number).head() is not None


def others_label(platform: Platform, gateway: Gateway, truth: list[int]) -> None:
    """Let honest simulated contributors label everything they are given."""
    wallets = DevWallets(platform.deployment.chain_id)
    domain = platform.reader.facts(gateway.campaign, gateway.manifest.anchor_blocks).escrow_domain
    others = [
        SimulatedContributor(
            gateway,
            domain,
            bytes(wallets.contributor(n).key),
            secret=keccak256(f"other {n}".encode()),
            answer=truth.__getitem__,
        )
        for n in range(OTHERS)
    ]
    for other in others:
        other.delegate(int(time.time()) + 86_400)
    done = [0] * OTHERS

    def all_done() -> bool:
        for n, other in enumerate(others):
            if done[n] < FIRST_EPOCH:
                done[n] += other.work(10, int(time.time()))
        return min(done) == FIRST_EPOCH

    wait_until(all_done, 60, what="the other contributors")


def label_one(page: Page, truth: list[int]) -> None:
    """Look at the picture, press its digit."""
    place = page.locator("#batch-place").inner_text()
    source = page.locator("#item-image").get_attribute("src")
    assert source is not None
    page.keyboard.press(str(truth[int(source.rsplit("/", 1)[1])]))
    page.wait_for_function(
        "before => document.getElementById('batch-place').textContent !== before"
        " || !document.querySelector('[data-panel=review]').hidden",
        arg=place,
    )


def warp(platform: Platform, seconds: int) -> None:
    """Let the chain's clock jump."""
    answer = platform.w3.provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
    assert "error" not in answer


def test_first_visit__to_tokens_in_the_wallet(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with local_platform(tmp_path) as served:
        platform = served.platform
        number, truth = small_campaign(platform)
        wait_until(lambda: serves(platform, number), 60, what="the new campaign")
        gateway = platform.gateway(number)
        app = create_app(
            platform.desk(name="Local devnet"), platform.community, Settings((origin,), b"k" * 32)
        )
        with listening(app, "127.0.0.1", port):
            page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
            page.set_default_timeout(30_000)
            troubles = watch(page, origin)
            wallet = TestWallet.named("first visitor", platform.deployment.chain_id)
            address = bytes.fromhex(wallet.address[2:])
            assert platform.w3.eth.get_balance(wallet.address) == 0
            wallet.install(page)

            page.goto(origin)
            page.locator(f'a[href="/campaigns/{number}"]').click()
            page.get_by_role("button", name="Use Test Wallet").click()
            page.get_by_role("button", name="I agree").click()
            # Items are drawn from the second anchor on: the page waits and goes on by itself.
            expect(page.locator('[data-panel="label"]')).to_be_visible()
            screenshot(page, "real-label")
            labeled = 0
            while labeled < FIRST_EPOCH:
                expect(page.locator('[data-panel="label"]')).to_be_visible()
                batch = int(page.locator("#batch-place").inner_text().split()[-1])
                for _ in range(batch):
                    label_one(page, truth)
                expect(page.locator('[data-panel="review"]')).to_be_visible()
                page.keyboard.press("Enter")
                labeled += batch
                expect(page.locator("#pending")).to_have_text(str(labeled))
            expect(page.locator("#wait-reason")).to_contain_text("Nothing is left")

            others_label(platform, gateway, truth)
            warp(platform, EPOCH_SECONDS)
            wait_until(lambda: pending_receipt(platform, number), 60, what="the receipt")
            warp(platform, WINDOW_SECONDS)

            claim = page.get_by_role("button", name=re.compile(r"^Claim \d"))
            expect(claim).to_be_enabled(timeout=60_000)
            assert platform.reader.balance(platform.deployment.token, address) == 0
            claim.click()
            expect(page.locator("#claim-result")).to_contain_text("moved to your wallet")
            screenshot(page, "real-claimed")

            balance = platform.reader.balance(platform.deployment.token, address)
            claimed = platform.reader.claimed(number, address)
            assert balance == claimed.cumulative > TOKEN // 2
            assert claimed.accepted > FIRST_EPOCH // 2
            transaction = page.locator("#claim-result .hash").inner_text()
            receipt = platform.w3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
            assert receipt["status"] == 1
            # The new wallet never held ether, and was asked for two signatures in all.
            assert platform.w3.eth.get_balance(wallet.address) == 0
            signed = [method for method in wallet.asked if "sign" in method.lower()]
            assert signed == ["personal_sign", "eth_signTypedData_v4"]
            grows(page, origin, number, claimed.accepted)
            assert troubles == []


def grows(page: Page, origin: str, number: int, accepted: int) -> None:
    """Look at what the receipt made of the visitor, and rate the requester."""
    page.goto(f"{origin}/progress")
    main = page.get_by_role("main")
    expect(main).to_contain_text("judged for 1 requester")
    expect(main).to_contain_text(f"{accepted} accepted labels")
    expect(main).to_contain_text(re.compile(r"\d+ of \d+ newly judged labels right"))
    expect(main.locator("figure.chart")).to_have_count(2)
    screenshot(page, "real-progress")
    main.locator(f'a[href="/campaigns/{number}/rating"]').click()
    for group in page.get_by_role("group").all():
        group.get_by_label("5").check()
    page.get_by_role("button", name="Rate").click()
    expect(page.get_by_role("status")).to_contain_text("Kept")


def pending_receipt(platform: Platform, campaign: int) -> bool:
    facts = platform.reader.facts(campaign, 2)
    return bool(facts.settlements)
