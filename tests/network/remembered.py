"""What a schedule computes from the same bytes again and again, computed once.

Four operators read and decide the same cut, each on its own; in one process each would repeat the
others' sums to the bit. Whether equal inputs give equal bytes is shown all the same: `check` and
operators that start anew derive receipts from published evidence, without any of this, and what
they get is compared with what each operator holds. And one schedule in `EVERY` remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any
from unittest.mock import patch

import numpy as np

from oracle.consensus import METHODS, item_posterior, leave_one_out, streaming
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.evidence.supplement import Supplement
from oracle.protocol import decide as deciding
from oracle.protocol import judging, ledger
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.draws import candidates
from oracle.service import member, round

EVERY = 10


@contextmanager
def remembering(seed: int) -> Iterator[None]:
    """Compute readings, results, consensus and draws once for each input, inside the `with`
    block."""
    with ExitStack() as stack:
        places = [(ledger, "candidates", remembered_candidates)]
        if seed % EVERY:
            places += _places()
        for place, name, shared in places:
            stack.enter_context(patch.object(place, name, shared))
        yield


def _places() -> list[tuple[Any, str, Any]]:
    read = _once_a_cut(deciding.read, reads_openings=False)
    decide = _once_a_cut(deciding.decide, reads_openings=True)
    return [
        (deciding, "read", read),
        (round, "read", read),
        (round, "decide", decide),
        (member, "decide", decide),
        (judging, "METHODS", {name: _once(method) for name, method in METHODS.items()}),
        (judging, "item_posterior", _once(item_posterior)),
        (judging, "leave_one_out", _once(leave_one_out)),
        # A gateway's own guesses at skills, by which it chooses among candidates: as many fits as a
        # campaign of thousands of labels has, not one for each label of a tiny one.
        (streaming, "GROWTH", 4),
    ]


def _once_a_cut(function: Callable[..., Any], *, reads_openings: bool) -> Callable[..., Any]:
    """`read` or `decide`, asked once for each set of inputs.

    A receipt stands for the result that it is of: it commits to all of it.
    """
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def ask(
        campaign: Campaign,
        previous: EpochResult | None,
        log: Sequence[LogRow],
        supplement: Supplement,
        *others: Any,
    ) -> Any:
        rows = keccak256(b"".join(row.data + row.head + row.signature for row in log))
        before = previous.receipt if previous is not None else None
        told = supplement if reads_openings else replace(supplement, openings=())
        attempt = others[0] if others else None
        key = (id(campaign.facts), before, rows, told.encode()[0].digest, attempt)
        if key not in known:
            answer = function(campaign, previous, log, supplement, *others)
            known[key] = campaign.facts, answer  # facts live on, so that their id stays theirs
        return known[key][1]

    return ask


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function of arrays and plain values that is asked once for each input."""
    known: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}

    def ask(*values: Any, **named: Any) -> Any:
        key = tuple(map(_key, (*values, *named, *named.values())))
        if key not in known:
            known[key] = values, function(*values, **named)  # values live on, so ids stay theirs
        return known[key][1]

    return ask


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return value if isinstance(value, int | str | None) else id(value)


@lru_cache(maxsize=20_000)
def _named(drawn: bytes, item_count: int) -> tuple[list[int], Iterator[int]]:
    """What a draw has named so far, and the rest."""
    return [], candidates(drawn, item_count, lambda item: True)


def remembered_candidates(
    drawn: bytes, item_count: int, eligible: Callable[[int], bool]
) -> Iterator[int]:
    """What `candidates` yields: gateway, operators and checks read the same draws, named once."""
    known, rest = _named(drawn, item_count)
    for at in range(item_count):
        if at == len(known):
            known.extend(islice(rest, 1))
        if at == len(known):
            return
        if eligible(known[at]):
            yield known[at]
