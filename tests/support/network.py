"""A gateway and operators as processes of their own, over a devnet, as `ddlp` starts them; and
people who label at the gateway's page over HTTP."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from click.testing import CliRunner

from oracle.chain.deployment import DEVNET, Deployment
from oracle.chain.development import establish
from oracle.chain.devnet import Devnet
from oracle.chain.poster import Poster
from oracle.chain.reader import Web3Reader
from oracle.chain.wallets import DevWallets
from oracle.cli import cli
from oracle.content.local import LocalContent
from oracle.content.sealing import encryption_key
from oracle.errors import ChainError
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.evidence.structs import Receipt
from oracle.gateway.campaign_files import CampaignFiles
from oracle.ports import ContentStore, Filing
from oracle.protocol.facts import ChainFacts
from oracle.transport.client import HttpFilingDesk, public_desk
from tests.webapp.browser_double import BrowserDouble

PASSPHRASE = "correct horse battery staple"
TOKEN = 10**18
FINAL_AFTER = 2  # blocks, on anvil with an epoch of one block
WINDOW_SECONDS = 3
ROOT = Path(__file__).parents[2]
DDLP = (sys.executable, "-m", "oracle.cli")


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_until(holds: Callable[[], Any], seconds: float = 1_800.0, *, what: str = "it") -> Any:
    """Return what `holds` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} didn't happen in {seconds:g} s"
        time.sleep(0.2)
    return found


@dataclass
class Process:
    """One `ddlp … run`, which may be killed and started again with the same environment."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    monitor: int
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0
    program: tuple[str, ...] = DDLP

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [*self.program, *self.command],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    def end(self, number: int = signal.SIGTERM, seconds: float = 120.0) -> int:
        """Send a signal, and wait for the end; return the exit code."""
        if self.running is None:
            return 0
        self.running.send_signal(number)
        code = self.running.wait(seconds)
        self.running = None
        return code

    def limit_files(self, size: int | None) -> None:
        """Let no write go beyond `size` bytes of any file, as on a disk that is full; None lets
        them through again."""
        assert self.running is not None
        most = resource.RLIM_INFINITY
        limit = (most if size is None else size, most)
        resource.prlimit(self.running.pid, resource.RLIMIT_FSIZE, limit)

    def get(self, page: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.monitor}/{page}", timeout=20)

    def is_ready(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.get("readyz").status_code == 200
        except requests.RequestException:
            return False

    def metric(self, name: str) -> float | None:
        """The sum of a metric over its labels; None while the process doesn't answer, or has
        nothing to say of it yet."""
        try:
            lines = self.get("metrics").text.splitlines()
        except requests.RequestException:
            return None
        told = [line.split()[-1] for line in lines if re.match(rf"{name}[ {{]", line)]
        return sum(map(float, told)) if told else None


class Pace(threading.Thread):
    """The chain's clock: a block, one second later than the last, whenever every process that
    runs has seen the last one.

    So chain time waits for a slow machine, and for nobody who is down. One that is up but stuck
    holds a block back for `patience` seconds of the wall clock; `not_awaited` names those that
    hold none back.
    """

    def __init__(
        self,
        devnet: Devnet,
        followers: Collection[Process],
        final_after: int,
        patience: float = 10.0,
    ) -> None:
        super().__init__(name="pace", daemon=True)
        self.not_awaited: set[str] = set()
        self._devnet, self._followers, self._patience = devnet, followers, patience
        self._final_after = final_after
        self._goes, self._over = threading.Event(), threading.Event()
        self._goes.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._goes.set()
        self.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the chain's clock stand still inside the `with` block, but for transactions."""
        self._goes.clear()
        try:
            yield
        finally:
            self._goes.set()

    def run(self) -> None:
        while not self._over.is_set():
            self._goes.wait()
            try:
                self.await_followers()
                if self._goes.is_set():
                    self._devnet.mine()
            except ChainError:  # the chain is being restarted
                self._over.wait(0.2)

    def await_followers(self) -> None:
        """Return once all that run, or have had the time to, stand at the newest final block."""
        block = self._devnet.block_number() - self._final_after
        deadline = time.monotonic() + self._patience
        behind = [one for one in self._followers if one.name not in self.not_awaited]
        while behind and time.monotonic() < deadline and not self._over.wait(0.1):
            behind = [
                one
                for one in behind
                if one.running is not None and (one.metric("ddlp_head_block") or 0) < block
            ]


