"""All operators of a deployment in one process: for `ddlp serve`, replays and the demonstration.

Each is a whole `Member` that derives every receipt itself; they reach one another by plain calls,
so that nobody is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.errors import ProtocolFault
from oracle.ports import ChainReader, ContentStore, LogFeed, ReceiptPoster
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.service.member import Member, Progress, Step, Timing
from oracle.service.memory import MemoryOperatorStore
from oracle.service.operator import Operator

__all__ = ["EpochService", "Operator", "Progress", "Step"]


class EpochService:
    """Drives one campaign's receipts with `operators`, `threshold` of whom must sign.

    `read_campaign` returns the campaign with fresh chain facts. Nothing of the operators is kept on
    disk: the process' gateway has their log, published evidence the rest.
    """

    def __init__(
        self,
        read_campaign: Callable[[], Campaign],
        reader: ChainReader,
        feed: LogFeed,
        content: ContentStore,
        poster: ReceiptPoster,
        operators: Sequence[Operator],
        *,
        threshold: int,
    ) -> None:
        grace = read_campaign().manifest.grace_seconds
        self._members = [
            Member(
                read_campaign,
                address=operator.address,
                signer=operator.sign,
                unseal=operator.unseal,
                members=[one.address for one in operators],
                threshold=threshold,
                reader=reader,
                feed=feed,
                store=MemoryOperatorStore(),
                content=content,
                poster=poster,
                # The gateway is at hand: what it has logged is here at once.
                timing=Timing(exchange=0, patience=2 * grace, round=1),
                execute_slashes=False,  # whoever runs the process does, and says when
                first_signer=0,
            )
            for operator in operators
        ]
        for member in self._members:
            member.peers = [one for one in self._members if one is not member]

    @property
    def results(self) -> Sequence[EpochResult]:
        """The results behind the finalized receipts, oldest first, as far as `step` has followed
        them."""
        return self._members[0].results

    def step(self) -> Progress:
        """Do what is due now: finalize the pending receipt, or cut, sign and post the next one.

        Raises ProtocolFault `QUORUM` where too few would sign what a leader proposed.
        """
        for member in self._members:
            member.follow()
        done = Progress(Step.NOTHING)
        for member in self._members:
            progress = member.act()
            if progress.refusals:
                raise ProtocolFault("QUORUM", "the next receipt", "; ".join(progress.refusals))
            if progress.step in (Step.POSTED, Step.FINALIZED):
                return progress
            if progress.step is not Step.NOTHING:
                done = progress
        return done
