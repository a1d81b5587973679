"""The registry of known networks: only what its registrar signed, and said in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.chain.deployment import Deployment
from oracle.chain.registry import register, registered, standing
from oracle.errors import InputError
from oracle.evidence.signing import address_of, checksum
from tests.auditor.paper import honest_run

KEY = b"\7" * 32
REGISTRAR = address_of(KEY)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return replace(honest_run().deployment, chain_id=8453)


def test_registered__as_signed__is_read_back(deployment: Deployment, tmp_path: Path) -> None:
    path = register("base", deployment, KEY, tmp_path)
    known = registered(tmp_path, REGISTRAR)
    assert known == {"base": deployment}
    assert Deployment.load(path) == deployment
    assert standing(deployment, known).startswith("the deployment is registered as base")


@pytest.mark.parametrize(
    ("old", "new"), [('"chainId": 8453', '"chainId": 8454'), ('"block": 1', '"block": 2')]
)
def test_registered__deployment_altered__refused(
    deployment: Deployment, tmp_path: Path, old: str, new: str
) -> None:
    path = register("base", deployment, KEY, tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=r"is not signed by .* install again"):
        registered(tmp_path, REGISTRAR)


def test_registered__other_key_or_no_signature__refused(
    deployment: Deployment, tmp_path: Path
) -> None:
    path = register("base", deployment, b"\x08" * 32, tmp_path)
    with pytest.raises(InputError, match=f"is not signed by {checksum(REGISTRAR)}"):
        registered(tmp_path, REGISTRAR)
    path.with_suffix(".sig").write_text("0x00\n")
    with pytest.raises(InputError, match="no signed deployment"):
        registered(tmp_path, REGISTRAR)
    path.with_suffix(".sig").unlink()
    with pytest.raises(InputError, match="no signed deployment"):
        registered(tmp_path, REGISTRAR)


def test_register__development_chain__refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="development chain"):
        register("devnet", honest_run().deployment, KEY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_standing__unknown_or_another__says_so(deployment: Deployment) -> None:
    known = {"base": deployment}
    other = replace(deployment, deployer=b"\1" * 20)
    assert "NOT the registered one of its chain (base" in standing(other, known)
    assert "no deployment on chain 1 is registered" in standing(replace(other, chain_id=1), known)
    assert "development chain" in standing(replace(other, chain_id=31337), known)


def test_registered__what_ships__is_signed() -> None:
    for deployment in registered().values():
        assert deployment.chain_id not in (1337, 31337)
