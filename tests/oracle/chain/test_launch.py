"""Deployment and hand-over on a real anvil: killed at every step, done once, and nothing kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from oracle.chain import transactions
from oracle.chain.codec import encode_call
from oracle.chain.deployment import DEVNET, Deployment, Parameters
from oracle.chain.devnet import Devnet
from oracle.chain.launch import Finding, Journal, Launcher, Step, deploy_all, inspect
from oracle.chain.poster import OPERATOR, Poster
from oracle.chain.rpc import request
from oracle.chain.transactions import Sender, read_contract
from oracle.chain.wallets import DevWallets
from oracle.errors import ChainError, Reverted
from oracle.evidence.signing import checksum

WALLETS = DevWallets(31337)
MEMBERS = [bytes.fromhex(WALLETS.operator(index).address[2:]) for index in range(3)]
# 6 contracts, token and guardian; 3 mints and the set; 5 offers, 6 operations twice, 2 roles
STEPS = 8 + 4 + 19


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def launcher(devnet: Devnet, journal: Path | None = None, **others: Any) -> Launcher:
    return Launcher(devnet.w3, WALLETS.deployer, Journal(journal), **others)


def stake_all(devnet: Devnet, deployment: Deployment) -> None:
    for index in range(3):
        operator = Poster(devnet.w3, WALLETS.operator(index), deployment)
        operator.join(OPERATOR, bytes([index + 1]) * 32)
        operator.stake(OPERATOR, deployment.parameters.min_operator_stake)


def launch(devnet: Devnet, journal: Path | None) -> Deployment:
    """All that scripts/deploy.py does, operators' part included."""
    steps = launcher(devnet, journal)
    deployment = steps.deploy(DEVNET)
    if steps.seat(deployment, MEMBERS, 2):
        stake_all(devnet, deployment)
        assert steps.seat(deployment, MEMBERS, 2) == []
    steps.hand_over(deployment)
    return deployment


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.right]


def count(devnet: Devnet) -> int:
    deployer = WALLETS.deployer.address
    return int(request(devnet.w3, "eth_getTransactionCount", deployer, "latest"), 16)


@pytest.mark.chain
def test_launch__killed_before_and_after_each_transaction__sends_each_once(
    devnet: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, int] = {}
    ask = transactions.request

    def dying(w3: Any, method: str, *params: Any) -> Any:
        if method != "eth_sendRawTransaction" or not is_deployers(params[0]):
            return ask(w3, method, *params)
        seen[params[0]] = seen.get(params[0], 0) + 1
        if seen[params[0]] == 2:
            ask(w3, method, *params)
        raise Killed  # first signed and kept but never sent, then sent but not seen in a block

    def is_deployers(raw: str) -> bool:
        return bool(Account.recover_transaction(raw) == WALLETS.deployer.address)

    monkeypatch.setattr(transactions, "request", dying)
    runs, journal = 0, tmp_path / "deployment.journal"
    while True:
        runs += 1
        try:
            deployment = launch(devnet, journal)
            break
        except Killed:
            continue
    assert runs == 2 * STEPS + 1
    assert set(seen.values()) == {2}
    assert len(seen) == count(devnet) == STEPS
    assert wrong(inspect(devnet.w3, deployment)) == []
    # and once more: nothing is left to do
    assert launch(devnet, journal) == deployment
    assert count(devnet) == STEPS


@pytest.mark.chain
def test_launch__handed_over__leaves_the_deployer_without_powers(devnet: Devnet) -> None:
    deployment = launch(devnet, None)
    assert wrong(inspect(devnet.w3, deployment)) == []
    deployer = Sender(devnet.w3, WALLETS.deployer)
    for contract in ("Treasury", "StakeVault", "CampaignEscrow", "ReceiptBoard", "LabelToken"):
        with pytest.raises(Reverted, match="ownable: caller is not the owner"):
            deployer.call_contract(
                contract, deployment.addresses[contract], "transfer_ownership", MEMBERS[0]
            )
    call = (deployment.escrow, 0, b"", bytes(32), bytes(32), 0)
    with pytest.raises(Reverted, match="access_control: account is missing role"):
        deployer.call_contract("Governance", deployment.governance, "schedule", *call)


@pytest.mark.chain
def test_launch__council__acts_after_the_delay_only(devnet: Devnet) -> None:
    deployment = launch(devnet, None)
    council = Sender(devnet.w3, WALLETS.council)
    data = encode_call("CampaignEscrow", "set_min_fee", (250,))
    call = (deployment.escrow, 0, data, bytes(32), bytes(32))

    def govern(function: str, *arguments: Any, by: Sender = council) -> None:
        by.call_contract("Governance", deployment.governance, function, *arguments)

    with pytest.raises(Reverted, match="insufficient delay"):
        govern("schedule", *call, DEVNET.delay_seconds - 1)
    govern("schedule", *call, DEVNET.delay_seconds)
    anybody = Sender(devnet.w3, WALLETS.relayer)
    with pytest.raises(Reverted, match="operation is not ready"):
        govern("execute", *call, by=anybody)
    devnet.increase_time(DEVNET.delay_seconds)
    govern("execute", *call, by=anybody)
    fee = read_contract(devnet.w3, "CampaignEscrow", deployment.escrow, "min_fee_bps")
    assert fee == 250


