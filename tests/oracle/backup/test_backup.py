"""Backups: whole, of one moment, for either database, and never written over what is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from oracle.backup import archive
from oracle.backup.backup import State, restore_backup, write_backup
from oracle.content.local import LocalContent
from oracle.errors import ContentMissing, InputError, LogHeld, StoreError
from oracle.evidence.codec import RAW
from oracle.evidence.hashing import sha256
from oracle.store import dump
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from tests.support.gateway import GatewayScene
from tests.support.servers.postgres import Postgres

NOW = 1_700_000_000
PASSPHRASE = b"correct horse battery staple"
Place = Callable[[str], State]


def rows_of(engine: Engine) -> dict[str, list[Any]]:
    """Every row of every table but the holds, which a restore sets."""
    found: dict[str, list[Any]] = {}
    with dump.snapshot(engine) as connection:
        for name, part in dump.dump(connection):
            found.setdefault(name, []).extend(part)
    found.pop("log_holds", None)
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "database" not in path.name
    }


@pytest.fixture
def scene(tmp_path: Path, database_url: str) -> Iterator[GatewayScene]:
    """A gateway at work, on either database, with its private files beside it."""
    scene = GatewayScene(tmp_path / "old", database_url=database_url)
    scene.join("ann", "ben")
    for name in ("ann", "ben", "ann"):
        scene.work(name)
    (scene.folder / "secrets").mkdir(mode=0o700)
    scene.files.secrets.save(
        scene.folder / "secrets" / f"{scene.files.manifest.block.digest.hex()}.json"
    )
    (scene.folder / "cookie.key").write_bytes(b"\x07" * 32)
    scene.store.queue_claim(7, 1, b"\x01" * 20, now=NOW)
    scene.store.queue_claim(7, 2, b"\x01" * 20, now=NOW)
    yield scene
    scene.close()


def state_of(scene: GatewayScene) -> State:
    return State(scene.engine, scene.folder, scene.content)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Place]:
    """`empty(name)`: a state folder that nothing is in yet, with a SQLite database."""
    engines: list[Engine] = []

    def make(name: str) -> State:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        engines.append(open_database(f"sqlite:///{folder / 'database.db'}"))
        return State(engines[-1], folder, LocalContent(folder / "content"))

    yield make
    for engine in engines:
        engine.dispose()


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "sealed"])
def test_restore__on_an_empty_machine__is_the_same_state(
    scene: GatewayScene, empty: Place, tmp_path: Path, passphrase: bytes | None
) -> None:
    file = tmp_path / "one.backup"
    held = write_backup(state_of(scene), file, passphrase=passphrase, now=NOW)
    target = empty("new")
    assert restore_backup(target, file, passphrase=passphrase, now=NOW) == held
    assert rows_of(target.engine) == rows_of(scene.engine)
    assert files_of(target.folder) == files_of(scene.folder)
    assert held.rows["log_entries"] == len(scene.gateway.rows())
    assert held.rows["claim_jobs"] == held.private == 2
    assert file.stat().st_mode & 0o777 == 0o600
    for path in (
        "cookie.key",
        *(f"secrets/{one.name}" for one in (target.folder / "secrets").iterdir()),
    ):
        assert (target.folder / path).stat().st_mode & 0o777 == 0o600
    assert (b"cookie.key" in file.read_bytes()) == (passphrase is None)


@pytest.mark.services
def test_restore__sqlite_to_postgresql_and_back__loses_nothing(
    empty: Place, tmp_path: Path, postgres_server: Postgres
) -> None:
    first = GatewayScene(tmp_path / "first")
    first.join("ann")
    first.work("ann")
    first.store.queue_claim(7, 1, b"\x01" * 20, now=NOW)
    there = State(
        open_database(postgres_server.create_database()), empty("there").folder, first.content
    )
    back = empty("back")
    states = [state_of(first), there, back]
    for number, (source, target) in enumerate(pairwise(states)):
        file = tmp_path / f"{number}.backup"
        write_backup(source, file, passphrase=None, now=NOW)
        restore_backup(target, file, passphrase=None, now=NOW)
        assert rows_of(target.engine) == rows_of(first.engine)
    # Rows that number themselves go on behind those that were brought.
    assert SqlLabelStore(there.engine).queue_claim(7, 5, b"\x02" * 20, now=NOW).job == 2
    there.engine.dispose()
    first.close()


def test_backup__while_the_gateway_writes__is_of_one_moment(
    scene: GatewayScene, empty: Place, tmp_path: Path
) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            scene.pass_anchors(1)

    # A row is written between the reads of any two tables.
    read = threading.Event()
    event.listen(scene.engine, "before_cursor_execute", lambda *_: read.set())
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            assert read.wait(60)
            file = tmp_path / f"{number}.backup"
            write_backup(state_of(scene), file, passphrase=None, now=NOW)
            target = empty(f"new {number}")
            restore_backup(target, file, passphrase=None, now=NOW)
            store = SqlLabelStore(target.engine)
            log = store.rows(7)
            assert log == scene.gateway.rows(1, len(log))
            assert [one.position for one in store.submissions(7)] == [
                row.position for row in log if row.data[0] == 3
            ]
    finally:
        stop.set()
        writer.join()


def test_backup__without_content__leaves_the_blocks_to_others(
    scene: GatewayScene, empty: Place, tmp_path: Path
) -> None:
    file = tmp_path / "one.backup"
    assert write_backup(state_of(scene), file, passphrase=None, now=NOW, content=False).blocks == 0
    target = empty("new")
    restore_backup(target, file, passphrase=None, now=NOW)
    with pytest.raises(ContentMissing):
        target.content.get(scene.files.manifest.block.digest, RAW)


# --- the log is held ------------------------------------------------------------------------------


def test_gateway__on_a_restored_database__signs_nothing_until_somebody_says_so(
    scene: GatewayScene, empty: Place, tmp_path: Path
) -> None:
    file = tmp_path / "one.backup"
    write_backup(state_of(scene), file, passphrase=None, now=NOW)
    target = empty("new")
    restore_backup(target, file, passphrase=None, now=NOW)
    scene.database_url = str(target.engine.url)
    before, heads = rows_of(target.engine), scene.gateway.rows()
    with pytest.raises(LogHeld, match=r"after position 1\d may have been signed.*ddlp rebuild"):
        scene.start()
    assert rows_of(target.engine) == before
    SqlLabelStore(target.engine).release(7)
    scene.gateway = scene.start()
    scene.work("ben")
    assert scene.gateway.rows()[: len(heads)] == heads
    scene.close()


# --- what is refused ------------------------------------------------------------------------------


def refused(target: State, file: Path, passphrase: bytes | None, match: str) -> None:
    rows, files = rows_of(target.engine), files_of(target.folder)
    with pytest.raises(InputError, match=match):
        restore_backup(target, file, passphrase=passphrase, now=NOW)
    assert rows_of(target.engine) == rows
    assert files_of(target.folder) == files


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> dict[bytes | None, Path]:
    """A plain backup and a sealed one."""
    folder = tmp_path_factory.mktemp("backups")
    scene = GatewayScene(folder / "state")
    (scene.folder / "cookie.key").write_bytes(b"\x07" * 32)
    found = {}
    for passphrase in (None, PASSPHRASE):
        found[passphrase] = folder / f"{passphrase is None}.backup"
        write_backup(state_of(scene), found[passphrase], passphrase=passphrase, now=NOW)
    scene.close()
    return found


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "sealed"])
def test_restore__damaged_anywhere__writes_nothing(
    backups: dict[bytes | None, Path], empty: Place, tmp_path: Path, passphrase: bytes | None
) -> None:
    whole = backups[passphrase].read_bytes()
    damaged = tmp_path / "damaged.backup"
    target = empty("new")
    # Sealed, each look costs a key derivation.
    places = range(40, len(whole), len(whole) // (40 if passphrase is None else 5))
    cuts = [
        whole[: len(whole) // 2],
        whole[:-1],
        whole + b"\0",
        whole[:20],
        b"",
        whole[: len(whole) // 3] + whole,
    ]
    changed = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    for data in [*cuts, *changed]:
        damaged.write_bytes(data)
        refused(target, damaged, passphrase, "use another one|no backup")
    damaged.write_bytes(whole)
    restore_backup(target, damaged, passphrase=passphrase, now=NOW)


def test_restore__wrong_passphrase__writes_nothing(
    backups: dict[bytes | None, Path], empty: Place
) -> None:
    target = empty("new")
    refused(target, backups[PASSPHRASE], b"another passphrase", "the passphrase is another one")
    refused(target, backups[PASSPHRASE], None, "give its passphrase")
    refused(target, backups[None], PASSPHRASE, "give no passphrase")


def test_restore__over_a_database_or_secrets__is_refused(
    backups: dict[bytes | None, Path], empty: Place
) -> None:
    target = empty("used")
    SqlLabelStore(target.engine).register(
        3, chain_id=1, escrow=b"\x01" * 20, manifest=b"\0" * 32, now=NOW
    )
    refused(target, backups[None], None, "the database isn't empty")
    target = empty("keyed")
    (target.folder / "cookie.key").write_bytes(b"other")
    refused(target, backups[None], None, "is there already")


def test_restore__cut_short__is_done_again_by_the_same_call(
    backups: dict[bytes | None, Path], empty: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = empty("new")
    with monkeypatch.context() as patch:
        patch.setattr(dump, "_count_on", None)
        patch.setattr(dump, "insert", None)
        with pytest.raises(TypeError):
            restore_backup(target, backups[None], passphrase=None, now=NOW)
    assert rows_of(target.engine) == {}
    restore_backup(target, backups[None], passphrase=None, now=NOW)
    assert (target.folder / "cookie.key").read_bytes() == b"\x07" * 32


def test_restore__of_another_version__names_the_remedy(
    backups: dict[bytes | None, Path], empty: Place
) -> None:
    target = empty("new")
    with target.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    refused(target, backups[None], None, "with the version of ddlp that made it")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "secrets/../../x.json", "tables/pg_user/0", "other"]
)
def test_restore__a_member_that_leads_elsewhere__writes_nothing(
    empty: Place, tmp_path: Path, name: str
) -> None:
    target = empty("new")
    with dump.snapshot(target.engine) as connection:
        revision = dump.revision(connection)
    file = tmp_path / "evil.backup"
    with archive.create(file, None) as writer:
        writer.add(name, b"evil")
        writer.finish({"madeAt": NOW, "revision": revision, "columns": dump.columns()})
    refused(target, file, None, "damaged")


def test_restore__a_block_that_is_not_its_cids__writes_no_row(empty: Place, tmp_path: Path) -> None:
    target = empty("new")
    with dump.snapshot(target.engine) as connection:
        revision = dump.revision(connection)
    file = tmp_path / "evil.backup"
    cid = LocalContent(tmp_path / "c")
    cid.put(b"a block", RAW)
    (link,) = cid.iterate()
    with archive.create(file, None) as writer:
        writer.add(f"content/{link}", b"another block")
        writer.finish({"madeAt": NOW, "revision": revision, "columns": dump.columns()})
    refused(target, file, None, "damaged")


def test_backup__over_a_file_or_without_room__leaves_no_part_of_it(
    scene: GatewayScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        write_backup(state_of(scene), there, passphrase=None, now=NOW)
    assert there.read_bytes() == b"mine"
    with pytest.raises(InputError, match="with room"):
        write_backup(state_of(scene), tmp_path / "no" / "folder", passphrase=None, now=NOW)

    def fail(*_: Any) -> Any:
        raise StoreError("away")

    monkeypatch.setattr(dump, "revision", fail)
    with pytest.raises(StoreError):
        write_backup(state_of(scene), tmp_path / "half", passphrase=None, now=NOW)
    assert not [path for path in tmp_path.iterdir() if "half" in path.name]


def test_archive__the_same_members__are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with archive.create(tmp_path / name, None) as writer:
            writer.add("a", b"1")
            writer.finish({})
    assert sha256((tmp_path / "one").read_bytes()) == sha256((tmp_path / "two").read_bytes())
