from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.event import listen

from oracle.community.community import Community
from oracle.community.sessions import TOUCH_SECONDS, Sessions, browser_of
from oracle.errors import InputError
from oracle.evidence.entries import Delegation, chain_rows, encode_entry
from oracle.ports import NewEntry
from oracle.store.labels import SqlLabelStore
from oracle.store.people import KEPT_SECONDS, PeopleStore, SessionRow
from tests.oracle.community.conftest import ANOTHER, SOMEBODY, Clock
from tests.support.people import community_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HOME, CAFE = "192.0.2.7", "198.51.100.9"


def test_begin__token__says_who_it_is_until_it_ends(community: Community, clock: Clock) -> None:
    sessions = community.sessions
    token = sessions.begin(SOMEBODY, FIREFOX, HOME)
    assert sessions.contributor(token) == SOMEBODY
    assert sessions.contributor(token + "x") is None
    clock.seconds += community.session_seconds - 1
    assert sessions.contributor(token) == SOMEBODY
    clock.seconds += 1
    assert sessions.contributor(token) is None
    assert sessions.listed(SOMEBODY, token, HOME) == []


def test_listed__several__name_browser_network_and_the_current(
    community: Community, clock: Clock
) -> None:
    sessions = community.sessions
    first = sessions.begin(SOMEBODY, FIREFOX, HOME)
    clock.seconds += TOUCH_SECONDS
    second = sessions.begin(SOMEBODY, "curl/8", CAFE)
    sessions.begin(ANOTHER, FIREFOX, HOME)
    assert sessions.contributor(first) == SOMEBODY
    newest, oldest = sessions.listed(SOMEBODY, second, CAFE)
    assert (newest.browser, newest.current, newest.same_network) == ("A browser", True, True)
    assert (oldest.browser, oldest.current, oldest.same_network) == (
        "Firefox on Linux",
        False,
        False,
    )
    assert oldest.seen_at - oldest.began_at == TOUCH_SECONDS


def test_end__of_ones_own__ends_it_alone(community: Community) -> None:
    sessions = community.sessions
    tokens = [sessions.begin(SOMEBODY, FIREFOX, HOME) for _ in range(3)]
    theirs = sessions.begin(ANOTHER, FIREFOX, HOME)
    name = next(one.name for one in sessions.listed(SOMEBODY, tokens[0], HOME) if not one.current)
    with pytest.raises(InputError, match="has ended already"):
        sessions.end(ANOTHER, name)
    assert all(sessions.contributor(token) for token in tokens)
    sessions.end(SOMEBODY, name)
    assert [sessions.contributor(token) for token in tokens].count(None) == 1
    assert sessions.end_others(SOMEBODY, tokens[0]) in (1, 2)
    assert [sessions.contributor(token) for token in tokens] == [SOMEBODY, None, None]
    sessions.sign_out(tokens[0])
    assert sessions.contributor(tokens[0]) is None
    assert sessions.contributor(theirs) == ANOTHER


def test_contributor__asked_again__is_kept_until_the_session_ends(
    engine: Engine, clock: Clock
) -> None:
    """Every request asks. What ends here counts at once, what ends elsewhere within seconds."""
    elapsed = [0.0]
    store = PeopleStore(engine, lambda: elapsed[0])
    here, elsewhere = (Sessions(one, 3600, clock) for one in (store, PeopleStore(engine)))
    first, second = (here.begin(SOMEBODY, FIREFOX, HOME) for _ in range(2))
    queries: list[str] = []
    listen(engine, "before_cursor_execute", lambda *about: queries.append(about[2]))
    for _ in range(3):
        assert here.contributor(first) == here.contributor(second) == SOMEBODY
    assert sum("FROM web_sessions" in query for query in queries) == 2

    here.sign_out(first)
    assert here.contributor(first) is None
    assert here.contributor(second) == SOMEBODY
    elsewhere.sign_out(second)
    elapsed[0] += KEPT_SECONDS
    assert here.contributor(second) is None


def test_contributor__session_ends_while_it_is_looked_up__is_gone(
    engine: Engine, clock: Clock
) -> None:
    store = PeopleStore(engine)
    sessions = Sessions(store, 3600, clock)
    token = sessions.begin(SOMEBODY, FIREFOX, HOME)
    read = store._read_session

    def read_then_end(token_hash: bytes) -> SessionRow | None:
        found = read(token_hash)
        store.end_sessions(SOMEBODY, [token_hash])
        return found

    store._read_session = read_then_end  # type: ignore[method-assign]
    assert sessions.contributor(token) == SOMEBODY  # it was, when the request came
    assert sessions.contributor(token) is None


def test_delete__everything_of_a_person__ends_their_sessions(community: Community) -> None:
    token = community.sessions.begin(SOMEBODY, FIREFOX, HOME)
    assert community.sessions.contributor(token) == SOMEBODY
    community.privacy.delete(SOMEBODY)
    assert community.sessions.contributor(token) is None


def test_place__next_day__is_forgotten_and_hashes_anew(
    community: Community, clock: Clock, engine: Engine
) -> None:
    sessions = community.sessions
    token = sessions.begin(SOMEBODY, FIREFOX, HOME)
    today = sessions.place(HOME)
    assert today == sessions.place(HOME) != sessions.place(CAFE)
    clock.seconds += 86_400
    community.session_seconds = 0
    assert sessions.place(HOME) != today
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM network_salts")) == 1
        assert connection.scalar(text("SELECT count(place) FROM web_sessions")) == 0
    assert sessions.contributor(token) is None  # a session lasts less than a day


def test_database__holds_neither_token_nor_address(tmp_path: Path) -> None:
    with community_in(tmp_path) as community:
        token = community.sessions.begin(SOMEBODY, FIREFOX, HOME)
    written = b"".join(path.read_bytes() for path in tmp_path.glob("people.db*"))
    assert SOMEBODY in written
    assert token.encode() not in written
    assert HOME.encode() not in written
    assert b"Gecko" not in written


def test_permissions__by_the_log__are_live_expired_or_revoked(
    community: Community, engine: Engine, clock: Clock
) -> None:
    store, now = SqlLabelStore(engine), int(clock.seconds)
    store.register(7, chain_id=1, escrow=b"\x05" * 20, manifest=b"\x06" * 32, now=now)
    grants = [(1, now + 900, b"\x11"), (2, now + 900, b"\x12"), (2, now + 5, b"\x13")]
    entries = [
        Delegation(0, SOMEBODY, key * 20, generation, until, b"\x07" * 32, b"\x01" * 65)
        for generation, until, key in grants
    ]
    rows = chain_rows((encode_entry(entry), b"\x02" * 65) for entry in entries)
    store.append(7, [NewEntry(row) for row in rows], now=now)
    clock.seconds += 10
    found = community.sessions.permissions(SOMEBODY)
    assert [(one.session_key[:1], one.state) for one in found] == [
        (b"\x13", "expired"),
        (b"\x12", "live"),
        (b"\x11", "revoked"),
    ]
    assert community.sessions.permissions(ANOTHER) == []


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/130.0 Edg/130.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile Safari/537", "Chrome on Android"),
        ("<script>alert(1)</script>", "A browser"),
        ("", "A browser"),
    ],
)
def test_browser_of__header__is_three_words_of_ours(agent: str, told: str) -> None:
    assert browser_of(agent) == told
