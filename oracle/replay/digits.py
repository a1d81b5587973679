"""The campaign of the demonstration and of `ddlp serve`: scikit-learn's handwritten digits.

Real scans with their truth (Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits, 1998,
doi:10.24432/C50P49), shipped with scikit-learn, 8 × 8 pixels of 17 shades.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from oracle.errors import ConfigError
from oracle.gateway.campaign_files import CampaignFiles, Gold, Item, ItemMedia, build_campaign

TOKEN = 10**18
SCALE = 20  # an 8 × 8 scan becomes 160 × 160 pixels, sharp on a phone

GUIDELINES = """Which digit is it?

Look at the scan and type the digit that the writer meant, 0 to 9. Loops and strokes may be faint or cut off.
If you cannot tell, skip the item: a guess that others contradict earns nothing.
"""
CONSENT = """What you agree to

Your labels are signed by your wallet's session key and published when their item closes, under your wallet's address. They are paid
by the rules in the campaign's manifest. No name, network address or time spent is published. The scans show no person.
"""


def digits(count: int | None = None) -> tuple[list[bytes], list[int]]:
    """Return PNG scans and their digits, in the order of the data set; all 1,797 by default.

    Raises ConfigError where scikit-learn isn't installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError(
            "the digit scans come with scikit-learn: install the extra 'dev', as `make` does"
        ) from error
    data = load_digits()
    images, targets = data.images[:count], data.target[:count]
    return [_png(image.astype(int).tolist()) for image in images], [int(one) for one in targets]


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
        "description": "Small scans of single digits, written by many hands. Type the digit you see.",
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


def _png(rows: list[list[int]]) -> bytes:
    """Return an 8-bit grey PNG of a scan (0 paper, 16 ink), enlarged.

    Source: PNG specification, third edition (W3C, 2025).
    """
    pixels = b"".join(
        (b"\0" + b"".join(bytes([255 - ink * 255 // 16]) * SCALE for ink in row)) * SCALE
        for row in rows
    )
    side = len(rows) * SCALE
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    # Strategy Z_RLE finds only runs, which a scan enlarged this way is made of.
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    data = squeezer.compress(pixels) + squeezer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
