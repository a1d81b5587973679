"""The chain's record as a node gives it, for audits of a chain that nobody wrote to a file.

Only what the audit rests on is asked for, and nothing of it is believed that can be proven: a
block's header by its hash, transactions and receipts by the header's roots, code and balances by
account proof. Up to `WHOLE` blocks every header is read, so that each is proven from the last
one's hash, and the headers' blooms (yellow paper, section 4.3.1) show which blocks hold our logs:
then the node can leave nothing out. Beyond, the node is trusted to name the blocks that hold our
logs (`eth_getLogs`) and to serve headers of one chain; balances still have to agree with the logs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.chain import proofs
from oracle.chain.deployment import Deployment
from oracle.chain.events import EventDecoder
from oracle.chain.proofs import to_bytes, to_int
from oracle.chain.record import (
    ChainRecord,
    ProvenBlocks,
    block_entry,
    nests_deeply,
    only_header,
    read_header,
    read_state,
    state_entry,
)
from oracle.chain.rpc import LOOPBACK, get_logs, node_name, request
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import ChainError, ChainReorg, FormatError, ProtocolFault
from oracle.evidence.hashing import address_word, keccak256
from oracle.evidence.signing import checksum
from oracle.protocol.facts import Block

WHOLE = 20_000  # blocks whose headers are all read: minutes of asking, and a proof of completeness
MOST_BLOCKS = 1 << 32  # more than any chain has
TRANSFER = keccak256(b"Transfer(address,address,uint256)")
_BROKEN = (TypeError, ValueError, AttributeError, LookupError, OverflowError, RecursionError)


# -- asking ----------------------------------------------------------------------------------------


class BoundedProvider(JSONBaseProvider):
    """Asks a node over HTTP, with bounds that a hostile or sick one can't exceed.

    `seconds` for one answer whatever it does, `total` for all of them, `size` bytes of an answer.
    Nothing is asked twice, and no redirect is followed.
    """

    def __init__(
        self, url: str, seconds: float = 30.0, total: float = 3_600.0, size: int = 1 << 26
    ) -> None:
        super().__init__()
        self.endpoint_uri, self.seconds, self.size = url, seconds, size
        self._until = time.monotonic() + total
        self._session = requests.Session()
        # A proxy for the outside never stands before this machine's own node.
        self._session.trust_env = urlsplit(url).hostname not in LOOPBACK

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Return the node's answer; requests' exceptions where there is none in time."""
        left = min(self.seconds, self._until - time.monotonic())
        if left <= 0:
            raise requests.Timeout("the node took too long in all")
        answer: list[bytes | Exception] = []
        # A server that drips a byte at a time keeps every timeout of a socket from passing, so
        # the asking thread is left behind; as a daemon it ends with the process.
        thread = threading.Thread(
            target=self._ask, args=(method, params, left, answer), daemon=True
        )
        thread.start()
        thread.join(left)
        if not answer:
            raise requests.Timeout(f"no answer within {left:.0f} s")
        if isinstance(answer[0], Exception):
            raise answer[0]
        # An error's message may hold some lone brackets.
        if nests_deeply(answer[0], spare=100):
            raise requests.RequestException("the answer is no node's JSON")
        try:
            decoded: RPCResponse = json.loads(answer[0])
        except ValueError as error:
            raise requests.RequestException("the answer is no JSON") from error
        return decoded

    def _ask(
        self, method: str, params: Any, seconds: float, answer: list[bytes | Exception]
    ) -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        until = time.monotonic() + seconds
        data = bytearray()
        try:
            with self._session.post(
                self.endpoint_uri,
                json=body,
                timeout=seconds,
                stream=True,
                allow_redirects=False,
            ) as response:
                while part := response.raw.read1(1 << 16, decode_content=True):
                    data += part
                    if len(data) > self.size:
                        raise requests.RequestException("the answer is too long for any node's")
                    if time.monotonic() > until:
                        return
            answer.append(bytes(data))
        except Exception as error:  # handed to the asking thread, whatever it is
            wrapped = isinstance(error, requests.RequestException | OSError)
            answer.append(error if wrapped else requests.RequestException(repr(error)))


def connect_bounded(url: str, **bounds: Any) -> Web3:
    """Return a Web3 for the node at `url` (http or https), bounded as `BoundedProvider` says."""
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ChainError("--rpc is no node's address: give an http or https URL")
    return Web3(BoundedProvider(url, **bounds))


