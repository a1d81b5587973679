"""Builds the golden vectors, from fixed values only.

Notation: bytes are lower-case 0x-hex, integers are decimal strings, names are those of
docs/FORMATS.md. Values that are JSON themselves (`typedData`, and `value` in `json` and `answers`)
stand as they are. In `cbor`, every value names its type: `{"int": "7"}`, `{"text": "…"}`,
`{"bytes": "0x…"}`, `{"link": CID}`, `{"list": […]}`, `{"map": [[key, value], …]}`, or a plain true,
false or null. The private keys are for tests alone.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from oracle.evidence import entries, structs
from oracle.evidence.campaign import SealedOpening, commit_label, label_salt
from oracle.evidence.codec import (
    DAG_CBOR,
    RAW,
    Block,
    Link,
    decode_cbor,
    encode_cbor,
    encode_json,
)
from oracle.evidence.hashing import ZERO32, MerkleTree, keccak256, sha256
from oracle.evidence.results import PayoutLeaf, SlashLeaf
from oracle.evidence.signing import address_of, compact, sign
from oracle.ports import Filing, LeaseCertificate
from oracle.transport import wire

PATH = Path(__file__).parent / "vectors.json"
U64, U128, U256 = 2**64 - 1, 2**128 - 1, 2**256 - 1
CAMPAIGN = 7
NOW = 1_760_000_000
KEYS = {
    role: keccak256(f"ddlp golden key: {role}".encode())
    for role in ("contributor", "sessionKey", "gateway", "expert", "operator")
}
ADDRESS = {role: address_of(key) for role, key in KEYS.items()}
ESCROW = structs.Domain(31337, bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"))
BOARD = structs.Domain(31337, bytes.fromhex("e7f1725e7734ce288f8367e1bb143e90bb3f0512"))


def render() -> str:
    """Return the text of vectors.json."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


def build() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "keys": {
            role: {"privateKey": _hex(key), "address": _hex(ADDRESS[role])}
            for role, key in KEYS.items()
        },
        "structs": [_struct(*case) for case in _struct_cases()],
        "entries": _log(),
        "answers": [
            _answer(value) for value in ("0", "7", "cat", 'a "b"\\\n', "Straße 猫 🐈", "é")
        ],
        "labels": [_label(index, answer) for index, answer in ((0, "7"), (1, "猫"), (99, "7"))],
        "json": [_json(value) for value in _json_values()],
        "cbor": [_cbor(value) for value in _cbor_values()],
        "cids": [
            _cid(codec, data)
            for codec, data in (
                (RAW, b""),
                (RAW, b"DDLP"),
                (RAW, bytes(range(256))),
                (DAG_CBOR, encode_cbor({})),
                (DAG_CBOR, encode_cbor({"v": 1, "kind": "x"})),
            )
        ],
        "openingTexts": [
            _opening_text([], 1),
            _opening_text(["7"], 2),
            _opening_text(["0", "9", "Straße 猫 🐈"], 3),
            _opening_text(["1"] * 100, 4),
        ],
        "openings": [_opening(1), _opening(3)],
        "desk": _desk(),
        "trees": [_payout_tree(count) for count in (0, 1, 2, 5)] + [_slash_tree(3)],
    }


