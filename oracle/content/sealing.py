"""Sealing a submission's answers and seed to the operators, and opening them as one.

Each box is libsodium's `crypto_box_seal` (X25519, XSalsa20-Poly1305): a fresh key pair per box, so
a box says nothing about its sender. The page seals with libsodium in the browser, this file with
PyNaCl; both write the block of docs/FORMATS.md, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nacl.bindings import crypto_box_SEALBYTES
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from oracle.errors import FormatError
from oracle.evidence.campaign import SealedOpening
from oracle.evidence.codec import decode_cbor, encode_cbor


def encryption_key(private_key: bytes) -> bytes:
    """Return the 32-byte X25519 key that others seal to, for a 32-byte private key."""
    return bytes(PrivateKey(private_key).public_key)


def seal_box(plain: bytes, key: bytes) -> bytes:
    """Return libsodium's sealed box of `plain` for an X25519 key."""
    return SealedBox(PublicKey(key)).encrypt(plain)


def open_box(sealed: bytes, private_key: bytes) -> bytes:
    """Return what `seal_box` sealed, as the holder of the X25519 private key; FormatError where it
    was sealed to another.
    """
    try:
        return SealedBox(PrivateKey(private_key)).decrypt(sealed)
    except CryptoError as error:
        raise FormatError("the box was not sealed to this key") from error


def seal_opening(
    answers: Sequence[bytes],
    seed: bytes,
    keys: Sequence[bytes],
    box: Callable[[bytes, bytes], bytes] = seal_box,
) -> SealedOpening:
    """Seal canonical JSON `answers` and the 32-byte `seed` once to each distinct X25519 key.

    `box` seals (plain, key); only simulations, which must come out the same twice, name another.
    """
    plain = _plain(answers, seed)
    return SealedOpening(tuple((key, box(plain, key)) for key in sorted(set(keys))))


def _plain(answers: Sequence[bytes], seed: bytes) -> bytes:
    return encode_cbor({"answers": [answer.decode() for answer in answers], "seed": seed})


def sealed_size(answers: Sequence[bytes], seed: bytes) -> int:
    """Return how many bytes each box of an opening has: whoever holds answers and seed in plain can
    tell that nothing else was sealed."""
    return len(_plain(answers, seed)) + crypto_box_SEALBYTES


def open_sealed(block: bytes, private_key: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Return (answers, seed) of an opening block, as the holder of an X25519 private key.

    FormatError where no box is for that key, or its box holds something else: the labels behind it
    can't be opened by this operator and don't count.
    """
    private = PrivateKey(private_key)
    sealed = dict(SealedOpening.decode(block).boxes).get(bytes(private.public_key))
    if sealed is None:
        raise FormatError("the opening has no box for this operator's encryption key")
    try:
        plain = decode_cbor(SealedBox(private).decrypt(sealed))
    except CryptoError as error:
        raise FormatError("the opening's box was not sealed to this operator's key") from error
    if not isinstance(plain, dict) or set(plain) != {"answers", "seed"}:
        raise FormatError("an opening's box holds answers and seed")
    answers, seed = plain["answers"], plain["seed"]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise FormatError("an opening's answers are a list of texts")
    if not isinstance(seed, bytes) or len(seed) != 32:
        raise FormatError("an opening's seed is 32 bytes")
    return tuple(answer.encode() for answer in answers), seed
