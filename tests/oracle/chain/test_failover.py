"""Several nodes, some of which fail, lag, lie, or are of another chain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from web3 import Web3

from oracle.chain.failover import Nodes
from oracle.chain.poster import Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.rpc import connect, node_name, request
from oracle.errors import ChainError, NodeUnreachable, Reverted
from oracle.operations.health import OK, WARN, check_nodes
from tests.oracle.chain.conftest import Platform
from tests.support.rpc_proxy import Frozen, RpcProxy, half_the_logs, honest

pytestmark = pytest.mark.chain


@pytest.fixture
def proxies(platform: Platform) -> Iterator[list[RpcProxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RpcProxy(platform.devnet.url)) for _ in range(3)]


def over(proxies: list[RpcProxy], **options: Any) -> Web3:
    return connect(",".join(proxy.url for proxy in proxies), **options)


def nodes_of(w3: Web3) -> Nodes:
    assert isinstance(w3.provider, Nodes)
    return w3.provider


def transfer(platform: Platform, w3: Web3, amount: int) -> None:
    poster = Poster(w3, platform.wallets.requester(), platform.deployment)
    poster.transfer(platform.deployment.token, platform.account(1), amount)


def other_chain(method: str, _params: Any, result: Any) -> Any:
    return hex(10) if method == "eth_chainId" else result


def made_up_head(method: str, params: Any, result: Any) -> Any:
    if method == "eth_getBlockByNumber" and params[0] == "latest":
        return {**result, "number": hex(10**6), "hash": "0x" + "ab" * 32}
    return result


def other_block(method: str, _params: Any, result: Any) -> Any:
    if method == "eth_getBlockByNumber" and result is not None:
        return {**result, "hash": "0x" + "ab" * 32}
    return result


def no_logs(method: str, _params: Any, result: Any) -> Any:
    return [] if method == "eth_getLogs" else result


def older_time(method: str, _params: Any, result: Any) -> Any:
    if method == "eth_getBlockByNumber" and result is not None:
        return {**result, "timestamp": hex(int(result["timestamp"], 16) - 600)}
    return result


# --- what one bad node of three can't do ----------------------------------------------------------


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    "script", [half_the_logs, no_logs, other_chain, made_up_head, other_block, older_time]
)
def test_reader__one_node_of_three_lies__reads_what_the_others_say(
    platform: Platform, proxies: list[RpcProxy], place: int, script: Any
) -> None:
    proxies[place].script = script
    w3 = over(proxies)
    transfer(platform, w3, 5)
    reader = Web3Reader(w3, platform.deployment, "latest")
    assert reader.events() == platform.reader().events()
    assert reader.head() == platform.reader().head()
    assert reader.block(3) == platform.reader().block(3)


@pytest.mark.parametrize("broken", ["refuse", "garbage", "close"])
def test_reader__one_node_fails__is_left_alone_after_three_times(
    platform: Platform, proxies: list[RpcProxy], broken: str
) -> None:
    proxies[0].broken = broken
    w3 = over(proxies)
    transfer(platform, w3, 5)
    reader = Web3Reader(w3, platform.deployment, "latest")
    for _ in range(5):
        assert reader.events() == platform.reader().events()
    assert len(proxies[0].asked) <= 4
    first = nodes_of(w3).status()[0]
    assert "gives no answer" in first.trouble
    assert not first.agrees


def test_nodes__one_comes_back__is_asked_again(
    platform: Platform, proxies: list[RpcProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.chain.failover.FIRST_REST", 0.05)
    proxies[0].broken = "refuse"
    w3 = over(proxies)
    for _ in range(5):
        request(w3, "eth_blockNumber")
    assert not nodes_of(w3).status()[0].agrees
    proxies[0].broken = ""
    time.sleep(0.1)
    request(w3, "eth_blockNumber")
    assert [one.agrees for one in nodes_of(w3).status()] == [True] * 3


def test_check_nodes__one_of_three_fails__warns_and_names_it(
    platform: Platform, proxies: list[RpcProxy]
) -> None:
    w3 = over(proxies)
    request(w3, "eth_blockNumber")
    (well,) = check_nodes(w3)
    assert (well.status, well.message) == (OK, "3 of 3 agree")
    proxies[0].broken = "refuse"
    request(w3, "eth_blockNumber")
    (one_failed,) = check_nodes(w3)
    assert one_failed.status == WARN
    assert f"http://127.0.0.1:{proxies[0].url.split(':')[2].split('/')[0]}: " in one_failed.message
    assert "secret" not in one_failed.message
    assert check_nodes(platform.devnet.w3) == []


def test_reader__stale_node__is_passed_over(platform: Platform, proxies: list[RpcProxy]) -> None:
    proxies[0].script = Frozen(platform.devnet.url)
    w3 = over(proxies)
    reader = Web3Reader(w3, platform.deployment, "latest")
    transfer(platform, w3, 5)
    assert reader.head() == platform.reader().head()
    assert reader.events() == platform.reader().events()
    first = nodes_of(w3).status()[0]
    assert (first.agrees, first.trouble) == (False, "behind the others, or on a fork")


def test_poster__a_node_swallows_transactions__another_one_sends_them(
    platform: Platform, proxies: list[RpcProxy]
) -> None:
    w3 = over(proxies)
    transfer(platform, w3, 5)
    assert [proxy.asked.count("eth_sendRawTransaction") for proxy in proxies] == [1, 1, 1]
    with pytest.raises(Reverted, match="CampaignEscrow: "):
        Poster(w3, platform.wallets.requester(), platform.deployment).close(99)


# --- two nodes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("script", [half_the_logs, no_logs])
def test_reader__one_of_two_leaves_logs_out__receipts_decide(
    platform: Platform, proxies: list[RpcProxy], place: int, script: Any
) -> None:
    proxies[place].script = script
    reader = Web3Reader(over(proxies[:2]), platform.deployment, "latest")
    assert reader.events() == platform.reader().events()


def test_head__of_two_nodes__is_what_both_have(platform: Platform, proxies: list[RpcProxy]) -> None:
    before = platform.reader().head()
    proxies[0].script = Frozen(platform.devnet.url)
    platform.devnet.mine(3)
    reader = Web3Reader(over(proxies[:2]), platform.deployment, "latest")
    assert reader.head() == before
    proxies[0].script = honest
    assert reader.head() == platform.reader().head()


def test_head__two_nodes_on_different_chains__is_an_error(
    platform: Platform, proxies: list[RpcProxy]
) -> None:
    proxies[0].script = other_block
    with pytest.raises(ChainError, match="no 2 nodes agree on a block"):
        Web3Reader(over(proxies[:2]), platform.deployment, "latest")
    proxies[0].script = other_chain
    with pytest.raises(ChainError, match="of different chains"):
        Web3Reader(over(proxies[:2]), platform.deployment, "latest")
    w3 = over(proxies[:2], chain_id=platform.deployment.chain_id)
    reader = Web3Reader(w3, platform.deployment, "latest")
    assert reader.head() == platform.reader().head()
    assert nodes_of(w3).status()[0].trouble == "it has chain id 10, not 31337"


# --- none -----------------------------------------------------------------------------------------


def test_request__no_node_usable__is_one_clear_error_without_secrets(
    platform: Platform, proxies: list[RpcProxy]
) -> None:
    reader = Web3Reader(over(proxies), platform.deployment, "latest")
    known = reader.events()
    for proxy, broken in zip(proxies, ("refuse", "garbage", "close"), strict=True):
        proxy.broken = broken
    with pytest.raises(NodeUnreachable, match=r"no node can be used .*DDLP_RPC_URL") as caught:
        reader.events()
    assert str(caught.value).count("gives no answer") == 3
    assert "secret" not in str(caught.value) + node_name(reader.w3)
    for proxy in proxies:
        proxy.broken = ""
    deadline = time.monotonic() + 10
    while True:
        try:
            assert reader.events() == known
            break
        except NodeUnreachable:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_agreement__more_than_answer__is_an_error(
    platform: Platform, proxies: list[RpcProxy]
) -> None:
    with pytest.raises(ChainError, match="DDLP_RPC_AGREEMENT"):
        over(proxies, agreement=4)
    w3 = over(proxies, agreement=2)
    assert int(request(w3, "eth_blockNumber"), 16) == platform.devnet.block_number()
    proxies[0].broken = proxies[1].broken = "refuse"
    with pytest.raises(ChainError, match="2 must agree"):
        request(w3, "eth_blockNumber")