def _struct_cases() -> list[tuple[str, structs.Struct, structs.Domain]]:
    contributor, session = ADDRESS["contributor"], ADDRESS["sessionKey"]
    submission = _submission(1, 3)
    final = structs.Receipt(
        CAMPAIGN,
        3,
        1,
        True,
        _b32("evidence"),
        _b32("payout root"),
        123_456_789 * 10**18,
        4_567 * 10**15,
        10**18,
        _b32("slash root"),
        4_200,
        _b32("head"),
        9_876_543,
        3_600,
        720,
        912_345,
        5 * 10**16,
        950_000,
        _b32("previous receipt"),
    )
    widest = (U256, U64, 2**32 - 1, False, b"\xff" * 32, b"\xff" * 32, U128, U128, U128)
    widest += (b"\xff" * 32, U64, b"\xff" * 32, U64, U64, U64, 2**32 - 1, U128, 2**32 - 1, ZERO32)
    return [
        (
            "contributor",
            structs.Delegation(contributor, session, CAMPAIGN, 1, NOW + 86_400, _b32("consent")),
            ESCROW,
        ),
        (
            "contributor",
            structs.Delegation(contributor, session, U256, U64, U64, b"\xff" * 32),
            structs.Domain(2**53 - 1, ESCROW.contract),
        ),
        ("sessionKey", _submission(0, 1), ESCROW),
        ("sessionKey", submission, ESCROW),
        ("sessionKey", _submission(U64, 100), ESCROW),
        ("gateway", structs.Head(CAMPAIGN, 1, _b32("entry"), _b32("head")), ESCROW),
        (
            "expert",
            structs.Adjudication(
                ADDRESS["expert"],
                CAMPAIGN,
                _b32("item"),
                sha256(encode_json("7")),
                _b32("reason"),
            ),
            ESCROW,
        ),
        (
            "contributor",
            structs.Appeal(contributor, CAMPAIGN, submission.digest(ESCROW), 2, _b32("reason")),
            ESCROW,
        ),
        ("operator", _confirmation(), BOARD),
        ("operator", structs.Acknowledgement(CAMPAIGN, _b32("entry"), 3), BOARD),
        ("operator", final, BOARD),
        ("operator", structs.Receipt(*widest), BOARD),
    ]


def _submission(sequence: int, count: int) -> structs.Submission:
    labels = tuple(
        commit_label(
            _b32(f"item {index}"),
            sha256(encode_json(str(index % 10))),
            label_salt(_b32("seed"), index),
        )
        for index in range(count)
    )
    return structs.Submission(
        ADDRESS["contributor"],
        CAMPAIGN,
        sequence,
        _b32("guideline"),
        tuple(range(2**32 - count, 2**32)),
        labels,
        _b32("opening"),
        NOW + sequence % 1_000,
    )


def _struct(signer: str, struct: structs.Struct, domain: structs.Domain) -> dict[str, Any]:
    digest = struct.digest(domain)
    signature = sign(KEYS[signer], digest)
    r, vs = compact(signature)
    return {
        "name": type(struct).__name__,
        "type": struct.TYPE,
        "fields": _named(struct),
        "domain": {
            "name": "DDLP",
            "version": "1",
            "chainId": str(domain.chain_id),
            "verifyingContract": _hex(domain.contract),
        },
        "domainSeparator": _hex(domain.separator),
        "typedData": struct.typed_data(domain),
        "structHash": _hex(struct.struct_hash),
        "digest": _hex(digest),
        "signer": signer,
        "signature": _hex(signature),
        "compact": {"r": _hex(r), "vs": _hex(vs)},
    }


