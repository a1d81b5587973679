"""Gas of a job from creation to refund, beside HUMAN Protocol and Uniswap's distributor.

    make bench-gas                            # half a minute

One anvil, one token, the same number of recipients, as new (or as much holders of the token) for
each. A figure is `gasUsed` of whole transactions; of several alike, the dearest counts. Writes
build/bench/gas.json and gas.png, and says which limits hold.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.peers.contracts import HUMAN_FEES, UNIT, Distribution, Human  # noqa: E402
from oracle.chain.development import establish  # noqa: E402
from oracle.chain.devnet import Devnet  # noqa: E402
from oracle.chain.poster import BATCH, Poster  # noqa: E402
from oracle.chain.rpc import request  # noqa: E402
from oracle.chain.transactions import Sender  # noqa: E402
from oracle.chain.wallets import DevWallets  # noqa: E402
from oracle.errors import DDLPError  # noqa: E402
from oracle.evidence.hashing import MerkleTree, keccak256  # noqa: E402
from oracle.evidence.results import PayoutLeaf  # noqa: E402
from oracle.evidence.signing import sign  # noqa: E402
from oracle.evidence.structs import Domain, Receipt  # noqa: E402
from oracle.ports import PayoutClaim  # noqa: E402

OUT = ROOT / "build" / "bench"
LEAVES, WORKERS, EPOCHS = 1_000, 100, 10
SAMPLE = 16  # single claims of each kind
OPERATORS, THRESHOLD = 3, 2
BUDGET, BOND, EPOCH_CAP, FEE_BPS = 1_000 * UNIT, 300 * UNIT, 200 * UNIT, 500
GENESIS = 1_767_225_600  # fixed, so that two runs give the same figures

LIMITS = {
    "ours.create": 220_000,
    "ours.claim_repeat": 62_000,
    "ours.batch_repeat": 27_000,
    "ours.extra_signer": 6_600,
    "ours.job_requester": 450_000,
    "ours.ten_epochs_holders": 7_000_000,
    "ours.ten_epochs_new": 8_500_000,
}

# Prices: round figures assumed on this day, no quotes; put in your own.
PRICES_OF = "2026-11-22"
LABELS_PER_WORKER_AND_EPOCH = 50
ETHER_USD = 3_000.0
MAINNET_GWEI = 2.0
L2_GWEI = 0.01  # execution on a rollup
# A rollup posts a transaction's bytes as blobs, one blob gas a byte (EIP-4844), here uncompressed.
# EIP-7918 lets blob gas sink no lower than a sixteenth of mainnet's base fee for long.
BLOB_GWEI = MAINNET_GWEI / 16
SOLANA_USD = 150.0
SOLANA_LAMPORTS = 5_000  # base fee for each signature, so for each transaction at least


@dataclass(frozen=True)
class Row:
    """A transaction: who sent it, its gas, its bytes as a rollup would post them."""

    sender: str
    gas: int
    size: int


class Bill:
    """What a job costs, transaction by transaction, under the name of each step."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.block = devnet.block_number()
        self.steps: dict[str, list[Row]] = {}

    def charge(self, step: str) -> None:
        """Put all transactions since the last call under `step`, whoever sent them."""
        newest = self.devnet.block_number()
        rows = self.steps.setdefault(step, [])
        for block in range(self.block + 1, newest + 1):
            for receipt in request(self.devnet.w3, "eth_getBlockReceipts", hex(block)):
                raw = request(
                    self.devnet.w3, "eth_getRawTransactionByHash", receipt["transactionHash"]
                )
                rows.append(Row(receipt["from"], int(receipt["gasUsed"], 16), len(raw) // 2 - 1))
        self.block = newest

    def rows(self, sender: bytes | None = None) -> list[Row]:
        wanted = None if sender is None else "0x" + sender.hex()
        rows = [row for step in self.steps.values() for row in step]
        return [row for row in rows if wanted in (None, row.sender)]

    def gas(self, sender: bytes | None = None) -> int:
        return sum(row.gas for row in self.rows(sender))

    def by_step(self) -> dict[str, int]:
        return {step: sum(row.gas for row in rows) for step, rows in self.steps.items()}


def people(name: str, count: int) -> list[bytes]:
    """Addresses that nobody has used yet."""
    return [keccak256(f"{name} {number}".encode())[:20] for number in range(count)]


def due(number: int, epoch: int) -> int:
    """Cumulative pay of worker `number` after `epoch`, in base units."""
    return epoch * ((number + 1) * 10**14 + 123_456_789)


class Platform:
    """Ours: a deployment with operators and a requester, and the campaigns that it runs."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        wallets = DevWallets(devnet.chain_id)
        keys = [keccak256(f"encryption key {seat}".encode()) for seat in range(OPERATORS)]
        self.deployment = establish(devnet, keys, THRESHOLD)
        self.domain = Domain(self.deployment.chain_id, self.deployment.board)
        self.relayer = Poster(devnet.w3, wallets.relayer, self.deployment)
        self.requester = Poster(devnet.w3, wallets.requester(), self.deployment)
        self.gateway = bytes.fromhex(wallets.gateway.address[2:])
        self.keys = [bytes(wallets.operator(seat).key) for seat in range(OPERATORS)]
        self.campaigns = 0

    def endow(self, accounts: Sequence[bytes]) -> None:
        """Make holders of the token."""
        for account in accounts:
            self.requester.transfer(self.deployment.token, account, UNIT)

    def campaign(self, workers: Sequence[bytes]) -> CampaignRun:
        return CampaignRun(self, workers)

    def job(self, workers: Sequence[bytes], epochs: int, paid_each: bool = False) -> Bill:
        """A whole campaign: epochs, claims in batches, close, final receipt, refund."""
        bill = Bill(self.devnet)
        campaign = self.campaign(workers)
        bill.charge("create")
        for epoch in range(1, epochs + 1):
            campaign.settle(epoch)
            bill.charge("receipts")
            if paid_each or epoch == epochs:
                self.relayer.claim_batch(campaign.claims(range(len(workers))))
                bill.charge("pay")
        self.requester.close(campaign.id)
        bill.charge("close and refund")
        campaign.settle(epochs + 1, final=True)
        bill.charge("receipts")
        self.requester.refund(campaign.id)
        bill.charge("close and refund")
        return bill


class CampaignRun:
    """One campaign and its receipts."""

    def __init__(self, platform: Platform, workers: Sequence[bytes]) -> None:
        self.platform, self.workers = platform, workers
        platform.campaigns += 1
        self.id, created = platform.requester.create(
            token=platform.deployment.token,
            budget=BUDGET,
            bond=BOND,
            epoch_cap=EPOCH_CAP,
            fee_bps=FEE_BPS,
            gateway=platform.gateway,
            manifest=keccak256(f"manifest {platform.campaigns}".encode()),
        )
        self.create_gas = created.gas_used
        self.previous = bytes(32)
        self.epoch = 0
        self.leaves: list[PayoutLeaf] = []
        self.tree = MerkleTree([])

    def settle(self, epoch: int, final: bool = False) -> int:
        """Post, wait, finalize; returns the gas of both. A final receipt adds nothing."""
        receipt, signatures = self.propose(epoch, final)
        posted = self.platform.relayer.post(receipt, signatures[:THRESHOLD])
        self.platform.devnet.increase_time(self.platform.deployment.parameters.window_seconds)
        finalized = self.platform.relayer.finalize(receipt)
        self.previous = receipt.digest(self.platform.domain)
        return posted.gas_used + finalized.gas_used

    def propose(self, epoch: int, final: bool = False) -> tuple[Receipt, list[bytes]]:
        """The epoch's receipt, signed by all operators, with plausible values in all members."""
        if not final:
            self.epoch = epoch
            self.leaves = [
                PayoutLeaf(account, due(number, epoch), 45 * epoch, 50 * epoch)
                for number, account in enumerate(self.workers)
            ]
            self.tree = MerkleTree([leaf.encode() for leaf in self.leaves])
        total = sum(leaf.cumulative for leaf in self.leaves)
        labels = LABELS_PER_WORKER_AND_EPOCH * len(self.workers)
        receipt = Receipt(
            campaign=self.id,
            epoch=epoch,
            attempt=0,
            final=final,
            evidence=keccak256(f"evidence {self.id} {epoch}".encode()),
            payout_root=self.tree.root,
            payout_total=total,
            fee_total=total * FEE_BPS // 10_000,
            bond_charge=0,
            slash_root=bytes(32),
            log_position=1_234 * epoch,
            log_head=keccak256(f"head {self.id} {epoch}".encode()),
            as_of=self.platform.devnet.block_number(),
            label_count=labels * self.epoch,
            item_count=labels * self.epoch // 5,
            agreement=912_345,
            next_reward=10**16,
            next_threshold=950_000,
            previous=self.previous,
        )
        digest = receipt.digest(self.platform.domain)
        return receipt, [sign(key, digest) for key in self.platform.keys]

    def claims(self, numbers: Sequence[int]) -> list[PayoutClaim]:
        return [
            PayoutClaim(self.id, self.epoch, self.leaves[number], tuple(self.tree.proof(number)))
            for number in numbers
        ]

    def claim(self, numbers: Sequence[int]) -> int:
        """Claim one by one; the dearest's gas."""
        relayer = self.platform.relayer
        return max(relayer.claim(claim).gas_used for claim in self.claims(numbers))

    def claim_batch(self, numbers: Sequence[int]) -> float:
        """Claim in one transaction; gas per account."""
        (sent,) = self.platform.relayer.claim_batch(self.claims(numbers))
        return sent.gas_used / len(numbers)

    def extra_signer(self, epoch: int) -> int:
        """What one signature more adds to a post; the chain is as before afterwards."""
        receipt, signatures = self.propose(epoch)
        w3, gas = self.platform.devnet.w3, []
        for signers in range(THRESHOLD, OPERATORS + 1):
            snapshot = request(w3, "evm_snapshot")
            gas.append(self.platform.relayer.post(receipt, signatures[:signers]).gas_used)
            request(w3, "evm_revert", snapshot)
        return max(more - less for less, more in itertools.pairwise(gas))


def measure_claims(platform: Platform) -> dict[str, float]:
    """Receipts and claims at LEAVES leaves, the first SAMPLE + BATCH of them holders."""
    holders, new = range(SAMPLE + BATCH), range(SAMPLE + BATCH, 2 * (SAMPLE + BATCH))
    workers = people("claimant", LEAVES)
    platform.endow([workers[number] for number in holders])
    campaign = platform.campaign(workers)
    found: dict[str, float] = {"create": campaign.create_gas}
    found["receipt_first"] = campaign.settle(1)
    for kind, numbers in (("holder", holders), ("new", new)):
        found[f"claim_first_{kind}"] = campaign.claim(numbers[:SAMPLE])
        found[f"batch_first_{kind}"] = campaign.claim_batch(numbers[SAMPLE:])
    found["extra_signer"] = campaign.extra_signer(2)
    found["receipt_later"] = campaign.settle(2)
    found["claim_repeat"] = campaign.claim(holders[:SAMPLE])
    found["batch_repeat"] = campaign.claim_batch(holders[SAMPLE:])
    found["create_later"] = platform.campaign(workers).create_gas
    return found


def measure_ours(platform: Platform) -> tuple[dict[str, float], dict[str, Bill]]:
    found = measure_claims(platform)
    bills = {}
    for epochs, name in ((1, "job"), (EPOCHS, "ten_epochs")):
        for kind in ("holders", "new"):
            workers = people(f"{name} {kind}", WORKERS)
            if kind == "holders":
                platform.endow(workers)
            bills[f"{name}_{kind}"] = platform.job(workers, epochs)
    workers = people("paid each", WORKERS)
    platform.endow(workers)
    bills["ten_epochs_holders_paid_each"] = platform.job(workers, EPOCHS, paid_each=True)
    requester = platform.requester.address
    found["job_requester"] = max(bills[f"job_{kind}"].gas(requester) for kind in ("holders", "new"))
    return found | {name: bill.gas() for name, bill in bills.items()}, bills


def measure_human(platform: Platform) -> tuple[dict[str, Any], dict[str, Bill]]:
    """The same jobs by HUMAN, paid in the same token. `own_token` is in HUMAN's; `lean` is the
    least that can be: no fees, and no string longer than a slot.
    """
    devnet, token = platform.devnet, platform.deployment.token
    human = Human(devnet, DevWallets(devnet.chain_id).requester())
    _, first = human.launch(token, BUDGET)
    found: dict[str, Any] = {"create": first.gas_used}
    bills = {}
    # the oracles get fees: they hold the token already, as ours do after the first job
    platform.endow([oracle.address for oracle in human.oracles.values()])

    def job(name: str, workers: Sequence[bytes], rounds: int, paid_each: bool = True) -> None:
        bill = bills[name] = Bill(devnet)
        escrow, _ = human.launch(token, BUDGET)
        bill.charge("create")
        for number in range(1, rounds + 1):
            since = 1 if paid_each else number
            amounts = [due(place, since) for place in range(len(workers))]
            earned = [due(place, 1) for place in range(len(workers))]
            human.report(escrow, sum(earned))
            bill.charge("results")
            if paid_each or number == rounds:
                human.pay(escrow, workers, amounts, last=number == rounds)
                bill.charge("pay")

    for rounds, name in ((1, "job"), (EPOCHS, "ten_epochs")):
        for kind in ("holders", "new"):
            # as new as ours: other names, none of them seen before
            workers = people(f"human {name} {kind}", WORKERS)
            if kind == "holders":
                platform.endow(workers)
            job(f"{name}_{kind}", workers, rounds)
    workers = people("human paid once", WORKERS)
    platform.endow(workers)
    job("ten_epochs_holders_paid_once", workers, EPOCHS, paid_each=False)

    for kind in ("holders", "new"):
        found[f"pay_100_{kind}"] = bills[f"job_{kind}"].by_step()["pay"]
    found["results"] = bills["job_holders"].by_step()["results"]
    found["job_requester"] = max(
        bills[f"job_{kind}"].gas(human.requester.address) for kind in ("holders", "new")
    )
    found["pay_100_holders_again"] = bills["ten_epochs_holders"].steps["pay"][1].gas
    escrow, later = human.launch(token, BUDGET)
    human.report(escrow, BUDGET)
    found["create_later"] = later.gas_used
    found["refuses_101"] = human.refusal(escrow, people("too many", WORKERS + 1))
    found["own_token"] = measure_round(human, human.token.address)
    lean = Human(devnet, DevWallets(devnet.chain_id).requester(), lean=True)
    found["lean"] = measure_round(lean, token)
    found["bugs"] = {
        "slash_leaves_fees_unbacked": human.slash_leaves_fees_unbacked(),
        "slash_while_unstaking_locks_funds": human.slash_while_unstaking_locks_funds(),
    }
    return found | {name: bill.gas() for name, bill in bills.items()}, bills


def measure_round(human: Human, token: bytes) -> dict[str, int]:
    """HUMAN's job of one round, in whatever token."""
    found = {}
    amounts = [due(place, 1) for place in range(WORKERS)]
    workers = people(f"round {human.lean}", WORKERS)
    for kind in ("new", "holders"):  # those that were new hold it the second time
        escrow, created = human.launch(token, BUDGET)
        found["create"] = created.gas_used
        found["results"] = human.report(escrow, sum(amounts)).gas_used
        found[f"pay_100_{kind}"] = human.pay(escrow, workers, amounts, last=True).gas_used
    return found


def measure_uniswap(platform: Platform) -> tuple[dict[str, int], dict[str, Bill]]:
    """Claims of a distribution to LEAVES accounts. 256 accounts share a word of claim flags: who
    comes first pays for it, the others don't.
    """
    token = platform.deployment.token
    accounts = people("uniswap", LEAVES)
    flags = 256
    platform.endow(accounts[: SAMPLE + 1])
    sender = Sender(platform.devnet.w3, DevWallets(platform.devnet.chain_id).relayer)
    deployment = Bill(platform.devnet)
    dues = [(account, due(number, 1)) for number, account in enumerate(accounts)]
    distribution = Distribution(sender, token, dues)
    deployment.charge("deploy")
    platform.requester.transfer(token, distribution.contract.address, BUDGET)

    def dearest(numbers: Sequence[int]) -> int:
        return max(distribution.claim(number).gas_used for number in numbers)

    found = {
        "deploy": deployment.gas(),
        "claim_holder_first_of_word": dearest(range(1)),
        "claim_holder": dearest(range(1, SAMPLE + 1)),
        "claim_new": dearest(range(SAMPLE + 1, 2 * SAMPLE + 1)),
        "claim_new_first_of_word": dearest(range(flags, flags + 1)),
    }
    return found, {}


def price(bill: Bill, epochs: int) -> dict[str, float]:
    """USD per label of a job, all its transactions counted."""
    labels = LABELS_PER_WORKER_AND_EPOCH * WORKERS * epochs
    gas, size = bill.gas(), sum(row.size for row in bill.rows())
    gwei = ETHER_USD / 1e9
    return {
        "labels": labels,
        "gas_per_label": gas / labels,
        "bytes": size,
        "mainnet_usd_per_label": gas * MAINNET_GWEI * gwei / labels,
        "l2_usd_per_label": (gas * L2_GWEI + size * BLOB_GWEI) * gwei / labels,
    }


def prices(bills: dict[str, dict[str, Bill]]) -> dict[str, Any]:
    return {
        "assumed": {
            "date": PRICES_OF,
            "ether_usd": ETHER_USD,
            "mainnet_gwei": MAINNET_GWEI,
            "l2_gwei": L2_GWEI,
            "blob_gwei": BLOB_GWEI,
            "solana_usd": SOLANA_USD,
            "solana_lamports_per_signature": SOLANA_LAMPORTS,
            "labels_per_worker_and_epoch": LABELS_PER_WORKER_AND_EPOCH,
        },
        "solana_base_fee_usd": SOLANA_LAMPORTS / 1e9 * SOLANA_USD,
        "jobs": {
            f"{owner}.{name}": price(bill, EPOCHS if name.startswith("ten") else 1)
            for owner, jobs in bills.items()
            for name, bill in jobs.items()
        },
    }


def plot(report: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    colors = {"ours": "tab:blue", "human": "tab:orange", "uniswap": "tab:green"}
    figure, panels = pyplot.subplots(2, 2, figsize=(13, 8.5), layout="constrained")

    def bars(axes: Any, title: str, rows: Sequence[tuple[str, str, float]]) -> None:
        """Rows of label, whose, gas."""
        drawn = axes.barh(
            [label for label, _, _ in rows],
            [gas for _, _, gas in rows],
            color=[colors[owner] for _, owner, _ in rows],
        )
        axes.bar_label(drawn, [f"{gas:,.0f}" for _, _, gas in rows], padding=3, fontsize=8)
        finish(axes, title)

    def finish(axes: Any, title: str) -> None:
        axes.set(title=title, xlabel="gas")
        axes.xaxis.set_major_formatter(lambda gas, _: f"{gas / 1e6:g} M")
        axes.margins(x=0.25)
        axes.invert_yaxis()

    def legend(axes: Any) -> None:
        axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.14), ncols=5, fontsize=8)

    ours, human, uniswap = (report[owner] for owner in colors)
    bars(
        panels[0, 0],
        f"The requester's own: a job of {WORKERS} workers",
        [
            ("ours: create", "ours", ours["create"]),
            ("HUMAN: create", "human", human["create"]),
            ("ours: create to refund", "ours", ours["job_requester"]),
            ("HUMAN: create to refund", "human", human["job_requester"]),
        ],
    )
    bars(
        panels[0, 1],
        f"To pay one worker; trees of {LEAVES:,} leaves",
        [
            ("ours: first claim, new", "ours", ours["claim_first_new"]),
            ("Uniswap: claim, new", "uniswap", uniswap["claim_new"]),
            ("ours: first claim, holder", "ours", ours["claim_first_holder"]),
            ("Uniswap: claim, holder", "uniswap", uniswap["claim_holder"]),
            ("ours: claim again", "ours", ours["claim_repeat"]),
            ("ours: first in a batch, new", "ours", ours["batch_first_new"]),
            ("HUMAN: 1 of 100, new", "human", human["pay_100_new"] / WORKERS),
            ("ours: first in a batch, holder", "ours", ours["batch_first_holder"]),
            ("ours: again in a batch", "ours", ours["batch_repeat"]),
            ("HUMAN: 1 of 100, holder", "human", human["pay_100_holders"] / WORKERS),
        ],
    )
    jobs = {
        "ours: paid once, holders": "ours.ten_epochs_holders",
        "HUMAN: paid each epoch, holders": "human.ten_epochs_holders",
        "ours: paid once, new": "ours.ten_epochs_new",
        "HUMAN: paid each epoch, new": "human.ten_epochs_new",
        "ours: paid each epoch, holders": "ours.ten_epochs_holders_paid_each",
        "HUMAN: paid once, holders": "human.ten_epochs_holders_paid_once",
    }
    steps = {
        "create": "tab:red",
        "receipts": "tab:purple",
        "results": "tab:pink",
        "pay": "tab:cyan",
        "close and refund": "tab:olive",
    }
    left = [0] * len(jobs)
    axes = panels[1, 0]
    for step, color in steps.items():
        parts = [report["steps"][key].get(step, 0) for key in jobs.values()]
        drawn = axes.barh(list(jobs), parts, left=left, color=color, label=step)
        left = [before + part for before, part in zip(left, parts, strict=True)]
    axes.bar_label(drawn, [f"{gas:,}" for gas in left], padding=3, fontsize=8)
    finish(axes, f"All of a job: {WORKERS} workers, {EPOCHS} epochs")
    legend(axes)

    found, assumed = report["prices"], report["prices"]["assumed"]
    axes = panels[1, 1]
    for key, label, marker in (
        ("mainnet_usd_per_label", f"mainnet, {assumed['mainnet_gwei']:g} gwei", "k^"),
        ("l2_usd_per_label", f"L2, {assumed['l2_gwei']:g} gwei and blobs", "ks"),
    ):
        usd = [1_000 * found["jobs"][name][key] for name in jobs.values()]
        axes.plot(usd, range(len(jobs)), marker, label=label)
        for place, one in enumerate(usd):
            axes.annotate(
                f"{one:.2g}", (one, place), (7, 0), textcoords="offset points", fontsize=8
            )
    axes.axvline(
        1_000 * found["solana_base_fee_usd"],
        color="black",
        linestyle=":",
        label="Solana's base fee for 1,000 transactions",
    )
    axes.set_yticks(range(len(jobs)), list(jobs))
    axes.set(
        xscale="log",
        xlabel=f"USD, at prices assumed on {assumed['date']} (see gas.json)",
        title="1,000 labels' share of the same jobs",
    )
    axes.margins(x=0.15)
    axes.grid(alpha=0.3)
    axes.invert_yaxis()
    legend(axes)
    figure.savefig(path, dpi=120)


def look_up(report: dict[str, Any], key: str) -> Any:
    value: Any = report
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def judge(report: dict[str, Any]) -> dict[str, Any]:
    """Each limit, what was found, and whether it holds; None where nothing was found."""
    verdicts = {}
    for key, limit in LIMITS.items():
        found = look_up(report, key)
        verdicts[key] = {
            "limit": limit,
            "found": found,
            "holds": None if found is None else found <= limit,
        }
    return verdicts


def lines(name: str, value: Any) -> list[str]:
    """One line for each figure of a nested report."""
    if isinstance(value, dict):
        return [line for key, part in value.items() for line in lines(f"{name}.{key}", part)]
    shown = f"{value:,.0f}" if isinstance(value, (int, float)) and value is not True else value
    return [f"{name:44} {shown if value is not False else value!s:>14}"]


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "about": {
            "leaves": LEAVES,
            "workers": WORKERS,
            "epochs": EPOCHS,
            "signers": f"{THRESHOLD} of {OPERATORS}",
            "fee_bps": FEE_BPS,
            "human_fees_percent": HUMAN_FEES,
        }
    }
    bills: dict[str, dict[str, Bill]] = {}
    failed = False
    parts: dict[str, Callable[[Platform], Any]] = {
        "ours": measure_ours,
        "human": measure_human,
        "uniswap": measure_uniswap,
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        Devnet(folder, genesis_timestamp=GENESIS, step_seconds=1) as devnet,
    ):
        platform = Platform(devnet)
        for name, measure in parts.items():
            try:
                report[name], bills[name] = measure(platform)
            except DDLPError as error:
                failed = True
                report[name] = {}
                print(f"{name}: not measured: {error}", file=sys.stderr)
            print("\n".join(lines(name, report[name])), flush=True)
    report["steps"] = {
        f"{owner}.{name}": bill.by_step()
        for owner, jobs in bills.items()
        for name, bill in jobs.items()
    }
    report["prices"] = prices(bills)
    report["limits"] = judge(report)
    (OUT / "gas.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for key, verdict in report["limits"].items():
        word = {True: "holds", False: "EXCEEDS", None: "NOT MEASURED"}[verdict["holds"]]
        print(f"{key:28} {verdict['found'] or 0:12,.0f} of {verdict['limit']:10,}  {word}")
    if not failed:
        plot(report, OUT / "gas.png")
    print(f"written: {OUT / 'gas.json'}" + ("" if failed else " and gas.png"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
