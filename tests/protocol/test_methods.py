"""Every method that a manifest may name exists, and decides a campaign as it says."""

from __future__ import annotations

import pytest

from oracle.consensus import METHODS, Consensus
from oracle.errors import FormatError
from oracle.evidence.manifest import CONSENSUS_METHODS, Manifest
from tests.protocol.test_decide import label_epoch, started
from tests.support.world import World, manifest_document


def test_manifest__methods__are_those_that_exist() -> None:
    assert tuple(METHODS) == CONSENSUS_METHODS


@pytest.mark.parametrize("method", CONSENSUS_METHODS)
def test_manifest__another_version_of_a_method__raises(method: str) -> None:
    document = manifest_document(consensus__method=method)
    assert Manifest.from_document(document).method == method
    document["consensus"]["version"] = 2
    with pytest.raises(FormatError, match="version"):
        Manifest.from_document(document)


@pytest.fixture(scope="module", params=CONSENSUS_METHODS)
def decided(request: pytest.FixtureRequest) -> tuple[str, World, list[Consensus]]:
    """A world with one receipt, and what the method of its manifest was asked and gave."""
    asked: list[Consensus] = []
    method = METHODS[request.param]

    def watched(*columns: object, **sizes: object) -> Consensus:
        asked.append(method(*columns, **sizes))  # type: ignore[arg-type]
        return asked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, request.param, watched)
        world = started(changes={"consensus__method": request.param})
        label_epoch(world)
        world.cut()
    return request.param, world, asked


def test_decide__any_method__settles_with_it(
    decided: tuple[str, World, list[Consensus]],
) -> None:
    method, world, asked = decided
    result = world.results[-1]
    assert world.manifest.method == method
    assert asked
    assert result.consensus is asked[0]  # gold clamped; a second call leaves gold free
    rows = list(result.evidence.items)
    right = sum(world.truth[row.item] == row.answer for row in rows)
    assert right / len(rows) > 0.85
    assert result.receipt.payout_total > 0
    assert all(row.agreement > 0 for row in result.evidence.contributors)
