"""A requester's commands: `ddlp campaign create | fund | status | close | refund | export`.

They talk to the chain that a running `ddlp serve` says it is on, or to DDLP_RPC_URL with the
`deployment.json` of the state folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import jsonschema
import yaml
from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.bootstrap import Keys, Platform
from oracle.chain.deployment import Deployment
from oracle.chain.development import DEPLOYMENT_FILE
from oracle.chain.poster import Poster
from oracle.chain.rpc import connect
from oracle.chain.wallets import DEV_CHAIN_IDS, DevWallets
from oracle.config import Settings, load_settings
from oracle.errors import ConfigError, InputError
from oracle.evidence.manifest import PPM
from oracle.evidence.results import AGREED, AMBIGUOUS, FINAL, GOLD
from oracle.evidence.signing import checksum
from oracle.evidence.structs import Receipt
from oracle.gateway.campaign_files import CampaignFiles, build_campaign, read_gold, read_items
from oracle.protocol.decide import EpochResult
from oracle.service.epochs import recompute

TOKEN_DECIMALS = 18
MAX_YAML = 1 << 20
NODE = "node.json"  # where a running `ddlp serve` says how to reach its chain
STATUSES = {AGREED: "agreed", GOLD: "gold", AMBIGUOUS: "ambiguous", FINAL: "final"}

_AMOUNT = {"type": ["string", "integer"]}
_DURATION = {"type": "string", "pattern": r"^[1-9][0-9]*(s|min|h|d)$"}
_SHARE = {"type": "string", "pattern": r"^(100|[0-9]{1,2})(\.[0-9]{1,4})? ?%$"}
_TEXT = {"type": "string", "minLength": 1}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}

CAMPAIGN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "classes", "items", "guidelines", "consent", "reward", "budget"],
    "properties": {
        "title": _TEXT,
        "description": {"type": "string"},
        "classes": {"type": "array", "items": _TEXT, "minItems": 2, "uniqueItems": True},
        "items": _TEXT,
        "gold": _TEXT,
        "gold_epochs": {"type": "integer", "minimum": 1},
        "gold_share": _SHARE,
        "newcomer_gold_share": _SHARE,
        "newcomer_items": {"type": "integer", "minimum": 0},
        "guidelines": _TEXT,
        "consent": _TEXT,
        "reward": _AMOUNT,
        "reward_range": {"type": "array", "items": _AMOUNT, "minItems": 2, "maxItems": 2},
        "reward_step": _SHARE,
        "budget": _AMOUNT,
        "bond": _AMOUNT,
        "epoch_cap": _AMOUNT,
        "fee": _SHARE,
        "method": {"enum": ["dawid-skene", "majority"]},
        "labels_per_item": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 2,
            "maxItems": 2,
        },
        "confidence": _SHARE,
        "confidence_range": {"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2},
        "confidence_step": _SHARE,
        "target_error": _SHARE,
        "base_share": _SHARE,
        "slash_below": _SHARE,
        "slash_cap": _AMOUNT,
        "seconds_per_item": {"type": "integer", "minimum": 1},
        "epoch": _DURATION,
        "lease": _DURATION,
        "grace": _DURATION,
        "anchor_blocks": {"type": "integer", "minimum": 1},
    },
}


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign file, read: its content, and what it costs in base units."""

    files: CampaignFiles
    budget: int
    bond: int
    epoch_cap: int
    fee_bps: int


def read_plan(path: Path) -> CampaignPlan:
    """Read a campaign's YAML file and the files it names (paths are relative to it).

    Raises InputError naming the field and the remedy, before anything is written or sent.
    """
    terms = _load_yaml(path)
    fault = next(iter(jsonschema.Draft202012Validator(CAMPAIGN_SCHEMA).iter_errors(terms)), None)
    if fault is not None:
        place = ".".join(map(str, fault.absolute_path)) or "top"
        raise InputError(f"{path}, {place}: {fault.message[:300]}")
    budget = tokens(terms["budget"], "budget")
    reward = tokens(terms["reward"], "reward")
    epoch_cap = tokens(terms["epoch_cap"], "epoch_cap") if "epoch_cap" in terms else budget
    bond = tokens(terms["bond"], "bond") if "bond" in terms else epoch_cap
    if bond < epoch_cap:
        raise InputError(f"{path}, bond: at least epoch_cap must stand behind the gateway's word")
    if not 0 < reward <= budget:
        raise InputError(f"{path}, reward: one label costs more than nothing, and less than budget")
    folder = path.parent
    files = build_campaign(
        _manifest_terms(terms, reward),
        read_items(_named(folder, terms["items"], path)),
        read_gold(_named(folder, terms["gold"], path)) if "gold" in terms else [],
        guidelines=_named(folder, terms["guidelines"], path).read_text(encoding="utf-8"),
        consent=_named(folder, terms["consent"], path).read_text(encoding="utf-8"),
        gold_epochs=terms.get("gold_epochs", 1),
    )
    fee_bps = ppm(terms.get("fee", "5 %"), "fee") * 10_000 // PPM
    return CampaignPlan(files, budget, bond, epoch_cap, fee_bps)


