"""The deployment as a whole: wiring, sizes, and the ABI that ships with the wheel."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import boa
import pytest

from oracle.chain.artifacts import CONTRACTS as NAMES
from tests.support.system import CONTRACTS, ROOT, System, load


@pytest.fixture(scope="module")
def export_abi() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_abi", ROOT / "scripts/export_abi.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled(export_abi: ModuleType) -> dict[str, Any]:
    return {name: export_abi.compile_contract(name) for name in NAMES}


@pytest.mark.bytecode
@pytest.mark.parametrize("name", NAMES)
def test_abi__file__is_what_the_source_compiles_to(
    export_abi: ModuleType, compiled: dict[str, Any], name: str
) -> None:
    path: Path = export_abi.ABI_DIRECTORY / f"{name}.json"
    assert path.read_text(encoding="utf-8") == export_abi.render(compiled[name])


@pytest.mark.bytecode
@pytest.mark.parametrize("name", NAMES)
def test_abi__runtime_and_immutables__are_what_is_deployed(
    deployed: System, compiled: dict[str, Any], name: str
) -> None:
    contract = {
        "LabelToken": deployed.token,
        "Governance": load("Governance", deployed.requester),
        "Treasury": deployed.treasury,
        "StakeVault": deployed.vault,
        "CampaignEscrow": deployed.escrow,
        "ReceiptBoard": deployed.board,
    }[name]
    code = boa.env.get_code(contract.address)
    runtime = bytes.fromhex(compiled[name]["runtimeBytecode"][2:])
    immutables = compiled[name]["immutables"]
    assert code.startswith(runtime)
    assert len(code) == len(runtime) + sum(place["length"] for place in immutables)
    assert len(code) < 24_576
    places = {place["name"]: place["offset"] for place in immutables}
    if name == "ReceiptBoard":
        start = len(runtime) + places["WINDOW_SECONDS"]
        assert int.from_bytes(code[start : start + 32], "big") == deployed.WINDOW


def test_type_strings__in_the_source__are_the_formats_own() -> None:
    formats = (ROOT / "docs" / "FORMATS.md").read_text(encoding="utf-8")
    source = (CONTRACTS / "modules" / "receipt_hash.vy").read_text(encoding="utf-8")
    line = next(line.strip() for line in formats.splitlines() if "Receipt(uint256" in line)
    assert f'"{line}"' in source
    source = (CONTRACTS / "modules" / "head_hash.vy").read_text(encoding="utf-8")
    line = next(line.strip() for line in formats.splitlines() if "Head(uint256" in line)
    assert f'"{line}"' in source


def test_deploy__wiring__is_mutual(deployed: System) -> None:
    escrow, board, vault = deployed.escrow, deployed.board, deployed.vault
    assert (escrow.vault(), escrow.board()) == (vault.address, board.address)
    assert (board.vault(), board.escrow()) == (vault.address, escrow.address)
    assert (vault.escrow(), vault.board()) == (escrow.address, board.address)
    treasury = deployed.treasury
    assert (vault.token(), vault.treasury()) == (deployed.token.address, treasury.address)
    assert (treasury.vault(), treasury.escrow()) == (vault.address, escrow.address)
    assert (treasury.board(), board.treasury()) == (board.address, treasury.address)
    durations = (
        treasury.compensation_seconds(),
        board.dispute_seconds(),
        board.max_pause_seconds(),
        board.pause_cooldown_seconds(),
        board.window_seconds(),
        escrow.abandon_seconds(),
        escrow.notice_seconds(),
        escrow.lock_seconds(),
        vault.unbonding_seconds(),
        vault.max_lock_seconds(),
    )
    assert durations == (
        deployed.COMPENSATION,
        deployed.DISPUTE,
        deployed.MAX_PAUSE,
        deployed.PAUSE_COOLDOWN,
        deployed.WINDOW,
        deployed.ABANDON,
        deployed.NOTICE,
        deployed.LOCK,
        deployed.UNBONDING,
        deployed.MAX_LOCK,
    )


def test_deploy__wired_elsewhere__is_refused(system: System) -> None:
    with boa.reverts("CampaignEscrow: vault is wired elsewhere"):
        load("CampaignEscrow", system.vault.address, system.board.address, 1, 1, 1, 0, 0)


@pytest.mark.parametrize("zero", range(4, 6))
def test_deploy__zero_duration__is_refused(system: System, zero: int) -> None:
    address = system.stranger
    arguments: list[Any] = [system.token.address, address, address, address, 1, 1]
    load("StakeVault", *arguments)
    arguments[zero] = 0
    with boa.reverts():
        load("StakeVault", *arguments)


def test_events__all__are_declared_in_the_abi(compiled: dict[str, Any]) -> None:
    names = {
        entry["name"]
        for name in NAMES
        for entry in compiled[name]["abi"]
        if entry["type"] == "event"
    }
    documented = (ROOT / "docs" / "CONTRACTS.md").read_text(encoding="utf-8")
    missing = sorted(name for name in names if f"`{name}`" not in documented)
    assert not missing, f"docs/CONTRACTS.md doesn't name {missing}"
