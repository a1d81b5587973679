"""The auditor on a real chain: the shipped contracts on anvil, recorded as any run is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.auditor.trace import trace
from oracle.chain.deployment import Deployment
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.poster import Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.record import write_record
from oracle.chain.wallets import DevWallets
from oracle.errors import ChainError, InputError
from oracle.evidence import entries
from oracle.evidence.signing import sign
from oracle.evidence.structs import Receipt
from oracle.ports import PayoutClaim
from oracle.protocol.campaign import EpochResult
from oracle.protocol.ledger import Ledger
from tests.auditor.forge import in_epoch, padded
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import BLOCK_SECONDS, TOKEN

pytestmark = pytest.mark.chain

GENESIS = 1_700_000_000


class AnvilRun(PaperRun):
    """The paper run's people and content on a chain that is real: its contracts refuse what isn't
    signed by a quorum, and nothing else of what a corrupt one signs."""

    devnet: Devnet
    deployed: Deployment

    def begin(self, devnet: Devnet) -> None:
        """Create the campaign on chain and start the log anew, on its blocks."""
        self.devnet, self.wallets = devnet, DevWallets(31337)
        self.deployed = establish(devnet, [bytes([n + 1]) * 32 for n in range(3)], 2)
        self.relayer = Poster(devnet.w3, self.wallets.relayer, self.deployed)
        self.owner = Poster(devnet.w3, self.wallets.requester(), self.deployed)
        self.reader = Web3Reader(devnet.w3, self.deployed, "latest")
        number, _ = self.owner.create(
            token=self.deployed.token,
            budget=self.budget,
            bond=self.bond,
            epoch_cap=self.epoch_cap,
            fee_bps=self.fee_bps,
            gateway=self.facts.gateway,
            manifest=self.manifest.block.digest,
        )
        assert number == 1
        self.facts = self.reader.facts(1, self.manifest.anchor_blocks)
        secrets = self.ledger.secrets
        self.ledger = Ledger(self.manifest, self.facts, closed={}, secrets=secrets)
        self.rows = []
        self.follow()
        self.pass_time(60)

    def follow(self) -> None:
        """Take every new block that is an anchor into the log."""
        self._know(self.reader.facts(1, self.manifest.anchor_blocks))
        while (number := self.ledger.next_anchor()) in self.facts.anchors:
            self.append(entries.Anchor(number, self.facts.anchors[number].hash))

    def pass_time(self, seconds: int) -> None:
        if not hasattr(self, "reader"):
            return super().pass_time(seconds)
        self.devnet.mine(max(1, seconds // BLOCK_SECONDS))
        return self.follow()

    def close(self) -> None:
        self.owner.close(1)
        self.follow()

    def settle(self, receipt: Receipt) -> None:
        digest = receipt.digest(self.facts.board_domain)
        keys = [bytes(self.wallets.operator(n).key) for n in range(2)]
        self.relayer.post(receipt, [sign(key, digest) for key in keys])
        self.pass_time(self.facts.window_seconds + BLOCK_SECONDS)
        self.relayer.finalize(receipt)
        self.follow()

    def claim(self, result: EpochResult) -> None:
        tree = result.evidence.payout_tree
        claims = [
            PayoutClaim(1, result.receipt.epoch, leaf, tuple(tree.proof(number)))
            for number, leaf in enumerate(result.evidence.leaves)
        ]
        self.relayer.claim(claims[0])
        self.relayer.claim_batch(claims[1:])
        self.follow()

    def withdraw_fees(self) -> None:
        for number in range(2):
            operator = Poster(self.devnet.w3, self.wallets.operator(number), self.deployed)
            operator.withdraw_fees(self.deployed.token, [1 << 32 | 0b11])

    def refund(self, more: int = 0) -> None:
        self.relayer.refund(1)

    def write_chain(self, directory: Path, deployment: Deployment) -> None:
        self.deployed.save(directory / "deployment.json")
        write_record(self.devnet.w3, self.deployed, directory / "chain.jsonl")


def play(devnet: Devnet, **changes: object) -> AnvilRun:
    run = AnvilRun(**changes)  # type: ignore[arg-type]
    run.begin(devnet)
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for _ in range(2):
        run.label(NAMES)
        run.claim(run.cut())
    run.finish()
    return run


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Devnet]]:
    started: list[Devnet] = []

    def start() -> Devnet:
        directory = tmp_path_factory.mktemp("devnet")
        chain = Devnet(directory, step_seconds=BLOCK_SECONDS, genesis_timestamp=GENESIS)
        started.append(chain.start())
        return chain

    yield start
    for chain in started:
        chain.stop()


@pytest.fixture(scope="module")
def honest(
    devnet: Callable[[], Devnet], tmp_path_factory: pytest.TempPathFactory
) -> tuple[AnvilRun, Path]:
    run = play(devnet())
    return run, run.write(tmp_path_factory.mktemp("honest"))


def test_audit__honest_run_on_anvil__verified(honest: tuple[AnvilRun, Path]) -> None:
    run, directory = honest

    report = audit(directory)

    assert report.findings == ()
    assert report.verdict == "verified"
    own = report.campaigns[0]
    assert (own.budget, own.bond) == (1_000 * TOKEN, 1_000 * TOKEN)
    assert own.paid == run.results[-1].receipt.payout_total > 0
    assert own.budget + own.bond == own.paid + own.fees + own.refunded
    of_treasury = own.fees * run.deployment.parameters.treasury_bps // 10_000
    assert own.fees - of_treasury - report.sums["fees_withdrawn"] in (0, 1)


def test_audit__rpc_of_that_chain__bound(honest: tuple[AnvilRun, Path]) -> None:
    run, directory = honest
    report = audit(directory, rpc=run.devnet.url)
    assert report.bound
    assert report.verdict == "verified"


def test_audit__rpc_of_another_chain__untrusted(
    honest: tuple[AnvilRun, Path], devnet: Callable[[], Devnet]
) -> None:
    other = devnet()
    other.mine(3)
    report = audit(honest[1], rpc=other.url)
    assert [one.code for one in report.findings] == ["CHAIN-UNTRUSTED"]


def test_audit__rpc_is_dead__could_not_run(honest: tuple[AnvilRun, Path]) -> None:
    with pytest.raises(ChainError, match="can't be reached"):
        audit(honest[1], rpc="http://127.0.0.1:9")


def test_trace__batch_claim_on_anvil__every_leaf(honest: tuple[AnvilRun, Path]) -> None:
    run, directory = honest
    paid = [event for event in run.reader.events() if event.name == "Paid"]
    traced = trace(directory, paid[1].transaction)
    assert len(traced.claims) == len(run.results[0].evidence.leaves) - 1
    assert all(claim.labels for claim in traced.claims)
    assert sum(one.amount for one in traced.claims) == sum(one.amount for one in traced.transfers)
    alone = trace(directory, paid[1].transaction, traced.claims[0].account)
    assert alone.claims == traced.claims[:1]
    with pytest.raises(InputError, match="got nothing"):
        trace(directory, paid[1].transaction, "0x" + "1" * 40)


def test_audit__quorum_pads_on_anvil__contracts_pay_and_the_auditor_names_it(
    devnet: Callable[[], Devnet], tmp_path: Path
) -> None:
    run = play(devnet(), tamper=in_epoch(2, padded))
    report = audit(run.write(tmp_path))
    assert [one.code for one in report.findings] == ["PAYOUT-PADDED"]
    assert report.campaigns[0].refunded > 0


def test_audit__payout_altered_in_a_copy__named(
    honest: tuple[AnvilRun, Path], tmp_path: Path
) -> None:
    """What the demo shows at its end: somebody alters one payout in the published evidence."""
    run, directory = honest
    copy = Path(shutil.copytree(directory, tmp_path / "copy"))
    block = next(
        one for one in run.results[-1].blocks if b"leaves" in one.data and b"accounts" in one.data
    )
    path = copy / "content" / str(block.link)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    report = audit(copy)
    assert {one.code for one in report.findings} == {"BLOCK-CORRUPT"}
    assert "findings" not in (report.money, report.consensus)
