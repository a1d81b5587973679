"""Transactions that are killed half-way, stuck, refused, or met by others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

import oracle.chain.transactions as module
from oracle.chain.codec import encode_call
from oracle.chain.poster import Poster
from oracle.chain.rpc import request
from oracle.chain.transactions import GWEI, Fees, Sender
from oracle.errors import ChainError, NodeUnreachable
from oracle.evidence.hashing import keccak256
from oracle.ports import SentTransaction, TransactionStore
from oracle.store.database import open_database
from oracle.store.transactions import SqlTransactionStore
from tests.oracle.chain.conftest import UNIT, Platform

pytestmark = pytest.mark.chain


class Killed(BaseException):
    """The process ends here; nothing of it runs on."""


class _Link(JSONBaseProvider):
    """The way to a node; `cut(method, sent)` may raise before a request is sent, and after."""

    def __init__(self, node: Any, cut: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._node, self._cut = node, cut

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        self._cut(method, False)
        answer: RPCResponse = self._node.make_request(method, params)
        self._cut(method, True)
        return answer


@pytest.fixture
def store(tmp_path: Path) -> TransactionStore:
    return SqlTransactionStore(open_database(f"sqlite:///{tmp_path / 'ddlp.sqlite'}"), 31337)


@pytest.fixture(autouse=True)
def _forget_threads() -> None:
    """Another test's account is not this one's."""
    module._accounts.clear()


def requester(
    platform: Platform,
    store: TransactionStore,
    cut: Callable[[str, bool], None] = lambda _method, _sent: None,
    **fees: Any,
) -> Poster:
    w3 = Web3(_Link(platform.devnet.w3.provider, cut))
    account = platform.wallets.requester()
    return Poster(w3, account, platform.deployment, store, replace(Fees(), **fees))


def states(platform: Platform, store: TransactionStore) -> list[tuple[int, str]]:
    sender = platform.requester.address
    first = store.history(sender)[0].nonce
    return [(one.nonce - first, one.state) for one in store.history(sender)]


def balance(platform: Platform) -> int:
    return platform.reader().balance(platform.deployment.token, platform.account(1))


def transfer(platform: Platform, poster: Poster, amount: int = 1) -> Any:
    return poster.transfer(platform.deployment.token, platform.account(1), amount)


# --- killed ---------------------------------------------------------------------------------------


def test_send__killed_before_and_after_every_request__is_sent_once(
    platform: Platform, tmp_path: Path
) -> None:
    moved, place, finished = 0, 0, False
    while not finished:
        store = SqlTransactionStore(open_database(f"sqlite:///{tmp_path / f'{place}'}"), 31337)
        asked = iter(range(10**6))

        def cut(_method: str, _sent: bool, asked: Any = asked, place: int = place) -> None:
            if next(asked) == place:
                raise Killed

        try:
            transfer(platform, requester(platform, store, cut))
            finished = True
        except Killed:
            # A transfer isn't told by the chain from one more like it: the store alone can.
            module._accounts.clear()
            transfer(platform, requester(platform, store))
        moved, place = moved + 1, place + 1
        assert balance(platform) == moved
        assert [state for _, state in states(platform, store)] == ["mined"]
    assert place > 12


def test_send__after_a_kill__fills_the_gap_first(
    platform: Platform, store: TransactionStore
) -> None:
    def cut(method: str, _sent: bool) -> None:
        if method == "eth_sendRawTransaction":
            raise Killed

    with pytest.raises(Killed):
        transfer(platform, requester(platform, store, cut), 5)
    module._accounts.clear()
    # Another call comes first now; the one that was signed before has the lower nonce.
    transfer(platform, requester(platform, store), 7)
    again = requester(platform, store)
    again.resume()
    assert states(platform, store) == [(0, "mined"), (1, "mined")]
    assert balance(platform) == 12


def test_send__node_falls_silent_while_sending__goes_on_with_the_same(
    platform: Platform, store: TransactionStore
) -> None:
    for silent_after in (False, True):

        def cut(method: str, sent: bool, at: bool = silent_after) -> None:
            if method == "eth_sendRawTransaction" and sent is at:
                raise ConnectionError

        before = balance(platform)
        with pytest.raises(NodeUnreachable, match=r"LabelToken\.transfer"):
            transfer(platform, requester(platform, store, cut))
        transfer(platform, requester(platform, store))
        assert balance(platform) == before + 1
    assert states(platform, store) == [(0, "mined"), (1, "mined")]


def test_post__again_after_it_was_mined_unseen__sends_nothing(
    platform: Platform, store: TransactionStore
) -> None:
    receipt = platform.receipt(platform.create(), 1, platform.leaves(2))
    signatures = platform.sign(receipt, 0, 1)

    def cut(method: str, _sent: bool) -> None:
        if method == "eth_getTransactionReceipt":
            raise Killed

    with pytest.raises(Killed):
        requester(platform, store, cut).post(receipt, signatures)
    platform.devnet.mine()
    module._accounts.clear()
    again = requester(platform, store)
    assert again.post(receipt, signatures).transaction is None
    again.resume()
    assert states(platform, store) == [(0, "mined")]


# --- stuck ----------------------------------------------------------------------------------------


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except ChainError as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def open_ones(platform: Platform, store: TransactionStore) -> list[SentTransaction]:
    return store.open(platform.requester.address)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.025)
    raise AssertionError("it never came to that")


def test_send__fees_rise_while_it_is_stuck__is_replaced_and_counts_once(
    platform: Platform, store: TransactionStore
) -> None:
    w3 = platform.devnet.w3
    request(w3, "evm_setAutomine", False)
    poster = requester(platform, store, stuck_seconds=0.4)
    thread, results = in_thread(lambda: transfer(platform, poster))
    wait_until(lambda: bool(open_ones(platform, store)))
    # Blocks go on, each dearer than what it offers; then, and only then, it offers more.
    for _ in range(2):
        dearer = 2 * open_ones(platform, store)[-1].max_fee
        request(w3, "anvil_setNextBlockBaseFeePerGas", hex(dearer))
        platform.devnet.mine()
        wait_until(lambda least=dearer: open_ones(platform, store)[-1].max_fee >= least)
    platform.devnet.mine()
    thread.join()
    request(w3, "evm_setAutomine", True)

    (sent,) = results
    history = store.history(poster.address)
    assert sent.transaction in {one.hash for one in history}
    assert len(history) >= 3
    assert len({one.nonce for one in history}) == 1
    assert [one.state for one in history].count("mined") == 1
    for before, after in pairwise(history):
        assert 8 * after.max_fee >= 9 * before.max_fee
        assert 8 * after.priority_fee >= 9 * before.priority_fee
    assert balance(platform) == 1


def test_send__stuck_at_the_cap__offers_no_more_and_is_finished_later(
    platform: Platform, store: TransactionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    w3, cap = platform.devnet.w3, 10 * GWEI
    monkeypatch.setattr(module, "WAIT_SECONDS", 2.0)
    request(w3, "evm_setAutomine", False)
    poster = requester(platform, store, stuck_seconds=0.2, max_fee=cap)
    thread, results = in_thread(lambda: transfer(platform, poster))
    wait_until(lambda: bool(open_ones(platform, store)))
    request(w3, "anvil_setNextBlockBaseFeePerGas", hex(3 * cap))
    platform.devnet.mine()
    thread.join()
    assert "DDLP_MAX_FEE_GWEI" in str(results[0])
    assert all(one.max_fee <= cap for one in store.history(poster.address))
    assert balance(platform) == 0
    # A new call isn't even signed while no block would take it.
    monkeypatch.setattr(module, "WAIT_SECONDS", 30.0)
    signed = len(store.history(poster.address))
    with pytest.raises(ChainError, match="base fee is 30 gwei, the cap 10"):
        transfer(platform, poster, 2)
    assert len(store.history(poster.address)) == signed
    request(w3, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    request(w3, "evm_setAutomine", True)
    again = in_thread(lambda: transfer(platform, requester(platform, store, max_fee=cap)))
    wait_until(lambda: not again[0].is_alive() or platform.devnet.mine() is not None)
    again[0].join()
    assert balance(platform) == 1
    assert [one.state for one in store.history(poster.address)].count("mined") == 1


# --- refused, and others --------------------------------------------------------------------------


def test_send__refused_by_the_node__leaves_the_nonce_free(
    platform: Platform, store: TransactionStore
) -> None:
    poor = Account.from_key(b"\x07" * 32)
    sender = Sender(platform.devnet.w3, poor, store)
    token = platform.deployment.token
    with pytest.raises(ChainError, match="nsufficient"):
        sender.call_contract("LabelToken", token, "approve", token, 1)
    assert store.open(sender.address) == []
    platform.devnet.fund(poor.address, UNIT)
    sender.call_contract("LabelToken", token, "approve", token, 1)
    assert [(one.nonce, one.state) for one in store.history(sender.address)][-1] == (0, "mined")


def test_send__nonce_used_elsewhere__says_so_and_goes_on_when_called_again(
    platform: Platform, store: TransactionStore
) -> None:
    poster = requester(platform, store, stuck_seconds=0.1)
    account, w3 = platform.wallets.requester(), platform.devnet.w3
    count = int(request(w3, "eth_getTransactionCount", account.address, "latest"), 16)
    # Signed here and kept, but another process of the same key is faster with its nonce.
    token = platform.deployment.token
    data = encode_call("LabelToken", "transfer", (platform.account(1), 1))
    raw = Sender(w3, account).sign("transfer", token, data)
    call = keccak256(token + data)
    store.add(
        SentTransaction(poster.address, count, keccak256(raw), raw, call, "transfer", 1, 1), now=0
    )
    platform.requester.approve(platform.deployment.token, platform.account(1), 1)
    with pytest.raises(ChainError, match="signed elsewhere"):
        transfer(platform, poster)
    assert balance(platform) == 0
    transfer(platform, poster)
    assert balance(platform) == 1
    assert states(platform, store) == [(0, "replaced"), (1, "mined")]
