"""A campaign's YAML file, and the files it names, read into what is published and locked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from oracle.errors import FormatError, InputError
from oracle.evidence.manifest import CONSENSUS_METHODS, NO_METHOD, PPM
from oracle.evidence.tasks import TASK_SCHEMAS, read_task
from oracle.gateway.campaign_files import CampaignFiles, build_campaign, read_gold, read_items

TOKEN_DECIMALS = 18
TOKEN: int = 10**TOKEN_DECIMALS
MAX_AMOUNT = 1 << 96  # base units; what the escrow packs into a word
MAX_TEXT = 1 << 20

# What the YAML holds is read as text: no number passes through a float, and no word turns into a
# truth value. \Z rather than $, which lets a line break follow. `description` is the remedy.
_Schema = dict[str, Any]
_AMOUNT: _Schema = {
    "type": "string",
    "pattern": r"^[0-9]{1,11}(\.[0-9]{1,18})?\Z",
    "description": "write an amount of tokens such as 12.5",
}
_DURATION: _Schema = {
    "type": "string",
    "pattern": r"^[1-9][0-9]{0,8}(s|min|h|d)\Z",
    "description": "write a duration such as 90s, 15min, 1h or 2d",
}
_SHARE: _Schema = {
    "type": "string",
    "pattern": r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?) ?%\Z",
    "description": "write a percentage from 0 to 100 such as 97.5 %",
}
_FEE = {
    "type": "string",
    "pattern": r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?) ?%\Z",
    "description": "write a percentage from 0 to 100, of at most two decimals, such as 5 %",
}
_COUNT = {
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]{0,8})\Z",
    "description": "write a whole number such as 20",
}
_POSITIVE = {
    "type": "string",
    "pattern": r"^[1-9][0-9]{0,8}\Z",
    "description": "write a whole number from 1",
}
_TEXT = {"type": "string", "minLength": 1, "description": "write a text"}
_CLASSES = {
    "type": "array",
    "items": _TEXT,
    "minItems": 1,
    "uniqueItems": True,
    "description": "write a list of different names",
}
_FILE = {"type": "string", "minLength": 1, "description": "name a file beside this one"}
_SECONDS: dict[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def _range(kind: _Schema) -> _Schema:
    return {
        "type": "array",
        "items": kind,
        "minItems": 2,
        "maxItems": 2,
        "description": "write the lowest and the highest value, as in [1, 2]",
    }


CAMPAIGN_SCHEMA: _Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "items", "guidelines", "consent", "reward", "budget"],
    "properties": {
        "title": _TEXT,
        "description": {"type": "string", "description": "write a text"},
        "type": {
            "enum": sorted(TASK_SCHEMAS),
            "description": f"choose {', '.join(sorted(TASK_SCHEMAS)[:-1])} or {max(TASK_SCHEMAS)}",
        },
        "classes": _CLASSES,
        "labels": _CLASSES,
        "attributes": {
            "type": "object",
            "additionalProperties": _CLASSES,
            "description": "write each attribute's name with the list of its options",
        },
        "scale": _POSITIVE,
        "most": _POSITIVE,
        "max_length": _POSITIVE,
        "match": _SHARE,
        "items": _FILE,
        "gold": _FILE,
        "gold_epochs": _POSITIVE,
        "gold_share": _SHARE,
        "newcomer_gold_share": _SHARE,
        "newcomer_items": _COUNT,
        "guidelines": _FILE,
        "consent": _FILE,
        "reward": _AMOUNT,
        "reward_range": _range(_AMOUNT),
        "reward_step": _SHARE,
        "budget": _AMOUNT,
        "bond": _AMOUNT,
        "epoch_cap": _AMOUNT,
        "fee": _FEE,
        "method": {
            "enum": list(CONSENSUS_METHODS),
            "description": f"choose {', '.join(CONSENSUS_METHODS[:-1])} or {CONSENSUS_METHODS[-1]}",
        },
        "labels_per_item": _range(_POSITIVE),
        "confidence": _SHARE,
        "confidence_range": _range(_SHARE),
        "confidence_step": _SHARE,
        "target_error": _SHARE,
        "base_share": _SHARE,
        "slash_below": _SHARE,
        "slash_cap": _AMOUNT,
        "seconds_per_item": _POSITIVE,
        "epoch": _DURATION,
        "lease": _DURATION,
        "grace": _DURATION,
        "anchor_blocks": _POSITIVE,
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


def read_plan(path: Path, secret: bytes | None = None) -> CampaignPlan:
    """Read a campaign's YAML file and the files it names (paths are relative to it).

    `secret` (32 bytes; drawn when None) decides draws and the order of gold: the same files and
    secret are the same campaign. Raises InputError naming the field and the remedy, before anything
    is written or sent.
    """
    terms = _load_yaml(path)
    _check_terms(terms, path)
    budget = tokens(terms["budget"], f"{path}, budget")
    reward = tokens(terms["reward"], f"{path}, reward")
    epoch_cap = tokens(terms.get("epoch_cap", terms["budget"]), f"{path}, epoch_cap")
    bond = tokens(terms["bond"], f"{path}, bond") if "bond" in terms else epoch_cap
    if not 0 < reward <= budget:
        raise InputError(
            f"{path}, reward: {terms['reward']} a label out of a budget of {terms['budget']}: "
            "write more than 0, and at most the budget"
        )
    if not reward <= epoch_cap <= budget:
        raise InputError(
            f"{path}, epoch_cap: {shown(epoch_cap)}: write at least one reward, and at most the "
            "budget"
        )
    if bond < epoch_cap:
        raise InputError(
            f"{path}, bond: {terms['bond']} is below epoch_cap ({shown(epoch_cap)}): write at "
            "least as much, since it stands behind the gateway's word"
        )
    folder = path.parent
    guidelines, consent = (
        _read_text(_named(folder, terms[name], f"{path}, {name}"), name)
        for name in ("guidelines", "consent")
    )
    items = read_items(_named(folder, terms["items"], f"{path}, items"))
    gold = read_gold(_named(folder, terms["gold"], f"{path}, gold")) if "gold" in terms else []
    files = build_campaign(
        _manifest_terms(terms, reward, path),
        items,
        gold,
        guidelines=guidelines,
        consent=consent,
        gold_epochs=int(terms.get("gold_epochs", 1)),
        secret=secret,
    )
    fee_bps = ppm(terms.get("fee", "5 %"), "fee") * 10_000 // PPM
    return CampaignPlan(files, budget, bond, epoch_cap, fee_bps)


def tokens(value: str, field: str) -> int:
    """Return an amount of tokens ("12.5") in base units; InputError where it isn't one exactly.

    An amount has at most 18 decimals and stays below 2^96 base units, as in the escrow.
    """
    if re.fullmatch(_AMOUNT["pattern"], value) is None:
        raise InputError(f"{field}: {value[:80]!r} is no amount: {_AMOUNT['description']}")
    whole, _, part = value.partition(".")
    amount = int(whole) * TOKEN + int(part.ljust(TOKEN_DECIMALS, "0"))
    if amount >= MAX_AMOUNT:
        raise InputError(f"{field}: {value} tokens are more than the escrow takes: write less")
    return amount


def shown(amount: int) -> str:
    """Return base units as tokens, exactly."""
    whole, part = divmod(amount, TOKEN)
    digits = str(part).zfill(TOKEN_DECIMALS).rstrip("0")
    return f"{whole:,}" + (f".{digits}" if digits else "")


def ppm(value: str, field: str) -> int:
    """Return a percentage ("97.5 %") in ppm; InputError where it is none of at most 4 decimals."""
    if re.fullmatch(_SHARE["pattern"], value) is None:
        raise InputError(f"{field}: {value[:80]!r} is no share: {_SHARE['description']}")
    whole, _, part = value.removesuffix("%").strip().partition(".")
    return int(whole) * (PPM // 100) + int(part.ljust(4, "0"))


def seconds(value: str, field: str) -> int:
    """Return a duration ("90s", "15min", "1h", "2d") in seconds; InputError where it is none."""
    if re.fullmatch(_DURATION["pattern"], value) is None:
        raise InputError(f"{field}: {value[:80]!r} is no duration: {_DURATION['description']}")
    unit = value.lstrip("0123456789")
    return int(value.removesuffix(unit)) * _SECONDS[unit]


def _check_terms(terms: Any, path: Path) -> None:
    """Raise InputError for the first fault by the schema, naming its place and the remedy."""
    fault = next(iter(jsonschema.Draft202012Validator(CAMPAIGN_SCHEMA).iter_errors(terms)), None)
    if fault is None:
        return
    known = list(CAMPAIGN_SCHEMA["properties"])
    place = ".".join(map(str, fault.absolute_path))
    if fault.validator == "additionalProperties":
        name = min(set(terms) - set(known))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
        raise InputError(f"{path}: {name[:80]!r} is no field: {hint}")
    if fault.validator == "required":
        missing = [name for name in CAMPAIGN_SCHEMA["required"] if name not in terms]
        raise InputError(f"{path}: {', '.join(missing)} missing: write them into it")
    if not place:
        raise InputError(f"{path} describes no campaign: write one field per line, as title: …")
    if fault.validator == "minLength":
        raise InputError(f"{path}, {place}: it is empty: {fault.schema['description']}")
    if isinstance(fault.instance, str):
        wrong = repr(fault.instance[:80])
    else:
        wrong = "the list" if isinstance(fault.instance, list) else "what is there"
    raise InputError(f"{path}, {place}: {wrong} can't be: {fault.schema['description']}")


def _manifest_terms(terms: dict[str, Any], reward: int, path: Path) -> dict[str, Any]:
    """Turn the checked file into a manifest's terms; what it leaves out gets its default here."""

    def share(name: str, default: str) -> int:
        return ppm(terms.get(name, default), f"{path}, {name}")

    def span(name: str, read: Callable[[str, str], int], value: int) -> tuple[int, int]:
        """Return a range that must hold the value it is the range of."""
        if name not in terms:
            return value, value
        low, high = (read(one, f"{path}, {name}") for one in terms[name])
        if not low <= value <= high:
            raise InputError(
                f"{path}, {name}: {terms[name][0]} to {terms[name][1]} doesn't hold where it "
                "starts: widen it"
            )
        return low, high

    low, high = (int(one) for one in terms.get("labels_per_item", ("3", "5")))
    if low > high:
        raise InputError(
            f"{path}, labels_per_item: {low} to {high}: write the lower number first, as in [3, 5]"
        )
    confidence = share("confidence", "98 %")
    task = _task_terms(terms, path)
    measured = read_task(task).measured
    lowest, highest = span("reward_range", tokens, reward)
    least, most = span("confidence_range", ppm, confidence)
    return {
        "version": 1,
        "title": terms["title"],
        "description": terms.get("description", ""),
        "task": task,
        "gold": {
            "share": share("gold_share", "10 %"),
            "newcomerShare": share("newcomer_gold_share", "30 %"),
            "newcomerItems": int(terms.get("newcomer_items", 20)),
        },
        "assignment": "drawn",
        "consensus": {
            "method": NO_METHOD if measured else terms.get("method", "dawid-skene"),
            "version": 1,
            "redundancyMin": low,
            "redundancyMax": high,
            "threshold": confidence,
            "escalation": "ambiguous",
        },
        "payment": {
            "policy": "gold" if measured else "agreement",
            "version": 1,
            "base": share("base_share", "30 %"),
            "reward": str(reward),
            "rewardMin": str(lowest),
            "rewardMax": str(highest),
            "rewardStep": share("reward_step", "5 %"),
            "thresholdMin": least,
            "thresholdMax": most,
            "thresholdStep": share("confidence_step", "0.5 %"),
            "target": share("target_error", "10 %"),
        },
        "slashing": {
            "floor": share("slash_below", "40 %"),
            "cap": str(tokens(terms.get("slash_cap", "0"), f"{path}, slash_cap")),
        },
        "qualification": {"minimumTier": 0},
        "privacy": "public",
        "quotas": {},
        "auditors": [],
        "secondsPerItem": int(terms.get("seconds_per_item", 10)),
        "epochSeconds": seconds(terms.get("epoch", "1d"), f"{path}, epoch"),
        "leaseSeconds": seconds(terms.get("lease", "1h"), f"{path}, lease"),
        "graceSeconds": seconds(terms.get("grace", "10min"), f"{path}, grace"),
        "anchorBlocks": int(terms.get("anchor_blocks", 5)),
    }


