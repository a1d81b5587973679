"""The committed golden vectors are what the code gives: a format that has been released doesn't
change.
"""

import json

from oracle.evidence.entries import decode_entry
from oracle.evidence.signing import checksum, recover
from tests.evidence.golden.vectors import PATH, render


def test_vectors__regenerated__equal_the_committed_file() -> None:
    assert PATH.read_text(encoding="utf-8") == render(), (
        "a hashed format has changed: if that is meant, run `python -m tests.evidence.golden`"
    )


def test_vectors__signatures__recover_to_the_named_key() -> None:
    vectors = json.loads(PATH.read_text(encoding="utf-8"))
    for case in vectors["structs"]:
        signer = recover(_bytes(case["digest"]), _bytes(case["signature"]))
        assert signer == _bytes(vectors["keys"][case["signer"]]["address"])


def test_vectors__entries__cover_every_kind() -> None:
    vectors = json.loads(PATH.read_text(encoding="utf-8"))
    assert {case["kind"] for case in vectors["entries"]} == set("1234567")
    for case in vectors["entries"]:
        assert str(decode_entry(_bytes(case["bytes"])).KIND) == case["kind"]


def test_checksum__examples_of_eip_55__are_reproduced() -> None:
    for text in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ):
        assert checksum(bytes.fromhex(text[2:])) == text


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
