"""A campaign on a devnet from creation to refund: what demonstration and replay share.

Everything but the people is the platform's own: gateway, operators, contracts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from oracle.bootstrap import OPERATOR_COUNT, THRESHOLD, Keys, Platform, establish_devnet
from oracle.chain.deployment import Deployment
from oracle.chain.devnet import Devnet
from oracle.chain.poster import Poster
from oracle.chain.record import ChainRecord, write_record
from oracle.chain.wallets import DevWallets
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.evidence.manifest import Manifest
from oracle.gateway.campaign_files import CampaignFiles
from oracle.gateway.desk import payout_claims
from oracle.ports import ChainEvent
from oracle.protocol.campaign import EpochResult
from oracle.service.epochs import Step

GENESIS = 1_767_225_600  # 1 January 2026, 00:00 UTC: the first block of every run
FEE_BPS = 500
WRITTEN = ("report.json", "chain.jsonl", "deployment.json", "content")


class Play:
    """One campaign on a devnet of its own.

    `folder` receives what others may see, `state` the rest. Time passes only where it is told to:
    the same calls make the same blocks.
    """

    def __init__(
        self,
        devnet: Devnet,
        folder: Path,
        state: Path,
        files: CampaignFiles,
        *,
        operators: int = OPERATOR_COUNT,
        threshold: int = THRESHOLD,
    ) -> None:
        self.devnet, self.folder, self.files = devnet, folder, files
        self.wallets = DevWallets(devnet.chain_id)
        self.keys = Keys.of_devnet(operators)
        self.deployment = establish_devnet(devnet, self.keys, threshold)
        self.platform = Platform(
            devnet.w3,
            self.deployment,
            keys=self.keys,
            state_dir=state,
            finality="latest",  # this chain has no reorgs
            content=LocalContent(folder / "content"),
        )
        self.manifest = files.manifest
        self.requester = Poster(devnet.w3, self.wallets.requester(), self.deployment)
        self.relayer = self.platform.relayer

    def open(self, *, budget: int, cap: int) -> None:
        """Publish the campaign and lock its money (base units), or find it created before."""
        self.campaign = self.platform.create_campaign(
            self.files,
            self.wallets.requester(),
            budget=budget,
            bond=cap,
            epoch_cap=cap,
            fee_bps=FEE_BPS,
        )
        self.gateway = self.platform.gateway(self.campaign)
        self.service = self.platform.service(self.campaign)

    # -- time ------------------------------------------------------------------------------------

    def pass_anchor(self) -> None:
        """Mine up to the next anchor block; the gateway takes it into the log."""
        step = self.manifest.anchor_blocks
        self.devnet.mine(step - self.devnet.block_number() % step)
        self.gateway.follow()

    def jump_to(self, timestamp: int) -> None:
        """Let time pass up to `timestamp` (Unix seconds), and an anchor after it."""
        seconds = timestamp - self.devnet.timestamp()
        if seconds > 0:
            self.devnet.increase_time(seconds)
        self.pass_anchor()

    # -- receipts --------------------------------------------------------------------------------

    def settle(self) -> EpochResult:
        """Post what is due, wait the window out, finalize."""
        posted = self.service.step()
        assert posted.step is Step.POSTED, posted.step
        assert posted.result is not None
        self.devnet.increase_time(self.deployment.parameters.window_seconds)
        finalized = self.service.step()
        assert finalized.step is Step.FINALIZED, finalized.step
        self.gateway.follow()
        return posted.result

    def claim_all(self, result: EpochResult) -> None:
        """Claim every leaf of a receipt, in batches."""
        self.relayer.claim_batch(payout_claims(result.evidence))

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close, and wait until running leases are over: the final receipt's cut."""
        self.requester.close(self.campaign)
        self.jump_to(self.devnet.timestamp() + self.manifest.lease_seconds)

    def wind_up(self, result: EpochResult) -> None:
        """After the final receipt: execute proven slashes, refund, pay operators and treasury."""
        evidence = result.evidence
        tree = evidence.slash_tree
        for number, leaf in enumerate(evidence.slashes):
            self.relayer.execute_slash(self.campaign, evidence.epoch, leaf, tree.proof(number))
        self.requester.refund(self.campaign)
        members = self.platform.reader.operators().members
        quorums = {
            event.arguments["quorum"]
            for event in self.platform.reader.events()
            if event.name == "Settled"
        }
        for account in self.keys.operators:
            seat = members.index(bytes.fromhex(account.address[2:]))
            signed = sorted(quorum for quorum in quorums if quorum >> seat & 1)
            if signed:
                operator = Poster(self.devnet.w3, account, self.deployment)
                operator.withdraw_fees(self.deployment.token, signed)
        self.relayer.withdraw_treasury_fees(self.deployment.token, sorted(quorums))

    def record(self, folder: Path) -> ChainRecord:
        """Write what an audit reads beside the content: the chain, and what is deployed on it."""
        self.deployment.save(folder / "deployment.json")
        return write_record(self.devnet.w3, self.deployment, folder / "chain.jsonl")


def check_out(out: Path) -> None:
    """Refuse a place that holds anything but an earlier run: it is about to be replaced.

    Raises InputError naming the remedy.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file: name a folder")
    if any(out.iterdir()) and not all((out / name).exists() for name in WRITTEN):
        raise InputError(f"{out} holds something else than an earlier run: name another folder")


@dataclass(frozen=True)
class Played:
    """A finished run: what the operators decided, oldest first, and the chain's record."""

    manifest: Manifest
    deployment: Deployment
    campaign: int
    results: tuple[EpochResult, ...]
    record: ChainRecord

    @cached_property
    def events(self) -> list[ChainEvent]:
        """All events of the contracts, in chain order."""
        return self.record.events(self.deployment.addresses)

    def named(self, name: str) -> list[ChainEvent]:
        """The events of one name."""
        return [event for event in self.events if event.name == name]

    @property
    def last(self) -> EpochResult:
        """The final receipt's result."""
        return self.results[-1]
