"""Simulated contributors who label beside whoever tries `ddlp serve`.

Pay comes from agreement, and nobody can agree with a crowd of one: without others on the same
items, a lone visitor would wait for pay until the campaign ends.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable

from oracle.bootstrap import Platform
from oracle.chain.wallets import DevWallets
from oracle.errors import DDLPError, GatewayRefusal
from oracle.evidence.signing import checksum
from oracle.evidence.structs import Domain
from oracle.gateway.gateway import Gateway
from oracle.replay.contributors import SimulatedContributor

log = logging.getLogger(__name__)

FIRST_WALLET = 900  # of the development contributors: not the demonstration's
LEASE = 5
REST_SECONDS = 8.0
SKILL_PPM = 930_000
KEY_SECONDS = 30 * 86_400


class Companions:
    """`count` people of ordinary skill, each labeling a few items at a time, until `stop`.

    `truth` gives the class of an item by its name. `first` tells companions of several campaigns
    apart: their wallets are numbered from there on.
    """

    def __init__(
        self,
        platform: Platform,
        campaign: int,
        count: int,
        *,
        truth: Callable[[str], int],
        first: int = 0,
    ) -> None:
        self._platform, self._campaign = platform, campaign
        self._truth, self._first = truth, first
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._label, args=(number,), name=f"companion {number}", daemon=True
            )
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the submissions under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _label(self, number: int) -> None:
        gateway = self._platform.gateway(self._campaign)
        person = self._person(gateway, number)
        delegated = False
        dice = random.Random(secrets.token_bytes(8))
        while not self._stop.wait(REST_SECONDS * dice.uniform(0.5, 1.5)):
            try:
                now = self._platform.reader.newest().timestamp
                if not delegated:
                    person.delegate(now + KEY_SECONDS)
                    delegated = True
                person.work(LEASE, now)
            except GatewayRefusal as refusal:
                log.debug("%s waits: %s", checksum(person.address), refusal)
            except DDLPError as error:
                log.info("%s: %s", checksum(person.address), error)

    def _person(self, gateway: Gateway, number: int) -> SimulatedContributor:
        dice = random.Random(secrets.token_bytes(8))
        classes = len(gateway.manifest.classes)

        def answer(item: int) -> int:
            if dice.randrange(1_000_000) >= SKILL_PPM:
                return dice.randrange(classes)
            return self._truth(gateway.item(item).name)

        deployment = self._platform.deployment
        wallet = DevWallets(deployment.chain_id).contributor(FIRST_WALLET + self._first + number)
        return SimulatedContributor(
            gateway,
            Domain(deployment.chain_id, deployment.escrow),
            bytes(wallet.key),
            secret=secrets.token_bytes(32),  # a session key of its own for every start
            answer=answer,
        )
