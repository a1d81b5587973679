"""The documents: links lead somewhere, named tests and commands exist, decisions are whole."""

import re
from dataclasses import fields
from pathlib import Path

import click.testing
import pytest
import yaml

from oracle.cli import COMMANDS, cli
from oracle.config import PREFIX, Settings
from oracle.requester.commands import campaign
from oracle.requester.plan import read_plan

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page__every_relative_link__leads_to_a_file(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    near = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    missing = [link for link in near if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page__every_test_and_path_it_names__exists(page: Path) -> None:
    code = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    known = {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
    named = {one for one in code if re.fullmatch(r"test_\w+__\w+", one)}
    assert named <= known
    paths = [
        one for one in code if re.fullmatch(r"(oracle|tests|docs|contracts|webapp)/[\w./-]+", one)
    ]
    assert [one for one in paths if not (ROOT / one).exists()] == []


def test_threats__every_actor__has_defences_tests_and_residual_risks() -> None:
    text = (ROOT / "docs" / "THREATS.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.M)[1:]
    actors = [part.splitlines()[0] for part in parts]
    assert actors == [
        *("Contributor", "Requester", "Gateway", "Operator quorum", "Challenger", "Arbitrator"),
        *("Governance, guardian, deployer", "Relayer", "Auditor", "Outsider"),
    ]
    for part in parts:
        assert "\n*Residual.* " in part
        for row in re.findall(r"^\| (?!---).*\|$", part, flags=re.M):
            shown_by = row.split("|")[-2]
            assert shown_by == " shown by " or "`" in shown_by, f"no test shows: {row}"


def test_spec__every_section_after_the_first_words__says_what_is_built_and_what_is_planned() -> (
    None
):
    text = (ROOT / "docs" / "SPEC.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.M)[1:]
    assert len(parts) == 10
    for part in parts:
        assert "**Built**: " in part, part.splitlines()[0]
        assert "**Planned**: " in part, part.splitlines()[0]


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_decision__any__has_context_decision_and_consequences(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, flags=re.M) == ["Context", "Decision", "Consequences"]
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.M))


def test_decisions__numbers__have_no_gap_and_no_double() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_readme__commands__are_those_of_help() -> None:
    assert set(re.findall(r"\bddlp ([a-z]+)", README)) == set(COMMANDS)
    named = set(re.findall(r"\bddlp campaign ([a-z]+)", README))
    assert named == set(campaign.commands)
    listed = re.search(r"^\| `ddlp campaign` \| (.*) \|$", README, flags=re.M)
    assert listed is not None
    assert set(re.findall(r"`([a-z]+)`", listed[1])) == set(campaign.commands)


def test_help__every_command__is_listed_and_says_what_it_does() -> None:
    shown = click.testing.CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    commands = re.findall(r"^  ([a-z]+) +\S.*\.$", shown.output.split("Commands:")[1], flags=re.M)
    assert commands == sorted(COMMANDS)


def test_readme__example__is_a_campaign_that_can_be_created() -> None:
    found = re.search(r"ddlp campaign create (\S+)", README)
    assert found is not None
    plan = read_plan(ROOT / found[1])
    title = yaml.safe_load((ROOT / found[1]).read_text(encoding="utf-8"))["title"]
    assert plan.files.manifest.document["title"] == title


def test_changelog__unreleased__comes_first_and_has_entries() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.split(r"^## ", text, flags=re.M)[1]
    assert first.startswith("[Unreleased]\n")
    assert re.search(r"^### Added\n\n- \S", first, flags=re.M)


def test_examples__units_and_compose_file__name_commands_and_settings_that_exist() -> None:
    folder = ROOT / "docs" / "examples"
    compose = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"].values()
    commands = [one["command"] for one in services if "command" in one]
    units = [path.read_text(encoding="utf-8") for path in (folder / "systemd").iterdir()]
    for unit in units:
        commands += [line.split() for line in re.findall(r"^ExecStart=(.*)$", unit, flags=re.M)]
    assert len(commands) == 4
    runner = click.testing.CliRunner()
    for program, *words in commands:
        assert Path(program).name == "ddlp"
        result = runner.invoke(cli, [*words, "--help"])
        assert result.exit_code == 0
        assert " ".join(words) in result.output
    given = {name for one in services for name in one.get("environment", {})}
    given |= {name for unit in units for name in re.findall(r"DDLP_\w+", unit)}
    known = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
    assert {name for name in given if name.startswith(PREFIX)} <= known
