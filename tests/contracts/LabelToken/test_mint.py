"""Minting: by minters, up to the cap."""

from __future__ import annotations

from tests.support.system import UNIT, System, events, load


def test_mint__by_minter__credits_account(system: System) -> None:
    supply = system.token.totalSupply()
    system.token.mint(system.contributor, 5 * UNIT, sender=system.governance)
    assert [name for name, _ in events(system.token)] == ["Transfer"]
    assert system.token.balanceOf(system.contributor) == 5 * UNIT
    assert system.token.totalSupply() == supply + 5 * UNIT


def test_mint__by_stranger__is_refused(system: System) -> None:
    with system.refused("LabelToken: not a minter"):
        system.token.mint(system.stranger, 1, sender=system.stranger)


def test_mint__up_to_cap__succeeds_and_one_more_is_refused(system: System) -> None:
    room = system.token.cap() - system.token.totalSupply()
    system.token.mint(system.contributor, room, sender=system.governance)
    assert system.token.totalSupply() == system.token.cap()
    with system.refused("LabelToken: cap exceeded"):
        system.token.mint(system.contributor, 1, sender=system.governance)


def test_deploy__names__are_the_tokens_own(system: System) -> None:
    assert (system.token.name(), system.token.symbol()) == ("DDLP Label Token", "DDLP")
    assert system.token.decimals() == 18
    assert load("LabelToken", 7).cap() == 7
