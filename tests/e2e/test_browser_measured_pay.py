"""Spans marked by keys in a real Chromium, measured against gold, paid by the contracts: from the
lease to tokens in the wallet, on a development chain.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from oracle.chain.wallets import DevWallets
from oracle.evidence.hashing import keccak256
from oracle.evidence.results import COLLECTED, GOLD
from oracle.replay.digits import TOKEN
from oracle.replay.showcase import GOLD as GOLD_ITEMS
from oracle.replay.showcase import GOLD_EPOCHS, ITEMS
from oracle.requester.results import epoch_results
from oracle.serving import local_platform
from oracle.transport.listening import listening
from tests.e2e.chromium import DESKTOP, TestWallet, free_port, watch
from tests.e2e.test_browser_first_tokens import (
    EPOCH_SECONDS,
    WINDOW_SECONDS,
    pending_receipt,
    serves,
    warp,
)
from tests.e2e.test_browser_tasks import BY_TYPE, by_keys, ready
from tests.support.network import wait_until
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
expect.set_options(timeout=30_000)
BATCHES = 2


def test_spans__by_keys__to_tokens_in_the_wallet(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    showcase = BY_TYPE["spans"]
    with local_platform(tmp_path) as served:
        platform = served.platform
        number = platform.create_campaign(
            showcase.build(
                keccak256(b"measured pay"),
                epochSeconds=EPOCH_SECONDS,
                leaseSeconds=240,
                graceSeconds=2,
                anchorBlocks=2,
            ),
            DevWallets(platform.deployment.chain_id).requester(),
            budget=100 * TOKEN,
            bond=100 * TOKEN,
            epoch_cap=100 * TOKEN,
            fee_bps=500,
        )
        wait_until(lambda: serves(platform, number), 60, what="the new campaign")
        app = create_app(
            platform.desk(name="Local devnet"), platform.community, Settings((origin,), b"k" * 32)
        )
        with listening(app, "127.0.0.1", port):
            page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
            page.set_default_timeout(30_000)
            troubles = watch(page, origin)
            wallet = TestWallet.named("marks spans", platform.deployment.chain_id)
            wallet.install(page)
            page.goto(f"{origin}/campaigns/{number}")
            page.get_by_role("button", name="Use Test Wallet").click()
            page.get_by_role("button", name="I agree").click()

            truth = {item.text: answer for item, answer in (showcase.make(n) for n in range(ITEMS))}
            labeled = 0
            for _ in range(BATCHES):
                ready(page)
                batch = int(page.locator("#batch-place").inner_text().split()[-1])
                for place in range(batch):
                    expect(page.locator("#batch-place")).to_have_text(
                        f"Item {place + 1} of {batch}"
                    )
                    by_keys(page, "spans", truth[page.locator(".item-text").inner_text()])
                expect(page.locator('[data-panel="review"]')).to_be_visible()
                page.keyboard.press("Enter")
                labeled += batch
                expect(page.locator("#pending")).to_have_text(str(labeled))

            warp(platform, EPOCH_SECONDS)
            wait_until(lambda: pending_receipt(platform, number), 60, what="the receipt")
            warp(platform, WINDOW_SECONDS)
            claim = page.get_by_role("button", name=re.compile(r"^Claim \d"))
            expect(claim).to_be_enabled(timeout=90_000)
            claim.click()
            expect(page.locator("#claim-result")).to_contain_text("moved to your wallet")

            address = bytes.fromhex(wallet.address[2:])
            result = epoch_results(platform, number)[0]
            row = next(one for one in result.evidence.contributors if one.account == address)
            assert row.gold_right == row.gold_total >= 5
            assert row.passed
            assert row.agreement == row.gold_total * 1_000_000 // (row.gold_total + 4)
            assert {one.status for one in result.evidence.items} <= {COLLECTED, GOLD}
            assert len(result.gold) == GOLD_ITEMS // GOLD_EPOCHS
            balance = platform.reader.balance(platform.deployment.token, address)
            assert balance == result.evidence.leaves[0].cumulative > TOKEN // 2
            assert troubles == []
