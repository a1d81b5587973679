"""Tokens that move as no receipt, claim, fee or refund lets them."""

from __future__ import annotations

from dataclasses import replace

from oracle.auditor.codes import Severity
from oracle.chain.deployment import Deployment
from oracle.evidence.signing import address_of
from oracle.evidence.structs import Receipt
from tests.auditor.frauds.catalogue import chain, run_of, stage
from tests.auditor.paper import (
    NOBODY,
    Log,
    PaperRun,
    addresses,
    event_log,
    transfer,
)
from tests.support.world import TOKEN, key_of

ESCROW = addresses()["CampaignEscrow"]
LABEL_TOKEN = addresses()["LabelToken"]
THIEF = address_of(key_of("thief"))


def paid(account: bytes, epoch: int, amount: int, **changes: int) -> Log:
    values = {"campaign": 1, "account": account, "epoch": epoch, "amount": amount}
    counters = {"accepted": 1, "submitted": 1}
    return event_log("CampaignEscrow", "Paid", **{**values, **counters, **changes})


def fees(run: PaperRun, operator: bytes, amount: int, quorum: int = 1 << 32 | 0b11) -> list[Log]:
    values = {"operator": operator, "token": LABEL_TOKEN, "quorum": quorum, "amount": amount}
    taken = event_log("CampaignEscrow", "FeesWithdrawn", **values)
    return [taken, transfer(ESCROW, operator, amount)]


def created(run: PaperRun, **changes: object) -> Log:
    """Another campaign, as its requester would create it."""
    values: dict[str, object] = {
        "campaign": 2,
        "requester": THIEF,
        "token": LABEL_TOKEN,
        "budget": TOKEN,
        "bond": TOKEN,
        "epoch_cap": TOKEN,
        "fee_bps": run.fee_bps,
        "gateway": THIEF,
        "manifest": run.manifest.block.digest,
        "bond_payer": THIEF,
    }
    return event_log("CampaignEscrow", "CampaignCreated", **{**values, **changes})


def held(payee: bytes, amount: int) -> Log:
    """What the escrow keeps of a refund for a payee whom the token refuses."""
    values = {"campaign": 1, "payee": payee, "token": LABEL_TOKEN, "amount": amount}
    return event_log("CampaignEscrow", "RefundHeld", **values)


def _second_campaign(run: PaperRun, **changes: object) -> None:
    run.mine(
        transfer(NOBODY, THIEF, 2 * TOKEN),
        transfer(THIEF, ESCROW, 2 * TOKEN),
        created(run, **changes),
    )


# -- out of escrow and vault -------------------------------------------------------------------


@chain("OUTFLOW-UNTRACED")
def out_of_the_escrow(run: PaperRun) -> None:
    """Tokens leave the escrow without any event of it."""
    run.mine(transfer(ESCROW, THIEF, TOKEN))


@chain("OUTFLOW-UNTRACED")
def out_of_the_vault(run: PaperRun) -> None:
    """Tokens leave the vault without any event of it."""
    run.mine(transfer(addresses()["StakeVault"], THIEF, 4))


@chain("OUTFLOW-UNTRACED")
def more_than_the_event_says(run: PaperRun) -> None:
    """A claim's event is right, but one base unit more goes out with it."""
    leaf = run.results[0].evidence.leaves[0]
    run.claim(replace(run.results[1]))
    run.mine(transfer(ESCROW, leaf.account, 1))


@chain("OUTFLOW-MISSING")
def claim_that_pays_nobody(run: PaperRun) -> None:
    """A claim is recorded, but the contributor got nothing."""
    leaf = run.results[1].evidence.leaves[0]
    owed = leaf.cumulative - run.claimed[leaf.account]
    counters = {"accepted": leaf.accepted, "submitted": leaf.submitted}
    run.mine(paid(leaf.account, 2, owed, **counters))


@chain("OUTFLOW-UNTRACED")
def claim_paid_to_another(run: PaperRun) -> None:
    """A claim is recorded for a contributor, and paid to somebody else."""
    leaf = run.results[1].evidence.leaves[0]
    owed = leaf.cumulative - run.claimed[leaf.account]
    counters = {"accepted": leaf.accepted, "submitted": leaf.submitted}
    run.mine(paid(leaf.account, 2, owed, **counters), transfer(ESCROW, THIEF, owed))


# -- claims ------------------------------------------------------------------------------------


