"""The manifest: what a campaign is, fixed by the digest on chain (docs/FORMATS.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema

from oracle.errors import FormatError
from oracle.evidence.codec import RAW, Block, Link, decode_json, json_block
from oracle.evidence.hashing import sha256
from oracle.evidence.tasks import TASK_SCHEMAS, Task, canonical_answers, read_task

PPM = 1_000_000
CONSENSUS_METHODS = (  # `oracle.consensus.METHODS` holds what they name
    "auto",
    "bayesian-dawid-skene",
    "dawid-skene",
    "majority",
    "one-coin",
    "weighted-majority",
)
NO_METHOD = "none"  # of a task whose answers are measured against gold: nothing is inferred

# \Z rather than $, which lets a line break follow.
_DIGEST = {"type": "string", "pattern": r"^[0-9a-f]{64}\Z"}
_AMOUNT = {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,38})\Z"}
_SHARE = {"type": "integer", "minimum": 0, "maximum": PPM}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF}
_POSITIVE = {"type": "integer", "minimum": 1, "maximum": 0xFFFFFFFF}


def _record(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = _record(
    version={"const": 1},
    title={"type": "string", "minLength": 1, "maxLength": 200},
    description={"type": "string", "maxLength": 20_000},
    task={
        "type": "object",
        "properties": {"type": {"enum": sorted(TASK_SCHEMAS)}},
        "required": ["type"],
        "allOf": [
            {"if": {"properties": {"type": {"const": kind}}}, "then": schema}
            for kind, schema in TASK_SCHEMAS.items()
        ],
    },
    guidelines=_DIGEST,
    consent=_DIGEST,
    items=_DIGEST,
    itemCount=_POSITIVE,
    gold=_record(
        commitments=_DIGEST,
        count=_COUNT,
        share=_SHARE,
        newcomerShare=_SHARE,
        newcomerItems=_COUNT,
    ),
    drawSeed=_DIGEST,
    assignment={"enum": ["drawn", "given"]},
    consensus=_record(
        method={"enum": [*CONSENSUS_METHODS, NO_METHOD]},
        version={"const": 1},
        redundancyMin=_POSITIVE,
        redundancyMax=_POSITIVE,
        threshold=_SHARE,
        escalation={"const": "ambiguous"},
    ),
    payment=_record(
        policy={"enum": ["agreement", "gold"]},
        version={"const": 1},
        base=_SHARE,
        reward=_AMOUNT,
        rewardMin=_AMOUNT,
        rewardMax=_AMOUNT,
        rewardStep=_SHARE,
        thresholdMin=_SHARE,
        thresholdMax=_SHARE,
        thresholdStep=_SHARE,
        target=_SHARE,
    ),
    slashing=_record(floor=_SHARE, cap=_AMOUNT),
    qualification=_record(minimumTier=_COUNT),
    privacy={"enum": ["public", "restricted"]},
    quotas={"type": "object", "additionalProperties": _SHARE},
    auditors={
        "type": "array",
        "items": {"type": "string", "pattern": r"^0x[0-9a-fA-F]{40}\Z"},
    },
    secondsPerItem=_POSITIVE,
    epochSeconds=_POSITIVE,
    leaseSeconds=_POSITIVE,
    graceSeconds=_COUNT,
    anchorBlocks=_POSITIVE,
)
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@dataclass(frozen=True)
class Manifest:
    """A validated manifest. `document` is the JSON value; the properties below name what the rules
    read.
    """

    document: dict[str, Any]

    @classmethod
    def from_document(cls, document: Any) -> Manifest:
        """Validate a JSON value; FormatError naming the place of the first fault."""
        fault = next(iter(sorted(_VALIDATOR.iter_errors(document), key=_place)), None)
        if fault is not None:
            raise FormatError(f"manifest, {_place(fault) or 'top'}: {fault.message}"[:500])
        manifest = cls(document)
        manifest._check_task()
        if manifest.redundancy_max < manifest.redundancy_min:
            raise FormatError("manifest, consensus: redundancyMax is below redundancyMin")
        if manifest.reward_max < manifest.reward_min:
            raise FormatError("manifest, payment: rewardMax is below rewardMin")
        if max(manifest.reward, manifest.reward_max) >= 1 << 128:
            raise FormatError("manifest, payment: a reward is below 2^128, as in a lease")
        if manifest.epoch_seconds <= manifest.grace_seconds:
            raise FormatError("manifest: graceSeconds leaves no time to label in an epoch")
        return manifest

    def _check_task(self) -> None:
        try:
            measured = self.task.measured
        except FormatError as error:
            raise FormatError(f"manifest, task: {error}") from error
        policy = "gold" if measured else "agreement"
        if self.policy != policy or (self.method == NO_METHOD) != measured:
            method = f"method {NO_METHOD!r}" if measured else "a consensus method"
            raise FormatError(
                f"manifest: a task of type {self.task.type} is paid by policy {policy!r} and has "
                f"{method}"
            )
        if measured and not self.gold_count:
            raise FormatError(
                "manifest, gold: answers of this type are judged by gold alone: add some"
            )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Parse a manifest's block."""
        return cls.from_document(decode_json(data))

    @cached_property
    def block(self) -> Block:
        """The manifest as a block; its digest goes on chain."""
        return json_block(self.document)

    @cached_property
    def task(self) -> Task:
        """What is asked, and what may be answered."""
        return read_task(self.document["task"])

    @property
    def classes(self) -> list[Any]:
        """The answers that can be given, in the order that numbers them; none where answers are
        measured."""
        return list(self.task.answers)

    @property
    def chances(self) -> int:
        """A guess is right once in this many times: the number of classes, and two where answers
        are measured, whose guesses nobody can count."""
        return len(self.task.answers) or 2

    @cached_property
    def class_numbers(self) -> dict[bytes, int]:
        """Canonical JSON of each class -> its number."""
        return {answer: number for number, answer in enumerate(canonical_answers(self.task))}

    @cached_property
    def answer_digests(self) -> list[bytes]:
        """The answer digest of each class, by number."""
        return [sha256(answer) for answer in self.class_numbers]

    def answer_digest(self, answer: bytes) -> bytes:
        """The digest of an answer of the task."""
        number = self.class_numbers.get(answer)
        return sha256(answer) if number is None else self.answer_digests[number]

    def allows(self, answer: bytes) -> bool:
        """Say whether bytes are the canonical JSON of an answer of the task."""
        if not self.task.measured:
            return answer in self.class_numbers
        try:
            return self.task.fault(decode_json(answer)) is None
        except FormatError:
            return False

    @property
    def item_count(self) -> int:
        """How many items the index holds, gold included."""
        return int(self.document["itemCount"])

    @property
    def items(self) -> bytes:
        """Digest of the item index."""
        return bytes.fromhex(self.document["items"])

    @property
    def gold_commitments(self) -> bytes:
        """Digest of the gold commitments."""
        return bytes.fromhex(self.document["gold"]["commitments"])

    @property
    def restricted(self) -> bool:
        """Whether records and media of items are shown only to those who work on them."""
        return bool(self.document["privacy"] == "restricted")

    @property
    def gold_count(self) -> int:
        """How many gold items there are."""
        return int(self.document["gold"]["count"])

    def gold_share(self, ordinal: int) -> int:
        """The share of gold, ppm, for a contributor's leased item number `ordinal`."""
        gold = self.document["gold"]
        return int(gold["newcomerShare"] if ordinal < gold["newcomerItems"] else gold["share"])

    @property
    def draw_seed(self) -> bytes:
        """Seed 0 of the hash chain of draw seeds."""
        return bytes.fromhex(self.document["drawSeed"])

    @property
    def guidelines(self) -> bytes:
        """Digest of the guidelines."""
        return bytes.fromhex(self.document["guidelines"])

    @property
    def consent(self) -> bytes:
        """Digest of the terms a contributor agrees to."""
        return bytes.fromhex(self.document["consent"])

    @property
    def assignment(self) -> str:
        """`drawn`, or `given` for replays on devnets."""
        return str(self.document["assignment"])

    @property
    def policy(self) -> str:
        """What `agreement` is in the formula of pay."""
        return str(self.document["payment"]["policy"])

    @property
    def method(self) -> str:
        """The consensus method, `none` where answers are measured."""
        return str(self.document["consensus"]["method"])

    @property
    def redundancy_min(self) -> int:
        """Labels an item needs before it may close."""
        return int(self.document["consensus"]["redundancyMin"])

    @property
    def redundancy_max(self) -> int:
        """Labels after which an item closes whatever its posterior."""
        return int(self.document["consensus"]["redundancyMax"])

    @property
    def threshold(self) -> int:
        """The posterior, ppm, that closes an item in the first epochs."""
        return int(self.document["consensus"]["threshold"])

    @property
    def payment(self) -> dict[str, Any]:
        """The payment policy's parameters as in the document."""
        return dict(self.document["payment"])

    @property
    def reward(self) -> int:
        """Base units per label in the first epochs."""
        return int(self.document["payment"]["reward"])

    @property
    def reward_min(self) -> int:
        """Lowest reward that the terms may step to."""
        return int(self.document["payment"]["rewardMin"])

    @property
    def reward_max(self) -> int:
        """Highest reward that the terms may step to."""
        return int(self.document["payment"]["rewardMax"])

    @property
    def slash_floor(self) -> int:
        """The declared accuracy, ppm, below which gold proves a cheat."""
        return int(self.document["slashing"]["floor"])

    @property
    def slash_cap(self) -> int:
        """The most that a contributor can lose in this campaign, base units of the stake token."""
        return int(self.document["slashing"]["cap"])

    @property
    def epoch_seconds(self) -> int:
        """Length of an epoch."""
        return int(self.document["epochSeconds"])

    @property
    def lease_seconds(self) -> int:
        """The longest lease."""
        return int(self.document["leaseSeconds"])

    @property
    def grace_seconds(self) -> int:
        """How long before an epoch's named block its leases end."""
        return int(self.document["graceSeconds"])

    @property
    def anchor_blocks(self) -> int:
        """K: blocks at its multiples are anchors."""
        return int(self.document["anchorBlocks"])

    @property
    def link(self) -> Link:
        """The manifest's CID."""
        return Link(RAW, self.block.digest)


def _place(fault: jsonschema.ValidationError) -> str:
    return ".".join(str(part) for part in fault.absolute_path)
