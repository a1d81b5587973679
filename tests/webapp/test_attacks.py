"""Attacks on the page, most of them over a real gateway: stolen leases, ended keys, hidden gold,
bombs in bodies, addresses in items.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from oracle.community.community import Community
from oracle.consensus.streaming import StreamingPosterior
from oracle.evidence.signing import address_of
from oracle.gateway.campaign_files import Item, ItemMedia
from oracle.gateway.gateway import Gateway
from tests.support.desk import DeskScene
from tests.support.gateway import GatewayScene
from tests.support.people import community_in
from tests.webapp.browser_double import CAMPAIGN, ORIGIN, BrowserDouble
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app


class Place:
    """The page over a real gateway."""

    def __init__(self, scene: GatewayScene, community: Community) -> None:
        self.scene, stage = scene, DeskScene(scene)
        self.app = create_app(stage.desk, community, Settings((ORIGIN,), b"k" * 32), now=self.now)

    def now(self) -> float:
        return self.scene.chain.newest.timestamp

    def browser(self, name: str) -> BrowserDouble:
        """Somebody who is signed in."""
        found = BrowserDouble(self.app, name, now=self.now, number=7)
        assert found.sign_in().status_code == 201
        return found

    def labeler(self, name: str) -> BrowserDouble:
        """Somebody who may draw."""
        found = self.browser(name)
        assert found.delegate().status_code == 201
        self.scene.pass_anchors(2)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    scene = GatewayScene(tmp_path, items=60, gold=24)
    with community_in(now=lambda: scene.chain.newest.timestamp) as community:
        yield Place(scene, community)
    scene.close()


# -- leases and keys -------------------------------------------------------------------------------


def test_lease__stolen__labels_of_another_are_refused_and_the_owner_still_can(place: Place) -> None:
    owner, thief = place.labeler("owner"), place.labeler("thief")
    items = [one["number"] for one in owner.lease(5).get_json()["items"]]
    taken = {one["number"] for one in thief.lease(5).get_json()["items"]}
    thief.item_ids |= owner.item_ids
    wanted = next(item for item in items if item not in taken)
    rows = place.scene.gateway.rows()
    refused = thief.submit({wanted: "3"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "SUBMISSION-LEASE")
    skipped = thief.post(f"{thief.path}/skips", {"item": wanted, "reason": 0})
    assert (skipped.status_code, skipped.get_json()["code"]) == (409, "SKIP-LEASE")
    # The owner's own submission, sent from the thief's session, is the owner's alone to send.
    body = owner.submission({wanted: "3"})
    assert thief.post(f"{thief.path}/submissions", body).status_code == 422
    assert place.scene.gateway.rows() == rows
    assert owner.post(f"{owner.path}/submissions", body).status_code == 201


@pytest.mark.parametrize(
    ("ending", "code"), [("revoked", "SUBMISSION-SIGNATURE"), ("expired", "DELEGATION-EXPIRED")]
)
def test_session_key__ended__labels_no_more_and_nothing_is_logged(
    place: Place, ending: str, code: str
) -> None:
    person = place.browser("person")
    month = 30 * 86_400
    person.now = lambda: place.now() - month + 900  # so that its delegation ends in a quarter
    assert person.delegate().status_code == 201
    place.scene.pass_anchors(2)
    items = [one["number"] for one in person.lease(4).get_json()["items"]]
    assert person.submit({items[0]: "3"}).status_code == 201
    assert person.status()["sessionKeys"] == ["0x" + person.session_address.hex()]
    if ending == "revoked":
        other = place.browser("person")
        other.session_key, other.session_address = bytes([9]) * 32, address_of(bytes([9]) * 32)
        body = {"entry": "0x" + other.delegation(generation=2).hex()}
        assert other.post(f"{other.path}/delegations", body).status_code == 201
    else:
        place.scene.pass_time(1000)
    rows = place.scene.gateway.rows()
    assert "0x" + person.session_address.hex() not in person.status()["sessionKeys"]
    refused = person.submit({items[1]: "3"}, sequence=2)
    assert refused.status_code == 409
    assert refused.get_json()["code"] == code
    assert place.scene.gateway.rows() == rows


# -- gold ------------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """The fields, types and lengths of an answer: what could tell two items apart."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else (type(value), _size(value))


