"""The indexer where blocks are replaced, nodes lag or leave things out, and processes end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.chain.deployment import DEVNET
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.indexer import Indexer
from oracle.chain.memory import MemoryEvents
from oracle.chain.reader import Web3Reader
from oracle.chain.rpc import BATCH, request
from oracle.errors import ChainError, ChainReorg, StoreConflict
from oracle.ports import EventStore
from oracle.store.database import open_database
from oracle.store.events import SqlEventStore
from oracle.store.schema import chain_blocks, chain_logs, chain_progress
from tests.oracle.chain.conftest import GENESIS, OPERATOR_KEYS, UNIT, Platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform whose blocks are final 64 blocks later, as on Ethereum."""
    chain = Devnet(tmp_path / "chain", genesis_timestamp=GENESIS, step_seconds=1, epoch_blocks=32)
    with chain as devnet:
        yield Platform(
            devnet, establish(devnet, OPERATOR_KEYS, 2, replace(DEVNET, window_seconds=30))
        )


def sql_store(path: Path) -> SqlEventStore:
    return SqlEventStore(open_database(f"sqlite:///{path}"))


def all_rows(store: SqlEventStore) -> list[list[Any]]:
    with store._engine.connect() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table))]
            for table in (chain_progress, chain_blocks, chain_logs)
        ]


def reorg(platform: Platform, depth: int) -> None:
    """Replace the newest `depth` blocks by as many empty ones, and one more with other events."""
    w3 = platform.devnet.w3
    request(w3, "anvil_reorg", depth, [])
    platform.devnet.mine()


# --- reorgs ---------------------------------------------------------------------------------------


@pytest.mark.chain
@pytest.mark.parametrize("finality", ["latest", 3])
def test_reader__reorg_of_depth_10__store_equals_that_of_a_fresh_sync(
    platform: Platform, tmp_path: Path, finality: str | int
) -> None:
    followed = sql_store(tmp_path / "followed.db")
    reader = platform.reader(finality, followed)
    token, account = platform.deployment.token, platform.account(1)
    for amount in range(1, 13):
        platform.requester.transfer(token, account, amount)
        if amount % 2:
            reader.head()
    before = reader.events()
    lost = platform.devnet.block_number() - 10
    reorg(platform, 10)
    platform.requester.transfer(token, account, 99)
    platform.devnet.mine(3)

    events = reader.events()
    fresh = sql_store(tmp_path / "fresh.db")
    assert platform.reader(finality, fresh).events() == events
    assert all_rows(followed) == all_rows(fresh)
    assert [one for one in events if one.block <= lost] == [
        one for one in before if one.block <= lost
    ]
    assert [one for one in before if one.block > lost]
    assert events[-1].arguments["amount" if "amount" in events[-1].arguments else "value"] == 99
    assert reader.head().number == platform.devnet.block_number() - (finality == 3) * 3


@pytest.mark.chain
def test_reader__finalized__sees_nothing_of_a_reorg(platform: Platform, tmp_path: Path) -> None:
    reader = platform.reader("finalized", sql_store(tmp_path / "followed.db"))
    platform.devnet.mine(70)
    head, events = reader.head(), reader.events()
    platform.requester.transfer(platform.deployment.token, platform.account(1), 1)
    reorg(platform, 10)
    assert (reader.head().number, reader.events()) == (head.number + 2, events)


@pytest.mark.chain
def test_reader__reorg_behind_what_was_final__is_an_error_and_changes_nothing(
    platform: Platform,
) -> None:
    w3, store = platform.devnet.w3, MemoryEvents()
    snapshot = request(w3, "evm_snapshot")
    platform.requester.transfer(platform.deployment.token, platform.account(1), 1)
    platform.devnet.mine(70)
    reader = platform.reader("latest", store)
    events, recent = reader.events(), store.recent()
    request(w3, "evm_revert", snapshot)
    with pytest.raises(ChainReorg, match="the chain ends at block"):
        reader.head()
    platform.devnet.mine(80)
    with pytest.raises(ChainReorg, match="another hash"):
        reader.events()
    assert (store.recent(), len(store.logs())) == (recent, len(events))


