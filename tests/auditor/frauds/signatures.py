"""Who signed a receipt, and whether that is enough."""

from __future__ import annotations

from typing import Any

from oracle.evidence.signing import address_of, compact, sign
from oracle.evidence.structs import Domain, Receipt
from oracle.protocol.campaign import EpochResult
from tests.auditor.frauds.catalogue import chain, quorum
from tests.auditor.paper import (
    NOBODY,
    OPERATORS,
    STAKE,
    Log,
    PaperRun,
    addresses,
    event_log,
    transfer,
)
from tests.support.world import key_of


def _repost(run: PaperRun, **changes: Any) -> None:
    """The next receipt's event says otherwise."""
    honest = run.posted

    def posted(receipt: Receipt, before: Receipt | None) -> list[Log]:
        values = {
            "campaign": 1,
            "digest": receipt.digest(run.facts.board_domain),
            "poster": address_of(key_of("relayer")),
            "operator_set": 1,
            "signers": run.bitmap,
            "receipt": receipt.as_tuple(),
            "signatures": [],
        }
        for name, change in changes.items():
            values[name] = change(receipt)
        if "signatures" not in changes:
            keys = sorted((key_of(name) for name in run.signers), key=address_of)
            values["signatures"] = [compact(sign(key, values["digest"])) for key in keys]
        return [honest(receipt, before)[0], event_log("ReceiptBoard", "ReceiptPosted", **values)]

    run.posted = posted  # type: ignore[method-assign]


def _signed(run: PaperRun, digest: bytes) -> list[tuple[bytes, bytes]]:
    keys = sorted((key_of(name) for name in run.signers), key=address_of)
    return [compact(sign(key, digest)) for key in keys]


@quorum("OUTSIDER-SIGNATURE")
def outsider(run: PaperRun, result: EpochResult) -> EpochResult:
    """A stranger signs in the place of an operator."""
    run.signers = ("operator 2", "stranger")
    return result


@quorum("QUORUM")
def too_few(run: PaperRun, result: EpochResult) -> EpochResult:
    """One operator signs alone where two must."""
    run.signers = ("operator 2",)
    return result


@quorum("SIGNATURE-REPEATED")
def one_operator_twice(run: PaperRun, result: EpochResult) -> EpochResult:
    """One operator signs twice, to be two."""
    run.signers = ("operator 2", "operator 2")
    return result


@quorum("SIGNATURE-INVALID")
def signature_of_no_key(run: PaperRun, result: EpochResult) -> EpochResult:
    """A second signature is no point of the curve."""
    digest = result.receipt.digest(run.facts.board_domain)
    _repost(run, signatures=lambda receipt: [*_signed(run, digest), (b"\xff" * 32, b"\xff" * 32)])
    return result


@quorum("OUTSIDER-SIGNATURE")
def signatures_of_another_chain(run: PaperRun, result: EpochResult) -> EpochResult:
    """Signatures are taken from the same receipt on a chain where it was tried out."""
    digest = result.receipt.digest(Domain(1, run.facts.board))
    _repost(run, signatures=lambda receipt: _signed(run, digest))
    return result


@quorum("OUTSIDER-SIGNATURE")
def signatures_of_the_last_receipt(run: PaperRun, result: EpochResult) -> EpochResult:
    """The signatures under the first receipt are used again under the second."""
    digest = run.results[0].receipt.digest(run.facts.board_domain)
    _repost(run, signatures=lambda receipt: _signed(run, digest))
    return result


@quorum("OUTSIDER-SIGNATURE")
def signed_by_the_old_set(run: PaperRun, result: EpochResult) -> EpochResult:
    """Operators who were replaced go on signing."""
    members = [address_of(key_of(name)) for name in ("new 0", "new 1", "new 2")]
    for member in members:
        stake = {"account": member, "role": 2, "amount": STAKE, "staked": STAKE}
        run.mine(
            transfer(NOBODY, member, STAKE),
            transfer(member, addresses()["StakeVault"], STAKE),
            event_log("StakeVault", "Staked", **stake),
        )
    named = {"operator_set": 2, "operators": members, "threshold": 2}
    run.mine(event_log("ReceiptBoard", "OperatorsSet", **named))
    return result


@quorum("INACTIVE-SIGNATURE")
def signed_without_stake(run: PaperRun, result: EpochResult) -> EpochResult:
    """An operator signs after its stake fell below what signing needs."""
    operator = address_of(key_of("operator 2"))
    run.mine(event_log("ReceiptBoard", "OperatorSynced", operator=operator, active=False))
    return result


@quorum("SIGNERS-BITMAP")
def others_credited(run: PaperRun, result: EpochResult) -> EpochResult:
    """The fee is credited to operators who didn't sign."""
    _repost(run, signers=lambda receipt: 0b110)
    return result


@quorum("SIGNERS-BITMAP")
def credited_as_another_set(run: PaperRun, result: EpochResult) -> EpochResult:
    """The fee is credited to the seats of another operator set."""
    _repost(run, operator_set=lambda receipt: 7)
    return result


@quorum("RECEIPT-DIGEST")
def digest_of_another_receipt(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt shown isn't the one whose digest was signed."""
    _repost(run, digest=lambda receipt: b"\xab" * 32)
    return result


@quorum("RECEIPT-DIGEST")
def receipt_of_another_campaign(run: PaperRun, result: EpochResult) -> EpochResult:
    """A receipt that was signed for another campaign is posted for this one."""
    other = Receipt(*[2, *result.receipt.as_tuple()[1:]])
    _repost(
        run,
        receipt=lambda receipt: other.as_tuple(),
        digest=lambda receipt: other.digest(run.facts.board_domain),
    )
    return result


@chain("OPERATORS-UNSTAKED")
def operators_without_stake(run: PaperRun) -> None:
    """An operator set names people who staked nothing, so that nobody can be slashed."""
    members = sorted(address_of(key_of(name)) for name in (*OPERATORS[:2], "stranger"))
    named = {"operator_set": 2, "operators": members, "threshold": 2}
    run.mine(event_log("ReceiptBoard", "OperatorsSet", **named))


@chain("CONTRACT-EVENT")
def operator_set_rewritten(run: PaperRun) -> None:
    """An operator set that has signed is named anew, with others in its seats."""
    members = [address_of(key_of(name)) for name in reversed(OPERATORS)]
    named = {"operator_set": 1, "operators": members, "threshold": 2}
    run.mine(event_log("ReceiptBoard", "OperatorsSet", **named))


@chain("OPERATORS-MINORITY")
def minority_may_sign(run: PaperRun) -> None:
    """An operator set is named in which one of three may sign alone."""
    members = [address_of(key_of(name)) for name in OPERATORS]
    named = {"operator_set": 2, "operators": members, "threshold": 1}
    run.mine(event_log("ReceiptBoard", "OperatorsSet", **named))