@chain("CLAIM-UNKNOWN")
def claim_without_leaf(run: PaperRun) -> None:
    """Somebody without a leaf is paid."""
    run.mine(paid(THIEF, 1, 5), transfer(ESCROW, THIEF, 5))


@chain("CLAIM-EXCESS")
def claim_twice(run: PaperRun) -> None:
    """A leaf is paid, and then some."""
    run.claim(run.results[1])
    leaf = run.results[1].evidence.leaves[0]
    counters = {"accepted": leaf.accepted, "submitted": leaf.submitted}
    run.mine(paid(leaf.account, 2, 9, **counters), transfer(ESCROW, leaf.account, 9))


@chain("CLAIM-AMOUNT")
def claim_in_part(run: PaperRun) -> None:
    """A claim pays less than the leaf still owes."""
    leaf = run.results[1].evidence.leaves[0]
    counters = {"accepted": leaf.accepted, "submitted": leaf.submitted}
    run.mine(paid(leaf.account, 2, 1, **counters), transfer(ESCROW, leaf.account, 1))


@chain("CLAIM-COUNTERS")
def claim_of_other_counters(run: PaperRun) -> None:
    """A claim credits more labels to a reputation than its leaf counts."""
    leaf = run.results[1].evidence.leaves[0]
    owed = leaf.cumulative - run.claimed[leaf.account]
    counters = {"accepted": leaf.accepted + 1, "submitted": leaf.submitted + 1}
    run.mine(paid(leaf.account, 2, owed, **counters), transfer(ESCROW, leaf.account, owed))


@chain("CLAIM-UNFINALIZED")
def claim_of_no_receipt(run: PaperRun) -> None:
    """A claim is paid from an epoch that has no receipt."""
    leaf = run.results[0].evidence.leaves[0]
    run.mine(paid(leaf.account, 9, 9), transfer(ESCROW, leaf.account, 9))


@chain("CLAIM-UNFINALIZED", at="second cut")
def claim_within_the_window(run: PaperRun) -> None:
    """A claim is paid from a receipt whose window is still running."""

    def settle(receipt: Receipt) -> None:
        run.mine(*run.posted(receipt, run.results[0].receipt))
        leaf = run.results[-1].evidence.leaves[0]
        owed = leaf.cumulative - run.claimed[leaf.account]
        counters = {"accepted": leaf.accepted, "submitted": leaf.submitted}
        run.mine(paid(leaf.account, 2, owed, **counters), transfer(ESCROW, leaf.account, owed))

    run.settle = settle  # type: ignore[method-assign]
    run.cut()


@chain("CLAIM-UNFINALIZED")
def claim_on_another_campaigns_budget(run: PaperRun) -> None:
    """A leaf of one campaign is paid out of another's budget."""
    _second_campaign(run)
    leaf = run.results[1].evidence.leaves[0]
    values = {"campaign": 2, "accepted": leaf.accepted, "submitted": leaf.submitted}
    run.mine(paid(leaf.account, 2, 9, **values), transfer(ESCROW, leaf.account, 9))


# -- fees, pledges, funding --------------------------------------------------------------------


@chain("FEES-EXCESS")
def fees_of_others(run: PaperRun) -> None:
    """Somebody who signed nothing takes a fee."""
    run.mine(*fees(run, THIEF, 7))


