from __future__ import annotations

import pytest
from flask import Flask

from oracle.evidence import structs
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover
from oracle.ports import LeaseReply
from tests.webapp.browser_double import CAMPAIGN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import FakeDesk


def test_lease_and_submit__whole_batch__stands_in_the_log(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    leased = contributor.lease().get_json()
    assert [item["number"] for item in leased["items"]] == list(range(10))
    assert leased["reason"] == ""

    answers = {item["number"]: str(item["number"]) for item in leased["items"]}
    answer = contributor.submit(answers)
    assert answer.status_code == 201
    logged = answer.get_json()
    entry_hash = keccak256(bytes.fromhex(logged["entry"][2:]))
    head = structs.Head(1, logged["position"], entry_hash, bytes.fromhex(logged["head"][2:]))
    assert head.head == keccak256(bytes.fromhex(logged["before"][2:]) + entry_hash)
    signature = bytes.fromhex(logged["signature"][2:])
    assert recover(head.digest(desk.domain), signature) == desk.view.gateway
    assert desk.answers == {(contributor.address, item): one for item, one in answers.items()}
    assert contributor.status()["pending"] == 10


def test_submit__the_same_again__is_logged_once(contributor: BrowserDouble, desk: FakeDesk) -> None:
    contributor.lease()
    body = contributor.submission({0: "3"})
    first, again = (contributor.post(f"{CAMPAIGN}/submissions", body) for _ in range(2))
    assert first.get_json() == again.get_json()
    assert contributor.status()["submitted"] == 1


def test_submit__answer_other_than_committed__is_refused(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    contributor.lease()
    body = contributor.submission({0: "3"})
    rows = len(desk.rows)
    answer = contributor.post(f"{CAMPAIGN}/submissions", {**body, "answers": ['"4"']})
    assert answer.status_code == 422
    assert len(desk.rows) == rows
    assert contributor.post(f"{CAMPAIGN}/submissions", body).status_code == 201


def test_submit__after_the_lease__says_what_to_do(contributor: BrowserDouble, clock: Clock) -> None:
    contributor.lease()
    clock.seconds += 601
    answer = contributor.submit({0: "3"})
    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["code"] == "lease_lapsed"
    assert "take new ones" in answer.get_json()["detail"]


def test_lease__asked_again__resumes_what_is_unanswered(contributor: BrowserDouble) -> None:
    first = contributor.lease().get_json()
    contributor.submit({0: "3", 1: "4"})
    again = contributor.lease().get_json()
    assert again["lease"] == first["lease"]
    assert again["items"] == first["items"][2:]


def test_lease__nothing_now__passes_on_reason_and_wait(
    contributor: BrowserDouble, desk: FakeDesk
) -> None:
    desk.waits = [LeaseReply(None, (), "Your first items are drawn after the next block.", 4)]
    assert contributor.lease().get_json() == {
        "lease": None,
        "items": [],
        "reason": "Your first items are drawn after the next block.",
        "waitSeconds": 4,
    }


def test_skip__leased_item__is_handed_back(contributor: BrowserDouble) -> None:
    items = contributor.lease().get_json()["items"]
    assert contributor.post(f"{CAMPAIGN}/skips", {"item": 0, "reason": 1}).status_code == 201
    assert contributor.lease().get_json()["items"] == items[1:]
    again = contributor.post(f"{CAMPAIGN}/skips", {"item": 0, "reason": 1})
    assert again.status_code == 409


def test_anything__of_another_wallet__is_refused(app: Flask, contributor: BrowserDouble) -> None:
    """Whoever is signed in can neither delegate, submit, skip nor claim for somebody else."""
    contributor.lease()
    body = contributor.submission({0: "3"})
    thief = BrowserDouble(app, "thief")
    thief.sign_in()
    entry = "0x" + contributor.delegation(generation=2).hex()
    assert thief.post(f"{CAMPAIGN}/delegations", {"entry": entry}).status_code == 422
    assert thief.post(f"{CAMPAIGN}/submissions", body).status_code == 422
    assert thief.post(f"{CAMPAIGN}/skips", {"item": 0, "reason": 0}).status_code == 409
    assert thief.post(f"{CAMPAIGN}/claims").status_code == 422
    assert contributor.status()["generation"] == 1
    assert contributor.post(f"{CAMPAIGN}/submissions", body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "delegations"),
        ("POST", "leases"),
        ("POST", "submissions"),
        ("POST", "skips"),
        ("POST", "claims"),
        ("GET", "status"),
    ],
)
def test_anything__signed_out__is_refused(
    visitor: BrowserDouble, desk: FakeDesk, method: str, path: str
) -> None:
    url = f"{CAMPAIGN}/{path}"
    answer = visitor.post(url) if method == "POST" else visitor.get(url)
    assert answer.status_code == 401
    assert "Sign in" in answer.get_json()["detail"]
    assert desk.rows == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("delegations", {}),
        ("delegations", {"entry": 7}),
        ("delegations", {"entry": "0xzz"}),
        ("leases", {"count": 0}),
        ("leases", {"count": 11}),
        ("leases", {"count": "10"}),
        ("leases", {"count": True}),
        ("submissions", {"entry": "0x", "answers": "7", "seed": "0x", "opening": "0x"}),
        ("submissions", {"entry": "0x", "answers": [7], "seed": "0x" + "00" * 32, "opening": "0x"}),
        ("submissions", {"entry": "0x", "answers": ["\ud800"], "seed": "0x", "opening": "0x"}),
        ("submissions", {"entry": "0x", "answers": ["7"], "seed": "0x00", "opening": "0x"}),
        ("submissions", {"entry": "0x", "answers": ["7"] * 101, "seed": "0x", "opening": "0x"}),
        ("skips", {"item": -1, "reason": 0}),
        ("skips", {"item": 2**32, "reason": 0}),
        ("skips", {"item": 0, "reason": 4}),
        ("skips", ["item", "reason"]),
    ],
)
def test_anything__malformed__is_a_400_that_names_the_field(
    contributor: BrowserDouble, desk: FakeDesk, path: str, body: object
) -> None:
    rows = len(desk.rows)
    answer = contributor.post(f"{CAMPAIGN}/{path}", body)
    assert answer.status_code == 400
    assert "must be" in answer.get_json()["detail"]
    assert len(desk.rows) == rows


@pytest.mark.parametrize("entry", ["0x", "0x03", "0xff", "0x01" + "00" * 160])
def test_delegate__bytes_that_are_no_delegation__are_refused(
    contributor: BrowserDouble, entry: str
) -> None:
    assert contributor.post(f"{CAMPAIGN}/delegations", {"entry": entry}).status_code == 422
