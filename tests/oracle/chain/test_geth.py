"""The adapters on a second client: geth's development mode, where time can't be moved."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

import oracle.chain.transactions as module
from oracle.chain.deployment import DEVNET, Deployment
from oracle.chain.launch import Launcher, inspect
from oracle.chain.poster import OPERATOR, Poster
from oracle.chain.rpc import connect, request
from oracle.chain.transactions import Fees
from oracle.chain.wallets import DevWallets
from oracle.ports import EventStore
from oracle.store.database import open_database
from oracle.store.events import SqlEventStore
from oracle.store.transactions import SqlTransactionStore
from tests.oracle.chain import conftest
from tests.oracle.chain.conftest import OPERATOR_KEYS, UNIT
from tests.oracle.chain.test_indexer import (
    test_reader__node_leaves_logs_out__is_noticed_and_nothing_is_stored as test_half_of_logs,
)
from tests.oracle.chain.test_indexer import (
    test_reader__two_over_one_database__both_see_all as test_two_readers,
)
from tests.oracle.chain.test_platform import (
    test_campaign__created_to_refunded__moves_exactly_the_money_of_its_receipts as test_campaign,
)
from tests.oracle.chain.test_platform import (
    test_claim__padded_leaf__is_refused_and_pays_nothing as test_padded_leaf,
)
from tests.oracle.chain.test_platform import (
    test_post__without_quorum__carries_the_contracts_reason as test_without_quorum,
)
from tests.oracle.chain.test_transactions import (
    test_post__again_after_it_was_mined_unseen__sends_nothing as test_mined_unseen,
)
from tests.oracle.chain.test_transactions import (
    test_send__after_a_kill__fills_the_gap_first as test_gap,
)
from tests.support.servers.geth import Geth

pytestmark = pytest.mark.services

SHARED = (
    test_campaign,
    test_padded_leaf,
    test_without_quorum,
    test_half_of_logs,
    test_two_readers,
    test_mined_unseen,
    test_gap,
)
WINDOW = 3


class GethChain:
    """Of a Devnet what the tests of both clients use; where time is moved, this waits."""

    def __init__(self, geth: Geth) -> None:
        self.w3: Web3 = connect(geth.url)

    def block_number(self) -> int:
        return int(request(self.w3, "eth_blockNumber"), 16)

    def mine(self, blocks: int = 1) -> None:
        until = self.block_number() + blocks
        while self.block_number() < until:
            time.sleep(0.1)

    def increase_time(self, seconds: int) -> None:
        time.sleep(seconds)
        self.mine(2)


@dataclass
class GethPlatform(conftest.Platform):
    """Every test has accounts and a campaign of its own on the one chain."""

    first_account: int = 0
    manifest: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def account(self, index: int) -> bytes:
        return super().account(self.first_account + index)

    def create(self, manifest: bytes | None = None, budget: int = 1_000) -> int:
        return super().create(manifest or self.manifest, budget)


@pytest.fixture(scope="module")
def deployed(geth: Geth) -> tuple[Any, Deployment]:
    chain, wallets = GethChain(geth), DevWallets(Geth.chain_id)
    operators = [wallets.operator(index) for index in range(3)]
    payers = [wallets.deployer, wallets.relayer, wallets.requester(), wallets.gateway, *operators]
    for payer in payers:
        geth.fund(payer.address, 100 * UNIT)
    chain.mine(2)
    launcher = Launcher(chain.w3, wallets.deployer)
    deployment = launcher.deploy(replace(DEVNET, window_seconds=WINDOW))
    members = [bytes.fromhex(one.address[2:]) for one in operators]
    assert launcher.seat(deployment, members, 2) == members
    for operator, key in zip(operators, OPERATOR_KEYS, strict=True):
        poster = Poster(chain.w3, operator, deployment)
        poster.join(OPERATOR, key)
        poster.stake(OPERATOR, deployment.parameters.min_operator_stake)
    assert launcher.seat(deployment, members, 2) == []
    owner = Poster(chain.w3, wallets.deployer, deployment)
    owner.mint(bytes.fromhex(wallets.requester().address[2:]), 10**24)
    launcher.hand_over(deployment)
    return chain, deployment


numbers = count()


@pytest.fixture
def platform(deployed: tuple[Any, Deployment]) -> GethPlatform:
    chain, deployment = deployed
    return GethPlatform(
        chain, deployment, DevWallets(Geth.chain_id), first_account=1_000 * next(numbers)
    )


@pytest.fixture
def store(tmp_path: Path) -> SqlTransactionStore:
    engine = open_database(f"sqlite:///{tmp_path / 'ddlp.sqlite'}")
    return SqlTransactionStore(engine, Geth.chain_id)


@pytest.fixture(autouse=True)
def _forget_threads() -> Iterator[None]:
    module._accounts.clear()
    yield
    module._accounts.clear()


def test_shared_tests__of_both_clients__run_here() -> None:
    assert all(one.__name__.startswith("test_") for one in SHARED)


def test_hand_over__on_geth__is_as_on_anvil(platform: GethPlatform) -> None:
    found = inspect(platform.devnet.w3, platform.deployment)
    assert [finding for finding in found if not finding.right] == []


def test_reader__finalized__follows_every_32_blocks(platform: GethPlatform, tmp_path: Path) -> None:
    def stored(name: str) -> EventStore:
        return SqlEventStore(open_database(f"sqlite:///{tmp_path / name}"))

    reader = platform.reader("finalized", stored("finalized.db"))
    first = reader.head()
    assert first.number % 32 == 0
    while reader.head() == first:
        time.sleep(0.5)
    assert reader.head().number == first.number + 32
    platform.devnet.mine(2)
    latest = platform.reader("latest", stored("latest.db"))
    assert latest.head().number > reader.head().number
    up_to = reader.head().number
    assert list(latest.events(up_to)) == list(reader.events())
    confirmed = platform.reader(5)
    assert confirmed.head().number <= latest.head().number - 4


def test_send__offers_less_than_a_block_asks__is_replaced_by_geths_own_rule(
    platform: GethPlatform, store: SqlTransactionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = platform.wallets.requester()
    poster = Poster(
        platform.devnet.w3, account, platform.deployment, store, Fees(stuck_seconds=2.5)
    )
    offered = iter([(2, 1)])
    asked = module.Sender._fees_now
    monkeypatch.setattr(
        module.Sender, "_fees_now", lambda sender: next(offered, None) or asked(sender)
    )
    recipient = platform.account(1)
    poster.transfer(platform.deployment.token, recipient, 7)
    assert platform.reader().balance(platform.deployment.token, recipient) == 7
    history = store.history(poster.address)
    assert [one.state for one in history] == ["replaced", "mined"]
    assert history[0].nonce == history[1].nonce
    assert history[0].max_fee == 2
