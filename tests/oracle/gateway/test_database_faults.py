"""The database fails under a gateway: nothing half-written, nothing acknowledged lost, no repair by
hand."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, event, text

from oracle.errors import GatewayBusy, StoreError
from oracle.evidence.entries import Submission
from oracle.evidence.signing import address_of
from oracle.ports import LoggedEntry
from oracle.protocol.ledger import Ledger, Secrets
from tests.support.gateway import GatewayScene
from tests.support.servers.postgres import Postgres
from tests.support.world import key_of

ROOT = Path(__file__).parents[3]
PEOPLE, BATCH = ("ann", "ben", "cat", "dan"), 5


def open_scene(folder: Path, database_url: str | None = None) -> GatewayScene:
    return GatewayScene(
        folder, items=60, database_url=database_url, assignment="given",
        consensus__redundancyMax=100,
    )  # fmt: skip


def hand_out(scene: GatewayScene) -> list[dict[str, Any]]:
    """Delegate and lease all items to everybody; return their submissions, ready to be sent."""
    for name in PEOPLE:
        scene.gateway.delegate(scene.delegation(name))
        scene.gateway.lease(address_of(key_of(name)), 60, range(60))
    return [
        scene.submission(name, range(first, first + BATCH))
        for first in range(0, 60, BATCH)
        for name in PEOPLE
    ]


@pytest.fixture
def scene(tmp_path: Path, database_url: str) -> Iterator[GatewayScene]:
    scene = open_scene(tmp_path, database_url)
    yield scene
    scene.close()


def state(scene: GatewayScene) -> tuple[Any, ...]:
    """What is on disk and what the gateway says of everybody."""
    gateway, people = scene.gateway, [address_of(key_of(name)) for name in PEOPLE]
    return (gateway.rows(), scene.store.submissions(7), [gateway.status(one) for one in people])


def check_log(scene: GatewayScene, sent: list[dict[str, Any]]) -> Ledger:
    """The log is valid, holds of `sent` each at most once, and every opening that belongs to it."""
    rows = scene.gateway.rows()
    ledger = Ledger(
        scene.files.manifest,
        scene.chain.known,
        closed={},
        secrets=Secrets({}, {}, whole=False),
    )
    ledger.read(rows)
    assert ledger.rejected == ledger.gateway_faults == []
    entries = {row.position: row.entry for row in rows if row.data[0] == Submission.KIND}
    stored = {one.position: one for one in scene.store.submissions(7)}
    assert entries.keys() == stored.keys()
    known = {one["entry"]: one for one in sent}
    assert len(set(entries.values())) == len(entries)
    for position, entry in entries.items():
        assert stored[position].answers == tuple(known[entry]["answers"])
        assert stored[position].seed == known[entry]["seed"]
        assert scene.gateway.opening_block(entry.opening) == known[entry]["opening"]
    return ledger


def send(scene: GatewayScene, sent: list[dict[str, Any]], threads: int) -> list[LoggedEntry]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda one: scene.gateway.submit(**one), sent))


# --- many at once ---------------------------------------------------------------------------------


def test_submit__many_threads__share_commits_and_are_all_in_the_log(scene: GatewayScene) -> None:
    sent, commits = hand_out(scene), []
    event.listen(scene.engine, "commit", lambda _: commits.append(1))
    logged = send(scene, sent, 12)
    assert len(commits) < len(sent)
    assert len({one.row.position for one in logged}) == len(sent)
    held = scene.gateway.rows()
    assert all(held[one.row.position - 1] == one.row for one in logged)
    assert all(held[one.row.position - 2].head == one.before for one in logged)
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH


def test_submit__bad_ones_between_good__are_refused_alone(scene: GatewayScene) -> None:
    sent = hand_out(scene)
    bad = [{**one, "seed": b"\x01" * 32} for one in sent[::3]]
    forged = [{**one, "entry": scene.sign(one["entry"], "nobody")} for one in sent[1::3]]

    def outcome(one: dict[str, Any]) -> str:
        try:
            return str(scene.gateway.submit(**one).row.position)
        except Exception as error:
            return type(error).__name__

    every = [*bad, *forged, *sent]
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(outcome, every))
    refused = len(bad) + len(forged)
    assert set(outcomes[:refused]) == {"GatewayRefusal"}
    assert all(one.isdecimal() for one in outcomes[refused:])
    assert len(check_log(scene, every).labels) == len(sent) * BATCH


def test_submit__the_same_from_two_threads__stands_once(scene: GatewayScene) -> None:
    sent = hand_out(scene)[:6]
    logged = send(scene, [one for one in sent for _ in range(4)], 8)
    assert [one.row for one in logged] == [
        row for one in sent for row in scene.gateway.rows() if row.entry == one["entry"]
        for _ in range(4)
    ]  # fmt: skip
    check_log(scene, sent)


def test_submit__two_gateways_on_one_database__never_fork_the_log(scene: GatewayScene) -> None:
    sent = hand_out(scene)
    other = open_scene(scene.folder, scene.database_url)
    refused: list[str] = []

    def push(gateway: Any, mine: list[dict[str, Any]]) -> None:
        for one in mine:
            while True:
                try:
                    gateway.submit(**one)
                    break
                except GatewayBusy as busy:
                    refused.append(busy.code)

    halves = [
        threading.Thread(target=push, args=(scene.gateway, sent[::2])),
        threading.Thread(target=push, args=(other.gateway, sent[1::2])),
    ]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
    other.close()
    assert set(refused) <= {"WRITER"}
    scene.gateway = scene.start()
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH


# --- commits that fail ----------------------------------------------------------------------------


@contextmanager
def failing_commit(scene: GatewayScene, *, done: bool) -> Iterator[None]:
    """Let every commit fail: before it is done, or after, when only its answer is lost."""
    dialect = scene.engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        if done:
            commit(connection)
        raise dialect.loaded_dbapi.OperationalError("the connection is gone")

    dialect.do_commit = fail  # type: ignore[method-assign]
    try:
        yield
    finally:
        dialect.do_commit = commit  # type: ignore[method-assign]


@pytest.mark.parametrize("done", [False, True], ids=["commit lost", "answer lost"])
def test_submit__commit_fails__happened_wholly_or_not_at_all(
    scene: GatewayScene, done: bool
) -> None:
    first, second, *rest = hand_out(scene)
    before = state(scene)
    with failing_commit(scene, done=done), pytest.raises(StoreError, match="asking again is safe"):
        scene.gateway.submit(**first)
    assert (state(scene) == before) == (not done)
    logged = scene.gateway.submit(**first)
    assert logged.row.position == len(before[0]) + 1
    scene.gateway.submit(**second)
    assert len(check_log(scene, [first, second, *rest]).labels) == 2 * BATCH


def test_every_write__commit_fails__leaves_gateway_and_database_as_they_were(
    scene: GatewayScene,
) -> None:
    sent = hand_out(scene)[0]
    ann = address_of(key_of("ann"))
    before = state(scene)
    delegation = scene.delegation("eve")
    writes: list[Callable[[], Any]] = [
        lambda: scene.gateway.delegate(delegation),
        lambda: scene.gateway.skip(ann, 30, 1),
        lambda: scene.gateway.submit(**sent),
        scene.gateway.follow,
    ]
    scene.chain.mine(600)
    for write in writes:
        with failing_commit(scene, done=False), pytest.raises(StoreError):
            write()
        assert state(scene) == before
    for write in writes[:3]:
        write()
    assert scene.gateway.follow().anchors == 10
    check_log(scene, [sent])


def test_gateway__database_away_for_a_while__goes_on_by_itself(scene: GatewayScene) -> None:
    sent = hand_out(scene)
    scene.gateway.submit(**sent[0])
    before = state(scene)

    def refuse(*_: Any) -> None:
        raise scene.engine.dialect.loaded_dbapi.OperationalError("away")

    with failing_commit(scene, done=False), pytest.raises(StoreError):
        scene.gateway.submit(**sent[1])
    event.listen(scene.engine, "before_cursor_execute", refuse)
    for _ in range(3):
        with pytest.raises(StoreError):
            scene.gateway.submit(**sent[1])
        with pytest.raises(StoreError):
            scene.gateway.status(address_of(key_of("ann")))
    event.remove(scene.engine, "before_cursor_execute", refuse)
    assert state(scene) == before
    send(scene, sent, 4)
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH


# --- PostgreSQL: connections cut for real ---------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("table", ["log_entries", "submissions"])
def test_submit__backend_terminated_in_the_transaction__nothing_of_it_stays(
    tmp_path: Path, postgres_server: Postgres, table: str
) -> None:
    scene = open_scene(tmp_path, postgres_server.create_database())
    sent = hand_out(scene)
    before = state(scene)
    other = create_engine(scene.database_url)
    cut: list[int] = []

    def terminate(connection: Any, _: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(f"INSERT INTO {table}") and not cut:
            pid = connection.connection.dbapi_connection.info.backend_pid
            with other.begin() as admin:
                admin.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            cut.append(pid)

    event.listen(scene.engine, "before_cursor_execute", terminate)
    with pytest.raises(StoreError, match="refused"):
        scene.gateway.submit(**sent[0])
    assert cut
    assert state(scene) == before
    send(scene, sent, 4)
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH
    other.dispose()
    scene.close()


@pytest.mark.services
def test_submit__server_restarted_under_load__no_acknowledged_one_is_lost(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    scene = open_scene(tmp_path, postgres_server.create_database())
    sent = hand_out(scene)
    failures: list[StoreError] = []
    started = threading.Event()

    def push(one: dict[str, Any]) -> LoggedEntry:
        while True:
            try:
                logged = scene.gateway.submit(**one)
            except StoreError as error:
                failures.append(error)
            else:
                started.set()
                return logged

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(push, one) for one in sent]
        assert started.wait(120)
        postgres_server.stop()
        postgres_server.start()
        logged = [one.result() for one in waiting]
    held = scene.gateway.rows()
    assert all(held[one.row.position - 1] == one.row for one in logged)
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH
    scene.close()


@pytest.mark.services
def test_open_database__server_that_answers_before_the_disk__is_told_to_wait(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    url = postgres_server.create_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    scene = open_scene(tmp_path, url)
    with scene.engine.connect() as checked:
        assert checked.scalar(text("SHOW synchronous_commit")) == "on"
    scene.close()


# --- SQLite: the disk is full ---------------------------------------------------------------------


def test_submit__database_may_not_grow__is_refused_until_it_may(tmp_path: Path) -> None:
    scene = open_scene(tmp_path)
    sent = hand_out(scene)
    limits = [0]

    def limit(connection: Any) -> None:
        pages = limits[0] or connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    event.listen(scene.engine, "begin", limit)
    before: tuple[Any, ...] = ()

    def submit_all() -> None:
        nonlocal before
        for one in sent:
            before = state(scene)
            scene.gateway.submit(**one)

    with pytest.raises(StoreError, match="SQLITE_FULL"):
        submit_all()
    assert state(scene) == before
    limits[0] = 1_000_000_000
    send(scene, sent, 4)
    assert len(check_log(scene, sent).labels) == len(sent) * BATCH
    scene.close()


FILE_LIMIT = """
import resource, signal, sys
from pathlib import Path
from oracle.errors import StoreError
from tests.oracle.gateway.test_database_faults import hand_out, open_scene
scene = open_scene(Path(sys.argv[1]))
sent = hand_out(scene)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: the write fails, we live on
largest = max(path.stat().st_size for path in Path(sys.argv[1]).iterdir() if path.is_file())
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 20_000, resource.RLIM_INFINITY))
for one in sent:
    try:
        print("ack", scene.gateway.submit(**one).row.head.hex(), flush=True)
    except StoreError as error:
        print("refused", error, flush=True)
        break
