"""A run's folder made on paper: a chain that nobody mined, with whatever logs a test wants.

Headers, transactions, receipts and account proofs fit one another, so that the auditor can prove
them as it proves a real chain's; but no contract stands behind the logs. A test can thus forge what
the contracts would refuse. `PaperRun` writes what honest people would; `tamper`, `signers` and
`extra` are where culprits come in.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import rlp
from eth_abi.abi import encode
from trie import HexaryTrie

from oracle.chain.artifacts import CONTRACTS, load_artifact
from oracle.chain.deployment import (
    DEVNET,
    Deployed,
    Deployment,
    constructor_arguments,
    expected_code,
)
from oracle.chain.proofs import EMPTY_ROOT, header_hash, receipts_root, transactions_root
from oracle.chain.record import SUPPLY_SLOT, balance_slot
from oracle.evidence.campaign import commit_label, encode_gold, encode_items
from oracle.evidence.codec import Block, json_block
from oracle.evidence.hashing import ZERO32, address_word, keccak256, sha256, word
from oracle.evidence.signing import address_of, checksum, compact, sign
from oracle.evidence.structs import Receipt
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.facts import Settlement
from tests.support.world import BLOCK_SECONDS, START, World, key_of

Log = dict[str, Any]
OPERATORS = ("operator 2", "operator 0", "operator 1")  # in the order of their addresses
STAKE = DEVNET.min_operator_stake
NOBODY = b"\0" * 20
GUIDELINES, CONSENT = json_block("Label what you see."), json_block("I agree.")


def addresses() -> dict[str, bytes]:
    names = {
        "LabelToken": "token",
        "StakeVault": "vault",
        "CampaignEscrow": "escrow",
        "ReceiptBoard": "board",
    }
    return {one: address_of(key_of(names.get(one, one))) for one in CONTRACTS}


def text(data: bytes) -> str:
    return "0x" + data.hex()


def event_log(contract: str, name: str, **values: Any) -> Log:
    """Encode an event as its contract would log it."""
    entry = next(one for one in load_artifact(contract).abi if one.get("name") == name)
    kinds = [_type(part) for part in entry["inputs"]]
    topics = [keccak256(f"{name}({','.join(kinds)})".encode())]
    plain, data = [], []
    for part, kind in zip(entry["inputs"], kinds, strict=True):
        value = _plain(values[part["name"]])
        if part["indexed"]:
            topics.append(encode([kind], [value]))
        else:
            plain.append(kind)
            data.append(value)
    return {
        "address": text(addresses()[contract]),
        "topics": [text(topic) for topic in topics],
        "data": text(encode(plain, data)),
    }


def _type(part: dict[str, Any]) -> str:
    kind: str = part["type"]
    if kind.startswith("tuple"):
        return f"({','.join(map(_type, part['components']))}){kind.removeprefix('tuple')}"
    return kind


def _plain(value: Any) -> Any:
    if isinstance(value, bytes) and len(value) == 20:
        return checksum(value)
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    return value


def transfer(sender: bytes, receiver: bytes, amount: int) -> Log:
    return event_log("LabelToken", "Transfer", sender=sender, receiver=receiver, value=amount)


@dataclass
class PaperRun(World):
    """A World whose blocks are written down. `signers` sign receipts; `tamper` alters a result
    before it is signed and posted."""

    items: int = 24
    gold_per_epoch: int = 4
    epochs: int = 3
    signers: Sequence[str] = OPERATORS[:2]
    tamper: Callable[[PaperRun, EpochResult], EpochResult] = lambda run, result: result
    transactions: dict[int, list[list[Log]]] = field(default_factory=lambda: defaultdict(list))
    content: dict[str, bytes] = field(default_factory=dict)
    failed: set[tuple[int, int]] = field(default_factory=set)  # block and place

    def __post_init__(self) -> None:
        self.headers: list[dict[str, Any]] = []
        self.claimed: defaultdict[bytes, int] = defaultdict(int)
        self.waiting: Any = None  # the result of a receipt that a test left pending
        self.ids = [
            json_block({"name": f"item {number}", "text": f"What is {number}?"})
            for number in range(self.items + self.epochs * self.gold_per_epoch)
        ]
        index, shards = encode_items([one.digest for one in self.ids], records_public=True)
        self.changes = {
            "epochSeconds": 600,
            "leaseSeconds": 200,
            "graceSeconds": 30,
            "guidelines": GUIDELINES.digest.hex(),
            "consent": CONSENT.digest.hex(),
            "items": index.digest.hex(),
            **self.changes,
        }
        gold = self._gold_block()
        self.changes["gold__commitments"] = gold.digest.hex()
        super().__post_init__()
        self.item_ids = [one.digest for one in self.ids]
        commitments = self._commitments()
        self.campaign = replace(self.campaign, item_ids=self.item_ids, gold=commitments)
        self.keep(index, *shards, *self.ids, gold, GUIDELINES, CONSENT, self.manifest.block)

    def _gold_block(self) -> Block:
        """The commitments of the gold that World will choose: it chooses by the seed alone."""
        world = World(
            seed=self.seed,
            epochs=self.epochs,
            items=self.items,
            gold_per_epoch=self.gold_per_epoch,
            changes={key: self.changes[key] for key in self.changes if key == "task__classes"},
            pool=self.pool,
        )
        self.gold_openings = world.gold_openings
        return encode_gold(self._commitments())

    def _commitments(self) -> list[list[bytes]]:
        return [
            [
                commit_label(self.ids[row.item].digest, sha256(row.answer), row.salt)
                for row in self.gold_openings
                if row.epoch == epoch
            ]
            for epoch in range(1, self.epochs + 1)
        ]

    def keep(self, *blocks: Block) -> None:
        """Put blocks into the folder."""
        self.content.update((str(block.link), block.data) for block in blocks)

    # -- the paper chain -----------------------------------------------------------------------

    @property
    def deployment(self) -> Deployment:
        at = addresses()
        deployer = address_of(key_of("deployer"))
        parameters = DEVNET
        arguments = constructor_arguments(parameters, at)
        contracts = {name: Deployed(at[name], 1, ZERO32, arguments[name]) for name in CONTRACTS}
        self._hash(0)
        genesis = bytes.fromhex(self.headers[0]["hash"][2:])
        return Deployment(31337, genesis, deployer, parameters, contracts)

    def _hash(self, block: int) -> bytes:
        if block == 6 and not self.headers:
            self._set_up()
        while len(self.headers) <= block:
            self._seal(EMPTY_ROOT)
        return bytes.fromhex(self.headers[block]["hash"][2:])

    def _seal(self, state_root: bytes) -> None:
        number = len(self.headers)
        raws, receipts = self._body(number)
        header = {
            "parentHash": self.headers[-1]["hash"] if self.headers else text(ZERO32),
            "sha3Uncles": text(keccak256(rlp.encode([]))),
            "miner": text(NOBODY),
            "stateRoot": text(state_root),
            "transactionsRoot": text(transactions_root(raws)),
            "receiptsRoot": text(receipts_root(receipts)),
            "logsBloom": text(bytes(256)),
            "difficulty": "0x0",
            "number": hex(number),
            "gasLimit": hex(30_000_000),
            "gasUsed": "0x0",
            "timestamp": hex(START + (number - 6) * BLOCK_SECONDS),
            "extraData": "0x",
            "mixHash": text(ZERO32),
            "nonce": "0x0000000000000000",
            "baseFeePerGas": "0x7",
        }
        self.headers.append({"hash": text(header_hash(header)), **header})

    def _body(self, number: int) -> tuple[list[bytes], list[dict[str, Any]]]:
        logs = self.transactions.get(number, [])
        raws = [rlp.encode([b"paper", word(number), word(place)]) for place in range(len(logs))]
        receipts = [
            {
                "type": "0x0",
                "status": "0x0" if (number, place) in self.failed else "0x1",
                "cumulativeGasUsed": hex(21_000 * (place + 1)),
                "logsBloom": text(bytes(256)),
                "logs": one,
            }
            for place, one in enumerate(logs)
        ]
        return raws, receipts

    def mine(self, *logs: Log) -> None:
        """One block with one transaction; an anchor where the log needs one."""
        self.block += 1
        self.transactions[self.block].append(list(logs))
        if self.block % self.manifest.anchor_blocks == 0:
            self.block -= 1
            super().pass_time(BLOCK_SECONDS)

    def _set_up(self) -> None:
        deployer, at = address_of(key_of("deployer")), addresses()
        born = {"previous_owner": NOBODY, "new_owner": deployer}
        admin = {"role": bytes(32), "account": deployer, "sender": deployer}
        for name in CONTRACTS:
            first = event_log("Governance", "RoleGranted", **admin)
            if name != "Governance":
                first = event_log(name, "OwnershipTransferred", **born)
            self.transactions[1].append([first])
        self.requester = address_of(key_of("requester"))
        mints = [transfer(NOBODY, self.requester, self.budget + self.bond)]
        members = [address_of(key_of(name)) for name in OPERATORS]
        staked: list[Log] = []
        for member in members:
            mints.append(transfer(NOBODY, member, STAKE))
            key = keccak256(member)
            staked.append(
                event_log("StakeVault", "Joined", account=member, role=2, encryption_key=key)
            )
            staked.append(transfer(member, at["StakeVault"], STAKE))
            stake = {"account": member, "role": 2, "amount": STAKE, "staked": STAKE}
            staked.append(event_log("StakeVault", "Staked", **stake))
        self.transactions[2] += [mints, staked]
        named = {"operator_set": 1, "operators": members, "threshold": 2}
        self.transactions[3].append([event_log("ReceiptBoard", "OperatorsSet", **named)])
        fee = {"previous": 0, "current": DEVNET.min_fee_bps}
        allowed = {"token": at["LabelToken"], "allowed": True}
        self.transactions[4] += [
            [event_log("CampaignEscrow", "MinFeeSet", **fee)],
            [event_log("CampaignEscrow", "TokenSet", **allowed)],
        ]
        created = event_log(
            "CampaignEscrow",
            "CampaignCreated",
            campaign=1,
            requester=self.requester,
            token=at["LabelToken"],
            budget=self.budget,
            bond=self.bond,
            epoch_cap=self.epoch_cap,
            fee_bps=self.fee_bps,
            gateway=address_of(self.gateway_key),
            manifest=self.manifest.block.digest,
            bond_payer=self.requester,
        )
        paid = transfer(self.requester, at["CampaignEscrow"], self.budget + self.bond)
        self.transactions[6].append([paid, created])

    # -- receipts ------------------------------------------------------------------------------

    def close(self) -> None:
        values = {"campaign": 1, "caller": self.requester}
        number = self.block + 1
        self.mine(event_log("CampaignEscrow", "CampaignClosed", **values))
        when = START + (number - 6) * BLOCK_SECONDS
        self._know(
            replace(self.facts, closed=replace(self.facts.created, number=number, timestamp=when))
        )

    def cut(self, *, final: bool = False) -> EpochResult:
        """Decide, let a culprit alter the result, post and finalize it."""
        result = decide(self.campaign, self.previous, self.rows, self.supplement(final=final))
        result = self.tamper(self, result)
        self.keep(*result.blocks)
        self.results.append(result)
        self.settle(result.receipt)
        return result

    def settle(self, receipt: Receipt) -> None:
        before = self.results[-2].receipt if len(self.results) > 1 else None
        posted = self.block + 1
        self.mine(*self.posted(receipt, before))
        self._know(
            replace(
                self.facts,
                settlements=(*self.facts.settlements, Settlement(receipt, posted, None)),
            )
        )
        self.pass_time(self.facts.window_seconds + BLOCK_SECONDS)
        finalized = self.block + 1
        self.mine(*self.finalized(receipt, before))
        settled = Settlement(receipt, posted, finalized)
        self._know(replace(self.facts, settlements=(*self.facts.settlements[:-1], settled)))

    @property
    def bitmap(self) -> int:
        return sum(1 << seat for seat, name in enumerate(OPERATORS) if name in self.signers)

    def posted(self, receipt: Receipt, before: Receipt | None) -> list[Log]:
        digest = receipt.digest(self.facts.board_domain)
        keys = sorted((key_of(name) for name in self.signers), key=address_of)
        return [
            event_log(
                "CampaignEscrow", "Reserved", campaign=1, epoch=receipt.epoch,
                amount=_total(receipt) - _total(before),
            ),
            event_log(
                "ReceiptBoard", "ReceiptPosted", campaign=1, digest=digest,
                poster=address_of(key_of("relayer")), operator_set=1, signers=self.bitmap,
                receipt=receipt.as_tuple(),
                signatures=[compact(sign(key, digest)) for key in keys],
            ),
        ]  # fmt: skip

    def finalized(self, receipt: Receipt, before: Receipt | None) -> list[Log]:
        fee = max(0, receipt.fee_total - (before.fee_total if before is not None else 0))
        settled = {
            "campaign": 1,
            "epoch": receipt.epoch,
            "payout_root": receipt.payout_root,
            "payout_total": receipt.payout_total,
            "fee_total": receipt.fee_total,
            "bond_charge": receipt.bond_charge,
            "fee": fee,
            "quorum": 1 << 32 | self.bitmap,
            "complete": receipt.final,
        }
        done = {
            "campaign": 1,
            "digest": receipt.digest(self.facts.board_domain),
            "epoch": receipt.epoch,
        }
        return [
            event_log("CampaignEscrow", "Settled", **settled),
            event_log("ReceiptBoard", "ReceiptFinalized", **done),
        ]

    def claim(self, result: EpochResult) -> None:
        """Everybody claims from one receipt."""
        escrow = addresses()["CampaignEscrow"]
        for leaf in result.evidence.leaves:
            amount = leaf.cumulative - self.claimed[leaf.account]
            if amount <= 0:
                continue
            self.claimed[leaf.account] += amount
            values = {
                "campaign": 1,
                "account": leaf.account,
                "epoch": result.receipt.epoch,
                "amount": amount,
                "accepted": leaf.accepted,
                "submitted": leaf.submitted,
            }
            self.mine(
                event_log("CampaignEscrow", "Paid", **values),
                transfer(escrow, leaf.account, amount),
            )

    def withdraw_fees(self) -> None:
        """Every signer takes its share, and the treasury its own."""
        at = addresses()
        fees = self.results[-1].receipt.fee_total
        of_treasury = fees * DEVNET.treasury_bps // 10_000
        share = (fees - of_treasury) // len(self.signers)
        values = {"token": at["LabelToken"], "quorum": 1 << 32 | self.bitmap}
        credited = {"campaign": 0, "token": at["LabelToken"], "pot": 0, "amount": of_treasury}
        self.mine(
            event_log(
                "CampaignEscrow", "FeesWithdrawn", operator=at["Treasury"], amount=of_treasury,
                **values,
            ),
            transfer(at["CampaignEscrow"], at["Treasury"], of_treasury),
            event_log("Treasury", "Credited", **credited),
        )  # fmt: skip
        for name in self.signers:
            operator = address_of(key_of(name))
            values = {
                "operator": operator,
                "token": at["LabelToken"],
                "quorum": 1 << 32 | self.bitmap,
                "amount": share,
            }
            self.mine(
                event_log("CampaignEscrow", "FeesWithdrawn", **values),
                transfer(at["CampaignEscrow"], operator, share),
            )

    def refund(self, more: int = 0, forfeited: int = 0) -> None:
        """Budget and bond go back but for what is forfeited; `more` is what a lying escrow adds."""
        if (self.block + 1) % self.manifest.anchor_blocks == 0:
            self.pass_time(BLOCK_SECONDS)  # an anchor is sealed at once; frauds rewrite this block
        last, escrow = self.results[-1].receipt, addresses()["CampaignEscrow"]
        budget = self.budget - (_total(last) - last.bond_charge) + more
        bond = self.bond - last.bond_charge - forfeited
        values = {
            "campaign": 1,
            "requester": self.requester,
            "bond_payer": self.requester,
            "budget": budget,
            "bond": bond,
            "forfeited": forfeited,
        }
        self.mine(
            transfer(escrow, self.requester, budget),
            transfer(escrow, self.requester, bond),
            event_log("CampaignEscrow", "Refunded", **values),
        )

    # -- people --------------------------------------------------------------------------------

    def label(self, names: Sequence[str], rounds: int = 3) -> None:
        """Everybody labels until the next cut."""
        epoch = self.ledger.epoch
        for _ in range(rounds):
            for name in names:
                self.work(name, 5, self.answer)
            if self.ledger.epoch == epoch:
                self.pass_time(120)
        while self.ledger.epoch == epoch:
            self.pass_time(60)

    def answer(self, item: int) -> int:
        """Nine answers of ten are true."""
        return self.truth[item] if self.random.random() < 0.9 else self.random.randrange(10)

    def finish(self) -> None:
        """Close, settle the final receipt, claim, withdraw fees, refund."""
        self.close()
        self.pass_time(self.manifest.lease_seconds + 60)
        final = self.cut(final=True)
        self.claim(final)
        self.withdraw_fees()
        self.refund()

    # -- the folder ----------------------------------------------------------------------------

    def write(self, directory: Path) -> Path:
        """Write deployment.json, chain.jsonl and content/."""
        directory.mkdir(parents=True, exist_ok=True)
        deployment = self.deployment
        deployment.save(directory / "deployment.json")
        self.write_chain(directory, deployment)
        (directory / "content").mkdir(exist_ok=True)
        for name, data in self.content.items():
            (directory / "content" / name).write_bytes(data)
        return directory

    def write_chain(self, directory: Path, deployment: Deployment) -> None:
        """Seal what is left and prove the contracts at the last header."""
        self._hash(self.block)
        state, accounts = self._state(deployment)
        self.block += 1
        self._seal(state)
        lines: list[Any] = [{"version": 1, "chainId": 31337}]
        for number, header in enumerate(self.headers):
            raws, receipts = self._body(number)
            transactions = [text(raw) for raw in raws]
            lines.append({"header": header, "transactions": transactions, "receipts": receipts})
        lines.append({"state": {"number": hex(self.block), "accounts": accounts}})
        written = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (directory / "chain.jsonl").write_text(written)

    def _state(self, deployment: Deployment) -> tuple[bytes, list[dict[str, Any]]]:
        token = deployment.token
        storage = HexaryTrie({})
        slots = self.token_words(deployment)
        for slot, value in slots.items():
            if value:
                storage[keccak256(slot)] = rlp.encode(_minimal(value))
        codes = {name: self.code(deployment, name) for name in CONTRACTS}
        state = HexaryTrie({})
        for name, address in deployment.addresses.items():
            root = storage.root_hash if address == token else EMPTY_ROOT
            account = [b"\1", b"", root, keccak256(codes[name])]
            state[keccak256(address)] = rlp.encode(account)
        accounts = []
        for name, address in deployment.addresses.items():
            kept = slots if address == token else {}
            accounts.append(
                {
                    "address": text(address),
                    "code": text(codes[name]),
                    "proof": _proof(state, address),
                    "storage": [
                        {"slot": text(slot), "value": hex(value), "proof": _proof(storage, slot)}
                        for slot, value in kept.items()
                    ],
                }
            )
        return state.root_hash, accounts

    def code(self, deployment: Deployment, name: str) -> bytes:
        """What stands at a contract's address."""
        return expected_code(deployment, name)

    def token_words(self, deployment: Deployment) -> dict[bytes, int]:
        """The token's supply, and what escrow and vault hold of it, by storage slot."""
        topic = text(keccak256(b"Transfer(address,address,uint256)"))
        token = text(deployment.token)
        balances: defaultdict[str, int] = defaultdict(int)
        for log in (one for block in self.transactions.values() for logs in block for one in logs):
            if log["address"] == token and log["topics"][0] == topic:
                balances[log["topics"][1]] -= int(log["data"], 16)
                balances[log["topics"][2]] += int(log["data"], 16)
        return {
            SUPPLY_SLOT: -balances[text(ZERO32)],
            **{
                balance_slot(holder): balances[text(address_word(holder))]
                for holder in deployment.token_holders
            },
        }


def _total(receipt: Receipt | None) -> int:
    return receipt.payout_total + receipt.fee_total if receipt is not None else 0


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _proof(trie: HexaryTrie, key: bytes) -> list[str]:
    return [text(rlp.encode(node)) for node in trie.get_proof(keccak256(key))]


NAMES = ("expert", "ordinary", "careful", "quick", "steady")


def honest_run(**changes: Any) -> PaperRun:
    """Two epochs of labels, then the end; nobody cheats unless `changes` say so."""
    run = PaperRun(**changes)
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    for _ in range(2):
        run.label(NAMES)
        run.claim(run.cut())
    return run


@cache
def _to_second_cut() -> PaperRun:
    run = PaperRun()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    run.claim(run.cut())
    run.label(NAMES)
    return run


def cheated_run(fraud: Callable[[PaperRun, EpochResult], EpochResult]) -> PaperRun:
    """An honest run up to its second cut, whose result a corrupt quorum alters before it signs."""
    run = deepcopy(_to_second_cut())
    run.tamper = fraud
    run.claim(run.cut())
    return run
