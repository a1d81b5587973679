# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title The token of DDLP: stakes are held in it, campaigns may be paid in it
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice ERC-20 with EIP-2612 permits and a supply that can never pass `cap`. Minters mint; the owner
    names them. Ownership and minting are snekmate's.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

# ------------------------------------------------------------------ modules

initializes: ownable
initializes: erc20[ownable := ownable]

# `mint` is written below, so that the cap holds; `burn_from` is left out: nothing here needs it.
exports: (
    erc20.DOMAIN_SEPARATOR,
    erc20.allowance,
    erc20.approve,
    erc20.balanceOf,
    erc20.burn,
    erc20.decimals,
    erc20.eip712Domain,
    erc20.is_minter,
    erc20.name,
    erc20.nonces,
    erc20.owner,
    erc20.permit,
    erc20.renounce_ownership,
    erc20.set_minter,
    erc20.symbol,
    erc20.totalSupply,
    erc20.transfer,
    erc20.transferFrom,
    erc20.transfer_ownership,
)

# --------------------------------------------------------------- immutables

# The most base units that can ever exist at one time.
cap: public(immutable(uint256))


@deploy
def __init__(cap_: uint256):
    """
    @notice Deploys an empty token; the deployer becomes owner and first minter.
    @param cap_ The most base units (18 decimals) that may exist.
    """
    assert cap_ != 0, "LabelToken: cap is zero"
    ownable.__init__()
    erc20.__init__("DDLP Label Token", "DDLP", 18, "DDLP Label Token", "1")
    cap = cap_


@external
def mint(owner: address, amount: uint256):
    """
    @notice Creates tokens, up to the cap.
    @param owner The account that receives them.
    @param amount In base units.
    """
    assert erc20.is_minter[msg.sender], "LabelToken: not a minter"
    assert amount <= cap - erc20.totalSupply, "LabelToken: cap exceeded"
    erc20._mint(owner, amount)
