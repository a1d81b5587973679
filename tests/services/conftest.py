"""What the scenarios of processes share: a network, people at its page, and how each run ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.bootstrap import read_campaign
from oracle.chain.devnet import Devnet
from oracle.cli import cli
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow
from oracle.evidence.results import Evidence
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.ports import ContentStore
from oracle.replay.digits import digit_campaign, digit_terms, digit_truth
from oracle.service.evidence import read_log
from oracle.store.database import open_database
from oracle.store.operators import SqlOperatorStore
from tests.support.network import (
    OracleNetwork,
    Person,
    free_ports,
    local_content,
    wait_until,
)

# Short epochs, since each scenario lives through several. The chain's clock stands a second ahead
# once everybody has seen its last block, which takes about a second.
TERMS: dict[str, Any] = {
    "epochSeconds": 16,
    "leaseSeconds": 12,
    "graceSeconds": 2,
    "anchorBlocks": 2,
}
EPOCHS = 8  # in which what is waited for must come


@dataclass
class Scene:
    """A campaign on a network, `people` who label for it, and what must hold at its end."""

    network: OracleNetwork
    content: ContentStore
    people: list[Person] = field(default_factory=list)
    campaign: int = 0
    epoch_seconds: int = 0

    def open(
        self, *, people: int, items: int = 60, gold: int = 12, terms: dict[str, Any] = TERMS
    ) -> None:
        """Create the campaign; start the processes before anybody labels."""
        files, _ = digit_campaign(
            digit_terms(**terms), items=items, gold=gold, gold_epochs=6, secret=b"\x07" * 32
        )
        truth = digit_truth()
        self.employ(
            self.network.create(files, self.content),
            people,
            terms["epochSeconds"],
            lambda item: str(truth[files.order[item]]),
        )

    def employ(
        self, campaign: int, people: int, epoch_seconds: int, truth: Callable[[int], str]
    ) -> None:
        """Take a campaign that was created, and people who know the `truth` of its items."""
        self.campaign, self.epoch_seconds = campaign, epoch_seconds
        self.people = [
            Person(self.network.page, f"person {number}", truth, self.network.devnet.timestamp)
            for number in range(people)
        ]

    def wait_until(self, holds: Callable[[], bool], what: str, *, epochs: int = EPOCHS) -> None:
        """Wait until `holds`, by the chain's clock: so many epochs at most."""
        devnet = self.network.devnet
        last = devnet.timestamp() + epochs * self.epoch_seconds

        def in_time() -> bool:
            if holds():
                return True
            assert devnet.timestamp() <= last, f"{what} didn't happen in {epochs} epochs"
            return False

        wait_until(in_time, what=what)

    def label_until(
        self, holds: Callable[[], bool], what: str, *, each: int = 10, epochs: int = EPOCHS
    ) -> None:
        """Let everybody label up to `each` items, in turns, until `holds`."""

        def label() -> bool:
            for person in self.people:
                person.work(each)
            return holds()

        self.wait_until(label, what, epochs=epochs)

    def mine_until(
        self, holds: Callable[[], bool], what: str, *, before: Callable[[], None] = lambda: None
    ) -> None:
        """While the chain's clock is held: make one block after another, `before` each of which
        something may be done, until `holds`; in the time of `EPOCHS` at most."""
        devnet = self.network.devnet
        last = devnet.timestamp() + EPOCHS * self.epoch_seconds
        while not holds():
            assert devnet.timestamp() <= last, f"{what} didn't come in {EPOCHS} epochs"
            before()
            devnet.mine()
            self.network.pace.await_followers()

    def all_at_work(self) -> None:
        """Let everybody come and label: draws begin two anchors after a delegation."""
        self.label_until(
            lambda: all(one.labels for one in self.people), "everybody at work", each=1
        )

    def label(self, submissions: int, *, each: int = 1) -> None:
        """Let everybody label, in turns, until so many more submissions are acknowledged."""
        wanted = self.submissions + submissions
        self.label_until(lambda: self.submissions >= wanted, f"{wanted} submissions", each=each)

    @property
    def submissions(self) -> int:
        """How many submissions were acknowledged."""
        return sum(len(person.acknowledged) for person in self.people)

    def leap_to_epoch_led_by(self, operator: int) -> None:
        """Set the chain's clock forward into the next epoch whose receipt an operator leads."""
        devnet, facts = self.network.devnet, self.network.facts(self.campaign)
        address = bytes.fromhex(self.network.wallets.operator(operator).address[2:])
        members = self.network.reader.operators().members
        passed = devnet.timestamp() - facts.created.timestamp
        epoch = passed // self.epoch_seconds + 2
        while members[epoch % len(members)] != address:
            epoch += 1
        with self.network.pace.held():
            devnet.increase_time((epoch - 1) * self.epoch_seconds - passed)

    def wait_for_next_epoch(self) -> None:
        """Wait until the chain's clock stands at the beginning of another epoch, where leases of it
        are given."""
        begun = self.network.facts(self.campaign).created.timestamp
        epoch = (self.network.devnet.timestamp() - begun) // self.epoch_seconds + 1
        begins = begun + epoch * self.epoch_seconds
        self.wait_until(
            lambda: self.network.devnet.timestamp() >= begins + 2 * TERMS["anchorBlocks"],
            f"epoch {epoch + 1}",
        )

    def posted_at_latest(self) -> int:
        """How many receipts the newest block knows of, final or not."""
        return len(self.network.facts(self.campaign).settlements)

    @property
    def newest_evidence(self) -> tuple[bytes, int]:
        """Digest and codec of the last finalized receipt's evidence."""
        return self.finalized[-1].evidence, DAG_CBOR

    def wait_until_followed(self, number: int) -> None:
        """Wait until an operator holds the whole log that the receipts published."""
        wait_until(
            lambda: len(self.operator_rows(number)) >= self.finalized[-1].log_position,
            what=f"operator {number} caught up",
        )

    def label_until_finalized(self, more: int) -> None:
        """Let everybody label until so many more receipts are finalized."""
        wanted = len(self.finalized) + more
        self.label_until(
            lambda: len(self.finalized) >= wanted, f"{more} more receipts", epochs=more * EPOCHS
        )

    @property
    def finalized(self) -> list[Receipt]:
        return self.network.finalized(self.campaign)

    def finish(self) -> None:
        """Close, and wait for the final receipt."""
        self.network.close(self.campaign)
        self.wait_until(lambda: any(one.final for one in self.finalized), "the final receipt")

    def wait_until_claimed(self) -> None:
        """Wait until the gateway has claimed for everybody."""
        reader = self.network.reader
        leaves = self._evidence(self.finalized[-1]).leaves
        wait_until(
            lambda: all(
                reader.claimed(self.campaign, leaf.account).cumulative == leaf.cumulative
                for leaf in leaves
            ),
            what="everybody's claim",
        )

    # -- what must hold ----------------------------------------------------------------------

    def published(self) -> tuple[list[LogRow], list[bytes]]:
        """The log that the receipts published, and the filings beside it."""
        last = self._evidence(self.finalized[-1])
        read = read_campaign(self.network.reader, self.content, self.campaign)
        filings = [
            entry
            for receipt in self.finalized
            for entry in Supplement.decode(
                self._fetch(self._evidence(receipt).supplement), self._fetch
            ).filings
        ]
        return read_log(read, last, self._fetch), filings

    def check_end(
        self, gateway_faults: frozenset[str] = frozenset(), *, may_lack: bool = False
    ) -> None:
        """The audit verifies, but for faults of the gateway that are named (some of them, with
        `may_lack`); what was acknowledged is there once; operators hold one log.
        """
        report = self.audit()
        codes = {one["code"] for one in report["findings"]}
        assert codes <= gateway_faults if may_lack else codes == gateway_faults, report["findings"]
        assert {one["severity"] for one in report["findings"]} <= {"fault"}
        rows, filings = self.published()
        places = Counter([row.data for row in rows] + filings)
        acknowledged = [entry for person in self.people for entry in person.acknowledged]
        assert acknowledged
        assert len(set(acknowledged)) == len(acknowledged)
        assert {places[entry] for entry in acknowledged} == {1}
        for number in range(self.network.operators):
            held = self.operator_rows(number)
            assert held[: len(rows)] == rows, f"operator {number} holds another log"

    def operator_rows(self, number: int) -> list[LogRow]:
        process = self.network.processes[f"operator{number}"]
        folder = Path(process.environment["DDLP_STATE_DIR"])
        url = process.environment.get("DDLP_DATABASE_URL", f"sqlite:///{folder / 'ddlp.sqlite'}")
        engine = open_database(url)
        address = bytes.fromhex(self.network.wallets.operator(number).address[2:])
        try:
            return SqlOperatorStore(engine, address, self.campaign).rows()
        finally:
            engine.dispose()

    def take_content_from(self, daemon: str) -> None:
        """Fill the folder that the audit reads with what a Kubo daemon has, or can fetch."""
        folder = self.network.folder
        car = str(folder / "campaign.car")
        source = {
            "DDLP_STATE_DIR": str(folder / "operator0"),
            "DDLP_RPC_URL": self.network.devnet.url,
            "DDLP_IPFS_URL": daemon,
            "DDLP_CONTENT_DIR": str(folder / "fetched"),
        }
        content_command(["export", str(self.campaign), "--out", car], source)
        content_command(["import", car], {"DDLP_CONTENT_DIR": str(folder / "content")})

    def audit(self) -> Any:
        """Run `ddlp audit` on the live chain; return its report."""
        folder = self.network.folder
        arguments = ["--rpc", self.network.devnet.url, "--json", "--content"]
        arguments += [str(folder / "content")]
        arguments += ["--deployment", str(folder / "deployment.json")]
        done = CliRunner().invoke(cli, ["audit", *arguments])
        assert done.stdout, f"no report: {done.output} {done.exception!r}"
        return json.loads(done.stdout)

    def _evidence(self, receipt: Receipt) -> Evidence:
        return Evidence.decode(self._fetch(Link(DAG_CBOR, receipt.evidence)), self._fetch)

    def _fetch(self, link: Link) -> bytes:
        return self.content.get(link.digest, link.codec)


