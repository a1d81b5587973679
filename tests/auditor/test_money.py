"""What the contracts would refuse, on a chain where they didn't: the auditor trusts no chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.auditor import AuditReport, audit
from oracle.chain.deployment import Deployment
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import resigned
from tests.auditor.paper import (
    NAMES,
    OPERATORS,
    Log,
    PaperRun,
    addresses,
    event_log,
    honest_run,
    transfer,
)
from tests.support.world import TOKEN, key_of

ESCROW = addresses()["CampaignEscrow"]
THIEF = address_of(key_of("thief"))


def paid(account: bytes, epoch: int, amount: int) -> Log:
    counters = {"accepted": 1, "submitted": 1}
    values = {"campaign": 1, "account": account, "epoch": epoch, "amount": amount}
    return event_log("CampaignEscrow", "Paid", **values, **counters)


def test_audit__honest_run__verified_to_the_last_unit(tmp_path: Path) -> None:
    run = honest_run()
    run.finish()

    report = audit(run.write(tmp_path))

    assert report.verdict == "verified"
    assert report.findings == ()
    assert (report.money, report.consensus, report.availability) == ("verified",) * 3
    assert report.checks > 1000
    own = report.campaigns[0]
    assert own.paid == run.results[-1].receipt.payout_total
    assert own.budget + own.bond == own.paid + own.refunded + own.held
    assert own.held == own.fees == report.sums["fees_withdrawn"]
    assert own.unclaimed == 0
    assert report.last_hash == run.headers[-1]["hash"]


# -- thefts that only a false contract could log -----------------------------------------------


def transfer_out(run: PaperRun) -> None:
    run.mine(transfer(ESCROW, THIEF, TOKEN))


def claim_without_leaf(run: PaperRun) -> None:
    run.mine(paid(THIEF, 1, 5), transfer(ESCROW, THIEF, 5))


def claim_twice(run: PaperRun) -> None:
    run.claim(run.results[1])
    leaf = run.results[1].evidence.leaves[0]
    run.mine(paid(leaf.account, 2, 9), transfer(ESCROW, leaf.account, 9))


def claim_of_no_receipt(run: PaperRun) -> None:
    leaf = run.results[0].evidence.leaves[0]
    run.mine(paid(leaf.account, 9, 9), transfer(ESCROW, leaf.account, 9))


def claim_that_pays_nobody(run: PaperRun) -> None:
    leaf = run.results[1].evidence.leaves[0]
    run.mine(paid(leaf.account, 2, leaf.cumulative))


def claim_in_part(run: PaperRun) -> None:
    leaf = run.results[1].evidence.leaves[0]
    run.mine(paid(leaf.account, 2, 1), transfer(ESCROW, leaf.account, 1))


def fees_of_others(run: PaperRun) -> None:
    values = {
        "operator": THIEF,
        "token": addresses()["LabelToken"],
        "quorum": 1 << 32 | 3,
        "amount": 7,
    }
    run.mine(event_log("CampaignEscrow", "FeesWithdrawn", **values), transfer(ESCROW, THIEF, 7))


def refund_while_running(run: PaperRun) -> None:
    run.refund()


def close_by_a_stranger(run: PaperRun) -> None:
    run.mine(event_log("CampaignEscrow", "CampaignClosed", campaign=1, caller=THIEF))


def budget_out_of_nothing(run: PaperRun) -> None:
    budget = run.budget + TOKEN
    values = {"campaign": 1, "payer": THIEF, "amount": TOKEN, "budget": budget}
    run.mine(event_log("CampaignEscrow", "Funded", **values))


def slash_without_proof(run: PaperRun) -> None:
    values = {"campaign": 1, "account": THIEF, "epoch": 1, "demanded": 4, "taken": 4}
    run.mine(event_log("ReceiptBoard", "SlashExecuted", **values))


def pledge_taken_back(run: PaperRun) -> None:
    values = {"payer": THIEF, "requester": THIEF, "token": addresses()["LabelToken"], "amount": 3}
    run.mine(event_log("CampaignEscrow", "PledgeWithdrawn", **values), transfer(ESCROW, THIEF, 3))


def minority_may_sign(run: PaperRun) -> None:
    members = [address_of(key_of(name)) for name in OPERATORS]
    named = {"operator_set": 2, "operators": members, "threshold": 1}
    run.mine(event_log("ReceiptBoard", "OperatorsSet", **named))


def bond_below_cap(run: PaperRun) -> None:
    raised = {"campaign": 1, "previous": run.epoch_cap, "current": run.bond + 1}
    run.mine(event_log("CampaignEscrow", "EpochCapRaised", **raised))


def settled_from_nowhere(run: PaperRun) -> None:
    receipt = replace(run.results[1].receipt, epoch=3)
    run.mine(run.finalized(receipt, run.results[1].receipt)[0])


def campaign_from_nowhere(run: PaperRun) -> None:
    run.mine(event_log("CampaignEscrow", "CampaignClosed", campaign=5, caller=THIEF))


THEFTS = {
    transfer_out: "OUTFLOW-UNTRACED",
    claim_without_leaf: "CLAIM-UNKNOWN",
    claim_twice: "CLAIM-EXCESS",
    claim_of_no_receipt: "CLAIM-UNFINALIZED",
    claim_that_pays_nobody: "OUTFLOW-MISSING",
    claim_in_part: "CLAIM-AMOUNT",
    fees_of_others: "FEES-EXCESS",
    refund_while_running: "REFUND-EARLY",
    close_by_a_stranger: "CLOSE-EARLY",
    budget_out_of_nothing: "INFLOW-MISSING",
    slash_without_proof: "SLASH-EXCESS",
    pledge_taken_back: "PLEDGE-EXCESS",
    minority_may_sign: "OPERATORS-MINORITY",
    bond_below_cap: "CAMPAIGN-TERMS",
    settled_from_nowhere: "RECEIPT-MISSING",
    campaign_from_nowhere: "CONTRACT-EVENT",
}


@pytest.mark.parametrize("theft", THEFTS, ids=lambda theft: theft.__name__)
def test_audit__chain_logs_a_theft__own_code_comes_first(
    theft: Callable[[PaperRun], None], tmp_path: Path
) -> None:
    run = worked(PaperRun())
    theft(run)

    report = audit(run.write(tmp_path))

    assert report.money == "findings"
    assert report.findings[0].code == THEFTS[theft], report.findings[:4]
    assert report.findings[0].severity.text == "fraud"


def test_audit__refund_too_large__refund_amount(tmp_path: Path) -> None:
    run = honest_run()
    run.close()
    run.pass_time(run.manifest.lease_seconds + 60)
    run.cut(final=True)
    run.refund(more=3)

    assert first(audit(run.write(tmp_path))) == "REFUND-AMOUNT"


def test_audit__claim_after_refund__allowed(tmp_path: Path) -> None:
    run = honest_run()
    run.close()
    run.pass_time(run.manifest.lease_seconds + 60)
    final = run.cut(final=True)
    run.refund()
    run.claim(final)

    assert audit(run.write(tmp_path)).verdict == "verified"


def test_audit__campaign_goes_on_after_refund__after_refund(tmp_path: Path) -> None:
    run = honest_run()
    run.finish()
    run.mine(event_log("CampaignEscrow", "CampaignClosed", campaign=1, caller=run.requester))

    assert "AFTER-REFUND" in [one.code for one in audit(run.write(tmp_path)).findings]


def test_audit__donation__noted_and_still_verified(tmp_path: Path) -> None:
    run = honest_run()
    run.mine(transfer(b"\0" * 20, THIEF, 5), transfer(THIEF, ESCROW, 5))

    report = audit(run.write(tmp_path))

    assert [one.code for one in report.findings] == ["INFLOW-UNANNOUNCED"]
    assert report.verdict == "verified"


def test_audit__balance_proven_lower_than_transfers__conservation(tmp_path: Path) -> None:
    class Drained(PaperRun):
        def token_words(self, deployment: Deployment) -> dict[bytes, int]:
            return {slot: value - 1 for slot, value in super().token_words(deployment).items()}

    report = audit(run_of(Drained).write(tmp_path))

    found = [(one.code, one.place) for one in report.findings]
    assert found == [
        ("TOKEN-SUPPLY", "LabelToken"),
        ("CONSERVATION", "escrow"),
        ("CONSERVATION", "vault"),
    ]


def test_audit__stake_leaves_the_vault__traced_or_not(tmp_path: Path) -> None:
    run = honest_run()
    operator, vault = address_of(key_of("operator 2")), addresses()["StakeVault"]
    values = {"account": operator, "role": 2, "amount": 4}
    run.mine(event_log("StakeVault", "Withdrawn", **values), transfer(vault, operator, 4))
    assert audit(run.write(tmp_path / "withdrawn")).verdict == "verified"

    run = honest_run()
    run.mine(transfer(vault, THIEF, 4))
    assert first(audit(run.write(tmp_path / "stolen"))) == "OUTFLOW-UNTRACED"


def test_audit__finalized_without_settlement__settled_mismatch(tmp_path: Path) -> None:
    class Forgetful(PaperRun):
        def finalized(self, receipt: object, before: object) -> list[Log]:
            return super().finalized(receipt, before)[1:]  # type: ignore[arg-type]

    assert first(audit(run_of(Forgetful).write(tmp_path))) == "SETTLED-MISMATCH"


def test_audit__refund_to_a_stranger__refund_recipient(tmp_path: Path) -> None:
    run = honest_run()
    run.close()
    run.pass_time(run.manifest.lease_seconds + 60)
    run.cut(final=True)
    run.requester = THIEF
    run.refund()

    assert first(audit(run.write(tmp_path))) == "REFUND-RECIPIENT"


# -- receipts that the board would refuse ------------------------------------------------------


@pytest.mark.parametrize(
    ("signers", "code"),
    [
        (("operator 0", "stranger"), "OUTSIDER-SIGNATURE"),
        (("operator 0",), "QUORUM"),
        (("operator 0", "operator 0"), "SIGNATURE-REPEATED"),
    ],
)
def test_audit__wrong_signers__own_code(
    signers: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    assert first(audit(honest_run(signers=signers).write(tmp_path))) == code


def test_audit__signer_without_stake__inactive_signature(tmp_path: Path) -> None:
    run = PaperRun()
    operator = address_of(key_of("operator 0"))
    run.mine(event_log("ReceiptBoard", "OperatorSynced", operator=operator, active=False))
    assert first(audit(worked(run).write(tmp_path))) == "INACTIVE-SIGNATURE"


def test_audit__other_signers_credited__signers_bitmap(tmp_path: Path) -> None:
    class Credited(PaperRun):
        bitmap = 0b110

    assert first(audit(run_of(Credited).write(tmp_path))) == "SIGNERS-BITMAP"


def test_audit__finalized_within_the_window__window_short(tmp_path: Path) -> None:
    class Hasty(PaperRun):
        def pass_time(self, seconds: int) -> None:
            super().pass_time(10 if seconds == 70 else seconds)

    assert first(audit(run_of(Hasty).write(tmp_path))) == "WINDOW-SHORT"


def test_audit__settled_other_sums__settled_mismatch(tmp_path: Path) -> None:
    class Generous(PaperRun):
        def finalized(self, receipt: object, before: object) -> list[Log]:
            logs = super().finalized(receipt, before)  # type: ignore[arg-type]
            logs[0]["data"] = logs[0]["data"][:-1] + "1"  # complete
            return logs

    assert first(audit(run_of(Generous).write(tmp_path))) == "SETTLED-MISMATCH"


def test_audit__reserved_another_sum__reserved_mismatch(tmp_path: Path) -> None:
    class Careless(PaperRun):
        def posted(self, receipt: object, before: object) -> list[Log]:
            logs = super().posted(receipt, before)  # type: ignore[arg-type]
            logs[0]["data"] = logs[0]["data"][:-2] + "ff"
            return logs

    assert first(audit(run_of(Careless).write(tmp_path))) == "RESERVED-MISMATCH"


def test_audit__digest_logged_of_another_receipt__receipt_digest(tmp_path: Path) -> None:
    class Lying(PaperRun):
        def posted(self, receipt: object, before: object) -> list[Log]:
            logs = super().posted(receipt, before)  # type: ignore[arg-type]
            logs[1]["topics"][2] = "0x" + "ab" * 32
            return logs

    assert first(audit(run_of(Lying).write(tmp_path))) == "RECEIPT-DIGEST"


def test_audit__more_than_the_cap__cap_exceeded(tmp_path: Path) -> None:
    run = run_of(PaperRun, tamper=_beyond_the_cap)
    codes = [one.code for one in audit(run.write(tmp_path)).findings]
    assert "CAP-EXCEEDED" in codes
    assert "BUDGET-EXCEEDED" in codes


def _beyond_the_cap(run: PaperRun, result: EpochResult) -> EpochResult:
    if result.receipt.epoch != 2:
        return result
    first_leaf = result.evidence.leaves[0]
    leaves = (replace(first_leaf, cumulative=2_000 * TOKEN), *result.evidence.leaves[1:])
    return resigned(run, result, replace(result.evidence, leaves=leaves))


# -- contracts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LabelToken", "StakeVault", "CampaignEscrow", "ReceiptBoard"])
def test_audit__bytecode_differs_by_a_byte__contract_code(name: str, tmp_path: Path) -> None:
    class LookAlike(PaperRun):
        def code(self, deployment: Deployment, contract: str) -> bytes:
            code = super().code(deployment, contract)
            return code[:100] + bytes([code[100] ^ 1]) + code[101:] if contract == name else code

    report = audit(run_of(LookAlike).write(tmp_path))

    assert [one.code for one in report.findings] == ["CONTRACT-CODE"]
    assert (report.money, report.consensus) == ("findings", "unknown")


def test_audit__immutable_differs__contract_code(tmp_path: Path) -> None:
    class Rewired(PaperRun):
        def code(self, deployment: Deployment, contract: str) -> bytes:
            return super().code(deployment, contract)[:-1] + b"\7"

    report = audit(run_of(Rewired).write(tmp_path))
    assert {one.code for one in report.findings} == {"CONTRACT-CODE"}
    assert len(report.findings) == 4


def run_of(kind: type[PaperRun], **changes: object) -> PaperRun:
    return worked(kind(**changes))  # type: ignore[arg-type]


def worked(run: PaperRun) -> PaperRun:
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for _ in range(2):
        run.label(NAMES)
        run.cut()
    return run


def first(report: AuditReport) -> str:
    return report.findings[0].code
