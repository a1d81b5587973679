from __future__ import annotations

import pytest
from flask import Flask

from oracle.evidence.signing import checksum
from tests.webapp.browser_double import BrowserDouble
from tests.webapp.conftest import Clock


def test_sign_in__signed_message__starts_a_session(visitor: BrowserDouble) -> None:
    assert visitor.get("/api/session").get_json() == {"address": None}
    answer = visitor.sign_in()
    assert answer.status_code == 201
    assert visitor.get("/api/session").get_json() == {"address": checksum(visitor.address)}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_challenge__message__follows_eip_4361(visitor: BrowserDouble) -> None:
    challenge = visitor.challenge()
    assert challenge["message"].split("\n") == [
        "127.0.0.1:8000 wants you to sign in with your Ethereum account:",
        checksum(visitor.address),
        "",
        "Sign in to DDLP to label and to see what you earned. "
        "This costs nothing and moves nothing. "
        "I have read the privacy notice, version 2, at http://127.0.0.1:8000/privacy.",
        "",
        "URI: http://127.0.0.1:8000",
        "Version: 1",
        "Chain ID: 31337",
        f"Nonce: {challenge['nonce']}",
        "Issued At: 2025-10-09T08:53:20Z",
        "Expiration Time: 2025-10-09T08:58:20Z",
    ]


@pytest.mark.parametrize(
    ("told", "signed"),
    [
        ("127.0.0.1:8000 wants", "evil.example wants"),
        ("URI: http://127.0.0.1:8000", "URI: http://evil.example"),
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Nonce: ", "Nonce: 0"),
        ("Expiration Time: 2025", "Expiration Time: 2035"),
    ],
)
def test_sign_in__another_message_signed__is_refused(
    visitor: BrowserDouble, told: str, signed: str
) -> None:
    challenge = visitor.challenge()
    assert told in challenge["message"]
    signature = visitor.wallet_signs(challenge["message"].replace(told, signed))
    answer = visitor.post("/api/session", {"nonce": challenge["nonce"], "signature": signature})
    assert answer.status_code == 422
    assert "another account" in answer.get_json()["detail"]
    assert visitor.get("/api/session").get_json() == {"address": None}


def test_sign_in__nonce_used_twice__is_refused(app: Flask) -> None:
    browser = BrowserDouble(app)
    challenge = browser.challenge()
    body = {
        "nonce": challenge["nonce"],
        "signature": browser.wallet_signs(challenge["message"]),
    }
    with browser.http.session_transaction(base_url="http://127.0.0.1:8000") as before:
        kept = dict(before)
    assert browser.post("/api/session", body).status_code == 201
    # Even with the cookie of before (which a thief could have copied) the nonce is spent.
    with browser.http.session_transaction(base_url="http://127.0.0.1:8000") as session:
        session.clear()
        session.update(kept)
    again = browser.post("/api/session", body)
    assert again.status_code == 422
    assert "start signing in again" in again.get_json()["detail"]


def test_sign_in__challenge_of_another_browser__is_refused(app: Flask) -> None:
    attacker, victim = BrowserDouble(app, "attacker"), BrowserDouble(app, "victim")
    challenge = attacker.challenge()
    body = {
        "nonce": challenge["nonce"],
        "signature": attacker.wallet_signs(challenge["message"]),
    }
    assert victim.post("/api/session", body).status_code == 422
    assert victim.get("/api/session").get_json() == {"address": None}


def test_sign_in__too_late__is_refused(visitor: BrowserDouble, clock: Clock) -> None:
    challenge = visitor.challenge()
    body = {
        "nonce": challenge["nonce"],
        "signature": visitor.wallet_signs(challenge["message"]),
    }
    clock.seconds += 300
    answer = visitor.post("/api/session", body)
    assert answer.status_code == 422
    assert "expired" in answer.get_json()["detail"]


@pytest.mark.parametrize("signature", ["0x" + "00" * 65, "0x" + "ff" * 65])
def test_sign_in__no_signature_at_all__is_refused(visitor: BrowserDouble, signature: str) -> None:
    nonce = visitor.challenge()["nonce"]
    answer = visitor.post("/api/session", {"nonce": nonce, "signature": signature})
    assert answer.status_code == 422
    assert visitor.get("/api/session").get_json() == {"address": None}


def test_session__used__is_not_signed_anew_with_every_answer(contributor: BrowserDouble) -> None:
    for path in ("/api/session", "/earnings"):
        assert "Set-Cookie" not in contributor.get(path).headers


def test_sign_out__session__ends(contributor: BrowserDouble) -> None:
    answer = contributor.http.delete(
        "/api/session",
        base_url="http://127.0.0.1:8000",
        headers={"Origin": "http://127.0.0.1:8000"},
    )
    assert answer.status_code == 204
    assert contributor.get("/api/session").get_json() == {"address": None}
    assert contributor.get("/api/campaigns/1/status").status_code == 401


def test_challenges__thousands_pending__memory_stays_bounded(clock: Clock) -> None:
    from webapp.signing_in import ChallengeBook

    book = ChallengeBook(300, clock)
    for _ in range(10_050):
        book.issue("http://127.0.0.1:8000", 1, b"\1" * 20)
    assert len(book._pending) == 10_000
    clock.seconds += 301
    book.issue("http://127.0.0.1:8000", 1, b"\1" * 20)
    assert len(book._pending) == 1
