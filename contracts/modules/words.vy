# pragma version ==0.4.3
"""
@title Words that hold two amounts
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice Vyper gives every variable a slot of its own; two 128-bit amounts that are read together
    are packed by hand into one.
"""

LOW: constant(uint256) = 2**128 - 1


@internal
@pure
def _pair(high: uint256, low: uint256) -> uint256:
    """
    @notice Packs two amounts; the caller has bounded both below 2^128.
    @param high Goes to the upper half.
    @param low Goes to the lower half.
    @return The word.
    """
    return (high << 128) | low


@internal
@pure
def _halves(word: uint256) -> (uint256, uint256):
    """
    @notice Unpacks two amounts.
    @param word What `_pair` made.
    @return The upper half, the lower half.
    """
    return word >> 128, word & LOW
