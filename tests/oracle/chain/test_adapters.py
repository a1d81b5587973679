"""Reader, poster, deployment and events where things go wrong, and against web3's own decoding."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.chain.artifacts import CONTRACTS, load_artifact
from oracle.chain.codec import decode_result, encode_call
from oracle.chain.deployment import (
    DEVNET,
    Deployment,
    Parameters,
    contract_address,
    verify_code,
)
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.events import EventDecoder, event_topic
from oracle.chain.launch import deploy_all
from oracle.chain.memory import MemoryEvents
from oracle.chain.poster import CONTRIBUTOR, Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.rpc import connect, get_logs, node_name, request
from oracle.errors import ChainError, ChainReorg, InputError, Reverted
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import MerkleTree, keccak256
from oracle.evidence.results import SlashLeaf
from oracle.evidence.signing import checksum, sign
from oracle.evidence.structs import Domain, Head
from oracle.ports import ChainLog
from tests.oracle.chain.conftest import GENESIS, OPERATOR_KEYS, UNIT, Platform, claims_of


def _plain(value: Any) -> Any:
    """Turn web3's values into ours: addresses as bytes, lists and attribute dicts as tuples."""
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, dict) or hasattr(value, "values"):
        return tuple(map(_plain, value.values()))
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value


# --- events ---------------------------------------------------------------------------------------


@pytest.mark.chain
def test_events__of_a_whole_run__equal_web3s_decoding(platform: Platform) -> None:
    campaign = platform.create()
    leaves = platform.leaves(2)
    receipt = platform.receipt(campaign, 1, leaves)
    platform.settle(receipt)
    platform.relayer.claim_batch(claims_of(receipt, leaves))
    platform.requester.close(campaign)
    w3 = platform.devnet.w3
    events = platform.reader().events()
    assert len(events) > 30
    assert {"OperatorsSet", "ReceiptPosted", "Joined", "Paid"} <= {event.name for event in events}
    for event in events:
        address = checksum(platform.deployment.addresses[event.contract])
        abi: Any = list(load_artifact(event.contract).abi)
        contract: Contract = w3.eth.contract(Web3.to_checksum_address(address), abi=abi)
        (log,) = [
            one
            for one in w3.eth.get_transaction_receipt(event.transaction)["logs"]
            if one["logIndex"] == event.index
        ]
        theirs = contract.events[event.name]().process_log(log)
        assert dict(event.arguments) == {
            key: _plain(value) for key, value in theirs["args"].items()
        }
        assert (event.block, event.transaction) == (
            log["blockNumber"],
            bytes(log["transactionHash"]),
        )


def test_decode__foreign_and_unknown_logs__are_told_apart() -> None:
    decoder = EventDecoder({"LabelToken": b"\1" * 20})
    log = {"address": "0x" + "02" * 20, "topics": [], "data": "0x"}
    assert decoder.decode(log, block=1, index=0, transaction=b"") is None
    ours = {**log, "address": "0x" + "01" * 20, "topics": ["0x" + "03" * 32]}
    with pytest.raises(ChainError, match="another version"):
        decoder.decode(ours, block=1, index=0, transaction=b"")
    short = {**ours, "topics": ["0x" + event_topic("LabelToken", "Transfer").hex()]}
    with pytest.raises(ChainError, match=r"LabelToken\.Transfer is malformed"):
        decoder.decode(short, block=1, index=0, transaction=b"")


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ((1 << 160).to_bytes(32, "big"), bytes(32)),  # no address
        (bytes(32), bytes(31)),
        (bytes(32), bytes(33)),
        (bytes(31), bytes(33)),
    ],
)
def test_decode__words_that_are_none__are_malformed(topic: bytes, data: bytes) -> None:
    address = b"\1" * 20
    decoder = EventDecoder({"LabelToken": address})
    topics = (event_topic("LabelToken", "Transfer"), bytes(32))
    good = ChainLog(1, 0, b"", address, (*topics, bytes(32)), (2**256 - 1).to_bytes(32, "big"))
    event = decoder.decode_log(good)
    assert event is not None
    assert list(event.arguments.values()) == [bytes(20), bytes(20), 2**256 - 1]
    with pytest.raises(ChainError, match=r"LabelToken\.Transfer is malformed"):
        decoder.decode_log(replace(good, topics=(*topics, topic), data=data))


