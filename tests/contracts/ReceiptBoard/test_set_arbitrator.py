"""Who decides new cases."""

from __future__ import annotations

from tests.support.system import ZERO_ADDRESS, System, events


def test_set_arbitrator__by_owner__is_told_with_its_terms(system: System) -> None:
    previous = system.arbitrator.address
    terms = (system.stranger, b"\x01\x02", "ipfs://second")
    system.board.set_arbitrator(*terms, sender=system.governance)
    assert events(system.board) == [
        (
            "ArbitratorSet",
            {"previous": previous, "current": system.stranger, "extra_data": b"\x01\x02"},
        ),
        ("MetaEvidence", {"meta_evidence": 2, "evidence": "ipfs://second"}),
    ]
    assert system.board.arbitrator() == system.stranger


def test_set_arbitrator__stranger_or_zero__is_refused(system: System) -> None:
    with system.refused("ownable: caller is not the owner"):
        system.board.set_arbitrator(system.stranger, b"", "", sender=system.stranger)
    with system.refused("ReceiptBoard: arbitrator is zero"):
        system.board.set_arbitrator(ZERO_ADDRESS, b"", "", sender=system.governance)
