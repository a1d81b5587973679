"""The two hash functions of the protocol, and Merkle trees over them.

keccak-256 is used where a contract recomputes (EIP-712, leaves, log heads, label commitments);
SHA-256 names content, so that a digest on chain is an IPFS CID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import sha3

ZERO32 = b"\0" * 32


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte keccak-256 of `data` (the padding of Ethereum, not of SHA-3)."""
    return bytes(sha3.keccak_256(data).digest())


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def uint(value: int, size: int) -> bytes:
    """Return `value` as `size` big-endian bytes; OverflowError where it doesn't fit."""
    return value.to_bytes(size, "big")


def word(value: int) -> bytes:
    """Return `value` as one 32-byte big-endian EVM word."""
    return value.to_bytes(32, "big")


def address_word(address: bytes) -> bytes:
    """Return a 20-byte address left-padded to an EVM word."""
    return b"\0" * 12 + address


class MerkleTree:
    """OpenZeppelin's StandardMerkleTree over already encoded leaves.

    `leaves` are ABI-encoded values (bytes each); they are hashed twice, sorted by hash and laid out
    as a complete binary tree whose inner nodes hash their children in ascending order. The empty
    tree's root is zero.

    Source: @openzeppelin/merkle-tree 1.0, "Standard Merkle Trees".
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        hashes = [keccak256(keccak256(leaf)) for leaf in leaves]
        order = sorted(range(len(hashes)), key=hashes.__getitem__)
        count = len(hashes)
        size = max(2 * count - 1, 0)
        self._tree = [b""] * size
        self._place = [0] * count
        for rank, index in enumerate(order):
            self._place[index] = size - 1 - rank
            self._tree[size - 1 - rank] = hashes[index]
        for node in range(size - count - 1, -1, -1):
            self._tree[node] = _pair(self._tree[2 * node + 1], self._tree[2 * node + 2])

    @property
    def root(self) -> bytes:
        """The root, 32 bytes; zero for the empty tree."""
        return self._tree[0] if self._tree else ZERO32

    def proof(self, index: int) -> list[bytes]:
        """Return the sibling hashes from leaf number `index` (as given) up to the root."""
        node, proof = self._place[index], []
        while node:
            proof.append(self._tree[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return proof


def verify_proof(leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether the ABI-encoded `leaf` with `proof` belongs to the tree of `root`."""
    node = keccak256(keccak256(leaf))
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root


def _pair(left: bytes, right: bytes) -> bytes:
    return keccak256(left + right if left < right else right + left)
