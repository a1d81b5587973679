"""Deploy the contracts to any network that ape knows, and write `deployment.json`.

    ape run deploy --network ethereum:sepolia:node --account NAME --out deployment.json

Contracts are compiled from source; order, arguments and checks are those of
`oracle.chain.deployment`, so the result must have exactly the code that this installation ships.
`--parameters` names a JSON file that overrides fields of its `Parameters` (seconds, base units;
`treasury` as an address).
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import ape
import click
from ape.api import AccountAPI
from ape.cli import ConnectedProviderCommand, account_option

from oracle.chain.artifacts import CONTRACTS
from oracle.chain.deployment import (
    DEVNET,
    Deployed,
    Deployment,
    Parameters,
    constructor_arguments,
    predicted_addresses,
    verify_code,
)
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import DDLPError, InputError


@click.command(cls=ConnectedProviderCommand)
@account_option()
@click.option("--out", type=click.Path(path_type=Path), default=Path("deployment.json"))
@click.option("--parameters", "parameters_file", type=click.Path(exists=True, path_type=Path))
def cli(account: AccountAPI, out: Path, parameters_file: Path | None) -> None:
    """Deploy, verify, allow the token, and write the deployment file."""
    try:
        deployment = deploy(account, parameters_file)
    except DDLPError as error:
        raise click.ClickException(str(error)) from error
    deployment.save(out)
    click.echo(f"written: {out}")


def deploy(account: AccountAPI, parameters_file: Path | None) -> Deployment:
    """Take the steps of `oracle.chain.deployment.deploy_all` by ape."""
    chain_id = ape.chain.chain_id
    deployer = bytes.fromhex(account.address[2:])
    base = DEVNET if chain_id in DEV_CHAIN_IDS else Parameters()
    parameters = _overridden(base, parameters_file).resolved(deployer)
    parameters.check(chain_id)

    addresses = predicted_addresses(deployer, account.nonce)
    arguments = constructor_arguments(parameters, addresses)
    contracts = {}
    for name in CONTRACTS:
        deployed = account.deploy(getattr(ape.project, name), *arguments[name])
        receipt = deployed.creation_metadata.receipt
        contracts[name] = Deployed(
            bytes.fromhex(deployed.address[2:]),
            receipt.block_number,
            bytes.fromhex(receipt.txn_hash.removeprefix("0x")),
            arguments[name],
        )
    genesis = bytes(ape.chain.blocks[0].hash)
    deployment = Deployment(chain_id, genesis, deployer, parameters, contracts)
    verify_code(ape.chain.provider.web3, deployment)
    escrow = ape.project.CampaignEscrow.at(contracts["CampaignEscrow"].address)
    escrow.set_token(contracts["LabelToken"].address, True, sender=account)
    return deployment


def _overridden(base: Parameters, file: Path | None) -> Parameters:
    if file is None:
        return base
    given = json.loads(file.read_text(encoding="utf-8"))
    unknown = sorted(given.keys() - {field.name for field in fields(Parameters)})
    if unknown:
        raise InputError(f"{file}: {', '.join(unknown)} is no parameter: see Parameters")
    if isinstance(given.get("treasury"), str):
        given["treasury"] = bytes.fromhex(given["treasury"][2:])
    return replace(base, **given)
