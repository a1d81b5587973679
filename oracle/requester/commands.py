"""A requester's commands: `ddlp campaign create | fund | status | close | abandon | refund | …`.

They talk to the chain that a running `ddlp serve` says it is on, or to DDLP_RPC_URL with the
`deployment.json` of the state folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address
from web3 import Web3

from oracle.bootstrap import Keys, Platform
from oracle.chain.deployment import Deployment, verify_code
from oracle.chain.development import find_deployment, served_url
from oracle.chain.keys import development_account, open_keyfile, read_passphrase
from oracle.chain.poster import Poster
from oracle.chain.rpc import connect
from oracle.chain.wallets import DEV_CHAIN_IDS, DevWallets
from oracle.community.community import Community
from oracle.community.course import read_course
from oracle.config import Settings, load_settings
from oracle.content.stores import open_content
from oracle.errors import ChainError, ConfigError, InputError, Reverted
from oracle.evidence.signing import checksum
from oracle.processes.folder import read_peers
from oracle.requester.plan import CampaignPlan, read_plan, shown, tokens
from oracle.requester.recovery import Recovery
from oracle.requester.results import finalized_receipts, write_export
from oracle.requester.stand_in import StandIn
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from oracle.transport.client import public_desk

NUMBER = click.IntRange(1, 2**64 - 1)
FILE = click.Path(path_type=Path)
STAND_IN_SECONDS = 2.0  # between looks at the chain


class Session(NamedTuple):
    """What a command works with: the platform, what sends the requester's transactions, and the
    account behind it."""

    platform: Platform
    requester: Poster
    account: LocalAccount


# -- the platform that commands talk to ------------------------------------------------------------


def open_platform(settings: Settings, keys: Callable[[Settings, Deployment], Keys]) -> Platform:
    """Connect to the chain of the state folder, with what `keys` makes of settings and deployment.

    ConfigError where nothing says which chain.
    """
    w3 = connect(settings.rpc_url or served_url(settings.state_dir))
    deployment = find_deployment(settings.state_dir)
    _check_served(w3, deployment, settings)
    development = deployment.chain_id in DEV_CHAIN_IDS
    return Platform(
        w3,
        deployment,
        keys=keys(settings, deployment),
        state_dir=settings.state_dir,
        finality="latest" if development else settings.finality,
        content=open_content(settings),
        database_url=settings.database_url,
    )


def _check_served(w3: Web3, deployment: Deployment, settings: Settings) -> None:
    """Raise ConfigError where what `node.json` names is gone, as after a kill, or another chain."""
    try:
        verify_code(w3, deployment)
    except ChainError as error:
        if settings.rpc_url is not None:
            raise
        raise ConfigError(
            f"the chain of {settings.state_dir} isn't being served any more: run `make serve`"
        ) from error


def _keys(settings: Settings, deployment: Deployment) -> Keys:
    """A requester's, who signs no log; on a development chain everybody's."""
    if deployment.chain_id in DEV_CHAIN_IDS:
        return Keys.of_devnet()
    return Keys(b"", _requester(settings, deployment), ())


def _requester(settings: Settings, deployment: Deployment) -> LocalAccount:
    """Return the requester's account: of a keyfile, on development chains also of a plain key."""
    if settings.requester_keyfile is not None:
        path = settings.requester_keyfile
        return open_keyfile(path, read_passphrase(settings.passphrase_file, path.name))
    if settings.requester_key is not None:
        return development_account(settings.requester_key, deployment.chain_id)
    if deployment.chain_id in DEV_CHAIN_IDS:
        return DevWallets(deployment.chain_id).requester()
    raise ConfigError("a keyfile is missing: set DDLP_REQUESTER_KEYFILE")


@contextmanager
def _session() -> Iterator[Session]:
    settings = load_settings()
    platform = open_platform(settings, _keys)
    development = platform.deployment.chain_id in DEV_CHAIN_IDS
    account = _requester(settings, platform.deployment) if development else platform.keys.relayer
    poster = Poster(platform.w3, account, platform.deployment)
    yield Session(platform, poster, account)


def _check_requester(kept: dict[str, Any], number: int, requester: Poster) -> None:
    if kept["requester"] != requester.address:
        raise InputError(
            f"campaign {number} is {checksum(kept['requester'])}'s, not "
            f"{checksum(requester.address)}'s: set DDLP_REQUESTER_KEYFILE to its requester's"
        )


