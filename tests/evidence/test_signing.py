"""secp256k1 signatures, against eth-account; the forms that are refused."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_keys.datatypes import Signature
from eth_utils import to_checksum_address
from hypothesis import given

from oracle.errors import SignatureError
from oracle.evidence.signing import (
    address_of,
    checksum,
    compact,
    from_compact,
    recover,
    sign,
)
from tests.evidence.strategies import addresses, damage, digests, quick, signatures, signers

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY, DIGEST = b"\1" * 32, b"\2" * 32
GOOD = sign(KEY, DIGEST)


@quick
@given(signers, digests)
def test_sign__any_digest__equals_eth_account_and_recovers(
    signer: tuple[bytes, bytes], digest: bytes
) -> None:
    key, address = signer
    signature = sign(key, digest)
    assert signature == Account.unsafe_sign_hash(digest, key).signature
    assert recover(digest, signature) == address
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2


@quick
@given(signers, digests)
def test_compact__any_signature__round_trips_and_equals_eth_keys(
    signer: tuple[bytes, bytes], digest: bytes
) -> None:
    signature = sign(signer[0], digest)
    r, vs = compact(signature)
    assert from_compact(r, vs) == signature
    theirs = Signature(signature[:64] + bytes([signature[64] - 27]))
    assert _eip_2098(theirs) == (r, vs)


@quick
@given(digests, signatures)
def test_recover__random_bytes__an_address_or_refused(digest: bytes, signature: bytes) -> None:
    try:
        assert len(recover(digest, signature)) == 20
    except SignatureError:
        return


@quick
@given(signers, digests, damage())
def test_recover__damaged__another_signer_or_refused(
    signer: tuple[bytes, bytes], digest: bytes, change: object
) -> None:
    signature = change(sign(signer[0], digest))  # type: ignore[operator]
    try:
        assert recover(digest, signature) != signer[1]
    except SignatureError:
        return


def _with_v(v: int) -> bytes:
    return GOOD[:64] + bytes([v])


def _with_s(s: int) -> bytes:
    return GOOD[:32] + s.to_bytes(32, "big") + GOOD[64:]


MALLEABLE = (
    GOOD[:32]
    + (ORDER - int.from_bytes(GOOD[32:64], "big")).to_bytes(32, "big")
    + bytes([55 - GOOD[64]])
)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GOOD[:64], id="64 bytes"),
        pytest.param(GOOD + b"\0", id="66 bytes"),
        pytest.param(_with_v(0), id="v 0"),
        pytest.param(_with_v(1), id="v 1"),
        pytest.param(_with_v(26), id="v 26"),
        pytest.param(_with_v(29), id="v 29"),
        pytest.param(_with_v(37), id="v of EIP-155"),
        pytest.param(MALLEABLE, id="s in the upper half"),
        pytest.param(_with_s(ORDER // 2 + 1), id="s just above the middle"),
        pytest.param(_with_s(ORDER), id="s the order"),
        pytest.param(_with_s(0), id="s 0"),
        pytest.param(bytes(32) + GOOD[32:], id="r 0"),
        pytest.param(ORDER.to_bytes(32, "big") + GOOD[32:], id="r the order"),
        pytest.param(b"\xff" * 32 + GOOD[32:], id="r beyond the field"),
        pytest.param(bytes(65), id="zero"),
    ],
)
def test_recover__malformed__refused(signature: bytes) -> None:
    assert recover(DIGEST, GOOD) == address_of(KEY)
    with pytest.raises(SignatureError):
        recover(DIGEST, signature)


def test_recover__upper_half__is_the_same_signature_to_others() -> None:
    assert Account._recover_hash(DIGEST, signature=MALLEABLE) == checksum(address_of(KEY))
    with pytest.raises(SignatureError, match="EIP-2"):
        recover(DIGEST, MALLEABLE)


@pytest.mark.parametrize("digest", [b"", DIGEST[:31], DIGEST + b"\0"])
def test_recover__digest_of_another_length__refused(digest: bytes) -> None:
    with pytest.raises(SignatureError):
        recover(digest, GOOD)


@pytest.mark.parametrize(
    "signature",
    [GOOD[:64], _with_v(0), _with_v(1), MALLEABLE, b""],
    ids=["64 bytes", "v 0", "v 1", "s in the upper half", "nothing"],
)
def test_compact__other_form__refused(signature: bytes) -> None:
    assert len(compact(GOOD)) == 2
    with pytest.raises(SignatureError):
        compact(signature)


@pytest.mark.parametrize(("r", "vs"), [(b"", b""), (bytes(31), bytes(32)), (bytes(32), bytes(33))])
def test_from_compact__wrong_length__refused(r: bytes, vs: bytes) -> None:
    with pytest.raises(SignatureError):
        from_compact(r, vs)


def test_from_compact__example_of_eip_2098__gives_its_signature() -> None:
    r = "68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90"
    vs = "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064"
    signature = from_compact(bytes.fromhex(r), bytes.fromhex(vs))
    assert signature.hex() == r + vs + "1b"
    r = "9328da16089fcba9bececa81663203989f2df5fe1faa6291a45381c81bd17f76"
    vs = "939c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793"
    signature = from_compact(bytes.fromhex(r), bytes.fromhex(vs))
    assert signature.hex() == r + "1" + vs[1:] + "1c"


@quick
@given(addresses)
def test_checksum__any_address__equals_eth_utils(address: bytes) -> None:
    assert checksum(address) == to_checksum_address(address)


def _eip_2098(signature: Signature) -> tuple[bytes, bytes]:
    vs = signature.v << 255 | signature.s
    return signature.r.to_bytes(32, "big"), vs.to_bytes(32, "big")