@chain("FEES-EXCESS", at="final")
def fees_twice(run: PaperRun) -> None:
    """An operator takes its share of the fees twice."""
    run.withdraw_fees()
    operator = address_of(key_of("operator 2"))
    run.mine(*fees(run, operator, run.results[-1].receipt.fee_total // 2))


@chain("FEES-EXCESS")
def fees_of_another_quorum(run: PaperRun) -> None:
    """An operator takes a fee for receipts that other seats signed."""
    run.mine(*fees(run, address_of(key_of("operator 1")), 7, quorum=1 << 32 | 0b100))


@chain("INFLOW-MISSING")
def budget_out_of_nothing(run: PaperRun) -> None:
    """A budget grows without tokens that arrive."""
    values = {"campaign": 1, "payer": THIEF, "amount": TOKEN, "budget": run.budget + TOKEN}
    run.mine(event_log("CampaignEscrow", "Funded", **values))


@chain("INFLOW-MISSING")
def campaign_without_money(run: PaperRun) -> None:
    """A campaign is created whose budget and bond never arrived."""
    run.mine(created(run))


@chain("CONSERVATION")
def budget_that_does_not_add_up(run: PaperRun) -> None:
    """A budget is said to be more than what was paid into it."""
    values = {"campaign": 1, "payer": THIEF, "amount": 5, "budget": run.budget + TOKEN}
    logs = [transfer(NOBODY, THIEF, 5), transfer(THIEF, ESCROW, 5)]
    run.mine(*logs, event_log("CampaignEscrow", "Funded", **values))


@chain("CONSERVATION")
def bond_that_does_not_add_up(run: PaperRun) -> None:
    """A bond is said to be more than what was paid into it."""
    values = {"campaign": 1, "payer": THIEF, "amount": 5, "bond": run.bond + TOKEN}
    logs = [transfer(NOBODY, THIEF, 5), transfer(THIEF, ESCROW, 5)]
    run.mine(*logs, event_log("CampaignEscrow", "BondRaised", **values))


@chain("PLEDGE-EXCESS")
def pledge_of_nothing_taken_back(run: PaperRun) -> None:
    """A pledge is taken back that nobody made."""
    values = {"payer": THIEF, "requester": THIEF, "token": LABEL_TOKEN, "amount": 3}
    run.mine(event_log("CampaignEscrow", "PledgeWithdrawn", **values), transfer(ESCROW, THIEF, 3))


@chain("PLEDGE-EXCESS")
def bond_of_somebody_else(run: PaperRun) -> None:
    """A campaign's bond is taken from a payer who didn't pledge it."""
    run.mine(
        transfer(NOBODY, THIEF, TOKEN),
        transfer(THIEF, ESCROW, TOKEN),
        created(run, bond_payer=address_of(key_of("expert"))),
    )


@chain("INFLOW-UNANNOUNCED")
def money_that_nobody_counts(run: PaperRun) -> None:
    """Somebody sends tokens to the escrow past its functions: no fraud, but nobody's money."""
    run.mine(transfer(NOBODY, THIEF, 5), transfer(THIEF, ESCROW, 5))


# -- terms -------------------------------------------------------------------------------------


@chain("CAMPAIGN-TERMS")
def cap_above_the_bond(run: PaperRun) -> None:
    """A campaign's cap is raised above its gateway's bond."""
    raised = {"campaign": 1, "previous": run.epoch_cap, "current": run.bond + 1}
    run.mine(event_log("CampaignEscrow", "EpochCapRaised", **raised))


@chain("CAMPAIGN-TERMS")
def fee_below_the_minimum(run: PaperRun) -> None:
    """A campaign is created that pays operators less than the least fee."""
    _second_campaign(run, fee_bps=1)


@chain("CAMPAIGN-TERMS")
def token_of_their_own(run: PaperRun) -> None:
    """A campaign is created in a token that the escrow doesn't take."""
    run.mine(created(run, token=THIEF))


@chain("TOKEN-UNPROVEN", severity=Severity.NOTE)
def another_token(run: PaperRun) -> None:
    """A campaign pays in another token: no fraud, but nothing proves that token's balances."""
    token = address_of(key_of("another token"))
    moved = transfer(THIEF, ESCROW, 2 * TOKEN)
    moved["address"] = "0x" + token.hex()
    run.mine(event_log("CampaignEscrow", "TokenSet", token=token, allowed=True))
    run.mine(moved, created(run, token=token))


@chain("CONTRACT-EVENT")
def campaign_from_nowhere(run: PaperRun) -> None:
    """The escrow tells of a campaign that nobody created."""
    run.mine(event_log("CampaignEscrow", "CampaignClosed", campaign=5, caller=THIEF))


@chain("CONTRACT-EVENT")
def campaign_created_twice(run: PaperRun) -> None:
    """A campaign is created a second time, with another requester."""
    _second_campaign(run, campaign=1)


# -- the end -----------------------------------------------------------------------------------


@chain("CLOSE-EARLY")
def closed_by_a_stranger(run: PaperRun) -> None:
    """A stranger closes a campaign that is running."""
    run.mine(event_log("CampaignEscrow", "CampaignClosed", campaign=1, caller=THIEF))


@chain("REFUND-EARLY")
def refund_while_running(run: PaperRun) -> None:
    """The requester is refunded while people still label."""
    run.refund()


@chain("REFUND-EARLY", at="closed")
def refund_before_the_final_receipt(run: PaperRun) -> None:
    """The requester is refunded after close, before the final receipt pays everybody."""
    run.refund()


@chain("REFUND-EARLY", at="closed")
def given_up_too_early(run: PaperRun) -> None:
    """The requester gives the campaign up as soon as it is closed."""
    values = {"campaign": 1, "caller": run.requester, "refundable_at": 0}
    run.mine(event_log("CampaignEscrow", "AbandonAnnounced", **values))


@chain("REFUND-EARLY", at="closed")
def refund_within_the_notice(run: PaperRun) -> None:
    """The requester gives the campaign up in time, and is refunded before the notice is over."""
    run.pass_time(run.deployment.parameters.abandon_seconds)
    values = {"campaign": 1, "caller": run.requester, "refundable_at": 0}
    run.mine(event_log("CampaignEscrow", "AbandonAnnounced", **values))
    run.refund()


@chain("REFUND-AMOUNT", at="final")
def refund_of_what_is_owed(run: PaperRun) -> None:
    """The refund takes some of what contributors haven't claimed yet."""
    run.refund(more=3)


@chain("REFUND-RECIPIENT", at="final")
def refund_to_a_stranger(run: PaperRun) -> None:
    """The refund goes to somebody who paid nothing."""
    run.requester = THIEF
    run.refund()


@chain("AFTER-REFUND", at="finished")
def refunded_and_raised(run: PaperRun) -> None:
    """A campaign that was refunded is funded anew."""
    values = {"campaign": 1, "payer": THIEF, "amount": 5, "budget": run.budget + 5}
    logs = [transfer(NOBODY, THIEF, 5), transfer(THIEF, ESCROW, 5)]
    run.mine(*logs, event_log("CampaignEscrow", "Funded", **values))


@chain("AFTER-REFUND", at="finished")
def refunded_twice(run: PaperRun) -> None:
    """A campaign is refunded twice, at the cost of others."""
    run.mine(transfer(NOBODY, ESCROW, run.budget + run.bond))
    run.refund()


# -- the token ---------------------------------------------------------------------------------


def _with_words(change: int, slot: int) -> PaperRun:
    run = stage("settled")
    honest = run.token_words

    def words(deployment: Deployment) -> dict[bytes, int]:
        held = dict(honest(deployment))
        name = list(held)[slot]
        return {**held, name: held[name] + change}

    run.token_words = words  # type: ignore[method-assign]
    return run


@run_of("TOKEN-SUPPLY", "chain")
def minted_without_record() -> PaperRun:
    """There are more tokens than any recorded mint made."""
    return _with_words(TOKEN, 0)


@chain("TOKEN-SUPPLY")
def spent_without_having(run: PaperRun) -> None:
    """Somebody funds a campaign with tokens that they never had."""
    values = {"campaign": 1, "payer": THIEF, "amount": 5, "budget": run.budget + 5}
    run.mine(transfer(THIEF, ESCROW, 5), event_log("CampaignEscrow", "Funded", **values))


@chain("INFLOW-MISSING")
def funded_by_another(run: PaperRun) -> None:
    """One person's tokens are counted as another's payment."""
    expert = address_of(key_of("expert"))
    values = {"campaign": 1, "payer": THIEF, "amount": 5, "budget": run.budget + 5}
    logs = [transfer(NOBODY, expert, 5), transfer(expert, ESCROW, 5)]
    run.mine(*logs, event_log("CampaignEscrow", "Funded", **values))


@run_of("CONSERVATION", "chain")
def escrow_drained() -> PaperRun:
    """The escrow holds less than its transfers leave in it."""
    return _with_words(-1, 1)


@run_of("CONSERVATION", "chain")
def vault_drained() -> PaperRun:
    """The vault holds less than its transfers leave in it."""
    return _with_words(-1, 2)


@chain("REFUND-RECIPIENT", at="final")
def refund_held_for_a_stranger(run: PaperRun) -> None:
    """A part of the refund is kept for somebody who paid nothing, to be drawn as a pledge."""
    run.claim(run.results[-1])
    run.refund()
    run.transactions[run.block][-1].insert(0, held(THIEF, 1))


def refund_refused() -> PaperRun:
    """The token refuses the requester, who draws the refund later, as a pledge: no fraud."""
    run = stage("final")
    run.claim(run.results[-1])
    run.refund()
    logs = next(one for one in reversed(run.transactions[run.block]) if len(one) > 1)
    refunded = logs[-1]
    amount = sum(int(one["data"], 16) for one in logs[:-1])
    logs[:] = [held(run.requester, amount), refunded]
    about = {"payer": run.requester, "requester": run.requester, "token": LABEL_TOKEN}
    taken = event_log("CampaignEscrow", "PledgeWithdrawn", **about, amount=amount)
    run.mine(taken, transfer(ESCROW, run.requester, amount))
    return run