# --- deployment -----------------------------------------------------------------------------------


def test_contract_address__known_deployer__is_the_known_one() -> None:
    # The first two contracts of anvil's first account, known to everybody who used it.
    deployer = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    assert checksum(contract_address(deployer, 0)) == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert checksum(contract_address(deployer, 1)) == "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


@pytest.mark.parametrize(
    ("change", "chain_id", "message"),
    [
        ({"window_seconds": 60}, 1, "window_seconds is 60: chain 1 needs 3600"),
        ({"window_seconds": 0}, 31337, "needs 1 at least"),
        ({"unbonding_seconds": 2_580}, 31337, "unbonding_seconds must exceed 2580"),
        ({"notice_seconds": 30, "window_seconds": 60}, 31337, "notice_seconds must exceed"),
        ({"max_lock_seconds": 1}, 31337, "max_lock_seconds must be lock_seconds"),
        ({"max_lock_seconds": 659, "lock_seconds": 1}, 31337, "must be window and dispute"),
        ({"max_pause_seconds": 259_201, "unbonding_seconds": 10**6}, 31337, "max_pause_seconds"),
        ({"pause_cooldown_seconds": 7_860}, 31337, "pause_cooldown_seconds must exceed"),
        ({"max_open": 1_001}, 31337, "min_operator_stake must be max_open times"),
    ],
)
def test_parameters__too_short__are_refused(
    change: dict[str, int], chain_id: int, message: str
) -> None:
    base = DEVNET if chain_id == 31337 else Parameters(council=DEVNET.council)
    base.check(chain_id)
    with pytest.raises(ChainError, match=message):
        replace(base, **change).check(chain_id)  # type: ignore[arg-type]


@pytest.mark.chain
def test_verify_code__other_code_or_other_chain__is_refused(platform: Platform) -> None:
    w3, deployment = platform.devnet.w3, platform.deployment
    verify_code(w3, deployment)
    with pytest.raises(ChainError, match="another genesis block"):
        verify_code(w3, replace(deployment, genesis=bytes(32)))
    longer = replace(deployment.parameters, window_seconds=31)
    with pytest.raises(ChainError, match=r"ReceiptBoard at .* has other code"):
        verify_code(w3, replace(deployment, parameters=longer))
    code = request(w3, "eth_getCode", checksum(deployment.escrow), "latest")
    request(w3, "anvil_setCode", checksum(deployment.escrow), code[:-2] + "ff")
    with pytest.raises(ChainError, match=r"CampaignEscrow at .* has other code"):
        Web3Reader(w3, deployment)


@pytest.mark.chain
def test_deploy_all__used_account__predicts_its_addresses(
    devnet: Devnet, platform: Platform
) -> None:
    second = deploy_all(devnet.w3, platform.wallets.deployer, DEVNET)
    assert not set(second.addresses.values()) & set(platform.deployment.addresses.values())
    assert set(second.addresses) == set(CONTRACTS)
    assert Web3Reader(devnet.w3, second, "latest").events()[-1].name == "GuardianSet"


@pytest.mark.chain
def test_establish__again__returns_the_same_and_sends_nothing(platform: Platform) -> None:
    height = platform.devnet.block_number()
    assert establish(platform.devnet, OPERATOR_KEYS, 2) == platform.deployment
    assert platform.devnet.block_number() == height
    platform.devnet.kill()
    platform.devnet.state_path.unlink()
    platform.devnet.start()
    with pytest.raises(ChainError, match="to start a new devnet"):
        establish(platform.devnet, OPERATOR_KEYS, 2)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', "[1]"])
def test_deployment__malformed_file__names_the_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    with pytest.raises(ChainError, match="deploy first"):
        Deployment.load(path)
    path.write_text(text)
    with pytest.raises(ChainError, match="deploy again"):
        Deployment.load(path)


# --- reader ---------------------------------------------------------------------------------------


