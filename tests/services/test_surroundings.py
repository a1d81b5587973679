"""What processes stand on fails under them: nodes, chain, content, database, disk, clock. Each run
ends with a verified audit, no acknowledged submission lost or counted twice, nobody paid twice,
and no hand moved.

Single adapters are tested under the same faults in tests/oracle (`test_failover.py`,
`test_indexer.py`, `test_transactions.py`, `test_replicated.py`, `test_database_faults.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from oracle.chain.artifacts import load_artifact
from oracle.chain.devnet import Devnet
from oracle.chain.reader import Web3Reader
from oracle.chain.rpc import request
from oracle.content.kubo import KuboContent
from oracle.store.database import open_database
from oracle.store.events import SqlEventStore
from tests.services.conftest import TERMS, Scene, staged
from tests.support.network import Process, wait_until
from tests.support.rpc_proxy import Frozen, RpcProxy, half_the_logs, honest
from tests.support.servers.kubo import Kubo
from tests.support.servers.postgres import Postgres

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:The 'strict' parameter is no longer needed:FutureWarning"),
]
GWEI = 10**9


# -- nodes -----------------------------------------------------------------------------------------


def test_network__nodes_that_err_lag_or_leave_logs_out__are_outvoted_or_waited_for(
    tmp_path: Path,
) -> None:
    """Gateway and operator 0 ask three nodes, one of which fails; operator 1 has that one alone,
    and waits until it is well again."""
    with ExitStack() as stack:
        proxies: list[RpcProxy] = []

        def settings(devnet: Devnet) -> dict[str, dict[str, str]]:
            proxies.extend(stack.enter_context(RpcProxy(devnet.url)) for _ in range(3))
            three = ",".join(proxy.url for proxy in proxies)
            return {
                "gateway": {"DDLP_RPC_URL": three},
                "operator0": {"DDLP_RPC_URL": three},
                "operator1": {"DDLP_RPC_URL": proxies[0].url},
            }

        scene = stack.enter_context(staged(tmp_path, settings=settings, step_seconds=2))
        scene.open(people=4, items=120, gold=12)
        bad, network = proxies[0], scene.network
        network.pace.not_awaited.add("operator1")
        with network.started():
            scene.all_at_work()
            bad.script = half_the_logs
            scene.label_until_finalized(1)
            bad.script = Frozen(network.devnet.url)
            scene.label_until_finalized(1)
            bad.script, bad.broken = honest, "refuse"
            scene.label_until_finalized(1)
            bad.broken = ""
            scene.finish()
            scene.wait_until_claimed()
            scene.wait_until_followed(1)
            failed = scene.network.metric("operator1", "ddlp_errors_total")
            assert failed > 0  # it noticed
            assert network.metric("operator0", "ddlp_errors_total") == 0  # two of three are enough
        scene.check_end()


# -- the chain -------------------------------------------------------------------------------------


def test_network__chain_killed_with_a_receipt_in_its_last_block__posts_it_again(
    scene: Scene,
) -> None:
    """The node comes back from its last dump, without the block that held the receipt."""
    network, devnet = scene.network, scene.network.devnet
    scene.open(people=4, items=120, gold=12)
    with network.started():
        scene.label_until_finalized(1)
        with network.pace.held():
            before, kept = scene.posted_at_latest(), 0

            def keep() -> None:
                nonlocal before, kept
                before, kept = _checkpoint(scene)

            scene.mine_until(lambda: scene.posted_at_latest() > before, "a receipt", before=keep)
            with network.stopped():
                assert devnet.block_number() > kept
                devnet.kill()
                devnet.start()
                assert devnet.block_number() == kept
                assert scene.posted_at_latest() == before
        scene.label_until_finalized(1)
        scene.finish()
        scene.wait_until_claimed()
    scene.check_end()


def _checkpoint(scene: Scene) -> tuple[int, int]:
    """Keep the chain as it is now; return how many receipts it knows of, and its newest block."""
    devnet = scene.network.devnet
    while True:
        kept = devnet.block_number()
        devnet.checkpoint()
        posted = scene.posted_at_latest()
        if devnet.block_number() == kept:  # nobody sent anything meanwhile
            return posted, kept


def test_network__reorg_of_depth_ten__posts_again_and_stores_equal_a_fresh_sync(
    tmp_path: Path,
) -> None:
    """The newest ten blocks are replaced, with the receipt that stood in one of them. Processes
    count a block that eleven stand above; an indexer with a store on disk, as processes have on
    real chains, takes each at once."""
    with staged(tmp_path, confirmations=11) as scene:
        network, devnet = scene.network, scene.network.devnet
        scene.open(people=4, items=120, gold=12)
        followed = _events(tmp_path / "followed.db")
        newest = Web3Reader(devnet.w3, network.deployment, "latest", followed)
        with network.started():
            scene.all_at_work()
            with network.pace.held():
                before = scene.posted_at_latest()
                scene.mine_until(lambda: scene.posted_at_latest() > before, "a receipt")
                with network.stopped():
                    lost, seen = newest.head(), len(newest.events())
                    request(devnet.w3, "anvil_reorg", 10, [])
                    assert scene.posted_at_latest() == before
                    devnet.mine()
                    assert len(newest.events()) < seen
                    assert newest.block(lost.number) != lost
            scene.label_until_finalized(1)
            scene.finish()
            scene.wait_until_claimed()
        scene.check_end()
        newest.head()
        fresh = _events(tmp_path / "fresh.db")
        Web3Reader(devnet.w3, network.deployment, "latest", fresh).head()
        assert followed.logs() == fresh.logs()
        assert followed.recent() == fresh.recent()


def _events(path: Path) -> SqlEventStore:
    return SqlEventStore(open_database(f"sqlite:///{path}"))


def test_network__transaction_that_no_block_takes__offers_more_until_one_does(
    scene: Scene,
) -> None:
    """Blocks ask ten times what the transaction that posts a receipt offers."""
    network, devnet = scene.network, scene.network.devnet
    scene.open(people=4, items=120, gold=12)
    with network.started():
        scene.all_at_work()
        with network.pace.held():
            request(devnet.w3, "evm_setAutomine", False)
            scene.mine_until(lambda: bool(_pending_posts(scene)), "a receipt under way")
            before, stuck = scene.posted_at_latest(), _pending_posts(scene)[0]
            asked = 10 * int(stuck["maxFeePerGas"], 16)

            def taken() -> list[dict[str, Any]]:
                request(devnet.w3, "anvil_setNextBlockBaseFeePerGas", hex(asked))
                devnet.mine()
                time.sleep(1)
                return _mined(devnet, stuck)

            # Another operator may post instead; this one's nonce has to be used all the same.
            mined = wait_until(taken, what="a transaction that offers as much")
            assert int(mined[0]["maxFeePerGas"], 16) >= asked
            assert scene.posted_at_latest() == before + 1
            request(devnet.w3, "evm_setAutomine", True)
        scene.finish()
        scene.wait_until_claimed()
    scene.check_end()


def _mined(devnet: Devnet, stuck: dict[str, Any]) -> list[dict[str, Any]]:
    """The transaction in a block that took the place of one that is stuck, if there is one."""
    return [
        one
        for one in _transactions(devnet)
        if (one["from"], one["nonce"]) == (stuck["from"], stuck["nonce"])
    ]


def _pending_posts(scene: Scene) -> list[dict[str, Any]]:
    """Transactions that post a receipt and wait for a block."""
    w3 = scene.network.devnet.w3
    board = w3.eth.contract(abi=load_artifact("ReceiptBoard").abi)
    address = "0x" + scene.network.deployment.board.hex()
    found = request(w3, "txpool_content")["pending"]
    return [
        one
        for mine in found.values()
        for one in mine.values()
        if one["to"] == address and board.decode_function_input(one["input"])[0].fn_name == "post"
    ]


def _transactions(devnet: Devnet) -> Iterator[dict[str, Any]]:
    for number in range(devnet.block_number(), max(0, devnet.block_number() - 100), -1):
        block = request(devnet.w3, "eth_getBlockByNumber", hex(number), True)
        yield from block["transactions"]


# -- content and database --------------------------------------------------------------------------


def test_network__kubo_down_and_database_connections_cut__loses_nothing(
    tmp_path: Path, kubo: Callable[..., Kubo], postgres_server: Postgres
) -> None:
    """A daemon is down for an epoch, and is given what it missed: the audit reads from it alone.
    Then connections are ended in the midst of their transactions."""
    daemon = kubo()
    names = ["gateway", *(f"operator{number}" for number in range(4))]
    folders = {
        name: {
            "DDLP_IPFS_URL": daemon.address,
            "DDLP_CONTENT_DIR": str(tmp_path / name / "content"),
        }
        for name in names
    }
    urls = {name: postgres_server.create_database() for name in names}
    with staged(
        tmp_path,
        settings=lambda devnet: folders,
        database=urls.__getitem__,
        content=KuboContent(daemon.address),
    ) as scene:
        scene.open(people=4, items=80, gold=12)
        with scene.network.started():
            scene.all_at_work()
            daemon.stop()
            scene.label_until_finalized(1)
            daemon.start()
            with _cutting(make_url(urls["gateway"]).query["host"]) as cut:
                scene.label_until_finalized(1)
                scene.label_until(lambda: len(cut) >= 20, "20 cut transactions")
            scene.finish()
            scene.wait_until_claimed()
            wait_until(
                lambda: scene.content.has(*scene.newest_evidence), what="what the daemon missed"
            )
        scene.take_content_from(daemon.address)
        scene.check_end()


@contextmanager
def _cutting(host: Any) -> Iterator[list[str]]:
    """End connections that are in a transaction, about four in a second; the list names what each
    had just run."""
    cut: list[str] = []
    over = threading.Event()

    def cut_some() -> None:
        query = (
            "SELECT query, pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "pid <> pg_backend_pid() AND datname LIKE 'test_%' AND xact_start IS NOT NULL LIMIT 1"
        )
        with psycopg.connect(host=host, user="postgres", autocommit=True) as connection:
            while not over.wait(0.25):
                for _ in range(50):  # most are over in a millisecond or two
                    found = connection.execute(query).fetchall()
                    cut.extend(text for text, ended in found if ended)
                    if found:
                        break

    thread = threading.Thread(target=cut_some)
    thread.start()
    try:
        yield cut
    finally:
        over.set()
        thread.join()


# -- the machine -----------------------------------------------------------------------------------


def test_network__clocks_ten_minutes_off__nothing_depends_on_them(tmp_path: Path) -> None:
    """Gateway ten minutes ahead, operator 0 ten behind: the protocol's clock is the chain's."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("no libfaketime: apt install libfaketime")
    shift = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    clocks = {
        "gateway": {**shift, "FAKETIME": "+600s"},
        "operator0": {**shift, "FAKETIME": "-600s"},
    }
    with staged(tmp_path, settings=lambda devnet: clocks) as scene:
        scene.open(people=4, items=120, gold=12)
        with scene.network.started():
            for name, off in (("gateway", 600), ("operator0", -600), ("operator1", 0)):
                assert abs(_clock(scene.network.processes[name]) - time.time() - off) < 60
            scene.label_until_finalized(1)
            scene.finish()
            scene.wait_until_claimed()
            for name in scene.network.processes:
                assert scene.network.metric(name, "ddlp_disagreements_total") == 0
        scene.check_end()


