"""Challenges, voids, forks, pauses and the treasury, done as the contracts would refuse."""

from __future__ import annotations

from dataclasses import replace

from oracle.chain.deployment import DEVNET
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, compact, sign
from oracle.evidence.structs import Head, Receipt
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.facts import Settlement
from tests.auditor.forge import padded
from tests.auditor.frauds.catalogue import chain, run_of, stage
from tests.auditor.paper import (
    NOBODY,
    OPERATORS,
    Log,
    PaperRun,
    _total,
    addresses,
    event_log,
    transfer,
)
from tests.support.world import BLOCK_SECONDS, START, key_of

AT = addresses()
BOARD, ESCROW, VAULT, TREASURY = (
    AT[name] for name in ("ReceiptBoard", "CampaignEscrow", "StakeVault", "Treasury")
)
TOKEN_AT = AT["LabelToken"]
CHALLENGER = address_of(key_of("challenger"))
ARBITRATOR = address_of(key_of("arbitrator"))
THIEF = address_of(key_of("thief"))
BOND, RECEIPT_STAKE = DEVNET.min_challenge_bond, DEVNET.receipt_stake
SIGNERS = [address_of(key_of(name)) for name in OPERATORS[:2]]


def now(run: PaperRun) -> int:
    """The time of the next block."""
    return START + (run.block + 1 - 6) * BLOCK_SECONDS


def pending(run: PaperRun, result: EpochResult) -> bytes:
    """Post a receipt and leave it pending; return its digest."""
    run.keep(*result.blocks)
    before = run.results[-1].receipt if run.results else None
    posted = run.block + 1
    run.mine(*run.posted(result.receipt, before))
    settlements = (*run.facts.settlements, Settlement(result.receipt, posted, None))
    run._know(replace(run.facts, settlements=settlements))
    return result.receipt.digest(run.facts.board_domain)


def decided(run: PaperRun) -> EpochResult:
    return decide(run.campaign, run.previous, run.rows, run.supplement())


def challenge(run: PaperRun, digest: bytes, case: int = 1, **changes: object) -> None:
    """Somebody challenges the pending receipt."""
    values = {
        "campaign": 1,
        "digest": digest,
        "challenger": CHALLENGER,
        "case": case,
        "fault": "PAYOUT-PADDED",
        "place": "",
        "bond": BOND,
        "arbitrator": ARBITRATOR,
        "dispute": case,
        "deadline": now(run) + DEVNET.dispute_seconds,
        **changes,
    }
    locks = [
        event_log(
            "StakeVault", "LockSet", account=one, role=2, subject=digest, amount=RECEIPT_STAKE,
            expires_at=now(run) + DEVNET.window_seconds + DEVNET.dispute_seconds,
        )
        for one in SIGNERS
    ]  # fmt: skip
    bond = int(str(values["bond"]))
    run.mine(
        *locks,
        transfer(NOBODY, CHALLENGER, bond),
        transfer(CHALLENGER, BOARD, bond),
        event_log("ReceiptBoard", "Challenged", **values),
    )


def ruling(case: int, ruled: int) -> Log:
    values = {"arbitrator": ARBITRATOR, "dispute": case, "ruling": ruled}
    return event_log("ReceiptBoard", "Ruling", **values)


def credited(campaign: int, pot: int, amount: int, sender: bytes = BOARD) -> list[Log]:
    """Tokens for the treasury, which counts them."""
    values = {"campaign": campaign, "token": TOKEN_AT, "pot": pot, "amount": amount}
    return [transfer(sender, TREASURY, amount), event_log("Treasury", "Credited", **values)]


def slashes(digest: bytes, each: int = RECEIPT_STAKE) -> list[Log]:
    """Each signer loses what the receipt bound."""
    logs = []
    for one in SIGNERS:
        values = {"account": one, "role": 2, "subject": digest, "recipient": BOARD}
        logs.append(transfer(VAULT, BOARD, each))
        logs.append(event_log("StakeVault", "Slashed", **values, demanded=each, taken=each))
    return logs


def released(run: PaperRun, receipt: Receipt) -> Log:
    before = run.results[-1].receipt if run.results else None
    amount = _total(receipt) - _total(before)
    return event_log("CampaignEscrow", "Released", campaign=1, amount=amount)


def voided(run: PaperRun, result: EpochResult, **changes: int) -> Log:
    digest = result.receipt.digest(run.facts.board_domain)
    values = {"epoch": result.receipt.epoch, "attempt": 0, "slashed": 2 * RECEIPT_STAKE}
    sums = {"reward": RECEIPT_STAKE, "to_treasury": RECEIPT_STAKE, **changes}
    about = {"campaign": 1, "digest": digest, **values, **sums}
    newest = run.facts.settlements[-1]
    done = replace(newest, voided_block=run.block + 1)
    run._know(replace(run.facts, settlements=(*run.facts.settlements[:-1], done)))
    return event_log("ReceiptBoard", "ReceiptVoided", **about)


