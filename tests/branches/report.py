"""Which branches no test takes, as a table, and whether that is as it should be."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.branches.points import KINDS, Point

LEAST = 0.95
UNCOVERED = Path(__file__).with_name("uncovered.toml")

# point -> outcome -> tests that had it
Seen = Mapping[int, Mapping[str, set[str]]]
Key = tuple[str, str, str, str]


def missing(points: Sequence[Point], found: Seen) -> list[tuple[Point, str]]:
    """Outcomes that no test had."""
    return [
        (point, outcome)
        for number, point in enumerate(points)
        for outcome in point.outcomes
        if outcome not in found.get(number, {})
    ]


def table(points: Sequence[Point], found: Seen) -> list[str]:
    """Covered of all outcomes, by contract and kind, then each missing one with its code."""
    every = Counter((p.contract, p.kind) for p in points for _ in p.outcomes)
    lost = Counter((p.contract, p.kind) for p, _ in missing(points, found))
    lines = [f"{'':18}" + "".join(f"{kind:>12}" for kind in KINDS) + f"{'branches':>12}"]
    for contract in dict.fromkeys(point.contract for point in points):
        cells = [_cell(every[contract, kind], lost[contract, kind]) for kind in KINDS]
        share = coverage(points, found).get(contract)
        cells.append("-" if share is None else f"{share:.1%}")
        lines.append(f"{contract:18}" + "".join(f"{cell:>12}" for cell in cells))
    reasons = explained()
    for point, outcome in missing(points, found):
        reason = reasons.get(key(point, outcome), "NOT EXPLAINED")
        lines.append(f"line {point.line}, {_dotted(key(point, outcome))}: {reason}")
    return lines


def _cell(every: int, lost: int) -> str:
    return f"{every - lost}/{every}" if every else "-"


def coverage(points: Sequence[Point], found: Seen) -> dict[str, float]:
    """Per contract the share of branch outcomes that tests had; entered functions don't count."""
    every = Counter(p.contract for p in points if p.kind != "function" for _ in p.outcomes)
    lost = Counter(p.contract for p, _ in missing(points, found) if p.kind != "function")
    return {contract: 1 - lost[contract] / every[contract] for contract in every}


def key(point: Point, outcome: str) -> Key:
    """What names an outcome in `uncovered.toml`: lines move, code stays."""
    return point.contract, point.function, point.code, outcome


def explained() -> dict[Key, str]:
    """Reviewed reasons."""
    entries = tomllib.loads(UNCOVERED.read_text(encoding="utf-8")).get("branch", [])
    return {(e["contract"], e["function"], e["code"], e["never"]): e["reason"] for e in entries}


def problems(points: Sequence[Point], found: Seen) -> list[str]:
    """Why the run fails."""
    said = set(explained())
    lost = {key(point, outcome) for point, outcome in missing(points, found)}
    known = {key(point, outcome) for point in points for outcome in point.outcomes}
    return [
        *(
            f"FAILED {contract}: {share:.1%} of branches covered, {LEAST:.0%} wanted"
            for contract, share in coverage(points, found).items()
            if share < LEAST
        ),
        *(f"FAILED not in {UNCOVERED.name}: {_dotted(k)}" for k in sorted(lost - said)),
        *(f"FAILED explained, but covered: {_dotted(k)}" for k in sorted((said - lost) & known)),
        *(f"FAILED explained, but not there: {_dotted(k)}" for k in sorted(said - known)),
    ]


def _dotted(key: Key) -> str:
    contract, function, code, outcome = key
    return f"{contract}.{function}: {code} is never {outcome}"
