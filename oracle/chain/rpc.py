"""One way to connect to a node, for the devnet, the reader and the poster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint
from websockets.exceptions import WebSocketException

from oracle.errors import ChainError, Reverted

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 30.0
LONGEST_SPAN = 50_000  # blocks in one eth_getLogs
REVERTED = "execution reverted"


def connect(url: str, timeout: float = TIMEOUT_SECONDS) -> Web3:
    """Return a Web3 for the node at `url` (http, https, ws or wss).

    `timeout` is in seconds, for one request. Nothing is sent yet; ChainError for a URL of another
    scheme.
    """
    parts = urlsplit(url)
    if parts.scheme in {"ws", "wss"}:
        return Web3(Web3.LegacyWebSocketProvider(url, websocket_timeout=int(timeout)))
    if parts.scheme not in {"http", "https"}:
        raise ChainError(f"{_shown(url)} is no node's address: give an http, https, ws or wss URL")
    session = requests.Session()
    # A proxy for the outside never stands before this machine's own node.
    session.trust_env = parts.hostname not in LOOPBACK
    session.mount(f"{parts.scheme}://", HTTPAdapter(pool_connections=1, pool_maxsize=16))
    provider = Web3.HTTPProvider(url, {"timeout": timeout}, session=session)
    return Web3(provider)


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
    found: list[dict[str, Any]] = []
    span = LONGEST_SPAN
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
        found += answer["result"]
        first, span = end + 1, min(2 * span, LONGEST_SPAN)
    return sorted(found, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))


def _ask(w3: Web3, method: str, *params: Any) -> Any:
    """Return the node's whole answer, which has `result` or `error`."""
    try:
        answer = w3.provider.make_request(RPCEndpoint(method), list(params))
    except (requests.RequestException, WebSocketException, OSError, Web3Exception) as error:
        raise ChainError(
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
    return _shown(str(getattr(provider, "endpoint_uri", type(provider).__name__)))


def _shown(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else url
