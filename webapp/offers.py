"""How the list of work is ordered, narrowed, and priced in a currency: by the address alone, so
that it works without JavaScript and can be kept as a bookmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from oracle.ports import Network, Offer

ORDERS: dict[str, tuple[str, Callable[[Offer], Any]]] = {
    "newest": ("Newest", lambda offer: -offer.campaign.number),
    "hourly": ("Expected hourly pay", lambda offer: -offer.hourly),
    "reward": ("Reward per label", lambda offer: -offer.campaign.reward),
    "quick": ("Shortest items", lambda offer: offer.seconds_per_item),
    "left": ("Most items left", lambda offer: -offer.remaining),
    "wait": ("Next pay soonest", lambda offer: _or_last(offer.wait_seconds)),
}
TASKS = {
    "categorical": "One choice",
    "multilabel": "Several choices",
    "ordinal": "Ratings",
    "pairwise": "Comparisons",
    "boxes": "Boxes on pictures",
    "polygons": "Outlines on pictures",
    "spans": "Passages of texts",
    "text": "Writing",
    "transcription": "Transcribing",
}


@dataclass(frozen=True)
class Wanted:
    """What a visitor asked for; everything unknown counts as not asked."""

    order: str
    task: str
    open_only: bool
    currency: str


def read_wanted(query: Mapping[str, str], rates: Mapping[str, Decimal]) -> Wanted:
    """Read the address' query."""
    order, task, currency = (query.get(name, "") for name in ("sort", "task", "currency"))
    return Wanted(
        order if order in ORDERS else "newest",
        task if task in TASKS else "",
        bool(query.get("open")),
        currency if currency in rates else "",
    )


def chosen(offers: Sequence[Offer], wanted: Wanted) -> list[Offer]:
    """Return the offers wanted, in order; equal ones stay newest first."""
    fitting = [
        offer
        for offer in offers
        if (not wanted.task or offer.campaign.task["type"] == wanted.task)
        and (not wanted.open_only or offer.lock is None)
    ]
    return sorted(fitting, key=ORDERS[wanted.order][1])


def priced(amount: int, network: Network, currency: str, rates: Mapping[str, Decimal]) -> str:
    """Write base units in a currency, to two digits behind the point or two that count, cut; empty
    without a currency."""
    if not currency:
        return ""
    value = rates[currency] * amount / Decimal(10) ** network.decimals
    digits = max(2, 1 - value.adjusted()) if value else 2
    cut = value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)
    return f"{cut:,} {currency}"


def _or_last(seconds: int | None) -> tuple[bool, int]:
    return seconds is None, seconds or 0
