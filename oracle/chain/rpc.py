"""One way to connect to a node, for the devnet, the reader and the poster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.providers.base import BaseProvider, JSONBaseProvider
from web3.types import RPCEndpoint
from websockets.exceptions import WebSocketException

from oracle.errors import ChainError, NodeUnreachable, Reverted

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 30.0
FAILOVER_SECONDS = 10.0  # for one request to one of several nodes
LONGEST_SPAN = 50_000  # blocks in one eth_getLogs
REVERTED = "execution reverted"
BATCH = 100  # requests in one message
UNREACHABLE = (requests.RequestException, WebSocketException, OSError, Web3Exception, ValueError)


def connect(
    url: str,
    timeout: float = TIMEOUT_SECONDS,
    *,
    chain_id: int | None = None,
    agreement: int | None = None,
) -> Web3:
    """Return a Web3 for the node at `url` (http, https, ws or wss), or for several nodes, separated
    by commas: then see `oracle.chain.failover.Nodes`, which `chain_id` and `agreement` are for.

    `timeout` is in seconds, for one request. Nothing is sent yet; ChainError for a URL of another
    scheme.
    """
    urls = [one.strip() for one in url.split(",")]
    if len(urls) == 1:
        return Web3(_provider(url, timeout))
    from oracle.chain.failover import Nodes

    # Another node is asked sooner than the same one again.
    providers = [_provider(one, min(timeout, FAILOVER_SECONDS), repeats=False) for one in urls]
    return Web3(Nodes(providers, chain_id=chain_id, agreement=agreement))


def _provider(url: str, timeout: float, repeats: bool = True) -> JSONBaseProvider:
    parts = urlsplit(url)
    if parts.scheme in {"ws", "wss"}:
        return Web3.LegacyWebSocketProvider(url, websocket_timeout=int(timeout))
    if parts.scheme not in {"http", "https"}:
        raise ChainError(
            f"{shown_url(url)} is no node's address: give an http, https, ws or wss URL"
        )
    session = requests.Session()
    # A proxy for the outside never stands before this machine's own node.
    session.trust_env = parts.hostname not in LOOPBACK
    session.mount(f"{parts.scheme}://", HTTPAdapter(pool_connections=1, pool_maxsize=16))
    retries = {} if repeats else {"exception_retry_configuration": None}
    return Web3.HTTPProvider(url, {"timeout": timeout}, session=session, **retries)


def request(w3: Web3, method: str, *params: Any) -> Any:
    """Return the `result` of one JSON-RPC request, as the node wrote it: hex texts, not numbers.

    Raises Reverted where a contract refuses, ChainError where the node can't be reached or answers
    with another error.
    """
    answer = _ask(w3, method, *params)
    if "error" not in answer:
        return answer["result"]
    message = _error_message(answer)
    if REVERTED in message.lower():
        # Nodes write "execution reverted" and, where the contract gave a reason, ": " and it.
        reason = message[message.lower().index(REVERTED) + len(REVERTED) :].lstrip(": ")
        raise Reverted(f"{method}: {message}", reason)
    raise ChainError(f"{method}: the node at {node_name(w3)} answered {message}")


def get_logs(
    w3: Web3, addresses: Sequence[str], topics: Sequence[Any], first: int, last: int
) -> list[dict[str, Any]]:
    """Return the logs of blocks `first` to `last`, in chain order, whatever limits the node has.

    Nodes bound a query's blocks or results, each in its own words: a refused span is halved, and
    grows again. Raises ChainError where even one block is refused.
    """
    spans = log_spans(w3, addresses, topics, first, last)
    return [log for _, _, logs in spans for log in logs]


def log_spans(
    w3: Web3,
    addresses: Sequence[str],
    topics: Sequence[Any],
    first: int,
    last: int,
    longest: int = LONGEST_SPAN,
) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """Yield what `get_logs` returns as it comes: first and last block of a span of up to `longest`
    blocks, and its logs."""
    span = longest
    while first <= last:
        end = min(first + span - 1, last)
        query = {
            "address": list(addresses),
            "topics": list(topics),
            "fromBlock": hex(first),
            "toBlock": hex(end),
        }
        answer = _ask(w3, "eth_getLogs", query)
        if "error" in answer:
            if first == end:
                message = _error_message(answer)
                raise ChainError(f"eth_getLogs: the node at {node_name(w3)} answered {message}")
            span = (end - first + 1) // 2
            continue
        yield first, end, sorted(answer["result"], key=log_place)
        first, span = end + 1, min(2 * span, longest)


def log_place(log: Any) -> tuple[int, int]:
    """Return where a JSON-RPC log stands in the chain: block number, place in the block."""
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)


def request_many(w3: Web3, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the results of one method for several lists of parameters, in order.

    Many go in one message where the node takes that. Errors are those of `request`.
    """
    results: list[Any] = []
    for start in range(0, len(params), BATCH):
        part = [(RPCEndpoint(method), list(one)) for one in params[start : start + BATCH]]
        try:
            answers: Any = w3.provider.make_batch_request(part)  # type: ignore[attr-defined]
            results += [answer["result"] for _, answer in zip(part, answers, strict=True)]
        except (*UNREACHABLE, NotImplementedError, AttributeError, LookupError, TypeError):
            # Refused as a whole or in part: each alone then, which says what is wrong.
            results += [request(w3, method, *one) for _, one in part]
    return results


def witnesses(w3: Web3) -> int:
    """Return how many nodes must say the same before it is an answer."""
    return int(getattr(w3.provider, "witnesses", 1))


def _ask(w3: Web3, method: str, *params: Any) -> Any:
    """Return the node's whole answer, which has `result` or `error`."""
    try:
        answer = w3.provider.make_request(RPCEndpoint(method), list(params))
    except UNREACHABLE as error:
        raise NodeUnreachable(
            f"{method}: the node at {node_name(w3)} can't be reached ({type(error).__name__}): "
            "start it, or name one that runs (--rpc, DDLP_RPC_URL)"
        ) from error
    if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
        raise ChainError(f"{method}: {node_name(w3)} isn't an Ethereum node: set DDLP_RPC_URL")
    return answer


def _error_message(answer: Any) -> str:
    error = answer["error"]
    return str(error.get("message", error) if isinstance(error, dict) else error)


def node_name(w3: Web3) -> str:
    """Return the node's address without credentials, path or query: they often hold an API key."""
    provider: BaseProvider = w3.provider
    address = str(getattr(provider, "endpoint_uri", type(provider).__name__))
    return ", ".join(map(shown_url, address.split(", ")))


def shown_url(url: str) -> str:
    """Return a node's address without credentials, path or query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else url
