"""Charts as SVG, made on the server: lines over receipts, and a range on a scale.

Geometry only; words are the template's (chart.html), colours the style sheet's (grow.css).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

WIDTH, HEIGHT = 400, 200
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 28  # room for the axes' words


@dataclass(frozen=True)
class Line:
    """One series: its name, the path through its dots, and the dots as (x, y)."""

    name: str
    path: str
    dots: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Chart:
    """Lines over receipts. `levels` are (y, words) of the grid, `ends` the first and last day,
    `rows` the table: a receipt's time and each series' value in words."""

    name: str
    title: str
    description: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[int, str], ...]
    ends: tuple[str, str]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def chart(
    name: str,
    title: str,
    times: Sequence[int],
    series: dict[str, Sequence[int | None]],
    write: Callable[[int], str],
    *,
    mark: Callable[[int], str] | None = None,
    top: int = 0,
) -> Chart | None:
    """Draw series with a value (None: no dot) at each of `times`; `write` puts a value in words,
    `mark` in fewer, for the axis.

    The scale goes from 0 to `top`, or to the greatest value. None where there is nothing to draw.
    """
    known = [value for values in series.values() for value in values if value is not None]
    if not known:
        return None
    top = top or max(known) or 1
    lines = tuple(_line(words, values, top) for words, values in series.items())
    description = "; ".join(_describe(words, values, write) for words, values in series.items())
    return Chart(
        name,
        title,
        f"{description}.",
        lines,
        tuple((_y(top * part // 2, top), (mark or write)(top * part // 2)) for part in (0, 1, 2)),
        (_day(times[0]), _day(times[-1])),
        tuple(
            (time, tuple("–" if one is None else write(one) for one in values))
            for time, values in zip(times, zip(*series.values(), strict=True), strict=True)
        ),
    )


def _line(name: str, values: Sequence[int | None], top: int) -> Line:
    room, steps = WIDTH - LEFT - RIGHT, max(1, len(values) - 1)
    dots = tuple(
        (LEFT + (room * place // steps if len(values) > 1 else room // 2), _y(value, top))
        for place, value in enumerate(values)
        if value is not None
    )
    return Line(name, " ".join(f"{x},{y}" for x, y in dots), dots)


def _describe(name: str, values: Sequence[int | None], write: Callable[[int], str]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"{name}: nothing yet"
    if len(known) == 1:
        return f"{name}: {write(known[0])} at one receipt"
    return (
        f"{name}: from {write(known[0])} to {write(known[-1])} over {len(known)} receipts, "
        f"lowest {write(min(known))}, highest {write(max(known))}"
    )


def _day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%-d %b %Y")


def _y(value: int, top: int) -> int:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) // top