def _free(kept: dict[str, Any]) -> int:
    """Return what of a budget is neither earned, nor reserved by a pending receipt."""
    committed = kept["payout_total"] + kept["fee_total"] + kept["reserved"] - kept["bond_charge"]
    return int(kept["budget"] - committed)


def _check_balance(platform: Platform, requester: Poster, needed: int) -> None:
    held = platform.reader.balance(platform.deployment.token, requester.address)
    if held < needed:
        raise InputError(
            f"{checksum(requester.address)} holds {shown(held)} tokens of the {shown(needed)} "
            "needed: send it more, or lower the amount"
        )


# -- commands --------------------------------------------------------------------------------------


@click.group()
def campaign() -> None:
    """Create, fund, watch, close, refund and export campaigns."""


@campaign.command()
@click.argument("file", type=FILE)
@click.option(
    "--recovery",
    "place",
    type=FILE,
    help="The campaign's recovery file [default: beside FILE, as FILE.recovery.json].",
)
@click.option(
    "--gateway", help="Address of the gateway that serves it. [default: the local chain's own]"
)
def create(file: Path, place: Path | None, gateway: str | None) -> None:
    """Create the campaign that FILE (YAML) describes: publish its content, lock its money.

    What its draws and gold come from goes into the recovery file first. Run again, the command
    finds that file, and goes on with the same campaign.
    """
    address = _address(gateway) if gateway is not None else None
    place = place or Recovery.path_of(file)
    known = Recovery.load(place) if place.exists() else None
    secret = known.secret if known is not None else Recovery.draw()
    plan = read_plan(file, secret)
    manifest = plan.files.manifest.block.digest
    if known is not None and known.manifest != manifest:
        raise InputError(
            f"{file} or a file it names has changed since {place} was written: undo the change, or "
            "name another file by --recovery to create another campaign"
        )
    with _session() as (platform, requester, account):
        number = _created(platform, requester, manifest)
        if number is not None:
            click.echo(f"campaign {number} was created before")
            return
        if address is None and platform.deployment.chain_id not in DEV_CHAIN_IDS:
            raise InputError("no gateway is named: give its address by --gateway")
        _check_balance(platform, requester, plan.budget + plan.bond)
        if known is None:
            Recovery(secret, manifest).save(place)
        number = platform.create_campaign(
            plan.files,
            account,
            budget=plan.budget,
            bond=plan.bond,
            epoch_cap=plan.epoch_cap,
            fee_bps=plan.fee_bps,
            gateway=address,
        )
        click.echo(f"campaign {number}: {plan.files.manifest.item_count} items, ", nl=False)
        click.echo(f"{shown(plan.budget)} locked beside a bond of {shown(plan.bond)}")
        click.echo(f"manifest {plan.files.manifest.link}")
        click.echo(f"keep {place}: it brings draws and gold back if the gateway loses them")


def _address(text: str) -> bytes:
    """Return an address as bytes; InputError where it is none, or its checksum is wrong."""
    if not is_address(text) or text.startswith("0X"):
        raise InputError(f"{text[:80]!r} is no address: write 0x and 40 hex digits, as copied")
    return bytes.fromhex(text.removeprefix("0x"))


def _created(platform: Platform, requester: Poster, manifest: bytes) -> int | None:
    """Return the campaign that this requester created with a manifest; None where there is none."""
    for event in platform.reader.events():
        if event.name != "CampaignCreated":
            continue
        made = event.arguments
        if (made["manifest"], made["requester"]) == (manifest, requester.address):
            return int(made["campaign"])
    return None


@campaign.command()
@click.argument("file", type=FILE)
@click.option("--recovery", "place", type=FILE, help="Its recovery file, as for create.")
@click.option("--out", type=FILE, required=True, help="Where the secrets go; it must not exist.")
def recover(file: Path, place: Path | None, out: Path) -> None:
    """Write the draw seeds and gold of FILE's campaign anew, for a gateway that lost them.

    Needs no chain. The gateway reads them as `secrets/<manifest>.json` of its state folder.
    """
    plan = _recovered(file, place)
    plan.files.secrets.save(out)
    click.echo(f"{out}: put it into the gateway's state folder as")
    click.echo(f"secrets/{plan.files.manifest.block.digest.hex()}.json, then start the gateway")


