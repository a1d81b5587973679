"""Sign, send and wait for transactions; what `deployment` and `poster` share.

A transaction is kept in a `TransactionStore` before it is sent. So whoever is killed between any
two steps, and calls again with the same store, goes on with the one that was signed: its nonce lets
it count once. One that no block takes is signed again with the same nonce and higher fees, up to
the caps of `Fees`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

from oracle.chain.codec import decode_result, encode_call, member_names
from oracle.chain.memory import MemoryTransactions
from oracle.chain.rpc import request
from oracle.errors import ChainError, NodeUnreachable, Reverted
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum
from oracle.ports import Sent, SentTransaction, TransactionStore

log = logging.getLogger(__name__)

WAIT_SECONDS = 120.0
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.002, 1.0
GWEI = 10**9


@dataclass(frozen=True)
class Fees:
    """Caps of what a transaction offers (EIP-1559), wei per gas, and after how many seconds without
    a block it offers more."""

    max_fee: int = 500 * GWEI
    max_priority_fee: int = 50 * GWEI
    stuck_seconds: float = 30.0


@dataclass
class _Account:
    """What the threads of this process share for an account: reading the next nonce and using it is
    one step, and each transaction has one thread that waits for it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    awaited: set[bytes] = field(default_factory=set)  # hashes


_accounts: defaultdict[tuple[int, str], _Account] = defaultdict(_Account)


class Signer(Protocol):
    """An account that signs: eth_account's LocalAccount, or an adapter of a wallet."""

    @property
    def address(self) -> str:
        """The account's address, with checksum."""

    def sign_transaction(self, transaction_dict: dict[str, Any], /) -> Any:
        """Sign an EIP-1559 transaction in JSON-RPC's words; the result has `raw_transaction`."""


