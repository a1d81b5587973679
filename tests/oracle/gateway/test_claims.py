"""Claims for others: in batches, when gas is cheap, each leaf once a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from oracle.errors import ChainError, Reverted
from oracle.evidence.results import PayoutLeaf
from oracle.gateway import claims as module
from oracle.gateway.claims import ClaimRelay
from oracle.ports import PayoutClaim, Sent
from oracle.protocol.facts import Block


def leaves(epoch: int, count: int) -> list[PayoutClaim]:
    return [
        PayoutClaim(7, epoch, PayoutLeaf(bytes([number]) * 20, 10 * epoch, 1, 1), ())
        for number in range(count)
    ]


class Chain:
    """A chain whose newest finalized receipt is of `epoch`; 0 for none."""

    campaign = 7

    def __init__(self) -> None:
        self.epoch = 0

    def head(self) -> Block:
        return Block(9, bytes(32), 0)

    def facts(self, campaign: int, anchor_blocks: int) -> Chain:
        return self

    def last_finalized(self, block: int) -> Chain | None:
        return self if self.epoch else None

    @property
    def evidence(self) -> bytes:
        return bytes([self.epoch]) * 32


class Paying:
    """Keeps what was claimed; fails once where told to."""

    def __init__(self) -> None:
        self.batches: list[list[PayoutClaim]] = []
        self.fails = False
        self.refused: set[bytes] = set()  # accounts that the token won't pay

    def claim_batch(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        if self.refused & {one.leaf.account for one in claims}:
            raise Reverted("claim_batch: refused", "refused")
        if self.fails:
            self.fails = False
            raise ChainError("the node is gone: start it")
        self.batches.append(list(claims))
        return [Sent(bytes(32), 1, 1)]


class Content:
    def get(self, digest: bytes, codec: int) -> bytes:
        return digest


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> tuple[Chain, Paying, list[int], ClaimRelay]:
    class Read:
        @staticmethod
        def decode(block: bytes, fetch: Any) -> int:
            return block[0]

    monkeypatch.setattr(module, "Evidence", Read)
    monkeypatch.setattr(module, "payout_claims", lambda epoch: leaves(epoch, 100))
    chain, paying, fee = Chain(), Paying(), [50]
    relay = ClaimRelay(
        cast(Any, chain),
        cast(Any, Content()),
        cast(Any, paying),
        base_fee=lambda: fee[0],
        ceiling=50,
    )
    return chain, paying, fee, relay


def test_step__cheap_gas__claims_all_in_batches_and_then_rests(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, paying, _, relay = scene
    assert relay.step(7, 4) == 0  # nothing is finalized yet
    chain.epoch = 1
    assert [relay.step(7, 4) for _ in range(4)] == [1, 1, 0, 0]
    assert [len(batch) for batch in paying.batches] == [64, 36]
    assert [one for batch in paying.batches for one in batch] == leaves(1, 100)
    assert relay.waiting == 0


def test_step__dear_gas__waits_until_it_is_cheap(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, paying, fee, relay = scene
    chain.epoch, fee[0] = 1, 51
    assert relay.step(7, 4) == 0
    assert (paying.batches, relay.waiting) == ([], 100)
    fee[0] = 50
    assert relay.step(7, 4) == 1
    assert relay.waiting == 36


def test_is_done__newest_receipt_not_taken_or_not_claimed__is_not(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, _, fee, relay = scene
    facts = cast(Any, chain)
    assert relay.is_done(facts)
    chain.epoch = 1
    assert not relay.is_done(facts)
    relay.step(7, 4)
    assert not relay.is_done(facts)
    relay.step(7, 4)
    assert relay.is_done(facts)
    chain.epoch, fee[0] = 2, 51
    relay.step(7, 4)
    assert not relay.is_done(facts)


def test_step__newer_receipt_meanwhile__claims_its_leaves_instead(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, paying, fee, relay = scene
    chain.epoch, fee[0] = 1, 51
    relay.step(7, 4)
    chain.epoch, fee[0] = 2, 50
    relay.step(7, 4)
    assert {one.epoch for one in paying.batches[0]} == {2}
    assert relay.waiting == 36


def test_step__node_fails__loses_no_leaf(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, paying, _, relay = scene
    chain.epoch, paying.fails = 1, True
    with pytest.raises(ChainError):
        relay.step(7, 4)
    assert (paying.batches, relay.waiting) == ([], 100)
    assert relay.step(7, 4) == 1


def test_step__one_account_that_the_token_refuses__is_passed_over_and_all_others_are_paid(
    scene: tuple[Chain, Paying, list[int], ClaimRelay],
) -> None:
    chain, paying, _, relay = scene
    chain.epoch = 1
    paying.refused = {bytes([37]) * 20}
    for _ in range(40):
        relay.step(7, 4)
    paid = [one for batch in paying.batches for one in batch]
    assert paid == [one for one in leaves(1, 100) if one.leaf.account not in paying.refused]
    assert relay.waiting == 0
