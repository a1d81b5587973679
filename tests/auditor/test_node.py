"""Auditing a chain that nobody recorded: all is asked of a node, and nothing of it is believed that
can be proven."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.auditor import AuditReport, audit, audit_node
from oracle.auditor.commands import audit as command
from oracle.chain import node_record
from oracle.chain.devnet import Devnet
from oracle.chain.node_record import BoundedProvider, ask_record, connect_bounded
from oracle.chain.proofs import header_hash
from oracle.chain.rpc import request
from oracle.errors import ChainError
from tests.auditor.test_anvil import GENESIS, AnvilRun, play
from tests.support.world import BLOCK_SECONDS

pytestmark = pytest.mark.chain

Alter = Callable[[str, list[Any], Any], Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AnvilRun, Path]]:
    directory = tmp_path_factory.mktemp("devnet")
    with Devnet(directory, step_seconds=BLOCK_SECONDS, genesis_timestamp=GENESIS) as devnet:
        made = play(devnet)
        yield made, made.write(tmp_path_factory.mktemp("run"))


class Liar:
    """Stands before a node and alters its answers."""

    def __init__(self, url: str, alter: Alter) -> None:
        self.node, self.alter = url, alter
        self.asked: list[str] = []
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                question = json.loads(body)
                liar.asked.append(question["method"])
                answer = liar.ask(body)
                if "result" in answer:
                    altered = liar.alter(question["method"], question["params"], answer["result"])
                    answer = altered if isinstance(altered, bytes) else answer | {"result": altered}
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *parts: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, body: bytes) -> Any:
        asked = urllib.request.Request(self.node, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def lie(run: tuple[AnvilRun, Path]) -> Iterator[Callable[[Alter], Liar]]:
    """Start a server that alters the run's node's answers."""
    started: list[Liar] = []

    def start(alter: Alter) -> Liar:
        started.append(Liar(run[0].devnet.url, alter))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def judge(run: tuple[AnvilRun, Path], url: str, **options: Any) -> AuditReport:
    directory = run[1]
    return audit_node(url, directory / "deployment.json", directory / "content", **options)


def codes(report: AuditReport) -> list[str]:
    return [one.code for one in report.findings]


# -- an honest node ----------------------------------------------------------------------------


def test_audit_node__honest__verified_as_from_the_record(run: tuple[AnvilRun, Path]) -> None:
    report = judge(run, run[0].devnet.url)
    recorded = audit(run[1])
    assert report.verdict == "verified"
    assert (report.campaigns, report.sums) == (recorded.campaigns, recorded.sums)
    assert report.bound
    assert report.last_hash in report.binding
    assert "trusted to say which block is the chain's last; all else is proven" in " ".join(
        report.rests_on
    )


def test_audit_node__long_chain__asks_for_our_blocks_only_and_says_what_it_trusts(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lie(lambda method, params, result: result)
    judge(run, whole.url)
    monkeypatch.setattr(node_record, "WHOLE", 10)
    sparse = lie(lambda method, params, result: result)
    report = judge(run, sparse.url)
    assert report.verdict == "verified"
    assert "which blocks hold the contracts' logs" in report.rests_on[2]
    counted = [one.asked.count("eth_getBlockByNumber") for one in (whole, sparse)]
    assert counted[1] < counted[0]


def test_audit_node__node_bounds_its_queries__ranges_adapt(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar]
) -> None:
    def bound(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and len(result) > 20:
            refusal = {"code": -32005, "message": "query returned more than 20 results"}
            return json.dumps({"jsonrpc": "2.0", "id": 1, "error": refusal}).encode()
        return result

    server = lie(bound)
    assert judge(run, server.url).verdict == "verified"
    assert server.asked.count("eth_getLogs") > 4


def test_audit_node__from_a_block_after_deployment__incomplete(run: tuple[AnvilRun, Path]) -> None:
    report = judge(run, run[0].devnet.url, from_block=12)
    assert set(codes(report)) == {"CHAIN-INCOMPLETE"}


def test_command__live_chain__verified(run: tuple[AnvilRun, Path]) -> None:
    parts = ["--rpc", run[0].devnet.url, "--deployment", str(run[1] / "deployment.json")]
    parts += ["--content", str(run[1] / "content"), "--campaign", "1"]
    result = CliRunner(mix_stderr=False).invoke(command, parts)
    assert result.exit_code == 0, result.stderr
    assert "trusted to say which block" in result.stdout
    missing = CliRunner(mix_stderr=False).invoke(command, parts[:4])
    assert missing.exit_code == 2
    assert "--content" in missing.stderr


# -- nodes that lie ----------------------------------------------------------------------------


def pay_more(log: dict[str, Any]) -> None:
    if log["data"] != "0x":
        log["data"] = log["data"][:-1] + ("1" if log["data"][-1] != "1" else "2")


def alter_told_log(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getLogs":
        pay_more(result[-1])
    return result


def alter_receipt(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockReceipts":
        for receipt in result:
            for log in receipt["logs"]:
                pay_more(log)
    return result


def alter_both(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getLogs":
        for log in result:
            pay_more(log)
    return alter_receipt(method, params, result)


def alter_transaction(method: str, params: list[Any], result: Any) -> Any:
    return result[:-2] + "ee" if method.startswith("eth_getRawTransaction") else result


def alter_header(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockByNumber" and result and int(result["number"], 16) == 30:
        result["timestamp"] = "0x1"
    return result


def rehash_header(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockByNumber" and result and int(result["number"], 16) == 30:
        result["timestamp"] = "0x1"
        result["hash"] = "0x" + header_hash(result).hex()
    return result


def alter_balance(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getProof" and result["storageProof"]:
        result["storageProof"][0]["value"] = "0x1"
    return result


def alter_code(method: str, params: list[Any], result: Any) -> Any:
    return result[:-2] + "ff" if method == "eth_getCode" else result


def alter_genesis(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockByNumber" and result and int(result["number"], 16) == 0:
        result["timestamp"] = "0x1"
        result["hash"] = "0x" + header_hash(result).hex()
    return result


LIES: dict[Alter, str] = {
    alter_told_log: "CHAIN-RECEIPTS",
    alter_receipt: "CHAIN-RECEIPTS",
    alter_both: "CHAIN-RECEIPTS",
    alter_transaction: "CHAIN-TRANSACTIONS",
    alter_header: "CHAIN-HEADER",
    rehash_header: "CHAIN-ORDER",
    alter_balance: "CHAIN-STATE",
    alter_code: "CHAIN-CODE",
    alter_genesis: "CHAIN-GENESIS",
}


@pytest.mark.parametrize("alter", LIES, ids=lambda alter: alter.__name__)
def test_audit_node__lying_node__named_and_nothing_judged(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar], alter: Alter
) -> None:
    report = judge(run, lie(alter).url)
    assert report.findings[0].code == LIES[alter]
    assert report.consensus == "unknown"
    assert report.campaigns == ()


def test_audit_node__node_hides_every_log__the_blooms_show_them(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar]
) -> None:
    def hide(method: str, params: list[Any], result: Any) -> Any:
        return [] if method == "eth_getLogs" else result

    assert judge(run, lie(hide).url).verdict == "verified"


def test_audit_node__node_hides_a_payment_of_a_long_chain__balances_show_it(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar], monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = [one.block for one in run[0].reader.events() if one.name == "Paid"]

    def hide(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            return [log for log in result if int(log["blockNumber"], 16) != paid[0]]
        return result

    monkeypatch.setattr(node_record, "WHOLE", 10)
    report = judge(run, lie(hide).url)
    assert "CONSERVATION" in codes(report)


# -- nodes that make no sense, are slow, or aren't there ---------------------------------------


def no_sense(method: str, params: list[Any], result: Any) -> Any:
    return [7] if method == "eth_getBlockReceipts" else result


def no_number(method: str, params: list[Any], result: Any) -> Any:
    return "soon" if method == "eth_chainId" else result


def no_block(method: str, params: list[Any], result: Any) -> Any:
    return None if method == "eth_getBlockByNumber" else result


def no_json(method: str, params: list[Any], result: Any) -> Any:
    return b"<html>" if method == "eth_getProof" else result


def deep_json(method: str, params: list[Any], result: Any) -> Any:
    return b"[" * 500_000 if method == "eth_chainId" else result


def far_block(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockByNumber":
        result["number"] = hex(1 << 60)
    return result


def too_long(method: str, params: list[Any], result: Any) -> Any:
    return b" " * ((1 << 26) + 1) if method == "eth_chainId" else result


@pytest.mark.parametrize(
    "alter",
    [no_sense, no_number, no_block, no_json, deep_json, far_block, too_long],
    ids=lambda alter: alter.__name__,
)
def test_command__senseless_node__exit_2_with_remedy(
    run: tuple[AnvilRun, Path], lie: Callable[[Alter], Liar], alter: Alter
) -> None:
    parts = ["--rpc", lie(alter).url, "--deployment", str(run[1] / "deployment.json")]
    result = CliRunner(mix_stderr=False).invoke(
        command, [*parts, "--content", str(run[1] / "content"), "--json"]
    )
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "ask" in result.stderr or "name one that runs" in result.stderr


def test_command__dead_node__exit_2_at_once(run: tuple[AnvilRun, Path]) -> None:
    started = time.monotonic()
    parts = ["--rpc", "http://127.0.0.1:9", "--deployment", str(run[1] / "deployment.json")]
    result = CliRunner(mix_stderr=False).invoke(
        command, [*parts, "--content", str(run[1] / "content")]
    )
    assert result.exit_code == 2
    assert "can't be reached" in result.stderr
    assert "--rpc" in result.stderr
    assert time.monotonic() - started < 10


def drip(connection: Any) -> None:
    """Answer a byte at a time, so that no socket ever times out."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def silence(connection: Any) -> None:
    time.sleep(30)


@pytest.mark.parametrize("serve", [drip, silence], ids=lambda serve: serve.__name__)
def test_request__node_that_never_ends__times_out(serve: Callable[[Any], None]) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def answer() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                serve(connection)
        except OSError:
            pass

    threading.Thread(target=answer, daemon=True).start()
    started = time.monotonic()
    try:
        with pytest.raises(ChainError, match=r"can't be reached \(Timeout\)"):
            request(connect_bounded(f"http://127.0.0.1:{port}", seconds=0.5), "eth_chainId")
    finally:
        listener.close()
    assert time.monotonic() - started < 5


def test_ask_record__total_time_is_over__says_so(run: tuple[AnvilRun, Path]) -> None:
    w3 = connect_bounded(run[0].devnet.url, total=0.05)
    with pytest.raises(ChainError, match="Timeout"):
        ask_record(w3, run[0].deployed)
    assert isinstance(w3.provider, BoundedProvider)


def test_connect_bounded__no_address__names_what_is_one() -> None:
    with pytest.raises(ChainError, match="give an http or https URL"):
        connect_bounded("ws://127.0.0.1")
