"""What a run of schedules shows: what occurred, what was checked, who earned what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.network.gateways import BEHAVIOURS
from tests.network.invariants import INVARIANTS, Outcome
from tests.network.liars import LIARS
from tests.network.people import COPIER, GUESSER, HONEST

GUESSERS_PERCENT = 15  # of an honest contributor's pay per label
ENOUGH = 1_000  # guessed labels, below which chance decides
REPRESENTATIVE = 300  # schedules from which on everything must have occurred
EVENTS = (
    "link loses a question",
    "link repeats a question",
    "link loses an answer",
    "operator restarts",
    "receipt is voided",
    "receipt after a void",
    "label is filed",
    "bond is charged",
    "fork is proven on chain",
    "cap or budget makes pay wait",
)


@dataclass
class Report:
    """Counts over the schedules that held."""

    schedules: int = 0
    occurred: Counter[str] = field(default_factory=Counter)  # in how many schedules
    times: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    earned: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count a schedule."""
        self.schedules += 1
        self.occurred.update(name for name, count in outcome.occurred.items() if count)
        self.times.update(outcome.occurred)
        self.checked.update(outcome.checked)
        for kind, (amount, labels) in outcome.earned.items():
            self.earned[kind] += amount
            self.labels[kind] += labels

    def failures(self) -> list[str]:
        """Say what the run as a whole doesn't show."""
        found = []
        share = self.share_ppm(GUESSER)
        if self.labels[GUESSER] >= ENOUGH and share > GUESSERS_PERCENT * 10_000:
            found.append(
                f"guessing pays: {share / 10_000:.1f} % of an honest label's, at most "
                f"{GUESSERS_PERCENT} % may"
            )
        if self.schedules < REPRESENTATIVE:
            return found
        found += [f"never occurred: {name}" for name in expected() if not self.occurred[name]]
        found += [
            f"never checked anything: {name}" for name in INVARIANTS if not self.checked[name]
        ]
        return found

    def share_ppm(self, kind: str) -> int:
        """Pay per label of a kind of people beside that of honest ones, ppm."""
        if not self.labels[kind] or not self.earned[HONEST]:
            return 0
        return (
            self.earned[kind]
            * self.labels[HONEST]
            * 10**6
            // (self.labels[kind] * self.earned[HONEST])
        )

    def text(self) -> str:
        """The report, a line each."""
        lines = ["", f"{'occurred':36} schedules      times"]
        lines += [f"{name:36} {self.occurred[name]:9} {self.times[name]:10}" for name in expected()]
        lines += ["", f"{'held':36}                looked at"]
        lines += [f"{name:36} {'':9} {self.checked[name]:10}" for name in INVARIANTS]
        lines += [""]
        lines += [
            f"{self.labels[kind]} labels of a {kind}: {self.share_ppm(kind) / 10_000:.1f} % of an "
            "honest label's pay"
            for kind in (GUESSER, COPIER)
        ]
        return "\n".join(lines)


def expected() -> list[str]:
    """What must occur in a run of many schedules."""
    gateways = [f"gateway {name}" for name in BEHAVIOURS if name != "Honest"]
    operators = [f"operator {name}" for name in LIARS if name != "honest"]
    return [*gateways, *operators, *EVENTS]
