"""Proofs against a published block and against malformed input; real nodes' are in test_record."""

from __future__ import annotations

import pytest
import rlp
from eth_account import Account as Signer
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from oracle.chain import proofs
from oracle.errors import FormatError

EMPTY = "0x" + proofs.EMPTY_ROOT.hex()
# Ethereum's genesis block, as every client and explorer shows it.
GENESIS = {
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": EMPTY,
    "receiptsRoot": EMPTY,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}


def test_header_hash__ethereums_genesis__is_the_published_one() -> None:
    expected = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
    assert proofs.header_hash(GENESIS).hex() == expected
    assert EMPTY == "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@pytest.mark.parametrize("value", [None, 5, "12", "0xzz", "0x123"])
def test_header_hash__malformed_field__is_a_format_error(value: object) -> None:
    with pytest.raises(FormatError, match="miner"):
        proofs.header_hash({**GENESIS, "miner": value})


def test_transaction_hash__of_a_signed_transaction__is_the_signers() -> None:
    signed = Signer.from_key(b"\1" * 32).sign_transaction(
        {"nonce": 0, "gas": 21_000, "gasPrice": 1, "to": "0x" + "11" * 20, "value": 1, "chainId": 1}
    )
    assert proofs.transaction_hash(bytes(signed.raw_transaction)) == bytes(signed.hash)


def test_roots__of_nothing__are_the_empty_tries() -> None:
    assert proofs.transactions_root([]) == proofs.receipts_root([]) == proofs.EMPTY_ROOT


def test_verify__empty_trie__shows_absence() -> None:
    node = b"\x80"  # the RLP of the empty trie's only node
    assert proofs.verify_account([node], proofs.EMPTY_ROOT, bytes(20)) == proofs.ABSENT
    assert proofs.verify_storage([], proofs.EMPTY_ROOT, bytes(32)) == 0


@pytest.mark.parametrize("proof", [[], [b""], [b"\xc0"], [b"\xff" * 9], [b"\xc2\x80\x80"]])
def test_verify__proof_of_another_root__is_a_format_error(proof: list[bytes]) -> None:
    with pytest.raises(FormatError, match="doesn't lead from root"):
        proofs.verify_account(proof, b"\1" * 32, bytes(20))
    with pytest.raises(FormatError, match="doesn't lead from root"):
        proofs.verify_storage(proof, b"\1" * 32, bytes(32))


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=300))
@settings(max_examples=40)
def test_transactions_root__any_list__is_the_root_that_insertion_gives(values: list[bytes]) -> None:
    inserted = HexaryTrie({})
    for index, value in enumerate(values):
        inserted[rlp.encode(index)] = value
    assert proofs.transactions_root(values) == bytes(inserted.root_hash)
