"""Sign, send and wait for transactions; what `deployment` and `poster` share."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any, Protocol

from web3 import Web3

from oracle.chain.codec import decode_result, encode_call, member_names
from oracle.chain.rpc import request
from oracle.errors import ChainError, Reverted
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum
from oracle.ports import Sent

WAIT_SECONDS = 120.0
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.002, 1.0

# One lock per chain and account: reading the next nonce and using it is one step, for all threads
# of this process.
_nonce_locks: defaultdict[tuple[int, str], threading.Lock] = defaultdict(threading.Lock)


class Signer(Protocol):
    """An account that signs: eth_account's LocalAccount, or an adapter of a wallet."""

    @property
    def address(self) -> str:
        """The account's address, with checksum."""

    def sign_transaction(self, transaction_dict: dict[str, Any], /) -> Any:
        """Sign an EIP-1559 transaction in JSON-RPC's words; the result has `raw_transaction`."""


class Sender:
    """Sends transactions of one account (EIP-1559) and waits until each stands in a block.

    Safe for several threads. Keys stay inside `account`; nothing here logs or formats it.
    """

    def __init__(self, w3: Web3, account: Signer) -> None:
        self.w3 = w3
        self.account = account
        self.address = bytes.fromhex(account.address[2:])
        self._chain_id = int(request(w3, "eth_chainId"), 16)
        self._lock = _nonce_locks[self._chain_id, account.address]

    def call_contract(self, contract: str, address: bytes, function: str, *arguments: Any) -> Sent:
        """Send a call of a contract's function; Reverted, with its reason, where the contract
        refuses.
        """
        data = encode_call(contract, function, arguments)
        return self.send(f"{contract}.{function}", address, data)

    def send(self, what: str, to: bytes | None, data: bytes) -> Sent:
        """Send `data` to a contract, or create one where `to` is None; return once it is in a
        block.
        """
        with self._lock:
            raw = self.sign(what, to, data)
            sent = request(self.w3, "eth_sendRawTransaction", "0x" + raw.hex())
        return self._wait(what, to, data, sent)

    def sign(self, what: str, to: bytes | None, data: bytes) -> bytes:
        """Return a signed transaction with the account's next nonce, to be kept and `deliver`ed
        before another is signed; Reverted where it would fail.
        """
        transaction = self._call(to, data)
        try:
            estimate = int(request(self.w3, "eth_estimateGas", transaction), 16)
        except Reverted as error:
            raise Reverted(
                f"{what}: {error.reason or 'reverted without a reason'}", error.reason
            ) from error
        return self._sign(transaction, estimate)

    def deliver(self, what: str, to: bytes | None, data: bytes, raw: bytes) -> Sent:
        """Return once a transaction that `sign` gave is in a block; it is sent where the node
        doesn't know it yet. Any number of times.
        """
        known = "0x" + keccak256(raw).hex()
        if request(self.w3, "eth_getTransactionByHash", known) is None:
            try:
                request(self.w3, "eth_sendRawTransaction", "0x" + raw.hex())
            except ChainError as error:
                # it may have come from elsewhere while we looked
                if request(self.w3, "eth_getTransactionByHash", known) is None:
                    raise ChainError(f"{what}: {error}") from error
        return self._wait(what, to, data, known)

    def next_nonce(self) -> int:
        """Return the number of the account's next transaction, pending ones counted."""
        account = self.account.address
        return int(request(self.w3, "eth_getTransactionCount", account, "pending"), 16)

    def _call(self, to: bytes | None, data: bytes) -> dict[str, Any]:
        transaction: dict[str, Any] = {"from": self.account.address, "data": "0x" + data.hex()}
        if to is not None:
            transaction["to"] = checksum(to)
        return transaction

    def _sign(self, transaction: dict[str, Any], estimate: int) -> bytes:
        base_fee = int(
            request(self.w3, "eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16
        )
        tip = int(request(self.w3, "eth_maxPriorityFeePerGas"), 16)
        unsigned = {
            **{key: value for key, value in transaction.items() if key != "from"},
            "chainId": self._chain_id,
            "nonce": self.next_nonce(),
            # Others' transactions may come first and make this one dearer than estimated.
            "gas": estimate + estimate // 5,
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
            "value": 0,
        }
        return bytes(self.account.sign_transaction(unsigned).raw_transaction)

    def _wait(self, what: str, to: bytes | None, data: bytes, transaction: str) -> Sent:
        pause, deadline = FIRST_POLL_SECONDS, time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            receipt = request(self.w3, "eth_getTransactionReceipt", transaction)
            if receipt is not None:
                block = int(receipt["blockNumber"], 16)
                if int(receipt["status"], 16) != 1:
                    raise self._failure(what, self._call(to, data), block)
                return Sent(bytes.fromhex(transaction[2:]), block, int(receipt["gasUsed"], 16))
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
        raise ChainError(
            f"{what}: transaction {transaction} isn't in a block after {WAIT_SECONDS:g} s, but may "
            "still come: call again, what is done already is not repeated"
        )

    def _failure(self, what: str, transaction: dict[str, Any], block: int) -> ChainError:
        """Return the error of a transaction that failed in `block`, with the reason that a replay
        gives.
        """
        try:
            request(self.w3, "eth_call", transaction, hex(block))
        except Reverted as error:
            return Reverted(f"{what}: {error.reason}", error.reason)
        except ChainError:
            pass  # the node no longer has that state; the failure itself is certain
        return Reverted(f"{what}: the transaction failed in block {block}", "")


def read_contract(w3: Web3, contract: str, address: bytes, function: str, *arguments: Any) -> Any:
    """Return what a view function says at the newest block; structs are tuples."""
    data = encode_call(contract, function, arguments)
    query = {"to": checksum(address), "data": "0x" + data.hex()}
    result = request(w3, "eth_call", query, "latest")
    return decode_result(contract, function, bytes.fromhex(result[2:]))


def read_struct(
    w3: Web3, contract: str, address: bytes, function: str, *arguments: Any
) -> dict[str, Any]:
    """Return the struct that a view function says at the newest block, values by member's name."""
    values = read_contract(w3, contract, address, function, *arguments)
    return dict(zip(member_names(contract, function), values, strict=True))
