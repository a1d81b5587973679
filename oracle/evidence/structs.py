"""What is signed: the EIP-712 structs of docs/FORMATS.md, section 2.

A struct's dataclass fields stand in the order of its type string; `TYPE` is that string. Field
names are Python's, types are the contract's. Source: EIP-712.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from oracle.errors import FormatError
from oracle.evidence.hashing import address_word, keccak256, word

_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True)
class Domain:
    """An EIP-712 domain of DDLP: chain id and the contract's 20-byte address."""

    chain_id: int
    contract: bytes

    @cached_property
    def separator(self) -> bytes:
        """The domain separator, 32 bytes."""
        return keccak256(
            keccak256(_DOMAIN_TYPE.encode())
            + keccak256(b"DDLP")
            + keccak256(b"1")
            + word(self.chain_id)
            + address_word(self.contract)
        )


class Struct:
    """Base of the signed structs: encodes the dataclass' fields by the types in `TYPE`."""

    TYPE: ClassVar[str]

    @property
    def struct_hash(self) -> bytes:
        """EIP-712 hashStruct, 32 bytes; FormatError where a value doesn't fit its type."""
        type_hash, members = _layout(type(self))  # type: ignore[arg-type]
        words = [encode(getattr(self, name)) for name, encode in members]
        return keccak256(type_hash + b"".join(words))

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed under `domain`."""
        return keccak256(b"\x19\x01" + domain.separator + self.struct_hash)

    def typed_data(self, domain: Domain) -> dict[str, Any]:
        """The JSON of `eth_signTypedData_v4`: integers as decimal strings, bytes as 0x hex."""
        name, members = _members(self.TYPE)
        message = {
            member: _plain(getattr(self, field.name))
            for (_, member), field in zip(members, fields(self), strict=True)  # type: ignore[arg-type]
        }
        return {
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                name: [{"name": member, "type": kind} for kind, member in members],
            },
            "primaryType": name,
            "domain": {
                "name": "DDLP",
                "version": "1",
                "chainId": domain.chain_id,
                "verifyingContract": "0x" + domain.contract.hex(),
            },
            "message": message,
        }


@dataclass(frozen=True)
class Delegation(Struct):
    """A wallet lets a session key label for it in one campaign; `consent` is the digest of the
    terms agreed to.
    """

    TYPE = (
        "Delegation(address contributor,address sessionKey,uint256 campaign,uint64 generation,"
        "uint64 validUntil,bytes32 consent)"
    )
    contributor: bytes
    session_key: bytes
    campaign: int
    generation: int
    valid_until: int
    consent: bytes


@dataclass(frozen=True)
class Submission(Struct):
    """1 to 100 committed labels and the number of the item that each is for, signed by the session
    key; `sequence` is unique per campaign and key.
    """

    TYPE = (
        "Submission(address contributor,uint256 campaign,uint64 sequence,bytes32 guideline,"
        "uint32[] items,bytes32[] labels,bytes32 opening,uint64 submittedAt)"
    )
    contributor: bytes
    campaign: int
    sequence: int
    guideline: bytes
    items: tuple[int, ...]
    labels: tuple[bytes, ...]
    opening: bytes
    submitted_at: int


@dataclass(frozen=True)
class Head(Struct):
    """The gateway's word that `entry` stands at `position` and the log's hash is `head`; two for
    one position are a fork.
    """

    TYPE = "Head(uint256 campaign,uint64 position,bytes32 entry,bytes32 head)"
    campaign: int
    position: int
    entry: bytes
    head: bytes


@dataclass(frozen=True)
class Adjudication(Struct):
    """An expert's answer to a contested item (its 32-byte id)."""

    TYPE = (
        "Adjudication(address expert,uint256 campaign,bytes32 item,bytes32 answerDigest,"
        "bytes32 reason)"
    )
    expert: bytes
    campaign: int
    item: bytes
    answer_digest: bytes
    reason: bytes


@dataclass(frozen=True)
class Appeal(Struct):
    """A contributor's objection to how label `index` of a submission (its EIP-712 digest) was
    judged.
    """

    TYPE = (
        "Appeal(address contributor,uint256 campaign,bytes32 submission,uint16 index,"
        "bytes32 reason)"
    )
    contributor: bytes
    campaign: int
    submission: bytes
    index: int
    reason: bytes


