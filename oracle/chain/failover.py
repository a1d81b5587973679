"""Several nodes as one: what enough of them say counts, the others are passed over.

A block counts where `agreement` nodes, by default the majority of those that answer, name the same
hash under its number: one that is behind, forked or on another chain can't move the head. Blocks
and logs are answers of so many nodes alike; where they tell different logs, the receipts of the
block decide, which its header proves. What can't be compared (calls, pending transactions) comes
from the first node that stands at the agreed head. Transactions go to all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.breaker import CircuitBreaker
from oracle.chain.proofs import receipts_root, to_bytes, to_int
from oracle.chain.rpc import REVERTED, UNREACHABLE, log_place, shown_url
from oracle.errors import ChainError, FormatError, NodeUnreachable

ROUNDS, FIRST_PAUSE = 3, 0.25  # how often all nodes are tried, seconds before the second round
FAILURES, FIRST_REST, LONGEST_REST = 3, 1.0, 60.0  # of a node's circuit breaker, in seconds
FORK_DEPTH = 64  # blocks below the common height in which nodes must agree
FRESH_SECONDS = 5.0  # so long a node that stood at the agreed head is asked on
TAGS = ("latest", "safe", "finalized")
_MALFORMED = (FormatError, LookupError, TypeError, AttributeError, ValueError)


@dataclass(frozen=True)
class NodeStatus:
    """What is known of a node: `name` without credentials, `head` the number that it told last
    (None before), whether it stands on the agreed chain, and what was wrong with it last.
    """

    name: str
    head: int | None
    agrees: bool
    trouble: str


@dataclass
class _Node:
    provider: JSONBaseProvider
    name: str
    breaker: CircuitBreaker = field(
        default_factory=lambda: CircuitBreaker(
            failures=FAILURES, first_pause=FIRST_REST, longest_pause=LONGEST_REST
        )
    )
    chain_id: int | None = None  # None until it was asked, and again after a pause
    head: int | None = None
    trouble: str = ""


class Nodes(JSONBaseProvider):
    """A provider over several, for `Web3`; threads may share it.

    `chain_id` is the one wanted, by default that of most nodes; nodes of another are passed over.
    Raises NodeUnreachable where too few answer, ChainError where they agree on nothing; both name
    every node and what is wrong with it.
    """

    def __init__(
        self,
        providers: Sequence[JSONBaseProvider],
        *,
        chain_id: int | None = None,
        agreement: int | None = None,
    ) -> None:
        super().__init__()
        if agreement is not None and not 1 <= agreement <= len(providers):
            raise ChainError(
                f"{agreement} of {len(providers)} nodes can't agree: set DDLP_RPC_AGREEMENT to a "
                f"number from 1 to {len(providers)}"
            )
        self._nodes = [
            _Node(one, shown_url(str(getattr(one, "endpoint_uri", one)))) for one in providers
        ]
        self.endpoint_uri = ", ".join(node.name for node in self._nodes)
        self._chain_id, self._agreement = chain_id, agreement
        self._standing: list[_Node] = []  # at the agreed head
        self._agreed_at = float("-inf")
        self._needed = agreement or 1
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(len(self._nodes), thread_name_prefix="ddlp-rpc")

    @property
    def witnesses(self) -> int:
        """How many nodes must say the same before it is an answer."""
        return self._needed

    def status(self) -> list[NodeStatus]:
        """Return what is known of each node, in the order configured."""
        with self._lock:
            return [
                NodeStatus(node.name, node.head, node in self._standing, node.trouble)
                for node in self._nodes
            ]

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Return the answer that counts; see the module."""
        if method == "eth_blockNumber":
            return _result(self._agreed_block("latest")["number"])
        if method == "eth_getBlockByNumber" and params[0] in TAGS:
            return _result(self._agreed_block(params[0]))
        standing = self._at_the_head()
        if method == "eth_getBlockByNumber" and params[0] != "pending":
            return self._alike(standing, method, params, _block_key)
        if method == "eth_getLogs":
            return self._logs(standing, params)
        if method == "eth_sendRawTransaction":
            return self._to_all(standing, method, params)
        return self._first(standing, method, params)

    def make_batch_request(
        self, batch_requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        """Return the answers to several requests, each as `make_request` gives it."""
        method = batch_requests[0][0]
        asked = [params for _, params in batch_requests]
        batches = [self._ask_batch(node, batch_requests) for node in self._at_the_head()]
        whole = [one for one in batches if one is not None and len(one) == len(asked)]
        if method != "eth_getBlockByNumber":
            return whole[0] if whole else [self.make_request(method, one) for one in asked]
        answers = []
        for at, params in enumerate(asked):
            known = [_block_key(one[at].get("result")) for one in whole]
            if known.count(known[0] if known else None) >= self._needed:
                answers.append(whole[0][at])
            else:
                answers.append(self.make_request(method, params))
        return answers

    # -- agreement -------------------------------------------------------------------------------

    def _agreed_block(self, tag: str) -> Any:
        """Return the newest block of a tag that enough nodes have, and remember which these are."""
        told: dict[int, Any] = {}
        for at, block in self._ask_everyone("eth_getBlockByNumber", [tag, False]).items():
            if isinstance(block, dict):
                told[at] = block
        needed = self._agreement or len(told) // 2 + 1
        if len(told) < needed:
            raise self._nothing(
                f"{len(told)} of {len(self._nodes)} nodes have a {tag} block, {needed} must agree"
            )
        heights = {at: to_int(block["number"], "number") for at, block in told.items()}
        highest = sorted(heights.values(), reverse=True)[needed - 1]
        for number in range(highest, max(highest - FORK_DEPTH, -1), -1):
            having = [at for at in told if heights[at] >= number]
            lower = [at for at in having if heights[at] > number]
            blocks = {at: told[at] for at in having if at not in lower}
            blocks |= self._ask_each(lower, "eth_getBlockByNumber", [hex(number), False])
            keys = {at: _block_key(block) for at, block in blocks.items() if block is not None}
            for at, key in keys.items():
                if list(keys.values()).count(key) >= needed:
                    self._stand([one for one in keys if keys[one] == key], heights, needed, tag)
                    return blocks[at]
        raise self._nothing(f"no {needed} nodes agree on a block from {highest} down")

    def _stand(
        self, agreeing: Sequence[int], heights: dict[int, int], needed: int, tag: str
    ) -> None:
        with self._lock:
            for at, node in enumerate(self._nodes):
                if at in heights:
                    node.head = heights[at] if tag == "latest" else node.head
                    node.trouble = "" if at in agreeing else "behind the others, or on a fork"
            self._standing = [self._nodes[at] for at in sorted(agreeing)]
            self._needed, self._agreed_at = needed, time.monotonic()

    def _at_the_head(self) -> list[_Node]:
        """Return the nodes that stood at the agreed head a moment ago and aren't resting."""
        if time.monotonic() - self._agreed_at > FRESH_SECONDS:
            self._agreed_block("latest")
        standing = [node for node in self._standing if node.breaker.allows()]
        if len(standing) < self._needed:
            self._agreed_block("latest")
            standing = self._standing
        return standing

    def _alike(
        self,
        standing: Sequence[_Node],
        method: RPCEndpoint,
        params: Any,
        key: Callable[[Any], Any],
    ) -> RPCResponse:
        """Return the first answer that as many nodes give alike as must agree, else an error."""
        answers: list[RPCResponse] = []
        refused: RPCResponse | None = None
        for node in standing:
            answer = self._ask(node, method, params)
            if answer is None or "error" in answer:
                refused = answer or refused
                continue
            answers.append(answer)
            same = [one for one in answers if key(one["result"]) == key(answer["result"])]
            if len(same) >= self._needed:
                return same[0]
        if not answers and refused is not None:
            return refused
        return _error(f"{len(answers)} nodes answer {method}, but no {self._needed} alike")

    def _logs(self, standing: Sequence[_Node], params: Any) -> RPCResponse:
        """Return logs that enough nodes tell alike. A span that they don't is an error, so that
        the caller halves it; a single block's receipts decide."""
        answer = self._alike(standing, RPCEndpoint("eth_getLogs"), params, _logs_key)
        query = params[0]
        if "result" in answer or query["fromBlock"] != query["toBlock"] or any(query["topics"]):
            return answer
        number = query["toBlock"]
        header = self.make_request(RPCEndpoint("eth_getBlockByNumber"), [number, False])
        wanted = {address.lower() for address in query["address"]}
        for node in standing:
            receipts = self._ask(node, RPCEndpoint("eth_getBlockReceipts"), [number])
            try:
                root = to_bytes(header["result"]["receiptsRoot"], "receiptsRoot")
                proven = receipts is not None and receipts_root(receipts["result"]) == root
                if receipts is not None and proven:
                    told = (log for one in receipts["result"] for log in one["logs"])
                    return _result([log for log in told if log["address"].lower() in wanted])
            except _MALFORMED:
                continue
        return answer

    # -- asking ----------------------------------------------------------------------------------

    def _first(self, standing: Sequence[_Node], method: RPCEndpoint, params: Any) -> RPCResponse:
        """Return the first node's answer; that of the next where it has none, or an error that
        isn't a contract's."""
        found: RPCResponse | None = None
        for node in standing:
            answer = self._ask(node, method, params)
            if answer is not None:
                if answer.get("result") is not None or _is_revert(answer):
                    return answer
                found = found or answer
        if found is None:
            raise self._nothing(f"no node answers {method}")
        return found

    def _to_all(self, standing: Sequence[_Node], method: RPCEndpoint, params: Any) -> RPCResponse:
        """Tell every node; return a result where one took it, else the first refusal, unless one
        gave no answer: it may have taken it."""
        told = list(self._pool.map(lambda node: self._ask(node, method, params), standing))
        answers = [answer for answer in told if answer is not None]
        taken = next((one for one in answers if "result" in one), None)
        if taken is None and None in told:
            raise NodeUnreachable(str(self._nothing(f"no node says that it took {method}")))
        return taken or answers[0]

    def _ask_everyone(self, method: str, params: Any) -> dict[int, Any]:
        """Return results by node's place, of nodes of the right chain that don't rest; all nodes
        fail in several rounds before that is an error."""
        for attempt in range(ROUNDS):
            if attempt:
                time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            awake = [at for at, node in enumerate(self._nodes) if node.breaker.allows()]
            found = self._ask_each(self._of_this_chain(awake), method, params)
            if found:
                return found
        raise self._nothing("no node can be used")

    def _of_this_chain(self, places: Sequence[int]) -> list[int]:
        unknown = [at for at in places if self._nodes[at].chain_id is None]
        for at, told in self._ask_each(unknown, "eth_chainId", []).items():
            self._nodes[at].chain_id = to_int(told, "eth_chainId")
        ids = [one for at in places if (one := self._nodes[at].chain_id) is not None]
        if self._chain_id is None and ids:
            wanted = max(ids, key=ids.count)
            if ids.count(wanted) * 2 <= len(ids) and len(set(ids)) > 1:
                raise self._nothing("the nodes are of different chains")
            self._chain_id = wanted
        for at in places:
            node = self._nodes[at]
            if node.chain_id not in (None, self._chain_id):
                node.trouble = f"it has chain id {node.chain_id}, not {self._chain_id}"
        return [at for at in places if self._nodes[at].chain_id == self._chain_id is not None]

    def _ask_each(self, places: Sequence[int], method: str, params: Any) -> dict[int, Any]:
        """Return the results of nodes, asked at once, by place; errors are left out."""
        ask = lambda at: self._ask(self._nodes[at], RPCEndpoint(method), params)  # noqa: E731
        answers = zip(places, self._pool.map(ask, places), strict=True)
        return {at: one["result"] for at, one in answers if one is not None and "result" in one}

    def _ask(self, node: _Node, method: RPCEndpoint, params: Any) -> RPCResponse | None:
        """Return a node's answer; None where it gives none, which counts against it."""
        try:
            answer = node.provider.make_request(method, params)
            if not answer.keys() & {"result", "error"}:
                raise ValueError("its answer is no JSON-RPC")
        except (*UNREACHABLE, AttributeError) as error:
            self._failed(node, error)
            return None
        with self._lock:
            node.breaker.succeeded()
            if "error" in answer and not _is_revert(answer):
                node.trouble = f"{method}: {_message(answer)}"
        return answer

    def _ask_batch(self, node: _Node, batch: list[tuple[RPCEndpoint, Any]]) -> Any:
        try:
            answers = node.provider.make_batch_request(batch)
        except (*UNREACHABLE, NotImplementedError) as error:
            self._failed(node, error)
            return None
        whole = isinstance(answers, list) and all(isinstance(one, dict) for one in answers)
        return answers if whole and all("result" in one for one in answers) else None

    def _failed(self, node: _Node, error: Exception) -> None:
        with self._lock:
            node.trouble = f"it gives no answer ({type(error).__name__})"
            if node.breaker.failed():
                node.chain_id = None  # another node may stand at this address by then

    def _nothing(self, what: str) -> ChainError:
        each = "; ".join(
            f"{node.name}: {node.trouble or f'at block {node.head}'}" for node in self._nodes
        )
        text = f"{what} ({each}): start the nodes, or name others (DDLP_RPC_URL)"
        silent = all(node.breaker.failures for node in self._nodes)
        return NodeUnreachable(text) if silent else ChainError(text)


def _result(value: Any) -> RPCResponse:
    return {"jsonrpc": "2.0", "id": 0, "result": value}


def _error(message: str) -> RPCResponse:
    return {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": message}}


def _message(answer: RPCResponse) -> str:
    error = answer["error"]
    return str(error.get("message", error) if isinstance(error, dict) else error)


def _is_revert(answer: RPCResponse) -> bool:
    return "error" in answer and REVERTED in _message(answer).lower()


def _block_key(block: Any) -> Any:
    """What of a block must be alike; None where it is no block."""
    try:
        names = ("number", "hash", "parentHash", "timestamp", "logsBloom", "receiptsRoot")
        return tuple(block[name] for name in names)
    except _MALFORMED:
        return None


def _logs_key(logs: Any) -> Any:
    try:
        names = ("blockHash", "transactionHash", "address", "topics", "data")
        return [
            (log_place(log), *(str(log[name]).lower() for name in names))
            for log in sorted(logs, key=log_place)
        ]
    except _MALFORMED:
        return None
