"""Who is let in: signed by a member, for this process, in time, once; and who is believed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from flask import Flask

from oracle.errors import NotFollowed, PeerUnavailable, SignatureError
from oracle.evidence.signing import address_of
from oracle.transport import authentication, client, server, wire
from oracle.transport.authentication import WINDOW_SECONDS, Doorkeeper
from oracle.transport.client import HttpPeer
from oracle.transport.rates import CALLERS, RateLimit
from oracle.transport.server import create_operator_app
from tests.support.transport import (
    CAMPAIGN,
    NOW,
    OPERATORS,
    PROPOSAL,
    FixedOperator,
    Offer,
    caller_to,
    digest_of,
    identity_of,
    operator_key,
)

HERE, ASKING = address_of(operator_key(1)), address_of(operator_key(0))
PATH = f"/v1/campaigns/{CAMPAIGN}/holding"
HASH = digest_of(1)


@pytest.fixture
def operator() -> FixedOperator:
    return FixedOperator(operator_key(1))


@pytest.fixture
def app(operator: FixedOperator) -> Flask:
    return create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)


def headers(
    key: bytes, *, to: bytes = HERE, path: str = PATH, body: bytes = b"", now: int = NOW
) -> dict[str, str]:
    return identity_of(key, now).sign_request(to, "GET", path, body)[1]


def status_of(app: Flask, given: dict[str, str], path: str = PATH, body: bytes = b"") -> int:
    return int(app.test_client().get(path, headers=given, data=body).status_code)


def test_request__signed_by_a_member__is_let_in_and_answered_under_signature(app: Flask) -> None:
    answer = app.test_client().get(PATH, headers=headers(operator_key(0)))
    assert answer.status_code == 200
    assert len(bytes.fromhex(answer.headers[authentication.SIGNATURE])) == 65


@pytest.mark.parametrize(
    "given",
    [
        {},
        headers(b"\x01" * 32),
        headers(operator_key(0), to=address_of(operator_key(2))),
        headers(operator_key(0), path=PATH + "?after=1"),
        headers(operator_key(0), body=b"other"),
        headers(operator_key(0), now=NOW - WINDOW_SECONDS - 1),
        headers(operator_key(0), now=NOW + WINDOW_SECONDS + 1),
        {**headers(operator_key(0)), authentication.SIGNATURE: "zz"},
        {**headers(operator_key(0)), authentication.SIGNATURE: "00" * 65},
        {**headers(operator_key(0)), authentication.NONCE: "00"},
        {**headers(operator_key(0)), authentication.NONCE: "00" * 32},
        {**headers(operator_key(0)), authentication.TIME: "1e9"},
        {**headers(operator_key(0)), authentication.TIME: "9" * 40},
    ],
    ids=[
        *("unsigned", "stranger", "for another", "another path", "another body", "old", "ahead"),
        *("no hex", "no key", "short nonce", "another nonce", "no number", "huge number"),
    ],
)
def test_request__not_exactly_as_signed__is_refused(app: Flask, given: dict[str, str]) -> None:
    assert status_of(app, given) == 401


def test_request__at_the_edge_of_the_window__is_let_in(app: Flask) -> None:
    assert status_of(app, headers(operator_key(0), now=NOW - WINDOW_SECONDS)) == 200


def test_request__sent_again__is_refused_and_changes_nothing(
    app: Flask, operator: FixedOperator
) -> None:
    given = headers(operator_key(0))
    assert [status_of(app, given), status_of(app, given)] == [200, 401]
    assert operator.proposals == []


def test_admit__nonce_of_another_member__is_no_replay() -> None:
    door = Doorkeeper(identity_of(operator_key(1)), lambda: OPERATORS)
    for number in (0, 2):
        digest, given = identity_of(operator_key(number)).sign_request(HERE, "GET", PATH, b"")
        admitted = door.admit(
            "GET",
            PATH,
            b"",
            time=given[authentication.TIME],
            nonce=given[authentication.NONCE],
            signature=given[authentication.SIGNATURE],
        )
        assert admitted == (address_of(operator_key(number)), digest)


def test_admit__member_put_out_of_the_set__is_refused_at_once() -> None:
    members = set(OPERATORS)
    door = Doorkeeper(identity_of(operator_key(1)), lambda: members)
    members.discard(ASKING)
    given = headers(operator_key(0))
    with pytest.raises(SignatureError, match="nobody who may ask here"):
        door.admit(
            "GET",
            PATH,
            b"",
            time=given[authentication.TIME],
            nonce=given[authentication.NONCE],
            signature=given[authentication.SIGNATURE],
        )


def test_admit__more_than_can_be_remembered__is_refused_for_that_sender_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authentication, "MAX_NONCES", 3)
    now = [NOW]
    identity = identity_of(operator_key(1))
    here = authentication.Identity(HERE, identity.sign, identity.domain, lambda: now[0])
    door = Doorkeeper(here, lambda: OPERATORS)

    def ask(number: int) -> None:
        asking = identity_of(operator_key(number), now[0])
        given = asking.sign_request(HERE, "GET", PATH, b"")[1]
        door.admit(
            "GET",
            PATH,
            b"",
            time=given[authentication.TIME],
            nonce=given[authentication.NONCE],
            signature=given[authentication.SIGNATURE],
        )

    for _ in range(3):
        ask(0)
    with pytest.raises(SignatureError, match="more slowly"):
        ask(0)
    ask(2)
    now[0] += 2 * WINDOW_SECONDS + 1  # what is that old is let in by its time no more
    ask(0)


# -- the caller's side -----------------------------------------------------------------------------


def test_caller__answer_of_another_process__is_not_believed(app: Flask) -> None:
    """A man in the middle who runs an operator of the set himself."""
    caller, _ = caller_to(app, address_of(operator_key(2)), identity_of(operator_key(0)))
    with pytest.raises(PeerUnavailable, match="unsigned"):
        HttpPeer(caller, CAMPAIGN).holding()


def test_caller__answer_altered_on_the_way__is_not_believed(app: Flask) -> None:
    caller, adapter = caller_to(app, HERE, identity_of(operator_key(0)))
    opened = adapter.client.open

    def altering(*args: object, **more: object) -> object:
        answer = opened(*args, **more)  # type: ignore[arg-type]
        answer.data = answer.data + b"\0\0\0\0"
        return answer

    adapter.client.open = altering  # type: ignore[method-assign,assignment]
    with pytest.raises(PeerUnavailable, match="isn't signed by the process that was asked"):
        HttpPeer(caller, CAMPAIGN).holding()


def test_caller__signed_refusal__is_told_from_trouble_on_the_way(app: Flask) -> None:
    caller, _ = caller_to(app, HERE, identity_of(operator_key(0)))
    with pytest.raises(PeerUnavailable, match="status 422: InputError: ask for 1 to 512 rows"):
        HttpPeer(caller, CAMPAIGN).rows(0, 513)
    assert len(HttpPeer(caller, CAMPAIGN).rows(0, 512)) == 20


def test_caller__connection_closed_meanwhile__asks_once_more_under_a_new_nonce(app: Flask) -> None:
    caller, adapter = caller_to(app, HERE, identity_of(operator_key(0)))
    adapter.failures = [requests.ConnectionError()]
    assert HttpPeer(caller, CAMPAIGN).rows(0, 1)
    assert adapter.sent == 2


def test_caller__peer_that_is_down__is_left_alone_for_a_while(app: Flask) -> None:
    caller, adapter = caller_to(app, HERE, identity_of(operator_key(0)))
    adapter.failures = [requests.ConnectTimeout() for _ in range(3)]
    for _ in range(3):
        with pytest.raises(PeerUnavailable, match="ConnectTimeout"):
            HttpPeer(caller, CAMPAIGN).holding()
    assert adapter.sent == 3  # no second attempt where connecting takes too long
    with pytest.raises(PeerUnavailable, match="failed, or was slow, 3 times: it is asked again in"):
        HttpPeer(caller, CAMPAIGN).vote(PROPOSAL)
    assert adapter.sent == 3


def test_caller__peer_that_is_slow_each_time__is_believed_and_left_alone_for_a_while(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, adapter = caller_to(app, HERE, identity_of(operator_key(0)))
    takes = iter((11.0, 11.0, 9.0, 11.0, 11.0, 11.0))  # one that is in time makes up for two
    now, sends = [0.0], adapter.send
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def send(*args: Any, **more: Any) -> requests.Response:
        now[0] += next(takes)
        return sends(*args, **more)

    monkeypatch.setattr(adapter, "send", send)
    for _ in range(6):
        assert HttpPeer(caller, CAMPAIGN).rows(0, 1)
    with pytest.raises(PeerUnavailable, match="was slow, 3 times"):
        HttpPeer(caller, CAMPAIGN).rows(0, 1)
    assert adapter.sent == 6


def test_caller__peer_that_takes_no_part_in_a_campaign__is_asked_about_others(
    app: Flask, operator: FixedOperator
) -> None:
    caller, _ = caller_to(app, HERE, identity_of(operator_key(0)))
    for _ in range(5):
        with pytest.raises(NotFollowed):
            HttpPeer(caller, CAMPAIGN + 1).holding()
    assert HttpPeer(caller, CAMPAIGN).holding() == operator.holding()


# -- rates -----------------------------------------------------------------------------------------


def test_rate_limit__beyond_the_burst__waits_for_tokens() -> None:
    now = [0.0]
    limit = RateLimit(2.0, 3.0, lambda: now[0])
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
    assert limit.allows("b")
    now[0] = 0.5
    assert [limit.allows("a"), limit.allows("a")] == [True, False]


def test_rate_limit__flood_from_many_addresses__costs_bounded_memory() -> None:
    limit = RateLimit(1.0, 1.0, lambda: 0.0)
    for number in range(CALLERS + 100):
        limit.allows(number)
    assert len(limit._buckets) == CALLERS


@pytest.fixture
def strict_app(operator: FixedOperator, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Rates so low that even a slow machine exceeds them."""
    monkeypatch.setattr(server, "PUBLIC_RATE", 0.001)
    monkeypatch.setattr(server, "MEMBER_RATE", 0.001)
    return create_operator_app(identity_of(operator_key(1)), Offer(operator), lambda: OPERATORS)


