"""The demonstration: a campaign from the first signature to the audited payment, in one folder.

Everything is real but the people: a chain (anvil), the contracts, a gateway with its log, three
operators of whom two sign, claims, close and refund. `oracle/replay/profiles.py` says what the
simulated contributors do. One seed gives one run, block hash for block hash.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.auditor import audit
from oracle.chain.devnet import Devnet
from oracle.chain.poster import CONTRIBUTOR, Poster
from oracle.chain.record import ChainRecord
from oracle.chain.rpc import request
from oracle.content.local import LocalContent
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Domain
from oracle.gateway.desk import payout_claim, payout_claims
from oracle.ports import PayoutClaim
from oracle.protocol.campaign import EpochResult
from oracle.replay.altered import pad_final_payout
from oracle.replay.contributors import SimulatedContributor
from oracle.replay.digits import TOKEN, digit_campaign, digit_terms
from oracle.replay.page import render_page
from oracle.replay.play import FEE_BPS, GENESIS, Play, check_out
from oracle.replay.profiles import Crowd, Member, digit_profiles
from oracle.replay.report import Run, build_report

ROSTER = {"expert": 4, "ordinary": 4, "careless": 3, "spammer": 2, "colluder": 2}
STAKERS = ("expert-1", "careless-1", "spammer-1", "spammer-2", "colluder-1")
Report = dict[str, Any]
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Scale:
    """How large a demonstration is: `rounds` of leases per epoch, each of up to `lease` items."""

    items: int = 480
    gold: int = 144
    rounds: tuple[int, ...] = (7, 4, 3)
    lease: int = 10
    roster: Mapping[str, int] = field(default_factory=lambda: dict(ROSTER))
    budget: int = 160 * TOKEN
    cap: int = 80 * TOKEN
    stake: int = 20 * TOKEN

    @property
    def epochs(self) -> int:
        """Epochs in which people label; the final receipt comes after them."""
        return len(self.rounds)


def run_demo(
    out: Path, *, seed: int = 11, scale: Scale | None = None, tell: Tell = lambda what, share: None
) -> Report:
    """Run the demonstration, write its folder `out` anew, and return what `report.json` says.

    `tell` hears what is being done and which share of the whole is behind. Raises InputError where
    `out` holds something else than an earlier demonstration.
    """
    began = time.perf_counter()
    out = out.resolve()
    check_out(out)
    scale = scale if scale is not None else Scale()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there when whole: a run that breaks off leaves no half folder.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder, state = Path(scratch, "demo"), Path(scratch, "state")
        with Devnet(state / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
            run = Demo(devnet, folder, state, seed, scale, tell).run()
        tell("auditing", 0.75)
        recover.cache_clear()  # a stranger's audit starts cold, and so is timed
        honest = audit(folder)
        tell("auditing the altered copy", 0.88)
        altered = audit(folder / "altered")
        tell("writing the report", 0.95)
        report = build_report(run, honest, altered)
        report["seconds"] = round(time.perf_counter() - began, 3)
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (folder / "report.json").write_text(text, encoding="utf-8")
        (folder / "report.html").write_text(render_page(report), encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    tell("done", 1.0)
    return report


class Demo(Play):
    """One run on a fresh devnet; `folder` receives what others may see, `state` the rest."""

    def __init__(
        self, devnet: Devnet, folder: Path, state: Path, seed: int, scale: Scale, tell: Tell
    ) -> None:
        self.seed, self.scale, self.tell = seed, scale, tell
        files, truth = digit_campaign(
            digit_terms(
                gold={"share": 300_000, "newcomerShare": 400_000, "newcomerItems": 20},
                slashing={"floor": 550_000, "cap": str(scale.stake)},
            ),
            items=scale.items,
            gold=scale.gold,
            gold_epochs=scale.epochs,
            secret=self.secret("campaign"),
        )
        super().__init__(devnet, folder, state, files)
        self.crowd = Crowd(seed, digit_profiles(), dict(scale.roster), truth)
        self.results: list[EpochResult] = []

    def run(self) -> Run:
        """Go through a campaign's life and write its record."""
        self.tell("staking", 0.05)
        stakers = self.stake()
        self.create(stakers)
        people = self.delegate()
        for epoch in range(1, self.scale.epochs + 1):
            self.label(people, epoch)
            self.cut(epoch)
            self.results.append(self.settle())
            self.claim()
        self.tell("closing", 0.62)
        self.close()
        snapshot = request(self.devnet.w3, "evm_snapshot")
        self.results.append(self.settle())
        self.finish()
        self.tell("recording the chain", 0.66)
        record = self.record(self.folder)
        run = self.facts(record)
        self.tell("altering a copy", 0.7)
        request(self.devnet.w3, "evm_revert", snapshot)
        self.alter()
        return run

    # -- before the campaign ---------------------------------------------------------------------

    def stake(self) -> list[Poster]:
        """Give some contributors tokens and ether; they stake, to be trusted with more."""
        owner = Poster(self.devnet.w3, self.wallets.deployer, self.deployment)
        stakers = []
        for member in self.crowd.members:
            if member.name in STAKERS:
                account = self.wallets.contributor(member.number)
                self.devnet.fund(account.address, TOKEN)
                staker = Poster(self.devnet.w3, account, self.deployment)
                owner.mint(staker.address, self.scale.stake)
                staker.stake(CONTRIBUTOR, self.scale.stake)
                stakers.append(staker)
        return stakers

    def create(self, stakers: list[Poster]) -> None:
        """Publish the campaign and lock its money; stakers commit their stake to it."""
        self.tell("creating the campaign", 0.1)
        self.started = self.devnet.block_number()
        self.open(budget=self.scale.budget, cap=self.scale.cap)
        for staker in stakers:
            staker.commit_stake(self.campaign, self.scale.stake)

    def delegate(self) -> list[tuple[Member, SimulatedContributor]]:
        """Let everybody agree to the terms, once; they may draw from the second anchor after."""
        self.pass_anchor()
        domain = Domain(self.deployment.chain_id, self.deployment.escrow)
        people = []
        for member in self.crowd.members:
            person = SimulatedContributor(
                self.gateway,
                domain,
                bytes(self.wallets.contributor(member.number).key),
                secret=self.secret(member.name),
                answer=lambda item, member=member: self.crowd.answer(member, item),  # type: ignore[misc]
            )
            person.delegate(valid_until=GENESIS + 30 * 86_400)
            people.append((member, person))
        self.pass_anchor()
        self.pass_anchor()
        return people

    # -- an epoch --------------------------------------------------------------------------------

    def label(self, people: list[tuple[Member, SimulatedContributor]], epoch: int) -> None:
        """Let everybody label in turns, an anchor apart, so that draws never repeat."""
        rounds = self.scale.rounds
        for turn in range(rounds[epoch - 1]):
            share = (sum(rounds[: epoch - 1]) + turn) / sum(rounds)
            self.tell(f"epoch {epoch}: labeling", 0.12 + 0.5 * share)
            now = self.devnet.timestamp()
            for member, person in people:
                for _ in range(member.profile.pace):
                    person.work(self.scale.lease, now)
            self.pass_anchor()

    def cut(self, epoch: int) -> None:
        """Jump to the epoch's end and post its receipt."""
        self.tell(
            f"epoch {epoch}: consensus, receipt, claims", 0.12 + 0.5 * epoch / self.scale.epochs
        )
        boundary = self.gateway.bounded.boundary(epoch)
        self.jump_to(boundary)

    def claim(self) -> None:
        """Claim for everybody: the first contributor alone, all others in one batch."""
        first, *others = self.claims()
        self.relayer.claim(first)
        self.relayer.claim_batch(others)

    def claims(self) -> list[PayoutClaim]:
        """Every leaf of the newest receipt, the first expert's leading."""
        evidence = self.results[-1].evidence
        expert = self.wallets.contributor(self.crowd.members[0].number).address
        first = payout_claim(evidence, bytes.fromhex(expert[2:]))
        assert first is not None
        return [first, *(one for one in payout_claims(evidence) if one.leaf != first.leaf)]

    # -- the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Claim the rest, then end it all."""
        self.relayer.claim_batch(self.claims())
        self.wind_up(self.results[-1])

    def alter(self) -> None:
        """Write a copy in which two dishonest operators padded one payout of the final receipt."""
        folder = self.folder / "altered"
        shutil.copytree(self.folder / "content", folder / "content")
        member = next(one for one in self.crowd.members if one.profile.name == "colluder")
        account = bytes.fromhex(self.wallets.contributor(member.number).address[2:])
        padded = pad_final_payout(self.results[-1], account, TOKEN, FEE_BPS)
        content = LocalContent(folder / "content")
        for block in padded.blocks:
            content.put(block.data, block.codec)
        relayer = Poster(self.devnet.w3, self.keys.relayer, self.deployment)
        domain = Domain(self.deployment.chain_id, self.deployment.board)
        dishonest = [bytes(one.key) for one in self.keys.operators[:2]]
        relayer.post(padded.receipt, padded.signatures(domain, dishonest))
        self.devnet.increase_time(self.deployment.parameters.window_seconds)
        relayer.finalize(padded.receipt)
        claim = payout_claim(padded.evidence, account)
        assert claim is not None
        relayer.claim(claim)
        self.record(folder)

    # -- small parts -----------------------------------------------------------------------------

    def facts(self, record: ChainRecord) -> Run:
        """Gather what the report is made of."""
        return Run(
            seed=self.seed,
            crowd=self.crowd,
            accounts={
                bytes.fromhex(self.wallets.contributor(one.number).address[2:]): one
                for one in self.crowd.members
            },
            stakers=STAKERS,
            manifest=self.manifest,
            deployment=self.deployment,
            campaign=self.campaign,
            started=self.started,
            results=tuple(self.results),
            record=record,
        )

    def secret(self, purpose: str) -> bytes:
        """32 bytes that the seed determines."""
        return keccak256(f"DDLP demonstration {self.seed} {purpose}".encode())
