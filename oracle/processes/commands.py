"""`ddlp operator init | join | run | leave` and `ddlp gateway run`.

They read the settings of docs/OPERATIONS.md; `DDLP_STATE_DIR` is the operator's, or the gateway's,
folder.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from eth_account import Account
from eth_account.signers.local import LocalAccount
from flask import Flask
from web3 import Web3

from oracle.bootstrap import Keys, Platform, chain_stores
from oracle.chain.deployment import Deployment
from oracle.chain.development import find_deployment, served_url
from oracle.chain.keys import HookSigner, open_keyfile, read_passphrase
from oracle.chain.poster import OPERATOR, Poster
from oracle.chain.rpc import connect
from oracle.chain.transactions import GWEI, Fees, read_contract, read_struct
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.config import PREFIX, Settings, load_settings
from oracle.content.stores import open_content
from oracle.errors import ConfigError, InputError
from oracle.evidence.signing import checksum
from oracle.operations.logs import start_logging
from oracle.operations.loop import Loop
from oracle.operations.metrics import Metrics
from oracle.operations.monitor import monitoring
from oracle.processes.folder import PEERS, OperatorFolder, Signed, read_peers
from oracle.processes.gateway import GatewayProcess
from oracle.processes.operator import OperatorProcess
from oracle.store.database import open_database
from oracle.transport.listening import listening, stopped_by_signal
from oracle.transport.server import MAX_REQUEST, create_feed_app, create_operator_app

# -- operator --------------------------------------------------------------------------------------


@click.group()
def operator() -> None:
    """Run an oracle operator: init, join, run, leave."""


@operator.command()
@click.option(
    "--deployment",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The platform's deployment.json.",
)
@click.option(
    "--keyfile",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take this encrypted signing key [default: a new one].",
)
@click.option("--hook", help="Sign by this command, or module:function, instead of a keyfile.")
@click.option("--address", help="The address that the hook signs for.")
def init(deployment: Path, keyfile: Path | None, hook: str | None, address: str | None) -> None:
    """Write an operator's folder: keys, deployment.json, peers.json."""
    settings = load_settings()
    if bool(hook) != bool(address) or (hook and keyfile):
        raise InputError("name a keyfile, or a hook with the address that it signs for")
    if hook and address:
        signed = Signed(address=HookSigner(address, hook).address, hook=hook)
    elif keyfile is not None:
        open_keyfile(keyfile, read_passphrase(settings.passphrase_file, keyfile.name))
        signed = Signed(keyfile=keyfile.read_text())
    else:
        passphrase = read_passphrase(settings.passphrase_file, "the new keyfile")
        signed = Signed(keyfile=json.dumps(Account.encrypt(secrets.token_bytes(32), passphrase)))
    folder = OperatorFolder.create(settings.state_dir, Deployment.load(deployment), signed)
    click.echo(f"operator    {checksum(folder.address)}")
    click.echo(f"encryption  0x{folder.encryption_key.hex()}")
    click.echo(
        f"Next: back {folder.path} up, send the address ether for gas and its stake, name the "
        "others in peers.json, then `ddlp operator join`."
    )


@operator.command()
@click.option("--stake", type=click.IntRange(0), help="Base units [default: the least allowed].")
def join(stake: int | None) -> None:
    """Stake and publish the encryption key; governance then names the operator."""
    settings = load_settings()
    with open_poster(settings) as poster:
        board = poster.deployment.board
        least = int(read_contract(poster.w3, "ReceiptBoard", board, "min_operator_stake"))
        wanted = least if stake is None else stake
        if wanted < least:
            raise InputError(f"a stake of {wanted} is too small: give {least} base units at least")
        poster.join(OPERATOR, OperatorFolder(settings.state_dir).encryption_key)
        poster.stake(OPERATOR, wanted)
        click.echo(f"{checksum(poster.address)} has joined with a stake of {wanted} base units.")
        if not read_contract(poster.w3, "ReceiptBoard", board, "is_active", poster.address):
            click.echo("It signs once governance has named it: docs/OPERATIONS.md, Deploying.")


@operator.command("run")
def run_operator() -> None:
    """Follow the chain and the logs, take part in every receipt; until a signal."""
    settings = load_settings()
    start_logging(settings.log_format, settings.secret_texts)
    folder, (w3, deployment) = OperatorFolder(settings.state_dir), open_chain(settings)
    process = OperatorProcess(
        w3,
        deployment,
        signer=folder.signer(settings.passphrase_file),
        sealing_key=folder.sealing_key,
        peers=folder.peers,
        state_dir=settings.state_dir,
        finality=settings.finality,
        content=open_content(settings),
        database_url=settings.database_url,
        fees=_fees(settings),
    )
    process.poster.resume()
    metrics = Metrics()
    loop = Loop(process, metrics, step_seconds=settings.step_seconds)
    app = create_operator_app(process.identity, process, process.members)
    with (
        stopped_by_signal() as stop,
        _looping(loop),
        monitoring(settings, metrics, loop, process.checks),
        listening(
            app,
            settings.host,
            settings.port,
            max_body=MAX_REQUEST,
            trusted_proxy=settings.trusted_proxy,
        ) as port,
    ):
        click.echo(f"operator {checksum(folder.address)} at http://{settings.host}:{port}")
        stop.wait()


