"""A run's folder, read and proven: what the chain says, from the last header's hash alone.

Everything else in the audit rests on this. `chain.jsonl` is proven line by line (headers chain to
one another, transactions and logs hash to their roots, code and token balances are proven at the
last header), and each contract's code must be the shipped one with the immutables that
`deployment.json` gives it; only then do its events mean what they say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from oracle.auditor.content import open_regular, read_regular
from oracle.auditor.report import VERDICTS, Findings
from oracle.chain.artifacts import CONTRACTS
from oracle.chain.deployment import Deployment, expected_code
from oracle.chain.facts import campaign_facts
from oracle.chain.proofs import to_bytes, to_int, transaction_hash
from oracle.chain.record import ChainRecord, nests_deeply
from oracle.errors import ChainError, FormatError, InputError, ProtocolFault
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum
from oracle.ports import ChainEvent
from oracle.protocol.facts import Block, ChainFacts

DEPLOYMENT_BYTES = 1 << 20
LINE_BYTES = 1 << 25
_TRANSFER = keccak256(b"Transfer(address,address,uint256)")
_NONE = b"\0" * 20
_BROKEN = (TypeError, ValueError, AttributeError, OverflowError, LookupError, RecursionError)


@dataclass(frozen=True)
class Transfer:
    """An ERC-20 transfer that a token logged, in base units."""

    token: bytes
    sender: bytes
    receiver: bytes
    amount: int
    block: int
    index: int
    transaction: bytes


@dataclass(frozen=True)
class Chain:
    """The proven chain: events of DDLP's contracts, in chain order."""

    record: ChainRecord
    deployment: Deployment
    events: tuple[ChainEvent, ...]

    @property
    def escrow(self) -> bytes:
        """CampaignEscrow's address."""
        return self.deployment.escrow

    @property
    def head(self) -> Block:
        """The last block; all verdicts hold for the chain that ends in its hash."""
        return self.record.head

    def block(self, number: int) -> Block:
        """Return a block by number."""
        return self.record.block(number)

    @cached_property
    def campaigns(self) -> dict[int, ChainEvent]:
        """Each campaign's CampaignCreated, by number."""
        return {
            event.arguments["campaign"]: event
            for event in self.events
            if event.name == "CampaignCreated"
        }

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """Every transfer of LabelToken and of the campaigns' tokens, in chain order."""
        tokens = {event.arguments["token"] for event in self.campaigns.values()}
        tokens |= {event.arguments["token"] for event in self.events if event.name == "Pledged"}
        return tuple(_transfers(self.record, tokens | {self.deployment.token}))

    def manifest_digest(self, campaign: int) -> bytes:
        """Return the digest of a campaign's manifest."""
        return bytes(self.campaigns[campaign].arguments["manifest"])

    def facts(self, campaign: int, anchor_blocks: int) -> ChainFacts:
        """Return a campaign's facts; ProtocolFault where its events contradict one another."""
        try:
            return campaign_facts(
                self.events,
                campaign,
                chain_id=self.record.chain_id,
                addresses=self.deployment.addresses,
                window_seconds=self.deployment.parameters.window_seconds,
                anchor_blocks=anchor_blocks,
                to_block=self.head.number,
                blocks=self.record.look_up,
            )
        except LookupError as error:
            raise ProtocolFault(
                "CONTRACT-EVENT", f"campaign {campaign}", "events precede the campaign's creation"
            ) from error