def tokens(value: str | int, field: str) -> int:
    """Return an amount of tokens ("12.5") in base units; InputError where it isn't one exactly."""
    try:
        amount = Decimal(str(value)).scaleb(TOKEN_DECIMALS)
        if amount.is_finite() and amount == amount.to_integral_value() and amount >= 0:
            return int(amount)
    except InvalidOperation:
        pass
    raise InputError(f"{field}: {value!r} is no amount of tokens: write a number such as 12.5")


def shown(amount: int) -> str:
    """Return base units as tokens, exactly."""
    whole, part = divmod(amount, 10**TOKEN_DECIMALS)
    digits = str(part).zfill(TOKEN_DECIMALS).rstrip("0")
    return f"{whole:,}" + (f".{digits}" if digits else "")


def ppm(value: str, field: str) -> int:
    """Return a percentage ("97.5 %") in ppm."""
    share = Decimal(value.removesuffix("%").strip()) * (PPM // 100)
    if share > PPM:
        raise InputError(f"{field}: {value!r} is more than 100 %")
    return int(share)


def seconds(value: str) -> int:
    """Return a duration ("90s", "15min", "1h", "2d") in seconds."""
    found = re.fullmatch(r"([0-9]+)([a-z]+)", value)
    assert found is not None  # the schema's pattern
    return int(found[1]) * _SECONDS[found[2]]


def _manifest_terms(terms: dict[str, Any], reward: int) -> dict[str, Any]:
    low, high = terms.get("labels_per_item", [3, 5])
    lowest, highest = (
        (tokens(one, "reward_range") for one in terms["reward_range"])
        if "reward_range" in terms
        else (reward, reward)
    )
    confidence = ppm(terms.get("confidence", "98 %"), "confidence")
    least, most = (
        (ppm(one, "confidence_range") for one in terms["confidence_range"])
        if "confidence_range" in terms
        else (confidence, confidence)
    )
    return {
        "version": 1,
        "title": terms["title"],
        "description": terms.get("description", ""),
        "task": {
            "type": "categorical",
            "classes": terms["classes"],
            "schema": {"type": "string", "enum": terms["classes"]},
        },
        "gold": {
            "share": ppm(terms.get("gold_share", "10 %"), "gold_share"),
            "newcomerShare": ppm(terms.get("newcomer_gold_share", "30 %"), "newcomer_gold_share"),
            "newcomerItems": terms.get("newcomer_items", 20),
        },
        "assignment": "drawn",
        "consensus": {
            "method": terms.get("method", "dawid-skene"),
            "version": 1,
            "redundancyMin": low,
            "redundancyMax": high,
            "threshold": confidence,
            "escalation": "ambiguous",
        },
        "payment": {
            "policy": "agreement",
            "version": 1,
            "base": ppm(terms.get("base_share", "30 %"), "base_share"),
            "reward": str(reward),
            "rewardMin": str(lowest),
            "rewardMax": str(highest),
            "rewardStep": ppm(terms.get("reward_step", "5 %"), "reward_step"),
            "thresholdMin": least,
            "thresholdMax": most,
            "thresholdStep": ppm(terms.get("confidence_step", "0.5 %"), "confidence_step"),
            "target": ppm(terms.get("target_error", "10 %"), "target_error"),
        },
        "slashing": {
            "floor": ppm(terms.get("slash_below", "40 %"), "slash_below"),
            "cap": str(tokens(terms.get("slash_cap", 0), "slash_cap")),
        },
        "qualification": {"minimumTier": 0},
        "privacy": "public",
        "quotas": {},
        "auditors": [],
        "secondsPerItem": terms.get("seconds_per_item", 10),
        "epochSeconds": seconds(terms.get("epoch", "1d")),
        "leaseSeconds": seconds(terms.get("lease", "1h")),
        "graceSeconds": seconds(terms.get("grace", "10min")),
        "anchorBlocks": terms.get("anchor_blocks", 5),
    }


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) aren't read here: write the value out")
        return super().compose_node(parent, index)


