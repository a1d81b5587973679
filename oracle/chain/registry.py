"""Deployments of known networks, signed by the project: which addresses are the platform's.

Bytecode shows that a contract is of this kind; whose it is no code can show. For each network
`deployments/` holds `<name>.json`, a deployment.json, and `<name>.sig`, the registrar's signature
(0x hex) of the EIP-712 struct `Registration` under the domain of that deployment's escrow.
Development chains come and go, and are in no registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.chain.deployment import Deployment
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import DDLPError, InputError
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import checksum, recover, sign
from oracle.evidence.structs import Domain, Struct

DEPLOYMENTS = Path(__file__).with_name("deployments")
# Whose signature puts a deployment into the registry; a new key needs a new release. Until the
# project's first release pins one it is nobody's: no signature recovers to the zero address.
REGISTRAR = bytes(20)


@dataclass(frozen=True)
class Registration(Struct):
    """The project says that a deployment is its own; `deployment` is the keccak-256 of the text
    that `Deployment.to_json` gives."""

    TYPE = "Registration(bytes32 deployment)"
    deployment: bytes


def registered(folder: Path = DEPLOYMENTS, registrar: bytes = REGISTRAR) -> dict[str, Deployment]:
    """Return the known networks' deployments by name.

    Raises InputError for a file that the registrar didn't sign: the installation was altered.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            deployment = Deployment.load(path)
            text = path.with_suffix(".sig").read_text(encoding="ascii")
            signer = recover(_digest(deployment), bytes.fromhex(text.strip().removeprefix("0x")))
        except (DDLPError, OSError, ValueError) as error:
            raise InputError(f"{path} is no signed deployment ({error}): install again") from error
        if signer != registrar:
            raise InputError(f"{path} is not signed by {checksum(registrar)}: install again")
        found[path.stem] = deployment
    return found


def register(
    name: str, deployment: Deployment, private_key: bytes, folder: Path = DEPLOYMENTS
) -> Path:
    """Write a network's two files, signed by the registrar's 32-byte key; return the first one's
    path.

    Raises InputError for a development chain.
    """
    if deployment.chain_id in DEV_CHAIN_IDS:
        raise InputError(f"chain {deployment.chain_id} is a development chain: register real ones")
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    signature = sign(private_key, _digest(deployment))
    path.with_suffix(".sig").write_text(f"0x{signature.hex()}\n", encoding="ascii")
    deployment.save(path)
    return path


def standing(deployment: Deployment, known: Mapping[str, Deployment]) -> str:
    """Say in words what the registry knows of a deployment."""
    if deployment.chain_id in DEV_CHAIN_IDS:
        return f"chain {deployment.chain_id} is a development chain, of which there is no registry"
    for name, one in known.items():
        if one == deployment:
            return f"the deployment is registered as {name}, signed by {checksum(REGISTRAR)}"
    other = registered_instead(deployment, known)
    if other is not None:
        return f"the deployment is NOT the registered one of its chain ({other})"
    return (
        f"no deployment on chain {deployment.chain_id} is registered: compare the addresses with "
        "ones that you trust"
    )


def registered_instead(deployment: Deployment, known: Mapping[str, Deployment]) -> str | None:
    """Name the registered deployment of the same chain, and its escrow, where it is another one."""
    if deployment in known.values():
        return None
    for name, other in known.items():
        if other.chain_id == deployment.chain_id:
            return f"{name}, escrow {checksum(other.escrow)}"
    return None


def _digest(deployment: Deployment) -> bytes:
    content = keccak256(deployment.to_json().encode())
    return Registration(content).digest(Domain(deployment.chain_id, deployment.escrow))