def _size(value: object) -> int:
    return len(value) if isinstance(value, str) and value.startswith("0x") else 0


def works(place: Place, people: int) -> Iterator[tuple[dict[str, Any], bool, int]]:
    """Let people lease one item at a time and answer; yield each lease's answer, whether its item
    was gold, and its place among the person's."""
    gold = {row.item for row in place.scene.gateway._secrets.gold}
    for number in range(people):
        person = place.labeler(f"person {number}")
        for ordinal in range(8):
            answer = person.lease(1).get_json()
            if not answer["items"]:
                break
            item = answer["items"][0]["number"]
            yield answer, item in gold, ordinal
            assert person.submit({item: "3"}, sequence=ordinal + 1).status_code == 201


def test_gold__in_every_answer__has_the_fields_of_any_item(place: Place) -> None:
    shapes: dict[bool, set[str]] = {False: set(), True: set()}
    numbers: dict[bool, list[int]] = {False: [], True: []}
    for answer, is_gold, _ in works(place, 6):
        number = answer["items"][0]["number"]
        person = place.browser("onlooker")
        shapes[is_gold].add(repr(shape(answer)))
        shapes[is_gold].add(repr(headers(person.get(f"/campaigns/7/items/{number}"))))
        numbers[is_gold].append(number)
    assert min(map(len, numbers.values())) >= 8
    assert shapes[True] == shapes[False]
    # Numbers are shuffled, so that gold stands anywhere among them.
    spread = [mean(one) / 60 for one in numbers.values()]
    assert all(0.25 < one < 0.75 for one in spread), spread


def headers(answer: TestResponse) -> Any:
    """Status and names of headers, and what isn't random in a problem's body."""
    return answer.status_code, sorted(name for name, _ in answer.headers)


def test_gold__in_a_batch__comes_in_the_order_of_the_draws(place: Place) -> None:
    gold = {row.item for row in place.scene.gateway._secrets.gold}
    places = []
    for number in range(12):
        items = [
            one["number"] for one in place.labeler(f"b {number}").lease(10).get_json()["items"]
        ]
        places += [at / (len(items) - 1) for at, item in enumerate(items) if item in gold]
    assert len(places) >= 15
    assert 0.3 < mean(places) < 0.7
    assert min(places) < 0.2
    assert max(places) > 0.8