def test_public__more_than_the_burst_from_one_address__is_429(strict_app: Flask) -> None:
    client = strict_app.test_client()
    found = [client.get("/v1/public/status").status_code for _ in range(60)]
    assert found.count(200) == 50
    assert set(found) == {200, 429}


def test_public__page_of_another_origin__may_ask_and_read(app: Flask) -> None:
    client = app.test_client()
    before = client.options(f"/v1/public/campaigns/{CAMPAIGN}/file")
    assert before.status_code == 200
    assert before.headers["Access-Control-Allow-Origin"] == "*"
    assert before.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert int(before.headers["Access-Control-Max-Age"]) > 0
    answer = client.get("/v1/public/status")
    assert answer.json == {"address": "0x" + HERE.hex(), "time": NOW}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_public__refusal_of_any_kind__can_be_read_by_a_page(strict_app: Flask) -> None:
    client = strict_app.test_client()
    desk = f"/v1/public/campaigns/{CAMPAIGN}"
    answers = [
        client.post(f"{desk}/confirm", data=wire.encode_place(3, HASH)),
        client.post(f"{desk}/file", data=b"\0\0\0\1"),
        client.post(f"{desk}/certify", headers={"Content-Length": str(5 << 20)}),
        client.post("/v1/public/campaigns/8/holds", data=HASH),
        client.post(f"{desk}/holds", data=HASH * 257),
        client.get(f"{desk}/holds"),
    ]
    answers += [client.post(f"{desk}/holds", data=HASH) for _ in range(60)]
    assert [one.status_code for one in answers[:6]] == [409, 422, 422, 404, 422, 405]
    assert [one.status_code for one in answers[6:]] == [200] * 44 + [429] * 16
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        if answer.status_code != 200:
            assert answer.json is not None
            assert set(answer.json) == {"code", "message", "waitSeconds"}
    assert answers[-1].json == {"code": "RATE", "message": "ask more slowly", "waitSeconds": 1}


