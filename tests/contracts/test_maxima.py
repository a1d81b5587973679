"""Gas at every documented maximum: 64 claims in a batch, 16 campaigns at once, proofs of 24, 32
signers, 16 cases, a place of 128 bytes. Blocks hold 30 million and more; nothing needs five."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_utils import keccak

from tests.support.gas import transaction_gas
from tests.support.system import OPERATOR, UNIT, Receipt, System, Tree, payout_tree

pytestmark = pytest.mark.bytecode

MOST = 5_000_000
MAX_PROOF, MAX_BATCH, MAX_CLAIMS, MAX_OPERATORS, MAX_CASES = 24, 64, 16, 32, 16


def deepened(tree: Tree, leaf: tuple[Any, ...], root: bytes = b"") -> tuple[bytes, list[bytes]]:
    """Root and proof of `leaf` in a tree of which `tree` is a corner, 24 levels below the root."""
    proof, node = tree.proof(leaf), tree.root
    while len(proof) < MAX_PROOF:
        sibling = keccak(bytes([len(proof)]))
        proof.append(sibling)
        node = keccak(b"".join(sorted((node, sibling))))
    return node, proof


def paid(system: System, campaign: int, accounts: list[str]) -> tuple[Receipt, Tree, list[Any]]:
    leaves = [(account, UNIT + i, 2**64 - 1, 2**64 - 1) for i, account in enumerate(accounts)]
    tree = payout_tree(leaves)
    root, _ = deepened(tree, leaves[0])
    total = sum(leaf[1] for leaf in leaves)
    receipt = system.receipt(campaign, payoutRoot=root, payoutTotal=total)
    system.settle(receipt)
    return receipt, tree, leaves


def crowded(system: System) -> list[Any]:
    """A set of 32 operators, all of which must sign."""
    accounts = sorted(
        (Account.from_key(keccak(text=f"one of many {i}")) for i in range(MAX_OPERATORS)),
        key=lambda account: int(account.address, 16),
    )
    for account in accounts:
        system.stake(account.address, system.MIN_STAKE, OPERATOR)
    system.set_operators([account.address for account in accounts], MAX_OPERATORS)
    return accounts


def batch_of_claims(system: System) -> dict[str, int]:
    """64 accounts that never held the token, each with a proof of 24."""
    campaign = system.create()
    accounts = [boa.env.generate_address() for _ in range(MAX_BATCH)]
    receipt, tree, leaves = paid(system, campaign, accounts)
    proofs = [deepened(tree, leaf)[1] for leaf in leaves]
    assert {len(proof) for proof in proofs} == {MAX_PROOF}
    arguments = (campaign, receipt.epoch, leaves, proofs)
    gas = transaction_gas(system.escrow, "claim_batch", *arguments, sender=system.stranger)
    assert system.balance(accounts[5]) == leaves[5][1]
    return {"claim_batch": gas}


def claims_of_many_campaigns(system: System) -> dict[str, int]:
    """16 campaigns at once, each proof 24 long."""
    claims = []
    system.mint(system.requester, 10**6 * UNIT)
    for _ in range(MAX_CLAIMS):
        campaign = system.create()
        accounts = [boa.env.generate_address() for _ in range(2)]
        receipt, tree, leaves = paid(system, campaign, accounts)
        proof = deepened(tree, leaves[0])[1]
        claims.append((campaign, receipt.epoch, *leaves[0], proof))
    gas = transaction_gas(system.escrow, "claim_many", claims, sender=system.stranger)
    return {"claim_many": gas}


def disputed_receipt(system: System) -> dict[str, int]:
    """32 signers, 16 open cases, places of 128 bytes; computation alone but for `post`."""
    accounts = crowded(system)
    gas = {"set_operators": system.board._computation.get_gas_used()}
    campaign = system.create()
    receipt = system.receipt(campaign)
    signatures = system.sign(receipt, accounts)
    arguments = (receipt.values(), signatures, system.members())
    gas["post"] = transaction_gas(system.board, "post", *arguments, sender=system.stranger)
    cases = [system.challenge(receipt, f"{i:03}" + "p" * 125) for i in range(MAX_CASES)]
    gas["challenge"] = system.board._computation.get_gas_used()
    system.rule(cases[0], 1)
    gas["rule, dismissed"] = system.arbitrator._computation.get_gas_used()
    system.rule(cases[1], 2)
    gas["rule, upheld"] = system.arbitrator._computation.get_gas_used()
    assert system.board.progress(campaign).attempt == 1
    return gas


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    """Measuring commits storage, so each has an environment of its own."""
    gas: dict[str, int] = {}
    for measure in (batch_of_claims, claims_of_many_campaigns, disputed_receipt):
        with boa.swap_env(boa.Env()):
            gas |= measure(System())
    return gas


def test_gas__at_every_documented_maximum__stays_below_five_million(
    measured: dict[str, int],
) -> None:
    assert len(measured) == 7
    assert {name: used for name, used in measured.items() if used >= MOST} == {}
    assert measured["claim_batch"] > 3_000_000  # so many accounts can't cost less