@contextmanager
def staged(
    folder: Path,
    *,
    settings: Callable[[Devnet], dict[str, dict[str, str]]] = lambda devnet: {},
    database: Callable[[str], str] | None = None,
    content: ContentStore | None = None,
    confirmations: int | None = None,
    step_seconds: int = 1,
) -> Iterator[Scene]:
    """A network in `folder` on a chain of its own, which keeps its port when it is restarted.

    With `confirmations`, blocks are final 64 later, as on Ethereum, and count with so many above.
    Blocks are `step_seconds` apart: with two, whoever waits for an operator that is away waits for
    half as many of them.
    """
    (port,) = free_ports(1)
    epoch_blocks = 1 if confirmations is None else 32
    with Devnet(
        folder / "chain", port, step_seconds=step_seconds, epoch_blocks=epoch_blocks
    ) as devnet:
        network = OracleNetwork(
            folder,
            devnet,
            settings=settings(devnet),
            database=database,
            confirmations=confirmations,
        )
        network.set_up()
        yield Scene(network, content or local_content(network))


def content_command(arguments: list[str], environment: dict[str, str]) -> None:
    done = CliRunner().invoke(cli, ["content", *arguments], env=environment)
    assert done.exit_code == 0, f"{done.output} {done.exception}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as scene:
        yield scene
