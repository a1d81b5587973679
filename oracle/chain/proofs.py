"""What a block's hash proves: header, transactions, receipts, accounts and storage. Pure, no
client.

Every object is a mapping with the names and 0x-hex texts of Ethereum's JSON-RPC, as a node gives it
and as `chain.jsonl` keeps it. Sources: Ethereum's yellow paper, section 4 and appendices B to D;
EIP-2718 (typed transactions and receipts); EIP-1559, 4895, 4844, 4788 and 7685 (the header's later
fields); EIP-1186 (proofs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import rlp
from rlp.exceptions import RLPException
from trie import HexaryTrie
from trie.exceptions import BadTrieProof, InvalidNibbles, InvalidNode, ValidationError

from oracle.errors import FormatError
from oracle.evidence.hashing import keccak256

_BROKEN_PROOF = (
    BadTrieProof,
    InvalidNibbles,
    InvalidNode,
    ValidationError,
    RLPException,
    ValueError,
    TypeError,
)
EMPTY_ROOT = keccak256(rlp.encode(b""))
EMPTY_CODE_HASH = keccak256(b"")

# A header's fields in the order of its RLP. Quantities lose leading zeros, data keeps them.
_DATA, _QUANTITY = False, True
_HEADER = (
    ("parentHash", _DATA),
    ("sha3Uncles", _DATA),
    ("miner", _DATA),
    ("stateRoot", _DATA),
    ("transactionsRoot", _DATA),
    ("receiptsRoot", _DATA),
    ("logsBloom", _DATA),
    ("difficulty", _QUANTITY),
    ("number", _QUANTITY),
    ("gasLimit", _QUANTITY),
    ("gasUsed", _QUANTITY),
    ("timestamp", _QUANTITY),
    ("extraData", _DATA),
    ("mixHash", _DATA),
    ("nonce", _DATA),
)
# Each fork appended some; a chain before the fork lacks them.
_LATER = (
    ("baseFeePerGas", _QUANTITY),
    ("withdrawalsRoot", _DATA),
    ("blobGasUsed", _QUANTITY),
    ("excessBlobGas", _QUANTITY),
    ("parentBeaconBlockRoot", _DATA),
    ("requestsHash", _DATA),
)
HEADER_FIELDS = tuple(name for name, _ in _HEADER + _LATER)


@dataclass(frozen=True)
class Account:
    """An account in the state trie: nonce, balance in wei, storage root, hash of its code."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


ABSENT = Account(0, 0, EMPTY_ROOT, EMPTY_CODE_HASH)


def header_hash(header: Mapping[str, Any]) -> bytes:
    """Return a block's hash, computed from its header; FormatError where a field is malformed."""
    present = _HEADER + tuple(field for field in _LATER if header.get(field[0]) is not None)
    return keccak256(
        _rlp(
            [
                _quantity(header, name) if is_quantity else to_bytes(header.get(name), name)
                for name, is_quantity in present
            ]
        )
    )


def transactions_root(transactions: Sequence[bytes]) -> bytes:
    """Return the root over a block's signed transactions, as their senders broadcast them."""
    return _list_root(transactions)


def transaction_hash(transaction: bytes) -> bytes:
    """Return the hash that names a signed transaction."""
    return keccak256(transaction)


