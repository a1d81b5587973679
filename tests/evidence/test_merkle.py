"""Merkle trees, against @openzeppelin/merkle-tree; keccak against pycryptodome."""

from __future__ import annotations

from typing import Any

from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracle.evidence.hashing import ZERO32, MerkleTree, keccak256, verify_proof
from oracle.evidence.results import PayoutLeaf, SlashLeaf
from tests.evidence.strategies import addresses, quick, u64, u256

PAYOUT = ["address", "uint256", "uint64", "uint64"]
SLASH = ["address", "uint256"]
payouts = st.builds(PayoutLeaf, addresses, u256, u64, u64)
slashes = st.builds(SlashLeaf, addresses, u256)


@st.composite
def leaves(draw: st.DrawFn) -> list[Any]:
    """0 to 50 leaves of one kind, of which some may stand twice."""
    rows = draw(st.lists(draw(st.sampled_from((payouts, slashes))), max_size=40))
    again = draw(st.lists(st.sampled_from(rows), max_size=10)) if rows else []
    return draw(st.permutations(rows + again))


@quick
@given(leaves())
def test_tree__any_leaves__root_and_proofs_equal_openzeppelin(
    javascript: Any, rows: list[Any]
) -> None:
    tree = MerkleTree([row.encode() for row in rows])
    if not rows:
        assert tree.root == ZERO32
        return
    values = [_value(row) for row in rows]
    theirs = javascript("tree", values=values, types=PAYOUT if len(values[0]) == 4 else SLASH)
    assert "0x" + tree.root.hex() == theirs["root"]
    for index, row in enumerate(rows):
        proof = tree.proof(index)
        assert ["0x" + node.hex() for node in proof] == theirs["proofs"][index]
        assert verify_proof(row.encode(), proof, tree.root)


def test_tree__full_size_50__equals_openzeppelin(javascript: Any) -> None:
    rows = [PayoutLeaf(bytes([number]) * 20, number % 7, number, 99) for number in range(50)]
    tree = MerkleTree([row.encode() for row in rows])
    theirs = javascript("tree", values=[_value(row) for row in rows], types=PAYOUT)
    assert "0x" + tree.root.hex() == theirs["root"]


@quick
@given(st.lists(slashes, min_size=2, max_size=9, unique=True), st.data())
def test_verify_proof__other_leaf_proof_or_root__fails(
    rows: list[SlashLeaf], data: st.DataObject
) -> None:
    encoded = [row.encode() for row in rows]
    tree = MerkleTree(encoded)
    index = data.draw(st.integers(0, len(rows) - 1))
    proof = tree.proof(index)
    assert verify_proof(encoded[index], proof, tree.root)
    assert not verify_proof(encoded[index - 1], proof, tree.root)
    assert not verify_proof(encoded[index], proof[1:], tree.root)
    assert not verify_proof(encoded[index], [*proof, ZERO32], tree.root)
    assert not verify_proof(encoded[index], proof, ZERO32)


@quick
@given(st.binary(max_size=300))
def test_keccak256__any_bytes__equals_pycryptodome(data: bytes) -> None:
    assert keccak256(data) == keccak.new(digest_bits=256, data=data).digest()


def _value(row: PayoutLeaf | SlashLeaf) -> list[str]:
    numbers = [row.cumulative]
    if isinstance(row, PayoutLeaf):
        numbers += [row.accepted, row.submitted]
    return ["0x" + row.account.hex(), *map(str, numbers)]
