"""Gateway and operator over HTTP for tests: what they hold is fixed, and no socket is needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from werkzeug.test import Client

from oracle.content.sealing import encryption_key
from oracle.errors import GatewayBusy, GatewayRefusal, UnknownCampaign
from oracle.evidence.entries import LogRow, chain_rows
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Domain
from oracle.evidence.supplement import GoldOpening, Opening, Supplement
from oracle.ports import (
    Filing,
    FilingDesk,
    Holding,
    LeaseCertificate,
    LogPage,
    Missing,
    OpenedSubmission,
    Peer,
    Proposal,
    Vote,
)
from oracle.transport.authentication import Identity
from oracle.transport.client import Caller
from tests.support.world import key_of

CAMPAIGN = 7
DOMAIN = Domain(31337, address_of(key_of("escrow")))
NOW = 1_700_000_000
GATEWAY_KEY = key_of("gateway")


def identity_of(key: bytes, now: int = NOW) -> Identity:
    return Identity(address_of(key), lambda digest: sign(key, digest), DOMAIN, lambda: now)


def operator_key(number: int) -> bytes:
    return key_of(f"operator {number}")


def sealing_key(number: int) -> bytes:
    return key_of(f"operator {number} encryption")


OPERATORS = {
    address_of(operator_key(number)): encryption_key(sealing_key(number)) for number in range(4)
}


def log_rows(count: int) -> tuple[LogRow, ...]:
    entries = [
        (bytes([3]) + bytes([number % 256]) * (7 + number), bytes([27]) * 65)
        for number in range(count)
    ]
    return tuple(chain_rows(entries))


def digest_of(number: int) -> bytes:
    return keccak256(number.to_bytes(4, "big"))


GOLD = tuple(GoldOpening(1, index, 40 + index, b'"cat"', digest_of(index)) for index in range(3))
FILINGS = tuple(Filing(bytes([number]) * 50, bytes([number]) * 300) for number in range(3))
OPENED = tuple(
    OpenedSubmission(digest_of(number), (b'"cat"', b'"dog"'), digest_of(90 + number))
    for number in range(3)
)
CERTIFICATE = LeaseCertificate(log_rows(1)[0], (bytes([27]) * 65, bytes([28]) * 65))
PROPOSAL = Proposal(
    CAMPAIGN,
    epoch=5,
    attempt=1,
    round=2,
    final=True,
    rows=log_rows(20),
    supplement=Supplement(
        CAMPAIGN,
        5,
        True,
        digest_of(1),
        GOLD,
        tuple(sorted((one.entry for one in FILINGS), key=keccak256)),
        tuple(Opening(item, 3, 0, b'"cat"', digest_of(item)) for item in range(9)),
    ),
    signature=bytes([27]) * 65,
)
MISSING = Missing(log_rows(2), FILINGS, OPENED, (CERTIFICATE,), digest_of(2), GOLD)


class FixedFeed:
    """A `LogFeed` of 20 rows, whose epochs up to 5 are cut."""

    def __init__(self) -> None:
        self.rows = log_rows(20)

    def page(self, after: int, limit: int) -> LogPage:
        found = self.rows[after : after + limit]
        return LogPage(found, tuple(bytes([9]) * 200 for _ in found))

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        if epoch > 5:
            raise GatewayBusy("CUT", "not cut yet: wait", 60)
        return digest_of(epoch), GOLD if final else GOLD[:1]


class FixedOperator:
    """A `Peer` and a `FilingDesk` with fixed contents; keeps what it was brought."""

    def __init__(self, key: bytes) -> None:
        self.address = address_of(key)
        self.proposals: list[Proposal] = []
        self.certificates: list[LeaseCertificate] = []
        self.opened: list[tuple[int, bool, bytes, tuple[GoldOpening, ...]]] = []
        self.votes = [
            Vote(bytes([27]) * 65),
            Vote(None, "PROPOSAL-OMITS", "opening 3/0", "left out: see", MISSING),
        ]

    def holding(self) -> Holding:
        newest = log_rows(3)[-1]
        hashes = tuple(sorted(digest_of(number) for number in range(3)))
        return Holding(newest, hashes, hashes[:2], (CERTIFICATE,))

    def rows(self, after: int, limit: int) -> tuple[LogRow, ...]:
        return log_rows(20)[after : after + limit]

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        return FILINGS[: len(wanted)]

    def openings(self, wanted: Sequence[bytes]) -> tuple[OpenedSubmission, ...]:
        return tuple(one for one in OPENED if one.entry_hash in wanted)

    def vote(self, proposal: Proposal) -> Vote:
        self.proposals.append(proposal)
        return self.votes[(len(self.proposals) - 1) % len(self.votes)]

    def confirm(self, position: int, entry_hash: bytes) -> bytes:
        if position != 2:
            raise GatewayRefusal("LEASE-UNKNOWN", "no such lease: ask for one")
        return bytes([27]) * 65

    def certify(self, certificate: LeaseCertificate) -> None:
        self.certificates.append(certificate)

    def holds(self, wanted: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple(one for one in wanted if one in {digest_of(number) for number in range(3)})

    def open_epoch(
        self, epoch: int, *, final: bool, seed: bytes, gold: tuple[GoldOpening, ...]
    ) -> None:
        if epoch != 3:
            raise GatewayRefusal("OPEN-NOT-DUE", "that epoch isn't being cut: wait")
        self.opened.append((epoch, final, seed, gold))

    def file(self, filing: Filing) -> bytes:
        return keccak256(filing.entry) + keccak256(filing.opening) + bytes([28])


class Offer:
    """One operator's `Offered`: campaign 7 alone."""

    def __init__(self, operator: FixedOperator) -> None:
        self.operator = operator

    def peer(self, campaign: int) -> Peer:
        return self._served(campaign)

    def desk(self, campaign: int) -> FilingDesk:
        return self._served(campaign)

    def _served(self, campaign: int) -> FixedOperator:
        if campaign != CAMPAIGN:
            raise UnknownCampaign(f"campaign {campaign} isn't followed here")
        return self.operator


class WsgiAdapter(BaseAdapter):
    """Lets a `requests` session reach a Flask application without a socket.

    `before` may change what is sent, `after` what comes back: (status, headers, body).
    """

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.client = Client(app)
        self.failures: list[Exception] = []
        self.sent = 0

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.sent += 1
        if self.failures:
            raise self.failures.pop(0)
        answer = self.client.open(
            request.path_url,
            base_url="http://" + urlsplit(request.url or "").netloc,
            method=request.method,
            data=request.body,
            headers=dict(request.headers),
        )
        found = requests.Response()
        found.status_code = answer.status_code
        found.headers.update(dict(answer.headers))
        found.raw = HTTPResponse(
            body=io.BytesIO(answer.data),
            headers=HTTPHeaderDict(dict(answer.headers)),
            status=answer.status_code,
            preload_content=False,
        )
        found.request, found.url = request, request.url
        return found

    def close(self) -> None:
        pass


def caller_to(app: Flask, address: bytes, identity: Identity) -> tuple[Caller, WsgiAdapter]:
    """Return a caller of an application in this process, and the adapter between them."""
    caller = Caller("http://peer.example", address, identity)
    adapter = WsgiAdapter(app)
    caller._session.mount("http://", adapter)  # the one thing about a caller that isn't its port's
    return caller, adapter