@pytest.mark.chain
def test_reader__node_a_little_behind__keeps_what_was_read(platform: Platform) -> None:
    store = MemoryEvents()
    w3 = platform.devnet.w3
    snapshot = request(w3, "evm_snapshot")
    platform.requester.transfer(platform.deployment.token, platform.account(1), 1)
    reader = platform.reader("latest", store)
    head, events = reader.head(), reader.events()
    request(w3, "evm_revert", snapshot)
    # Whether block `head` is missing for good or only here can't be known yet.
    assert (reader.head(), reader.events()) == (head, events)
    platform.devnet.increase_time(9)
    assert reader.head().number == head.number
    assert reader.head() != head
    assert [one for one in reader.events() if one.block == head.number] == []


# --- going on -------------------------------------------------------------------------------------


@pytest.mark.chain
def test_reader__started_again__asks_only_for_what_is_new(
    platform: Platform, tmp_path: Path
) -> None:
    path = tmp_path / "kept.db"
    first = platform.reader("latest", sql_store(path))
    events = first.events()
    node = _Node(platform.devnet.w3.provider)
    again = Web3Reader(Web3(node), platform.deployment, "latest", sql_store(path))
    assert again.events() == events
    assert "eth_getLogs" not in node.asked
    platform.requester.transfer(platform.deployment.token, platform.account(1), 1)
    assert len(again.events()) == len(events) + 1
    (query,) = [params[0] for method, params in node.calls if method == "eth_getLogs"]
    assert int(query["fromBlock"], 16) == platform.devnet.block_number()


@pytest.mark.chain
def test_reader__two_over_one_database__both_see_all(platform: Platform, tmp_path: Path) -> None:
    one, other = (platform.reader("latest", sql_store(tmp_path / "shared.db")) for _ in range(2))
    for amount in range(1, 7):
        platform.requester.transfer(platform.deployment.token, platform.account(1), amount)
        (one if amount % 2 else other).head()
    assert one.events() == other.events() == platform.reader().events()


@pytest.mark.chain
def test_reader__database_of_another_deployment__is_refused(
    platform: Platform, tmp_path: Path
) -> None:
    store = sql_store(tmp_path / "kept.db")
    store.open(b"\1" * 32)
    with pytest.raises(StoreConflict, match="another deployment"):
        platform.reader(store=store)


@pytest.mark.chain
def test_block__final_ones__are_kept_for_the_next_process(
    platform: Platform, tmp_path: Path
) -> None:
    platform.devnet.mine(70)
    store = sql_store(tmp_path / "kept.db")
    reader = platform.reader("latest", store)
    number = reader.head().number
    old, new = reader.block(3), reader.block(number - 1)
    assert store.blocks(3, 3) == [old]
    assert store.recent()[-2] == new


