"""`make demo`, whole: the report, the audit, the altered copy, gas, and the same run again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oracle.auditor import audit
from oracle.chain.wallets import DevWallets
from oracle.errors import InputError
from oracle.replay.demo import check_out, run_demo
from tests.support.simd import dispatched_features, environment_without_simd

pytestmark = pytest.mark.chain

ROOT = Path(__file__).parents[2]
# What the report must hold at least; dots mean nesting.
COUNTS = "items labels contributors epochs audit.checks"
SHARES = "accuracy.consensus accuracy.majority"
AMOUNTS = "funded paid refunded fees unclaimed slashed"
GAS = (
    "gas.total gas.create gas.post gas.finalize gas.claim_first gas.claim_repeat gas.batch_repeat "
    "gas_per_label"
)
VERDICTS = "audit.money audit.consensus audit.availability audit.verdict"
SECONDS = "audit.seconds seconds"
# The same command as `make demo`, in a process whose numpy has its SIMD kernels switched off.
WITHOUT_SIMD = """
import sys
from tests.support.simd import dispatched_features
assert dispatched_features() == [], dispatched_features()
from oracle.cli import cli
cli(["demo", "--out", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One run of the demonstration: its folder, and the report that it returned."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    return out, run_demo(out)


def value(report: Mapping[str, Any], key: str) -> Any:
    found: Any = report
    for part in key.split("."):
        found = found[part]
    return found


def roots(report: Mapping[str, Any]) -> list[str]:
    return [one["payout_root"] for one in report["receipts"]]


def test_report__every_key_that_is_promised__is_there_in_its_type(demo) -> None:
    out, report = demo
    assert json.loads((out / "report.json").read_text()) == report
    for key in COUNTS.split():
        assert isinstance(value(report, key), int), key
        assert value(report, key) > 0, key
    for key in GAS.split():
        assert value(report, key) > 20_000 or key == "gas_per_label", key
    for key in SHARES.split():
        assert 0 < value(report, key) <= 1, key
    for key in AMOUNTS.split():
        assert re.fullmatch(r"0|[1-9]\d*", value(report, key)), key
    for key in VERDICTS.split():
        assert value(report, key) == "verified", key
    for key in SECONDS.split():
        assert value(report, key) > 0, key
    assert value(report, "epochs") == 3
    assert report["contributors"] == len(report["people"])


def test_report__answers_and_pay__are_what_the_platform_is_for(demo) -> None:
    _, report = demo
    assert report["accuracy"]["consensus"] > report["accuracy"]["majority"]
    pay = {one["name"]: int(one["per_label"]) for one in report["profiles"]}
    honest = min(pay[one["name"]] for one in report["profiles"] if one["honest"])
    assert set(pay) == {"expert", "ordinary", "careless", "spammer", "colluder"}
    assert pay["spammer"] < honest
    assert pay["colluder"] < honest
    assert all(one["honest"] is False for one in report["people"] if one["slashed"] != "0")


def test_report__money__adds_up_to_the_base_unit(demo) -> None:
    _, report = demo
    amounts = {key: int(report[key]) for key in AMOUNTS.split()}
    out = ("paid", "refunded", "fees", "unclaimed")
    assert amounts["funded"] == sum(amounts[name] for name in out)
    assert report["money"]["left_over"] == "0"
    kept = amounts["fees"] - int(report["money"]["fees_withdrawn"])
    assert 0 <= kept < 3 * len(report["receipts"])  # less than a unit per member and quorum
    for column in ("paid", "slashed"):
        assert sum(int(one[column]) for one in report["people"]) == amounts[column]
        assert sum(int(one[column]) for one in report["profiles"]) == amounts[column]
    assert amounts["slashed"] > 0
    assert [int(one["payout_total"]) for one in report["receipts"]] == sorted(
        int(one["payout_total"]) for one in report["receipts"]
    )


def test_report__gas__is_within_the_limits(demo) -> None:
    _, report = demo
    gas = report["gas"]
    assert gas["create"] <= 220_000
    assert gas["post_finalize_first"] <= 270_000
    assert gas["post_finalize_later"] <= 210_000
    assert gas["claim_first"] <= 105_000
    assert gas["claim_repeat"] <= 65_000
    assert gas["batch_repeat"] <= 30_000
    assert gas["batch_accounts"] >= 5
    assert gas["total"] == sum(one["total"] for one in gas["steps"])
    assert report["gas_per_label"] == gas["total"] // report["labels"]


def test_audit__the_folder_alone__is_verified_again(demo) -> None:
    out, report = demo
    found = audit(out)
    assert found.verdict == "verified"
    assert found.checks == report["audit"]["checks"]
    assert found.last_hash == report["audit"]["last_hash"]


def test_audit__altered_copy__names_the_padded_payout(demo) -> None:
    out, report = demo
    found = audit(out / "altered")
    colluder = next(one for one in report["people"] if one["profile"] == "colluder")
    assert found.verdict == "findings"
    assert [one.code for one in found.findings] == ["PAYOUT-PADDED"]
    assert colluder["account"] in found.findings[0].place
    assert report["altered"]["code"] == "PAYOUT-PADDED"
    assert report["altered"]["place"] == found.findings[0].place


def test_folder__when_done__holds_what_others_may_see_and_no_key(demo) -> None:
    out, _ = demo
    assert sorted(path.name for path in out.iterdir()) == [
        "altered",
        "chain.jsonl",
        "content",
        "deployment.json",
        "report.html",
        "report.json",
    ]
    assert list(out.parent.iterdir()) == [out]
    secrets = [bytes(DevWallets(31337).operator(seat).key).hex() for seat in range(3)]
    for path in out.glob("*.*"):
        text = path.read_text()
        assert not any(secret in text for secret in secrets), path


def test_page__opened_anywhere__asks_for_nothing_else(demo) -> None:
    out, report = demo
    page = (out / "report.html").read_text()
    assert not re.search(r"<script|<link|<img|<iframe|@import|\bsrc=", page)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert page.count("<svg") == 5
    assert "#0" not in re.sub(r'(href|id)="#?[^"]*"|url\(#[^)]*\)', "", page.split("</style>")[-1])
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for one in report["people"]:
        assert one["name"] in page


def test_demo__same_seed_without_simd__gives_the_same_chain_and_roots(demo, tmp_path) -> None:
    out, report = demo
    if not dispatched_features():
        pytest.skip("this numpy dispatches on no CPU feature here: needs an x86-64 or ARM wheel")
    again = tmp_path / "demo"
    shutil.copytree(out, again)
    stray = again / "content" / "left-by-an-earlier-run"
    stray.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SIMD, str(again)],
        cwd=ROOT,
        env=environment_without_simd(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout
    second = json.loads((again / "report.json").read_text())
    assert roots(second) == roots(report)
    assert second["audit"]["last_hash"] == report["audit"]["last_hash"]
    assert (again / "chain.jsonl").read_bytes() == (out / "chain.jsonl").read_bytes()
    assert not stray.exists()
    blocks = [sorted(path.name for path in (one / "content").iterdir()) for one in (out, again)]
    assert blocks[0] == blocks[1]


def test_check_out__somebody_elses_folder__is_refused_and_untouched(tmp_path: Path) -> None:
    check_out(tmp_path)  # empty
    check_out(tmp_path / "missing")
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(InputError, match="name another folder"):
        run_demo(tmp_path)
    with pytest.raises(InputError, match="name a folder"):
        run_demo(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "ten years of work"
