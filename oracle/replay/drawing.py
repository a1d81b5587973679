"""Small pictures and sounds as files, drawn and played by integers: the same bytes on every
machine."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
SAMPLE_RATE = 8_000  # samples a second


def blank(width: int, height: int, colour: tuple[int, int, int]) -> Picture:
    """Return a picture of one colour, uint8 (height, width, 3)."""
    picture = np.empty((height, width, 3), dtype=np.uint8)
    picture[:] = colour
    return picture


def draw_disc(picture: Picture, x: int, y: int, radius: int, colour: tuple[int, int, int]) -> None:
    """Fill a disc around a point."""
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    picture[(rows - y) ** 2 + (columns - x) ** 2 <= radius * radius] = colour


def draw_box(picture: Picture, box: list[int], colour: tuple[int, int, int]) -> None:
    """Fill a box `[left, top, right, bottom]`."""
    picture[box[1] : box[3], box[0] : box[2]] = colour


def draw_convex(picture: Picture, points: list[list[int]], colour: tuple[int, int, int]) -> None:
    """Fill a convex polygon whose points go clockwise, as seen with y growing downwards."""
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    inside = np.ones(picture.shape[:2], dtype=bool)
    for (x, y), (u, v) in zip(points, [*points[1:], points[0]], strict=True):
        inside &= (u - x) * (rows - y) - (v - y) * (columns - x) >= 0
    picture[inside] = colour


def png(picture: Picture) -> bytes:
    """Return a picture as 8-bit RGB PNG. Source: PNG specification, third edition (W3C, 2025)."""
    height, width, _ = picture.shape
    lines = np.insert(picture.reshape(height, -1), 0, 0, axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def tone(milliseconds: int, period: int) -> bytes:
    """Return a triangle wave as 16-bit samples; `period` in samples, 0 for silence."""
    times = np.arange(milliseconds * SAMPLE_RATE // 1000)
    if not period:
        return np.zeros(len(times), dtype="<i2").tobytes()
    wave = np.abs(times % period * 4 - 2 * period) - period
    fade = np.minimum(np.minimum(times, times[::-1]), 80)  # no click at its ends
    samples: bytes = (wave * 8_000 // period * fade // 80).astype("<i2").tobytes()
    return samples


def wav(samples: bytes) -> bytes:
    """Return 16-bit mono samples as a WAV file (Microsoft and IBM, RIFF, 1991)."""
    layout = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body
