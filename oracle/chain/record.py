"""`chain.jsonl`: a run's chain in one file, so that an audit needs no node.

One JSON object a line, in the words of Ethereum's JSON-RPC (0x-hex texts):

- first `{"version": 1, "chainId": n}`,
- for every block `{"header": {…}, "transactions": [raw, …], "receipts": [{type, status,
  cumulativeGasUsed, logsBloom, logs: [{address, topics, data}]}, …]}`, where the header has `hash`
  and the fields of its RLP,
- last `{"state": {"number": n, "accounts": [{address, code, proof, storage: [{slot, value,
  proof}]}]}}`: the deployment's contracts at the last header, with the token balances of escrow and
  vault and the token's supply.

All of it can be proven from the last header's hash: blocks are while they are read, line by line,
accounts by `ChainRecord.problems`. Reading needs no web3. Of blocks without transactions only
number, hash and time are kept. The file holds every block: it is for a chain of one's own; a public
one is asked instead (`oracle/chain/node_record.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from oracle.chain import proofs
from oracle.chain.deployment import Deployment
from oracle.chain.events import EventDecoder
from oracle.chain.facts import campaign_facts
from oracle.chain.proofs import to_bytes, to_int
from oracle.errors import ChainError, FormatError, ProtocolFault
from oracle.evidence.hashing import address_word, keccak256, word
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent
from oracle.protocol.facts import Block, ChainFacts

if TYPE_CHECKING:
    from web3 import Web3

T = TypeVar("T")

VERSION = 1
# Where LabelToken keeps balances and supply (Vyper's storage layout; a test compares with calls).
BALANCES_SLOT = 1
SUPPLY_SLOT = word(3)
MAX_NESTING = 16
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True)
class RecordedBlock:
    """A block with transactions: number, hash as recorded, time; what was sent and came of it."""

    block: Block
    transactions: tuple[bytes, ...]
    receipts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class RecordedAccount:
    """A contract at the last header: code, account proof, and (value, proof) by 32-byte storage
    slot.
    """

    address: bytes
    code: bytes
    proof: tuple[bytes, ...]
    storage: Mapping[bytes, tuple[int, tuple[bytes, ...]]]


@dataclass(frozen=True)
class ChainRecord:
    """A recorded chain: `chain` names all its blocks, `blocks` holds those with transactions,
    `accounts` are by address. `faults` is what reading found not to be proven.
    """

    chain_id: int
    chain: tuple[Block, ...]
    blocks: tuple[RecordedBlock, ...]
    state_root: bytes
    accounts: Mapping[bytes, RecordedAccount]
    faults: tuple[ProtocolFault, ...] = ()

    @classmethod
    def read(cls, path: Path) -> ChainRecord:
        """Read `chain.jsonl`; FormatError, naming the line, where it is malformed.

        Raises ChainError where there is no such file.
        """
        rows = _lines(path)
        chain_id = _take(path, 1, next(rows, b""), _read_chain_id)
        proven = ProvenBlocks()
        last, number = next(rows, None), 2
        for row in rows:
            assert last is not None
            _take(path, number, last, proven.add)
            last, number = row, number + 1
        if last is None or not proven.chain:
            raise FormatError(f"{path} has no blocks: the file is cut short, record anew")
        at, accounts = _take(path, number, last, read_state)
        if at != proven.chain[-1].number:
            raise FormatError(f"{path}: the state is not the last block's, record anew")
        return cls(
            chain_id,
            tuple(proven.chain),
            tuple(proven.blocks),
            proven.state_root,
            accounts,
            tuple(proven.faults),
        )

    @property
    def head(self) -> Block:
        """The last block: the verdict holds for the chain that ends in its hash."""
        return self.chain[-1]

    def block(self, number: int) -> Block:
        """Return one block; ChainError where the record has none of that number."""
        index = number - self.chain[0].number
        if not 0 <= index < len(self.chain):
            raise ChainError(f"block {number} isn't in the record: it ends at {self.head.number}")
        return self.chain[index]

    def look_up(self, numbers: Iterable[int]) -> dict[int, Block]:
        """Return blocks by number; ChainError where the record hasn't one of them."""
        return {number: self.block(number) for number in numbers}

    def problems(self) -> list[ProtocolFault]:
        """Return what the last header's hash doesn't prove, in order; empty where all is proven.

        Codes: CHAIN-HEADER (fields don't give the hash), CHAIN-ORDER (number or parent), CHAIN-
            TRANSACTIONS
        and CHAIN-RECEIPTS (not those of the roots), CHAIN-STATE (an account or storage proof),
        CHAIN-CODE (not the code of the account's code hash).
        """
        return [*self.faults, *self._state_problems()]

    def events(self, addresses: Mapping[str, bytes]) -> list[ChainEvent]:
        """Return all events of the contracts at `addresses` (by name), in chain order."""
        return list(self._decode(EventDecoder(addresses)))

    def facts(
        self,
        deployment: Deployment,
        campaign: int,
        anchor_blocks: int,
        to_block: int | None = None,
    ) -> ChainFacts:
        """Return a campaign's facts as of a block, the last by default; see `campaign_facts`."""
        return campaign_facts(
            self.events(deployment.addresses),
            campaign,
            chain_id=self.chain_id,
            addresses=deployment.addresses,
            window_seconds=deployment.parameters.window_seconds,
            anchor_blocks=anchor_blocks,
            to_block=self.head.number if to_block is None else to_block,
            blocks=self.look_up,
        )

    def token_balance(self, token: bytes, account: bytes) -> int:
        """Return a recorded LabelToken balance at the last header, base units; ChainError for
        others.
        """
        return self._word(token, balance_slot(account))

    def token_supply(self, token: bytes) -> int:
        """Return LabelToken's recorded supply at the last header, base units."""
        return self._word(token, SUPPLY_SLOT)

    def _word(self, contract: bytes, slot: bytes) -> int:
        recorded = self.accounts.get(contract)
        if recorded is None or slot not in recorded.storage:
            raise ChainError(f"slot 0x{slot.hex()} of 0x{contract.hex()} isn't in the record")
        return recorded.storage[slot][0]

    def _decode(self, decoder: EventDecoder) -> Iterator[ChainEvent]:
        for recorded in self.blocks:
            index = 0
            for raw, receipt in zip(recorded.transactions, recorded.receipts, strict=False):
                for log in receipt["logs"]:
                    event = decoder.decode(
                        log,
                        block=recorded.block.number,
                        index=index,
                        transaction=proofs.transaction_hash(raw),
                    )
                    index += 1
                    if event is not None:
                        yield event

    def _state_problems(self) -> list[ProtocolFault]:
        found = []
        for address, recorded in self.accounts.items():
            place = checksum(address)
            try:
                account = proofs.verify_account(recorded.proof, self.state_root, address)
                for slot, (value, proof) in recorded.storage.items():
                    if proofs.verify_storage(proof, account.storage_root, slot) != value:
                        raise FormatError(f"slot 0x{slot.hex()} holds another value")
            except FormatError as error:
                found.append(ProtocolFault("CHAIN-STATE", place, str(error)))
                continue
            if keccak256(recorded.code) != account.code_hash:
                found.append(ProtocolFault("CHAIN-CODE", place, "the code is not the account's"))
        return found


