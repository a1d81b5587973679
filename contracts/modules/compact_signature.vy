# pragma version ==0.4.3
"""
@title Recovery of EIP-2098 signatures
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice 64 bytes instead of 65: the top bit of `vs` is the parity, the rest is `s`.
"""

# Half of secp256k1's order: with a larger `s` the same signature would exist twice.
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)


@internal
@pure
def _recover(digest: bytes32, r: bytes32, vs: bytes32) -> address:
    """
    @notice Who signed `digest`.
    @param digest What was signed.
    @param r The signature's `r`.
    @param vs Parity and `s` (EIP-2098).
    @return The signer, or the zero address when the signature is invalid.
    """
    packed: uint256 = convert(vs, uint256)
    s: uint256 = packed & (2**255 - 1)
    if s > HALF_ORDER:
        return empty(address)
    return ecrecover(digest, 27 + (packed >> 255), convert(r, uint256), s)
