"""The whole machine: all rules together, and lives of any length."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.invariants.calls import Tally
from tests.invariants.leaving import Leaving
from tests.invariants.scene import Scene

STEPS = 80  # rules of one life, before everybody leaves
LIVES = 10  # lives per seed

# Functions that change state and are not the machine's: ownership is snekmate's, and what board and
# escrow say to one another only they can send.
OUTSIDE = {
    "accept_ownership",
    "renounce_ownership",
    "transfer_ownership",
    "escrow.credit_fees",
    "escrow.release",
    "escrow.reserve",
    "escrow.settle",
    "treasury.credit",
}


class Life(Leaving):
    """Everything that can happen, in any order."""


def play(
    machine: type[Life],
    calls: int,
    seed: int,
    stride: int = 1,
    tell: Callable[[str], None] = print,
    shrink: bool = True,
) -> Tally:
    """Live until so many calls are made; the same seed makes the same calls.

    Args:
        machine: Life, or a variant of it.
        calls: At least so many transactions.
        seed: The first seed; each serves LIVES lives, and `stride` is added for the next.
        stride: How many processes share the seeds.
        tell: Takes a line of progress before each seed.
        shrink: Whether a counterexample is made as short as possible, which takes minutes.

    Raises:
        AssertionError: A counterexample; hypothesis has printed its rules and calls.
    """
    machine.scene = Scene()
    machine.tally = Tally()
    while machine.tally.total < calls:
        hypothesis.seed(seed)(machine)
        tell(f"seed {seed}: {machine.tally.total:,} of {calls:,} calls so far")
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=LIVES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        seed += stride
    return machine.tally


def unreached(scene: Scene, tally: Tally) -> list[str]:
    """State-changing functions of the system that never accepted a call."""
    functions = {
        f"{name}.{entry['name']}"
        for name in scene.system_contracts
        for entry in getattr(scene.system, name).abi
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
    }
    inside = {name for name in functions if not {name, name.split(".")[1]} & OUTSIDE}
    return sorted(inside - set(tally.accepted))