class ProvenBlocks:
    """Blocks as they come, each proven by its hash and, where `follows`, by the block before."""

    def __init__(self, follows: bool = True) -> None:
        self.follows = follows
        self.chain: list[Block] = []
        self.blocks: list[RecordedBlock] = []
        self.faults: list[ProtocolFault] = []
        self.state_root = b""

    def add(self, entry: Mapping[str, Any]) -> RecordedBlock:
        """Take one block's entry; FormatError or another error of Python's where it is none."""
        header = entry["header"]
        recorded = RecordedBlock(
            read_header(header),
            tuple(to_bytes(raw, "transaction") for raw in entry["transactions"]),
            tuple(entry["receipts"]),
        )
        for receipt in recorded.receipts:
            for log in receipt["logs"]:
                for value in (log["address"], log["data"], *log["topics"]):
                    to_bytes(value, "log")
        previous = self.chain[-1] if self.chain and self.follows else None
        self.faults += _block_problems(header, recorded, previous)
        self.chain.append(recorded.block)
        if recorded.transactions or recorded.receipts:
            self.blocks.append(recorded)
        # A malformed root is a fault of the header already, and proves no account.
        root = header.get("stateRoot")
        self.state_root = to_bytes(root, "stateRoot") if isinstance(root, str) else b""
        return recorded


def write_record(w3: Web3, deployment: Deployment, path: Path) -> ChainRecord:
    """Write the chain up to its newest block to `path`, prove what was written, and return it.

    Raises ChainError where the node can't be asked or its answers don't prove one another.
    """
    from oracle.chain.rpc import request

    newest = to_int(request(w3, "eth_blockNumber"), "eth_blockNumber")
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        head = {"version": VERSION, "chainId": deployment.chain_id}
        file.write(_line(head))
        for number in range(newest + 1):
            file.write(_line(block_entry(w3, number)))
        file.write(_line({"state": state_entry(w3, deployment, newest)}))
    record = ChainRecord.read(partial)
    problems = record.problems()
    if problems:
        raise ChainError(f"the node's answers don't prove one another: {problems[0]}: record anew")
    partial.replace(path)
    return record


def balance_slot(account: bytes) -> bytes:
    """Return the storage slot of an account's LabelToken balance."""
    return keccak256(word(BALANCES_SLOT) + address_word(account))


def nests_deeply(text: bytes, spare: int = 0) -> bool:
    """Say whether brackets nest deeper than any record's, or more than `spare` don't match.

    Python's JSON reader recurses; where another library has raised the recursion limit, a line of
    brackets would end the process.
    """
    brackets = text.translate(None, _NO_BRACKETS)
    for _ in range(MAX_NESTING):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return len(brackets) > spare