else:
    sys.exit("the limit was never met")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print("ack", scene.gateway.submit(**one).row.head.hex(), flush=True)
"""


def child(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_submit__disk_full__refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    with child(FILE_LIMIT, tmp_path) as process:
        shown, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    lines = shown.splitlines()
    assert [line for line in lines if line.startswith("refused") and "disk space" in line]
    scene = open_scene(tmp_path)
    heads = {row.head.hex() for row in scene.gateway.rows()}
    acknowledged = {line.split()[1] for line in lines if line.startswith("ack")}
    assert acknowledged <= heads
    assert len(scene.store.submissions(7)) == len(acknowledged)


# --- kill -9 --------------------------------------------------------------------------------------

INTAKE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.oracle.gateway.test_database_faults import hand_out, open_scene
scene = open_scene(Path(sys.argv[1]))
sent = hand_out(scene)
def submit(one):
    row = scene.gateway.submit(**one).row
    print(f"{row.position} {row.head.hex()}\\n", end="", flush=True)
with ThreadPoolExecutor(6) as pool:
    list(pool.map(submit, sent))
"""


@pytest.mark.parametrize("after", [1, 7, 20])
def test_gateway__killed_under_load__keeps_what_it_acknowledged_and_no_halves(
    tmp_path: Path, after: int
) -> None:
    with child(INTAKE, tmp_path) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.readlines()
    scene = open_scene(tmp_path)
    held = {row.position: row.head.hex() for row in scene.gateway.rows()}
    whole = [line.split() for line in seen if line.endswith("\n")]
    assert len(whole) >= after
    assert all(held[int(position)] == head for position, head in whole)
    stored = {one.position for one in scene.store.submissions(7)}
    written = {row.position for row in scene.gateway.rows() if row.data[0] == Submission.KIND}
    assert stored == written
    scene.close()
