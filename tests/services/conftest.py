"""What the scenarios of processes share: a network, people at its page, and how each run ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
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
from tests.support.network import OracleNetwork, Person, local_content, wait_until

# Epochs of 20 s, since each scenario lives through several.
TERMS: dict[str, Any] = {
    "epochSeconds": 20,
    "leaseSeconds": 15,
    "graceSeconds": 2,
    "anchorBlocks": 2,
}


@dataclass
class Scene:
    """A campaign on a network, `people` who label for it, and what must hold at its end."""

    network: OracleNetwork
    content: ContentStore
    people: list[Person] = field(default_factory=list)
    campaign: int = 0

    def open(
        self, *, people: int, items: int = 60, gold: int = 12, terms: dict[str, Any] = TERMS
    ) -> None:
        """Create the campaign; start the processes before anybody labels."""
        files, _ = digit_campaign(
            digit_terms(**terms), items=items, gold=gold, gold_epochs=6, secret=b"\x07" * 32
        )
        self.campaign = self.network.create(files, self.content)
        truth = digit_truth()
        self.people = [
            Person(
                self.network.page,
                f"person {number}",
                lambda item: str(truth[files.order[item]]),
                self.network.devnet.timestamp,
            )
            for number in range(people)
        ]

    def label_until(
        self, holds: Callable[[], bool], seconds: float, what: str, *, each: int = 10
    ) -> None:
        """Let everybody label up to `each` items, in turns, until `holds`."""

        def label() -> bool:
            for person in self.people:
                person.work(each)
            return holds()

        wait_until(label, seconds, what=what)

    def label(self, submissions: int, *, each: int = 1) -> None:
        """Let everybody label, in turns, until so many more submissions are acknowledged."""
        wanted = self.submissions + submissions
        # On a slow machine a submission takes a tenth of a second.
        self.label_until(
            lambda: self.submissions >= wanted, 60 + submissions, f"{wanted} submissions", each=each
        )

    @property
    def submissions(self) -> int:
        """How many submissions were acknowledged."""
        return sum(len(person.acknowledged) for person in self.people)

    def wait_for_epoch(self, epoch: int) -> None:
        """Wait until the chain's clock stands in an epoch, and leases of it are given."""
        facts = self.network.facts(self.campaign)
        begins = facts.created.timestamp + (epoch - 1) * TERMS["epochSeconds"]
        wait_until(
            lambda: self.network.devnet.timestamp() >= begins + 2 * TERMS["anchorBlocks"],
            400,
            what=f"epoch {epoch}",
        )

    @property
    def finalized(self) -> list[Receipt]:
        return self.network.finalized(self.campaign)

    def finish(self, seconds: float = 240.0) -> None:
        """Close, and wait for the final receipt."""
        self.network.close(self.campaign)
        wait_until(
            lambda: any(one.final for one in self.finalized), seconds, what="the final receipt"
        )

    def wait_until_claimed(self) -> None:
        """Wait until the gateway has claimed for everybody."""
        reader = self.network.reader
        leaves = self._evidence(self.finalized[-1]).leaves
        wait_until(
            lambda: all(
                reader.claimed(self.campaign, leaf.account).cumulative == leaf.cumulative
                for leaf in leaves
            ),
            120,
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

    def audit(self, content: Path | None = None) -> Any:
        """Run `ddlp audit` on the live chain; return its report."""
        folder = self.network.folder
        arguments = ["--rpc", self.network.devnet.url, "--json", "--content"]
        arguments += [str(content or folder / "content")]
        arguments += ["--deployment", str(folder / "deployment.json")]
        done = CliRunner().invoke(cli, ["audit", *arguments])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def _evidence(self, receipt: Receipt) -> Evidence:
        return Evidence.decode(self._fetch(Link(DAG_CBOR, receipt.evidence)), self._fetch)

    def _fetch(self, link: Link) -> bytes:
        return self.content.get(link.digest, link.codec)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Devnet(tmp_path / "chain", step_seconds=1) as devnet:
        network = OracleNetwork(tmp_path, devnet)
        network.set_up()
        yield Scene(network, local_content(network))
