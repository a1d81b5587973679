"""A requester in place of a gateway that is gone: opens seeds and gold of each epoch to operators.

Else every label of an epoch that nobody opens is paid in full from the gateway's bond, whatever it
is worth. Work itself is filed by contributors; nothing is leased any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oracle.errors import GatewayRefusal, PeerUnavailable
from oracle.gateway.secrets import GatewaySecrets
from oracle.ports import FilingDesk
from oracle.protocol.campaign import Campaign
from oracle.service.round import due


class StandIn:
    """Brings `secrets` to the operators behind `desks` (by address), each epoch to each once.

    `read_campaign` returns the campaign with fresh chain facts. Nothing is brought before the chain
    has come to an epoch's cut: a seed known early lets draws be steered.
    """

    def __init__(
        self,
        read_campaign: Callable[[], Campaign],
        secrets: GatewaySecrets,
        desks: Mapping[bytes, FilingDesk],
    ) -> None:
        self._read_campaign, self._secrets, self._desks = read_campaign, secrets, desks
        self._brought: set[tuple[bytes, int, bool]] = set()

    @property
    def is_over(self) -> bool:
        """Say whether a final receipt is finalized."""
        return any(
            one.receipt.final and one.finalized_block is not None
            for one in self._read_campaign().facts.settlements
        )

    def step(self) -> list[str]:
        """Bring what is due; return a line for each operator that took it, or didn't and why."""
        cut = due(self._read_campaign(), None, (), complete=False)
        if cut is None or cut[0] > self._secrets.epochs:
            return []
        epoch, final = cut
        gold = tuple(row for row in sorted(self._secrets.gold) if final or row.epoch <= epoch)
        told = []
        for operator, desk in self._desks.items():
            if (operator, epoch, final) in self._brought:
                continue
            try:
                desk.open_epoch(epoch, final=final, seed=self._secrets.seed(epoch), gold=gold)
            except (GatewayRefusal, PeerUnavailable) as error:
                told.append(f"operator 0x{operator.hex()}: {error}")
                continue
            self._brought.add((operator, epoch, final))
            told.append(f"operator 0x{operator.hex()} has what opens epoch {epoch}")
        return told