# What a task's taxonomy takes from the file: by its name there, the manifest's name and default.
_TAXONOMY: dict[str, tuple[str, Any]] = {
    "classes": ("classes", None),
    "labels": ("labels", None),
    "attributes": ("attributes", {}),
    "scale": ("scale", "1000"),
    "most": ("most", "20"),
    "max_length": ("maxLength", "1000"),
    "match": ("match", "50 %"),
}


def _task_terms(terms: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the manifest's `task`; InputError for a field that the type lacks or hasn't."""
    kind = terms.get("type", "categorical")
    schema = TASK_SCHEMAS[kind]
    task: dict[str, Any] = {"type": kind, "schema": {}}
    for field, (name, default) in _TAXONOMY.items():
        value = terms.get(field, default)
        if name not in schema["properties"]:
            if field in terms:
                raise InputError(f"{path}, {field}: a task of type {kind} has none: remove it")
        elif value is None:
            raise InputError(f"{path}: {field} missing: a task of type {kind} needs it")
        elif field == "match":
            task[name] = ppm(value, f"{path}, match")
        else:
            task[name] = int(value) if isinstance(value, str) else value
    fault = next(jsonschema.Draft202012Validator(schema).iter_errors(task), None)
    if fault is not None:
        place = ".".join(map(str, fault.absolute_path))
        raise InputError(f"{path}, {place}: {fault.message}: write what type {kind} takes"[:500])
    try:
        return {**task, "schema": read_task(task).answer_schema()}
    except FormatError as error:
        raise InputError(f"{path}: {error}") from error


class _PlainLoader(yaml.BaseLoader):
    """YAML whose values are texts, lists and maps, each key once and nothing by alias: a few lines
    of aliases can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) aren't read here: write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(names) < len(node.value):
            raise yaml.YAMLError("a field's name is a list or map: write a word")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0][:80]!r} is there twice: remove one")
        return super().construct_mapping(node, deep)


