"""Hypothesis strategies for everything that oracle/evidence encodes, and damage to its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from oracle.evidence import entries, structs
from oracle.evidence.campaign import SealedOpening
from oracle.evidence.codec import DAG_CBOR, RAW, Link, encode_cbor, encode_json
from oracle.evidence.hashing import keccak256
from oracle.evidence.manifest import CONSENSUS_METHODS, PPM, Manifest
from oracle.evidence.results import ContributorResult, Evidence, ItemResult, PayoutLeaf, SlashLeaf
from oracle.evidence.signing import address_of
from oracle.evidence.supplement import GoldOpening, Opening, Supplement

Strategy = st.SearchStrategy

# No deadline: two cores are shared, and a slow example is no fault of the code.
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

digests: Strategy[bytes] = st.binary(min_size=32, max_size=32)
addresses: Strategy[bytes] = st.binary(min_size=20, max_size=20)
signatures: Strategy[bytes] = st.binary(min_size=65, max_size=65)
links: Strategy[Link] = st.builds(Link, st.sampled_from((RAW, DAG_CBOR)), digests)
keys: Strategy[bytes] = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))
answers: Strategy[bytes] = st.text(max_size=8).map(encode_json)
shares: Strategy[int] = st.integers(0, PPM)


def uints(bits: int) -> Strategy[int]:
    """Unsigned integers, with the largest one often."""
    return st.integers(0, 2**bits - 1) | st.sampled_from((0, 1, 2**bits - 1))


u16, u32, u64, u128, u256 = (uints(bits) for bits in (16, 32, 64, 128, 256))

json_values: Strategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(max_size=6),
    lambda parts: (
        st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=4), parts, max_size=5)
    ),
    max_leaves=12,
)
cbor_values: Strategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.text(max_size=30)
    | st.binary(max_size=30)
    | links,
    lambda parts: (
        st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=4), parts, max_size=5)
    ),
    max_leaves=12,
)

domains = st.builds(structs.Domain, u64, addresses)
signed_structs: Strategy[structs.Struct] = st.one_of(
    st.builds(structs.Delegation, addresses, addresses, u256, u64, u64, digests),
    st.builds(
        structs.Submission,
        addresses,
        u256,
        u64,
        digests,
        st.lists(u32, max_size=4).map(tuple),
        st.lists(digests, max_size=4).map(tuple),
        digests,
        u64,
    ),
    st.builds(structs.Head, u256, u64, digests, digests),
    st.builds(structs.Adjudication, addresses, u256, digests, digests, digests),
    st.builds(structs.Appeal, addresses, u256, digests, u16, digests),
    st.builds(
        structs.Receipt,
        *(u256, u64, u32, st.booleans(), digests, digests, u128, u128, u128, digests),
        *(u64, digests, u64, u64, u64, u32, u128, u32, digests),
    ),
)


@st.composite
def submissions(draw: st.DrawFn) -> entries.Submission:
    """A submission entry of 0 to 4 labels."""
    count = draw(st.integers(0, 4))
    return entries.Submission(
        draw(addresses),
        draw(u64),
        draw(digests),
        draw(digests),
        draw(u64),
        tuple(draw(digests) for _ in range(count)),
        tuple(draw(u32) for _ in range(count)),
        draw(signatures),
    )


log_entries: Strategy[entries.Entry] = st.one_of(
    st.builds(entries.Delegation, uints(8), addresses, addresses, u64, u64, digests, signatures),
    st.builds(entries.Lease, addresses, u128, u64, st.lists(u32, max_size=5).map(tuple)),
    submissions(),
    st.builds(entries.Skip, addresses, u32, uints(8)),
    st.builds(entries.Adjudication, addresses, digests, digests, digests, signatures),
    st.builds(entries.Appeal, addresses, digests, u16, digests, signatures),
    st.builds(entries.Anchor, u64, digests),
)


@st.composite
def logs(draw: st.DrawFn) -> tuple[int, bytes, list[entries.LogRow]]:
    """A campaign, the head before, and 1 to 4 consecutive rows after it."""
    before = draw(digests)
    pairs = st.tuples(log_entries.map(entries.encode_entry), signatures)
    rows = draw(st.lists(pairs, min_size=1, max_size=4))
    first = draw(st.integers(1, 2**64 - len(rows)))
    return draw(u256), before, list(entries.chain_rows(rows, first=first, before=before))


openings = st.dictionaries(digests, st.binary(max_size=20), max_size=4).map(
    lambda boxes: SealedOpening(tuple(sorted(boxes.items())))
)
gold_batches: Strategy[list[list[bytes]]] = st.lists(st.lists(digests, max_size=3), max_size=3)


@st.composite
def supplements(draw: st.DrawFn) -> Supplement:
    """A supplement of few rows."""
    gold = draw(
        st.lists(
            st.builds(GoldOpening, u32, u32, u32, answers, digests),
            max_size=4,
            unique_by=lambda row: (row.epoch, row.index),
        )
    )
    filings = draw(st.lists(submissions().map(entries.encode_entry), max_size=3, unique=True))
    rows = draw(
        st.lists(
            st.builds(Opening, u32, u64, u16, answers, digests),
            max_size=4,
            unique_by=lambda row: (row.item, row.position, row.index),
        )
    )
    return Supplement(
        draw(u256),
        draw(u64),
        draw(st.booleans()),
        draw(digests),
        tuple(sorted(gold)),
        tuple(sorted(filings, key=keccak256)),
        tuple(sorted(rows)),
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """Evidence of few rows."""
    classes = draw(st.integers(1, 4))
    posteriors = st.lists(u32, min_size=classes, max_size=classes).map(tuple)

    def table(row: Strategy[Any], key: str) -> tuple[Any, ...]:
        rows = draw(st.lists(row, max_size=4, unique_by=lambda value: getattr(value, key)))
        return tuple(sorted(rows, key=lambda value: getattr(value, key)))

    return Evidence(
        draw(u256),
        draw(u64),
        draw(u32),
        draw(st.booleans()),
        draw(links),
        draw(st.none() | links),
        tuple(draw(st.lists(links, max_size=3))),
        draw(links),
        table(st.builds(ItemResult, u32, u32, uints(8), u32, u32, posteriors), "item"),
        table(st.builds(PayoutLeaf, addresses, u256, u64, u64), "account"),
        table(st.builds(SlashLeaf, addresses, u256), "account"),
        table(
            st.builds(
                ContributorResult,
                *(addresses, u64, u256, u64, u64, u32, u32, u32),
                *(st.booleans(), u256, u256),
            ),
            "account",
        ),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """A valid manifest."""

    def digest() -> str:
        return draw(digests).hex()

    def amount() -> str:
        return str(draw(u128))

    low, high = sorted((draw(u128), draw(u128)))
    few, many = sorted((draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    grace = draw(st.integers(0, 3600))
    return Manifest.from_document(
        {
            "version": 1,
            "title": draw(st.text(min_size=1, max_size=20)),
            "description": draw(st.text(max_size=20)),
            "task": {
                "type": "categorical",
                "classes": draw(
                    st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=5, unique=True)
                ),
                "schema": {"type": "string"},
            },
            "guidelines": digest(),
            "consent": digest(),
            "items": digest(),
            "itemCount": draw(st.integers(1, 2**32 - 1)),
            "gold": {
                "commitments": digest(),
                "count": draw(u32),
                "share": draw(shares),
                "newcomerShare": draw(shares),
                "newcomerItems": draw(u32),
            },
            "drawSeed": digest(),
            "assignment": draw(st.sampled_from(("drawn", "given"))),
            "consensus": {
                "method": draw(st.sampled_from(CONSENSUS_METHODS)),
                "version": 1,
                "redundancyMin": few,
                "redundancyMax": many,
                "threshold": draw(shares),
                "escalation": "ambiguous",
            },
            "payment": {
                "policy": "agreement",
                "version": 1,
                "base": draw(shares),
                "reward": str(draw(st.integers(low, high))),
                "rewardMin": str(low),
                "rewardMax": str(high),
                "rewardStep": draw(shares),
                "thresholdMin": draw(shares),
                "thresholdMax": draw(shares),
                "thresholdStep": draw(shares),
                "target": draw(shares),
            },
            "slashing": {"floor": draw(shares), "cap": amount()},
            "qualification": {"minimumTier": draw(u32)},
            "privacy": draw(st.sampled_from(("public", "restricted"))),
            "quotas": draw(st.dictionaries(st.text(max_size=4), shares, max_size=2)),
            "auditors": ["0x" + address.hex() for address in draw(st.lists(addresses, max_size=2))],
            "secondsPerItem": draw(st.integers(1, 600)),
            "epochSeconds": grace + draw(st.integers(1, 86_400)),
            "leaseSeconds": draw(st.integers(1, 3600)),
            "graceSeconds": grace,
            "anchorBlocks": draw(st.integers(1, 1000)),
        }
    )


signers: Strategy[tuple[bytes, bytes]] = keys.map(lambda key: (key, address_of(key)))


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A change to bytes: one flipped, inserted, dropped, a cut at the end, or bytes appended."""
    kind = draw(st.sampled_from(("flip", "insert", "drop", "cut", "append")))
    # Few bytes of a block are structure, and they stand early: aim there half of the time.
    where = draw(st.integers(0, 40) | st.integers(0, 1 << 20))
    byte = draw(st.integers(1, 255))

    def change(data: bytes) -> bytes:
        at = where % max(len(data), 1)
        if kind == "flip":
            return data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :] if data else b"\0"
        if kind == "insert":
            return data[:at] + bytes([byte]) + data[at:]
        if kind == "drop":
            return data[:at] + data[at + 1 :]
        return data[:at] if kind == "cut" else data + bytes([byte])

    return change


@st.composite
def swap(draw: st.DrawFn) -> Callable[[dict[str, Any]], bytes]:
    """A change to a decoded block: one of its fields holds something else, in canonical bytes."""
    where = draw(st.integers(0, 20))
    value = draw(cbor_values | st.integers(-1, 2) | st.just(b""))
    kind = draw(st.sampled_from(("replace", "replace", "drop", "add")))

    def change(fields: dict[str, Any]) -> bytes:
        name = sorted(fields)[where % len(fields)]
        if kind == "replace":
            return encode_cbor({**fields, name: value})
        if kind == "drop":
            return encode_cbor({key: part for key, part in fields.items() if key != name})
        return encode_cbor({**fields, name + "x": value})

    return change