@dataclass
class OracleNetwork:
    """`operators` operators, of whom more than half must sign, and a gateway, on `devnet`.

    `settings` are further variables, by process; `database` gives a fresh database's URL by
    process. To processes, a block counts when `confirmations` stand above it; by default when the
    chain says that it is final.
    """

    folder: Path
    devnet: Devnet
    operators: int = 4
    threshold: int = 3
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    database: Callable[[str], str] | None = None
    confirmations: int | None = None
    processes: dict[str, Process] = field(default_factory=dict)

    def set_up(self) -> None:
        """Deploy, and let every operator init and join by its own commands."""
        self.wallets = DevWallets(self.devnet.chain_id)
        never_used = [encryption_key(bytes([number + 1]) * 32) for number in range(self.operators)]
        self.deployment: Deployment = establish(
            self.devnet, never_used, self.threshold, replace(DEVNET, window_seconds=WINDOW_SECONDS)
        )
        self.deployment.save(self.folder / "deployment.json")
        passphrase = self.folder / "passphrase"
        passphrase.write_text(PASSPHRASE + "\n")
        passphrase.chmod(0o600)
        ports = iter(free_ports(2 * self.operators + 3))
        names = [f"operator{number}" for number in range(self.operators)]
        for name in ("gateway", *names):
            home = self.folder / name
            home.mkdir()
            environment = {
                "DDLP_STATE_DIR": str(home),
                "DDLP_RPC_URL": self.devnet.url,
                "DDLP_PORT": str(next(ports)),
                "DDLP_MONITOR_PORT": str(next(ports)),
                "DDLP_LOG_FORMAT": "json",
                "DDLP_STEP_SECONDS": "0.2",  # or each block would take a second
                "DDLP_PASSPHRASE_FILE": str(passphrase),
                "DDLP_CONTENT_DIR": str(self.folder / "content"),
                "DDLP_MAX_HEAD_AGE": "86400",  # the chain's clock waits for slow machines
                **self.settings.get(name, {}),
            }
            if self.confirmations is not None:
                environment["DDLP_FINALITY"] = str(self.confirmations)
            if self.database is not None:
                environment["DDLP_DATABASE_URL"] = self.database(name)
            self.processes[name] = Process(
                name,
                ("gateway" if name == "gateway" else "operator", "run"),
                environment,
                self.folder / f"{name}.log",
                int(environment["DDLP_MONITOR_PORT"]),
            )
        gateway = self.processes["gateway"].environment
        gateway |= {"DDLP_FEED_PORT": str(next(ports)), "DDLP_WEB_SECRET": "test" * 8}
        gateway["DDLP_CLAIM_BELOW"] = str(10**12)  # wei: always, on a devnet
        self.deployment.save(self.folder / "gateway" / "deployment.json")
        self._join(names)
        self.pace = Pace(self.devnet, self.processes.values(), self.confirmations or FINAL_AFTER)

    def _join(self, names: list[str]) -> None:
        peers = {"operators": {}, "gateways": {}}  # type: dict[str, dict[str, str]]
        for number, name in enumerate(names):
            account = self.wallets.operator(number)
            port = self.processes[name].environment["DDLP_PORT"]
            peers["operators"][account.address] = f"http://127.0.0.1:{port}"
        feed = self.processes["gateway"].environment["DDLP_FEED_PORT"]
        peers["gateways"][self.wallets.gateway.address] = f"http://127.0.0.1:{feed}"
        for number, name in enumerate(names):
            keyfile = self.folder / f"{name}.json"
            account = self.wallets.operator(number)
            keyfile.write_text(json.dumps(account.encrypt(PASSPHRASE, "pbkdf2", 1)))
            deployment = str(self.folder / "deployment.json")
            self.command(name, "init", "--deployment", deployment, "--keyfile", str(keyfile))
            (self.folder / name / "peers.json").write_text(json.dumps(peers))
            self.command(name, "join")

    def command(self, name: str, *arguments: str) -> str:
        """Run `ddlp operator …` as one of the operators; return what it printed."""
        environment = self.processes[name].environment
        done = CliRunner().invoke(cli, ["operator", *arguments], env=environment)
        assert done.exit_code == 0, f"{done.output} {done.exception}"
        return done.output

    def create(
        self,
        files: CampaignFiles,
        content: ContentStore,
        *,
        bond: int = 1_000 * TOKEN,
        epoch_cap: int = 1_000 * TOKEN,
    ) -> int:
        """Create a campaign that the gateway serves."""
        digest = files.publish(content)
        secrets = self.folder / "gateway" / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        files.secrets.save(secrets / f"{digest.hex()}.json")
        campaign, _ = Poster(self.devnet.w3, self.wallets.requester(), self.deployment).create(
            token=self.deployment.token,
            budget=10_000 * TOKEN,
            bond=bond,
            epoch_cap=epoch_cap,
            fee_bps=500,
            gateway=bytes.fromhex(self.wallets.gateway.address[2:]),
            manifest=digest,
        )
        self.anchor_blocks = files.manifest.anchor_blocks
        return campaign

    @contextmanager
    def started(self, *, paced: bool = True) -> Iterator[None]:
        """Run all processes inside the `with` block, and the chain's clock where it is to be
        `paced` by them; what still runs at the end is killed."""
        with self.pace if paced else nullcontext():
            yield from self._started()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let no process do anything inside the `with` block, so that what happens there happens
        between two of their moves."""
        running = [one.running for one in self.processes.values() if one.running is not None]
        for process in running:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in running:
                process.send_signal(signal.SIGCONT)

    def _started(self) -> Iterator[None]:
        try:
            for process in self.processes.values():
                process.start()
            for process in self.processes.values():
                wait_until(process.is_ready, what=f"{process.name} ready")
            yield
        finally:
            for process in self.processes.values():
                if process.running is not None:
                    process.running.kill()
                    process.running.wait()

    # -- the chain as the test sees it -------------------------------------------------------

    @property
    def reader(self) -> Web3Reader:
        return Web3Reader(self.devnet.w3, self.deployment, "latest")

    def facts(self, campaign: int) -> ChainFacts:
        return self.reader.facts(campaign, self.anchor_blocks)

    def finalized(self, campaign: int) -> list[Receipt]:
        return [
            one.receipt
            for one in self.facts(campaign).settlements
            if one.finalized_block is not None
        ]

    def close(self, campaign: int) -> None:
        Poster(self.devnet.w3, self.wallets.requester(), self.deployment).close(campaign)

    def metric(self, name: str, metric: str) -> float:
        """The sum of a process' metric over its labels, 0 where it has none yet."""
        return self.processes[name].metric(metric) or 0.0

    def filing_desks(self, campaign: int) -> dict[bytes, HttpFilingDesk]:
        """Every operator's desk for contributors, by its address."""
        desks = {}
        for number in range(self.operators):
            address = bytes.fromhex(self.wallets.operator(number).address[2:])
            port = self.processes[f"operator{number}"].environment["DDLP_PORT"]
            desks[address] = public_desk(f"http://127.0.0.1:{port}", address, campaign)
        return desks

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.processes['gateway'].environment['DDLP_PORT']}"


