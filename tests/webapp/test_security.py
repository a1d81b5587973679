from __future__ import annotations

import re

import pytest

from oracle.community.community import Community
from oracle.errors import ConfigError
from tests.webapp.browser_double import CAMPAIGN, ORIGIN, BrowserDouble
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app


@pytest.mark.parametrize("path", ["/", "/campaigns/1", "/nothing", "/static/style.css"])
def test_headers__every_answer__is_dressed(visitor: BrowserDouble, path: str) -> None:
    with visitor.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    allowed = re.match(
        r"default-src 'none'; script-src 'nonce-([\w-]{22})' 'strict-dynamic' ", policy
    )
    assert allowed is not None
    with visitor.get(path) as again:
        assert allowed[1] not in again.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_headers__data__load_nothing_where_they_are_shown(contributor: BrowserDouble) -> None:
    for path in ("/api/session", "/api/earnings/stream", "/api/campaigns/1"):
        headers = contributor.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_policy__operators__are_the_only_others_that_scripts_may_ask(
    desk: FakeDesk, community: Community
) -> None:
    first, second, *_ = desk.operators(1).members
    urls = {first: "https://one.example", second: "http://127.0.0.1:9", b"\x77" * 20: "http://x"}
    settings = Settings((ORIGIN,), b"k" * 32, operators=urls)
    browser = BrowserDouble(create_app(desk, community, settings))
    policy = browser.get("/campaigns/1").headers["Content-Security-Policy"]
    assert "; connect-src 'self' http://127.0.0.1:9 http://x https://one.example; " in policy
    told = browser.get("/api/campaigns/1").get_json()["operators"]
    assert (told["count"], told["threshold"], len(told["reached"])) == (3, 2, 2)
    assert told["reached"][0] == {"address": "0x" + first.hex(), "url": "https://one.example"}


def test_policy__without_operators__names_this_server_alone(visitor: BrowserDouble) -> None:
    policy = visitor.get("/campaigns/1").headers["Content-Security-Policy"]
    assert "; connect-src 'self'; " in policy
    assert visitor.get("/api/campaigns/1").get_json()["operators"]["reached"] == []


def test_pages__markup__has_no_inline_script_style_or_foreign_address(
    visitor: BrowserDouble,
) -> None:
    for path in ("/", "/campaigns/1", "/nothing"):
        page = visitor.get(path).text
        for forbidden in (" style=", " onclick=", "javascript:", "http://", "https://", "//cdn"):
            assert forbidden not in page


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:8001"])
def test_writes__from_another_origin__change_nothing(
    contributor: BrowserDouble, desk: FakeDesk, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    rows = len(desk.rows)
    answer = contributor.post(f"{CAMPAIGN}/leases", {"count": 1}, headers=headers)
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "wrong_origin"
    assert len(desk.rows) == rows
    assert contributor.post(f"{CAMPAIGN}/leases", {"count": 1}).status_code == 200


def test_host__foreign_name__is_refused(visitor: BrowserDouble) -> None:
    answer = visitor.http.get("/", base_url="http://evil.example")
    assert answer.status_code == 421
    assert "http://127.0.0.1:8000" in answer.text
    assert visitor.http.get("/healthz", base_url="http://10.0.0.3").status_code == 200


def test_body__too_large__is_refused(contributor: BrowserDouble) -> None:
    answer = contributor.post(f"{CAMPAIGN}/delegations", {"entry": "0x" + "00" * 200_000})
    assert answer.status_code == 413
    assert "too large" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", "application/json", 400), (b"count=1", "application/x-www-form-urlencoded", 415)],
)
def test_body__not_json__is_refused(
    contributor: BrowserDouble, body: bytes, content_type: str, status: int
) -> None:
    answer = contributor.http.post(
        f"{CAMPAIGN}/leases",
        base_url="http://127.0.0.1:8000",
        data=body,
        headers={"Origin": "http://127.0.0.1:8000", "Content-Type": content_type},
    )
    assert answer.status_code == status
    assert answer.get_json()["detail"]


def test_cookie__forged__is_nobody(visitor: BrowserDouble, contributor: BrowserDouble) -> None:
    visitor.http.set_cookie("ddlp_session", "eyJjb250cmlidXRvciI6IjAwIn0.x.y", domain="127.0.0.1")
    assert visitor.get("/api/session").get_json() == {"address": None}
    assert contributor.get("/api/session").get_json()["address"]


@pytest.mark.parametrize(
    ("origins", "key", "remedy"),
    [
        (("http://127.0.0.1:8000",), b"short", "32 random bytes"),
        ((), b"k" * 32, "at least one"),
        (("127.0.0.1:8000",), b"k" * 32, "scheme, host and port"),
        (("http://127.0.0.1:8000/",), b"k" * 32, "scheme, host and port"),
    ],
)
def test_settings__unusable__name_the_remedy(
    origins: tuple[str, ...], key: bytes, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=remedy):
        Settings(origins, key)


@pytest.mark.parametrize(
    "url",
    ["https://one.example/path", "one.example", "https://one.example; script-src *", "ftp://x"],
)
def test_settings__operator_that_is_no_origin__is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="scheme, host and port"):
        Settings((ORIGIN,), b"k" * 32, operators={b"\x01" * 20: url})


def test_settings__printed__hide_the_key() -> None:
    assert "kkkk" not in repr(Settings(("https://label.example",), b"k" * 32))