@pytest.mark.chain
def test_blocks__hundreds__are_asked_for_in_few_messages_and_by_the_first_process_alone(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.devnet.mine(300)
    store, provider = sql_store(tmp_path / "kept.db"), platform.devnet.w3.provider
    numbers, messages = range(1, platform.devnet.block_number() - 64, 2), []
    reader = platform.reader("finalized", store)
    reader.head()
    for name in ("make_request", "make_batch_request"):
        ask = getattr(provider, name)

        def counted(*asked: Any, ask: Any = ask) -> Any:
            messages.append(asked)
            return ask(*asked)

        monkeypatch.setattr(provider, name, counted)
    found = reader.blocks(numbers)
    assert len(messages) <= 1 + len(numbers) // BATCH
    again = platform.reader("finalized", store)
    again.head()
    messages.clear()
    assert again.blocks(numbers) == found
    assert not messages
    with pytest.raises(ChainError, match="no block"):
        reader.blocks([3, 10**6])
    assert [found[number].number for number in numbers] == list(numbers)
    assert found[3] == reader.block(3)


# --- nodes that leave things out ------------------------------------------------------------------


class _Node(JSONBaseProvider):
    """A real node, seen through `alter(method, params, result)`, by default unaltered."""

    def __init__(
        self, node: Any, alter: Callable[[str, Any, Any], Any] = lambda _, __, result: result
    ) -> None:
        super().__init__()
        self._node, self._alter = node, alter
        self.calls: list[tuple[str, Any]] = []

    @property
    def asked(self) -> set[str]:
        return {method for method, _ in self.calls}

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        self.calls.append((method, params))
        answer: RPCResponse = self._node.make_request(method, params)
        if "result" in answer:
            answer["result"] = self._alter(method, params, answer["result"])
        return answer


def _half_of_logs(method: str, _: Any, result: Any) -> Any:
    return result[::2] if method == "eth_getLogs" else result


def _forged_logs(method: str, _: Any, result: Any) -> Any:
    if method == "eth_getLogs":
        result = [{**log, "data": "0x" + "ff" * 32} for log in result]
    return result


def _half_of_receipts_too(method: str, params: Any, result: Any) -> Any:
    if method == "eth_getBlockReceipts":
        return [{**one, "logs": one["logs"][::2]} for one in result]
    return _half_of_logs(method, params, result)


def _no_logs_and_an_empty_bloom(method: str, _: Any, result: Any) -> Any:
    if method == "eth_getLogs":
        return []
    if method == "eth_getBlockByNumber" and result is not None:
        return {**result, "logsBloom": "0x" + "00" * 256}
    return result


def _no_hex(method: str, _: Any, result: Any) -> Any:
    return [{"address": 7}] if method == "eth_getBlockReceipts" else result


@pytest.mark.chain
@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (_half_of_logs, r"tells of \d+ logs in block \d+, which holds"),
        (_forged_logs, r"tells of \d+ logs in block \d+, which holds"),
        (_half_of_receipts_too, "the receipts aren't the header's"),
        (_no_logs_and_an_empty_bloom, "the header isn't its hash's"),
        (_no_hex, "answered nonsense"),
    ],
)
def test_reader__node_leaves_logs_out__is_noticed_and_nothing_is_stored(
    platform: Platform, alter: Callable[[str, Any, Any], Any], message: str
) -> None:
    store = MemoryEvents()
    node = _Node(platform.devnet.w3.provider, alter)
    reader = Web3Reader(Web3(node), platform.deployment, "latest", store)
    with pytest.raises(ChainError, match=message):
        reader.events()
    assert store.logs() == []
    assert platform.reader(store=store).events() == platform.reader().events()


@pytest.mark.chain
def test_reader__a_log_of_a_block_not_asked_for__is_refused(platform: Platform) -> None:
    def alter(method: str, _: Any, result: Any) -> Any:
        if method == "eth_getLogs":
            return [*result, {**result[0], "blockNumber": "0xffffff"}]
        return result

    node = _Node(platform.devnet.w3.provider, alter)
    with pytest.raises(ChainError, match="told of a log in 16777215"):
        Web3Reader(Web3(node), platform.deployment, "latest").events()


@pytest.mark.chain
def test_reader__chain_never_rests__says_so(platform: Platform) -> None:
    def alter(method: str, _: Any, result: Any) -> Any:
        if method == "eth_getLogs":
            return [{**log, "blockHash": "0x" + "00" * 32} for log in result]
        return result

    node = _Node(platform.devnet.w3.provider, alter)
    store: EventStore = MemoryEvents()
    with pytest.raises(ChainError, match="replaced 5 times"):
        Web3Reader(Web3(node), platform.deployment, "latest", store).events()
    assert store.logs() == []


@pytest.mark.chain
def test_indexer__long_way_behind__trusts_agreeing_nodes_and_reads_few_headers(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.chain.indexer.CHECKED_BLOCKS", 5)
    platform.requester.transfer(platform.deployment.token, platform.account(1), UNIT)
    platform.devnet.mine(100)
    node = _Node(platform.devnet.w3.provider)
    store = MemoryEvents()
    addresses = list(platform.deployment.addresses.values())
    Indexer(Web3(node), addresses, platform.deployment.first_block, store, "finalized").follow()
    assert len(store.logs()) == len(platform.reader("finalized").events())
    assert "eth_getBlockReceipts" not in node.asked
    assert len(node.calls) < 10
