"""secp256k1 signatures over 32-byte digests, as Ethereum writes them.

A signature is 65 bytes r‖s‖v with v 27 or 28 and s in the lower half of the order (EIP-2); the
contracts take the compact form of EIP-2098. Signing is deterministic (RFC 6979).
"""

from __future__ import annotations

from functools import lru_cache

import coincurve

from oracle.errors import SignatureError
from oracle.evidence.hashing import keccak256

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def address_of(private_key: bytes) -> bytes:
    """Return the 20-byte address of a 32-byte private key."""
    return _address(coincurve.PrivateKey(private_key).public_key)


def sign(private_key: bytes, digest: bytes) -> bytes:
    """Sign a 32-byte digest; return 65 bytes r‖s‖v."""
    signature = _key(private_key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


@lru_cache(maxsize=1 << 17)
def recover(digest: bytes, signature: bytes) -> bytes:
    """Return the 20-byte address that signed `digest`.

    Raises SignatureError for a signature that is not 65 bytes, not in the lower half, or of no key.
    Results are cached: every epoch verifies the log from its start.
    """
    _check_form(signature)
    try:
        recoverable = signature[:64] + bytes([signature[64] - 27])
        key = coincurve.PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception and ValueError
        raise SignatureError("the signature is of no key") from error
    return _address(key)


def lower_half(signature: bytes) -> bytes:
    """Return the 65-byte signature r‖s‖v of the same key and digest whose s is in the lower half of
    the order (EIP-2): of the two there are, the one that counts."""
    s = int.from_bytes(signature[32:64], "big")
    if s <= _ORDER // 2:
        return signature
    return signature[:32] + (_ORDER - s).to_bytes(32, "big") + bytes([55 - signature[64]])


def compact(signature: bytes) -> tuple[bytes, bytes]:
    """Return (r, vs) of EIP-2098, 32 bytes each; SignatureError where the form isn't ours."""
    _check_form(signature)
    s = int.from_bytes(signature[32:64], "big")
    return signature[:32], ((signature[64] - 27) << 255 | s).to_bytes(32, "big")


def from_compact(r: bytes, vs: bytes) -> bytes:
    """Return the 65-byte signature of an EIP-2098 pair; SignatureError for a wrong length."""
    if len(r) != 32 or len(vs) != 32:
        raise SignatureError("a compact signature is two words of 32 bytes (EIP-2098)")
    value = int.from_bytes(vs, "big")
    return r + (value & ((1 << 255) - 1)).to_bytes(32, "big") + bytes([27 + (value >> 255)])


def checksum(address: bytes) -> str:
    """Return the EIP-55 text of a 20-byte address."""
    text = address.hex()
    mask = keccak256(text.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) > 7 else letter
        for letter, nibble in zip(text, mask, strict=False)
    )


@lru_cache(maxsize=8)
def _key(private_key: bytes) -> coincurve.PrivateKey:
    """The key as the library holds it: making it costs twice what a signature does."""
    return coincurve.PrivateKey(private_key)


def _check_form(signature: bytes) -> None:
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise SignatureError("a signature is 65 bytes r‖s‖v with v 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _ORDER // 2:
        raise SignatureError("the signature's s is in the upper half: use the lower one (EIP-2)")


def _address(key: coincurve.PublicKey) -> bytes:
    return keccak256(key.format(compressed=False)[1:])[12:]