@dataclass(frozen=True)
class Confirmation(Struct):
    """An operator's word that its log has a lease at `position`, with `head` after it, and that the
    lease is backed."""

    TYPE = "Confirmation(uint256 campaign,uint64 position,bytes32 entry,bytes32 head)"
    campaign: int
    position: int
    entry: bytes
    head: bytes


@dataclass(frozen=True)
class Acknowledgement(Struct):
    """An operator's word that it holds a filing (the keccak-256 of its entry) in time for the
    receipt of `epoch`."""

    TYPE = "Acknowledgement(uint256 campaign,bytes32 entry,uint64 epoch)"
    campaign: int
    entry: bytes
    epoch: int


@dataclass(frozen=True)
class Proposal(Struct):
    """A leader's inputs for a receipt: where the log is cut, and the digest of the supplement."""

    TYPE = (
        "Proposal(uint256 campaign,uint64 epoch,uint32 attempt,uint32 round,bool final,"
        "uint64 position,bytes32 head,bytes32 supplement)"
    )
    campaign: int
    epoch: int
    attempt: int
    round: int
    final: bool
    position: int
    head: bytes
    supplement: bytes


@dataclass(frozen=True)
class Receipt(Struct):
    """The oracle's signed statement of an epoch: what is owed in all, on what evidence
    (docs/FORMATS.md, section 2).
    """

    TYPE = (
        "Receipt(uint256 campaign,uint64 epoch,uint32 attempt,bool final,bytes32 evidence,"
        "bytes32 payoutRoot,uint128 payoutTotal,uint128 feeTotal,uint128 bondCharge,"
        "bytes32 slashRoot,uint64 logPosition,bytes32 logHead,uint64 asOf,uint64 labelCount,"
        "uint64 itemCount,uint32 agreement,uint128 nextReward,uint32 nextThreshold,"
        "bytes32 previous)"
    )
    campaign: int
    epoch: int
    attempt: int
    final: bool
    evidence: bytes
    payout_root: bytes
    payout_total: int
    fee_total: int
    bond_charge: int
    slash_root: bytes
    log_position: int
    log_head: bytes
    as_of: int
    label_count: int
    item_count: int
    agreement: int
    next_reward: int
    next_threshold: int
    previous: bytes

    def as_tuple(self) -> tuple[Any, ...]:
        """The members in order, as a contract call takes them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def from_tuple(cls, values: tuple[Any, ...]) -> Receipt:
        """Undo `as_tuple`."""
        return cls(*values)


def payout_leaf(account: bytes, cumulative: int, accepted: int, submitted: int) -> bytes:
    """ABI-encode a payout leaf `(address, uint256, uint64, uint64)`."""
    return address_word(account) + word(cumulative) + word(accepted) + word(submitted)


def slash_leaf(account: bytes, cumulative: int) -> bytes:
    """ABI-encode a slash leaf `(address, uint256)`."""
    return address_word(account) + word(cumulative)


@lru_cache
def _members(type_string: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    name, body = type_string[:-1].split("(")
    members = tuple(tuple(member.split(" ")) for member in body.split(","))
    return name, members  # type: ignore[return-value]


@lru_cache
def _layout(struct: type[Struct]) -> tuple[bytes, tuple[tuple[str, Callable[[Any], bytes]], ...]]:
    """Return the type's hash, and each field's name with the encoder of its type.

    Made once a struct: a gateway hashes hundreds of submissions a second.
    """
    kinds = [kind for kind, _ in _members(struct.TYPE)[1]]
    names = [field.name for field in fields(struct)]  # type: ignore[arg-type]
    return keccak256(struct.TYPE.encode()), tuple(zip(names, map(_encoder, kinds), strict=True))


def _encoder(kind: str) -> Callable[[Any], bytes]:
    if kind == "address":
        return _address
    if kind == "bytes32":
        return _digest
    if kind.endswith("[]"):
        part = _encoder(kind.removesuffix("[]"))
        return lambda values: keccak256(b"".join(map(part, values)))
    bits = 1 if kind == "bool" else int(kind.removeprefix("uint"))

    def number(value: Any) -> bytes:
        if not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise FormatError(f"{value!r} is no {kind}")
        return word(int(value))

    return number


def _address(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != 20:
        raise FormatError("an address is 20 bytes")
    return address_word(value)


def _digest(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != 32:
        raise FormatError("a digest is 32 bytes")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, bool) else str(value)
