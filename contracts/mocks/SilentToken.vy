# pragma version ==0.4.3
"""
@title A token without limits whose calls return nothing, as some old ones do
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests only.
"""

# account -> base units; by anybody
balanceOf: public(HashMap[address, uint256])


@external
def mint(owner: address, amount: uint256):
    """
    @notice Makes tokens; anybody may.
    @param owner Who gets them.
    @param amount Base units.
    """
    self.balanceOf[owner] += amount


@external
def approve(spender: address, amount: uint256):
    """
    @notice Changes nothing: everybody may spend everything.
    @param spender Not looked at.
    @param amount Not looked at.
    """
    pass


@external
def transfer(to: address, amount: uint256):
    """
    @notice Moves tokens.
    @param to The recipient.
    @param amount Base units.
    """
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount


@external
def transferFrom(owner: address, to: address, amount: uint256):
    """
    @notice Moves tokens.
    @param owner The sender.
    @param to The recipient.
    @param amount Base units.
    """
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