def _log() -> list[dict[str, Any]]:
    contributor, session = ADDRESS["contributor"], ADDRESS["sessionKey"]
    submission = _submission(1, 3)
    delegation = structs.Delegation(
        contributor, session, CAMPAIGN, 1, NOW + 86_400, _b32("consent")
    )
    appeal = structs.Appeal(contributor, CAMPAIGN, submission.digest(ESCROW), 2, _b32("reason"))
    adjudication = structs.Adjudication(
        ADDRESS["expert"],
        CAMPAIGN,
        _b32("item"),
        sha256(encode_json("7")),
        _b32("reason"),
    )
    log: list[entries.Entry] = [
        entries.Anchor(9_876_500, _b32("block")),
        entries.Delegation(
            0,
            contributor,
            session,
            delegation.generation,
            delegation.valid_until,
            delegation.consent,
            _signed("contributor", delegation),
        ),
        entries.Delegation(1, contributor, session, 2, U64, ZERO32, entries.NO_SIGNATURE),
        entries.Lease(contributor, 5 * 10**16, NOW + 600, (0, 719, 2**32 - 1)),
        entries.Lease(contributor, U128, U64, ()),
        entries.Submission(
            contributor,
            submission.sequence,
            submission.guideline,
            submission.opening,
            submission.submitted_at,
            submission.labels,
            submission.items,
            _signed("sessionKey", submission),
        ),
        entries.Skip(contributor, 719, 3),
        entries.Adjudication(
            adjudication.expert,
            adjudication.item,
            adjudication.answer_digest,
            adjudication.reason,
            _signed("expert", adjudication),
        ),
        entries.Appeal(
            contributor,
            appeal.submission,
            appeal.index,
            appeal.reason,
            _signed("contributor", appeal),
        ),
    ]
    vectors, before = [], ZERO32
    for position, entry in enumerate(log, 1):
        data = entries.encode_entry(entry)
        entry_hash = keccak256(data)
        after = entries.next_head(before, entry_hash)
        head = structs.Head(CAMPAIGN, position, entry_hash, after)
        vectors.append(
            {
                "name": type(entry).__name__,
                "kind": str(entry.KIND),
                "fields": _named(entry),
                "bytes": _hex(data),
                "entry": _hex(entry_hash),
                "campaign": str(CAMPAIGN),
                "position": str(position),
                "previousHead": _hex(before),
                "head": _hex(after),
                "headSignature": _hex(_signed("gateway", head)),
            }
        )
        before = after
    return vectors


def _confirmation() -> structs.Confirmation:
    return structs.Confirmation(CAMPAIGN, 42, _b32("entry"), _b32("head"))


def _desk() -> list[dict[str, Any]]:
    """What a page sends to an operator (docs/FORMATS.md, section 9)."""
    logged = [bytes.fromhex(one["bytes"][2:]) for one in _log()]
    lease, submission = logged[3], logged[5]
    entry_hash, head = keccak256(lease), _b32("head")
    row = entries.LogRow(42, lease, entry_hash, head, b"\x1b" * 65)
    certificate = LeaseCertificate(row, (b"\x01" * 65, b"\x02" * 65, b"\x03" * 65))
    bodies = {
        "confirm": wire.encode_place(42, entry_hash),
        "certify": wire.encode_certificate(certificate),
        "holds": wire.encode_digests([entry_hash, keccak256(submission)]),
        "file": wire.encode_filing(Filing(submission, bytes.fromhex(_opening(1)["bytes"][2:]))),
    }
    return [{"name": name, "body": _hex(body)} for name, body in bodies.items()]


def _answer(value: str) -> dict[str, Any]:
    data = encode_json(value)
    return {
        "value": value,
        "json": data.decode(),
        "bytes": _hex(data),
        "digest": _hex(sha256(data)),
    }


def _label(index: int, answer: str) -> dict[str, Any]:
    seed, item = _b32("seed"), _b32(f"item {index}")
    salt, digest = label_salt(seed, index), sha256(encode_json(answer))
    return {
        "seed": _hex(seed),
        "index": str(index),
        "salt": _hex(salt),
        "item": _hex(item),
        "answer": answer,
        "answerDigest": _hex(digest),
        "label": _hex(commit_label(item, digest, salt)),
    }


def _json_values() -> list[Any]:
    return [
        None,
        True,
        0,
        -1,
        2**53 - 1,
        "",
        "\u20ac$\u000f\nA'B\"\\/\x7f\u2028",
        [],
        {},
        # RFC 8785 sorts keys by UTF-16 units: U+1F600 (surrogates D83D DE00) comes before U+FB33.
        {
            "\u20ac": 1,
            "\r": 2,
            "\ufb33": 3,
            "1": 4,
            "\U0001f600": 5,
            "\x80": 6,
            "\xf6": 7,
        },
        {"b": [1, {"z": None, "a": "7"}], "a": False, "aa": "", "": "empty key"},
        {
            "name": "digit 12",
            "media": {"cid": str(Block(RAW, b"png").link), "type": "image/png"},
        },
    ]


