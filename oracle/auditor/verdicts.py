"""`audit`: from a folder to a report."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from oracle.auditor.consensus import check_consensus
from oracle.auditor.content import Content
from oracle.auditor.folder import Chain, prove, read_deployment, read_folder
from oracle.auditor.heads import KeptHead, check_heads, read_heads
from oracle.auditor.money import Books, CampaignBooks, check_money
from oracle.auditor.published import CampaignContent, read_campaign
from oracle.auditor.report import AuditReport, CampaignReport, Findings
from oracle.auditor.workers import Workers
from oracle.chain.deployment import Deployment
from oracle.chain.proofs import to_bytes, to_int
from oracle.chain.record import ChainRecord
from oracle.chain.registry import registered, registered_instead, standing
from oracle.errors import ChainError, InputError, ProtocolFault
from oracle.evidence.signing import checksum

Progress = Callable[[str, float], None]  # what is being done, and the share that is done


def audit(
    directory: Path | str,
    *,
    rpc: str | None = None,
    trusted_hash: bytes | None = None,
    campaign: int | None = None,
    since: int = 0,
    from_source: bool = False,
    heads: Path | None = None,
    cores: int | None = None,
    known: Mapping[str, Deployment] | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit the run in `directory`: `deployment.json`, `chain.jsonl` and `content/`.

    `rpc` (a node's URL) or `trusted_hash` (of the record's last block) bind the verdicts to a chain
    that the caller trusts; without them they hold for the recorded chain, whose last hash the
    report names. `campaign` limits leaves, labels and consensus to one campaign; the escrow's money
    is always judged whole. `since` leaves out the consensus of receipts of earlier epochs, which
    are then taken as they stand. `from_source` compiles the contracts anew: what ships, and what
    every code on chain is compared with, must be what their source gives. `heads` is a file of
    signed heads that contributors kept: what they prove must be in the published log. `cores` is
    how many processes share the work, by default one for each core. `known` are the deployments of
    known networks by name, by default the registry's. `progress` is called with each
    step's name and the share done before it.

    Raises InputError where the folder is none that can be audited, ChainError where the node can't
    be asked; whatever else is wrong is a finding.
    """
    started = time.perf_counter()
    step = progress or (lambda what, share: None)
    directory = Path(directory)
    found = Findings()
    kept = read_heads(heads) if heads is not None else []
    rests_on = [_code_basis(from_source, step), *_passed_over(since)]
    step("reading the chain's record", 0.02)
    deployment, record = read_folder(directory, found)
    rests_on.append(_check_registered(deployment, known, found))
    kept_heads = (heads, kept) if heads is not None else None
    with Workers(cores) as workers:
        content = _scan(directory / "content", found, workers, step)
        judged = _judge(deployment, record, content, campaign, since, step, kept_heads)
    binding, bound = "no chain: the record breaks off", False
    if record is not None:
        binding, bound = _bind(record, rpc, trusted_hash, found)
    return AuditReport.of(
        found,
        directory=str(directory),
        seconds=time.perf_counter() - started,
        binding=binding,
        bound=bound,
        rests_on=tuple(rests_on),
        **judged,
    )


