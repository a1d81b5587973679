"""Codes, page, text, JSON and trace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.auditor import audit
from oracle.auditor.codes import CODES, Severity, page
from oracle.auditor.commands import audit as command
from oracle.auditor.report import Findings, units
from oracle.auditor.trace import trace
from oracle.chain.deployment import Deployment
from oracle.chain.record import ChainRecord
from oracle.errors import InputError
from oracle.evidence.signing import address_of, checksum
from tests.auditor.forge import in_epoch, padded
from tests.auditor.paper import NAMES, OPERATORS, PaperRun, honest_run
from tests.support.world import key_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run() -> PaperRun:
    made = honest_run()
    made.finish()
    return made


@pytest.fixture(scope="module")
def folder(run: PaperRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.write(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def cheated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return honest_run(tamper=in_epoch(2, padded)).write(tmp_path_factory.mktemp("cheated"))


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner(mix_stderr=False).invoke(command, arguments)
    return result.exit_code, result.stdout


# -- codes -------------------------------------------------------------------------------------


def test_codes__every_fault_of_the_protocol__has_an_entry() -> None:
    """Codes are looked for in the sources: no fault that `decide` can name is unknown here."""
    sources = [*(ROOT / "oracle/protocol").glob("*.py"), ROOT / "oracle/chain/record.py"]
    text = "".join(path.read_text() for path in sources)
    named = set(re.findall(r'"([A-Z][A-Z0-9]*-[A-Z0-9-]*[A-Z0-9])"', text))
    named |= set(re.findall(r'ProtocolFault\(\s*"([A-Z-]+)"', text))
    signed = {"DELEGATION-SIGNATURE", "ADJUDICATION-SIGNATURE", "APPEAL-SIGNATURE"}
    assert len(named) > 30
    assert named | signed <= set(CODES)


def test_codes__every_code_that_the_auditor_names__has_an_entry_and_is_used() -> None:
    sources = [path for path in (ROOT / "oracle").rglob("*.py") if path.name != "codes.py"]
    text = "".join(path.read_text() for path in sources)
    unused = {code for code in CODES if f'"{code}"' not in text}
    assert unused <= {"DELEGATION-SIGNATURE", "ADJUDICATION-SIGNATURE", "APPEAL-SIGNATURE"}


def test_audit_page__holds_exactly_the_registry() -> None:
    """To mend: replace the section between the markers by `oracle.auditor.codes.page()`."""
    document = (ROOT / "docs/AUDIT.md").read_text()
    held = document.split("<!-- codes -->\n")[1]
    assert held.strip() == page().strip()


def test_findings__sorted__graver_first_then_causes() -> None:
    found = Findings()
    found.add("money", "CLAIM-EXCESS", "b", "x")
    found.add("money", "OUTSIDER-SIGNATURE", "a", "x")
    found.add("availability", "BLOCK-MISSING", "a", "x")
    found.add("consensus", "DELEGATION-EXPIRED", "a", "x")
    found.add("consensus", "SUBMISSION-REPLAYED", "a", "x", Severity.FRAUD)
    assert [one.code for one in found] == [
        "OUTSIDER-SIGNATURE",
        "SUBMISSION-REPLAYED",
        "CLAIM-EXCESS",
        "DELEGATION-EXPIRED",
        "BLOCK-MISSING",
    ]


def test_findings__same_place_twice__one_stays_the_graver() -> None:
    found = Findings()
    found.add("consensus", "DELEGATION-EXPIRED", "a", "x", Severity.FRAUD)
    found.add("consensus", "DELEGATION-EXPIRED", "a", "x")
    assert [one.severity for one in found] == [Severity.FRAUD]


# -- outputs -----------------------------------------------------------------------------------


def test_command__verified__exit_0_and_three_verdicts(folder: Path) -> None:
    exit_code, text = invoke(str(folder))
    assert exit_code == 0
    for name in ("money", "consensus", "availability"):
        assert re.search(rf"verified\s+{name}", text)
    assert audit(folder).last_hash in text.replace("\n", "")


def test_command__findings__exit_1_and_named(cheated: Path) -> None:
    exit_code, text = invoke(str(cheated))
    assert exit_code == 1
    assert "PAYOUT-PADDED" in text


def test_command__json__amounts_are_texts(folder: Path) -> None:
    exit_code, text = invoke("--json", str(folder), "--campaign", "1")
    report = json.loads(text)
    assert exit_code == 0
    assert report["verdict"] == "verified"
    assert {"money", "consensus", "availability", "checks", "seconds"} <= set(report)
    assert isinstance(report["campaigns"][0]["paid"], str)
    assert report["chain"]["bound"] is False


def test_command__no_arguments__usage() -> None:
    assert invoke()[0] in (0, 2)
    assert "DIR" in invoke("--help")[1]
    assert "--trusted-hash" in invoke("--help")[1]
    assert "trace" in invoke("--help")[1]


def test_module__without_web_contracts_or_node_libraries__verifies(folder: Path) -> None:
    """The lean install has none of these; a run's folder needs not even web3."""
    banned = "flask ape boa vyper sklearn sqlalchemy nacl matplotlib waitress web3 pandas"
    code = (
        "import sys, runpy\n"
        f"sys.modules.update(dict.fromkeys({banned.split()!r}))\n"
        f"sys.argv = ['audit', {str(folder)!r}]\n"
        "runpy.run_module('oracle.auditor', run_name='__main__')\n"
    )
    command_line = [sys.executable, "-c", code]
    done = subprocess.run(command_line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_html__self_contained_and_escaped(tmp_path: Path) -> None:
    title = "<script>alert(1)</script>"
    run = honest_run(changes={"title": title}, tamper=in_epoch(2, padded))
    directory = run.write(tmp_path / "run")
    exit_code, _ = invoke(str(directory), "--html", str(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert exit_code == 1
    assert "PAYOUT-PADDED" in text
    assert title not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=", text)


def test_units__never_round() -> None:
    assert units(1_500_000_000_000_000_000) == "1.5"
    assert units(1) == "0.000000000000000001"
    assert units(10**22) == "10,000"


# -- trace -------------------------------------------------------------------------------------


def payments(folder: Path, name: str) -> list[bytes]:
    record = ChainRecord.read(folder / "chain.jsonl")
    deployment = Deployment.load(folder / "deployment.json")
    return [one.transaction for one in record.events(deployment.addresses) if one.name == name]


def test_trace__claim__down_to_its_labels(run: PaperRun, folder: Path) -> None:
    traced = trace(folder, payments(folder, "Paid")[0])

    claim = traced.claims[0]
    result = run.results[0]
    leaf = result.evidence.leaves[0]
    assert claim.account == checksum(leaf.account)
    assert claim.amount == leaf.cumulative == traced.transfers[0].amount
    assert claim.digest == "0x" + result.receipt.digest(run.facts.board_domain).hex()
    assert set(claim.signers) == {checksum(address_of(key_of(name))) for name in OPERATORS[:2]}
    own = [label for label in result.labels if label.contributor == leaf.account]
    assert [(label.item, label.position) for label in claim.labels] == sorted(
        ((label.item, label.position) for label in own), key=lambda one: (one[1], one[0])
    )
    answers = {row.item: str(row.answer) for row in result.evidence.items}
    for label in claim.labels:
        assert label.consensus == answers[label.item]
        assert label.reward == run.manifest.reward


def test_trace__refund__said_in_words(folder: Path) -> None:
    traced = trace(folder, payments(folder, "Refunded")[0])
    assert traced.claims == ()
    assert "refunded" in traced.others[0]
    assert len(traced.transfers) == 2


def test_trace__command__prints_chain_of_evidence(folder: Path) -> None:
    transaction = "0x" + payments(folder, "Paid")[len(NAMES)].hex()
    exit_code, text = invoke("trace", transaction, "--dir", str(folder))
    assert exit_code == 0
    for word in ("transfer", "claim", "receipt", "signed by", "leaf", "consensus"):
        assert word in text
    exit_code, text = invoke("trace", transaction, "--dir", str(folder), "--json")
    assert json.loads(text)["claims"][0]["labels"]


@pytest.mark.parametrize(
    ("transaction", "why"), [(b"\1" * 32, "isn't in the record"), (None, "moved no tokens")]
)
def test_trace__nothing_to_trace__says_why(
    transaction: bytes | None, why: str, folder: Path
) -> None:
    wanted = transaction or payments(folder, "ReceiptPosted")[0]
    with pytest.raises(InputError, match=why):
        trace(folder, wanted)


def test_trace__no_hash__exit_2() -> None:
    assert invoke("trace", "0x12")[0] == 2


# -- progress ----------------------------------------------------------------------------------


def test_audit__progress__every_step_once_and_forwards(folder: Path) -> None:
    told: list[tuple[str, float]] = []
    audit(folder, progress=lambda what, share: told.append((what, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1
    assert len([what for what, _ in told if what == "recomputing campaign 1"]) == 3


def test_command__no_terminal__no_bar(folder: Path) -> None:
    result = CliRunner(mix_stderr=False).invoke(command, [str(folder)])
    assert result.exit_code == 0
    assert result.stderr == ""


# -- since -------------------------------------------------------------------------------------


def test_audit__since_an_epoch__same_verdict_and_says_what_it_left_out(folder: Path) -> None:
    whole, late = audit(folder), audit(folder, since=2)
    assert late.verdict == whole.verdict == "verified"
    assert late.campaigns == whole.campaigns
    assert late.checks < whole.checks
    assert "receipts of epochs before 2 are taken as they stand" in " ".join(late.rests_on)
    assert not any("taken as they stand" in one for one in whole.rests_on)


def test_audit__fraud_before_and_after_since__only_the_later_is_named(cheated: Path) -> None:
    """The second epoch's receipt pads a leaf."""
    assert [one.code for one in audit(cheated, since=2).findings] == ["PAYOUT-PADDED"]
    late = audit(cheated, since=3)
    assert [one.code for one in late.findings] == []
