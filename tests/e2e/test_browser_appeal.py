"""Claims of all campaigns at once, and an appeal that an expert answers: in Chromium, over the
whole platform as `ddlp serve` runs it, on a development chain.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from oracle.bootstrap import Platform
from oracle.chain.wallets import DevWallets
from oracle.evidence import entries
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
from tests.e2e.test_browser_first_tokens import (
    EPOCH_SECONDS,
    FIRST_EPOCH,
    GOLD,
    GOLD_EPOCHS,
    ITEMS,
    WINDOW_SECONDS,
    others_label,
    pending_receipt,
    serves,
    warp,
)
from tests.support.courses import course
from tests.support.network import wait_until
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)

SLIPS = 4  # items that the person gets wrong


def open_campaign(platform: Platform, name: str) -> tuple[int, list[int]]:
    """Create a small campaign; return its number and the truth by item."""
    terms = digit_terms(
        epochSeconds=EPOCH_SECONDS, leaseSeconds=120, graceSeconds=2, anchorBlocks=2
    )
    files, truth = digit_campaign(
        terms, items=ITEMS, gold=GOLD, gold_epochs=GOLD_EPOCHS, secret=keccak256(name.encode())
    )
    number = platform.create_campaign(
        files,
        DevWallets(platform.deployment.chain_id).requester(),
        budget=100 * TOKEN,
        bond=100 * TOKEN,
        epoch_cap=100 * TOKEN,
        fee_bps=500,
    )
    wait_until(lambda: serves(platform, number), 60, what="the new campaign")
    return number, truth


def person_labels(
    platform: Platform, gateway: Gateway, wallet: TestWallet, truth: list[int]
) -> None:
    """Let the wallet's owner label all that they are given, with a few slips where no gold is."""
    gold = {row.item for row in gateway._secrets.gold}
    slips = [item for item in range(ITEMS) if item not in gold][:SLIPS]
    person = SimulatedContributor(
        gateway,
        platform.reader.facts(gateway.campaign, gateway.manifest.anchor_blocks).escrow_domain,
        wallet.key,
        secret=keccak256(f"labels of {gateway.campaign}".encode()),
        answer=lambda item: (truth[item] + (item in slips)) % 10,
    )
    person.delegate(int(time.time()) + 86_400)
    done = 0

    def worked() -> bool:
        nonlocal done
        done += person.work(10, int(time.time()))
        return done == FIRST_EPOCH

    wait_until(worked, 60, what="the person's labels")


def sign_in(browser: Browser, origin: str, wallet: TestWallet, following: str) -> Page:
    page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
    page.set_default_timeout(30_000)
    wallet.install(page)
    page.goto(f"{origin}/sign-in?next={following}")
    page.get_by_role("button", name="Use Test Wallet").click()
    expect(page).to_have_url(f"{origin}{following}")
    return page


def test_claim_all_and_appeal__on_a_chain__move_tokens_and_are_answered(
    tmp_path: Path, browser: Browser
) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with local_platform(tmp_path) as served:
        platform = served.platform
        chain_id = platform.deployment.chain_id
        wallet, expert = (TestWallet.named(name, chain_id) for name in ("claims all", "an expert"))
        address = bytes.fromhex(wallet.address[2:])
        campaigns = [open_campaign(platform, name) for name in ("claims all, one", "and two")]
        for number, truth in campaigns:
            gateway = platform.gateway(number)
            person_labels(platform, gateway, wallet, truth)
            others_label(platform, gateway, truth)
        warp(platform, EPOCH_SECONDS)
        for number, _ in campaigns:
            wait_until(
                lambda number=number: pending_receipt(platform, number), 60, what="the receipts"
            )
        warp(platform, WINDOW_SECONDS)

        app = create_app(
            platform.desk(name="Local devnet"), platform.community, Settings((origin,), b"k" * 32)
        )
        with listening(app, "127.0.0.1", port):
            page = sign_in(browser, origin, wallet, "/earnings")
            troubles = watch(page, origin)
            for number, _ in campaigns:
                ready = page.locator(f'[data-campaign="{number}"] [data-field="claimable"]')
                expect(ready).not_to_have_text("0 DDLP", timeout=90_000)  # by itself
            assert platform.reader.balance(platform.deployment.token, address) == 0
            page.get_by_role("button", name="Claim all").click()
            expect(page.locator("#claimed")).to_contain_text("from 2 campaigns moved")
            balance = platform.reader.balance(platform.deployment.token, address)
            claimed = [platform.reader.claimed(number, address) for number, _ in campaigns]
            assert balance == sum(one.cumulative for one in claimed)
            assert min(one.cumulative for one in claimed) > TOKEN // 4
            assert platform.w3.eth.get_balance(wallet.address) == 0  # the relayer paid the gas
            transaction = page.locator("#claimed").inner_text().split()[-1]
            receipt = platform.w3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
            assert receipt["status"] == 1
            expect(page.locator('[data-sum="claimable"]')).to_have_text("0 DDLP")

            number, truth = campaigns[0]
            page.goto(f"{origin}/earnings/campaigns/{number}")
            label = page.locator("li.card").filter(has_text="so this one lowers").first
            identity = label.get_attribute("id")
            item = int(label.locator("h2").inner_text().split()[1])
            label.get_by_label("Why").select_option("The guidelines say otherwise.")
            label.get_by_role("button", name="Appeal").click()
            appealed = page.locator(f"#{identity}")
            expect(appealed).to_contain_text("An expert will answer")

            platform.community.learning.publish(number, course(experts=[expert.address]))
            judge = sign_in(browser, origin, expert, f"/campaigns/{number}/appeals")
            expect(judge.get_by_text("agree to its terms")).to_be_visible()
            delegates(platform, platform.gateway(number), expert)
            judge.reload()
            case = judge.locator("li.card")
            expect(case.locator("h2")).to_have_text(f"Item {item}")
            screenshot(judge, "real-appeal")
            case.get_by_label("The right answer").select_option(str(truth[item]))
            case.get_by_role("button", name="Sign the answer").click()
            expect(case).to_contain_text("Answered: it stands in the log.")
            page.reload()
            expect(appealed).to_contain_text(f"found {truth[item]}: The item shows it clearly.")
            expect(appealed).to_contain_text("What is final stays as it was paid")

            gateway = platform.gateway(number)
            logged = [row.entry for row in gateway.rows()]
            (adjudication,) = [one for one in logged if isinstance(one, entries.Adjudication)]
            assert adjudication.expert == bytes.fromhex(expert.address[2:])
            assert adjudication.item == gateway.item_ids[item]
            assert [one.contributor for one in logged if isinstance(one, entries.Appeal)] == [
                address
            ]
            assert troubles == []


def delegates(platform: Platform, gateway: Gateway, wallet: TestWallet) -> None:
    """Let a wallet agree to a campaign's terms, and label nothing."""
    SimulatedContributor(
        gateway,
        platform.reader.facts(gateway.campaign, gateway.manifest.anchor_blocks).escrow_domain,
        wallet.key,
        secret=keccak256(b"labels nothing"),
        answer=lambda item: 0,
    ).delegate(int(time.time()) + 86_400)
