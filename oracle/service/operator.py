"""An operator's keys, as one process holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle.evidence.signing import address_of, sign
from oracle.service.follower import Unseal


@dataclass(frozen=True, repr=False)
class Operator:
    """`sign` signs 32-byte digests as `address`, which the ReceiptBoard lists; `unseal` opens an
    opening block that was sealed to this operator."""

    address: bytes
    sign: Callable[[bytes], bytes]
    unseal: Unseal

    @classmethod
    def of_key(cls, private_key: bytes, unseal: Unseal) -> Operator:
        """An operator whose 32-byte key this process has."""
        return cls(address_of(private_key), lambda digest: sign(private_key, digest), unseal)
