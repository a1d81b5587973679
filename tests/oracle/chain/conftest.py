"""A platform on a real anvil, and a fast way to play a campaign on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from oracle.chain.deployment import DEVNET, Deployment
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.poster import Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.wallets import DevWallets
from oracle.evidence.hashing import MerkleTree
from oracle.evidence.results import PayoutLeaf
from oracle.evidence.signing import sign
from oracle.evidence.structs import Domain, Receipt
from oracle.ports import EventStore, PayoutClaim

GENESIS = 1_700_000_000
OPERATOR_KEYS = [bytes([number + 1]) * 32 for number in range(3)]
UNIT = 10**18


@dataclass
class Platform:
    """A deployed platform with three operators, two of whom sign; amounts below are in tokens."""

    devnet: Devnet
    deployment: Deployment
    wallets: DevWallets = field(default_factory=lambda: DevWallets(31337))

    @property
    def relayer(self) -> Poster:
        return Poster(self.devnet.w3, self.wallets.relayer, self.deployment)

    @property
    def requester(self) -> Poster:
        return Poster(self.devnet.w3, self.wallets.requester(), self.deployment)

    def reader(self, finality: str | int = "latest", store: EventStore | None = None) -> Web3Reader:
        return Web3Reader(self.devnet.w3, self.deployment, finality, store)

    def account(self, index: int) -> bytes:
        return bytes.fromhex(self.wallets.contributor(index).address[2:])

    def create(self, manifest: bytes = b"\1" * 32, budget: int = 1_000) -> int:
        campaign, _ = self.requester.create(
            token=self.deployment.token,
            budget=budget * UNIT,
            bond=200 * UNIT,
            epoch_cap=200 * UNIT,
            fee_bps=500,
            gateway=bytes.fromhex(self.wallets.gateway.address[2:]),
            manifest=manifest,
        )
        return campaign

    def receipt(
        self, campaign: int, epoch: int, leaves: list[PayoutLeaf], **changes: object
    ) -> Receipt:
        total = sum(leaf.cumulative for leaf in leaves)
        receipt = Receipt(
            campaign=campaign,
            epoch=epoch,
            attempt=0,
            final=False,
            evidence=b"\2" * 32,
            payout_root=MerkleTree([leaf.encode() for leaf in leaves]).root,
            payout_total=total,
            fee_total=total // 20,
            bond_charge=0,
            slash_root=bytes(32),
            log_position=10 * epoch,
            log_head=b"\3" * 32,
            as_of=self.devnet.block_number() - 1,
            label_count=10 * epoch,
            item_count=3 * epoch,
            agreement=900_000,
            next_reward=UNIT,
            next_threshold=950_000,
            previous=bytes(32),
        )
        return replace(receipt, **changes)  # type: ignore[arg-type]

    def digest(self, receipt: Receipt) -> bytes:
        return receipt.digest(Domain(self.deployment.chain_id, self.deployment.board))

    def sign(self, receipt: Receipt, *operators: int) -> list[bytes]:
        return [
            sign(bytes(self.wallets.operator(one).key), self.digest(receipt)) for one in operators
        ]

    def settle(self, receipt: Receipt) -> None:
        self.relayer.post(receipt, self.sign(receipt, 0, 2))
        self.devnet.increase_time(self.deployment.parameters.window_seconds)
        self.relayer.finalize(receipt)

    def leaves(self, count: int, each: int = UNIT) -> list[PayoutLeaf]:
        return [PayoutLeaf(self.account(one), each, 3, 4) for one in range(count)]


def claims_of(receipt: Receipt, leaves: list[PayoutLeaf]) -> list[PayoutClaim]:
    tree = MerkleTree([leaf.encode() for leaf in leaves])
    return [
        PayoutClaim(receipt.campaign, receipt.epoch, leaf, tuple(tree.proof(index)))
        for index, leaf in enumerate(leaves)
    ]


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    with Devnet(tmp_path / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        yield devnet


@pytest.fixture
def platform(devnet: Devnet) -> Platform:
    return Platform(devnet, establish(devnet, OPERATOR_KEYS, 2, replace(DEVNET, window_seconds=30)))
