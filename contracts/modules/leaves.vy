# pragma version ==0.4.3
"""
@title Leaves and proofs of OpenZeppelin's StandardMerkleTree
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice A leaf is hashed twice, so that no inner node can pass for one; pairs are sorted, so a
    proof carries no sides.
"""

# 24 levels hold 16 million leaves.
MAX_PROOF: constant(uint256) = 24


@internal
@pure
def _payout_leaf(
    account: address, cumulative: uint256, accepted: uint64, submitted: uint64
) -> bytes32:
    """
    @notice The leaf of a payout tree.
    @param account Who is paid.
    @param cumulative Base units earned since the campaign began.
    @param accepted Labels accepted since then.
    @param submitted Labels submitted since then.
    @return The leaf's hash.
    """
    return keccak256(keccak256(abi_encode(account, cumulative, accepted, submitted)))


@internal
@pure
def _slash_leaf(account: address, cumulative: uint256) -> bytes32:
    """
    @notice The leaf of a slash tree.
    @param account Whose stake is slashed.
    @param cumulative Base units slashed since the campaign began.
    @return The leaf's hash.
    """
    return keccak256(keccak256(abi_encode(account, cumulative)))


@internal
@pure
def _verify(root: bytes32, leaf: bytes32, proof: DynArray[bytes32, MAX_PROOF]) -> bool:
    """
    @notice Whether `leaf` stands in the tree of `root`.
    @param root The tree's root.
    @param leaf The leaf's hash.
    @param proof The siblings from the leaf upwards.
    @return True when the proof leads to the root.
    """
    node: bytes32 = leaf
    for sibling: bytes32 in proof:
        if convert(node, uint256) < convert(sibling, uint256):
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
    return node == root
