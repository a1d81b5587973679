"""The servers that other tests rely on: they start, stop, come back, on loopback only."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support.servers.geth import Geth
from tests.support.servers.kubo import Kubo
from tests.support.servers.postgres import Postgres
from tests.support.servers.programs import GETH, KUBO, Program


def listening() -> set[str]:
    """Return the addresses on which this process' children listen."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found |= {
                connection.laddr.ip
                for connection in child.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


@pytest.mark.parametrize("program", [KUBO, GETH], ids=["kubo", "geth"])
def test_find__an_older_one_on_path__is_passed_over(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, found in [((0, 40, 1), False), (program.pinned, True), ((99, 0), True)]:
        folder = tmp_path / str(version)
        folder.mkdir()
        script = folder / program.name
        shown = ".".join(map(str, version))
        script.write_text(f"#!/bin/sh\necho {program.name} version {shown}-stable\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/bin")
        assert (program.find() == script) == found


@pytest.mark.services
def test_kubo__two_daemons_connected__fetch_from_one_another(kubo: Callable[..., Kubo]) -> None:
    here, there = kubo(online=True), kubo(online=True)
    cid = there.run("block", "put", data=b"a block").decode().strip()
    here.connect(there)
    assert here.run("block", "get", cid) == b"a block"
    assert listening() <= {"127.0.0.1"}
    there.stop()
    there.start()
    assert there.run("block", "get", cid) == b"a block"


@pytest.mark.services
def test_geth__stopped_and_started__goes_on_with_its_chain(geth: Geth) -> None:
    account = "0x" + "0c" * 20
    assert int(geth.request("eth_chainId"), 16) == geth.chain_id
    geth.fund(account, 10**18)
    deadline = time.monotonic() + 30
    # its receipt would wait for geth's own indexing
    while not int(geth.request("eth_getBalance", account, "latest"), 16):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert listening() <= {"127.0.0.1"}
    block = int(geth.request("eth_blockNumber"), 16)
    geth.stop()
    geth.start()
    assert int(geth.request("eth_getBalance", account, "latest"), 16) == 10**18
    assert int(geth.request("eth_blockNumber"), 16) >= block
    with pytest.raises(RuntimeError, match="eth_nothing"):
        geth.request("eth_nothing")


@pytest.mark.services
def test_postgres__two_databases__know_nothing_of_one_another(postgres_server: Postgres) -> None:
    urls = [postgres_server.create_database() for _ in range(2)]
    names = [url.replace("+psycopg", "") for url in urls]
    with psycopg.connect(names[0]) as connection:
        connection.execute("create table only_here (id int)")
    with psycopg.connect(names[1]) as connection:
        tables = connection.execute("select to_regclass('only_here')").fetchone()
    assert tables == (None,)
    assert listening() <= {"127.0.0.1"}
    postgres_server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(names[0])
    postgres_server.start()
    with psycopg.connect(names[0]) as connection:
        assert connection.execute("select count(*) from only_here").fetchone() == (0,)