@pytest.mark.chain
def test_reader__chain_lost_final_blocks__says_reorg(platform: Platform) -> None:
    store = MemoryEvents()
    platform.devnet.checkpoint()
    platform.devnet.mine(3)
    platform.reader(store=store).events()
    platform.devnet.kill()
    platform.devnet.start()
    known = (store.recent(), store.logs())
    with pytest.raises(ChainReorg, match="the chain ends at block"):
        platform.reader(store=store).head()
    platform.devnet.increase_time(50)
    platform.devnet.mine(9)
    with pytest.raises(ChainReorg, match="another hash"):
        platform.reader(store=store).events()
    assert (store.recent(), store.logs()) == known
    assert platform.reader().head().number == platform.devnet.block_number()


@pytest.mark.chain
def test_reader__killed_chain__goes_on_from_the_checkpoint(platform: Platform) -> None:
    campaign = platform.create()
    leaves = platform.leaves(3)
    receipt = platform.receipt(campaign, 1, leaves)
    platform.settle(receipt)
    platform.devnet.checkpoint()
    platform.relayer.claim_batch(claims_of(receipt, leaves))
    platform.devnet.kill()
    platform.devnet.start()

    reader = platform.reader()
    assert reader.facts(campaign, 2).last_finalized(reader.head().number) == receipt
    assert reader.claimed(campaign, leaves[0].account).cumulative == 0
    assert platform.relayer.finalize(receipt).transaction is None
    platform.relayer.claim_batch(claims_of(receipt, leaves))
    assert reader.claimed(campaign, leaves[0].account).cumulative == UNIT


@pytest.mark.chain
def test_events__beyond_the_head__are_refused(platform: Platform) -> None:
    reader = platform.reader("finalized")
    with pytest.raises(ChainError, match="doesn't count yet"):
        reader.events(platform.devnet.block_number())
    for finality in ("safe", 0, -1):
        with pytest.raises(ChainError, match="finalized, latest, or a number"):
            platform.reader(finality)
    with pytest.raises(ChainError, match="no block"):
        reader.block(10**6)


class _LimitedNode(BaseProvider):
    """A node with a log in every hundredth block that refuses queries as public ones do."""

    def __init__(self, blocks: int, results: int) -> None:
        super().__init__()
        self.blocks, self.results, self.asked = blocks, results, 0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        self.asked += 1
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        logs = [
            {"blockNumber": hex(block), "logIndex": "0x0"}
            for block in range(first, last + 1)
            if block % 100 == 0
        ]
        if last - first >= self.blocks or len(logs) > self.results:
            return {"error": {"code": -32005, "message": "query returned more than allowed"}}  # type: ignore[typeddict-item]
        return {"result": logs}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("blocks", "results"), [(10**9, 10**9), (2_000, 10**9), (10**9, 3)])
def test_get_logs__limited_node__still_finds_all_in_order(blocks: int, results: int) -> None:
    node = _LimitedNode(blocks, results)
    logs = get_logs(Web3(node), [], [], 1, 30_000)
    assert [int(log["blockNumber"], 16) for log in logs] == list(range(100, 30_001, 100))
    assert node.asked < 400


def test_get_logs__node_that_gives_none__is_an_error() -> None:
    with pytest.raises(ChainError, match="more than allowed"):
        get_logs(Web3(_LimitedNode(0, 0)), [], [], 1, 500)


@pytest.mark.chain
def test_request__node_is_down__names_the_remedy_and_no_secret() -> None:
    w3 = connect("http://user:secret@127.0.0.1:9/key/abc", timeout=2)
    with pytest.raises(ChainError, match="DDLP_RPC_URL") as caught:
        request(w3, "eth_blockNumber")
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)
    assert node_name(w3) == "http://127.0.0.1:9"
    with pytest.raises(ChainError, match="http, https, ws or wss"):
        connect("ftp://127.0.0.1")


