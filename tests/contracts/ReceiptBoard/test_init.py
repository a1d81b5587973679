"""The constructor: wiring, durations and stakes that fit one another."""

from __future__ import annotations

import boa
import pytest

from tests.support.system import System, create_address, load


def test_deploy__stake_below_what_receipts_bind__is_refused() -> None:
    class Thin(System):
        MIN_STAKE = System.MAX_OPEN * System.RECEIPT_STAKE - 1

    with boa.env.anchor():
        Thin.MIN_STAKE += 1
        System()
        Thin.MIN_STAKE -= 1
        with boa.reverts("ReceiptBoard: stake below what receipts bind"):
            Thin()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"WINDOW": 0}, "window is zero"),
        ({"DISPUTE": 0}, "dispute is zero"),
        ({"MAX_PAUSE": 72 * 3_600 + 1}, "pause above 72 hours"),
        ({"RECEIPT_STAKE": 0}, "receipt stake is zero"),
        ({"MAX_OPEN": 0}, "bad number of open receipts"),
        ({"MAX_OPEN": 2**14 + 1, "RECEIPT_STAKE": 1}, "bad number of open receipts"),
        ({"UNBONDING": 3 * (3_600 + System.DISPUTE) + System.MAX_PAUSE}, "unbonding too short"),
        ({"MAX_LOCK": System.LOCK, "WINDOW": System.LOCK, "UNBONDING": 2**40}, "dispute too long"),
        ({"PAUSE_COOLDOWN": System.ABANDON + System.NOTICE}, "cooldown too short"),
        ({"CHALLENGE_BOND": 2**128}, "bond too large"),
    ],
)
def test_deploy__bad_terms__is_refused(change: dict[str, int], reason: str) -> None:
    bad = type("Bad", (System,), change)
    with boa.env.anchor(), boa.reverts(f"ReceiptBoard: {reason}"):
        bad()


def test_deploy__terms_at_their_limits__are_taken() -> None:
    limits = {
        "MAX_OPEN": 2**14,
        "RECEIPT_STAKE": 1,
        "UNBONDING": 3 * (3_600 + System.DISPUTE) + System.MAX_PAUSE + 1,
        "PAUSE_COOLDOWN": System.ABANDON + System.NOTICE + 1,
        "CHALLENGE_BOND": 2**128 - 1,
    }
    with boa.env.anchor():
        system = type("Limits", (System,), limits)()
        board = system.board
        assert (board.max_open(), board.receipt_stake()) == (2**14, 1)
        assert board.min_challenge_bond() == board.challenge_bond() == 2**128 - 1


WIRING = """
# pragma version ==0.4.3
vault: public(address)
escrow: public(address)
board: public(address)
treasury: public(address)
token: public(address)
unbonding_seconds: public(uint256)

@external
def wire(board: address, vault: address, escrow: address, treasury: address):
    self.board = board
    self.vault = vault
    self.escrow = escrow
    self.treasury = treasury
"""


@pytest.mark.parametrize(
    ("wrong", "contract"),
    [
        (("vault", "board"), "vault"),
        (("vault", "escrow"), "vault"),
        (("escrow", "board"), "escrow"),
        (("escrow", "vault"), "escrow"),
        (("treasury", "board"), "treasury"),
        (("treasury", "vault"), "treasury"),
        (("treasury", "escrow"), "treasury"),
    ],
)
def test_deploy__wired_elsewhere__is_refused(
    system: System, wrong: tuple[str, str], contract: str
) -> None:
    parts = {name: boa.loads(WIRING) for name in ("vault", "escrow", "treasury")}
    at = {name: part.address for name, part in parts.items()}
    deployer = boa.env.generate_address("deployer")
    at["board"] = create_address(deployer, 0)
    for name, part in parts.items():
        said = dict(at)
        if name == wrong[0]:
            said[wrong[1]] = system.stranger
        part.wire(said["board"], said["vault"], said["escrow"], at["treasury"])
    terms = (system.WINDOW, system.DISPUTE, 0, 0, system.MIN_STAKE, 1, 1, 0)
    wired_elsewhere = boa.reverts(f"ReceiptBoard: {contract} is wired elsewhere")
    with boa.env.prank(deployer), wired_elsewhere:
        load("ReceiptBoard", at["vault"], at["escrow"], *terms)