def receipts_root(receipts: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the root over a block's transaction receipts, in order.

    A receipt has `type`, `status`, `cumulativeGasUsed`, `logsBloom` and `logs` (`address`,
    `topics`, `data`).
    """
    return _list_root([_receipt(receipt) for receipt in receipts])


def verify_account(proof: Sequence[bytes], state_root: bytes, address: bytes) -> Account:
    """Return the account that `proof` shows at the 20-byte `address`; `ABSENT` where it shows there
    is none.

    Raises FormatError where the nodes don't lead from `state_root` to the address.
    """
    leaf = _prove(proof, state_root, keccak256(address), "0x" + address.hex())
    if not leaf:
        return ABSENT
    try:
        nonce, balance, storage_root, code_hash = cast("list[bytes]", rlp.decode(leaf))
    except (RLPException, ValueError) as error:
        raise FormatError(f"the proof of 0x{address.hex()} ends in no account") from error
    return Account(
        int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash
    )


def verify_storage(proof: Sequence[bytes], storage_root: bytes, slot: bytes) -> int:
    """Return the word that `proof` shows in the 32-byte `slot` of a contract's storage, 0 for an
    empty one.

    Raises FormatError where the nodes don't lead from `storage_root` to the slot.
    """
    if storage_root == EMPTY_ROOT and not proof:
        return 0
    leaf = _prove(proof, storage_root, keccak256(slot), "slot 0x" + slot.hex())
    try:
        return int.from_bytes(cast("bytes", rlp.decode(leaf)), "big") if leaf else 0
    except RLPException as error:
        raise FormatError(f"the proof of slot 0x{slot.hex()} ends in no word") from error


def bloom_mask(value: bytes) -> int:
    """Return the bits that a log's address or topic sets in its block's 2048-bit bloom (yellow
    paper, section 4.3.1): where one of them isn't set, no log of the block has it.
    """
    hashed, mask = keccak256(value), 0
    for at in (0, 2, 4):
        mask |= 1 << (int.from_bytes(hashed[at : at + 2], "big") & 2047)
    return mask


def to_bytes(value: Any, name: str) -> bytes:
    """Return the bytes of a 0x-hex text; FormatError, naming `name`, where it is none."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise FormatError(f"{name} is {value!r}, not hex data with 0x before it")


def to_int(value: Any, name: str) -> int:
    """Return the number of a 0x-hex text; FormatError, naming `name`, where it is none."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise FormatError(f"{name} is {value!r}, not a hex number with 0x before it")


def _quantity(fields: Mapping[str, Any], name: str) -> bytes:
    return _minimal(to_int(fields.get(name), name))


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _receipt(receipt: Mapping[str, Any]) -> bytes:
    logs = [
        [
            to_bytes(log["address"], "address"),
            [to_bytes(topic, "topic") for topic in log["topics"]],
            to_bytes(log["data"], "data"),
        ]
        for log in receipt["logs"]
    ]
    body = [
        _quantity(receipt, "status"),
        _quantity(receipt, "cumulativeGasUsed"),
        to_bytes(receipt.get("logsBloom"), "logsBloom"),
        logs,
    ]
    kind = to_int(receipt.get("type", "0x0"), "type")
    return (bytes([kind]) if kind else b"") + _rlp(body)


def _list_root(values: Sequence[bytes]) -> bytes:
    """Return the root of the trie that holds `values` under their RLP-encoded indexes.

    The trie is made in one pass from its sorted keys, dozens of times faster than by insertion.
    """
    if not values:
        return EMPTY_ROOT
    pairs = [(_rlp(_minimal(index)).hex(), value) for index, value in enumerate(values)]
    return keccak256(_trie_node(sorted(pairs), 0))


def _trie_node(pairs: Sequence[tuple[str, bytes]], depth: int) -> bytes:
    """Return the RLP of the node over `pairs` of sorted hex keys, alike in their first `depth`
    digits, and values (yellow paper, appendix D). No key begins another.
    """
    first, last = pairs[0][0], pairs[-1][0]
    if len(pairs) == 1:
        return _rlp([_hex_prefix(first[depth:], 2), pairs[0][1]])
    shared = depth
    while first[shared] == last[shared]:
        shared += 1
    branch = []
    for digit in "0123456789abcdef":
        below = [pair for pair in pairs if pair[0][shared] == digit]
        branch.append(_trie_reference(_trie_node(below, shared + 1)) if below else _rlp(b""))
    node = _rlp_list([*branch, _rlp(b"")])
    if shared == depth:
        return node
    return _rlp_list([_rlp(_hex_prefix(first[depth:shared], 0)), _trie_reference(node)])


def _trie_reference(node: bytes) -> bytes:
    return node if len(node) < 32 else _rlp(keccak256(node))


def _hex_prefix(digits: str, flag: int) -> bytes:
    odd = len(digits) % 2
    return bytes.fromhex(f"{flag + odd}{digits}" if odd else f"{flag}0{digits}")


def _rlp(item: Any) -> bytes:
    """Return the RLP of bytes, or of lists of them (yellow paper, appendix B)."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _rlp_length(len(item), 0x80) + item
    return _rlp_list([_rlp(one) for one in item])


def _rlp_list(items: Sequence[bytes]) -> bytes:
    payload = b"".join(items)
    return _rlp_length(len(payload), 0xC0) + payload


def _rlp_length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = _minimal(length)
    return bytes([offset + 55 + len(size)]) + size


def _prove(proof: Sequence[bytes], root: bytes, key: bytes, what: str) -> bytes:
    try:
        nodes = [rlp.decode(node) for node in proof]
        return bytes(HexaryTrie.get_from_proof(root, key, nodes))
    except _BROKEN_PROOF as error:
        raise FormatError(f"the proof of {what} doesn't lead from root 0x{root.hex()}") from error
