"""How the page writes amounts: by integers, since no float may touch money."""

from __future__ import annotations

import pytest

from oracle.replay.page import percent, tokens


@pytest.mark.parametrize(
    ("amount", "digits", "text"),
    [
        ("0", 2, "0.00"),
        ("1500000000000000000", 2, "1.50"),
        ("4999999999999999", 2, "0.00"),
        ("5000000000000000", 2, "0.01"),
        ("999999999999999999", 2, "1.00"),
        ("45714285714285714", 4, "0.0457"),
        ("1234567890000000000000000", 2, "1,234,567.89"),
        (str(2**128), 4, "340,282,366,920,938,463,463.3746"),
    ],
)
def test_tokens__base_units__are_rounded_half_up(amount: str, digits: int, text: str) -> None:
    assert tokens(amount, digits) == text


def test_percent__a_share__has_one_decimal() -> None:
    assert percent(0.9779) == "97.8 %"
    assert percent(1.0) == "100.0 %"
