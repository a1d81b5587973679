"""Who may mint, and whose say that is."""

from __future__ import annotations

import boa

from tests.support.system import ZERO_ADDRESS, System, events, load

NOT_OWNER = "ownable: caller is not the owner"


def test_init__deployer__owns_and_mints(system: System) -> None:
    with boa.env.prank(system.stranger):
        token = load("LabelToken", 7)
    assert token.owner() == system.stranger
    assert token.is_minter(system.stranger)
    assert token.totalSupply() == 0
    with boa.reverts("LabelToken: cap is zero"):
        load("LabelToken", 0)


def test_set_minter__by_owner__lets_mint_and_ends_it(system: System) -> None:
    token = system.token
    token.set_minter(system.stranger, True, sender=system.governance)
    assert events(token) == [("RoleMinterChanged", {"minter": system.stranger, "status": True})]
    token.mint(system.contributor, 1, sender=system.stranger)
    assert token.balanceOf(system.contributor) == 1
    token.set_minter(system.stranger, False, sender=system.governance)
    with system.refused("LabelToken: not a minter"):
        token.mint(system.contributor, 1, sender=system.stranger)


def test_set_minter__wrong_caller_or_account__is_refused(system: System) -> None:
    with system.refused(NOT_OWNER):
        system.token.set_minter(system.stranger, True, sender=system.stranger)
    with system.refused("erc20: minter is the zero address"):
        system.token.set_minter(ZERO_ADDRESS, True, sender=system.governance)
    with system.refused("erc20: minter is owner address"):
        system.token.set_minter(system.governance, False, sender=system.governance)


def test_transfer_ownership__minting__moves_along(system: System) -> None:
    token = system.token
    with system.refused(NOT_OWNER):
        token.transfer_ownership(system.stranger, sender=system.stranger)
    token.transfer_ownership(system.stranger, sender=system.governance)
    assert token.owner() == system.stranger
    assert token.is_minter(system.stranger)
    assert not token.is_minter(system.governance)
    with system.refused("LabelToken: not a minter"):
        token.mint(system.governance, 1, sender=system.governance)


def test_renounce_ownership__by_owner__ends_minting_for_ever(system: System) -> None:
    token = system.token
    with system.refused(NOT_OWNER):
        token.renounce_ownership(sender=system.stranger)
    token.renounce_ownership(sender=system.governance)
    assert token.owner() == ZERO_ADDRESS
    with system.refused("LabelToken: not a minter"):
        token.mint(system.governance, 1, sender=system.governance)


def test_burn__own_tokens__makes_room_below_the_cap(system: System) -> None:
    token = system.token
    supply, room = token.totalSupply(), token.cap() - token.totalSupply()
    token.mint(system.contributor, room, sender=system.governance)
    token.burn(room, sender=system.contributor)
    assert token.totalSupply() == supply
    with system.refused("erc20: burn amount exceeds balance"):
        token.burn(1, sender=system.contributor)
    token.mint(system.contributor, room, sender=system.governance)
    assert token.totalSupply() == token.cap()
