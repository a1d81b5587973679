"""Every code that a finding can have, with its severity and one sentence for people.

The order is that of causes before consequences: of two findings of one severity, the one whose code
stands first here is listed first. `docs/AUDIT.md` is this list as a page; a test keeps both the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How grave a finding is; the greater, the graver."""

    NOTE = 0  # worth knowing, no rule is broken
    AVAILABILITY = 1  # something is missing, so something can't be told
    FAULT = 2  # a rule was broken, and the platform passed over it as it should
    FRAUD = 3  # a rule was broken, and money, answers or the record were changed by it

    @property
    def text(self) -> str:
        """The name as reports write it."""
        return self.name.lower()


NOTE, AVAILABILITY, FAULT, FRAUD = Severity


@dataclass(frozen=True)
class Code:
    """A code: the severity it has unless a finding says otherwise, and what it means."""

    severity: Severity
    meaning: str


SECTIONS: dict[str, dict[str, Code]] = {
    "The record of the chain": {
        "CHAIN-HEADER": Code(FRAUD, "A header's hash is not what its fields hash to."),
        "CHAIN-ORDER": Code(FRAUD, "A header doesn't follow the one before it."),
        "CHAIN-TRANSACTIONS": Code(
            FRAUD, "The transactions of a block don't hash to its header's transactionsRoot."
        ),
        "CHAIN-RECEIPTS": Code(
            FRAUD, "The receipts and logs of a block are not those of its header's receiptsRoot."
        ),
        "CHAIN-GENESIS": Code(FRAUD, "Block 0 is not the genesis that deployment.json names."),
        "CHAIN-STATE": Code(
            FRAUD, "A proof doesn't lead from the last header's stateRoot to the account or word."
        ),
        "CHAIN-CODE": Code(FRAUD, "A contract's recorded code is not the account's."),
        "CHAIN-UNTRUSTED": Code(
            FRAUD, "The record's last block is not the one that the node or the trusted hash names."
        ),
        "CHAIN-INCOMPLETE": Code(
            AVAILABILITY,
            "The record begins after a contract was deployed, so that earlier events are unknown.",
        ),
        "CHAIN-TRUNCATED": Code(
            AVAILABILITY, "The record breaks off before the account proofs that end it."
        ),
    },
    "The contracts": {
        "CONTRACT-CODE": Code(
            FRAUD,
            "A contract's code is not the shipped bytecode with the immutables that "
            "deployment.json gives it.",
        ),
        "DEPLOYMENT-OTHER": Code(
            AVAILABILITY,
            "The contracts are others than those registered for their chain: whose can't be told.",
        ),
        "CONTRACT-EVENT": Code(
            FRAUD, "A contract emitted an event that the shipped code can't emit."
        ),
        "OPERATORS-MINORITY": Code(
            FRAUD, "An operator set's threshold is not more than half of its members."
        ),
        "OPERATORS-UNSTAKED": Code(
            FRAUD, "An operator set names somebody without the stake that signing needs."
        ),
        "CAMPAIGN-TERMS": Code(
            FRAUD,
            "A campaign's bond is below its cap, its fee out of bounds, or its token not allowed.",
        ),
    },
    "Receipts": {
        "RECEIPT-DIGEST": Code(FRAUD, "A receipt's digest is not that of the receipt posted."),
        "SIGNATURE-INVALID": Code(FRAUD, "A receipt carries a signature of no key."),
        "OUTSIDER-SIGNATURE": Code(
            FRAUD, "A receipt is signed by somebody outside the operator set of its time."
        ),
        "INACTIVE-SIGNATURE": Code(
            FRAUD, "A receipt is signed by an operator without the stake that signing needs."
        ),
        "SIGNATURE-REPEATED": Code(
            FRAUD, "A receipt's signers don't ascend, so that one could count twice."
        ),
        "QUORUM": Code(FRAUD, "A receipt has fewer signatures than the operators' threshold."),
        "SIGNERS-BITMAP": Code(
            FRAUD, "The signers that the chain credits are not those who signed the receipt."
        ),
        "RECEIPT-ORDER": Code(
            FRAUD,
            "A receipt doesn't follow the last finalized one: its epoch, its predecessor's digest, "
            "or that one at a time is pending.",
        ),
        "RECEIPT-ATTEMPT": Code(FRAUD, "A receipt counts other voids than there were."),
        "RECEIPT-ANCHOR": Code(
            FRAUD, "A receipt's anchor is not an earlier block, or is before its predecessor's."
        ),
        "RECEIPT-FELL": Code(
            FRAUD, "A receipt's log position, labels or items are fewer than its predecessor's."
        ),
        "TOTALS-FELL": Code(FRAUD, "A receipt's payouts, fee or bond charge are less than before."),
        "FINAL-EARLY": Code(FRAUD, "A final receipt's cut is before the campaign was closed."),
        "WINDOW-SHORT": Code(FRAUD, "A receipt was finalized before its window was over."),
        "FINALIZED-UNKNOWN": Code(FRAUD, "What was finalized is not the receipt that was pending."),
        "SETTLED-MISMATCH": Code(FRAUD, "What the escrow settled is not what the receipt says."),
        "CAP-EXCEEDED": Code(FRAUD, "A receipt adds more than the cap and the bond's charge."),
        "BUDGET-EXCEEDED": Code(FRAUD, "A receipt's payouts and fee exceed what the campaign has."),
        "BOND-EXCEEDED": Code(FRAUD, "A receipt charges the bond with more than it holds or owes."),
        "FEE-EXCESS": Code(FRAUD, "A receipt's fee is above the campaign's rate."),
        "RESERVED-MISMATCH": Code(FRAUD, "The escrow reserved another sum than the receipt adds."),
        "RECEIPT-MISSING": Code(
            FRAUD, "The escrow settled an epoch for which no receipt was finalized."
        ),
    },
    "The evidence": {
        "EVIDENCE-FORMAT": Code(
            FRAUD, "A block behind a signed receipt is not the canonical form of what it must be."
        ),
        "EVIDENCE-INDEX": Code(
            FRAUD, "The evidence is of another campaign, epoch, manifest or predecessor."
        ),
        "MANIFEST": Code(
            FRAUD, "The manifest is not the one on chain, or contradicts its content."
        ),
        "SUPPLEMENT": Code(FRAUD, "A supplement is of another campaign or epoch than its receipt."),
        "LOG-CHAIN": Code(FRAUD, "The log's hash chain is broken."),
        "LOG-FORK": Code(FRAUD, "The log doesn't extend the one of the last finalized receipt."),
        "ENTRY-OMITTED": Code(
            FRAUD, "The published log lacks an entry whose head the gateway had signed."
        ),
        "LOG-HEAD": Code(FRAUD, "The evidence's log doesn't end at the receipt's log head."),
        "LOG-SIGNATURE": Code(FRAUD, "A log entry's head is not signed by the campaign's gateway."),
        "LOG-SHORT": Code(FAULT, "The log has no anchor at which the receipt's epoch can be cut."),
        "LOG-CUT": Code(FRAUD, "A receipt is cut at another place of the log than the rules say."),
        "LEAVES-ROOT": Code(
            FRAUD, "The receipt's payout or slash root is not that of the leaves in its evidence."
        ),
        "PAYOUT-TOTAL": Code(FRAUD, "The leaves don't add up to the receipt's payoutTotal."),
    },
    "Entries of the log": {
        "ENTRY-FORMAT": Code(FAULT, "An entry's bytes are no entry."),
        "CLOCK": Code(FAULT, "An entry stands before the first anchor."),
        "ANCHOR-UNKNOWN": Code(FAULT, "An anchor is no block of the chain."),
        "ANCHOR-ORDER": Code(FAULT, "An anchor is not the next one."),
        "ANCHOR-SKIPPED": Code(FAULT, "The gateway skipped an anchor."),
        "CONSENT": Code(FAULT, "A delegation agrees to other terms than the campaign's."),
        "DELEGATION-SIGNATURE": Code(FAULT, "A delegation is not signed by its wallet."),
        "DELEGATION-SOURCE": Code(FAULT, "A delegation is neither signed nor an event on chain."),
        "DELEGATION-REVOKED": Code(FAULT, "A delegation is of a generation that was replaced."),
        "DELEGATION-EXPIRED": Code(FAULT, "A delegation was used after its time."),
        "LEASE-UNDELEGATED": Code(FAULT, "A lease went to somebody without a live delegation."),
        "LEASE-ITEMS": Code(
            FAULT, "A lease names no items, too many, one twice or an unknown one."
        ),
        "LEASE-REPEATED": Code(FAULT, "A lease gives an item to somebody who had it before."),
        "LEASE-AFTER-CLOSE": Code(FAULT, "A lease was given after the campaign was closed."),
        "LEASE-REWARD": Code(FAULT, "A lease's reward is not the epoch's."),
        "LEASE-EXPIRY": Code(FAULT, "A lease ends too late, or before it began."),
        "LEASE-EARLY": Code(FAULT, "A lease was drawn before the second anchor after delegation."),
        "LEASE-TOO-MANY": Code(FAULT, "A lease exceeds the items that one person may hold."),
        "LEASE-UNBACKED": Code(FAULT, "A lease exceeds what cap, bond and budget can pay."),
        "LEASE-INELIGIBLE": Code(FAULT, "An item was leased that may not be leased any more."),
        "DRAW": Code(FAULT, "A leased item is not one that the draw allows."),
        "SEED-UNOPENED": Code(FAULT, "An epoch's draw seed was not opened."),
        "GOLD-UNOPENED": Code(FAULT, "An epoch's gold was not opened."),
        "SUBMISSION-ITEMS": Code(FAULT, "A submission has no labels, too many, or one item twice."),
        "SUBMISSION-SIGNATURE": Code(
            FAULT, "A submission is not signed by a live session key of its contributor."
        ),
        "SUBMISSION-REPLAYED": Code(FAULT, "A submission's sequence number was used before."),
        "SUBMISSION-LEASE": Code(FAULT, "A submission labels an item without a running lease."),
        "SKIP-LEASE": Code(FAULT, "An item was given back that was not on lease."),
        "ADJUDICATION-SIGNATURE": Code(FAULT, "An adjudication is not signed by its expert."),
        "APPEAL-SIGNATURE": Code(FAULT, "An appeal is not signed by its contributor."),
    },
    "Gold, seeds and openings": {
        "EPOCH": Code(FRAUD, "A receipt's epoch is not the newest that its cut covers."),
        "DRAW-SEED": Code(FRAUD, "A draw seed is not of the manifest's hash chain."),
        "GOLD-BATCH": Code(FRAUD, "Gold was opened out of its batch, twice or too early."),
        "GOLD-OPENING": Code(FRAUD, "An opened gold item doesn't match its commitment."),
        "GOLD-PARTIAL": Code(FRAUD, "A batch of gold was opened in part."),
        "FILING": Code(FRAUD, "A filing is no submission."),
        "OPENING-CLOSED": Code(FRAUD, "A label was opened for an item that had closed before."),
        "OPENING-LABEL": Code(FRAUD, "A label was opened that does not count."),
        "OPENING-ANSWER": Code(FRAUD, "An opened answer is none of the classes."),
        "OPENING-COMMITMENT": Code(FRAUD, "An opened label doesn't match its signed commitment."),
        "ITEM-OPEN": Code(FRAUD, "An item was opened before it may close."),
    },
    "What the rules come to": {
        "ITEM-RESULT": Code(FRAUD, "An item's answer, status or posterior is not the consensus."),
        "ITEM-MISSING": Code(FRAUD, "An item that closed is not in the evidence, or another is."),
        "CONTRIBUTOR-RESULT": Code(FRAUD, "A contributor's figures are not what the rules give."),
        "BOND-CHARGE": Code(
            FRAUD, "The bond is charged with another sum than its gateway's faults."
        ),
        "PAYOUT-UNEARNED": Code(FRAUD, "A leaf pays somebody with no signed, opened label."),
        "LEAF-FELL": Code(FRAUD, "A leaf is lower than in the receipt before."),
        "PAYOUT-PADDED": Code(FRAUD, "A leaf pays more than the labels behind it earned."),
        "PAYOUT-LOWERED": Code(FRAUD, "A leaf pays less than the labels behind it earned."),
        "PAYOUT-MISSING": Code(FRAUD, "Somebody who earned has no leaf."),
        "LEAF-COUNTERS": Code(FRAUD, "A leaf's counters of labels are not what the rules give."),
        "SLASH-MISMATCH": Code(FRAUD, "A slash is not what gold proves."),
        "FEE-MISMATCH": Code(FRAUD, "The fee is not the rate on the payouts."),
        "TERMS": Code(FRAUD, "The next reward or threshold is not the step that the rules give."),
        "COUNTS": Code(FRAUD, "The receipt's label count, item count or agreement is wrong."),
        "EVIDENCE-BYTES": Code(
            FRAUD, "The evidence says the same as the rules in other bytes than theirs."
        ),
        "LABEL-UNOPENED": Code(
            NOTE, "A label was never opened, though its item closed: it earned nothing."
        ),
    },
    "Challenges": {
        "CHALLENGE-LATE": Code(FRAUD, "A receipt was challenged after its window was over."),
        "CHALLENGE-OPEN": Code(FRAUD, "A receipt was finalized while a case against it was open."),
        "CASE-UNKNOWN": Code(FRAUD, "A case is of no receipt that was pending, or was closed."),
        "CASE-RULING": Code(
            FRAUD, "A case closed otherwise than its arbitrator ruled, or than its deadline allows."
        ),
        "VOID-UNFOUNDED": Code(FRAUD, "A receipt was voided without a case that does so."),
        "VOID-MISSING": Code(FRAUD, "A case that voids its receipt left it standing."),
        "SIGNER-SLASH": Code(
            FRAUD, "Signers were slashed otherwise than once each for a receipt that was voided."
        ),
        "CASE-BOND": Code(FRAUD, "A case's bond or reward went otherwise than its outcome says."),
        "COSIGNED-LATE": Code(
            FRAUD, "A receipt was cosigned in its window's second half, or once challenged."
        ),
        "PAUSED": Code(FRAUD, "A pause was too long or too soon, or something went on in spite."),
        "FORK-UNPROVEN": Code(FRAUD, "A fork was recorded that its two heads don't prove."),
    },
    "Money that moved": {
        "OUTFLOW-UNTRACED": Code(
            FRAUD,
            "Tokens left escrow or vault without an event that says what for.",
        ),
        "OUTFLOW-MISSING": Code(FRAUD, "Escrow or vault recorded a payment that no tokens made."),
        "INFLOW-MISSING": Code(
            FRAUD, "Escrow or vault counted money that never arrived from whom it says."
        ),
        "INFLOW-UNANNOUNCED": Code(NOTE, "Tokens arrived that escrow or vault count for nobody."),
        "CLAIM-UNFINALIZED": Code(FRAUD, "A claim was paid from a receipt that wasn't finalized."),
        "CLAIM-UNKNOWN": Code(FRAUD, "A claim was paid to an account that has no leaf."),
        "CLAIM-EXCESS": Code(FRAUD, "Claims were paid beyond their leaf or the receipt's total."),
        "CLAIM-AMOUNT": Code(FRAUD, "A claim paid another sum than its leaf still owed."),
        "CLAIM-COUNTERS": Code(FRAUD, "A claim credited other counts of labels than its leaf's."),
        "FEES-EXCESS": Code(FRAUD, "An operator withdrew more than its share of the fees."),
        "SLASH-EXCESS": Code(FRAUD, "Stake was slashed beyond what a finalized receipt says."),
        "SLASH-UNTRACED": Code(
            FRAUD, "Stake was slashed without a receipt that says so, or for somebody's own gain."
        ),
        "STAKE-EXCESS": Code(FRAUD, "More stake was taken out than had unbonded, or too early."),
        "STAKE-LOCKED": Code(FRAUD, "Stake was taken out that a running lock needs."),
        "CLOSE-EARLY": Code(FRAUD, "A campaign was closed by somebody who may not, or too early."),
        "REFUND-EARLY": Code(FRAUD, "A refund was paid before the campaign's end allows it."),
        "REFUND-AMOUNT": Code(FRAUD, "A refund is not what is neither committed nor charged."),
        "REFUND-RECIPIENT": Code(FRAUD, "A refund went to somebody other than the payers."),
        "PLEDGE-EXCESS": Code(FRAUD, "More of a pledged bond was used or taken than was pledged."),
        "AFTER-REFUND": Code(FRAUD, "A campaign that was refunded went on."),
        "TOKEN-UNPROVEN": Code(
            NOTE, "A campaign pays in another token than LabelToken: its balances are not proven."
        ),
        "TOKEN-SUPPLY": Code(FRAUD, "Tokens exist, or were spent, that no recorded mint made."),
        "CONSERVATION": Code(
            FRAUD, "What arrived is not what was paid, refunded, taken as fee, and is still held."
        ),
    },
    "The treasury": {
        "CREDIT-MISMATCH": Code(FRAUD, "The treasury counts another sum than it was given."),
        "POT-UNKNOWN": Code(FRAUD, "A pot is not the one that the rules name."),
        "COMPENSATION": Code(FRAUD, "A compensation is not the account's share of its pot."),
        "POT-SWEPT": Code(FRAUD, "What was for contributors was swept before its time."),
        "TREASURY-EXCESS": Code(FRAUD, "The treasury gave more than it had for that purpose."),
    },
    "Blocks of content": {
        "BLOCK-CORRUPT": Code(AVAILABILITY, "A block's bytes don't hash to its name."),
        "BLOCK-MISSING": Code(AVAILABILITY, "A block behind a receipt is not in the folder."),
    },
}

CODES: dict[str, Code] = {code: one for part in SECTIONS.values() for code, one in part.items()}
RANK: dict[str, int] = {code: number for number, code in enumerate(CODES)}


def page() -> str:
    """Return the list of codes as Markdown, as `docs/AUDIT.md` holds it."""
    lines = []
    for title, codes in SECTIONS.items():
        lines += [f"### {title}", "", "| code | severity | what it means |", "| --- | --- | --- |"]
        lines += [
            f"| `{code}` | {one.severity.text} | {one.meaning} |" for code, one in codes.items()
        ]
        lines.append("")
    return "\n".join(lines)
