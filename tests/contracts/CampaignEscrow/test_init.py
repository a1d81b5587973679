"""The constructor, and what it fixes."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.system import System, create_address, events, load


def deploy(system: System, **changes: Any) -> Any:
    """An escrow of a new deployer, beside a vault wired to it unless `changes` say otherwise."""
    deployer = boa.env.generate_address("deployer")
    wiring = {
        "escrow": create_address(deployer, 1),
        "board": system.board.address,
        "max_lock": 100,
        "board said": system.board.address,
    }
    terms = {"abandon": 1, "notice": 1, "lock": 100, "fee": 10_000, "share": 10_000}
    wiring |= {name: value for name, value in changes.items() if name in wiring}
    terms |= {name: value for name, value in changes.items() if name in terms}
    with boa.env.prank(deployer):
        vault = load(
            "StakeVault",
            system.token.address,
            system.treasury.address,
            wiring["escrow"],
            wiring["board"],
            1,
            wiring["max_lock"],
        )
        return load("CampaignEscrow", vault.address, wiring["board said"], *terms.values())


def test_deploy__terms_at_their_limits__are_kept(system: System) -> None:
    escrow = deploy(system)
    assert events(escrow)[-1] == ("MinFeeSet", {"previous": 0, "current": 10_000})
    assert (escrow.abandon_seconds(), escrow.notice_seconds(), escrow.lock_seconds()) == (1, 1, 100)
    assert escrow.board() == system.board.address
    assert escrow.min_fee_bps() == 10_000
    assert escrow.campaign_count() == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"abandon": 0}, "abandon is zero"),
        ({"notice": 0}, "notice is zero"),
        ({"lock": 0}, "lock is zero"),
        ({"lock": 101}, "lock too long"),
        ({"fee": 10_001}, "fee above 100 %"),
        ({"share": 10_001}, "share above 100 %"),
        ({"escrow": "0x" + "11" * 20}, "vault is wired elsewhere"),
        ({"board": "0x" + "11" * 20}, "vault is wired elsewhere"),
        ({"board said": "0x" + "11" * 20}, "vault is wired elsewhere"),
    ],
)
def test_deploy__bad_terms__are_refused(
    system: System, change: dict[str, Any], reason: str
) -> None:
    with boa.reverts(f"CampaignEscrow: {reason}"):
        deploy(system, **change)