@contextmanager
def sense(w3: Web3) -> Iterator[None]:
    """Make a ChainError of what malformed answers make Python raise."""
    try:
        yield
    except (FormatError, *_BROKEN) as error:
        raise ChainError(
            f"the node at {node_name(w3)} answered what no node does ({error}): ask another"[:500]
        ) from error


# -- the record ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NodeRecord(ChainRecord):
    """A `ChainRecord` whose other headers are asked for when they are needed.

    `whole` says that every header from the first of ours to the last was read and proven.
    """

    w3: Web3 = field(default_factory=Web3)
    whole: bool = False
    known: dict[int, Block] = field(default_factory=dict)

    def block(self, number: int) -> Block:
        """Return one block; ChainError where the node has none of that number, ProtocolFault where
        its header isn't that of its hash."""
        if number > self.head.number:
            raise ChainError(f"block {number} is after the record's last, {self.head.number}")
        if number not in self.known:
            with sense(self.w3):
                header = _header(self.w3, hex(number))
                block = read_header(header)
                if block.number != number or proofs.header_hash(header) != block.hash:
                    place = f"block {number}"
                    raise ProtocolFault("CHAIN-HEADER", place, "the fields don't give the hash")
                self.known[number] = block
        return self.known[number]


def ask_record(w3: Web3, deployment: Deployment, from_block: int | None = None) -> NodeRecord:
    """Ask a node for all that an audit of `deployment` needs, from `from_block` on (by default the
    block of its first contract).

    On a development chain the newest block is the last one, elsewhere the newest finalized one.
    Raises ChainError where the node can't be asked or makes no sense, ChainReorg where the last
    block was replaced meanwhile. What it can't prove is in `faults`.
    """
    with sense(w3):
        chain_id = to_int(request(w3, "eth_chainId"), "eth_chainId")
        tag = "latest" if chain_id in DEV_CHAIN_IDS else "finalized"
        head = read_header(_header(w3, tag))
        if head.number > MOST_BLOCKS:
            raise ChainError(f"the node says its chain has {head.number} blocks: ask another")
        first = deployment.first_block if from_block is None else from_block
        if not 0 <= first <= head.number:
            raise ChainError(
                f"the node's chain ends at block {head.number}, before {first}: ask one "
                "that has caught up, of the chain that deployment.json names"
            )
        asked = _Asked(w3, first, head)
        if head.number - first < WHOLE:
            asked.read_headers()
        else:
            asked.read_header(head.number)
        asked.read_header(0)
        contracts = list(deployment.addresses.values())
        asked.read_logs([_LogQuery(contracts)])
        tokens = _tokens(deployment, asked.proven) - {deployment.token}
        if tokens:
            holders = [address_word(holder) for holder in deployment.token_holders]
            asked.read_logs([_LogQuery(sorted(tokens), (TRANSFER,), holders, at) for at in (1, 2)])
        asked.check_told()
        _, accounts = read_state({"state": state_entry(w3, deployment, head.number)})
        if asked.known[head.number] != head or read_header(_header(w3, hex(head.number))) != head:
            raise ChainReorg("the last block was replaced while it was read: run the audit again")
        return NodeRecord(
            chain_id,
            tuple(asked.known[number] for number in sorted(asked.known)),
            tuple(sorted(asked.proven.blocks, key=lambda one: one.block.number)),
            to_bytes(asked.headers[head.number]["stateRoot"], "stateRoot"),
            accounts,
            tuple(asked.proven.faults),
            w3,
            head.number - first < WHOLE,
            asked.known,
        )


@dataclass(frozen=True)
class _LogQuery:
    """Logs of `addresses` with the first topics `topics`, and any of `either` as topic `at`."""

    addresses: Sequence[bytes]
    topics: Sequence[bytes] = ()
    either: Sequence[bytes] = ()
    at: int = 0

    def filter(self) -> list[Any]:
        """The topics of an eth_getLogs filter."""
        topics: list[Any] = ["0x" + topic.hex() for topic in self.topics]
        topics += [None] * (self.at - len(topics))
        either = ["0x" + one.hex() for one in self.either]
        return [*topics, either] if either else topics

    def may_be_in(self, bloom: bytes) -> bool:
        """Say whether a block's bloom allows such a log; where it doesn't, there is none."""
        return (
            any(_in_bloom(bloom, one) for one in self.addresses)
            and all(_in_bloom(bloom, one) for one in self.topics)
            and (not self.either or any(_in_bloom(bloom, one) for one in self.either))
        )


