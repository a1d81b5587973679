"""The record of a chain: whole, equal to what the node says, and false nowhere unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deployment import expected_code
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.record import ChainRecord, balance_slot, write_record
from oracle.chain.rpc import request
from oracle.errors import ChainError, FormatError
from tests.oracle.chain.conftest import GENESIS, OPERATOR_KEYS, UNIT, Platform, claims_of

pytestmark = pytest.mark.chain


@dataclass
class Run:
    """A recorded campaign; `edit` writes an altered copy and reads it."""

    platform: Platform
    campaign: int
    path: Path

    @property
    def record(self) -> ChainRecord:
        return ChainRecord.read(self.path)

    def edit(self, change: Callable[[list[Any]], None]) -> ChainRecord:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        change(lines)
        copy = self.path.with_name("altered.jsonl")
        copy.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return ChainRecord.read(copy)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A settled receipt, a block of several transactions, a time jump, a restart in between."""
    folder = tmp_path_factory.mktemp("run")
    with Devnet(folder / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        platform = Platform(devnet, establish(devnet, OPERATOR_KEYS, 2))
        yield _play(platform, folder / "chain.jsonl")


def _play(platform: Platform, path: Path) -> Run:
    campaign = platform.create()
    leaves = platform.leaves(3)
    receipt = platform.receipt(campaign, 1, leaves)
    platform.settle(receipt)
    devnet = platform.devnet
    devnet.increase_time(5_000)
    devnet.stop()
    devnet.start()
    # Three transactions of two types in one block.
    request(devnet.w3, "evm_setAutomine", False)
    accounts = request(devnet.w3, "eth_accounts")
    for index in range(3):
        price = {"gasPrice": hex(3 * 10**9)} if index else {}
        sent = {"from": accounts[50 + index], "to": accounts[0], "value": "0x1", **price}
        request(devnet.w3, "eth_sendTransaction", sent)
    devnet.mine()
    request(devnet.w3, "evm_setAutomine", True)
    platform.relayer.claim_batch(claims_of(receipt, leaves))
    write_record(devnet.w3, platform.deployment, path)
    return Run(platform, campaign, path)


def test_record__of_a_run__is_proven_and_equals_what_the_node_says(run: Run) -> None:
    platform, record = run.platform, run.record
    reader = platform.reader()
    deployment = platform.deployment
    assert record.problems() == []
    assert max(len(block.transactions) for block in record.blocks) == 3
    assert record.chain[0].number == 0
    assert len(record.blocks) < len(record.chain) == record.head.number + 1
    assert record.head == reader.head()
    assert record.events(deployment.addresses) == list(reader.events())
    assert record.facts(deployment, run.campaign, 2) == reader.facts(run.campaign, 2)
    held = reader.balance(deployment.token, deployment.escrow)
    assert held == record.token_balance(deployment.token, deployment.escrow) == 1_197 * UNIT
    assert record.token_balance(deployment.token, deployment.vault) == 3_000 * UNIT
    assert record.token_supply(deployment.token) == 2_003_000 * UNIT
    for name, address in deployment.addresses.items():
        assert record.accounts[address].code == expected_code(deployment, name)


def _busiest(lines: list[Any]) -> Any:
    return max(lines[1:-1], key=lambda line: len(line["transactions"]))


def _set_log(lines: list[Any]) -> None:
    entry = next(one for one in lines[1:-1] if any(r["logs"] for r in one["receipts"]))
    entry["receipts"][0]["logs"][0]["topics"][0] = "0x" + "11" * 32


def _set_code(lines: list[Any]) -> None:
    account = lines[-1]["state"]["accounts"][0]
    account["code"] = account["code"][:-2] + "ff"


def _set_balance(lines: list[Any]) -> None:
    storage = lines[-1]["state"]["accounts"][0]["storage"]
    storage[0]["value"] = hex(int(storage[0]["value"], 16) + 1)


ALTERATIONS: list[tuple[str, Callable[[list[Any]], None]]] = [
    ("CHAIN-HEADER", lambda lines: lines[5]["header"].update(timestamp="0x1")),
    ("CHAIN-HEADER", lambda lines: lines[5]["header"].update(gasUsed="none")),
    ("CHAIN-ORDER", lambda lines: lines.pop(5)),
    ("CHAIN-TRANSACTIONS", lambda lines: _busiest(lines)["transactions"].reverse()),
    ("CHAIN-RECEIPTS", _set_log),
    ("CHAIN-RECEIPTS", lambda lines: _busiest(lines)["receipts"].pop()),
    ("CHAIN-RECEIPTS", lambda lines: _busiest(lines)["receipts"][0].update(status="0x0")),
    ("CHAIN-CODE", _set_code),
    ("CHAIN-STATE", _set_balance),
    ("CHAIN-STATE", lambda lines: lines[-1]["state"]["accounts"][1]["proof"].pop()),
]


@pytest.mark.parametrize(("code", "change"), ALTERATIONS)
def test_record__altered__names_the_fault(
    run: Run, code: str, change: Callable[[list[Any]], None]
) -> None:
    assert run.record.problems() == []
    assert [fault.code for fault in run.edit(change).problems()] == [code]


def test_record__malformed__names_the_line(run: Run, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="line 4 "):
        run.edit(lambda lines: lines[3].pop("header"))
    with pytest.raises(FormatError, match=r"line 1 .*version"):
        run.edit(lambda lines: lines[0].update(version=2))
    with pytest.raises(FormatError, match="not the last block's"):
        run.edit(lambda lines: lines.pop(-2))
    whole = run.path.read_text()
    copy = tmp_path / "chain.jsonl"
    copy.write_text(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="record anew"):
        ChainRecord.read(copy)
    copy.write_text("")
    with pytest.raises(FormatError, match="no blocks"):
        ChainRecord.read(copy)
    copy.unlink()
    with pytest.raises(ChainError, match="can't be read"):
        ChainRecord.read(copy)


def test_record__what_it_lacks__is_an_error_and_not_zero(run: Run) -> None:
    record, deployment = run.record, run.platform.deployment
    with pytest.raises(ChainError, match="isn't in the record"):
        record.block(record.head.number + 1)
    with pytest.raises(ChainError, match="isn't in the record"):
        record.token_balance(deployment.token, bytes(20))
    assert balance_slot(bytes(20)) not in record.accounts[deployment.token].storage


@pytest.mark.parametrize("hardfork", ["london", "shanghai", "cancun", "prague", "osaka"])
def test_record__any_hardfork__header_and_roots_verify(
    tmp_path: Path, hardfork: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fork appended fields to the header; a chain before it lacks them."""
    from oracle.chain import proofs

    spawn = Devnet._spawn

    def with_fork(self: Devnet, binary: Path) -> Any:
        script = tmp_path / "anvil-fork"
        script.write_text(f'#!/bin/sh\nexec {binary} --hardfork {hardfork} "$@"\n')
        script.chmod(0o755)
        return spawn(self, script)

    monkeypatch.setattr(Devnet, "_spawn", with_fork)
    with Devnet(tmp_path / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        accounts = request(devnet.w3, "eth_accounts")
        devnet.fund(accounts[3], 7)
        devnet.mine()
        header = request(devnet.w3, "eth_getBlockByNumber", "latest", False)
        proof = request(devnet.w3, "eth_getProof", accounts[3], [], "latest")
    assert "0x" + proofs.header_hash(header).hex() == header["hash"]
    account = proofs.verify_account(
        [bytes.fromhex(node[2:]) for node in proof["accountProof"]],
        bytes.fromhex(header["stateRoot"][2:]),
        bytes.fromhex(accounts[3][2:]),
    )
    assert account.balance == 7
