"""Simulated contributors: profiles with confusion matrices, and a crowd that answers by them.

Everything is integers and seeded: one seed gives the same answers on every machine, in whatever
order they are asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

PPM = 1_000_000
COLLUSION_PPM = 400_000  # share of the items on which the colluders agree beforehand

# Digits that hands and eyes take for one another; half of a profile's errors go to the look-alike.
LOOK_ALIKE = {0: 6, 1: 7, 2: 7, 3: 8, 4: 9, 5: 3, 6: 5, 7: 1, 8: 3, 9: 4}

Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Profile:
    """A kind of contributor.

    `confusion[truth][answer]` is how often, in ppm, an item of class `truth` gets `answer`; every
    row sums to 1,000,000. A profile that `colludes` answers by it except where the ring has agreed
    on a shared random answer. `pace` is how many leases it asks for where others ask for one.
    """

    name: str
    honest: bool
    confusion: Matrix
    colludes: bool = False
    pace: int = 1

    @property
    def accuracy_ppm(self) -> int:
        """Share of right answers by the confusion matrix, over balanced classes, in ppm."""
        classes = len(self.confusion)
        return sum(self.confusion[klass][klass] for klass in range(classes)) // classes


@dataclass(frozen=True)
class Member:
    """One simulated contributor: its number in the crowd, its name and profile."""

    number: int
    name: str
    profile: Profile


def digit_profiles(classes: int = 10) -> dict[str, Profile]:
    """Return the demonstration's profiles by name, honest ones first, best first."""
    ordinary = skilled(880_000, classes)  # the colluders' too, where they haven't agreed
    return {
        profile.name: profile
        for profile in (
            Profile("expert", True, skilled(970_000, classes)),
            Profile("ordinary", True, ordinary),
            Profile("careless", True, skilled(780_000, classes)),
            Profile("spammer", False, guessing(classes), pace=2),
            Profile("colluder", False, ordinary, colludes=True),
        )
    }


def skilled(accuracy_ppm: int, classes: int) -> Matrix:
    """Return the matrix of somebody who is right `accuracy_ppm` of the time, in every class.

    Half of the errors go to the class that looks alike (the next one, where classes aren't digits),
    the rest evenly to the others; there are at least three classes.
    """
    rows = []
    for truth in range(classes):
        alike = LOOK_ALIKE[truth] if classes == len(LOOK_ALIKE) else (truth + 1) % classes
        others = [klass for klass in range(classes) if klass not in (truth, alike)]
        each = (PPM - accuracy_ppm) // 2 // len(others)
        row = [each] * classes
        row[truth] = accuracy_ppm
        row[alike] = PPM - accuracy_ppm - each * len(others)
        rows.append(tuple(row))
    return tuple(rows)


def guessing(classes: int) -> Matrix:
    """Return the matrix of somebody who answers uniformly at random, whatever the item shows."""
    row = [PPM // classes] * classes
    row[0] += PPM - sum(row)
    return (tuple(row),) * classes


class Crowd:
    """Members who answer items whose truth is known.

    `roster` names how many there are of each profile; `truth` holds the class of every item by its
    number.
    """

    def __init__(
        self, seed: int, profiles: dict[str, Profile], roster: dict[str, int], truth: Sequence[int]
    ) -> None:
        self.seed, self.profiles, self.truth = seed, profiles, truth
        self.classes = len(next(iter(profiles.values())).confusion)
        names = [
            (profile, f"{profile}-{number}")
            for profile, count in roster.items()
            for number in range(1, count + 1)
        ]
        self.members = tuple(
            Member(number, name, profiles[profile]) for number, (profile, name) in enumerate(names)
        )

    def answer(self, member: Member, item: int) -> int:
        """Return the class that a member answers for an item; always the same one."""
        if member.profile.colludes:
            ring = self._random("ring", item)
            if ring.randrange(PPM) < COLLUSION_PPM:
                return ring.randrange(self.classes)
        drawn = self._random(member.name, item).randrange(PPM)
        row = accumulate(member.profile.confusion[self.truth[item]])
        return next(klass for klass, bound in enumerate(row) if drawn < bound)

    def _random(self, who: str, item: int) -> random.Random:
        # Seeded by text, which Random hashes by SHA-512: no draw depends on another.
        return random.Random(f"DDLP {self.seed} {who} {item}")