def _block_problems(
    header: Mapping[str, Any], recorded: RecordedBlock, previous: Block | None
) -> list[ProtocolFault]:
    block = recorded.block
    place = f"block {block.number}"
    found = []
    try:
        if proofs.header_hash(header) != block.hash:
            found.append(ProtocolFault("CHAIN-HEADER", place, "the fields don't give the hash"))
        if previous is not None and (
            block.number != previous.number + 1
            or to_bytes(header.get("parentHash"), "parentHash") != previous.hash
        ):
            found.append(ProtocolFault("CHAIN-ORDER", place, "doesn't follow the block before"))
        root = proofs.transactions_root(recorded.transactions)
        if root != to_bytes(header.get("transactionsRoot"), "transactionsRoot"):
            found.append(ProtocolFault("CHAIN-TRANSACTIONS", place, "not the header's"))
        root = proofs.receipts_root(recorded.receipts)
        if root != to_bytes(header.get("receiptsRoot"), "receiptsRoot"):
            found.append(ProtocolFault("CHAIN-RECEIPTS", place, "not the header's"))
    except FormatError as error:
        found.append(ProtocolFault("CHAIN-HEADER", place, str(error)))
    return found


def _lines(path: Path) -> Iterator[bytes]:
    """Yield a file's lines; ChainError where it can't be read."""
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise ChainError(f"{path} can't be read ({error}): copy the whole run again") from None


def _take(path: Path, number: int, row: bytes, read: Callable[[Any], T]) -> T:
    """Return what `read` makes of one line; FormatError, naming it, where that fails."""
    try:
        return read(json.loads(row.decode("utf-8")))
    except (FormatError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not row:
            raise FormatError(f"{path} has no blocks: the file is cut short, record anew") from None
        raise FormatError(f"{path}, line {number} is malformed ({error!r}): record anew") from error


def _read_chain_id(entry: Mapping[str, Any]) -> int:
    if entry["version"] != VERSION:
        raise FormatError(f"version {entry['version']} is not {VERSION}")
    return int(entry["chainId"])


def read_state(entry: Mapping[str, Any]) -> tuple[int, dict[bytes, RecordedAccount]]:
    """Return the block number and the accounts by address that a record's last line holds."""
    accounts = [_read_account(one) for one in entry["state"]["accounts"]]
    number = to_int(entry["state"]["number"], "number")
    return number, {account.address: account for account in accounts}


def read_header(header: Mapping[str, Any]) -> Block:
    """Return number, hash as given and time of a header in JSON-RPC's words."""
    return Block(
        to_int(header.get("number"), "number"),
        to_bytes(header.get("hash"), "hash"),
        to_int(header.get("timestamp"), "timestamp"),
    )


def _read_account(entry: Mapping[str, Any]) -> RecordedAccount:
    return RecordedAccount(
        to_bytes(entry["address"], "address"),
        to_bytes(entry["code"], "code"),
        tuple(to_bytes(node, "proof") for node in entry["proof"]),
        {
            to_bytes(one["slot"], "slot"): (
                to_int(one["value"], "value"),
                tuple(to_bytes(node, "proof") for node in one["proof"]),
            )
            for one in entry["storage"]
        },
    )


def block_entry(w3: Web3, number: int) -> dict[str, Any]:
    """Return a block as a line of `chain.jsonl` holds it, as a node tells it."""
    from oracle.chain.rpc import request

    at = hex(number)
    found = request(w3, "eth_getBlockByNumber", at, False)
    count = len(found["transactions"])
    receipts = request(w3, "eth_getBlockReceipts", at) if count else []
    return {
        "header": only_header(found),
        "transactions": [
            request(w3, "eth_getRawTransactionByBlockNumberAndIndex", at, hex(index))
            for index in range(count)
        ],
        "receipts": [
            {
                **{key: one[key] for key in ("type", "status", "cumulativeGasUsed", "logsBloom")},
                "logs": [
                    {key: log[key] for key in ("address", "topics", "data")} for log in one["logs"]
                ],
            }
            for one in receipts
        ],
    }


def only_header(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a block as a node tells it that its hash is made of, and the hash."""
    names = ("hash", *proofs.HEADER_FIELDS)
    return {name: found[name] for name in names if found.get(name) is not None}


def state_entry(w3: Web3, deployment: Deployment, number: int) -> dict[str, Any]:
    """Return the contracts' state at a block as the last line of `chain.jsonl` holds it."""
    from oracle.chain.rpc import request

    accounts = []
    holders = deployment.token_holders
    for name, address in deployment.addresses.items():
        slots = [*map(balance_slot, holders), SUPPLY_SLOT] if name == "LabelToken" else []
        text = checksum(address)
        proof = request(
            w3, "eth_getProof", text, ["0x" + slot.hex() for slot in slots], hex(number)
        )
        accounts.append(
            {
                "address": text.lower(),
                "code": request(w3, "eth_getCode", text, hex(number)),
                "proof": proof["accountProof"],
                # Slots come back in the order asked for, but not in one way of writing them.
                "storage": [
                    {"slot": "0x" + slot.hex(), "value": one["value"], "proof": one["proof"]}
                    for slot, one in zip(slots, proof["storageProof"], strict=True)
                ],
            }
        )
    return {"number": hex(number), "accounts": accounts}


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), sort_keys=True) + "\n"
