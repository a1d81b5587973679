"""A gateway's process: what goes on while a part of it can't."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle.config import load_settings
from oracle.errors import ChainError
from oracle.operations.health import OK, WARN, Check, is_ready
from oracle.processes import gateway as module
from oracle.processes.commands import page_origins
from oracle.processes.gateway import GatewayProcess
from oracle.service.epochs import Step

KEY = bytes([1]) * 32


class Scene:
    """A platform whose relayer has no ether while `empty` says so."""

    def __init__(self) -> None:
        self.empty, self.followed, self.claimed = True, 0, 0
        self.complete, self.completes, self.waiting = False, False, 0
        self.manifest = SimpleNamespace(anchor_blocks=4)
        deployment = SimpleNamespace(chain_id=1, escrow=bytes(20))
        self.platform = SimpleNamespace(
            reader=self,
            resting=set(),
            served=lambda: [7],
            content=None,
            relayer=None,
            w3=None,
            deployment=deployment,
            keys=SimpleNamespace(gateway=KEY),
            gateway=lambda campaign: self,
            catch_up=lambda content: None,
            checks=lambda **limits: [Check("chain", OK, "well")],
        )

    def operators(self) -> Any:
        return SimpleNamespace(encryption_keys={bytes(20): bytes(32)})

    def seal_to(self, keys: Any) -> None:
        self.keys = [*keys]

    def follow(self) -> None:
        self.followed += 1
        self.complete = self.complete or self.completes

    def facts(self, campaign: int, anchor_blocks: int) -> Any:
        return SimpleNamespace(complete=self.complete)

    def is_done(self, facts: Any) -> bool:
        return not self.waiting

    def step(self, campaign: int, anchor_blocks: int) -> int:
        if self.empty:
            raise ChainError("insufficient funds for gas: send it some")
        self.claimed += 1
        return 1


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(module, "is_complete", lambda facts: facts.complete)
    return Scene()


def test_step_campaign__relayer_without_ether__labels_are_taken_on_and_ready_warns(
    scene: Scene,
) -> None:
    process = GatewayProcess(cast(Any, scene.platform), claim_below=50)
    process._relay = cast(Any, scene)
    assert process.step_campaign(7).step is Step.NOTHING  # no error, so no circuit opens
    found = process.checks(max_head_age=1, max_lag=1)
    assert [(one.part, one.status) for one in found] == [("chain", OK), ("claims", WARN)]
    assert "insufficient funds" in found[1].message
    assert "DDLP_RELAYER_KEYFILE" in found[1].remedy
    assert is_ready(found)
    scene.empty = False
    process.step_campaign(7)
    assert (scene.followed, scene.claimed) == (2, 1)
    assert scene.keys == [bytes(32)]  # as the chain has them now, not as at the start
    assert process.checks(max_head_age=1, max_lag=1)[1].status == OK


def test_served__campaign_that_is_over__is_claimed_for_to_its_end_and_then_rests(
    scene: Scene,
) -> None:
    process = GatewayProcess(cast(Any, scene.platform), claim_below=50)
    process._relay = cast(Any, scene)
    scene.empty, scene.complete, scene.waiting = False, True, 1
    process.step_campaign(7)
    assert process.served() == [7]
    scene.waiting = 0
    process.step_campaign(7)
    assert process.served() == []
    scene.complete = False  # blocks were undone
    assert process.served() == [7]


def test_step_campaign__receipt_that_is_final_meanwhile__is_followed_before_the_campaign_rests(
    scene: Scene,
) -> None:
    process = GatewayProcess(cast(Any, scene.platform), claim_below=50)
    process._relay = cast(Any, scene)
    scene.empty, scene.completes = False, True
    process.step_campaign(7)
    assert process.served() == [7]
    process.step_campaign(7)
    assert process.served() == []
    assert scene.followed == 2


def test_page_origins__behind_a_proxy__are_the_proxys_alone() -> None:
    told = load_settings({"DDLP_PAGE_URL": "https://label.example.org/, https://l.example"})
    assert page_origins(told) == ("https://label.example.org", "https://l.example")
    here = ("http://127.0.0.1:8000", "http://localhost:8000")
    assert page_origins(load_settings({})) == here
