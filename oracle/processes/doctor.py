"""`ddlp doctor`: looks at every part that a process needs, changes nothing, and says what to do.

One line a part; exit code 1 where one failed. It reads the same settings as the process does, and
whatever stands in the state folder tells what the process is: an operator's has its keyfile.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import click
import requests
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from web3 import Web3

from oracle.chain.deployment import Deployment, verify_code
from oracle.chain.development import find_deployment, served_url
from oracle.chain.poster import OPERATOR
from oracle.chain.rpc import connect, request, shown_url
from oracle.chain.transactions import read_contract
from oracle.config import Settings, load_settings
from oracle.content.stores import open_content
from oracle.errors import ConfigError, DDLPError
from oracle.evidence.signing import checksum
from oracle.operations.health import (
    FAIL,
    OK,
    WARN,
    Check,
    check_content,
    check_disk,
    failed,
    is_ready,
    looked_at,
)
from oracle.processes.folder import OperatorFolder
from oracle.store.database import MIGRATIONS

CLOCK_WARN, CLOCK_FAIL = 15, 120  # seconds that this clock may be off
LOW_ETHER = 10**16  # wei: some tens of transactions where gas is cheap
PEER_SECONDS = 5.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object instead of lines.")
def doctor(as_json: bool) -> None:
    """Look at clock, nodes, contracts, database, content, keys, stake and disk."""
    checks: list[Check] = []
    for check in examine():
        checks.append(check)
        if not as_json:
            remedy = f": {check.remedy}" if check.remedy else ""
            click.echo(f"{check.status:<5}{check.part:<12}{check.message}{remedy}")
    well = is_ready(checks)
    if as_json:
        body = {"ok": well, "checks": [check.as_json() for check in checks]}
        click.echo(json.dumps(body, indent=2))
    sys.exit(0 if well else 1)


def examine() -> Iterator[Check]:
    """Yield what is found about each part; a part that needs another that failed is left out."""
    try:
        settings = load_settings()
    except ConfigError as error:
        yield failed("settings", error)
        return
    yield Check("settings", OK, f"read; state in {settings.state_dir}")
    yield check_disk(settings.state_dir)
    yield check_schema(settings.database_url)
    yield looked_at("content", lambda: check_content(open_content(settings)))
    nodes = list(_nodes(settings))
    for node in nodes:
        yield node.check
    answering = [node for node in nodes if node.w3 is not None]
    peers = _peers(settings.state_dir)
    times = [node.time - node.asked for node in answering]
    yield from _check_peers(peers, times)
    yield check_clock(times)
    try:
        deployment = find_deployment(settings.state_dir)
    except DDLPError as error:
        yield failed("contracts", error)
        return
    if not answering or answering[0].w3 is None:
        return
    w3 = answering[0].w3
    yield looked_at("contracts", lambda: _check_contracts(w3, deployment))
    yield from _check_operator(settings, w3, deployment)


# -- nodes and clock -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A node that was asked: its newest block's `time`, this machine's when it was `asked`."""

    check: Check
    w3: Web3 | None = None
    time: float = 0.0
    asked: float = 0.0


def _nodes(settings: Settings) -> Iterator[Node]:
    try:
        urls = (settings.rpc_url or served_url(settings.state_dir)).split(",")
    except ConfigError as error:
        yield Node(failed("node", error))
        return
    wanted: int | None = None
    for url in urls:
        name = shown_url(url.strip())
        try:
            w3 = connect(url.strip(), timeout=10.0)
            chain = int(request(w3, "eth_chainId"), 16)
            newest = request(w3, "eth_getBlockByNumber", "latest", False)
        except DDLPError as error:
            yield Node(failed("node", error))
            continue
        except (TypeError, ValueError):
            yield Node(Check("node", FAIL, f"{name} answers nonsense", "name another"))
            continue
        number, made, now = int(newest["number"], 16), int(newest["timestamp"], 16), time.time()
        wanted = wanted if wanted is not None else chain
        age = round(now - made)
        if chain != wanted:
            yield Node(
                Check("node", FAIL, f"{name} is on chain {chain}, not {wanted}", "name another")
            )
            continue
        said = f"{name}: chain {chain}, block {number}, {age} s old"
        if age > settings.max_head_age:
            remedy = "see whether it is synchronised, and the clock right"
            yield Node(Check("node", FAIL, said, remedy), w3, made, now)
        else:
            yield Node(Check("node", OK, said), w3, made, now)


