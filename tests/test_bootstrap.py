"""Wiring: settings decide which parts a platform gets."""

from __future__ import annotations

from oracle.bootstrap import Keys, sealing_key


def test_keys__repr__shows_no_key() -> None:
    keys = Keys.of_devnet()
    assert keys.gateway.hex() not in repr(keys)
    assert len({sealing_key(account) for account in keys.operators}) == len(keys.operators)