# -- people ----------------------------------------------------------------------------------------


class _Reply:
    def __init__(self, answer: requests.Response) -> None:
        self.status_code, self._answer = answer.status_code, answer

    def get_json(self) -> Any:
        return self._answer.json()


class Remote:
    """What `BrowserDouble` needs of an application, over a real socket."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def test_client(self) -> Remote:
        return self

    def get(self, path: str, *, base_url: str, **more: Any) -> _Reply:
        return _Reply(self._session.get(base_url + path, timeout=30, **more))

    def post(self, path: str, *, base_url: str, **more: Any) -> _Reply:
        return _Reply(self._session.post(base_url + path, timeout=30, **more))


class Person:
    """Somebody who labels at the page; keeps each submission until the gateway has acknowledged it,
    and sends the same again where it got no answer.
    """

    def __init__(
        self, origin: str, name: str, truth: Callable[[int], str], now: Callable[[], float]
    ) -> None:
        assert urlsplit(origin).port
        self._truth = truth
        self._dice = random.Random(name)
        self._origin, self._name, self._now = origin, name, now
        self._browser: BrowserDouble | None = None
        self._sequence = 0
        self._kept: dict[str, Any] | None = None
        self.acknowledged: list[bytes] = []  # entries
        self.labels = 0

    @property
    def address(self) -> bytes:
        assert self._browser is not None
        return self._browser.address

    def work(self, count: int = 10) -> int:
        """Label what the page gives; return how many labels were acknowledged. 0 where there is
        nothing, or the gateway can't be reached."""
        try:
            return self._work(count)
        except (requests.RequestException, KeyError):  # KeyError: a problem instead of an answer
            return 0

    def hold_back(self, count: int = 5) -> tuple[LogRow, Filing] | None:
        """Lease, and answer without handing in: the lease's row, and what could be filed. None
        where the page gives nothing."""
        assert self._browser is not None
        answer = self._browser.lease(count).get_json()
        if not answer.get("items"):
            return None
        lease = answer["lease"]
        data, head, signature = (
            bytes.fromhex(lease[name][2:]) for name in ("entry", "head", "signature")
        )
        self._sequence += 1
        body = self._browser.submission(
            {item["number"]: self._answer(item["number"]) for item in answer["items"]},
            self._sequence,
        )
        filing = Filing(*(bytes.fromhex(body[name][2:]) for name in ("entry", "opening")))
        return LogRow(lease["position"], data, keccak256(data), head, signature), filing

    def _work(self, count: int) -> int:
        if self._browser is None:
            browser = BrowserDouble(
                Remote(),  # type: ignore[arg-type]
                self._name,
                origin=self._origin,
                now=self._now,
            )
            if browser.sign_in().status_code >= 400 or browser.delegate().status_code >= 400:
                return 0
            self._browser = browser
        if self._kept is None:
            answer = self._browser.lease(count)
            if answer.status_code == 401:
                self._browser.sign_in()
                return 0
            items = answer.get_json().get("items", ()) if answer.status_code == 200 else ()
            if not items:
                return 0
            self._sequence += 1
            answers = {item["number"]: self._answer(item["number"]) for item in items}
            self._kept = self._browser.submission(answers, self._sequence)
        sent = self._browser.post("/api/campaigns/1/submissions", self._kept)
        if sent.status_code == 401:
            self._browser.sign_in()
            return 0
        if sent.status_code >= 500:
            return 0
        kept, self._kept = self._kept, None
        if sent.status_code != 201:
            return 0  # its lease is over
        self.acknowledged.append(bytes.fromhex(kept["entry"][2:]))
        self.labels += len(kept["answers"])
        return len(kept["answers"])

    def _answer(self, item: int) -> str:
        if self._dice.random() < 0.07:
            return str(self._dice.randrange(10))
        return self._truth(item)


def local_content(network: OracleNetwork) -> ContentStore:
    return LocalContent(network.folder / "content")