class _NoNode(BaseProvider):
    """Something that speaks JSON, but isn't a node."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return {"message": "hello"}  # type: ignore[typeddict-unknown-key]


def test_request__no_node__is_a_chain_error() -> None:
    with pytest.raises(ChainError, match="isn't an Ethereum node"):
        request(Web3(_NoNode()), "eth_blockNumber")


@pytest.mark.chain
def test_connect__by_websocket__asks_the_same_node(devnet: Devnet) -> None:
    w3 = connect(devnet.url.replace("http", "ws"))
    assert int(request(w3, "eth_chainId"), 16) == devnet.chain_id


def test_codec__wrong_arguments_and_results__are_chain_errors() -> None:
    with pytest.raises(ChainError, match=r"CampaignEscrow\.close can't take"):
        encode_call("CampaignEscrow", "close", ["one"])
    with pytest.raises(ChainError, match=r"CampaignEscrow\.close can't take"):
        encode_call("CampaignEscrow", "close", [1, 2])
    with pytest.raises(ChainError, match="has no function open"):
        encode_call("CampaignEscrow", "open", [1])
    with pytest.raises(ChainError, match="is it there"):
        decode_result("LabelToken", "balanceOf", b"")


def test_record_and_facts__imported__need_no_web3() -> None:
    code = "import sys, oracle.chain.record, oracle.chain.facts; sys.exit('web3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- poster ---------------------------------------------------------------------------------------


def _at_once(calls: Iterable[Any]) -> list[Any]:
    """Run calls in threads; return what each returned or raised, in order."""
    calls = list(calls)
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            results[index] = calls[index]()
        except ChainError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.chain
def test_poster__many_threads_and_posters__use_each_nonce_once(platform: Platform) -> None:
    recipient, token = platform.account(7), platform.deployment.token
    posters = [platform.requester, platform.requester]
    sent = _at_once(
        [lambda one=posters[index % 2]: one.transfer(token, recipient, 1) for index in range(8)]
    )
    assert len({one.transaction for one in sent}) == 8
    assert platform.reader().balance(token, recipient) == 8


@pytest.mark.chain
def test_post__by_two_operators_at_once__succeeds_for_both(platform: Platform) -> None:
    receipt = platform.receipt(platform.create(), 1, platform.leaves(2))
    signatures = platform.sign(receipt, 0, 1)
    posters = [
        Poster(platform.devnet.w3, platform.wallets.operator(one), platform.deployment)
        for one in (0, 1)
    ]
    results = _at_once([lambda one=one: one.post(receipt, signatures) for one in posters])
    assert not [one for one in results if isinstance(one, Exception)]
    assert platform.reader().progress(receipt.campaign)["digest"] == platform.digest(receipt)
    (posted,) = [e for e in platform.reader().events() if e.name == "ReceiptPosted"]
    assert posted.arguments["digest"] == platform.digest(receipt)


@pytest.mark.chain
def test_send__fails_in_its_block__carries_the_reason_of_a_replay(platform: Platform) -> None:
    campaign = platform.create()
    w3 = platform.devnet.w3
    request(w3, "evm_setAutomine", False)
    miner = threading.Timer(1.0, platform.devnet.mine)
    miner.start()
    # Both find the campaign open; the second to be mined finds it closed.
    results = _at_once([lambda: platform.requester.close(campaign)] * 2)
    miner.join()
    request(w3, "evm_setAutomine", True)
    (failed,) = [one for one in results if isinstance(one, Exception)]
    assert isinstance(failed, Reverted)
    assert failed.reason == "CampaignEscrow: campaign is closed"
    assert platform.requester.close(campaign).transaction is None


@pytest.mark.chain
def test_execute_slash__proven_leaf__takes_committed_stake_once(platform: Platform) -> None:
    campaign = platform.create()
    w3, wallets = platform.devnet.w3, platform.wallets
    contributor = Poster(w3, wallets.contributor(0), platform.deployment)
    platform.devnet.fund(checksum(contributor.address), 10**18)
    Poster(w3, wallets.deployer, platform.deployment).mint(contributor.address, 5 * UNIT)
    contributor.stake(CONTRIBUTOR, 5 * UNIT)
    contributor.commit_stake(campaign, 4 * UNIT)
    assert contributor.commit_stake(campaign, 4 * UNIT).transaction is None
    slash = SlashLeaf(contributor.address, 3 * UNIT)
    tree = MerkleTree([slash.encode()])
    receipt = platform.receipt(campaign, 1, platform.leaves(1), slash_root=tree.root)
    platform.settle(receipt)

    sent = platform.relayer.execute_slash(campaign, 1, slash, tree.proof(0))
    assert sent.transaction is not None
    assert platform.relayer.execute_slash(campaign, 1, slash, tree.proof(0)).transaction is None
    (event,) = [e for e in platform.reader().events() if e.name == "SlashExecuted"]
    assert (event.arguments["account"], event.arguments["taken"]) == (slash.account, 3 * UNIT)


@pytest.mark.chain
def test_withdraw_fees__signer__gets_its_share_once(platform: Platform) -> None:
    receipt = platform.receipt(platform.create(), 1, platform.leaves(10))
    platform.settle(receipt)
    (settled,) = [e for e in platform.reader().events() if e.name == "Settled"]
    quorum = settled.arguments["quorum"]
    operator = Poster(platform.devnet.w3, platform.wallets.operator(0), platform.deployment)
    token = platform.deployment.token
    operator.withdraw_fees(token, [quorum])
    of_treasury = receipt.fee_total * platform.deployment.parameters.treasury_bps // 10_000
    share = (receipt.fee_total - of_treasury) // 2
    assert platform.reader().balance(token, operator.address) == share
    assert operator.withdraw_fees(token, [quorum]).transaction is None


@pytest.mark.chain
def test_create__bond_pledged_by_another__comes_from_the_pledge(platform: Platform) -> None:
    gateway = Poster(platform.devnet.w3, platform.wallets.gateway, platform.deployment)
    token, requester = platform.deployment.token, platform.requester
    gateway.pledge_bond(requester.address, token, 200 * UNIT)
    assert gateway.pledge_bond(requester.address, token, 200 * UNIT).transaction is None
    before = platform.reader().balance(token, requester.address)
    campaign, _ = requester.create(
        token=token,
        budget=100 * UNIT,
        bond=200 * UNIT,
        epoch_cap=150 * UNIT,
        fee_bps=500,
        gateway=gateway.address,
        manifest=b"\5" * 32,
        bond_payer=gateway.address,
    )
    assert platform.reader().balance(token, requester.address) == before - 100 * UNIT
    assert platform.reader().campaign(campaign)["bond_payer"] == gateway.address


@pytest.mark.chain
def test_poster__what_cannot_be__is_said_clearly(platform: Platform) -> None:
    leaves = platform.leaves(2)
    first = claims_of(platform.receipt(1, 1, leaves), leaves)
    second = claims_of(platform.receipt(1, 2, leaves), leaves)
    with pytest.raises(InputError, match="claim_many"):
        platform.relayer.claim_batch([first[0], second[1]])
    with pytest.raises(InputError, match="create it first"):
        platform.requester.fund(99, UNIT)
    with pytest.raises(Reverted, match="CampaignEscrow: invalid proof"):
        platform.relayer.claim(first[0])


@pytest.mark.chain
def test_prove_fork__two_signed_heads__closes_the_campaign_once(platform: Platform) -> None:
    campaign, key = platform.create(), bytes(platform.wallets.gateway.key)
    domain = Domain(31337, platform.deployment.escrow)
    rows = []
    for entry in (b"one", b"other"):
        entry_hash = keccak256(entry)
        head = Head(campaign, 1, entry_hash, keccak256(bytes(32) + entry_hash))
        signature = sign(key, head.digest(domain))
        rows.append(LogRow(1, entry, entry_hash, head.head, signature))
    with pytest.raises(InputError, match="different heads"):
        platform.relayer.prove_fork(campaign, rows[0], rows[0])
    forged = replace(rows[1], signature=sign(b"\1" * 32, keccak256(b"")))
    with pytest.raises(Reverted, match="CampaignEscrow: "):
        platform.relayer.prove_fork(campaign, rows[0], forged)
    assert not platform.reader().campaign(campaign)["forked"]
    assert platform.relayer.prove_fork(campaign, *rows).transaction is not None
    assert platform.relayer.prove_fork(campaign, *rows).transaction is None
    assert platform.reader().campaign(campaign)["forked"]
    assert platform.reader().events()[-1].name == "CampaignClosed"


@pytest.mark.chain
def test_devnet__genesis__is_where_it_was_told(devnet: Devnet) -> None:
    assert devnet.timestamp() == GENESIS