def check_clock(offsets: list[float]) -> Check:
    """Look at this clock beside others': seconds that nodes' newest blocks and peers are ahead.

    A block is made before it is seen, so that nodes are behind by up to a block's time; only what
    is ahead of us tells. Peers tell both ways.
    """
    if not offsets:
        return Check("clock", WARN, "there is nobody to compare with", "name a node or peers")
    ahead = max(offsets)
    if ahead > CLOCK_FAIL:
        return Check(
            "clock", FAIL, f"{ahead:.0f} s behind the chain's or a peer's", "synchronise it by NTP"
        )
    if ahead > CLOCK_WARN:
        return Check(
            "clock", WARN, f"{ahead:.0f} s behind the chain's or a peer's", "synchronise it by NTP"
        )
    return Check("clock", OK, "not behind the chain or a peer")


def _peers(state_dir: Path) -> dict[str, str]:
    """Return the URLs of `peers.json` by address as written; none where there is none."""
    try:
        document = json.loads((state_dir / "peers.json").read_text())
        return {**document["operators"], **document["gateways"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _check_peers(peers: dict[str, str], times: list[float]) -> Iterator[Check]:
    """Ask each peer who it is; add how far each is ahead of this clock to `times`."""
    for address, url in sorted(peers.items()):
        try:
            session = requests.Session()
            session.trust_env = False
            answer = session.get(f"{url.rstrip('/')}/v1/public/status", timeout=PEER_SECONDS)
            told: Any = answer.json()
            found = str(told["address"])
            served = answer.headers.get("Date")
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            remedy = "ask who runs it, or mend its URL in peers.json"
            yield Check("peer", WARN, f"{url} doesn't answer ({type(error).__name__})", remedy)
            continue
        if found.lower() != address.lower():
            remedy = "mend peers.json"
            yield Check("peer", FAIL, f"{url} is {found}, not {address}", remedy)
            continue
        if served is not None:
            times.append(_offset(served))
        yield Check("peer", OK, f"{url} is {address}")


def _offset(date: str) -> float:
    """Return how many seconds an HTTP date is ahead of this clock; 0 where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0


# -- database, contracts, operator -----------------------------------------------------------------


def check_schema(url: str) -> Check:
    """Look whether the database answers, and whether its tables are this version's."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        return Check("database", WARN, f"{path} isn't there yet", "the first start makes it")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        engine.dispose()
    except (ImportError, SQLAlchemyError) as error:
        return Check(
            "database",
            FAIL,
            f"it can't be opened ({type(error).__name__})",
            "start it, or mend DDLP_DATABASE_URL",
        )
    if current != head:
        said = f"its tables are of revision {current}, not {head}"
        return Check("database", WARN, said, "the next start brings them up to date")
    return Check("database", OK, f"{engine.dialect.name}, revision {head}")


def _check_contracts(w3: Web3, deployment: Deployment) -> Check:
    verify_code(w3, deployment)
    return Check(
        "contracts", OK, f"{len(deployment.contracts)} on chain {deployment.chain_id}, code ours"
    )


def _check_operator(settings: Settings, w3: Web3, deployment: Deployment) -> Iterator[Check]:
    """Look at an operator's keys, gas, stake and seat, where the state folder is an operator's."""
    folder = OperatorFolder(settings.state_dir)
    if not folder.exists:
        return
    try:
        address, key = folder.address, folder.encryption_key
    except ConfigError as error:
        yield failed("keys", error)
        return
    yield Check("keys", OK, f"operator {checksum(address)}")

    def gas() -> Check:
        held = int(request(w3, "eth_getBalance", checksum(address), "latest"), 16)
        said = f"{held / 10**18:.4f} ether for gas"
        if held < LOW_ETHER:
            return Check("gas", WARN, said, f"send {checksum(address)} some")
        return Check("gas", OK, said)

    def stake() -> Check:
        board, vault = deployment.board, deployment.vault
        staked = read_contract(w3, "StakeVault", vault, "staked", OPERATOR, address)
        least = read_contract(w3, "ReceiptBoard", board, "min_operator_stake")
        if staked < least:
            remedy = "run `ddlp operator join`"
            return Check("stake", FAIL, f"{staked} base units of {least} are staked", remedy)
        if read_contract(w3, "StakeVault", vault, "encryption_key", OPERATOR, address) != key:
            remedy = "run `ddlp operator join` again"
            return Check("stake", FAIL, "the chain has another encryption key", remedy)
        until = read_contract(w3, "StakeVault", vault, "banned_until", address)
        if until > time.time():
            return Check("stake", FAIL, f"banned until {until}", "wait, or run another key")
        if not read_contract(w3, "ReceiptBoard", board, "is_active", address):
            remedy = "governance names the set: docs/OPERATIONS.md, Deploying"
            return Check("stake", FAIL, "staked, but not in the operator set", remedy)
        return Check("stake", OK, f"{staked} base units, seated")

    yield looked_at("gas", gas)
    yield looked_at("stake", stake)
