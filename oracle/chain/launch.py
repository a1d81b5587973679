"""From nothing to a platform that its governance owns: the steps, for every network alike.

Each step is one transaction of the deployer. It is signed, kept in the journal, and only then sent;
its nonce lets it count once. So whoever is killed at any point calls again, with the same journal:
what was signed is sent again, byte by byte, unless it stands in a block, and the rest follows.
`deploy`, `seat` and `hand_over` are called in this order; development chains (`development.py`) and
scripts/deploy.py do the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from web3 import Web3

from oracle.chain.codec import encode_call
from oracle.chain.deployment import (
    Deployed,
    Deployment,
    Parameters,
    constructor_arguments,
    creation_data,
    predicted_addresses,
    verify_code,
)
from oracle.chain.rpc import request
from oracle.chain.transactions import Sender, Signer, read_contract
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import ChainError, Reverted
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum
from oracle.ports import Sent

# What changes hands in two steps; LabelToken does in one.
OWNED = ("Treasury", "StakeVault", "CampaignEscrow", "ReceiptBoard")
OPERATOR = 2  # StakeVault's role
NOBODY = bytes(20)
ADMIN_ROLE, PROPOSER_ROLE, EXECUTOR_ROLE, CANCELLER_ROLE = (
    bytes(32),
    *(keccak256(f"{name}_ROLE".encode()) for name in ("PROPOSER", "EXECUTOR", "CANCELLER")),
)
ROLES = {
    "admin": ADMIN_ROLE,
    "proposer": PROPOSER_ROLE,
    "executor": EXECUTOR_ROLE,
    "canceller": CANCELLER_ROLE,
}


@dataclass(frozen=True)
class Step:
    """One transaction: to a contract, or a creation where `to` is None. `is_done` tells of steps
    that somebody else may have taken.
    """

    what: str
    to: bytes | None
    data: bytes
    is_done: Callable[[Web3], bool] | None = None


@dataclass(frozen=True)
class Finding:
    """One line of the final check: what was asked, what the chain says, whether that is right."""

    what: str
    found: str
    right: bool


class Journal:
    """What a deployment has signed so far, as 0x hex by step; in memory where `path` is None.

    The file's other values (chain, deployer, first nonce, parameters) say whose it is.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._content: dict[str, Any] = {}
        if path is not None and path.exists():
            try:
                self._content = json.loads(path.read_text(encoding="utf-8"))
                self._content["signed"].items()
            except (ValueError, KeyError, AttributeError) as error:
                raise ChainError(f"{path} is no journal of a deployment ({error})") from error

    def begin(self, plan: Mapping[str, Any], nonce: int) -> int:
        """Return the first nonce of the deployment that `plan` describes: the journal's, else
        `nonce`. Raises ChainError where the journal is another deployment's.
        """
        if not self._content:
            self._content = {**plan, "nonce": nonce, "signed": {}}
            self._save()
        unlike = [name for name, value in plan.items() if self._content.get(name) != value]
        if unlike:
            raise ChainError(
                f"{self._path} is the journal of a deployment with other {', '.join(unlike)}: "
                "name the same ones, or another file for a new deployment"
            )
        return int(self._content["nonce"])

    def signed(self, what: str) -> bytes | None:
        """Return the transaction that was signed for a step, if one was."""
        text = self._content["signed"].get(what)
        return None if text is None else bytes.fromhex(text[2:])

    def keep(self, what: str, raw: bytes) -> None:
        """Keep a signed transaction; on disk when this returns."""
        self._content["signed"][what] = "0x" + raw.hex()
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        partial = self._path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(self._content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


class Launcher:
    """Takes steps for one deployer. `tell` is told of each before it's taken."""

    def __init__(
        self,
        w3: Web3,
        deployer: Signer,
        journal: Journal | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.w3 = w3
        self.journal = journal or Journal()
        self._sender = Sender(w3, deployer)
        self._tell = tell

    def deploy(self, parameters: Parameters) -> Deployment:
        """Create the contracts, allow the token in the escrow, name the guardian.

        Raises ChainError where parameters don't fit this chain or one another, a transaction fails,
        or the code on chain isn't what artifacts and parameters say.
        """
        w3, owner = self.w3, self._sender.address
        chain_id = int(request(w3, "eth_chainId"), 16)
        parameters.check(chain_id)
        genesis = request(w3, "eth_getBlockByNumber", "0x0", False)["hash"]
        plan = {
            "chainId": chain_id,
            "genesis": genesis,
            "deployer": checksum(owner),
            "parameters": asdict(parameters),
        }
        nonce = self.journal.begin(plan, self._sender.next_nonce())
        addresses = predicted_addresses(owner, nonce)
        contracts: dict[str, Deployed] = {}
        for name, arguments in constructor_arguments(parameters, addresses).items():
            step = Step(f"deploy {name}", None, creation_data(name, arguments))
            sent = self.take(step)
            if not request(w3, "eth_getCode", checksum(addresses[name]), "latest")[2:]:
                raise ChainError(
                    f"{name} isn't at {checksum(addresses[name])}: the deployer sent something "
                    "else in between; remove the journal and deploy anew"
                )
            assert sent is not None
            assert sent.transaction is not None
            contracts[name] = Deployed(addresses[name], sent.block, sent.transaction, arguments)
        deployment = Deployment(chain_id, bytes.fromhex(genesis[2:]), owner, parameters, contracts)
        verify_code(w3, deployment)
        self._take_all(_settings(deployment))
        return deployment

    def seat(
        self, deployment: Deployment, operators: Sequence[bytes], threshold: int
    ) -> list[bytes]:
        """Give each operator the stake that a member needs, and name them once all have staked and
        joined; return those that haven't.
        """
        stake = deployment.parameters.min_operator_stake
        for operator in operators:
            data = encode_call("LabelToken", "mint", (operator, stake))
            self.take(Step(f"mint for {checksum(operator)}", deployment.token, data))
        missing = [
            operator for operator in operators if not _is_eligible(self.w3, deployment, operator)
        ]
        if not missing:
            members = sorted(operators)
            named = ", ".join(map(checksum, members))
            data = encode_call("ReceiptBoard", "set_operators", (members, threshold))
            self.take(Step(f"name {threshold} of {named}", deployment.board, data))
        return missing

    def hand_over(self, deployment: Deployment) -> None:
        """Make Governance the owner of all, with its delay; the deployer keeps nothing.

        Raises ChainError where no operators are seated: afterwards that takes the delay.
        """
        board = deployment.board
        if not read_contract(self.w3, "ReceiptBoard", board, "operator_set"):
            raise ChainError("no operators are named yet: seat them before the hand-over")
        self._take_all(_hand_over(deployment))

    def take(self, step: Step) -> Sent | None:
        """Take one step; None where somebody else took it."""
        raw = self.journal.signed(step.what)
        if raw is None:
            if step.is_done is not None and step.is_done(self.w3):
                return None
            self._tell(step.what)
            raw = self._sender.sign(step.what, step.to, step.data)
            self.journal.keep(step.what, raw)
        try:
            return self._sender.deliver(step.what, step.to, step.data, raw)
        except Reverted:
            # somebody else may have been faster
            if step.is_done is not None and step.is_done(self.w3):
                return None
            raise

    def _take_all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.take(step)


def deploy_all(w3: Web3, deployer: Signer, parameters: Parameters) -> Deployment:
    """Deploy a platform that its deployer still owns, and return where it is."""
    return Launcher(w3, deployer).deploy(parameters)


def inspect(w3: Web3, deployment: Deployment) -> list[Finding]:
    """Say of a platform that was handed over who holds which power; raises ChainError where the
    code, and so the wiring, isn't the expected one.
    """
    verify_code(w3, deployment)
    governance, found = deployment.governance, []
    parameters = deployment.parameters

    def ask(contract: str, function: str, *arguments: Any) -> Any:
        address = deployment.addresses[contract]
        return read_contract(w3, contract, address, function, *arguments)

    def note(what: str, value: Any, expected: Any) -> None:
        shown = checksum(value) if isinstance(value, bytes) else str(value)
        found.append(Finding(what, shown, value == expected))

    for name in deployment.contracts:
        found.append(Finding(f"{name}: code and wiring", "as shipped", True))
    note("LabelToken: owner", ask("LabelToken", "owner"), governance)
    for name in OWNED:
        note(f"{name}: owner", ask(name, "owner"), governance)
        note(f"{name}: pending owner", ask(name, "pending_owner"), NOBODY)
    note("LabelToken: governance mints", ask("LabelToken", "is_minter", governance), True)
    mints = ask("LabelToken", "is_minter", deployment.deployer)
    note("LabelToken: deployer mints", mints, deployment.chain_id in DEV_CHAIN_IDS)
    council = bytes.fromhex(parameters.council[2:])
    holders = {"deployer": deployment.deployer, "council": council, "anybody": NOBODY}
    right = {("council", "proposer"), ("council", "canceller"), ("anybody", "executor")}
    for holder, address in holders.items():
        for role, key in ROLES.items():
            has = ask("Governance", "hasRole", key, address)
            note(f"Governance: {holder} is {role}", has, (holder, role) in right)
    delay = ask("Governance", "get_minimum_delay")
    note("Governance: delay, seconds", delay, parameters.delay_seconds)
    guardian = bytes.fromhex(parameters.guardian[2:]) if parameters.guardian else NOBODY
    note("ReceiptBoard: guardian", ask("ReceiptBoard", "guardian"), guardian)
    members = ask("ReceiptBoard", "operators", ask("ReceiptBoard", "operator_set"))
    found.append(Finding("ReceiptBoard: operators", str(len(members)), bool(members)))
    allowed = ask("CampaignEscrow", "is_allowed", deployment.token)
    note("CampaignEscrow: LabelToken allowed", allowed, True)
    return found


def _settings(deployment: Deployment) -> list[Step]:
    data = encode_call("CampaignEscrow", "set_token", (deployment.token, True))
    steps = [Step("allow LabelToken", deployment.escrow, data)]
    if deployment.parameters.guardian:
        data = encode_call("ReceiptBoard", "set_guardian", (deployment.parameters.guardian,))
        steps.append(Step("name the guardian", deployment.board, data))
    return steps


def _hand_over(deployment: Deployment) -> list[Step]:
    governance, at = deployment.governance, deployment.addresses
    steps = [
        # snekmate's token moves the owner's right to mint along
        Step(
            f"offer {name} to Governance",
            at[name],
            encode_call(name, "transfer_ownership", (governance,)),
        )
        for name in ("LabelToken", *OWNED)
    ]
    operations = [
        (f"accept {name}", at[name], encode_call(name, "accept_ownership", ())) for name in OWNED
    ]
    if deployment.chain_id in DEV_CHAIN_IDS:
        faucet = encode_call("LabelToken", "set_minter", (deployment.deployer, True))
        operations.append(("leave the deployer a faucet", deployment.token, faucet))
    delay = encode_call("Governance", "update_delay", (deployment.parameters.delay_seconds,))
    # the delay comes last: from then on nothing can be scheduled without it
    operations.append(("set the delay", governance, delay))
    for schedule in (True, False):
        steps += [_operation(governance, schedule, *operation) for operation in operations]
    for role in ("proposer", "canceller"):
        data = encode_call("Governance", "renounceRole", (ROLES[role], deployment.deployer))
        steps.append(Step(f"give up being {role}", governance, data))
    return steps


def _operation(governance: bytes, schedule: bool, what: str, target: bytes, data: bytes) -> Step:
    """Schedule a call by Governance at delay zero, or execute it; anybody may execute it first."""
    call = (target, 0, data, bytes(32), bytes(32))
    if schedule:
        return Step(
            f"schedule: {what}", governance, encode_call("Governance", "schedule", (*call, 0))
        )

    def is_done(w3: Web3) -> bool:
        key = read_contract(w3, "Governance", governance, "hash_operation", *call)
        return bool(read_contract(w3, "Governance", governance, "is_operation_done", key))

    return Step(f"execute: {what}", governance, encode_call("Governance", "execute", call), is_done)


def _is_eligible(w3: Web3, deployment: Deployment, operator: bytes) -> bool:
    vault = deployment.vault
    staked = read_contract(w3, "StakeVault", vault, "staked", OPERATOR, operator)
    key = read_contract(w3, "StakeVault", vault, "encryption_key", OPERATOR, operator)
    return bool(staked >= deployment.parameters.min_operator_stake and key != bytes(32))