def test_gold__leased_handed_in_and_looked_at__takes_the_same_work(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times vary with the machine; what they are made of doesn't: candidates weighed, and what
    the database is asked."""
    gold = {row.item for row in place.scene.gateway._secrets.gold}
    gains, weighed = StreamingPosterior.gains, []

    def counted(self: StreamingPosterior, items: Sequence[int | None], contributor: bytes) -> Any:
        weighed.append(len(items))
        return gains(self, items, contributor)

    monkeypatch.setattr(StreamingPosterior, "gains", counted)
    work: dict[bool, set[tuple[int, ...]]] = {False: set(), True: set()}
    for number in range(5):
        person = place.labeler(f"person {number}")
        for ordinal in range(8):
            weighed.clear()
            with statements(place) as leased:
                items = person.lease(1).get_json()["items"]
            if not items:
                break
            item = items[0]["number"]
            body = person.submission({item: "3"}, sequence=ordinal + 1)
            with statements(place) as looked:
                person.get(f"/campaigns/7/items/{item}")
            with statements(place) as handed:
                assert person.post(f"{person.path}/submissions", body).status_code == 201
            counts = (*weighed, len(leased), len(looked), len(handed))
            work[item in gold].add(counts)
    assert work[True]
    assert work[True] == work[False]


@contextmanager
def statements(place: Place) -> Iterator[list[str]]:
    """What the gateway's database is asked meanwhile."""
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(place.scene.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(place.scene.engine, "before_cursor_execute", note)


# -- bodies ----------------------------------------------------------------------------------------

DEEP = 100_000
BOMBS: dict[str, Callable[[], tuple[bytes, dict[str, str]]]] = {
    "nested lists": lambda: (b"[" * DEEP + b"]" * DEEP, {"Content-Type": "application/json"}),
    "nested objects": lambda: (
        b'{"count":' * 20_000 + b"1" + b"}" * 20_000,
        {"Content-Type": "application/json"},
    ),
    "a huge number": lambda: (
        b'{"count": ' + b"9" * 200_000 + b"}",
        {"Content-Type": "application/json"},
    ),
    "compressed": lambda: (
        gzip.compress(b'{"count": 1' + b" " * 50_000_000 + b"}"),
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ),
    "not UTF-8": lambda: (b'{"count": "\xff\xfe"}', {"Content-Type": "application/json"}),
    "thousands of fields": lambda: (
        b"&".join(b"f%d=1" % number for number in range(20_000)),
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "thousands of parts": lambda: (
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(4_000)
        )
        + b"--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "endless boundary": lambda: (
        b"--" + b"x" * 200_000,
        {"Content-Type": "multipart/form-data; boundary=" + "x" * 60},
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", [f"{CAMPAIGN}/leases", "/campaigns/1/questions"])
def test_body__made_to_exhaust__is_refused_and_the_page_goes_on(
    contributor: BrowserDouble, desk: FakeDesk, community: Community, bomb: str, path: str
) -> None:
    data, more = BOMBS[bomb]()
    rows = list(desk.rows)
    answer = contributor.http.post(
        path, data=data, base_url=ORIGIN, headers={"Origin": ORIGIN, **more}
    )
    assert 400 <= answer.status_code < 500, answer.get_data(as_text=True)[:300]
    assert desk.rows == rows
    assert community.inbox.read(1, None) == []
    assert contributor.lease().status_code == 200


def test_body__without_a_length_and_too_large__is_refused(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    rows = list(desk.rows)
    body = io.BytesIO(b'{"entry": "0x' + b"00" * 400_000 + b'"}')
    answer = contributor.http.post(
        f"{CAMPAIGN}/delegations",
        input_stream=body,
        base_url=ORIGIN,
        headers={"Origin": ORIGIN, "Content-Type": "application/json"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert 400 <= answer.status_code < 500
    assert desk.rows == rows


def test_numbers__huge_in_any_address__are_refused_and_nothing_breaks(place: Place) -> None:
    """Also where no database, and no integer of Python's, holds them."""
    person, broken = place.labeler("person"), []
    rows = place.scene.gateway.rows()
    routes = place.app.url_map.bind("127.0.0.1:8000")
    for rule in place.app.url_map.iter_rules():
        numbers = rule.arguments - {"filename", "cid", "step"}
        for name in numbers:
            values = {one: 7 if one == "number" else 1 for one in numbers} | {name: 987654321}
            address = routes.build(rule.endpoint, values)
            for huge in (2**63, 2**256, 10**80, "9" * 5000):
                for method in rule.methods & {"GET", "POST"}:
                    form = {} if method == "GET" else {"data": {"text": "Long enough a text."}}
                    answer = person.http.open(
                        address.replace("987654321", str(huge)),
                        method=method,
                        base_url=ORIGIN,
                        headers={"Origin": ORIGIN},
                        **form,
                    )
                    if not 400 <= answer.status_code < 500:
                        broken.append((method, rule.rule, name, answer.status_code))
    assert broken == []
    assert place.scene.gateway.rows() == rows


# -- addresses in items ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:8545/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/x",
        "http://[::1]:22/",
    ],
)
def test_item__media_by_url__is_fetched_by_nobody_here(
    place: Place, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Sockets are off in these tests: a fetch would fail loudly. What the requester wrote is told
    to nobody's browser either."""
    person = place.labeler("person")
    item = person.lease(1).get_json()["items"][0]["number"]
    shown = Item("item", text=None, media=ItemMedia("image/png", url=url, sha256=bytes(32)))
    monkeypatch.setattr(Gateway, "item", lambda self, number: shown)
    lease = person.lease(1)
    assert lease.status_code == 200
    assert url not in json.dumps(lease.get_json())
    for path in (f"/campaigns/7/items/{item}", f"/campaigns/7/items/{item}/second"):
        answer = person.get(path)
        assert answer.status_code == 422
        assert url not in answer.text
    assert url not in person.get("/campaigns/7").text


# -- rates -----------------------------------------------------------------------------------------


def test_rates__appeals_and_answers__are_changes_too(
    app: Flask, contributor: BrowserDouble
) -> None:
    for path in ("appeals", "adjudications"):
        answers = [
            contributor.post(f"{CAMPAIGN}/{path}", {"entry": "0x07"}).status_code
            for _ in range(400)
        ]
        assert set(answers) <= {422, 429}
        assert answers[-1] == 429
