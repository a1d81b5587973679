"""What a demonstration comes to, in figures: `report.json`, and the tables that people read.

Amounts are decimal strings of base units, gas is in units of gas, shares are from 0 to 1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rlp
from eth_utils.abi import function_abi_to_4byte_selector
from numpy.typing import NDArray

from oracle.auditor.report import VERDICTS, AuditReport
from oracle.chain.artifacts import load_artifact
from oracle.chain.proofs import to_int, transaction_hash
from oracle.consensus import dawid_skene, majority_vote
from oracle.evidence.signing import checksum
from oracle.protocol.campaign import EpochResult
from oracle.replay.coefficients import coefficients_report
from oracle.replay.play import Played
from oracle.replay.profiles import PPM, Crowd, Member

# What each step may cost at most: a promise of the contracts that the demonstration keeps.
GAS_LIMITS = {
    "create": 220_000,
    "post_finalize_first": 270_000,
    "post_finalize_later": 210_000,
    "claim_first": 105_000,
    "claim_repeat": 65_000,
    "batch_repeat": 30_000,
}


@dataclass(frozen=True)
class Spent:
    """A transaction to one of the contracts: what it called, its gas, its hash and block."""

    step: str
    gas: int
    transaction: bytes
    block: int


@dataclass(frozen=True)
class Run(Played):
    """A finished demonstration and who labeled in it.

    `started` is the block before the campaign's first transaction; `accounts` are the members by
    address.
    """

    seed: int
    crowd: Crowd
    accounts: Mapping[bytes, Member]
    stakers: Sequence[str]
    started: int


def build_report(run: Run, honest: AuditReport, altered: AuditReport) -> dict[str, Any]:
    """Return the report of a run with its audits, but for the seconds that all of it took."""
    receipt = run.last.receipt
    consensus, majority = accuracy(run, run.last)
    gas = gas_report(run)
    return {
        "version": 1,
        "seed": run.seed,
        "items": len(run.crowd.truth),
        "gold": len(run.last.gold),
        "labels": receipt.label_count,
        "contributors": len(run.crowd.members),
        "epochs": sum(not one.receipt.final for one in run.results),
        "receipts": [_receipt(run, result) for result in run.results],
        "accuracy": {"consensus": consensus, "majority": majority},
        **money_report(run),
        "gas": gas,
        "gas_limits": GAS_LIMITS,
        "gas_per_label": gas["total"] // receipt.label_count,
        "profiles": profiles_report(run),
        "people": people_report(run),
        "audit": audit_report(honest),
        "altered": _altered(run, altered),
    }


# -- answers -------------------------------------------------------------------------------------


def accuracy(run: Run, result: EpochResult) -> tuple[float, float]:
    """Accuracy of consensus and of majority vote on the labels opened so far.

    Both see the same labels, neither is told a gold answer, and only items that aren't gold count.
    """
    labels = result.labels
    items = sorted({label.item for label in labels})
    place = {item: number for number, item in enumerate(items)}
    accounts = {account: number for number, account in enumerate(result.accounts)}
    columns = (
        np.array([place[label.item] for label in labels], dtype=np.int64),
        np.array([accounts[label.contributor] for label in labels], dtype=np.int64),
        np.array([label.klass for label in labels], dtype=np.int64),
    )
    truth = np.array([run.crowd.truth[item] for item in items], dtype=np.int64)
    counted = np.array([item not in result.gold for item in items])
    exact, plain = (
        method(
            *columns,
            n_items=len(items),
            n_workers=len(accounts),
            n_classes=len(run.manifest.classes),
        ).answer
        for method in (dawid_skene, majority_vote)
    )
    return _share(exact, truth, counted), _share(plain, truth, counted)


def _share(
    answer: NDArray[np.int64], truth: NDArray[np.int64], counted: NDArray[np.bool_]
) -> float:
    right = int(((answer == truth) & counted).sum())
    return round(right / max(1, int(counted.sum())), 4)


def _receipt(run: Run, result: EpochResult) -> dict[str, Any]:
    receipt = result.receipt
    consensus, majority = accuracy(run, result)
    by_profile: defaultdict[str, list[int]] = defaultdict(list)
    for row in result.evidence.contributors:
        by_profile[run.accounts[row.account].profile.name].append(row.agreement)
    terms = result.ledger.terms(receipt.epoch)
    return {
        "epoch": receipt.epoch,
        "final": receipt.final,
        "labels": receipt.label_count,
        "items": receipt.item_count,
        "accuracy": {"consensus": consensus, "majority": majority},
        "agreement": round(receipt.agreement / PPM, 4),
        "agreement_by_profile": {
            name: round(sum(values) / len(values) / PPM, 4) for name, values in by_profile.items()
        },
        "coefficients": coefficients_report(result, run.manifest.classes),
        "reward": str(terms.reward),
        "threshold": terms.threshold_ppm / PPM,
        "payout_total": str(receipt.payout_total),
        "payout_root": "0x" + receipt.payout_root.hex(),
        "evidence": "0x" + receipt.evidence.hex(),
    }


# -- money ---------------------------------------------------------------------------------------


def money_report(run: Played) -> dict[str, Any]:
    """What went into the escrow and where it went: funded = paid + refunded + fees + unclaimed."""
    (created,) = run.named("CampaignCreated")
    (refunded,) = run.named("Refunded")
    receipt = run.last.receipt
    budget, bond = created.arguments["budget"], created.arguments["bond"]
    paid = sum(event.arguments["amount"] for event in run.named("Paid"))
    withdrawn = sum(event.arguments["amount"] for event in run.named("FeesWithdrawn"))
    slashed = sum(event.arguments["taken"] for event in run.named("SlashExecuted"))
    back = refunded.arguments["budget"] + refunded.arguments["bond"]
    amounts = {
        "funded": budget + bond,
        "paid": paid,
        "refunded": back,
        "fees": receipt.fee_total,
        "unclaimed": receipt.payout_total - paid,
        "slashed": slashed,
    }
    parts = {
        "budget": budget,
        "bond": bond,
        "budget_refunded": refunded.arguments["budget"],
        "bond_refunded": refunded.arguments["bond"],
        "fees_withdrawn": withdrawn,
        "left_over": budget + bond - paid - back - receipt.fee_total - amounts["unclaimed"],
    }
    return {**_texts(amounts), "money": _texts(parts)}


def _texts(amounts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


# -- gas -----------------------------------------------------------------------------------------


def gas_report(run: Run) -> dict[str, Any]:
    """Gas by step. Where a step was taken several times, the dearest counts; `total` is all that
    the campaign took from its creation on, `steps` the mean of each function."""
    spent = [one for one in transactions(run) if one.block > run.started]
    by_hash = {one.transaction: one.gas for one in spent}
    posts = [by_hash[event.transaction] for event in run.named("ReceiptPosted")]
    finals = [by_hash[event.transaction] for event in run.named("ReceiptFinalized")]
    settled = [post + final for post, final in zip(posts, finals, strict=True)]
    by_step: defaultdict[str, list[int]] = defaultdict(list)
    for one in spent:
        by_step[one.step].append(one.gas)
    return {
        "total": sum(by_hash.values()),
        "create": max(by_step["create"]),
        "post": max(posts),
        "finalize": max(finals),
        "post_finalize_first": settled[0],
        "post_finalize_later": max(settled[1:]),
        **claim_gas(run, spent),
        "steps": [
            {
                "step": step,
                "transactions": len(values),
                "total": sum(values),
                "mean": sum(values) // len(values),
            }
            for step, values in by_step.items()
        ],
    }


def claim_gas(run: Run, spent: Iterable[Spent]) -> dict[str, int]:
    """The dearest first claim and repeated claim, and an account's share of the largest batch in
    which all had claimed before: `batch_repeat`, of `batch_accounts`."""
    paid: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for event in run.named("Paid"):
        paid[event.transaction].append(event.arguments["account"])
    seen: set[bytes] = set()
    found: defaultdict[str, list[int]] = defaultdict(list)
    largest, share = 0, 0
    for one in spent:
        accounts = paid.get(one.transaction, [])
        if one.step == "claim" and accounts:
            found["claim_repeat" if accounts[0] in seen else "claim_first"].append(one.gas)
        elif one.step == "claim_batch" and len(accounts) > largest and seen.issuperset(accounts):
            largest, share = len(accounts), -(-one.gas // len(accounts))
        seen.update(accounts)
    return {
        "claim_first": max(found["claim_first"]),
        "claim_repeat": max(found["claim_repeat"]),
        "batch_repeat": share,
        "batch_accounts": largest,
    }


def transactions(run: Played) -> list[Spent]:
    """Every transaction to one of the contracts, in order, by the function that it called."""
    steps: dict[tuple[bytes, bytes], str] = {}
    for name, address in run.deployment.addresses.items():
        functions: list[Any] = [one for one in load_artifact(name).abi if one["type"] == "function"]
        for function in functions:
            steps[address, function_abi_to_4byte_selector(function)] = function["name"]
    found = []
    for recorded in run.record.blocks:
        before = 0
        for raw, receipt in zip(recorded.transactions, recorded.receipts, strict=True):
            used = to_int(receipt["cumulativeGasUsed"], "cumulativeGasUsed")
            # EIP-1559: type byte, then [chain id, nonce, tip, fee, gas, to, value, data, …]
            fields = rlp.decode(raw[1:])
            step = steps.get((fields[5], fields[7][:4]))
            if step is not None:
                number = recorded.block.number
                found.append(Spent(step, used - before, transaction_hash(raw), number))
            before = used
    return found


# -- people --------------------------------------------------------------------------------------


def people_report(run: Run) -> list[dict[str, Any]]:
    """One row per contributor, in the crowd's order."""
    earned = {leaf.account: leaf.cumulative for leaf in run.last.evidence.leaves}
    judged = {row.account: row for row in run.last.evidence.contributors}
    paid: Counter[bytes] = Counter()
    slashed: Counter[bytes] = Counter()
    for event in run.named("Paid"):
        paid[event.arguments["account"]] += event.arguments["amount"]
    for event in run.named("SlashExecuted"):
        slashed[event.arguments["account"]] += event.arguments["taken"]
    rows = []
    for account, member in run.accounts.items():
        labels = [label for label in run.last.labels if label.contributor == account]
        right = sum(run.crowd.truth[label.item] == label.klass for label in labels)
        row = judged.get(account)
        rows.append(
            {
                "name": member.name,
                "profile": member.profile.name,
                "honest": member.profile.honest,
                "account": checksum(account),
                "staked": member.name in run.stakers,
                "labels": len(labels),
                "right": round(right / max(1, len(labels)), 4),
                "agreement": round(row.agreement / PPM, 4) if row else 0.0,
                "gold_right": row.gold_right if row else 0,
                "gold_total": row.gold_total if row else 0,
                "passed": bool(row and row.passed),
                "earned": str(earned.get(account, 0)),
                "per_label": str(earned.get(account, 0) // max(1, len(labels))),
                "paid": str(paid[account]),
                "slashed": str(slashed[account]),
            }
        )
    return rows


def profiles_report(run: Run) -> list[dict[str, Any]]:
    """One row per profile, with its stated and its observed confusion matrix (rows: truth)."""
    people = people_report(run)
    rows = []
    for profile in run.crowd.profiles.values():
        own = [row for row in people if row["profile"] == profile.name]
        labels = sum(row["labels"] for row in own)
        observed = observed_confusion(run, profile.name)
        right = sum(observed[klass][klass] for klass in range(len(observed)))
        earned, paid, slashed = (
            sum(int(row[name]) for row in own) for name in ("earned", "paid", "slashed")
        )
        rows.append(
            {
                "name": profile.name,
                "honest": profile.honest,
                "contributors": len(own),
                "labels": labels,
                "right": round(right / max(1, labels), 4),
                "earned": str(earned),
                "per_label": str(earned // max(1, labels)),
                "paid": str(paid),
                "slashed": str(slashed),
                "confusion": {
                    "stated": [[share / PPM for share in row] for row in profile.confusion],
                    "observed": observed,
                },
            }
        )
    return rows


def observed_confusion(run: Run, profile: str) -> list[list[int]]:
    """Count a profile's labels by truth (row) and answer (column)."""
    counts = [[0] * run.crowd.classes for _ in range(run.crowd.classes)]
    for label in run.last.labels:
        if run.accounts[label.contributor].profile.name == profile:
            counts[run.crowd.truth[label.item]][label.klass] += 1
    return counts


# -- audits --------------------------------------------------------------------------------------


def audit_report(report: AuditReport) -> dict[str, Any]:
    """The verdicts, what they rest on, and what was found."""
    return {
        **{name: getattr(report, name) for name in VERDICTS},
        "verdict": report.verdict,
        "checks": report.checks,
        "seconds": round(report.seconds, 3),
        "findings": [f"{one.code} {one.place}: {one.sentence}" for one in report.findings],
        "last_block": report.last_block,
        "last_hash": report.last_hash,
        "binding": report.binding,
    }


def _altered(run: Run, report: AuditReport) -> dict[str, Any]:
    """What the auditor says of the copy: the finding that names the padded payout first."""
    first = next(
        (one for one in report.findings if one.code == "PAYOUT-PADDED"),
        report.findings[0] if report.findings else None,
    )
    return {
        "folder": "altered",
        "verdict": report.verdict,
        "findings": len(report.findings),
        "code": first.code if first is not None else "",
        "place": first.place if first is not None else "",
        "sentence": first.sentence if first is not None else "",
    }
