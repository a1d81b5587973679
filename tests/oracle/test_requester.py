"""A campaign's file: what is read from it, and what every slip in it is answered with."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.cli import main
from oracle.errors import InputError
from oracle.requester.plan import (
    CAMPAIGN_SCHEMA,
    TOKEN,
    ppm,
    read_plan,
    seconds,
    shown,
    tokens,
)

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples"
Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the documented example."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "campaign"))


def put(**fields: str | None) -> Change:
    """Change fields of the YAML file; None takes one out."""

    def change(folder: Path) -> None:
        path = folder / "campaign.yaml"
        lines = [
            line
            for line in path.read_text().splitlines()
            if line.split(":")[0] not in fields or line.startswith("#")
        ]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        path.write_text("\n".join(lines) + "\n")

    return change


def write(name: str, content: str | bytes) -> Change:
    """Replace one of the folder's files."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def add(name: str, content: str) -> Change:
    """Add to one of the folder's files."""
    return lambda folder: (folder / name).write_text((folder / name).read_text() + content)


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


# -- what is read ----------------------------------------------------------------------------------


def test_read_plan__the_example__is_what_it_says() -> None:
    plan = read_plan(EXAMPLE / "campaign.yaml")
    manifest = plan.files.manifest
    assert (plan.budget, plan.bond, plan.epoch_cap) == (100 * TOKEN, 40 * TOKEN, 40 * TOKEN)
    assert plan.fee_bps == 500
    assert (manifest.item_count, manifest.gold_count) == (30, 12)
    assert manifest.classes == ["pleased", "mixed", "displeased"]
    assert manifest.reward == TOKEN // 5
    assert (manifest.reward_min, manifest.reward_max) == (TOKEN // 10, TOKEN * 2 // 5)
    assert (manifest.redundancy_min, manifest.redundancy_max) == (3, 5)
    assert manifest.threshold == 970_000
    assert (manifest.epoch_seconds, manifest.lease_seconds, manifest.grace_seconds) == (
        3_600,
        900,
        60,
    )


def test_example__explains__every_field_and_no_other() -> None:
    text = (EXAMPLE / "campaign.yaml").read_text()
    explained = set(re.findall(r"^([a-z_]+):", text, re.MULTILINE))
    explained |= set(re.findall(r"\(([a-z_]+)\)", text)) & set(CAMPAIGN_SCHEMA["properties"])
    assert explained == set(CAMPAIGN_SCHEMA["properties"]) - {
        "confidence_range",
        "confidence_step",
    }


def test_read_plan__required_fields_alone__has_defaults(folder: Path) -> None:
    kept = {*CAMPAIGN_SCHEMA["required"], "classes"}
    put(**{name: None for name in CAMPAIGN_SCHEMA["properties"] if name not in kept})(folder)
    plan = read_plan(folder / "campaign.yaml")
    document = plan.files.manifest.document
    assert plan.bond == plan.epoch_cap == plan.budget == 100 * TOKEN
    assert document["gold"]["count"] == 0
    assert document["consensus"]["threshold"] == 980_000
    assert document["payment"]["rewardMin"] == document["payment"]["rewardMax"] == str(TOKEN // 5)
    assert (document["epochSeconds"], document["leaseSeconds"]) == (86_400, 3_600)
    assert document["slashing"] == {"floor": 400_000, "cap": "0"}


def test_read_plan__words_that_yaml_takes_for_others__stay_as_written(folder: Path) -> None:
    put(classes="[yes, no, 010, 1:30, 2026-01-01, null, 1.50]", gold=None)(folder)
    plan = read_plan(folder / "campaign.yaml")
    assert plan.files.manifest.classes == ["yes", "no", "010", "1:30", "2026-01-01", "null", "1.50"]


def test_read_plan__twice__is_two_campaigns() -> None:
    """Each reading draws its own secret, from which draws and gold's order come."""
    first, second = (read_plan(EXAMPLE / "campaign.yaml").files for _ in range(2))
    assert first.manifest.draw_seed != second.manifest.draw_seed
    assert first.order != second.order


# -- what can't be ---------------------------------------------------------------------------------

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ntitle: *c\n"
GOLD = '{"item": "remark-01", "answer": "pleased"}\n'
ITEM = '{"name": "remark-01", "text": "fine"}\n'

FAULTS: dict[str, tuple[Change, str]] = {
    # the YAML itself
    "no file": (lambda folder: (folder / "campaign.yaml").unlink(), "there is no such file: name"),
    "empty": (write("campaign.yaml", ""), "describes no campaign: write one field per line"),
    "a list": (write("campaign.yaml", "- title\n"), "describes no campaign: write one field per"),
    "a bomb": (write("campaign.yaml", BOMB), r"aliases \(\*name\) aren't read here: write the val"),
    "an object": (write("campaign.yaml", "!!python/object:os.system {}\n"), "missing: write them"),
    "nested": (write("campaign.yaml", "[" * 5_000), "can't be read as a campaign's YAML"),
    "two documents": (add("campaign.yaml", "---\ntitle: x\n"), "can't be read as a campaign's"),
    "2 MB": (add("campaign.yaml", "#" * 2_000_000), "over 1 MiB: shorten it"),
    "NULs": (add("campaign.yaml", "# \0\n"), "holds NUL characters: save it as UTF-8"),
    "not UTF-8": (write("campaign.yaml", b"title: \xff\n"), "is no UTF-8 text: save it as UTF-8"),
    "a key twice": (add("campaign.yaml", "reward: 3\n"), "'reward' is there twice: remove one"),
    "a key of keys": (add("campaign.yaml", "? [a, b]\n: c\n"), "is a list or map: write a word"),
    "merged": (add("campaign.yaml", "<<: {reward: 1}\n"), "'<<' is no field: the fields are title"),
    # fields
    "slip": (put(rewards="1"), "'rewards' is no field: did you mean reward"),
    "unknown": (put(colour="blue"), "'colour' is no field: the fields are title, description"),
    "missing": (put(budget=None, reward=None), "reward, budget missing: write them into it"),
    "no title": (put(title=""), "title: it is empty: write a text"),
    "title a list": (put(title="[a]"), "title: the list can't be: write a text"),
    "classes twice": (put(classes="[a, b, a]"), "classes: the list can't be: write a list of"),
    "one class": (put(classes="[a]"), "classes: .* too short: write what type categorical"),
    "classes a text": (put(classes="a, b"), "classes: 'a, b' can't be: write a list of different"),
    "empty class": (put(classes='[a, ""]'), r"classes\.1: it is empty"),
    "method": (put(method="vote"), "method: 'vote' can't be: choose auto, bayesian-dawid"),
    "labels swapped": (put(labels_per_item="[5, 3]"), "labels_per_item: 5 to 3: write the lower"),
    "labels 0": (put(labels_per_item="[0, 3]"), r"labels_per_item\.0: '0' can't be: write a whole"),
    "labels alone": (put(labels_per_item="[3]"), "labels_per_item: the list can't be: write the l"),
    "half a count": (put(newcomer_items="1.5"), "newcomer_items: '1.5' can't be: write a whole"),
    "epoch": (put(epoch="1 hour"), "epoch: '1 hour' can't be: write a duration such as 90s"),
    "epoch 0": (put(epoch="0h"), "epoch: '0h' can't be: write a duration"),
    "grace too long": (put(grace="1h"), "graceSeconds leaves no time to label"),
    "share above 1": (put(gold_share="101 %"), "gold_share: '101 %' can't be: write a percentage"),
    "share a float": (put(gold_share="0.1"), "gold_share: '0.1' can't be: write a percentage"),
    "share too fine": (put(gold_share="1.00001%"), "gold_share: '1.00001%' can't be"),
    "fee too fine": (put(fee="5.001 %"), "fee: '5.001 %' can't be: write a percentage"),
    "confidence": (put(confidence_range="[98 %, 99 %]"), "confidence_range: 98 % to 99 % doesn't"),
    # money
    "reward 0": (put(reward="0"), "reward: 0 a label out of a budget of 100: write more than 0"),
    "reward too high": (put(reward="100.01"), "reward: 100.01 a label out of a budget of 100"),
    "negative": (put(reward="-1"), "reward: '-1' can't be: write an amount of tokens such as 12.5"),
    "power of ten": (put(reward="1e1"), "reward: '1e1' can't be: write an amount"),
    "infinite": (put(budget=".inf"), "budget: '.inf' can't be: write an amount"),
    "not a number": (put(budget="NaN"), "budget: 'NaN' can't be: write an amount"),
    "too fine": (put(reward="0." + "0" * 18 + "1"), "reward: '0.0000000000000000001' can't be"),
    "too much": (put(budget="79228162515"), "budget: 79228162515 tokens are more than the escrow"),
    "digits of others": (put(reward="١"), "reward: '١' can't be: write an amount"),
    "cap 0": (put(epoch_cap="0"), "epoch_cap: 0: write at least one reward"),
    "cap above budget": (put(epoch_cap="101"), "epoch_cap: 101: write at least one reward, and at"),
    "bond": (put(bond="39.9"), r"bond: 39.9 is below epoch_cap \(40\): write at least as much"),
    "reward range": (put(reward_range="[0.3, 0.4]"), "reward_range: 0.3 to 0.4 doesn't hold where"),
    # the files it names
    "leaves": (put(items="../items.jsonl"), "items: '../items.jsonl' leaves the campaign's folder"),
    "absolute": (put(consent="/etc/hostname"), "consent: '/etc/hostname' leaves the campaign's"),
    "a link out": (
        lambda folder: (
            (folder / "out.md").symlink_to("/etc/hostname"),
            put(consent="out.md")(folder),
        ),
        "consent: 'out.md' leaves the campaign's folder: put the file beside it",
    ),
    "not there": (put(gold="golden.jsonl"), "gold: there is no file 'golden.jsonl' in .*: put it"),
    "a folder": (put(items="."), r"items: there is no file '\.'"),
    "long name": (put(items="x" * 5_000), "items: 'x{80}' can't be a file's name: name another"),
    "NUL in a name": (put(items=r'"\0"'), "items: .* can't be a file's name: name another"),
    "guidelines not UTF-8": (
        write("guidelines.md", b"\xff"),
        "guidelines.md is no UTF-8 text: save",
    ),
    "guidelines 2 MB": (write("guidelines.md", "x" * 2_000_000), "guidelines.md is over 1 MiB"),
    "consent of NULs": (write("consent.md", "\0"), "consent.md is no text, since it holds NUL"),
    # items and gold
    "no items": (write("items.jsonl", "\n"), "at least one item: add lines to the items file"),
    "items not JSON": (
        add("items.jsonl", "remark\n"),
        r"items.jsonl, line 31: not JSON: .*one JSON",
    ),
    "an item too deep": (
        add("items.jsonl", "[" * 300_000),
        "line 31: JSON nests deeper than 64 levels",
    ),
    "items twice": (add("items.jsonl", ITEM), "item 31: the name 'remark-01' is item 1's too"),
    "item's key": (add("items.jsonl", '{"nam": "a"}\n'), "line 31: unknown .*: an item has name"),
    "item's name": (add("items.jsonl", '{"name": 7}\n'), "line 31: name and text are strings"),
    "bare item": (
        add("items.jsonl", '{"name": "a"}\n'),
        "item 31 .*: give it text, media, or both",
    ),
    "half a character": (
        add("items.jsonl", '{"name": "a", "text": "\\ud800"}\n'),
        r"item 31 \('a'\): not canonical JSON",
    ),
    "gold for unknown": (
        add("gold.jsonl", '{"item": "remark-99", "answer": "pleased"}\n'),
        "gold 13: there is no item named 'remark-99': gold items stand among the items",
    ),
    "gold twice": (add("gold.jsonl", GOLD), "gold 13: item 'remark-01' has a gold answer already"),
    "gold's class": (
        add("gold.jsonl", '{"item": "remark-30", "answer": "glad"}\n'),
        'gold 13: the answer "glad" is none of the task\'s classes',
    ),
    "gold a float": (add("gold.jsonl", '{"item": "remark-30", "answer": 0.5}\n'), "gold 13: "),
    "gold's key": (
        add("gold.jsonl", '{"item": "remark-30"}\n'),
        'line 13: write {"item": name, "a',
    ),
    "gold too thin": (
        put(gold_epochs="13"),
        "12 gold items can't fill 13 epochs: add gold or name",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_read_plan__what_cannot_be__is_named_with_its_remedy_and_writes_nothing(
    folder: Path, name: str
) -> None:
    change, message = FAULTS[name]
    change(folder)
    before = listing(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_plan(folder / "campaign.yaml")
    assert len(str(caught.value)) < 1_500 + len(str(folder))
    assert "\n" not in str(caught.value)
    assert listing(folder) == before


def test_create__a_fault_in_the_file__is_one_line_and_makes_no_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(reward="0")(folder)
    state = folder.parent / "state"
    monkeypatch.setenv("DDLP_STATE_DIR", str(state))
    monkeypatch.setattr("sys.argv", ["ddlp", "campaign", "create", str(folder / "campaign.yaml")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ddlp: ")
    assert printed.err.count("\n") == 1
    assert not state.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", str(EXAMPLE / "campaign.yaml")],
        ["fund", "1", "5"],
        ["status", "1"],
        ["close", "1"],
        ["refund", "1"],
        ["export", "1", "--out", "exported"],
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("node", [None, "[]", "{}", "no json"])
def test_command__nothing_is_served__says_so_and_makes_no_state(
    arguments: list[str],
    node: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path / "state"))
    if node is not None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "node.json").write_text(node)
    before = listing(tmp_path)
    monkeypatch.setattr("sys.argv", ["ddlp", "campaign", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert re.fullmatch(r"ddlp: no chain is being served from .*: run `make serve`, .*\n", printed)
    assert listing(tmp_path) == before


def test_read_plan__a_pipe__is_refused_rather_than_waited_for(folder: Path) -> None:
    (folder / "campaign.yaml").unlink()
    os.mkfifo(folder / "campaign.yaml")
    with pytest.raises(InputError, match="there is no such file"):
        read_plan(folder / "campaign.yaml")


# -- small readers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("12.5", 12_500_000_000_000_000_000),
        ("0.000000000000000001", 1),
        ("12345678901.123456789012345678", 12_345_678_901_123_456_789_012_345_678),
        ("79228162514.264337593543950335", 2**96 - 1),
    ],
)
def test_tokens__any_amount__is_exact_and_shown_again(text: str, units: int) -> None:
    assert tokens(text, "amount") == units
    assert shown(units).replace(",", "") == text


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "-1",
            "+1",
            "1e3",
            "1_000",
            "1,5",
            ".5",
            "5.",
            " 5",
            "5\n",
            "inf",
            "NaN",
            "0x10",
            "٣",
        ],
        *["1" * 12, "0." + "1" * 19, "79228162514.264337593543950336"],
    ],
)
def test_tokens__no_exact_amount__is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^the field: .*: write"):
        tokens(text, "the field")


@pytest.mark.parametrize(
    ("units", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (TOKEN, "1"), (1_234_567 * TOKEN // 10, "123,456.7")],
)
def test_shown__base_units__are_tokens_without_a_lost_digit(units: int, text: str) -> None:
    assert shown(units) == text


@pytest.mark.parametrize(
    ("text", "share"),
    [("0%", 0), ("97.5 %", 975_000), ("0.0001%", 1), ("100 %", 1_000_000), ("5 %", 50_000)],
)
def test_ppm__percentage__is_exact(text: str, share: int) -> None:
    assert ppm(text, "share") == share


@pytest.mark.parametrize("text", ["", "5", "0.05", "100.1 %", "-1 %", "5 % ", "5 %\n", "1e1 %"])
def test_ppm__no_percentage__is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^the field: .*: write a percentage"):
        ppm(text, "the field")


@pytest.mark.parametrize(
    ("text", "length"), [("90s", 90), ("15min", 900), ("1h", 3_600), ("2d", 172_800)]
)
def test_seconds__duration__is_in_seconds(text: str, length: int) -> None:
    assert seconds(text, "epoch") == length


@pytest.mark.parametrize("text", ["", "0s", "1", "1 h", "1.5h", "h", "1m", "1h\n", "-1h"])
def test_seconds__no_duration__is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"^the field: .*: write a duration"):
        seconds(text, "the field")
