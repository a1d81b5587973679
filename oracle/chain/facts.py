"""What follows from events: a campaign's facts, the operator set. Pure; the reader and the auditor
share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from oracle.errors import UnknownCampaign
from oracle.evidence.structs import Receipt
from oracle.ports import ChainEvent, OperatorSet
from oracle.protocol.facts import Anchors, Block, ChainDelegation, ChainFacts, Funding, Settlement

OPERATOR_ROLE = 2  # StakeVault's flag
# The events that a campaign's facts follow from, and those that the operator set does.
FACTS = frozenset(
    {
        *("CampaignCreated", "Funded", "BondRaised", "EpochCapRaised", "CampaignClosed"),
        *("ReceiptPosted", "ReceiptFinalized", "ReceiptVoided", "Delegated"),
    }
)
SEATS = frozenset({"OperatorsSet", "OperatorSynced", "Joined"})


def campaign_facts(
    events: Sequence[ChainEvent],
    campaign: int,
    *,
    chain_id: int,
    addresses: Mapping[str, bytes],
    window_seconds: int,
    anchor_blocks: int,
    to_block: int,
    blocks: Callable[[Iterable[int]], Mapping[int, Block]],
    anchors: Callable[[range], Mapping[int, Block]] | None = None,
) -> ChainFacts:
    """Return a campaign's facts as of the end of `to_block`.

    `events` are all events, or the campaign's that are in `FACTS`, in chain order; `addresses` of
    the contracts by name; `blocks` looks up blocks by number, `anchors` a range of them (by
    default as `blocks` does). Raises UnknownCampaign where the campaign wasn't created by then.
    """
    of_campaign = [
        event
        for event in events
        if event.block <= to_block and event.arguments.get("campaign") == campaign
    ]
    created = next((one for one in of_campaign if one.name == "CampaignCreated"), None)
    if created is None:
        raise UnknownCampaign(f"campaign {campaign} doesn't exist at block {to_block}")
    closed = next((one for one in of_campaign if one.name == "CampaignClosed"), None)
    first_anchor = -(-created.block // anchor_blocks) * anchor_blocks
    numbers = range(first_anchor, to_block + 1, anchor_blocks)
    found = (anchors or blocks)(numbers)
    known = blocks([created.block] if closed is None else [created.block, closed.block])
    return ChainFacts(
        chain_id=chain_id,
        escrow=addresses["CampaignEscrow"],
        board=addresses["ReceiptBoard"],
        campaign=campaign,
        token=created.arguments["token"],
        gateway=created.arguments["gateway"],
        manifest=created.arguments["manifest"],
        fee_bps=created.arguments["fee_bps"],
        window_seconds=window_seconds,
        created=known[created.block],
        funding=_funding(of_campaign),
        settlements=settlements(of_campaign),
        delegations=_delegations(of_campaign),
        closed=known[closed.block] if closed is not None else None,
        anchors=Anchors(numbers, found, {}) if anchors is None else found,
    )


def settlements(events: Sequence[ChainEvent]) -> tuple[Settlement, ...]:
    """Return the receipts posted, in order, with the block that finalized or voided each, if one
    did."""
    finalized, voided = (
        {event.arguments["digest"]: event.block for event in events if event.name == name}
        for name in ("ReceiptFinalized", "ReceiptVoided")
    )
    return tuple(
        Settlement(
            Receipt.from_tuple(event.arguments["receipt"]),
            event.block,
            finalized.get(event.arguments["digest"]),
            voided.get(event.arguments["digest"]),
        )
        for event in events
        if event.name == "ReceiptPosted"
    )


def operator_set(events: Sequence[ChainEvent], to_block: int) -> OperatorSet:
    """Return the operator set as of the end of `to_block`; version 0 and empty before the first."""
    version, threshold = 0, 0
    members: tuple[bytes, ...] = ()
    active: set[bytes] = set()
    keys: dict[bytes, bytes] = {}
    for event in events:
        if event.block > to_block:
            break
        values = event.arguments
        if event.name == "OperatorsSet":
            version, threshold = values["operator_set"], values["threshold"]
            members = values["operators"]
            active = set(members)
        elif event.name == "OperatorSynced":
            (active.add if values["active"] else active.discard)(values["operator"])
        elif event.name == "Joined" and values["role"] == OPERATOR_ROLE:
            keys[values["account"]] = values["encryption_key"]
    return OperatorSet(
        version,
        threshold,
        members,
        frozenset(active),
        {member: keys[member] for member in members if member in keys},
    )


def _funding(events: Sequence[ChainEvent]) -> tuple[Funding, ...]:
    steps: list[Funding] = []
    for event in events:
        values = event.arguments
        if event.name == "CampaignCreated":
            step = Funding(event.block, values["budget"], values["bond"], values["epoch_cap"])
        elif event.name == "Funded":
            step = Funding(event.block, values["budget"], steps[-1].bond, steps[-1].epoch_cap)
        elif event.name == "BondRaised":
            step = Funding(event.block, steps[-1].budget, values["bond"], steps[-1].epoch_cap)
        elif event.name == "EpochCapRaised":
            step = Funding(event.block, steps[-1].budget, steps[-1].bond, values["current"])
        else:
            continue
        steps.append(step)
    return tuple(steps)


def _delegations(events: Sequence[ChainEvent]) -> tuple[ChainDelegation, ...]:
    return tuple(
        ChainDelegation(
            event.block,
            event.arguments["contributor"],
            event.arguments["session_key"],
            event.arguments["generation"],
            event.arguments["valid_until"],
            event.arguments["consent"],
        )
        for event in events
        if event.name == "Delegated"
    )
