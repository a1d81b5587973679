"""`--from-source`: the verdict rests on what the contracts' source compiles to."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.auditor import audit
from oracle.auditor.commands import audit as command
from oracle.chain import compiler
from oracle.errors import InputError
from tests.auditor.paper import honest_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return honest_run().write(tmp_path_factory.mktemp("run"))


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, which is the only one to be found."""
    copy = Path(shutil.copytree(ROOT / "contracts", tmp_path / "contracts"))
    monkeypatch.setattr(compiler, "SOURCES", (copy,))
    return copy


def test_audit__from_source__verified_and_says_by_what_compiler(folder: Path) -> None:
    report = audit(folder, from_source=True)
    assert report.verdict == "verified"
    assert report.rests_on[0].endswith("compiled by vyper 0.4.3")
    assert str(ROOT / "contracts") in report.rests_on[0]


def test_audit__not_from_source__says_so(folder: Path) -> None:
    assert "ships with this installation" in audit(folder).rests_on[0]


def test_command__source_altered__exit_2_and_names_the_contract(
    folder: Path, sources: Path
) -> None:
    """One constant: here the token's symbol, it might be a limit."""
    path = sources / "LabelToken.vy"
    text = path.read_text()
    altered = text.replace('"DDLP"', '"DDLQ"')
    assert altered != text
    path.write_text(altered)
    result = CliRunner(mix_stderr=False).invoke(command, [str(folder), "--from-source"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "LabelToken.vy compiles to other bytecode" in result.stderr
    assert "install again" in result.stderr


def test_check_sources__artifact_altered__named(
    monkeypatch: pytest.MonkeyPatch, sources: Path
) -> None:
    """What ships is altered, though the source isn't: an immutable's place moved by a word."""
    read = compiler.read_artifact

    def altered(name: str) -> dict[str, object]:
        content = json.loads(json.dumps(read(name)))
        content["immutables"][0]["offset"] += 32
        return content  # type: ignore[no-any-return]

    monkeypatch.setattr(compiler, "read_artifact", altered)
    with pytest.raises(InputError, match="other immutables than"):
        compiler.check_sources(sources)


def test_check_sources__does_not_compile__says_where(sources: Path) -> None:
    (sources / "LabelToken.vy").write_text("# pragma version 0.4.3\nfoo: bar\n")
    with pytest.raises(InputError, match=r"LabelToken\.vy doesn't compile .*: install"):
        compiler.check_sources(sources)


def test_find_sources__none__says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiler, "SOURCES", (tmp_path,))
    with pytest.raises(InputError, match="check out the project's source"):
        compiler.find_sources()


def test_compile_contract__no_vyper_or_another_one__says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, sources: Path
) -> None:
    with pytest.raises(InputError, match=r"Vyper is 0\.4\.3, 0\.4\.2 is needed: install ddlp"):
        compiler.compile_contract(sources / "LabelToken.vy", "0.4.2")
    monkeypatch.setitem(sys.modules, "vyper", None)
    with pytest.raises(InputError, match=r"Vyper isn't installed .*: install ddlp\[contracts\]"):
        compiler.compile_contract(sources / "LabelToken.vy")