@operator.command()
@click.option("--withdraw", is_flag=True, help="Take out what has unbonded.")
def leave(withdraw: bool) -> None:
    """Unbond the whole stake; once that is over, `leave --withdraw` pays it out."""
    with open_poster(load_settings()) as poster:
        if withdraw:
            poster.withdraw(OPERATOR)
            click.echo("What had unbonded is paid out.")
            return
        w3, vault, address = poster.w3, poster.deployment.vault, poster.address
        staked = int(read_contract(w3, "StakeVault", vault, "staked", OPERATOR, address))
        if staked:
            poster.unbond(OPERATOR, staked)
        position = read_struct(w3, "StakeVault", vault, "position", OPERATOR, address)
        click.echo(
            f"{position['unbonding']} base units unbond, for "
            f"{poster.deployment.parameters.unbonding_seconds} s: until then they answer for what "
            "was signed. Keep the process running until no receipt that it signed is open."
        )


# -- gateway ---------------------------------------------------------------------------------------


@click.group()
def gateway() -> None:
    """Run a gateway: run."""


@gateway.command("run")
def run_gateway() -> None:
    """Serve the logs of the campaigns that name this gateway's key, and their page."""
    from webapp import Settings as PageSettings
    from webapp import create_app

    settings = load_settings()
    start_logging(settings.log_format, settings.secret_texts)
    w3, deployment = open_chain(settings)
    platform = Platform(
        w3,
        deployment,
        keys=gateway_keys(settings, deployment),
        state_dir=settings.state_dir,
        finality=settings.finality,
        content=open_content(settings),
        database_url=settings.database_url,
        fees=_fees(settings),
    )
    platform.relayer.resume()
    process, metrics = GatewayProcess(platform, settings.claim_below), Metrics()
    loop = Loop(process, metrics, step_seconds=settings.step_seconds)
    feed = create_feed_app(process.identity, process.feed, process.operators)
    origins = page_origins(settings)
    peers = settings.state_dir / PEERS
    known = read_peers(peers).operators if peers.exists() else {}
    page_settings = PageSettings(
        origins=origins,
        secret_key=settings.secret("web_secret").encode(),
        rates=settings.rates,
        content_gateway=settings.content_gateway,
        operators={address: url.rstrip("/") for address, url in known.items()},
    )
    desk = platform.desk(name=f"chain {deployment.chain_id}", paused=lambda: loop.paused)
    page: Flask = create_app(desk, platform.community, page_settings)
    with (
        stopped_by_signal() as stop,
        _looping(loop),
        monitoring(settings, metrics, loop, process.checks),
        listening(feed, settings.host, settings.feed_port) as feed_port,
        listening(page, settings.host, settings.port, trusted_proxy=settings.trusted_proxy),
    ):
        click.echo(
            f"gateway {checksum(process.identity.address)}: page at {origins[0]}, operators' feed "
            f"at http://{settings.host}:{feed_port}"
        )
        stop.wait()


# -- small parts -----------------------------------------------------------------------------------


def open_chain(settings: Settings) -> tuple[Web3, Deployment]:
    """Return the chain and the deployment that the settings name."""
    deployment = find_deployment(settings.state_dir)
    url = settings.rpc_url or served_url(settings.state_dir)
    w3 = connect(url, chain_id=deployment.chain_id, agreement=settings.rpc_agreement)
    return w3, deployment


@contextmanager
def _looping(loop: Loop) -> Iterator[None]:
    loop.start()
    try:
        yield
    finally:
        loop.stop()


def _fees(settings: Settings) -> Fees:
    return Fees(settings.max_fee_gwei * GWEI, settings.max_priority_fee_gwei * GWEI)


@contextmanager
def open_poster(settings: Settings) -> Iterator[Poster]:
    """Give what sends an operator's transactions from the command line."""
    folder, (w3, deployment) = OperatorFolder(settings.state_dir), open_chain(settings)
    signer = folder.signer(settings.passphrase_file)
    engine = open_database(settings.database_url)
    try:
        _, transactions = chain_stores(engine, deployment)
        yield Poster(w3, signer, deployment, transactions, _fees(settings))
    finally:
        engine.dispose()


def page_origins(settings: Settings) -> tuple[str, ...]:
    """Return the addresses under which browsers reach the page, the canonical one first: behind a
    proxy they name the proxy's, and the page answers to no other."""
    return settings.page_url or tuple(
        f"http://{host}:{settings.port}" for host in dict.fromkeys((settings.host, "localhost"))
    )


def gateway_keys(settings: Settings, deployment: Deployment) -> Keys:
    """Return the keys of gateway and relayer: from keyfiles, on a devnet from anywhere."""
    if deployment.chain_id in DEV_CHAIN_IDS and settings.gateway_keyfile is None:
        return Keys.of_devnet(operators=0)
    gateway, relayer = (_keyfile(settings, name) for name in ("gateway_keyfile", "relayer_keyfile"))
    return Keys(bytes(gateway.key), relayer, ())


def _keyfile(settings: Settings, name: str) -> LocalAccount:
    path: Path | None = getattr(settings, name)
    if path is None:
        raise ConfigError(f"a keyfile is missing: set {PREFIX}{name.upper()}")
    return open_keyfile(path, read_passphrase(settings.passphrase_file, path.name))