class Sender:
    """Sends transactions of one account (EIP-1559) and waits until each stands in a block.

    Safe for several threads; one process alone may send for an account. Keys stay inside `account`;
    nothing here logs or formats it. Without a `store` nothing outlives the process.
    """

    def __init__(
        self,
        w3: Web3,
        account: Signer,
        store: TransactionStore | None = None,
        fees: Fees | None = None,
    ) -> None:
        self.w3 = w3
        self.account = account
        self.address = bytes.fromhex(account.address[2:])
        self._store = store if store is not None else MemoryTransactions()
        self._fees = fees or Fees()
        self._chain_id = int(request(w3, "eth_chainId"), 16)
        self._shared = _accounts[self._chain_id, account.address]

    def call_contract(
        self, contract: str, address: bytes, function: str, *arguments: Any, value: int = 0
    ) -> Sent:
        """Send a call of a contract's function with `value` wei; Reverted, with its reason, where
        the contract refuses.
        """
        data = encode_call(contract, function, arguments)
        return self.send(f"{contract}.{function}", address, data, value)

    def send(self, what: str, to: bytes | None, data: bytes, value: int = 0) -> Sent:
        """Send `data` and `value` wei to a contract, or create one where `to` is None; return once
        it is in a block.

        Where the same call was signed before and nobody waits for it any more, since its process
        was killed or gave up, this goes on with that one.
        """
        call = keccak256((to or b"") + data)
        with self._shared.lock:
            left = self._left_open()
            first = next((one for one in left if one.call == call), None)
            for nonce in sorted({one.nonce for one in left}):
                # What this call waits for is closed when its result is returned, not before: until
                # then a repeated call must find it.
                self._send_again(nonce, close=first is None or nonce != first.nonce)
            first = first or self._begin(what, to, data, value, call)
            self._shared.awaited.add(first.hash)
        try:
            return self._wait_for(first, to, data)
        finally:
            self._shared.awaited.discard(first.hash)

    def resume(self) -> None:
        """Send again what was signed and has no block yet, where nobody waits for it: an earlier
        process' transactions, whose nonces come before all new ones.

        What has a block is closed; so where a call isn't to be repeated, but the chain can't tell
        (a transfer), call that again first.
        """
        with self._shared.lock:
            for nonce in sorted({one.nonce for one in self._left_open()}):
                self._send_again(nonce, close=True)

    def sign(self, what: str, to: bytes | None, data: bytes, value: int = 0) -> bytes:
        """Return a signed transaction with the account's next nonce, to be kept and `deliver`ed
        before another is signed; Reverted where it would fail.
        """
        transaction = self._call(to, data, value)
        try:
            estimate = int(request(self.w3, "eth_estimateGas", transaction), 16)
        except Reverted as error:
            raise Reverted(
                f"{what}: {error.reason or 'reverted without a reason'}", error.reason
            ) from error
        max_fee, tip = self._fees_now()
        unsigned = {
            **{key: value for key, value in transaction.items() if key != "from"},
            "chainId": self._chain_id,
            "nonce": self.next_nonce(),
            # Others' transactions may come first and make this one dearer than estimated.
            "gas": estimate + estimate // 5,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
            "value": value,
        }
        return bytes(self.account.sign_transaction(unsigned).raw_transaction)

    def deliver(self, what: str, to: bytes | None, data: bytes, raw: bytes) -> Sent:
        """Return once a transaction that `sign` gave is in a block; it is sent where the node
        doesn't know it yet. Any number of times.
        """
        known = "0x" + keccak256(raw).hex()
        if request(self.w3, "eth_getTransactionByHash", known) is None:
            try:
                self._transmit(raw)
            except ChainError as error:
                # it may have come from elsewhere while we looked
                if request(self.w3, "eth_getTransactionByHash", known) is None:
                    raise ChainError(f"{what}: {error}") from error
        for _ in _polls():
            receipt = request(self.w3, "eth_getTransactionReceipt", known)
            if receipt is not None:
                return self._sent(what, to, data, receipt)
        raise _still_open(what, known)

    def next_nonce(self) -> int:
        """Return the number of the account's next transaction, pending and signed ones counted."""
        account = self.account.address
        pending = int(request(self.w3, "eth_getTransactionCount", account, "pending"), 16)
        return max([pending, *(one.nonce + 1 for one in self._store.open(self.address))])

    # -- one transaction -------------------------------------------------------------------------

    def _begin(
        self, what: str, to: bytes | None, data: bytes, value: int, call: bytes
    ) -> SentTransaction:
        """Sign a transaction, keep it, send it. One that the node refuses is closed at once: nobody
        else has it, and its nonce is free."""
        first = self._keep(self.sign(what, to, data, value), call, what)
        try:
            self._transmit(first.raw)
        except NodeUnreachable as error:
            raise NodeUnreachable(f"{what}: {error}") from error
        except ChainError as error:
            known = "0x" + first.hash.hex()
            if request(self.w3, "eth_getTransactionByHash", known) is None:
                self._store.close(self.address, first.nonce, None, now=_now())
                raise ChainError(f"{what}: {error}") from error
        return first

    def _keep(self, raw: bytes, call: bytes, purpose: str) -> SentTransaction:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        signed = SentTransaction(
            self.address,
            fields["nonce"],
            keccak256(raw),
            raw,
            call,
            purpose,
            fields["maxFeePerGas"],
            fields["maxPriorityFeePerGas"],
        )
        self._store.add(signed, now=_now())
        return signed

    def _transmit(self, raw: bytes) -> None:
        request(self.w3, "eth_sendRawTransaction", "0x" + raw.hex())

    def _send_again(self, nonce: int, *, close: bool) -> None:
        """Send the newest attempt of a nonce unless one has a block, which closes the nonce."""
        mined = self._mined(nonce)
        if mined is not None and close:
            self._store.close(self.address, nonce, mined[0].hash, now=_now())
        if mined is not None or self._is_used(nonce):
            return
        newest = self._attempts(nonce)[-1]
        if request(self.w3, "eth_getTransactionByHash", "0x" + newest.hash.hex()) is None:
            try:
                self._transmit(newest.raw)
            except NodeUnreachable:
                raise
            except ChainError:
                self._raise_fees(nonce)  # most likely its fee is too low by now

    def _wait_for(self, first: SentTransaction, to: bytes | None, data: bytes) -> Sent:
        stuck_at = time.monotonic() + self._fees.stuck_seconds
        for _ in _polls():
            receipt = self._find_mined(first.nonce)
            if receipt is None and time.monotonic() > stuck_at:
                receipt = self._hurry(first)
                stuck_at = time.monotonic() + self._fees.stuck_seconds
            if receipt is not None:
                return self._sent(first.purpose, to, data, receipt)
        raise _still_open(first.purpose, "0x" + self._attempts(first.nonce)[-1].hash.hex())

    def _hurry(self, first: SentTransaction) -> Any:
        """Offer more for a transaction, and for what stands before it and has no thread of its
        own; return its receipt where it has one by now, ChainError where another took its nonce."""
        receipt = None
        with self._shared.lock:
            left = {one.nonce for one in self._left_open() if one.nonce < first.nonce}
            for nonce in [*sorted(left), first.nonce]:
                # Asked first: a receipt can't come later than the count.
                used = self._is_used(nonce)
                receipt = self._find_mined(nonce)
                if receipt is not None:
                    continue
                if not used:
                    self._raise_fees(nonce)
                    continue
                self._store.close(self.address, nonce, b"", now=_now())
                if nonce == first.nonce:
                    raise ChainError(
                        f"nonce {nonce} of {self.account.address} was used by a transaction that "
                        "was signed elsewhere: let one process alone send for an account, and call "
                        "again"
                    )
        return receipt

    def _raise_fees(self, nonce: int) -> None:
        """Sign the newest attempt of a nonce again, both fees an eighth higher at least, as nodes
        ask of a replacement; the caps hold it back."""
        last = self._attempts(nonce)[-1]
        wanted_fee, wanted_tip = self._suggested()
        fee = max(wanted_fee, _eighth_more(last.max_fee))
        tip = max(wanted_tip, _eighth_more(last.priority_fee))
        fee = min(fee, self._fees.max_fee)
        tip = min(tip, self._fees.max_priority_fee, fee)
        if fee < _eighth_more(last.max_fee) or tip < _eighth_more(last.priority_fee):
            log.warning(
                "%s is stuck with nonce %d at the cap of %d gwei: raise DDLP_MAX_FEE_GWEI",
                last.purpose,
                nonce,
                last.max_fee // GWEI,
            )
            return
        fields = TypedTransaction.from_bytes(HexBytes(last.raw)).as_dict()
        unsigned = {
            name: fields[name] for name in ("chainId", "nonce", "gas", "value", "data", "type")
        }
        # A creation has no recipient.
        if fields["to"]:
            unsigned["to"] = checksum(bytes(fields["to"]))
        unsigned |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": tip}
        raw = bytes(self.account.sign_transaction(unsigned).raw_transaction)
        log.warning("%s is stuck with nonce %d: it offers %d wei now", last.purpose, nonce, fee)
        self._keep(raw, last.call, last.purpose)
        try:
            self._transmit(raw)
        except ChainError as error:
            # The nonce may just have been used; if not, the next round offers more.
            log.warning("%s: the replacement of nonce %d: %s", last.purpose, nonce, error)

    def _find_mined(self, nonce: int) -> Any:
        """Return the receipt of the attempt of a nonce that stands in a block, and close the
        nonce; None where none does."""
        mined = self._mined(nonce)
        if mined is None:
            return None
        self._store.close(self.address, nonce, mined[0].hash, now=_now())
        return mined[1]

    def _mined(self, nonce: int) -> tuple[SentTransaction, Any] | None:
        for one in reversed(self._attempts(nonce)):
            receipt = request(self.w3, "eth_getTransactionReceipt", "0x" + one.hash.hex())
            if receipt is not None:
                return one, receipt
        return None

    def _is_used(self, nonce: int) -> bool:
        account = self.account.address
        return int(request(self.w3, "eth_getTransactionCount", account, "latest"), 16) > nonce

    def _attempts(self, nonce: int) -> list[SentTransaction]:
        return [one for one in self._store.open(self.address) if one.nonce == nonce]

    def _left_open(self) -> list[SentTransaction]:
        """Return what no thread waits for, first attempts before their replacements."""
        opened = self._store.open(self.address)
        awaited = {one.nonce for one in opened if one.hash in self._shared.awaited}
        return [one for one in opened if one.nonce not in awaited]

    # -- fees ------------------------------------------------------------------------------------

    def _suggested(self) -> tuple[int, int]:
        """Return fee and tip that the next blocks take, even if the base fee doubles."""
        newest = request(self.w3, "eth_getBlockByNumber", "latest", False)
        tip = int(request(self.w3, "eth_maxPriorityFeePerGas"), 16)
        return 2 * int(newest["baseFeePerGas"], 16) + tip, tip

    def _fees_now(self) -> tuple[int, int]:
        """Return fee and tip within the caps; ChainError where no block would take them."""
        fee, tip = self._suggested()
        base_fee = (fee - tip) // 2
        if base_fee > self._fees.max_fee:
            raise ChainError(
                f"a block's base fee is {base_fee / GWEI:g} gwei, the cap "
                f"{self._fees.max_fee / GWEI:g}: wait, or raise DDLP_MAX_FEE_GWEI"
            )
        fee = min(fee, self._fees.max_fee)
        return fee, min(tip, self._fees.max_priority_fee, fee)

    # -- results ---------------------------------------------------------------------------------

    def _call(self, to: bytes | None, data: bytes, value: int = 0) -> dict[str, Any]:
        transaction: dict[str, Any] = {"from": self.account.address, "data": "0x" + data.hex()}
        if value:
            transaction["value"] = hex(value)
        if to is not None:
            transaction["to"] = checksum(to)
        return transaction

    def _sent(self, what: str, to: bytes | None, data: bytes, receipt: Any) -> Sent:
        block = int(receipt["blockNumber"], 16)
        if int(receipt["status"], 16) != 1:
            raise self._failure(what, self._call(to, data), block)
        transaction = bytes.fromhex(receipt["transactionHash"][2:])
        return Sent(transaction, block, int(receipt["gasUsed"], 16))

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


def _polls() -> Iterator[None]:
    """Yield until time is over, with longer and longer pauses between."""
    pause, deadline = FIRST_POLL_SECONDS, time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_POLL_SECONDS)


def _still_open(what: str, transaction: str) -> ChainError:
    return ChainError(
        f"{what}: transaction {transaction} isn't in a block after {WAIT_SECONDS:g} s, but may "
        "still come: call again, what is done already is not repeated; where fees are high, raise "
        "DDLP_MAX_FEE_GWEI"
    )


def _eighth_more(fee: int) -> int:
    return fee + -(-fee // 8)


def _now() -> int:
    return int(time.time())


def base_fee(w3: Web3) -> int:
    """Return the newest block's base fee, wei per gas (EIP-1559)."""
    newest = request(w3, "eth_getBlockByNumber", "latest", False)
    return int(newest["baseFeePerGas"], 16)


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
