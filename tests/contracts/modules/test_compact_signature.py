"""EIP-2098: `s` in the lower half of the curve's order alone, either parity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest

from tests.support.system import OPERATOR, Receipt, System

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF = ORDER // 2
# any r that is the x of a point, with any s, is somebody's signature; 1 is such an r
R = 1

RECOVER = """
# pragma version ==0.4.3
@external
@view
def recover(digest: bytes32, v: uint256, r: uint256, s: uint256) -> address:
    return ecrecover(digest, v, r, s)
"""


@pytest.fixture(scope="module")
def precompile() -> Any:
    return boa.loads(RECOVER)


def crafted(
    system: System, precompile: Any, receipt: Receipt, s: int, parity: int
) -> tuple[str, tuple[bytes, bytes]]:
    """Who signed the receipt with R and `s`, and the compact signature."""
    signer = precompile.recover(system.digest(receipt), 27 + parity, R, s)
    vs = s | parity << 255
    return signer, (R.to_bytes(32, "big"), vs.to_bytes(32, "big"))


def seat(system: System, signer: str) -> None:
    """An operator set of the signer and one of ours, both needed, in the order of addresses."""
    system.stake(signer, system.MIN_STAKE, OPERATOR)
    both = sorted((signer, system.operators[0].address), key=lambda address: int(address, 16))
    system.set_operators(both, 2)


def signatures(
    system: System, receipt: Receipt, signer: str, signature: tuple[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    ours = system.operators[0]
    found = {signer: signature, ours.address: system.sign(receipt, [ours])[0]}
    return [found[address] for address in sorted(found, key=lambda address: int(address, 16))]


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("s", [1, HALF])
def test_post__s_up_to_half_the_order__is_taken(
    system: System, campaign: int, precompile: Any, s: int, parity: int
) -> None:
    receipt = system.receipt(campaign)
    signer, signature = crafted(system, precompile, receipt, s, parity)
    seat(system, signer)
    proof = signatures(system, receipt, signer, signature)
    system.board.post(receipt.values(), proof, system.members(), sender=system.stranger)
    assert system.board.progress(campaign).signers == 0b11


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("s", [HALF + 1, 2**255 - 1])
def test_post__s_above_half_the_order__is_refused(
    system: System, campaign: int, precompile: Any, s: int, parity: int
) -> None:
    receipt = system.receipt(campaign)
    signer, signature = crafted(system, precompile, receipt, s, parity)
    seat(system, signer)
    proof = signatures(system, receipt, signer, signature)
    with system.refused("ReceiptBoard: signer not an operator"):
        system.board.post(receipt.values(), proof, system.members(), sender=system.stranger)


def test_post__signature_of_nobody__is_refused(system: System, campaign: int) -> None:
    receipt = replace(system.receipt(campaign), agreement=1)
    nobody = (b"\xff" * 32, (1).to_bytes(32, "big"))
    with system.refused("ReceiptBoard: signer not an operator"):
        system.board.post(
            receipt.values(), [nobody, nobody], system.members(), sender=system.stranger
        )