@pytest.mark.chain
def test_take__executed_by_somebody_else__goes_on(devnet: Devnet) -> None:
    steps = launcher(devnet)
    deployment = steps.deploy(DEVNET)
    taken: list[str] = []
    sender = Sender(devnet.w3, WALLETS.relayer)

    def race(step: Step) -> Any:
        if step.what.startswith("execute"):
            sender.send(step.what, step.to, step.data)
        sent = Launcher.take(steps, step)
        if sent is not None:
            taken.append(step.what)
        return sent

    steps.take = race  # type: ignore[method-assign]
    steps.seat(deployment, MEMBERS, 2)
    stake_all(devnet, deployment)
    steps.seat(deployment, MEMBERS, 2)
    steps.hand_over(deployment)
    assert not [what for what in taken if what.startswith("execute")]
    assert wrong(inspect(devnet.w3, deployment)) == []


@pytest.mark.chain
def test_hand_over__without_operators__is_refused(devnet: Devnet) -> None:
    steps = launcher(devnet)
    deployment = steps.deploy(DEVNET)
    before = count(devnet)
    with pytest.raises(ChainError, match="no operators are named yet: seat them"):
        steps.hand_over(deployment)
    assert count(devnet) == before


@pytest.mark.chain
def test_inspect__before_the_hand_over__names_what_the_deployer_holds(devnet: Devnet) -> None:
    deployment = deploy_all(devnet.w3, WALLETS.deployer, DEVNET)
    held = {finding.what for finding in wrong(inspect(devnet.w3, deployment))}
    owners = {f"{name}: owner" for name in deployment.contracts if name != "Governance"}
    assert held == owners | {
        "LabelToken: governance mints",
        "Governance: deployer is proposer",
        "Governance: deployer is canceller",
        "Governance: delay, seconds",
        "ReceiptBoard: operators",
    }


@pytest.mark.chain
def test_journal__of_another_deployment__is_refused(devnet: Devnet, tmp_path: Path) -> None:
    journal = tmp_path / "deployment.journal"
    launcher(devnet, journal).deploy(DEVNET)
    with pytest.raises(ChainError, match="a deployment with other parameters: name the same ones"):
        launcher(devnet, journal).deploy(replace(DEVNET, window_seconds=61))
    with pytest.raises(ChainError, match="with other deployer"):
        Launcher(devnet.w3, WALLETS.council, Journal(journal)).deploy(
            replace(DEVNET, council=WALLETS.guardian.address)
        )
    journal.write_text("{}")
    with pytest.raises(ChainError, match="is no journal of a deployment"):
        Journal(journal)


@pytest.mark.chain
def test_deploy__nonce_used_for_something_else__is_told(devnet: Devnet, tmp_path: Path) -> None:
    journal = tmp_path / "deployment.journal"
    launcher(devnet, journal).deploy(DEVNET)
    content = json.loads(journal.read_text())
    content["signed"] = {}
    content["nonce"] = count(devnet) - 1  # as if a transaction had come between
    journal.write_text(json.dumps(content))
    with pytest.raises(ChainError, match="the deployer sent something else in between"):
        launcher(devnet, journal).deploy(DEVNET)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"council": ""}, "council isn't named"),
        ({"delay_seconds": DEVNET.exit_seconds}, f"must exceed {DEVNET.exit_seconds}, which is"),
    ],
)
def test_parameters__governance__leaves_time_to_leave(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ChainError, match=says):
        replace(DEVNET, **changes).check(31337)
    DEVNET.check(31337)


def test_parameters__defaults__suit_a_real_chain() -> None:
    parameters = Parameters(council=WALLETS.council.address)
    parameters.check(1)
    day = 86_400
    assert parameters.exit_seconds == 20 * day  # lease 1, pause 3, window 1, dispute 14, window 1
    assert parameters.delay_seconds > parameters.exit_seconds
    with pytest.raises(ChainError, match="council isn't named"):
        Parameters().check(1)


def test_devnet__council_and_guardian__are_the_development_wallets() -> None:
    assert DEVNET.council == WALLETS.council.address
    assert DEVNET.guardian == WALLETS.guardian.address
    assert checksum(bytes.fromhex(DEVNET.council[2:])) == DEVNET.council
