"""In the midst of a contract's own transfer its views answer, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth_utils import keccak

from tests.support.system import CONTRIBUTOR, JUROR, UNIT, System, load, payout_tree


class CallingBack(System):
    """All stakes and campaigns are in a token that calls back in the midst of each transfer."""

    def load_token(self) -> Any:
        return load("mocks/ReentrantToken")


@pytest.fixture
def scene() -> Iterator[CallingBack]:
    with boa.env.anchor():
        yield CallingBack()


def transfer_by(scene: CallingBack, contract: str) -> None:
    """Let a contract move tokens, holding its own lock meanwhile."""
    if contract == "escrow":
        scene.escrow.fund(1, 1, sender=scene.requester)
    elif contract == "vault":
        scene.vault.stake(CONTRIBUTOR, 1, sender=scene.requester)
    elif contract == "board":
        receipt = scene.receipt(1, payoutRoot=b"\x01" * 32)
        scene.post(receipt)
        scene.challenge(receipt)
    else:
        scene.treasury.spend(scene.token.address, scene.stranger, 1, sender=scene.governance)


def prepare(scene: CallingBack) -> int:
    """A campaign with a finalized receipt, and money wherever a transfer is to begin."""
    campaign = scene.create()
    leaf = (scene.contributor, 50 * UNIT, 1, 1)
    tree = payout_tree([leaf])
    scene.settle(scene.receipt(campaign, payoutRoot=tree.root, payoutTotal=50 * UNIT))
    scene.approve(scene.requester, scene.vault)
    scene.mint(scene.treasury.address, 200)
    for pot_of in (0, campaign):
        scene.treasury.credit(pot_of, scene.token.address, 100, sender=scene.escrow.address)
    return campaign


@pytest.mark.parametrize(
    ("contract", "function", "arguments"),
    [("vault", "join", (JUROR, keccak(text="key"))), ("treasury", "sweep", (1,))],
)
def test_calls__during_the_contracts_own_transfer__are_refused(
    scene: CallingBack, contract: str, function: str, arguments: tuple[Any, ...]
) -> None:
    prepare(scene)
    boa.env.time_travel(seconds=scene.COMPENSATION)
    target = getattr(scene, contract)
    call = getattr(target, function)
    with boa.env.anchor():
        call(*arguments, sender=scene.token.address)  # at rest it is taken
    scene.token.set_attack(target.address, call.prepare_calldata(*arguments))
    transfer_by(scene, contract)
    assert (scene.token.calls(), scene.token.successes()) == (1, 0)


@pytest.mark.parametrize("contract", ["escrow", "vault", "board", "treasury"])
def test_views__during_the_contracts_own_transfer__answer(
    scene: CallingBack, contract: str
) -> None:
    campaign = prepare(scene)
    values = {
        "address": scene.operators[0].address,
        "bytes32": keccak(text="anything"),
        "uint64": 1,
        "uint256": 1,
        "uint256[]": [],
        "tuple": scene.receipt(campaign).values(),
    }
    target = getattr(scene, contract)
    views = [one for one in target.abi if one.get("stateMutability") in ("view", "pure")]
    assert len(views) > 8
    for view in views:
        function = getattr(target, view["name"])
        arguments = [values[one["type"]] for one in view["inputs"]]
        function(*arguments)  # at rest it answers
        with boa.env.anchor():
            scene.token.set_attack(target.address, function.prepare_calldata(*arguments))
            transfer_by(scene, contract)
            calls = scene.token.calls()
            assert calls > 0
            assert (view["name"], scene.token.successes()) == (view["name"], calls)
