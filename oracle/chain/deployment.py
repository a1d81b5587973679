"""Which contracts a platform consists of, what they are told, and the file that says where they
are.

The steps that deploy them are in `oracle.chain.launch`. Treasury, vault,
escrow and board know one another by immutables, so each is told the addresses that the next ones
will have (they follow from deployer and nonce); the board, deployed last, checks the wiring on
chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rlp
from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError

from oracle.chain.artifacts import CONTRACTS, load_artifact
from oracle.chain.wallets import DEV_CHAIN_IDS
from oracle.errors import ChainError
from oracle.evidence.hashing import address_word, keccak256, word
from oracle.evidence.signing import checksum

if TYPE_CHECKING:
    from web3 import Web3

VERSION = 1
DAY = 86_400


@dataclass(frozen=True)
class Parameters:
    """What the constructors and the hand-over are given. The defaults are for a real chain.

    Times are in seconds, amounts in base units, fee and the treasury's share of it in hundredths of
    a percent; `max_open` is a number of receipts. `council` (who proposes to Governance) and
    `guardian` (who may pause; empty for nobody) are addresses as text. `longest_lease_seconds` is
    known to no contract: it is the lease that `exit_seconds` reckons with.
    """

    council: str = ""
    guardian: str = ""
    delay_seconds: int = 28 * DAY
    longest_lease_seconds: int = DAY
    token_cap: int = 10**27
    compensation_seconds: int = 180 * DAY
    unbonding_seconds: int = 60 * DAY
    max_lock_seconds: int = 365 * DAY
    abandon_seconds: int = 30 * DAY
    notice_seconds: int = 7 * DAY
    lock_seconds: int = 180 * DAY
    window_seconds: int = DAY
    dispute_seconds: int = 14 * DAY
    max_pause_seconds: int = 3 * DAY
    pause_cooldown_seconds: int = 45 * DAY
    min_fee_bps: int = 100
    treasury_bps: int = 1_000
    min_operator_stake: int = 10**21
    receipt_stake: int = 10**19
    max_open: int = 100
    min_challenge_bond: int = 5 * 10**19

    @property
    def exit_seconds(self) -> int:
        """How long it takes at most to leave, from a requester's close to the final payment: leases
        end; a pause, if one just began; the final receipt's window; one dispute, and the window of
        the receipt that follows it.
        """
        return (
            self.longest_lease_seconds
            + self.max_pause_seconds
            + self.window_seconds
            + self.dispute_seconds
            + self.window_seconds
        )

    def check(self, chain_id: int) -> None:
        """Raise ChainError where a duration is below its minimum (a devnet's is one second), or
        parameters don't fit one another: the constructors would refuse most of them too.
        """
        for name, minimum in MINIMUM_SECONDS.items():
            least = 1 if chain_id in DEV_CHAIN_IDS else minimum
            if getattr(self, name) < least:
                raise ChainError(
                    f"{name} is {getattr(self, name)}: chain {chain_id} needs {least} at least"
                )
        lives = MAX_ATTEMPTS * (self.window_seconds + self.dispute_seconds)
        if self.unbonding_seconds <= lives + self.max_pause_seconds:
            raise ChainError(
                f"unbonding_seconds must exceed {lives + self.max_pause_seconds}, which is "
                f"{MAX_ATTEMPTS} times window and dispute, and a pause: stake answers for receipts"
            )
        if self.notice_seconds <= self.window_seconds:
            raise ChainError("notice_seconds must exceed window_seconds: a receipt can still come")
        if self.max_lock_seconds < self.lock_seconds:
            raise ChainError("max_lock_seconds must be lock_seconds at least")
        if self.max_lock_seconds < self.window_seconds + self.dispute_seconds:
            raise ChainError("max_lock_seconds must be window and dispute together at least")
        if self.max_pause_seconds > MAX_PAUSE_SECONDS:
            raise ChainError(f"max_pause_seconds must be {MAX_PAUSE_SECONDS} (72 hours) at most")
        if self.pause_cooldown_seconds <= (
            self.abandon_seconds + self.notice_seconds + self.window_seconds
        ):
            raise ChainError(
                "pause_cooldown_seconds must exceed abandon, notice and window together: between "
                "two pauses everybody can leave"
            )
        if self.delay_seconds <= self.exit_seconds:
            raise ChainError(
                f"delay_seconds must exceed {self.exit_seconds}, which is the longest lease, a "
                "pause, a window, a dispute and another window: who disagrees can leave first"
            )
        if not self.council:
            raise ChainError("council isn't named: give the address that governs the platform")
        if self.min_operator_stake < self.max_open * self.receipt_stake:
            raise ChainError(
                "min_operator_stake must be max_open times receipt_stake at least: it answers for "
                "all open receipts"
            )


# As the board has them.
MAX_ATTEMPTS = 3
MAX_PAUSE_SECONDS = 72 * 3_600
# Where money is real, nobody may deploy a platform whose windows are too short to look.
MINIMUM_SECONDS = {
    "delay_seconds": 7 * DAY,
    "longest_lease_seconds": 3_600,
    "compensation_seconds": 30 * DAY,
    "unbonding_seconds": 7 * DAY,
    "max_lock_seconds": 30 * DAY,
    "abandon_seconds": 7 * DAY,
    "notice_seconds": 2 * DAY,
    "lock_seconds": 30 * DAY,
    "window_seconds": 3_600,
    "dispute_seconds": 3 * DAY,
    "max_pause_seconds": 3_600,
    "pause_cooldown_seconds": 9 * DAY,
}
# Short times, so that a demonstration needn't wait.
DEVNET = Parameters(
    council="0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",  # as DevWallets has them
    guardian="0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
    delay_seconds=2_400,
    longest_lease_seconds=600,
    compensation_seconds=DAY,
    unbonding_seconds=3_600,
    max_lock_seconds=30 * DAY,
    abandon_seconds=7_200,
    notice_seconds=600,
    lock_seconds=DAY,
    window_seconds=60,
    dispute_seconds=600,
    max_pause_seconds=600,
    pause_cooldown_seconds=8_000,
    receipt_stake=10**18,
    max_open=1_000,
)


@dataclass(frozen=True)
class Deployed:
    """One contract on chain: address, block and transaction of its creation, constructor arguments
    (JSON values).
    """

    address: bytes
    block: int
    transaction: bytes
    arguments: tuple[str | int, ...]


@dataclass(frozen=True)
class Deployment:
    """A platform on one chain. `genesis` is block 0's hash: it tells two devnets apart."""

    chain_id: int
    genesis: bytes
    deployer: bytes
    parameters: Parameters
    contracts: Mapping[str, Deployed]

    @property
    def addresses(self) -> dict[str, bytes]:
        """The contracts' addresses, by name."""
        return {name: self.contracts[name].address for name in CONTRACTS}

    @property
    def token(self) -> bytes:
        """LabelToken: stakes are held in it."""
        return self.contracts["LabelToken"].address

    @property
    def governance(self) -> bytes:
        """Governance: owns the others once they are handed over."""
        return self.contracts["Governance"].address

    @property
    def treasury(self) -> bytes:
        """Treasury."""
        return self.contracts["Treasury"].address

    @property
    def token_holders(self) -> tuple[bytes, ...]:
        """The contracts that hold tokens."""
        return self.escrow, self.vault, self.board, self.treasury

    @property
    def vault(self) -> bytes:
        """StakeVault."""
        return self.contracts["StakeVault"].address

    @property
    def escrow(self) -> bytes:
        """CampaignEscrow."""
        return self.contracts["CampaignEscrow"].address

    @property
    def board(self) -> bytes:
        """ReceiptBoard."""
        return self.contracts["ReceiptBoard"].address

    @property
    def first_block(self) -> int:
        """The block that the first contract was created in."""
        return min(contract.block for contract in self.contracts.values())

    def to_json(self) -> str:
        """Return the text of `deployment.json`: sorted keys, addresses with checksum, hashes as 0x
        hex.
        """
        content = {
            "version": VERSION,
            "chainId": self.chain_id,
            "genesis": "0x" + self.genesis.hex(),
            "deployer": checksum(self.deployer),
            "parameters": asdict(self.parameters),
            "contracts": {
                name: {
                    "address": checksum(contract.address),
                    "block": contract.block,
                    "transaction": "0x" + contract.transaction.hex(),
                    "arguments": list(contract.arguments),
                }
                for name, contract in self.contracts.items()
            },
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def save(self, path: Path) -> None:
        """Write `deployment.json`, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(self.to_json(), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read `deployment.json`; ChainError where it is missing or can't be read."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                raise ChainError(
                    f"{path} has version {content['version']}, not {VERSION}: deploy again"
                )
            parameters = {
                field.name: content["parameters"][field.name] for field in fields(Parameters)
            }
            return cls(
                content["chainId"],
                bytes.fromhex(content["genesis"][2:]),
                _address(content["deployer"]),
                Parameters(**parameters),
                {
                    name: Deployed(
                        _address(content["contracts"][name]["address"]),
                        content["contracts"][name]["block"],
                        bytes.fromhex(content["contracts"][name]["transaction"][2:]),
                        tuple(content["contracts"][name]["arguments"]),
                    )
                    for name in CONTRACTS
                },
            )
        except FileNotFoundError:
            raise ChainError(f"{path} is missing: deploy first, or name another file") from None
        except (KeyError, TypeError, ValueError) as error:
            raise ChainError(f"{path} is no deployment.json ({error}): deploy again") from error


def contract_address(deployer: bytes, nonce: int) -> bytes:
    """Return the address of the contract that `deployer` creates by transaction number `nonce`."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    return keccak256(rlp.encode([deployer, number]))[12:]


def predicted_addresses(deployer: bytes, nonce: int) -> dict[str, bytes]:
    """Return the contracts' addresses, where `deployer` creates them in order from `nonce` on."""
    return {name: contract_address(deployer, nonce + step) for step, name in enumerate(CONTRACTS)}


def constructor_arguments(
    parameters: Parameters, addresses: Mapping[str, bytes]
) -> dict[str, tuple[str | int, ...]]:
    """Return each contract's constructor arguments, in the order of deployment; addresses as
    checksummed text.
    """
    at = {name: checksum(address) for name, address in addresses.items()}
    return {
        "LabelToken": (parameters.token_cap,),
        "Governance": (parameters.council,),
        "Treasury": (
            at["StakeVault"],
            at["CampaignEscrow"],
            at["ReceiptBoard"],
            parameters.compensation_seconds,
        ),
        "StakeVault": (
            at["LabelToken"],
            at["Treasury"],
            at["CampaignEscrow"],
            at["ReceiptBoard"],
            parameters.unbonding_seconds,
            parameters.max_lock_seconds,
        ),
        "CampaignEscrow": (
            at["StakeVault"],
            at["ReceiptBoard"],
            parameters.abandon_seconds,
            parameters.notice_seconds,
            parameters.lock_seconds,
            parameters.min_fee_bps,
            parameters.treasury_bps,
        ),
        "ReceiptBoard": (
            at["StakeVault"],
            at["CampaignEscrow"],
            parameters.window_seconds,
            parameters.dispute_seconds,
            parameters.max_pause_seconds,
            parameters.pause_cooldown_seconds,
            parameters.min_operator_stake,
            parameters.receipt_stake,
            parameters.max_open,
            parameters.min_challenge_bond,
        ),
    }


def expected_code(deployment: Deployment, name: str) -> bytes:
    """Return the code that the contract `name` must have on chain: the artifact's runtime and its
    immutables.

    Raises ChainError where the artifact has an immutable that no rule here names.
    """
    artifact = load_artifact(name)
    values = _immutables(deployment, name)
    tail = bytearray(sum(one.length for one in artifact.immutables))
    for one in artifact.immutables:
        short = one.name.rsplit(".", 1)[-1]
        if short not in values or len(values[short]) > one.length:
            raise ChainError(f"{name}: the immutable {one.name} is unknown to this installation")
        tail[one.offset : one.offset + len(values[short])] = values[short]
    return artifact.runtime_code + bytes(tail)


def verify_code(w3: Web3, deployment: Deployment) -> None:
    """Raise ChainError unless the chain is the deployment's and each contract's code is the
    expected one.

    The wiring is in the immutables, and they are part of the code, so this verifies it too.
    """
    from oracle.chain.rpc import request

    genesis = request(w3, "eth_getBlockByNumber", "0x0", False)["hash"]
    if genesis != "0x" + deployment.genesis.hex():
        raise ChainError(
            "the node's chain has another genesis block than the deployment's: use the other node"
        )
    for name, contract in deployment.contracts.items():
        code = request(w3, "eth_getCode", checksum(contract.address), "latest")
        if bytes.fromhex(code[2:]) != expected_code(deployment, name):
            raise ChainError(
                f"{name} at {checksum(contract.address)} has other code than this installation's"
            )


def creation_data(name: str, arguments: tuple[str | int, ...]) -> bytes:
    """Return the data of the transaction that creates the contract `name`."""
    artifact = load_artifact(name)
    try:
        return artifact.creation_code + encode(artifact.constructor_types, arguments)
    except EncodingError as error:
        raise ChainError(f"{name}: the constructor can't take {arguments}: {error}") from error


def _immutables(deployment: Deployment, name: str) -> dict[str, bytes]:
    """Return the immutables' bytes by their names in the source, modules' names left off."""
    at, parameters = deployment.addresses, deployment.parameters
    if name == "LabelToken":
        return _domain_immutables(deployment, name, "DDLP Label Token") | {
            "name": _text("DDLP Label Token"),
            "symbol": _text("DDLP"),
            "decimals": word(18),
            "cap": word(parameters.token_cap),
        }
    wiring = {
        "TOKEN": address_word(at["LabelToken"]),
        "TREASURY": address_word(at["Treasury"]),
        "VAULT": address_word(at["StakeVault"]),
        "ESCROW": address_word(at["CampaignEscrow"]),
        "BOARD": address_word(at["ReceiptBoard"]),
    }
    numbers = {
        name.upper(): word(value)
        for name, value in asdict(parameters).items()
        if isinstance(value, int)
    }
    return wiring | numbers | _domain_immutables(deployment, name, "DDLP")


def _domain_immutables(deployment: Deployment, name: str, domain_name: str) -> dict[str, bytes]:
    """Return what snekmate's eip712_domain_separator caches (EIP-712, version 1)."""
    chain_id = word(deployment.chain_id)
    contract = address_word(deployment.contracts[name].address)
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    hashed_name, hashed_version = keccak256(domain_name.encode()), keccak256(b"1")
    separator = keccak256(keccak256(kind) + hashed_name + hashed_version + chain_id + contract)
    return {
        "_CACHED_DOMAIN_SEPARATOR": separator,
        "_CACHED_CHAIN_ID": chain_id,
        "_CACHED_SELF": contract,
        "_NAME": _text(domain_name),
        "_HASHED_NAME": hashed_name,
        "_VERSION": _text("1"),
        "_HASHED_VERSION": hashed_version,
    }


def _text(value: str) -> bytes:
    """Return a Vyper string as it lies in memory: its length, then its bytes."""
    return word(len(value.encode())) + value.encode()


def _address(text: Any) -> bytes:
    value = bytes.fromhex(text[2:])
    if len(value) != 20:
        raise ValueError(f"{text} is no address")
    return value
