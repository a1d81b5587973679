"""Gas of the steps that users pay for, as a chain charges it: 1,000 leaves, all slots cold."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_utils import keccak

from tests.support.gas import transaction_gas
from tests.support.system import ZERO_ADDRESS, Receipt, System, Tree, payout_tree

pytestmark = pytest.mark.bytecode

Leaf = tuple[str, int, int, int]
LIMITS = {
    "create": 220_000,
    "first epoch": 270_000,
    "later epoch": 210_000,
    "first claim": 105_000,
    "repeated claim": 62_000,
    "batch, per repeated claim": 27_000,
    "extra signer": 6_600,
    "requester's part of a job": 450_000,
    "ten epochs, workers who hold the token": 7_000_000,
    "ten epochs, workers new to the token": 8_500_000,
}
WORKERS, EPOCHS, BATCH = 100, 10, 64


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    """One campaign, two epochs; measuring commits storage, so in an environment of its own."""
    with boa.swap_env(boa.Env()):
        gas = measure(System())
    for held, workers in ((1, "who hold the token"), (0, "new to the token")):
        with boa.swap_env(boa.Env()):
            gas |= job(System(), held, f"ten epochs, workers {workers}")
    posts = []
    for signers in (2, 3):
        with boa.swap_env(boa.Env()):
            posts.append(first_post(System(), signers))
    gas["extra signer"] = posts[1] - posts[0]
    return gas


def measure(system: System) -> dict[str, float]:
    gas: dict[str, float] = {"create": create(system)}
    accounts = [boa.env.generate_address() for _ in range(1_000)]
    receipt, tree, leaves = epoch(system, accounts, 1)
    gas["first epoch"] = settle(system, receipt)
    gas["first claim"] = claim(system, receipt, tree, leaves[500])
    for leaf in leaves[:64]:
        claim(system, receipt, tree, leaf)
    receipt, tree, leaves = epoch(system, accounts, 2)
    gas["later epoch"] = settle(system, receipt)
    gas["repeated claim"] = claim(system, receipt, tree, leaves[500])
    rows = leaves[:64]
    batch = transaction_gas(
        system.escrow,
        "claim_batch",
        receipt.campaign,
        receipt.epoch,
        rows,
        [tree.proof(leaf) for leaf in rows],
        sender=system.stranger,
    )
    gas["batch, per repeated claim"] = batch / len(rows)
    return gas


def job(system: System, held: int, name: str) -> dict[str, float]:
    """Gas of all transactions of a job: 100 workers earn in ten epochs and are paid once, after the
    last, in batches by somebody else. `held` is what each worker had of the token before.
    """
    system.token.approve(system.escrow.address, 0, sender=system.requester)
    accounts = [boa.env.generate_address() for _ in range(WORKERS)]
    for account in accounts if held else ():
        system.mint(account, held)
    requester = transaction_gas(
        system.token,
        "approve",
        system.escrow.address,
        system.BUDGET + system.BOND,
        sender=system.requester,
    )
    requester += create(system)
    operators = 0
    for number in range(1, EPOCHS):
        operators += settle(system, epoch(system, accounts, number)[0])
    requester += transaction_gas(system.escrow, "close", 1, sender=system.requester)
    boa.env.time_travel(blocks=2)
    receipt, tree, leaves = epoch(system, accounts, EPOCHS, final=True)
    operators += settle(system, receipt)
    claims = 0
    for start in range(0, WORKERS, BATCH):
        rows = leaves[start : start + BATCH]
        proofs = [tree.proof(leaf) for leaf in rows]
        claims += transaction_gas(
            system.escrow, "claim_batch", 1, receipt.epoch, rows, proofs, sender=system.stranger
        )
    requester += transaction_gas(system.escrow, "refund", 1, sender=system.requester)
    assert all(system.balance(leaf[0]) == held + leaf[1] for leaf in leaves)
    return {"requester's part of a job": requester, name: requester + operators + claims}


def first_post(system: System, signers: int) -> int:
    """Gas of one and the same receipt's post."""
    create(system)
    accounts = [f"0x{number:040x}" for number in range(1, 101)]
    return post(system, epoch(system, accounts, 1)[0], signers)


def create(system: System) -> int:
    return transaction_gas(
        system.escrow,
        "create",
        system.token.address,
        *(system.BUDGET, system.BOND, system.CAP, system.FEE_BPS),
        system.gateway,
        keccak(text="manifest"),
        ZERO_ADDRESS,
        sender=system.requester,
    )


def epoch(
    system: System, accounts: list[str], number: int, **changes: Any
) -> tuple[Receipt, Tree, list[Leaf]]:
    """A receipt with plausible values in all its members."""
    boa.env.time_travel(blocks=20)
    leaves = [
        (account, (i + 1) * 10**14 * number + 123_456_789, 13 * number + i, 15 * number + i)
        for i, account in enumerate(accounts)
    ]
    tree = payout_tree(leaves)
    total = sum(leaf[1] for leaf in leaves)
    receipt = system.receipt(
        1,
        evidence=keccak(text=f"evidence {number}"),
        logHead=keccak(text=f"head {number}"),
        payoutRoot=tree.root,
        payoutTotal=total,
        feeTotal=total * system.FEE_BPS // 10_000,
        logPosition=4_321 * number,
        labelCount=3_210 * number,
        itemCount=987 * number,
        **changes,
    )
    return receipt, tree, leaves


def settle(system: System, receipt: Receipt) -> int:
    posted = post(system, receipt, 2)
    boa.env.time_travel(seconds=system.WINDOW)
    return posted + transaction_gas(
        system.board, "finalize", receipt.values(), sender=system.stranger
    )


def post(system: System, receipt: Receipt, signers: int) -> int:
    signatures = system.sign(receipt, system.operators[:signers])
    return transaction_gas(
        system.board,
        "post",
        receipt.values(),
        signatures,
        system.members(),
        sender=system.stranger,
    )


def claim(system: System, receipt: Receipt, tree: Tree, leaf: Leaf) -> int:
    return transaction_gas(
        system.escrow,
        "claim",
        receipt.campaign,
        receipt.epoch,
        *leaf,
        tree.proof(leaf),
        sender=system.stranger,
    )


@pytest.mark.parametrize(("step", "limit"), LIMITS.items())
def test_gas__step__stays_within_its_limit(
    measured: dict[str, float], step: str, limit: int
) -> None:
    assert measured[step] <= limit, f"{step} costs {measured[step]:,.0f}"


def test_gas__measurement__is_of_real_transactions(measured: dict[str, float]) -> None:
    # five new slots at 22,100 and the base: less would mean that slots were warm or not new
    assert measured["create"] > 21_000 + 5 * 22_100
    assert measured["first epoch"] > measured["later epoch"]
    assert measured["first claim"] > measured["repeated claim"] > 50_000