def _recovered(file: Path, place: Path | None) -> CampaignPlan:
    """Return the plan that a campaign was created from; InputError where its files have changed."""
    known = Recovery.load(place or Recovery.path_of(file))
    plan = read_plan(file, known.secret)
    if plan.files.manifest.block.digest != known.manifest:
        raise InputError(
            f"{file} or a file it names isn't what the campaign was created from: restore the "
            "files as they were"
        )
    return plan


@campaign.command("open")
@click.argument("number", type=NUMBER)
@click.argument("file", type=FILE)
@click.option("--recovery", "place", type=FILE, help="Its recovery file, as for create.")
@click.option("--peers", type=FILE, required=True, help="peers.json: where operators answer.")
def open_epochs(number: int, file: Path, place: Path | None, peers: Path) -> None:
    """Open each epoch of campaign NUMBER to operators, in place of a gateway that is gone.

    FILE is the campaign's, as for create. Runs until the final receipt; close the campaign first.
    """
    secrets = _recovered(file, place).files.secrets
    operators = read_peers(peers).operators
    desks = {one: public_desk(url, one, number) for one, url in operators.items()}
    with _session() as (platform, _, _):
        standing = StandIn(partial(platform.read_campaign, number), secrets, desks)
        shown_before: list[str] = []
        while not standing.is_over:
            lines = standing.step()
            for line in lines:
                if line not in shown_before:
                    click.echo(line)
            shown_before = lines or shown_before
            time.sleep(STAND_IN_SECONDS)
    click.echo(f"campaign {number} has its final receipt")


@campaign.command()
@click.argument("number", type=NUMBER)
@click.argument("amount")
def fund(number: int, amount: str) -> None:
    """Add AMOUNT tokens to campaign NUMBER's budget."""
    units = tokens(amount, "amount")
    if not units:
        raise InputError("amount: 0 adds nothing: write more than 0")
    with _session() as (platform, requester, _):
        if platform.reader.campaign(number)["refunded"]:
            raise InputError(f"campaign {number} is refunded: create another one")
        _check_balance(platform, requester, units)
        requester.fund(number, units)
        budget = platform.reader.campaign(number)["budget"]
        click.echo(f"campaign {number}: budget is now {shown(budget)}")


@campaign.command()
@click.argument("number", type=NUMBER)
@click.option("--json", "as_json", is_flag=True, help="As JSON; amounts in base units.")
def status(number: int, as_json: bool) -> None:
    """Say how far campaign NUMBER is, and what it has cost."""
    with _session() as (platform, _, _):
        state = campaign_status(platform, number)
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A title is anybody's text: no markup, nor anything that drives a terminal.
    title = "".join(one for one in state["title"] if one.isprintable())
    table = Table(title=Text(f"Campaign {number}: {title}"), show_header=False)
    for name, value in state.items():
        if name not in ("title", "money"):
            table.add_row(name.replace("_", " "), str(value))
    for name, value in state["money"].items():
        table.add_row(name.replace("_", " "), shown(int(value)), style="bold")
    Console().print(table)