def case_closed(digest: bytes, outcome: int, case: int = 1, **changes: int) -> Log:
    shares = {1: (0, BOND // 2), 4: (BOND // 2, 0)}.get(outcome, (BOND, 0))
    values = {
        "returned": shares[0],
        "to_signers": shares[1],
        "to_treasury": BOND - sum(shares),
        **changes,
    }
    about = {"campaign": 1, "digest": digest, "case": case, "outcome": outcome}
    return event_log("ReceiptBoard", "CaseClosed", **about, **values)


def uphold(run: PaperRun, result: EpochResult) -> None:
    """The arbitrator finds the receipt wrong: it is voided, its signers slashed."""
    digest = result.receipt.digest(run.facts.board_domain)
    run.mine(
        ruling(1, 2),
        released(run, result.receipt),
        *slashes(digest),
        *credited(1, 1, RECEIPT_STAKE),
        transfer(BOARD, CHALLENGER, RECEIPT_STAKE),
        voided(run, result),
        transfer(BOARD, CHALLENGER, BOND),
        case_closed(digest, 2),
    )


def dismissal(digest: bytes, case: int = 1) -> list[Log]:
    """The challenge was unfounded: half its bond is the signers', half the contributors'."""
    half = BOND // 2
    fees = {"token": TOKEN_AT, "quorum": 1 << 32 | 0b11, "amount": half}
    return [
        ruling(case, 1),
        transfer(BOARD, ESCROW, half),
        event_log("CampaignEscrow", "FeesCredited", **fees),
        *credited(1, 1, BOND - half),
        case_closed(digest, 1, case),
    ]


def compensate(account: bytes, amount: int) -> list[Log]:
    values = {"pot": 1, "account": account, "amount": amount}
    return [
        transfer(TREASURY, account, amount),
        event_log("Treasury", "Compensated", **values),
    ]


def fixed(run: PaperRun) -> Log:
    receipt = run.results[-1].receipt
    values = {"epoch": receipt.epoch, "payout_total": receipt.payout_total}
    return event_log("Treasury", "PotFixed", pot=1, **values)


# -- honest ------------------------------------------------------------------------------------


def void_and_try_again() -> PaperRun:
    """A padded receipt is challenged and voided; the next attempt is honest, settled and claimed,
    and those harmed are compensated: no fraud but the padding, which cost its signers."""
    run = stage("second cut")
    bad = padded(run, decided(run))
    challenge(run, pending(run, bad))
    uphold(run, bad)
    good = run.cut()
    assert good.receipt.attempt == 1
    run.claim(good)
    pot, total = RECEIPT_STAKE, good.receipt.payout_total
    run.mine(fixed(run))
    for leaf in good.evidence.leaves:
        run.mine(*compensate(leaf.account, pot * leaf.cumulative // total))
    return run


def dismiss_and_settle() -> PaperRun:
    """A right receipt is challenged in vain, and finalized: no fraud."""
    run, digest = _challenged()
    run.mine(*dismissal(digest))
    _finalize(run)
    return run


def void_of_a_right_receipt() -> PaperRun:
    """A case expires: the receipt is void though it was right, and comes again: no fraud."""
    run, digest = _challenged()
    result = run.waiting
    run.pass_time(DEVNET.dispute_seconds + BLOCK_SECONDS)
    half = BOND // 2
    run.mine(
        released(run, result.receipt),
        voided(run, result, slashed=0, reward=0, to_treasury=0),
        transfer(BOARD, CHALLENGER, half),
        *credited(1, 1, BOND - half),
        case_closed(digest, 4),
    )
    run.cut()
    return run


def _challenged() -> tuple[PaperRun, bytes]:
    run = stage("second cut")
    run.waiting = decided(run)
    digest = pending(run, run.waiting)
    challenge(run, digest)
    return run, digest


def _finalize(run: PaperRun) -> None:
    result = run.waiting
    run.pass_time(DEVNET.window_seconds + BLOCK_SECONDS)
    run.mine(*run.finalized(result.receipt, run.results[-1].receipt))
    run.results.append(result)


# -- challenges --------------------------------------------------------------------------------


@run_of("CHALLENGE-LATE", "chain")
def challenged_after_its_window() -> PaperRun:
    """A receipt is challenged when its window is over, to hold back what it pays."""
    run = stage("second cut")
    digest = pending(run, decided(run))
    run.pass_time(DEVNET.window_seconds + BLOCK_SECONDS)
    challenge(run, digest)
    return run


@run_of("CHALLENGE-OPEN", "chain")
def finalized_though_challenged() -> PaperRun:
    """A receipt is finalized while a case against it is open."""
    run, _ = _challenged()
    _finalize(run)
    return run


@run_of("CASE-UNKNOWN", "chain")
def case_against_no_receipt() -> PaperRun:
    """A case is opened against a receipt that nobody posted."""
    run = stage("settled")
    challenge(run, b"\x07" * 32)
    return run


@run_of("CASE-RULING", "chain")
def closed_against_the_ruling() -> PaperRun:
    """The arbitrator dismisses a case, and the board returns its bond as if evidence was late."""
    run, digest = _challenged()
    run.mine(ruling(1, 1), transfer(BOARD, CHALLENGER, BOND), case_closed(digest, 3))
    return run


@run_of("CASE-RULING", "chain")
def expired_before_its_deadline() -> PaperRun:
    """A case is closed as expired while its arbitrator may still rule."""
    run, digest = _challenged()
    half = BOND // 2
    run.mine(
        released(run, run.waiting.receipt),
        voided(run, run.waiting, slashed=0, reward=0, to_treasury=0),
        transfer(BOARD, CHALLENGER, half),
        *credited(1, 1, BOND - half),
        case_closed(digest, 4),
    )
    return run


@run_of("CASE-BOND", "chain")
def challenge_for_nothing() -> PaperRun:
    """Somebody challenges with a smaller bond than the one due."""
    run = stage("second cut")
    challenge(run, pending(run, decided(run)), bond=BOND - 1)
    return run


@run_of("CASE-BOND", "chain")
def forfeited_bond_returned() -> PaperRun:
    """A dismissed challenger gets the whole bond back."""
    run, digest = _challenged()
    closed = case_closed(digest, 1, returned=BOND, to_signers=0, to_treasury=0)
    run.mine(ruling(1, 1), transfer(BOARD, CHALLENGER, BOND), closed)
    return run


@run_of("VOID-UNFOUNDED", "chain")
def voided_without_a_case() -> PaperRun:
    """A receipt that nobody challenged is voided."""
    run = stage("second cut")
    result = decided(run)
    pending(run, result)
    nothing = {"slashed": 0, "reward": 0, "to_treasury": 0}
    run.mine(released(run, result.receipt), voided(run, result, **nothing))
    return run


@run_of("VOID-MISSING", "chain")
def upheld_and_left_standing() -> PaperRun:
    """A challenge is upheld, and the receipt stays pending."""
    run, digest = _challenged()
    run.mine(ruling(1, 2), transfer(BOARD, CHALLENGER, BOND), case_closed(digest, 2))
    return run


@run_of("SIGNER-SLASH", "chain")
def signers_slashed_twice_over() -> PaperRun:
    """Signers lose more than a receipt binds."""
    run, digest = _challenged()
    twice = 2 * RECEIPT_STAKE
    run.mine(
        ruling(1, 2),
        released(run, run.waiting.receipt),
        *slashes(digest, twice),
        *credited(1, 1, twice),
        transfer(BOARD, CHALLENGER, twice),
        voided(run, run.waiting, slashed=2 * twice, reward=twice, to_treasury=twice),
        transfer(BOARD, CHALLENGER, BOND),
        case_closed(digest, 2),
    )
    return run


@run_of("COSIGNED-LATE", "chain")
def cosigned_to_share_the_fee() -> PaperRun:
    """An operator adds its signature when the window is almost over, and nothing is at risk."""
    run = stage("second cut")
    digest = pending(run, decided(run))
    run.pass_time(DEVNET.window_seconds - BLOCK_SECONDS)
    signed = [compact(sign(key_of(OPERATORS[2]), digest))]
    values = {"campaign": 1, "digest": digest, "signers": 0b111, "signatures": signed}
    run.mine(event_log("ReceiptBoard", "ReceiptCosigned", **values))
    return run


@run_of("PAUSED", "chain")
def posted_during_a_pause() -> PaperRun:
    """A receipt is posted though the guardian had paused posting."""
    run = stage("second cut")
    until = now(run) + DEVNET.max_pause_seconds
    run.mine(event_log("ReceiptBoard", "Paused", until=until))
    pending(run, decided(run))
    return run


@chain("PAUSED")
def paused_for_ever(run: PaperRun) -> None:
    """The guardian pauses for longer than it may."""
    run.mine(event_log("ReceiptBoard", "Paused", until=now(run) + 10**9))


def fork_proven(run: PaperRun, *texts: bytes) -> Log:
    """What the escrow says of two heads that the gateway signed for one position."""
    signed = []
    for text in texts:
        entry, head = keccak256(b"entry " + text), keccak256(b"head " + text)
        digest = Head(1, 3, entry, head).digest(run.facts.escrow_domain)
        signed.append((entry, head, *compact(sign(run.gateway_key, digest))))
    heads = {"position": 3, "first": signed[0], "second": signed[1]}
    return event_log("CampaignEscrow", "ForkProven", campaign=1, caller=THIEF, **heads)


@chain("FORK-UNPROVEN")
def fork_of_one_head(run: PaperRun) -> None:
    """A campaign is marked as forked by a head that its gateway signed once."""
    run.mine(fork_proven(run, b"one", b"one"))


@chain("REFUND-AMOUNT", at="final")
def fork_forgiven(run: PaperRun) -> None:
    """A gateway is proven to have forked, and its whole bond goes back."""
    run.mine(fork_proven(run, b"one", b"another"))
    run.claim(run.results[-1])
    run.refund()


def fork_and_refund() -> PaperRun:
    """A fork is proven, and at the refund a quarter of the bond is for those harmed: no fraud."""
    run = stage("final")
    run.mine(fork_proven(run, b"one", b"another"))
    run.claim(run.results[-1])
    run.refund(forfeited=run.bond // 4)
    forfeited = credited(1, 1, run.bond // 4, sender=ESCROW)
    run.transactions[run.block][-1][-1:-1] = forfeited
    return run


def fork_and_refund_refused() -> PaperRun:
    """The same, where the token refuses the treasury, which gets its part later: no fraud."""
    run = stage("final")
    run.mine(fork_proven(run, b"one", b"another"))
    run.claim(run.results[-1])
    amount = run.bond // 4
    run.refund(forfeited=amount)
    about = {"token": TOKEN_AT, "amount": amount}
    held = event_log("CampaignEscrow", "RefundHeld", campaign=1, payee=TREASURY, **about)
    run.transactions[run.block][-1].insert(-1, held)
    taken = event_log(
        "CampaignEscrow", "PledgeWithdrawn", payer=TREASURY, requester=TREASURY, **about
    )
    run.mine(taken, *credited(0, 0, amount, sender=ESCROW))
    return run


@chain("STAKE-LOCKED")
def locked_stake_withdrawn(run: PaperRun) -> None:
    """An operator takes out stake that a challenge has locked."""
    operator = address_of(key_of(OPERATORS[0]))
    amount = DEVNET.min_operator_stake
    ready = now(run) + DEVNET.unbonding_seconds
    about = {"account": operator, "role": 2}
    lock = {"subject": b"\x05" * 32, "amount": 5, "expires_at": ready + 10**6}
    unbonding = {"amount": amount, "ready_at": ready}
    run.mine(
        event_log("StakeVault", "LockSet", **about, **lock),
        event_log("StakeVault", "UnbondingStarted", **about, **unbonding),
    )
    run.pass_time(DEVNET.unbonding_seconds + BLOCK_SECONDS)
    taken = event_log("StakeVault", "Withdrawn", **about, amount=amount)
    run.mine(transfer(VAULT, operator, amount), taken)


# -- the treasury ------------------------------------------------------------------------------


@chain("CREDIT-MISMATCH")
def credit_out_of_nothing(run: PaperRun) -> None:
    """The treasury counts tokens that nobody gave it."""
    run.mine(credited(0, 0, 5)[1])


@run_of("POT-UNKNOWN", "chain")
def another_pot_filled() -> PaperRun:
    """What is forfeited for one campaign's contributors goes into another pot."""
    run, digest = _challenged()
    logs = dismissal(digest)
    logs[-3:-1] = credited(1, 7, BOND - BOND // 2)
    run.mine(*logs)
    return run


def _pot() -> PaperRun:
    run = dismiss_and_settle()
    run.mine(fixed(run))
    return run


@run_of("COMPENSATION", "chain")
def compensated_beyond_the_share() -> PaperRun:
    """A contributor gets more of a pot than its share of all payouts."""
    run = _pot()
    leaf = run.results[-1].evidence.leaves[0]
    share = (BOND - BOND // 2) * leaf.cumulative // run.results[-1].receipt.payout_total
    run.mine(*compensate(leaf.account, share + 1))
    return run


@run_of("POT-SWEPT", "chain")
def pot_swept_at_once() -> PaperRun:
    """What is for contributors goes into the general balance before they could draw it."""
    run = _pot()
    run.mine(event_log("Treasury", "Swept", pot=1, amount=BOND - BOND // 2))
    return run


@run_of("TREASURY-EXCESS", "chain")
def pot_spent_by_governance() -> PaperRun:
    """Governance spends what is for contributors."""
    run = _pot()
    values = {"token": TOKEN_AT, "recipient": THIEF, "amount": 5}
    run.mine(transfer(TREASURY, THIEF, 5), event_log("Treasury", "Spent", **values))
    return run