class _Asked:
    """What the node was asked for so far."""

    def __init__(self, w3: Web3, first: int, head: Block) -> None:
        self.w3, self.first, self.head = w3, first, head
        self.headers: dict[int, Mapping[str, Any]] = {}
        self.known: dict[int, Block] = {}
        self.told: list[Mapping[str, Any]] = []
        self.proven = ProvenBlocks(follows=False)

    def read_headers(self) -> None:
        """Read every header from the first of ours to the last; each must follow the one before."""
        for number in range(self.first, self.head.number + 1):
            self.read_header(number)
            parent = self.headers[number].get("parentHash")
            if number > self.first and parent != "0x" + self.known[number - 1].hash.hex():
                self._fault("CHAIN-ORDER", number, "doesn't follow the block before")

    def read_header(self, number: int) -> None:
        """Read one header, which must hash to its hash."""
        if number in self.known:
            return
        header = _header(self.w3, hex(number))
        self.headers[number], self.known[number] = header, read_header(header)
        if self.known[number].number != number or proofs.header_hash(header) != bytes.fromhex(
            header["hash"][2:]
        ):
            self._fault("CHAIN-HEADER", number, "the fields don't give the hash")

    def read_logs(self, queries: Sequence[_LogQuery]) -> None:
        """Read the blocks that hold such logs: those that the node names and, where all headers
        are known, those whose bloom allows one."""
        numbers: set[int] = set()
        for query in queries:
            addresses = [checksum(one) for one in query.addresses]
            told = get_logs(self.w3, addresses, query.filter(), self.first, self.head.number)
            self.told += told
            numbers |= {to_int(log["blockNumber"], "blockNumber") for log in told}
            for number, header in self.headers.items():
                bloom = to_bytes(header.get("logsBloom"), "logsBloom")
                if number >= self.first and query.may_be_in(bloom):
                    numbers.add(number)
        held = {one.block.number for one in self.proven.blocks}
        for number in sorted(numbers - held):
            if not self.first <= number <= self.head.number:
                self._fault("CHAIN-RECEIPTS", number, "a log is told of a block out of range")
                continue
            block = self.proven.add(block_entry(self.w3, number)).block
            if block.number != number or self.known.setdefault(number, block) != block:
                self._fault("CHAIN-ORDER", number, "the node gives the block in two ways")

    def check_told(self) -> None:
        """Every log that the node told of must be in its block's receipts, which are proven."""
        held = {one.block.number: _logs(one.receipts) for one in self.proven.blocks}
        for log in self.told:
            number, index = (to_int(log[name], name) for name in ("blockNumber", "logIndex"))
            logs = held.get(number, [])
            if index >= len(logs) or _plain(log) != logs[index]:
                why = f"the node tells of a log {index} that isn't in the block's receipts"
                self._fault("CHAIN-RECEIPTS", number, why)

    def _fault(self, code: str, number: int, why: str) -> None:
        self.proven.faults.append(ProtocolFault(code, f"block {number}", why))


def _header(w3: Web3, tag: str) -> Mapping[str, Any]:
    found = request(w3, "eth_getBlockByNumber", tag, False)
    if found is None:
        raise ChainError(f"the node at {node_name(w3)} has no block {tag}: ask one that has")
    return only_header(found)


def _tokens(deployment: Deployment, proven: ProvenBlocks) -> set[bytes]:
    """Tokens that campaigns and pledges are held in."""
    decoder = EventDecoder({"CampaignEscrow": deployment.escrow})
    tokens = set()
    for recorded in proven.blocks:
        for receipt in recorded.receipts:
            for log in receipt["logs"]:
                try:
                    event = decoder.decode(
                        log, block=recorded.block.number, index=0, transaction=b""
                    )
                except ChainError:
                    continue  # no event of the escrow's: the audit's own reading says so
                if event is not None and event.name in ("CampaignCreated", "Pledged"):
                    tokens.add(event.arguments["token"])
    return tokens


def _logs(receipts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [_plain(log) for receipt in receipts for log in receipt["logs"]]


def _plain(log: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(part.lower() for part in (log["address"], log["data"], *log["topics"]))


def _in_bloom(bloom: bytes, value: bytes) -> bool:
    mask = proofs.bloom_mask(value)
    return int.from_bytes(bloom, "big") & mask == mask