def _json(value: Any) -> dict[str, Any]:
    block = Block(RAW, encode_json(value))
    return {
        "value": value,
        "bytes": _hex(block.data),
        "digest": _hex(block.digest),
        "cid": str(block.link),
    }


def _cbor_values() -> list[Any]:
    edges = [0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, U64]
    return [
        None,
        False,
        edges,
        [-1 - value for value in edges],
        "Straße 猫 🐈",
        b"",
        bytes(range(256)),
        [b"x" * 23, b"x" * 24, "y" * 24, [0] * 24],
        # DAG-CBOR sorts keys by length first, then by bytes.
        {"seed": 1, "answers": 2, "é": 3, "z": 4, "aa": 5, "": 6},
        {
            "link": Block(RAW, b"DDLP").link,
            "links": [Block(DAG_CBOR, encode_cbor({})).link],
        },
    ]


def _cbor(value: Any) -> dict[str, Any]:
    data = encode_cbor(value)
    return {
        "value": typed(value),
        "bytes": _hex(data),
        "cid": str(Block(DAG_CBOR, data).link),
    }


def typed(value: Any) -> Any:
    """Return a DAG-CBOR value in the notation of `cbor`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bytes):
        return {"bytes": _hex(value)}
    if isinstance(value, Link):
        return {"link": str(value)}
    if isinstance(value, list):
        return {"list": [typed(part) for part in value]}
    return {"map": [[key, typed(part)] for key, part in value.items()]}


def _cid(codec: int, data: bytes) -> dict[str, Any]:
    block = Block(codec, data)
    return {
        "codec": {RAW: "raw", DAG_CBOR: "dag-cbor"}[codec],
        "bytes": _hex(data),
        "digest": _hex(block.digest),
        "cid": str(block.link),
        "binary": _hex(block.link.binary),
    }


def _opening_text(answers: list[str], number: int) -> dict[str, Any]:
    texts = [encode_json(answer).decode() for answer in answers]
    seed = _b32(f"seed {number}")
    data = encode_cbor({"answers": texts, "seed": seed})
    return {"answers": texts, "seed": _hex(seed), "bytes": _hex(data)}


def _opening(count: int) -> dict[str, Any]:
    # The boxes are stand-ins: sealing is random, so the bytes of a real box can't be golden.
    boxes = sorted(
        (_b32(f"encryption key {number}"), (f"sealed {number} " * 20).encode())
        for number in range(count)
    )
    block = SealedOpening(tuple(boxes)).block
    assert decode_cbor(block.data)["kind"] == "opening"
    return {
        "boxes": [{"encryptionKey": _hex(key), "sealed": _hex(box)} for key, box in boxes],
        "bytes": _hex(block.data),
        "digest": _hex(block.digest),
        "cid": str(block.link),
    }


def _payout_tree(count: int) -> dict[str, Any]:
    leaves = [
        PayoutLeaf(_b32(f"account {number}")[:20], number * 10**18, number * 3, number * 4)
        for number in range(count)
    ]
    return _tree("payout", leaves)


def _slash_tree(count: int) -> dict[str, Any]:
    leaves = [SlashLeaf(_b32(f"account {number}")[:20], U256 - number) for number in range(count)]
    return _tree("slash", leaves)


def _tree(kind: str, leaves: list[Any]) -> dict[str, Any]:
    tree = MerkleTree([leaf.encode() for leaf in leaves])
    return {
        "kind": kind,
        "root": _hex(tree.root),
        "leaves": [
            {
                **_named(leaf),
                "bytes": _hex(leaf.encode()),
                "proof": [_hex(node) for node in tree.proof(number)],
            }
            for number, leaf in enumerate(leaves)
        ],
    }


def _signed(role: str, struct: structs.Struct) -> bytes:
    return sign(KEYS[role], struct.digest(ESCROW))


def _b32(name: str) -> bytes:
    return sha256(f"ddlp golden {name}".encode())


def _named(value: Any) -> dict[str, Any]:
    return {_camel(field.name): _plain(getattr(value, field.name)) for field in fields(value)}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _hex(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, bool) else str(value)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
