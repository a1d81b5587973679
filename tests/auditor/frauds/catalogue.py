"""How a fraud is told: who commits it, on a copy of which verified run, and the code that must be
the gravest finding.

One honest run is made once; its stages are kept, and every fraud alters a copy of one of them. A
decorator says who the culprit is:

- `quorum`: operators sign what the rules didn't give; digests, roots and totals fit one another;
- `gateway`: an entry that breaks a rule stands in the log while honest operators decide;
- `chain`: a chain on which the contracts did what they would refuse;
- `folder`: whoever hands over the folder alters its files.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oracle.auditor import AuditReport, audit
from oracle.auditor.codes import CODES, Severity
from oracle.evidence import entries
from oracle.protocol.campaign import EpochResult
from tests.auditor.paper import NAMES, PaperRun

Options = dict[str, Any]
Quorum = Callable[[PaperRun, EpochResult], EpochResult]
Gateway = Callable[[PaperRun], entries.Entry | None]
Chain = Callable[[PaperRun], None]
Folder = Callable[[Path], Options | None]


@dataclass(frozen=True)
class Fraud:
    """One fraud. `write` puts the altered run into a folder and returns options for `audit`."""

    code: str
    severity: Severity
    culprit: str
    module: str
    name: str
    deed: str
    write: Callable[[Path], Options]

    def judge(self, directory: Path) -> AuditReport:
        """Commit the fraud and audit it."""
        options = self.write(directory)
        return audit(directory, **options)


CATALOGUE: list[Fraud] = []


def _enter(
    function: Callable[..., Any],
    code: str,
    culprit: str,
    write: Callable[[Path], Options],
    severity: Severity | None = None,
) -> None:
    deed = " ".join((function.__doc__ or "").split())
    assert deed, f"{function.__name__} doesn't say what it does"
    CATALOGUE.append(
        Fraud(
            code,
            CODES[code].severity if severity is None else severity,
            culprit,
            function.__module__.rpartition(".")[2],
            function.__name__,
            deed,
            write,
        )
    )


# -- stages of the honest run ------------------------------------------------------------------


@cache
def _stage(name: str) -> PaperRun:
    if name == "delegated":
        run = PaperRun()
        for contributor in NAMES:
            run.delegate(contributor)
        run.pass_time(180)
    elif name == "labeling":
        run = stage("delegated")
        for contributor in NAMES:
            run.work(contributor, 5, run.answer)
        run.pass_time(60)
    elif name == "second cut":
        run = stage("delegated")
        run.label(NAMES)
        run.claim(run.cut())
        run.label(NAMES)
    elif name == "settled":
        run = stage("second cut")
        run.cut()
    elif name == "closed":
        run = stage("settled")
        run.claim(run.results[-1])
        run.close()
        run.pass_time(run.manifest.lease_seconds + 60)
    elif name == "final":
        run = stage("closed")
        run.cut(final=True)
    else:
        assert name == "finished"
        run = stage("final")
        run.claim(run.results[-1])
        run.withdraw_fees()
        run.refund()
    return run


STAGES = ("delegated", "labeling", "second cut", "settled", "closed", "final", "finished")


def stage(name: str) -> PaperRun:
    """A copy of the honest run as it stood at a stage."""
    return deepcopy(_stage(name))


# -- culprits ----------------------------------------------------------------------------------


def quorum(code: str, *, final: bool = False, **more: Any) -> Callable[[Quorum], Quorum]:
    """Operators sign another result of the second cut, or of the final one."""

    def register(fraud: Quorum) -> Quorum:
        def write(directory: Path) -> Options:
            run = stage("closed" if final else "second cut")
            run.tamper = fraud
            run.claim(run.cut(final=final))
            run.write(directory)
            return {}

        _enter(fraud, code, "quorum", write, **more)
        return fraud

    return register


def gateway(code: str, *, stands: bool = False, **more: Any) -> Callable[[Gateway], Gateway]:
    """The gateway appends an entry during the first epoch; honest operators decide on it.

    `stands`: the entry isn't skipped, though it breaks a rule: leases are, and the bond pays.
    """

    def register(fraud: Gateway) -> Gateway:
        def write(directory: Path) -> Options:
            run = stage("labeling")
            entry = fraud(run)
            if entry is not None:
                run.append(entry, check=stands)
            run.label(NAMES)
            run.cut()
            run.write(directory)
            return {}

        _enter(fraud, code, "gateway", write, **more)
        return fraud

    return register


def chain(code: str, *, at: str = "settled", **more: Any) -> Callable[[Chain], Chain]:
    """The chain goes on from a stage as no chain of the shipped contracts would."""

    def register(fraud: Chain) -> Chain:
        def write(directory: Path) -> Options:
            run = stage(at)
            fraud(run)
            run.write(directory)
            return {}

        _enter(fraud, code, "chain", write, **more)
        return fraud

    return register


def folder(code: str, *, at: str = "finished", **more: Any) -> Callable[[Folder], Folder]:
    """Somebody alters the files of a finished run, or says what to hold them against."""

    def register(fraud: Folder) -> Folder:
        def write(directory: Path) -> Options:
            stage(at).write(directory)
            return fraud(directory) or {}

        _enter(fraud, code, "folder", write, **more)
        return fraud

    return register


def run_of(
    code: str, culprit: str, **more: Any
) -> Callable[[Callable[[], PaperRun]], Callable[[], PaperRun]]:
    """The fraud needs a run of its own: with other terms, other people or another ending."""

    def register(fraud: Callable[[], PaperRun]) -> Callable[[], PaperRun]:
        def write(directory: Path) -> Options:
            fraud().write(directory)
            return {}

        _enter(fraud, code, culprit, write, **more)
        return fraud

    return register


def page() -> str:
    """The catalogue as Markdown, as docs/AUDIT.md holds it."""
    lines = ["| fraud | culprit | what is done | found as |", "| --- | --- | --- | --- |"]
    for one in CATALOGUE:
        name = f"{one.module}.{one.name}"
        found = f"`{one.code}`, {one.severity.text}"
        lines.append(f"| {name} | {one.culprit} | {one.deed} | {found} |")
    return "\n".join(lines) + "\n"
