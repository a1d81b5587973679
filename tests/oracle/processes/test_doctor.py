"""`ddlp doctor`: everything well on a platform that runs; each part's failure by its name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from oracle.chain.deployment import Deployment
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.wallets import DevWallets
from oracle.cli import cli
from oracle.content.sealing import encryption_key
from oracle.operations.health import FAIL, OK, WARN
from oracle.processes.doctor import check_clock, check_schema
from oracle.processes.folder import ENCRYPTION, OperatorFolder, Signed
from oracle.store.database import open_database

PASSPHRASE = "correct horse"
SEALING = bytes([7]) * 32


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with Devnet(tmp_path_factory.mktemp("chain"), block_seconds=1) as devnet:
        yield devnet


@pytest.fixture(scope="module")
def deployment(devnet: Devnet) -> Deployment:
    return establish(devnet, [encryption_key(SEALING)] * 3, 2)


@pytest.fixture
def state(tmp_path: Path, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the first operator, who is seated."""
    account = DevWallets(31337).operator(0)
    keyfile = json.dumps(account.encrypt(PASSPHRASE, "pbkdf2", 1))
    folder = OperatorFolder.create(tmp_path / "operator", deployment, Signed(keyfile))
    (folder.path / ENCRYPTION).write_text(SEALING.hex())
    monkeypatch.setenv("DDLP_STATE_DIR", str(folder.path))
    return folder.path


def diagnose(url: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = CliRunner().invoke(cli, ["doctor", "--json"], env={"DDLP_RPC_URL": url})
    body: Any = json.loads(done.output)
    assert body["ok"] == (done.exit_code == 0)
    return done.exit_code, {check["part"]: check for check in body["checks"]}


@pytest.mark.chain
def test_doctor__seated_operator__is_well_in_every_part(devnet: Devnet, state: Path) -> None:
    open_database(f"sqlite:///{state / 'ddlp.sqlite'}").dispose()
    code, checks = diagnose(devnet.url)
    assert code == 0
    assert {part: check["status"] for part, check in checks.items() if part != "disk"} == {
        "settings": OK,
        "database": OK,
        "content": OK,
        "node": OK,
        "clock": OK,
        "contracts": OK,
        "keys": OK,
        "gas": OK,
        "stake": OK,
    }
    lines = CliRunner().invoke(cli, ["doctor"], env={"DDLP_RPC_URL": devnet.url}).output
    assert "ok   stake" in lines
    assert PASSPHRASE not in lines
    assert SEALING.hex() not in lines


@pytest.mark.chain
def test_doctor__other_encryption_key_than_on_chain__says_to_join_again(
    devnet: Devnet, state: Path
) -> None:
    (state / ENCRYPTION).write_text("11" * 32)
    code, checks = diagnose(devnet.url)
    assert code == 1
    assert checks["stake"]["status"] == FAIL
    assert checks["stake"]["remedy"] == "run `ddlp operator join` again"


@pytest.mark.chain
def test_doctor__operator_without_stake_or_gas__is_told_what_to_do(
    devnet: Devnet, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = DevWallets(31337).contributor(5)
    keyfile = json.dumps(account.encrypt(PASSPHRASE, "pbkdf2", 1))
    OperatorFolder.create(tmp_path / "new", deployment, Signed(keyfile))
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path / "new"))
    code, checks = diagnose(devnet.url)
    assert code == 1
    assert (checks["gas"]["status"], checks["stake"]["status"]) == (WARN, FAIL)
    assert checks["stake"]["remedy"] == "run `ddlp operator join`"
    assert checks["database"]["status"] == WARN
    assert not (tmp_path / "new" / "ddlp.sqlite").exists()  # a doctor changes nothing


@pytest.mark.chain
def test_doctor__one_of_two_nodes_is_down__names_it(devnet: Devnet, state: Path) -> None:
    done = CliRunner().invoke(
        cli, ["doctor"], env={"DDLP_RPC_URL": f"{devnet.url},http://127.0.0.1:1"}
    )
    assert done.exit_code == 1
    assert f"ok   node        {devnet.url}: chain 31337" in done.output
    assert "fail node" in done.output
    assert "http://127.0.0.1:1" in done.output


@pytest.mark.chain
def test_doctor__peer_that_is_down__is_a_warning(devnet: Devnet, state: Path) -> None:
    peers = {"operators": {"0x" + "11" * 20: "http://127.0.0.1:1"}, "gateways": {}}
    (state / "peers.json").write_text(json.dumps(peers))
    code, checks = diagnose(devnet.url)
    assert code == 0
    assert checks["peer"]["status"] == WARN
    assert "mend its URL in peers.json" in checks["peer"]["remedy"]


def test_doctor__malformed_setting__is_all_it_says() -> None:
    done = CliRunner().invoke(cli, ["doctor", "--json"], env={"DDLP_PORT": "x"})
    assert done.exit_code == 1
    assert [check["part"] for check in json.loads(done.output)["checks"]] == ["settings"]


@pytest.mark.parametrize(
    ("offsets", "status"),
    [([], WARN), ([-400.0, 3.0], OK), ([-400.0, 20.0], WARN), ([600.0, -5.0], FAIL)],
)
def test_check_clock__ten_minutes_behind__fails(offsets: list[float], status: str) -> None:
    assert check_clock(offsets).status == status


def test_check_schema__old_tables_and_no_database__are_told_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    assert check_schema(url).status == WARN
    assert not (tmp_path / "a.sqlite").exists()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001_log_and_openings')"))
    engine.dispose()
    check = check_schema(url)
    assert check.status == WARN
    assert "the next start brings them up to date" in check.remedy
    started = time.monotonic()
    assert check_schema("postgresql+psycopg://nobody@127.0.0.1:1/nothing").status == FAIL
    assert time.monotonic() - started < 10
