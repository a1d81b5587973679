"""One suite for the ports in memory and over HTTP: the same answers, the same refusals."""

from __future__ import annotations

import pytest

from oracle.errors import GatewayBusy, GatewayRefusal, NotFollowed, PeerUnavailable
from oracle.evidence.signing import address_of
from oracle.ports import FilingDesk, LogFeed, LogPage, Peer
from oracle.transport.client import HttpFeed, HttpFilingDesk, HttpPeer
from oracle.transport.server import create_feed_app, create_operator_app
from tests.support.transport import (
    CAMPAIGN,
    CERTIFICATE,
    FILINGS,
    GATEWAY_KEY,
    GOLD,
    MISSING,
    OPENED,
    OPERATORS,
    PROPOSAL,
    FixedFeed,
    FixedOperator,
    Offer,
    caller_to,
    digest_of,
    identity_of,
    log_rows,
    operator_key,
    sealing_key,
)


@pytest.fixture
def operator() -> FixedOperator:
    return FixedOperator(operator_key(1))


@pytest.fixture(params=["memory", "http"])
def peer(request: pytest.FixtureRequest, operator: FixedOperator) -> Peer:
    if request.param == "memory":
        return operator
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)
    caller, _ = caller_to(app, operator.address, identity_of(operator_key(0)))
    return HttpPeer(caller, CAMPAIGN)


@pytest.fixture(params=["memory", "http"])
def desk(request: pytest.FixtureRequest, operator: FixedOperator) -> FilingDesk:
    if request.param == "memory":
        return operator
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)
    caller, _ = caller_to(app, operator.address, identity_of(b"\x01" * 32))  # anybody
    return HttpFilingDesk(caller, CAMPAIGN)


@pytest.fixture(params=["memory", "http"])
def feed(request: pytest.FixtureRequest) -> LogFeed:
    fixed = FixedFeed()
    if request.param == "memory":
        return fixed
    app = create_feed_app(identity_of(GATEWAY_KEY), lambda campaign: fixed, lambda: OPERATORS)
    caller, _ = caller_to(app, address_of(GATEWAY_KEY), identity_of(operator_key(0)))
    return HttpFeed(caller, CAMPAIGN, sealing_key(0))


def test_page__from_a_cursor__brings_rows_heads_and_openings(feed: LogFeed) -> None:
    page = feed.page(4, 3)
    assert page.rows == log_rows(20)[4:7]
    assert len(page.openings) == 3
    assert feed.page(20, 512) == LogPage((), ())


def test_reveal__cut_epoch__brings_seed_and_gold(feed: LogFeed) -> None:
    assert feed.reveal(5, final=False) == (digest_of(5), GOLD[:1])
    assert feed.reveal(5, final=True) == (digest_of(5), GOLD)


def test_reveal__before_the_cut__is_refused_with_a_time_to_wait(feed: LogFeed) -> None:
    with pytest.raises(GatewayBusy) as caught:
        feed.reveal(6, final=False)
    assert (caught.value.code, caught.value.wait_seconds) == ("CUT", 60)


def test_peer__everything_it_holds__arrives_as_it_is(peer: Peer, operator: FixedOperator) -> None:
    assert peer.address == operator.address
    assert peer.holding() == operator.holding()
    assert peer.rows(2, 5) == log_rows(20)[2:7]
    assert peer.filings([digest_of(0), digest_of(1)]) == FILINGS[:2]
    assert peer.openings([digest_of(2)]) == OPENED[2:]
    assert peer.openings([]) == ()


def test_vote__signature_and_refusal__bring_what_was_left_out(
    peer: Peer, operator: FixedOperator
) -> None:
    assert peer.vote(PROPOSAL).signature == bytes([27]) * 65
    refusal = peer.vote(PROPOSAL)
    assert (refusal.signature, refusal.code, refusal.place) == (
        None,
        "PROPOSAL-OMITS",
        "opening 3/0",
    )
    assert refusal.missing == MISSING
    got = operator.proposals[-1]
    assert got.rows == PROPOSAL.rows
    assert got.supplement.encode() == PROPOSAL.supplement.encode()
    assert (got.epoch, got.attempt, got.round, got.final) == (5, 1, 2, True)


def test_desk__lease_confirmed_certified_and_work_filed__is_taken(
    desk: FilingDesk, operator: FixedOperator
) -> None:
    assert desk.confirm(2, digest_of(1)) == bytes([27]) * 65
    desk.certify(CERTIFICATE)
    assert operator.certificates == [CERTIFICATE]
    known, unknown = digest_of(1), digest_of(99)
    assert desk.holds([unknown, known]) == (known,)
    assert desk.holds([]) == ()
    assert desk.file(FILINGS[1]) == operator.file(FILINGS[1])
    desk.open_epoch(3, final=True, seed=digest_of(5), gold=GOLD)
    assert operator.opened == [(3, True, digest_of(5), GOLD)]


def test_desk__what_is_declined__comes_back_by_its_code(desk: FilingDesk) -> None:
    with pytest.raises(GatewayRefusal) as caught:
        desk.confirm(3, digest_of(1))
    assert caught.value.code == "LEASE-UNKNOWN"
    with pytest.raises(GatewayRefusal, match="OPEN-NOT-DUE"):
        desk.open_epoch(4, final=False, seed=digest_of(5), gold=())
    assert not isinstance(caught.value, GatewayBusy)


def test_peer__campaign_that_it_does_not_follow__is_unavailable_there(
    operator: FixedOperator,
) -> None:
    app = create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)
    caller, _ = caller_to(app, operator.address, identity_of(operator_key(0)))
    with pytest.raises(NotFollowed, match="UnknownCampaign: campaign 8 isn't followed"):
        HttpPeer(caller, CAMPAIGN + 1).holding()
    assert issubclass(NotFollowed, PeerUnavailable)
