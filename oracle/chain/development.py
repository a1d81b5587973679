"""A whole platform on a development chain: contracts, operators with stake, tokens in the wallets
that need some.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from oracle.chain.deployment import (
    DEVNET,
    Deployment,
    Parameters,
    contract_address,
    creation_data,
    verify_code,
)
from oracle.chain.devnet import Devnet
from oracle.chain.launch import Launcher
from oracle.chain.poster import OPERATOR, Poster
from oracle.chain.rpc import request
from oracle.chain.transactions import Sender
from oracle.chain.wallets import DevWallets
from oracle.errors import ChainError, ConfigError
from oracle.evidence.signing import checksum

DEPLOYMENT_FILE = "deployment.json"
NODE_FILE = "node.json"  # where a running `ddlp serve` says how to reach its chain
REQUESTER_TOKENS = 10**24
ARBITRATION_COST = 10**16  # wei


def find_deployment(state_dir: Path) -> Deployment:
    """Return the deployment that a state folder names, its own or its devnet's; ConfigError where
    there is none.
    """
    for path in (state_dir / DEPLOYMENT_FILE, state_dir / "chain" / DEPLOYMENT_FILE):
        if path.exists():
            return Deployment.load(path)
    raise ConfigError(f"no {DEPLOYMENT_FILE} in {state_dir}: set DDLP_STATE_DIR")


def served_url(state_dir: Path) -> str:
    """Return where the devnet that `ddlp serve` runs from a state folder answers; ConfigError where
    none runs.
    """
    try:
        return str(json.loads((state_dir / NODE_FILE).read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"no chain is being served from {state_dir}: run `make serve`, or set DDLP_RPC_URL"
        ) from error


def establish(
    devnet: Devnet,
    encryption_keys: Sequence[bytes],
    threshold: int,
    parameters: Parameters = DEVNET,
) -> Deployment:
    """Return the platform on `devnet`: the one that its state folder names, else a new one.

    A new one has an operator for each of the X25519 `encryption_keys`, staked and joined,
    `threshold` of whom sign a receipt; disputes are decided by the deployer, through a stand-in for
    a court; all is handed over to Governance; requester 0 and the gateway get tokens. The chain is
    checkpointed before `deployment.json` is written, so the file never names what a crash could
    take back.
    """
    path = Path(devnet.state_dir) / DEPLOYMENT_FILE
    if path.exists():
        deployment = Deployment.load(path)
        try:
            verify_code(devnet.w3, deployment)
        except ChainError as error:
            raise ChainError(f"{error}: remove {devnet.state_dir} to start a new devnet") from error
        return deployment
    wallets = DevWallets(devnet.chain_id)
    launcher = Launcher(devnet.w3, wallets.deployer)
    deployment = launcher.deploy(parameters)
    owner = Poster(devnet.w3, wallets.deployer, deployment)
    operators = []
    for index, key in enumerate(encryption_keys):
        operator = Poster(devnet.w3, wallets.operator(index), deployment)
        owner.mint(operator.address, parameters.min_operator_stake)
        operator.join(OPERATOR, key)
        operator.stake(OPERATOR, parameters.min_operator_stake)
        operators.append(operator.address)
    owner.set_operators(operators, threshold)
    _name_arbitrator(Sender(devnet.w3, wallets.deployer), deployment)
    launcher.hand_over(deployment)
    for account in (wallets.requester(), wallets.gateway):
        owner.mint(bytes.fromhex(account.address[2:]), REQUESTER_TOKENS)
    devnet.checkpoint()
    deployment.save(path)
    return deployment


def _name_arbitrator(owner: Sender, deployment: Deployment) -> None:
    nonce = int(request(owner.w3, "eth_getTransactionCount", checksum(owner.address), "latest"), 16)
    arbitrator = contract_address(owner.address, nonce)
    owner.send("deploy TestArbitrator", None, creation_data("TestArbitrator", (ARBITRATION_COST,)))
    terms = (checksum(arbitrator), b"", "")
    owner.call_contract("ReceiptBoard", deployment.board, "set_arbitrator", *terms)
