"""An operator's process that misbehaves, for the others to live with:
`python -m tests.support.lying HOW operator run`, where HOW is a key of KINDS.

It is the real process but for what its `Member` tells others; each deed is logged as "misbehaves".
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oracle.cli import main
from oracle.errors import GatewayRefusal
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.ports import Filing, Holding, OpenedSubmission, Peer, Proposal, Vote
from oracle.processes import operator
from oracle.service import member
from oracle.service.member import Member, Progress, Step
from oracle.service.round import digest_of, leader_of

log = logging.getLogger(__name__)


class Liar(Member):
    """Does as it should; others bend it."""

    def _misbehave(self, how: str) -> None:
        log.warning("misbehaves: %s", how)

    def _without(self, proposal: Proposal, omitted: int) -> Proposal:
        """A proposal of ours that lacks one opening."""
        openings = list(proposal.supplement.openings)
        if openings:
            del openings[omitted % len(openings)]
        supplement = replace(proposal.supplement, openings=tuple(openings))
        bent = replace(proposal, supplement=supplement)
        assert self._campaign is not None
        digest = digest_of(bent, self._campaign, self._previous)
        return replace(bent, signature=self._signer(digest))


class Lying(Liar):
    """Signs other receipts than the inputs come to, and proposes less than it holds."""

    def vote(self, proposal: Proposal) -> Vote:
        assert self._campaign is not None
        if leader_of(proposal, self._campaign, self._previous) == self.address:
            return super().vote(proposal)
        self._misbehave("signs another receipt")
        return Vote(self._signer(keccak256(proposal.signature)))

    def _lead(self, *arguments: Any, **named: Any) -> Progress:
        self._misbehave("leaves an opening out")
        whole = member.lead

        def less(*parts: Any, **terms: Any) -> Proposal:
            return self._without(whole(*parts, **terms), 0)

        member.lead = less
        try:
            return super()._lead(*arguments, **named)
        finally:
            member.lead = whole


class Withholding(Liar):
    """Follows, but tells, proposes and signs nothing."""

    def act(self, now: int | None = None) -> Progress:
        return Progress(Step.NOTHING)

    def holding(self) -> Holding:
        return Holding(None, (), (), ())

    def rows(self, after: int, limit: int) -> tuple[LogRow, ...]:
        return ()

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        return ()

    def openings(self, wanted: Sequence[bytes]) -> tuple[OpenedSubmission, ...]:
        return ()

    def vote(self, proposal: Proposal) -> Vote:
        self._misbehave("signs nothing")
        raise GatewayRefusal("GONE", "nobody answers: ask others")


class Equivocating(Liar):
    """Proposes something else to each peer."""

    def _in_order(self) -> list[Peer]:
        told = super()._in_order()
        return [one if one is self else _Told(self, one, at) for at, one in enumerate(told)]


class _Told:
    """A peer that an `Equivocating` operator tells something of its own."""

    def __init__(self, liar: Equivocating, peer: Peer, number: int) -> None:
        self._liar, self._peer, self._number = liar, peer, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    def vote(self, proposal: Proposal) -> Vote:
        self._liar._misbehave("proposes something else to each")
        return self._peer.vote(self._liar._without(proposal, self._number))


KINDS = {"lying": Lying, "withholding": Withholding, "equivocating": Equivocating}


if __name__ == "__main__":
    operator.Member = KINDS[sys.argv.pop(1)]  # type: ignore[misc]
    main()
