"""The campaign of the demonstration and of `ddlp serve`: scikit-learn's handwritten digits.

Real scans with their truth (Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits,
1998, doi:10.24432/C50P49), shipped with scikit-learn, 8 × 8 pixels of 17 shades.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from oracle.consensus.fixed import Int64
from oracle.errors import ConfigError
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, ItemMedia, build_campaign

TOKEN = 10**18
SCALE = 16  # an 8 × 8 scan becomes 128 × 128 pixels

GUIDELINES = """Which digit is it?

Look at the scan and type the digit that the writer meant, 0 to 9. Strokes may be faint or cut off.
If you cannot tell, skip the item: a guess that others contradict earns nothing.
"""
CONSENT = """What you agree to

Your labels are signed by a session key that your wallet vouches for. They are published under your
wallet's address when their item closes, and paid by the rules in the campaign's manifest. No name,
network address or time spent is published. The scans show no person.
"""


def digit_truth() -> list[int]:
    """Return the digit that each scan shows, in the order of the data set."""
    return [int(one) for one in _load().target]


def digits(count: int | None = None) -> tuple[list[bytes], list[int]]:
    """Return PNG scans and their digits, in the order of the data set; all 1,797 by default.

    Raises ConfigError where scikit-learn isn't installed.
    """
    truth = digit_truth()[:count]
    return [digit_scan(place) for place in range(len(truth))], truth


def digit_scan(place: int) -> bytes:
    """Return the PNG scan at a place of the data set."""
    return _png(_load().images[place].astype(np.int64))


@cache
def _load() -> Any:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError(
            "the digit scans come with scikit-learn: install the extra 'dev', as `make` does"
        ) from error
    return load_digits()


def digit_campaign(
    terms: Mapping[str, Any], *, items: int, gold: int, gold_epochs: int, secret: bytes
) -> tuple[CampaignFiles, list[int]]:
    """Build a campaign of the first `items` scans; every so many-th of them is gold, `gold` in all.

    Returns the files and the truth by item number (the index is shuffled; see `CampaignFiles`).
    """
    images, truth = digits(items)
    names = [f"digit-{number:04d}" for number in range(len(images))]
    files = build_campaign(
        terms,
        [
            Item(name, media=ItemMedia("image/png", data=image))
            for name, image in zip(names, images, strict=True)
        ],
        [Gold(names[at * items // gold], str(truth[at * items // gold])) for at in range(gold)],
        guidelines=GUIDELINES,
        consent=CONSENT,
        gold_epochs=gold_epochs,
        secret=secret,
    )
    return files, [truth[place] for place in files.order]


def digit_terms(**changes: Any) -> dict[str, Any]:
    """Return the manifest's terms for digits; `changes` replace top-level members."""
    classes = [str(digit) for digit in range(10)]
    terms: dict[str, Any] = {
        "version": 1,
        "title": "Handwritten digits",
        "description": "Small scans of single digits, by many hands. Type the digit you see.",
        "task": {
            "type": "categorical",
            "classes": classes,
            "schema": {"type": "string", "enum": classes},
        },
        "gold": {"share": 100_000, "newcomerShare": 300_000, "newcomerItems": 20},
        "assignment": "drawn",
        "consensus": {
            "method": "dawid-skene",
            "version": 1,
            "redundancyMin": 3,
            "redundancyMax": 5,
            "threshold": 980_000,
            "escalation": "ambiguous",
        },
        "payment": {
            "policy": "agreement",
            "version": 1,
            "base": 300_000,
            "reward": str(TOKEN // 20),
            "rewardMin": str(TOKEN // 40),
            "rewardMax": str(TOKEN // 10),
            "rewardStep": 50_000,
            "thresholdMin": 950_000,
            "thresholdMax": 995_000,
            "thresholdStep": 5_000,
            "target": 100_000,
        },
        "slashing": {"floor": 400_000, "cap": str(20 * TOKEN)},
        "qualification": {"minimumTier": 0},
        "privacy": "public",
        "quotas": {},
        "auditors": [],
        "secondsPerItem": 4,
        "epochSeconds": 3_600,
        "leaseSeconds": 900,
        "graceSeconds": 60,
        "anchorBlocks": 4,
    }
    return {**terms, **changes}


def _enlarged(scan: Int64) -> Int64:
    """Return a scan's ink (0 to 255) at SCALE times its size, each pixel between its neighbours.

    Bilinear in integers, so that every machine draws the same: people read smooth strokes faster
    than blocks.
    """
    weights = _weights(len(scan))
    ink: Int64 = 255 * (weights @ scan @ weights.T) // (16 * (2 * SCALE) ** 2)
    return ink


@cache
def _weights(side: int) -> Int64:
    weights = np.zeros((side * SCALE, side), dtype=np.int64)
    for pixel, row in enumerate(weights):
        # Where this pixel's centre lies among the old centres, in units of 1 / (2 SCALE).
        place = min(max(2 * pixel + 1 - SCALE, 0), 2 * SCALE * (side - 1))
        left, part = divmod(place, 2 * SCALE)
        row[left] += 2 * SCALE - part
        row[min(left + 1, side - 1)] += part
    return weights


def _png(scan: Int64) -> bytes:
    """Return an 8-bit grey PNG of a scan (int64 (8, 8), 0 paper to 16 ink), enlarged.

    Every line is stored as its difference from the one above (filter 2), which packs best. Source:
    PNG specification, third edition (W3C, 2025).
    """
    shades = 255 - _enlarged(scan)
    above = np.vstack([np.zeros_like(shades[:1]), shades[:-1]])
    filtered = np.insert((shades - above) % 256, 0, 2, axis=1).astype(np.uint8).tobytes()
    side = len(shades)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
