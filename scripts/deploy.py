"""Deploy the platform to any network that ape knows, and hand it over to its governance.

    ape run deploy --network arbitrum:sepolia:node --account NAME --parameters parameters.json
    ape run deploy … --operators operators.json
    ape run deploy … --operators operators.json --hand-over

The steps are `oracle.chain.launch`'s. Every call takes those that are missing, in this order, and
sends nothing twice: what it signs it first keeps in the journal beside `--out`, so it may be killed
and run again at any point. At the end it shows who owns what.

`--parameters` is a JSON file with fields of `oracle.chain.deployment.Parameters` (seconds, base
units; `council` is needed outside development chains). `--operators` is one with `operators`
(addresses) and `threshold`: each gets the stake that a member needs, and all are named once they
have staked and joined. Sources are shown to the network's explorer where ape has a plugin for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ape
import click
from ape.api import AccountAPI
from ape.cli import ConnectedProviderCommand, account_option

from oracle.chain.deployment import DEVNET, Deployment, Parameters
from oracle.chain.launch import Finding, Journal, Launcher, inspect
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import DDLPError, InputError
from oracle.evidence.signing import checksum

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=ConnectedProviderCommand)
@account_option()
@click.option("--out", type=click.Path(path_type=Path), default=Path("deployment.json"))
@click.option("--parameters", "parameters_file", type=EXISTING)
@click.option("--operators", "operators_file", type=EXISTING)
@click.option("--hand-over", is_flag=True, help="Make Governance the owner; can't be undone.")
def cli(
    account: AccountAPI,
    out: Path,
    parameters_file: Path | None,
    operators_file: Path | None,
    hand_over: bool,
) -> None:
    """Deploy, seat the operators, hand over: what is missing of it."""
    try:
        right = run(account, out, parameters_file, operators_file, hand_over)
    except DDLPError as error:
        raise click.ClickException(str(error)) from error
    if hand_over and not right:
        raise click.ClickException("the platform isn't as it should be: see the lines above")


def run(
    account: AccountAPI,
    out: Path,
    parameters_file: Path | None,
    operators_file: Path | None,
    hand_over: bool,
) -> bool:
    """Take the missing steps; say whether everything is as after a hand-over."""
    journal = Journal(out.with_suffix(".journal"))
    w3 = ape.chain.provider.web3
    launcher = Launcher(w3, ApeSigner(account), journal, click.echo)
    base = DEVNET if ape.chain.chain_id in DEV_CHAIN_IDS else Parameters()
    deployment = launcher.deploy(_overridden(base, parameters_file))
    deployment.save(out)
    click.echo(f"written: {out}")
    if operators_file is not None:
        for operator in launcher.seat(deployment, *_read_operators(operators_file)):
            click.echo(f"{checksum(operator)} hasn't joined and staked yet: run again when it has")
    if hand_over:
        launcher.hand_over(deployment)
    findings = inspect(w3, deployment)
    show(findings)
    publish(deployment)
    return all(finding.right for finding in findings)


class ApeSigner:
    """An ape account as a `oracle.chain.transactions.Signer`."""

    def __init__(self, account: AccountAPI) -> None:
        self.account = account
        self.address = str(account.address)

    def sign_transaction(self, transaction: dict[str, Any]) -> SimpleNamespace:
        """Sign it, as the account does: a key file asks, a test account doesn't."""
        ecosystem = ape.chain.provider.network.ecosystem
        unsigned = ecosystem.create_transaction(**transaction, **{"from": self.address, "type": 2})
        signed = self.account.sign_transaction(unsigned)
        if signed is None:
            raise InputError("nothing was signed: run again to go on from here")
        return SimpleNamespace(raw_transaction=bytes(signed.serialize_transaction()))


def show(findings: Iterable[Finding]) -> None:
    """Print who holds which power, a line each."""
    for finding in findings:
        mark = "ok" if finding.right else "--"
        click.echo(f"{mark}  {finding.what:<42} {finding.found}")


def publish(deployment: Deployment) -> None:
    """Show the sources to the network's explorer, where ape has one."""
    explorer = ape.chain.provider.network.explorer
    if explorer is None:
        click.echo("sources aren't shown to an explorer: ape has no plugin for this network's")
        return
    for name, contract in deployment.contracts.items():
        instance = getattr(ape.project, name).at(checksum(contract.address))
        explorer.publish_contract(instance.address)


def _read_operators(file: Path) -> tuple[list[bytes], int]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        return [bytes.fromhex(one[2:]) for one in given["operators"]], int(given["threshold"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f'{file} needs "operators" (addresses) and "threshold": {error!r}'
        ) from error


def _overridden(base: Parameters, file: Path | None) -> Parameters:
    if file is None:
        return base
    given = json.loads(file.read_text(encoding="utf-8"))
    unknown = sorted(given.keys() - {field.name for field in fields(Parameters)})
    if unknown:
        raise InputError(f"{file}: {', '.join(unknown)} is no parameter: see Parameters")
    return replace(base, **given)
