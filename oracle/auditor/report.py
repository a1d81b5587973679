"""What an audit says: findings, three verdicts, sums; as text, JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from oracle.auditor.codes import CODES, RANK, Severity

VERIFIED, FINDINGS, UNKNOWN = "verified", "findings", "unknown"
VERDICTS = ("money", "consensus", "availability")
SHOWN_FINDINGS = 200


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it must be: what, where, how grave, and for which verdict."""

    verdict: str
    code: str
    severity: Severity
    place: str
    sentence: str

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Graver first; of one severity causes before consequences."""
        return (-self.severity, RANK[self.code], self.place, self.verdict)


class Findings:
    """Collects findings, each once, and counts the checks that were made."""

    def __init__(self) -> None:
        self.checks = 0
        self.unknown: dict[str, str] = {}
        self._found: dict[tuple[str, str, str], Finding] = {}

    def add(
        self,
        verdict: str,
        code: str,
        place: str,
        sentence: str,
        severity: Severity | None = None,
    ) -> None:
        """Note a finding; of two with the same verdict, code and place the graver stays."""
        graveness = CODES[code].severity if severity is None else severity
        known = self._found.get((verdict, code, place))
        if known is None or known.severity < graveness:
            finding = Finding(verdict, code, graveness, place, sentence)
            self._found[verdict, code, place] = finding

    def check(self, holds: bool, verdict: str, code: str, place: str, sentence: str) -> bool:
        """Count a check; note a finding unless it holds. Returns `holds`."""
        self.checks += 1
        if not holds:
            self.add(verdict, code, place, sentence)
        return holds

    def cannot_tell(self, verdict: str, why: str) -> None:
        """Note that a verdict can't be reached; the first reason stays."""
        self.unknown.setdefault(verdict, why)

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self._found.values(), key=lambda one: one.order))


@dataclass(frozen=True)
class CampaignReport:
    """One campaign's figures; amounts are base units of `token`."""

    number: int
    title: str
    token: str
    receipts: int
    labels: int
    items: int
    contributors: int
    budget: int
    bond: int
    paid: int
    refunded: int
    fees: int
    unclaimed: int
    held: int

    def to_json(self) -> dict[str, Any]:
        """Counts as numbers, amounts as decimal strings."""
        amounts = ("budget", "bond", "paid", "refunded", "fees")
        more = ("unclaimed", "held")
        return {
            name: str(value) if name in amounts + more else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class AuditReport:
    """The outcome of an audit.

    `money`, `consensus` and `availability` are each "verified", "findings" or "unknown";
    `reasons` says why one is unknown. `binding` says which chain all this holds for, `rests_on`
    what else was taken as given.
    """

    directory: str
    money: str
    consensus: str
    availability: str
    reasons: dict[str, str]
    findings: tuple[Finding, ...]
    checks: int
    seconds: float
    chain_id: int
    last_block: int
    last_hash: str
    contracts: dict[str, str]
    binding: str
    bound: bool
    campaigns: tuple[CampaignReport, ...]
    sums: dict[str, int] = field(default_factory=dict)
    rests_on: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Findings, **about: Any) -> AuditReport:
        """Close the collection: a verdict is what its findings say, else verified unless it
        couldn't be reached."""
        listed = tuple(found)
        verdicts = {}
        for verdict in VERDICTS:
            own = [one for one in listed if one.verdict == verdict]
            if any(one.severity > Severity.NOTE for one in own):
                verdicts[verdict] = FINDINGS
            else:
                verdicts[verdict] = UNKNOWN if verdict in found.unknown else VERIFIED
        reasons = {name: why for name, why in found.unknown.items() if verdicts[name] == UNKNOWN}
        return cls(
            money=verdicts["money"],
            consensus=verdicts["consensus"],
            availability=verdicts["availability"],
            reasons=reasons,
            findings=listed,
            checks=found.checks,
            **about,
        )

    @property
    def verdict(self) -> str:
        """`verified` only where all three are; else `findings`."""
        three = (self.money, self.consensus, self.availability)
        return VERIFIED if set(three) == {VERIFIED} else FINDINGS

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; amounts are decimal strings of base units."""
        return {
            "verdict": self.verdict,
            "money": self.money,
            "consensus": self.consensus,
            "availability": self.availability,
            "reasons": self.reasons,
            "findings": [
                {
                    "code": one.code,
                    "severity": one.severity.text,
                    "verdict": one.verdict,
                    "place": one.place,
                    "sentence": one.sentence,
                }
                for one in self.findings
            ],
            "checks": self.checks,
            "seconds": round(self.seconds, 3),
            "chain": {
                "chainId": self.chain_id,
                "lastBlock": self.last_block,
                "lastHash": self.last_hash,
                "contracts": self.contracts,
                "bound": self.bound,
                "binding": self.binding,
            },
            "restsOn": list(self.rests_on),
            "campaigns": [one.to_json() for one in self.campaigns],
            "sums": {name: str(amount) for name, amount in self.sums.items()},
            "directory": self.directory,
        }

    def to_json_text(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"

    def to_html(self) -> str:
        """The report as one self-contained page."""
        import jinja2

        source = files("oracle.auditor").joinpath("templates/report.html").read_text("utf-8")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        environment.filters["units"] = units
        return environment.from_string(source).render(
            report=self, codes=CODES, explained=EXPLAINED, shown=SHOWN_FINDINGS
        )


EXPLAINED = {
    "money": "that every token which left escrow or vault goes back to an event, a finalized "
    "receipt, signed labels",
    "consensus": "that the rules, applied again to the log, give the same bytes",
    "availability": "that every block behind a receipt is there and is what its name says",
}


def units(amount: int, decimals: int = 18) -> str:
    """Write base units as tokens, without rounding: 1500000000000000000 is 1.5."""
    whole, part = divmod(amount, 10**decimals)
    digits = str(part).rjust(decimals, "0").rstrip("0")
    return f"{whole:,}" + (f".{digits}" if digits else "")