def test_public__no_cookie__is_asked_for_or_given(app: Flask) -> None:
    answer = app.test_client().post(f"/v1/public/campaigns/{CAMPAIGN}/holds", data=HASH)
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_peers_paths__from_a_page__are_closed_to_it(app: Flask) -> None:
    for path in (PATH, f"/v1/campaigns/{CAMPAIGN}/rows?after=0&limit=1"):
        answer = app.test_client().get(path)
        assert answer.status_code == 401
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_public__one_ipv6_network__has_one_rate(strict_app: Flask) -> None:
    def ask(address: str) -> int:
        given = {"REMOTE_ADDR": address}
        client = strict_app.test_client()
        return client.get("/v1/public/status", environ_overrides=given).status_code

    assert [ask(f"2001:db8:0:1::{number:x}") for number in range(52)][-2:] == [429, 429]
    assert ask("2001:db8:0:2::1") == 200
    assert ask("192.0.2.1") == 200


def test_member__asks_too_fast__is_429_under_signature(strict_app: Flask) -> None:
    client = strict_app.test_client()
    found = [client.get(PATH, headers=headers(operator_key(0))) for _ in range(230)]
    refused = [answer for answer in found if answer.status_code == 429]
    assert len(refused) == 30
    assert all(authentication.SIGNATURE in answer.headers for answer in refused)
