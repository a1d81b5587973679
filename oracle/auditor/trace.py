"""From a token transfer back to the labels it paid: transaction, claim, receipt, leaf, labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.auditor.content import Content
from oracle.auditor.folder import Chain, Transfer, prove, read_folder
from oracle.auditor.labels import LabelBook, opened_labels
from oracle.auditor.published import CampaignContent, Published, read_campaign
from oracle.auditor.report import Findings, units
from oracle.auditor.workers import Workers
from oracle.chain.facts import operator_set
from oracle.errors import InputError, ProtocolFault
from oracle.evidence.codec import decode_json, encode_json
from oracle.evidence.results import ContributorResult, PayoutLeaf
from oracle.evidence.signing import checksum
from oracle.evidence.structs import Receipt
from oracle.ports import ChainEvent


@dataclass(frozen=True)
class TracedLabel:
    """A label behind a payment; `consensus` is None while its item is open."""

    item: int
    answer: str
    consensus: str | None
    reward: int
    position: int


@dataclass(frozen=True)
class TracedClaim:
    """A payment from a receipt; `amount` in base units, `signers` are the operators' addresses."""

    campaign: int
    title: str
    account: str
    amount: int
    epoch: int
    digest: str
    posted: str
    signers: tuple[str, ...]
    leaf: PayoutLeaf | None
    figures: ContributorResult | None
    labels: tuple[TracedLabel, ...]


@dataclass(frozen=True)
class Trace:
    """What a transaction did with tokens: its transfers, the claims behind them, other events."""

    transaction: str
    block: int
    timestamp: int
    transfers: tuple[Transfer, ...]
    claims: tuple[TracedClaim, ...]
    others: tuple[str, ...]
    findings: int

    def to_json(self) -> dict[str, Any]:
        """The trace as JSON values; amounts are decimal strings of base units."""
        return {
            "transaction": self.transaction,
            "block": self.block,
            "timestamp": self.timestamp,
            "transfers": [
                {
                    "token": checksum(one.token),
                    "from": checksum(one.sender),
                    "to": checksum(one.receiver),
                    "amount": str(one.amount),
                }
                for one in self.transfers
            ],
            "claims": [_claim_json(one) for one in self.claims],
            "others": list(self.others),
        }


def trace(directory: Path | str, transaction: bytes, account: str | None = None) -> Trace:
    """Trace a transaction of the run in `directory`, or one `account`'s part of it (0x hex).

    Raises InputError where the folder can't be read or proven, or the transaction moved no tokens.
    """
    with Workers() as workers:
        return _trace(Path(directory), transaction, account, workers)


def _trace(directory: Path, transaction: bytes, account: str | None, workers: Workers) -> Trace:
    found = Findings()
    deployment, record = read_folder(directory, found)
    chain = prove(deployment, record, found) if record is not None else None
    if chain is None:
        raise InputError(
            f"the record in {directory} can't be proven: `ddlp audit {directory}` says why"
        )
    events = [event for event in chain.events if event.transaction == transaction]
    transfers = tuple(one for one in chain.transfers if one.transaction == transaction)
    if not transfers:
        known = "it moved no tokens" if events else "it isn't in the record"
        raise InputError(f"transaction 0x{transaction.hex()}: {known}; give one that paid somebody")
    content = Content(directory / "content", found, workers)
    content.scan()
    paid = [event for event in events if event.name == "Paid" and event.arguments["amount"]]
    if account is not None:
        wanted = account.lower().removeprefix("0x")
        paid = [one for one in paid if one.arguments["account"].hex() == wanted]
        transfers = tuple(one for one in transfers if one.receiver.hex() == wanted)
        if not transfers:
            raise InputError(f"{account} got nothing in it: leave --account out to see who did")
    contents: dict[int, CampaignContent | None] = {}
    for number in sorted({event.arguments["campaign"] for event in paid}):
        try:
            contents[number] = read_campaign(chain, number, content, found)
        except ProtocolFault as fault:
            raise InputError(f"{fault}: `ddlp audit {directory}` says more") from fault
    block = chain.block(transfers[0].block)
    return Trace(
        "0x" + transaction.hex(),
        block.number,
        block.timestamp,
        transfers,
        tuple(_claim(chain, event, contents[event.arguments["campaign"]]) for event in paid),
        tuple(_describe(event) for event in events if event.name in _DESCRIBED),
        len(list(found)),
    )


