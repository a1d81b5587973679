"""EIP-712: struct hashes and digests, against eth-account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given

from oracle.errors import FormatError
from oracle.evidence import structs
from oracle.evidence.signing import sign
from tests.evidence.golden.vectors import KEYS, build
from tests.evidence.strategies import domains, quick, signed_structs, signers

HEAD = structs.Head(1, 2, bytes(32), bytes(32))


@quick
@given(signed_structs, domains, signers)
def test_struct__any__hashes_signs_and_recovers_as_in_eth_account(
    struct: structs.Struct, domain: structs.Domain, signer: tuple[bytes, bytes]
) -> None:
    key, address = signer
    message = encode_typed_data(full_message=struct.typed_data(domain))
    assert message.header == domain.separator
    assert message.body == struct.struct_hash
    assert keccak(b"\x19\x01" + message.header + message.body) == struct.digest(domain)
    signature = sign(key, struct.digest(domain))
    assert signature == Account.sign_message(message, key).signature
    assert Account.recover_message(message, signature=signature) == (Account.from_key(key).address)
    assert bytes.fromhex(Account.from_key(key).address[2:]) == address


def test_golden_structs__each__is_signed_the_same_by_eth_account() -> None:
    names = set()
    for case in build()["structs"]:
        message = encode_typed_data(full_message=case["typedData"])
        signed = Account.sign_message(message, KEYS[case["signer"]])
        assert "0x" + signed.signature.hex().removeprefix("0x") == case["signature"]
        names.add(case["name"])
    by_people = {"Delegation", "Submission", "Head", "Adjudication", "Appeal"}
    assert names == {*by_people, "Receipt", "Confirmation", "Acknowledgement"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"campaign": -1},
        {"campaign": 2**256},
        {"campaign": "1"},
        {"campaign": None},
        {"position": 2**64},
        {"position": 1.0},
        {"entry": bytes(31)},
        {"entry": bytes(33)},
        {"entry": "00" * 32},
        {"head": None},
    ],
)
def test_struct_hash__value_that_does_not_fit__refused(wrong: dict[str, Any]) -> None:
    assert len(HEAD.struct_hash) == 32
    with pytest.raises(FormatError):
        _ = replace(HEAD, **wrong).struct_hash


def test_struct_hash__address_or_label_of_another_width__refused() -> None:
    appeal = structs.Appeal(bytes(20), 1, bytes(32), 0, bytes(32))
    submission = structs.Submission(bytes(20), 1, 2, bytes(32), (4,), (bytes(32),), bytes(32), 3)
    assert len({appeal.struct_hash, submission.struct_hash}) == 2
    for wrong in (
        replace(appeal, contributor=bytes(32)),
        replace(appeal, index=2**16),
        replace(submission, items=(2**32,)),
        replace(submission, items=(-1,)),
        replace(submission, labels=(bytes(31),)),
        replace(submission, labels=(bytes(64),)),
    ):
        with pytest.raises(FormatError):
            _ = wrong.struct_hash


def test_receipt__as_tuple__is_undone_by_from_tuple() -> None:
    receipt = structs.Receipt(*range(3), True, *range(4, 19))  # type: ignore[arg-type]
    assert structs.Receipt.from_tuple(receipt.as_tuple()) == receipt
    assert receipt.as_tuple()[:4] == (0, 1, 2, True)


def test_digest__other_chain_or_contract__differs() -> None:
    domain = structs.Domain(1, bytes(20))
    others = [structs.Domain(2, bytes(20)), structs.Domain(1, b"\1" * 20)]
    assert len({HEAD.digest(each) for each in (domain, *others)}) == 3