def _load_yaml(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_YAML:
            raise InputError(f"{path} is over 1 MiB: put items and gold into files of their own")
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except OSError as error:
        raise InputError(
            f"{path} can't be read ({error.strerror}): name a campaign's YAML file"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is no YAML: {str(error)[:300]}") from error


def _named(folder: Path, name: str, path: Path) -> Path:
    """Return a file that the YAML names; InputError where it leaves the folder or isn't there."""
    found = (folder / name).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise InputError(f"{path}: {name!r} leaves the campaign's folder: put the file beside it")
    if not found.is_file():
        raise InputError(f"{path}: there is no file {name!r} beside it")
    return found


# -- the platform that commands talk to ------------------------------------------------------------


def open_platform(settings: Settings) -> Platform:
    """Connect to the chain of the state folder; ConfigError where nothing says which."""
    url = settings.rpc_url or _served_url(settings.state_dir)
    w3 = connect(url)
    folder = settings.state_dir
    for path in (folder / DEPLOYMENT_FILE, folder / "chain" / DEPLOYMENT_FILE):
        if path.exists():
            deployment = Deployment.load(path)
            break
    else:
        raise ConfigError(f"no {DEPLOYMENT_FILE} in {settings.state_dir}: set DDLP_STATE_DIR")
    development = deployment.chain_id in DEV_CHAIN_IDS
    keys = Keys.of_devnet() if development else _configured_keys(settings)
    return Platform(
        w3,
        deployment,
        keys=keys,
        state_dir=settings.state_dir,
        finality="latest" if development else settings.finality,
        database_url=settings.database_url,
    )


def _served_url(state_dir: Path) -> str:
    try:
        return str(json.loads((state_dir / NODE).read_text())["url"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"no chain is being served from {state_dir}: run `make serve`, or set DDLP_RPC_URL"
        ) from error


def _configured_keys(settings: Settings) -> Keys:
    gateway = settings.secret("gateway_key")
    relayer: LocalAccount = Account.from_key(settings.secret("requester_key"))
    return Keys(bytes.fromhex(gateway[2:]), relayer, ())


def _requester(settings: Settings, platform: Platform) -> LocalAccount:
    if settings.requester_key is None and platform.deployment.chain_id in DEV_CHAIN_IDS:
        return DevWallets(platform.deployment.chain_id).requester()
    account: LocalAccount = Account.from_key(settings.secret("requester_key"))
    return account


@contextmanager
def _session() -> Iterator[tuple[Platform, Poster]]:
    settings = load_settings()
    platform = open_platform(settings)
    yield platform, Poster(platform.w3, _requester(settings, platform), platform.deployment)


def epoch_results(platform: Platform, campaign: int) -> list[EpochResult]:
    """Return the recomputed results behind a campaign's finalized receipts, oldest first."""
    read = platform.read_campaign(campaign)
    results: list[EpochResult] = []
    for receipt in _finalized(platform, campaign):
        previous = results[-1] if results else None
        results.append(recompute(read, previous, receipt, platform.fetch))
    return results


def _finalized(platform: Platform, campaign: int) -> list[Receipt]:
    facts = platform.read_campaign(campaign).facts
    settled = [one.receipt for one in facts.settlements if one.finalized_block is not None]
    return sorted(settled, key=lambda receipt: receipt.epoch)


# -- commands --------------------------------------------------------------------------------------


@click.group()
def campaign() -> None:
    """Create, fund, watch, close, refund and export campaigns."""


@campaign.command()
@click.argument("file", type=click.Path(path_type=Path))
def create(file: Path) -> None:
    """Create the campaign that FILE (YAML) describes: publish its content, lock its money."""
    plan = read_plan(file)
    with _session() as (platform, _):
        number = platform.create_campaign(
            plan.files,
            _requester(load_settings(), platform),
            budget=plan.budget,
            bond=plan.bond,
            epoch_cap=plan.epoch_cap,
            fee_bps=plan.fee_bps,
        )
        click.echo(f"campaign {number}: {plan.files.manifest.item_count} items, ", nl=False)
        click.echo(f"{shown(plan.budget)} locked beside a bond of {shown(plan.bond)}")
        click.echo(f"manifest {plan.files.manifest.link}")


@campaign.command()
@click.argument("number", type=int)
@click.argument("amount")
def fund(number: int, amount: str) -> None:
    """Add AMOUNT tokens to campaign NUMBER's budget."""
    units = tokens(amount, "amount")
    with _session() as (platform, requester):
        requester.fund(number, units)
        budget = platform.reader.campaign(number)["budget"]
        click.echo(f"campaign {number}: budget is now {shown(budget)}")


@campaign.command()
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="As JSON; amounts in base units.")
def status(number: int, as_json: bool) -> None:
    """Say how far campaign NUMBER is, and what it has cost."""
    with _session() as (platform, _):
        state = campaign_status(platform, number)
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Campaign {number}: {state['title']}", show_header=False)
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
    receipts = _finalized(platform, number)
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
            "free": str(kept["budget"] + kept["bond_charge"] - paid - fees - kept["reserved"]),
            "cost_per_label": str((paid + fees) // labels if labels else 0),
        },
    }


@campaign.command()
@click.argument("number", type=int)
def close(number: int) -> None:
    """Close campaign NUMBER: no new leases; a final receipt then pays what is owed."""
    with _session() as (_, requester):
        requester.close(number)
        click.echo(f"campaign {number} is closing: refund it once its final receipt is finalized")


@campaign.command()
@click.argument("number", type=int)
def refund(number: int) -> None:
    """Take back what campaign NUMBER neither paid nor owes, budget and bond."""
    with _session() as (platform, requester):
        before = platform.reader.balance(platform.deployment.token, requester.address)
        requester.refund(number)
        after = platform.reader.balance(platform.deployment.token, requester.address)
        click.echo(f"campaign {number}: {shown(after - before)} refunded")


@campaign.command()
@click.argument("number", type=int)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def export(number: int, out: Path) -> None:
    """Write campaign NUMBER's results to OUT: items.jsonl and labels.jsonl."""
    with _session() as (platform, _):
        items, labels = write_export(platform, number, out)
    click.echo(f"{items} items and {labels} labels in {out}")


def write_export(platform: Platform, number: int, out: Path) -> tuple[int, int]:
    """Write closed items with their answers, and every opened label; return how many of each.

    Each line of items.jsonl has `item` (its name where the record is public), `id`, `answer`,
    `confidence` (ppm), `status`, `labels`, `epoch`; each of labels.jsonl `item`, `id`,
    `contributor`, `answer`, `position`.
    """
    results = epoch_results(platform, number)
    if not results:
        raise InputError(f"campaign {number} has no finalized receipt yet: export it after one")
    read = platform.read_campaign(number)
    last = results[-1]
    classes = read.manifest.classes
    names = _item_names(platform, number, [row.item for row in last.evidence.items])
    out.mkdir(parents=True, exist_ok=True)
    items = [
        {
            "item": names[row.item],
            "id": read.item_ids[row.item].hex(),
            "answer": classes[row.answer],
            "confidence": row.posterior[row.answer],
            "status": STATUSES[row.status],
            "labels": row.labels,
            "epoch": row.epoch,
        }
        for row in last.evidence.items
    ]
    labels = [
        {
            "item": names[label.item],
            "id": read.item_ids[label.item].hex(),
            "contributor": checksum(label.contributor),
            "answer": classes[label.klass],
            "position": label.position,
        }
        for label in last.labels
    ]
    _write_lines(out / "items.jsonl", items)
    _write_lines(out / "labels.jsonl", labels)
    return len(items), len(labels)


def _item_names(platform: Platform, number: int, items: Sequence[int]) -> dict[int, str | None]:
    gateway = platform.gateways().get(number)
    if gateway is None:
        platform.discover()
        gateway = platform.gateways().get(number)
    if gateway is None:
        return dict.fromkeys(items)
    return {item: gateway.item(item).name for item in items}


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    partial = path.with_suffix(".partial")
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