def read_folder(directory: Path, found: Findings) -> tuple[Deployment, ChainRecord | None]:
    """Read deployment and record; no record, and a finding, where the file breaks off.

    Raises InputError, naming the remedy, for files that are no such files.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} is no folder: name the folder of a run")
    deployment = read_deployment(directory / "deployment.json")
    path = directory / "chain.jsonl"
    if _breaks_off(path):
        _give_up(found, "chain.jsonl breaks off")
        found.add(
            "availability",
            "CHAIN-TRUNCATED",
            "chain.jsonl",
            "the record breaks off before the account proofs: copy or record it again",
        )
        return deployment, None
    return deployment, _guard(path, lambda: ChainRecord.read(path))


def read_deployment(path: Path) -> Deployment:
    """Read a deployment; InputError, naming the remedy, for a file that is none."""
    text = read_regular(path, DEPLOYMENT_BYTES)
    if text is None or nests_deeply(text):
        raise InputError(f"{path} is over 1 MiB or no deployment's JSON: copy it again")
    deployment: Deployment = _guard(path, lambda: Deployment.load(path))
    return deployment


def prove(deployment: Deployment, record: ChainRecord, found: Findings) -> Chain | None:
    """Prove record, contracts and events; None, and findings, where they don't hold.

    What can't be proven is not built upon: after a fault here nothing else is judged.
    """
    problems = _guard(Path("chain.jsonl"), record.problems)
    found.checks += 4 * len(record.chain) + len(record.accounts)
    for problem in problems:
        found.add("money", problem.code, problem.place, f"the record {problem.message}")
    for recorded in record.blocks:
        found.check(
            len(recorded.transactions) == len(recorded.receipts),
            "money",
            "CHAIN-RECEIPTS",
            f"block {recorded.block.number}",
            "the block has more receipts than transactions, or fewer",
        )
        found.check(
            not any(
                one["logs"] and not to_int(one["status"], "status") for one in recorded.receipts
            ),
            "money",
            "CHAIN-RECEIPTS",
            f"block {recorded.block.number}",
            "a transaction that failed has logs, as no chain would have it",
        )
    first = record.chain[0]
    if first.number == 0:
        found.check(
            first.hash == deployment.genesis,
            "money",
            "CHAIN-GENESIS",
            "block 0",
            "the genesis block is another than deployment.json names",
        )
    found.check(
        record.chain_id == deployment.chain_id,
        "money",
        "CHAIN-GENESIS",
        "chain.jsonl",
        f"it is of chain {record.chain_id}, deployment.json of {deployment.chain_id}",
    )
    if _failed(found):
        _give_up(found, "the record of the chain can't be proven")
        return None
    _check_code(deployment, record, found)
    if _failed(found):
        _give_up(found, "a contract isn't the shipped one, so its events prove nothing")
        return None
    try:
        events = tuple(record.events(deployment.addresses))
    except ChainError as error:
        found.add("money", "CONTRACT-EVENT", "chain.jsonl", str(error))
        _give_up(found, "a contract's events can't be read")
        return None
    if not _check_complete(deployment, events, found):
        _give_up(found, "the record begins after the contracts were deployed")
        return None
    return Chain(record, deployment, events)


def _check_code(deployment: Deployment, record: ChainRecord, found: Findings) -> None:
    for name in CONTRACTS:
        address = deployment.addresses[name]
        expected = _guard(Path("deployment.json"), partial(expected_code, deployment, name))
        account = record.accounts.get(address)
        found.check(
            account is not None and account.code == expected,
            "money",
            "CONTRACT-CODE",
            f"{name} at {checksum(address)}",
            "its code on chain is not the shipped bytecode with deployment.json's immutables",
        )


def _check_complete(
    deployment: Deployment, events: tuple[ChainEvent, ...], found: Findings
) -> bool:
    """A constructor's first event is that its deployer becomes owner, or at first Governance's
    admin: with it, none is missing.
    """
    first: dict[str, ChainEvent] = {}
    for event in events:
        first.setdefault(event.contract, event)
    complete = True
    for name in CONTRACTS:
        born = first.get(name)
        complete &= found.check(
            born is not None
            and (
                born.name == "RoleGranted"
                if name == "Governance"
                else born.name == "OwnershipTransferred"
                and born.arguments["previous_owner"] == _NONE
            ),
            "availability",
            "CHAIN-INCOMPLETE",
            f"{name} at {checksum(deployment.addresses[name])}",
            "its first event is missing: record the chain from the deployment on",
        )
    return complete


def _transfers(record: ChainRecord, tokens: set[bytes]) -> Iterator[Transfer]:
    for recorded in record.blocks:
        index = 0
        for raw, receipt in zip(recorded.transactions, recorded.receipts, strict=True):
            transaction = transaction_hash(raw) if receipt["logs"] else b""
            for log in receipt["logs"]:
                topics = [to_bytes(topic, "topic") for topic in log["topics"]]
                token, data = to_bytes(log["address"], "address"), to_bytes(log["data"], "data")
                if token in tokens and len(topics) == 3 and topics[0] == _TRANSFER:
                    yield Transfer(
                        token,
                        topics[1][12:],
                        topics[2][12:],
                        int.from_bytes(data[:32], "big"),
                        recorded.block.number,
                        index,
                        transaction,
                    )
                index += 1


def _breaks_off(path: Path) -> bool:
    """Say whether the last line is not the one that a record ends with; never reads a line that no
    record has."""
    last = b""
    with open_regular(path) as file:
        while line := file.readline(LINE_BYTES + 1):
            if len(line) > LINE_BYTES:
                raise InputError(f"{path} has a line over 32 MiB, which no record has: record anew")
            if line.endswith(b"\n") and nests_deeply(line):
                raise InputError(f"{path} has a line that is no record's JSON: record anew")
            last = line
    try:
        return not last.endswith(b"\n") or "state" not in json.loads(last)
    except (ValueError, TypeError, RecursionError):
        return True


def _failed(found: Findings) -> bool:
    return any(one.verdict == "money" for one in found)


def _give_up(found: Findings, why: str) -> None:
    for verdict in VERDICTS:
        found.cannot_tell(verdict, why)


def _guard(path: Path, read: Callable[[], Any]) -> Any:
    """Run `read`; whatever malformed content makes it raise becomes one InputError."""
    try:
        return read()
    except (ChainError, FormatError) as error:
        raise InputError(str(error)) from error
    except _BROKEN as error:
        raise InputError(
            f"{path} is malformed ({error!r}): copy or record it again"[:500]
        ) from error