def audit_node(
    rpc: str,
    deployment: Path | str,
    content: Path | str,
    *,
    from_block: int | None = None,
    campaign: int | None = None,
    since: int = 0,
    from_source: bool = False,
    cores: int | None = None,
    known: Mapping[str, Deployment] | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit the chain of the node at `rpc`, which nobody recorded.

    `deployment` is the path of a deployment.json, `content` the folder of blocks; `from_block` is
    where the contracts' logs begin, by default where deployment.json says. What the node is trusted
    with stands in the report's `rests_on`. For the rest see `audit`.
    """
    started = time.perf_counter()
    step = progress or (lambda what, share: None)
    found = Findings()
    rests_on = [_code_basis(from_source, step), *_passed_over(since)]
    deployed = read_deployment(Path(deployment))
    rests_on.append(_check_registered(deployed, known, found))
    step("asking the node for headers, logs, receipts and proofs", 0.1)
    from oracle.chain.node_record import ask_record, connect_bounded
    from oracle.chain.rpc import node_name

    w3 = connect_bounded(rpc)
    record = ask_record(w3, deployed, from_block)
    rests_on.append(
        f"the node at {node_name(w3)} is trusted to say which block is the chain's last"
        + (
            "; all else is proven from that block's hash"
            if record.whole
            else ", which headers are of that chain, and which blocks hold the contracts' logs; "
            "receipts, code and balances are proven from the headers"
        )
    )
    head = f"block {record.head.number} with hash 0x{record.head.hash.hex()}"
    with Workers(cores) as workers:
        blocks = _scan(Path(content), found, workers, step)
        judged = _judge(deployed, record, blocks, campaign, since, step)
    return AuditReport.of(
        found,
        directory=str(content),
        seconds=time.perf_counter() - started,
        binding=f"for that node's chain, up to {head}",
        bound=not record.faults,
        rests_on=tuple(rests_on),
        **judged,
    )


def _check_registered(
    deployment: Deployment, known: Mapping[str, Deployment] | None, found: Findings
) -> str:
    """Find a deployment that isn't its chain's registered one; say in words what is known of it."""
    known = registered() if known is None else known
    found.check(
        registered_instead(deployment, known) is None,
        "money",
        "DEPLOYMENT-OTHER",
        f"escrow {checksum(deployment.escrow)}",
        f"the registered one of chain {deployment.chain_id} is "
        f"{registered_instead(deployment, known)}: ask who gave you this folder",
    )
    return standing(deployment, known)


def _scan(folder: Path, found: Findings, workers: Workers, step: Progress) -> Content:
    content = Content(folder, found, workers)
    step("hashing every block of content", 0.05)
    content.scan()
    return content


def _judge(
    deployment: Deployment,
    record: ChainRecord | None,
    content: Content,
    campaign: int | None,
    since: int,
    step: Progress,
    kept: tuple[Path, list[KeptHead]] | None = None,
) -> dict[str, Any]:
    """Prove the record, follow the money, recompute the receipts; return the report's figures."""
    found = content.found
    chain: Chain | None = None
    if record is not None:
        step("proving headers, transactions, logs and contracts", 0.2)
        chain = prove(deployment, record, found)
    campaigns: list[CampaignReport] = []
    sums: dict[str, int] = {}
    if chain is not None:
        if campaign is not None and campaign not in chain.campaigns:
            known = ", ".join(map(str, chain.campaigns)) or "none"
            raise InputError(f"campaign {campaign} isn't on this chain: it has {known}")
        wanted = [campaign] if campaign is not None else list(chain.campaigns)
        step("reading the receipts' evidence, recovering signatures", 0.25)
        contents = _contents(chain, wanted, content, found)
        if kept is not None:
            check_heads(*kept, contents, found)
        step("following the money", 0.4)
        books = check_money(chain, contents, found)
        for at, (number, one) in enumerate(contents.items()):
            tell = partial(_recomputed, step, number, at, len(contents))
            deque(check_consensus(one, found, since, tell), maxlen=0)  # each is let go at once
        campaigns = [_campaign_report(chain, books, number, contents) for number in wanted]
        sums = _sums(campaigns, books)
    return {
        "chain_id": deployment.chain_id,
        "last_block": record.head.number if record is not None else 0,
        "last_hash": "0x" + (record.head.hash.hex() if record is not None else ""),
        "contracts": {name: checksum(at) for name, at in deployment.addresses.items()},
        "campaigns": tuple(campaigns),
        "sums": sums,
    }


def _passed_over(since: int) -> list[str]:
    if since < 2:
        return []
    return [
        f"receipts of epochs before {since} are taken as they stand: their money is followed, "
        "their consensus isn't recomputed"
    ]


def _recomputed(step: Progress, number: int, at: int, campaigns: int, share: float) -> None:
    step(f"recomputing campaign {number}", 0.5 + (at + share) / campaigns / 2)


def _code_basis(from_source: bool, step: Progress) -> str:
    """Say what the contracts' code was compared with; see `check_sources` for its errors."""
    if not from_source:
        return "the contracts' code is compared with the bytecode that ships with this installation"
    from oracle.chain.compiler import check_sources, find_sources  # needs the compiler

    folder = find_sources()
    step(f"compiling {folder}", 0.0)
    compiler = check_sources(folder)
    return f"the contracts' code is compared with what {folder} gives, compiled by {compiler}"


def _contents(
    chain: Chain, numbers: list[int], content: Content, found: Findings
) -> dict[int, CampaignContent]:
    contents = {}
    for number in numbers:
        try:
            one = read_campaign(chain, number, content, found)
        except ProtocolFault as fault:
            found.add("money", fault.code, fault.place, fault.message)
            found.cannot_tell("consensus", str(fault))
            continue
        if one is not None:
            contents[number] = one
    return contents


def _bind(
    record: ChainRecord, rpc: str | None, trusted_hash: bytes | None, found: Findings
) -> tuple[str, bool]:
    """Say for which chain the verdicts hold: one that the caller trusts, or just the recorded."""
    head = record.head
    name = f"block {head.number} with hash 0x{head.hash.hex()}"
    if rpc is not None:
        node_hash = _node_hash(rpc, record.chain_id, head.number)
        found.check(
            node_hash == head.hash,
            "money",
            "CHAIN-UNTRUSTED",
            f"block {head.number}",
            "the node has another block there: the record is of another chain, or was forged",
        )
    if trusted_hash is not None:
        found.check(
            trusted_hash == head.hash,
            "money",
            "CHAIN-UNTRUSTED",
            f"block {head.number}",
            "its hash is not the trusted one",
        )
    bound = (rpc is not None or trusted_hash is not None) and not any(
        one.code == "CHAIN-UNTRUSTED" for one in found
    )
    if bound:
        return f"the trusted chain, up to {name}", True
    return (
        f"for that chain: the one that ends in {name}. Compare it with a chain you trust "
        "(--rpc URL or --trusted-hash HASH)"
    ), False


def _node_hash(url: str, chain_id: int, number: int) -> bytes | None:
    # web3 is only needed to ask a node
    from oracle.chain.node_record import connect_bounded, sense
    from oracle.chain.rpc import request

    w3 = connect_bounded(url)
    with sense(w3):
        if to_int(request(w3, "eth_chainId"), "eth_chainId") != chain_id:
            raise ChainError(f"the node serves another chain than {chain_id}: give the right --rpc")
        block = request(w3, "eth_getBlockByNumber", hex(number), False)
        return to_bytes(block["hash"], "hash") if block is not None else None


def _campaign_report(
    chain: Chain, books: Books, number: int, contents: dict[int, CampaignContent]
) -> CampaignReport:
    own = books.campaigns.get(number)
    content = contents.get(number)
    receipts = content.receipts if content is not None else ()
    last = next((one for one in reversed(receipts) if one.finalized), None)
    assert own is not None  # `number` is one of chain.campaigns, which the books replayed
    fees = own.totals[1]
    return CampaignReport(
        number=number,
        title=content.campaign.manifest.document["title"] if content is not None else "",
        token=checksum(own.token),
        receipts=len(own.settled),
        labels=last.receipt.label_count if last is not None else 0,
        items=last.receipt.item_count if last is not None else 0,
        contributors=len(last.evidence.contributors) if last is not None else 0,
        budget=own.budget,
        bond=own.bond,
        paid=own.paid,
        refunded=own.refunded or 0,
        fees=fees,
        unclaimed=own.totals[0] - own.paid,
        held=_held(own),
    )


def _held(own: CampaignBooks) -> int:
    """What stays in the escrow for the campaign's contributors and operators, and its payers."""
    return own.budget + own.bond - own.paid - (own.refunded or 0)


def _sums(campaigns: list[CampaignReport], books: Books) -> dict[str, int]:
    """Totals over the campaigns judged, in base units of their tokens."""
    names = ("budget", "bond", "paid", "refunded", "fees", "unclaimed", "held")
    sums = {name: sum(getattr(one, name) for one in campaigns) for name in names}
    sums["fees_withdrawn"] = sum(books.fees_taken.values())
    sums["slashed"] = sum(sum(books.campaigns[one.number].slashed.values()) for one in campaigns)
    return sums