def _load_yaml(path: Path) -> Any:
    text = _read_text(path, "campaign")
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path} can't be read as a campaign's YAML: {reason}") from error


def _read_text(path: Path, what: str) -> str:
    """Return the text of a file of at most 1 MiB; InputError where it is none."""
    try:
        # A pipe or device could go on for ever.
        if not path.is_file():
            raise InputError(f"{path}: there is no such file: name the {what}'s")
        if path.stat().st_size > MAX_TEXT:
            raise InputError(f"{path} is over 1 MiB: shorten it; items and gold have own files")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path} can't be read ({error.strerror}): name the {what}'s file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: save it as UTF-8") from error
    if "\0" in text:
        raise InputError(f"{path} is no text, since it holds NUL characters: save it as UTF-8")
    return text


def _named(folder: Path, name: str, place: str) -> Path:
    """Return a file that the YAML names; InputError where it leaves the folder or isn't there."""
    try:
        found = (folder / name).resolve()
        if not found.is_relative_to(folder.resolve()):
            raise InputError(
                f"{place}: {name[:80]!r} leaves the campaign's folder: put the file beside it"
            )
        if not found.is_file():
            raise InputError(f"{place}: there is no file {name[:80]!r} in {folder}: put it there")
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: {name[:80]!r} can't be a file's name: name another") from error
    return found
