"""Settings: read once, typed, and tight-lipped about secrets."""

from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.config import PREFIX, SECRETS, Settings, load_settings
from oracle.errors import ConfigError

ROOT = Path(__file__).parents[2]
KEY = "ab" * 32


def test_load_settings__empty_environment__is_local_and_keyless() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.host == "127.0.0.1"
    assert all(getattr(settings, name) is None for name in SECRETS)


def test_load_settings__every_kind_of_variable__is_parsed() -> None:
    settings = load_settings(
        {
            "DDLP_RPC_URL": "http://127.0.0.1:8545",
            "DDLP_FINALITY": "latest",
            "DDLP_PORT": "0",
            "DDLP_CONTENT_DIR": "blocks",
            "DDLP_REQUESTER_KEY": KEY.upper(),
            "DDLP_REQUESTER_KEYFILE": "requester.json",
            "DDLP_HOST": "",
            "HOME": "/nowhere",
        }
    )
    assert settings == Settings(
        rpc_url="http://127.0.0.1:8545",
        finality="latest",
        port=0,
        content_dir=Path("blocks"),
        requester_key=f"0x{KEY}",
        requester_keyfile=Path("requester.json"),
    )


def test_load_settings__state_dir_moved__takes_content_and_database_along() -> None:
    settings = load_settings({"DDLP_STATE_DIR": "/var/lib/ddlp"})
    assert settings.content_dir == Path("/var/lib/ddlp/content")
    assert settings.database_url == "sqlite:////var/lib/ddlp/ddlp.sqlite"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DDLP_PORT", "70000", r"DDLP_PORT is '70000': set it to a port from 0 to 65535"),
        ("DDLP_PORT", "80a", r"set it to a port"),
        ("DDLP_FINALITY", "safe", r"DDLP_FINALITY is 'safe': set it to latest or finalized, or a"),
        ("DDLP_FINALITY", "0", r"DDLP_FINALITY is '0': set it to latest or finalized, or a number"),
        ("DDLP_RPC_URL", "http://a, b", r"DDLP_RPC_URL is no http or ws URL"),
        ("DDLP_RPC_AGREEMENT", "0", r"DDLP_RPC_AGREEMENT is '0': set it to a whole number above 0"),
        ("DDLP_MAX_FEE_GWEI", "1.5", r"DDLP_MAX_FEE_GWEI is '1.5': set it to a whole number"),
        ("DDLP_RPC_URL", "localhost:8545", r"DDLP_RPC_URL is no http or ws URL"),
        ("DDLP_DATABASE_URL", "ddlp.sqlite", r"DDLP_DATABASE_URL is no database URL"),
        (
            "DDLP_RPC_ULR",
            "http://127.0.0.1",
            r"DDLP_RPC_ULR is no setting: did you mean DDLP_RPC_URL\?",
        ),
        ("DDLP_RATES", "EUR=0.35;USD=1", "write what a token is worth by currency"),
        ("DDLP_RATES", "EUR=0", "write what a token is worth by currency"),
        ("DDLP_CONTENT_GATEWAY", "ipfs.io", "is no address of an IPFS gateway"),
        ("DDLP_CONTENT_GATEWAY", "https://ipfs.io/ipfs/", "write scheme, host and port only"),
        ("DDLP_PAGE_URL", "label.example.org", "is no address of a page"),
        ("DDLP_PAGE_URL", "https://a.example,https://b.example/x", "write scheme, host and port"),
        ("DDLP_STEP_SECONDS", "0.05", "set it to seconds from 0.1, such as 12 or 0.5"),
        ("DDLP_STEP_SECONDS", "1e3", "set it to seconds from 0.1"),
        ("DDLP_ZZZZZZ", "1", r"DDLP_ZZZZZZ is no setting: unset it"),
        ("DDLP_REQUESTER_KEY", "xyz", r"DDLP_REQUESTER_KEY holds a malformed key"),
    ],
)
def test_load_settings__malformed_variable__names_it_and_the_remedy(
    variable: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings({variable: value})


def test_load_settings__step_seconds__may_be_a_fraction() -> None:
    assert load_settings({"DDLP_STEP_SECONDS": "0.5"}).step_seconds == 0.5
    assert load_settings({"DDLP_STEP_SECONDS": "12"}).step_seconds == 12.0


def test_load_settings__rates__are_exact_decimals() -> None:
    rates = load_settings({"DDLP_RATES": "EUR=0.35, USD=0.40"}).rates
    assert rates == {"EUR": Decimal("0.35"), "USD": Decimal("0.4")}


def test_load_settings__malformed_secret__is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"DDLP_REQUESTER_KEY": f"{KEY}deadbeef"})
    assert "DDLP_REQUESTER_KEY" in str(caught.value)
    assert "deadbeef" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_settings__secrets__stay_out_of_repr() -> None:
    settings = load_settings({PREFIX + name.upper(): KEY for name in SECRETS})
    assert all(getattr(settings, name) for name in SECRETS)
    assert KEY not in repr(settings)


def test_secret__set_and_unset__is_returned_or_its_variable_named() -> None:
    assert load_settings({"DDLP_REQUESTER_KEY": KEY}).secret("requester_key") == f"0x{KEY}"
    with pytest.raises(ConfigError, match="set DDLP_REQUESTER_KEY"):
        load_settings({}).secret("requester_key")


def test_settings__assignment__is_refused() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_operations__settings_table__lists_every_variable() -> None:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    for setting in fields(Settings):
        assert f"`{PREFIX}{setting.name.upper()}`" in text


def test_project__environment__is_read_in_config_alone() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("oracle", "webapp")
        for path in (ROOT / folder).rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in ("os.environ", "os.getenv"))
    ]
    assert readers == ["oracle/config.py"]