def campaign_status(platform: Platform, number: int) -> dict[str, Any]:
    """Return a campaign's progress and money (decimal strings of base units)."""
    read = platform.read_campaign(number)
    kept = platform.reader.campaign(number)
    receipts = finalized_receipts(platform, number)
    last = receipts[-1] if receipts else None
    labels = last.label_count if last is not None else 0
    paid, fees = kept["payout_total"], kept["fee_total"]
    phase = "open"
    if kept["refunded"]:
        phase = "refunded"
    elif kept["closed_at"]:
        phase = "closed, refund is due" if kept["complete"] else "closing"
    return {
        "title": read.manifest.document["title"],
        "phase": phase,
        "requester": checksum(kept["requester"]),
        "gateway": checksum(kept["gateway"]),
        "manifest": str(read.manifest.link),
        "items": read.manifest.item_count,
        "items_closed": last.item_count if last is not None else 0,
        "labels": labels,
        "epochs_finalized": len(receipts),
        "agreement": f"{last.agreement / 10_000:.1f} %" if last is not None else "none yet",
        "money": {
            "budget": str(kept["budget"]),
            "bond": str(kept["bond"]),
            "earned": str(paid),
            "claimed": str(kept["claimed"]),
            "fees": str(fees),
            "reserved": str(kept["reserved"]),
            "free": str(_free(kept)),
            "cost_per_label": str((paid + fees) // labels if labels else 0),
        },
    }


@campaign.command()
@click.argument("number", type=NUMBER)
def close(number: int) -> None:
    """Close campaign NUMBER: no new leases; a final receipt then pays what is owed."""
    with _session() as (platform, requester, _):
        kept = platform.reader.campaign(number)
        _check_requester(kept, number, requester)
        if kept["closed_at"]:
            click.echo(f"campaign {number} was closed before: `ddlp campaign status {number}`")
            return
        requester.close(number)
        click.echo(f"campaign {number} is closing: refund it once its final receipt is finalized")


@campaign.command()
@click.argument("number", type=NUMBER)
def abandon(number: int) -> None:
    """Announce that the money will leave campaign NUMBER, to which no final receipt came.

    A notice runs from then on, in which a receipt still may come; `refund` takes what is left.
    """
    with _session() as (platform, requester, _):
        kept = platform.reader.campaign(number)
        if kept["refunded"]:
            raise InputError(f"campaign {number} is refunded: nothing is left in it")
        if not kept["closed_at"]:
            raise InputError(f"campaign {number} is open: `ddlp campaign close {number}` first")
        if kept["complete"]:
            raise InputError(
                f"campaign {number} has its final receipt: `ddlp campaign refund {number}`"
            )
        terms = platform.deployment.parameters
        try:
            requester.abandon(number)
        except Reverted as error:
            if "too early" not in error.reason:
                raise
            raise InputError(
                f"campaign {number} may still get its final receipt: abandon it "
                f"{_days(terms.abandon_seconds)} after its close and its last receipt"
            ) from error
        announced = platform.reader.campaign(number)["notice_at"]
        due = datetime.fromtimestamp(announced + terms.notice_seconds, UTC)
        click.echo(f"campaign {number} is abandoned: unless a receipt comes, it can be refunded")
        click.echo(f"from {due:%Y-%m-%d %H:%M} UTC on: `ddlp campaign refund {number}`")


def _days(duration: int) -> str:
    """Say a duration in the largest unit that it is a whole number of."""
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if duration % unit == 0:
            return f"{duration // unit} {name}"
    return f"{duration} seconds"


@campaign.command()
@click.argument("number", type=NUMBER)
def refund(number: int) -> None:
    """Take back what campaign NUMBER neither paid nor owes, budget and bond."""
    with _session() as (platform, requester, _):
        kept = platform.reader.campaign(number)
        if kept["refunded"]:
            click.echo(f"campaign {number} was refunded before")
            return
        if not kept["closed_at"]:
            raise InputError(f"campaign {number} is open: `ddlp campaign close {number}` first")
        if not kept["complete"] and not kept["notice_at"]:
            raise InputError(
                f"campaign {number} has no final receipt yet that pays all it owes: wait for it, "
                f"as `ddlp campaign status {number}` shows; should it never come, "
                f"`ddlp campaign abandon {number}`"
            )
        requester.refund(number)
        bond = kept["bond"] - kept["bond_charge"]
        click.echo(f"campaign {number}: {shown(_free(kept))} of the budget refunded, ", nl=False)
        click.echo(f"{shown(bond)} of the bond")


@campaign.command()
@click.argument("number", type=NUMBER)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def export(number: int, out: Path) -> None:
    """Write campaign NUMBER's results to OUT: items.jsonl and labels.jsonl."""
    with _session() as (platform, _, _):
        items, labels = write_export(platform, number, out)
    click.echo(f"{items} items and {labels} labels in {out}")


@campaign.command()
@click.argument("number", type=NUMBER)
@click.argument("file", type=FILE)
def teach(number: int, file: Path) -> None:
    """Publish a course in FILE: newer guidelines, training, an exam.

    Run it where campaign NUMBER's gateway runs: its database alone keeps the exam's answers.
    """
    settings = load_settings()
    engine, content = open_database(settings.database_url), open_content(settings)
    try:
        if number not in SqlLabelStore(engine).campaigns():
            raise InputError(
                f"campaign {number} isn't served from this database: set DDLP_STATE_DIR or "
                "DDLP_DATABASE_URL as its gateway has it"
            )
        course = read_course(file, content)
        version = Community(engine, content).learning.publish(number, course)
    finally:
        engine.dispose()
    exam = f"an exam of {course.exam.questions} questions" if course.exam else "no exam"
    click.echo(
        f"campaign {number}: version {version}, {len(course.training)} training questions, {exam}"
    )