def _claim(chain: Chain, event: ChainEvent, content: CampaignContent | None) -> TracedClaim:
    values = event.arguments
    account, epoch = values["account"], values["epoch"]
    posted = _posted(chain, values["campaign"], epoch)
    published = next(
        (one for one in (content.receipts if content else ()) if one.receipt.epoch == epoch), None
    )
    leaf, figures = None, None
    if published is not None:
        leaves = {one.account: one for one in published.evidence.leaves}
        leaf = leaves.get(account)
        rows = {one.account: one for one in published.evidence.contributors}
        figures = rows.get(account)
    operators = operator_set(chain.events, posted.block) if posted is not None else None
    return TracedClaim(
        campaign=values["campaign"],
        title=content.campaign.manifest.document["title"] if content else "",
        account=checksum(account),
        amount=values["amount"],
        epoch=epoch,
        digest="0x" + posted.arguments["digest"].hex() if posted is not None else "",
        posted="0x" + posted.transaction.hex() if posted is not None else "",
        signers=tuple(map(checksum, operators.signers(posted.arguments["signers"])))
        if operators is not None and posted is not None
        else (),
        leaf=leaf,
        figures=figures,
        labels=_labels(content, published, account) if content and published else (),
    )


def _labels(content: CampaignContent, until: Published, account: bytes) -> tuple[TracedLabel, ...]:
    """The account's labels that receipts up to `until` opened, in log order."""
    classes = content.campaign.manifest.classes
    # Without a posterior there is nothing that an answer was inferred from.
    answers = {
        row.item: _shown(classes[row.answer]) if any(row.posterior) else None
        for row in until.evidence.items
    }
    labels = []
    book = LabelBook(content.campaign)
    for one in content.receipts:
        if one.receipt.epoch > until.receipt.epoch:
            break
        book.read(one)
        labels += [
            TracedLabel(
                label.item,
                _shown(decode_json(label.answer)),
                answers.get(label.item),
                label.reward,
                label.position,
            )
            for label in opened_labels(one, book)
            if label.contributor == account
        ]
    return tuple(sorted(labels, key=lambda label: (label.position, label.item)))


def _shown(answer: Any) -> str:
    return answer if isinstance(answer, str) else encode_json(answer).decode()


def _posted(chain: Chain, campaign: int, epoch: int) -> ChainEvent | None:
    """The finalized receipt of an epoch, as it was posted."""
    finalized = {
        event.arguments["digest"] for event in chain.events if event.name == "ReceiptFinalized"
    }
    for event in chain.events:
        if event.name == "ReceiptPosted" and event.arguments["digest"] in finalized:
            receipt = Receipt.from_tuple(event.arguments["receipt"])
            if (receipt.campaign, receipt.epoch) == (campaign, epoch):
                return event
    return None


_DESCRIBED = {
    "CampaignCreated": "campaign {campaign} was created: budget and bond went into escrow",
    "Funded": "campaign {campaign} was funded",
    "BondRaised": "the bond of campaign {campaign} was raised",
    "Refunded": "campaign {campaign} was refunded: what was neither committed nor charged",
    "FeesWithdrawn": "an operator withdrew its share of the fees of quorum {quorum}",
    "Pledged": "a bond was pledged",
    "PledgeWithdrawn": "a pledged bond was taken back",
    "Staked": "stake went into the vault",
    "Withdrawn": "unbonded stake left the vault",
    "Slashed": "locked stake was slashed",
}


def _describe(event: ChainEvent) -> str:
    return _DESCRIBED[event.name].format(**event.arguments)


def _claim_json(one: TracedClaim) -> dict[str, Any]:
    leaf, figures = one.leaf, one.figures
    return {
        "campaign": one.campaign,
        "account": one.account,
        "amount": str(one.amount),
        "receipt": {
            "epoch": one.epoch,
            "digest": one.digest,
            "posted": one.posted,
            "signers": list(one.signers),
        },
        "leaf": None
        if leaf is None
        else {
            "cumulative": str(leaf.cumulative),
            "accepted": leaf.accepted,
            "submitted": leaf.submitted,
        },
        "agreement": figures.agreement if figures is not None else None,
        "passed": figures.passed if figures is not None else None,
        "labels": [
            {
                "item": label.item,
                "answer": label.answer,
                "consensus": label.consensus,
                "reward": str(label.reward),
                "position": label.position,
            }
            for label in one.labels
        ],
    }


def transfer_line(one: Transfer) -> str:
    """Say a transfer in one line."""
    return f"{units(one.amount)} from {checksum(one.sender)} to {checksum(one.receiver)}"