def _clock(process: Process) -> float:
    date = process.get("healthz").headers["Date"]
    return parsedate_to_datetime(date).timestamp()


def test_network__disks_full__refuses_and_goes_on_when_there_is_room(scene: Scene) -> None:
    """The kernel refuses every write: first to the gateway, then to two of four operators across a
    cut."""
    network, processes = scene.network, scene.network.processes
    scene.open(people=4, items=120, gold=12)
    operators = ["operator1", "operator2"]
    with network.started():
        scene.all_at_work()
        with network.pace.held():
            before = scene.submissions
            processes["gateway"].limit_files(0)
            for person in scene.people:
                person.work(1)
            assert scene.submissions == before
            processes["gateway"].limit_files(None)
            scene.label(len(scene.people))

        posted = scene.posted_at_latest()
        scene.label_until(lambda: scene.posted_at_latest() > posted, "a receipt")
        network.pace.not_awaited.update(operators)
        for name in operators:
            processes[name].limit_files(0)
        started = network.devnet.timestamp()
        scene.label_until(
            lambda: network.devnet.timestamp() > started + TERMS["epochSeconds"], "a cut"
        )
        assert sum(network.metric(name, "ddlp_errors_total") for name in operators) > 0
        for name in operators:
            processes[name].limit_files(None)
        scene.label_until_finalized(1)
        scene.finish()
        scene.wait_until_claimed()
        for number in (1, 2):
            scene.wait_until_followed(number)
    scene.check_end()
