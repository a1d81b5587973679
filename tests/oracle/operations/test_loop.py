"""The loop: one campaign that fails holds up no other, and nothing fails silently."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from oracle.breaker import CircuitBreaker
from oracle.errors import ChainError, InputError, ProtocolFault
from oracle.operations import loop as module
from oracle.operations.health import FAIL, OK, check_paused
from oracle.operations.loop import SHARED, Loop, Measured, new_breaker
from oracle.operations.metrics import Metrics
from oracle.service.epochs import Progress, Step

FAILURES = 30  # until a campaign is left alone


class Campaigns:
    """Two campaigns; `faults` says what a step of each raises now, "all" what `discover` does."""

    def __init__(self) -> None:
        self.faults: dict[int | str, Exception] = {}
        self.steps = {1: 0, 2: 0}
        self.tried = {1: 0, 2: 0}
        self.signed = 0
        self.over: set[int] = set()
        self.asked = 0  # what is served

    def discover(self) -> None:
        if SHARED in self.faults:
            raise self.faults[SHARED]

    def head(self) -> int:
        return 95

    def served(self) -> list[int]:
        self.asked += 1
        if "served" in self.faults and self.asked > 1:
            raise self.faults["served"]
        return [one for one in (1, 2) if one not in self.over]

    def step_campaign(self, campaign: int) -> Progress:
        self.tried[campaign] += 1
        if campaign in self.faults:
            raise self.faults[campaign]
        self.steps[campaign] += 1
        return Progress(Step.NOTHING)

    def measure(self, campaign: int) -> Measured:
        self.signed += 1
        return Measured(
            head=90 + campaign,
            lag=4,
            position=7,
            epoch_age=11,
            signatures=self.signed,
            disagreements=2,
        )


@pytest.fixture
def campaigns(monkeypatch: pytest.MonkeyPatch) -> Campaigns:
    monkeypatch.setattr(module, "STEP_SECONDS", 0.001)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.001 * FAILURES)
    return Campaigns()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_loop__one_campaign_fails_30_times__is_left_alone_and_the_other_goes_on(
    campaigns: Campaigns, caplog: pytest.LogCaptureFixture
) -> None:
    campaigns.faults[1] = InputError("a block is missing: fetch it")
    metrics = Metrics()
    ended: list[bool] = []
    loop = Loop(campaigns, metrics, on_failure=lambda: ended.append(True))
    with caplog.at_level(logging.WARNING):
        loop.start()
        wait_until(lambda: campaigns.steps[2] > 2 * FAILURES)
    loop.stop()
    assert campaigns.tried[1] == FAILURES  # then no more
    assert campaigns.steps[2] > 2 * FAILURES
    assert loop.failure is None
    assert not ended
    assert loop.paused == {1: "InputError: a block is missing: fetch it"}
    assert check_paused(loop.paused).status == FAIL
    assert "a block is missing" in check_paused(loop.paused).message
    loud = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in loud] == [
        "30 steps in a row failed: left alone for 60 s, then tried again "
        "(a block is missing: fetch it)"
    ]
    assert sample(metrics, "ddlp_circuit_open", campaign="1") == 1
    assert sample(metrics, "ddlp_circuit_open", campaign="2") == 0
    errors = sample(metrics, "ddlp_errors_total", campaign="1", kind="InputError")
    assert errors == FAILURES


@pytest.mark.parametrize(("step_seconds", "failures"), [(0.2, 150), (1.0, 30), (12.0, 3)])
def test_breaker__steps_so_far_apart__opens_after_half_a_minute_and_three_of_them(
    step_seconds: float, failures: int
) -> None:
    breaker = new_breaker(step_seconds)
    assert [breaker.failed() for _ in range(failures)] == [False] * (failures - 1) + [True]


def test_loop__step_seconds__are_between_rounds(campaigns: Campaigns) -> None:
    loop = Loop(campaigns, Metrics(), step_seconds=60.0)
    loop.start()
    loop.stop()
    assert campaigns.steps == {1: 0, 2: 0}


def test_loop__campaign_recovers_after_its_pause__goes_on_by_itself(
    campaigns: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module,
        "new_breaker",
        lambda _: CircuitBreaker(failures=3, first_pause=0.05, longest_pause=0.05),
    )
    campaigns.faults[1] = ChainError("gone: start it")
    metrics = Metrics()
    loop = Loop(campaigns, metrics)
    loop.start()
    wait_until(lambda: 1 in loop.paused)
    del campaigns.faults[1]
    wait_until(lambda: campaigns.steps[1] > 0)
    wait_until(lambda: loop.paused == {})
    loop.stop()
    assert check_paused(loop.paused).status == OK
    assert sample(metrics, "ddlp_circuit_open", campaign="1") == 0


def test_loop__bug_in_one_campaign__is_counted_and_logged_with_its_traceback(
    campaigns: Campaigns, caplog: pytest.LogCaptureFixture
) -> None:
    campaigns.faults[1] = ZeroDivisionError("a bug")
    loop = Loop(campaigns, Metrics())
    loop.start()
    wait_until(lambda: 1 in loop.paused)
    loop.stop()
    assert campaigns.steps[2] > 0
    assert any(record.exc_info for record in caplog.records)


def test_loop__disagreement__is_counted_by_its_code(campaigns: Campaigns) -> None:
    campaigns.faults[2] = ProtocolFault("PROPOSAL-OMITS", "opening 3/0", "left out")
    metrics = Metrics()
    loop = Loop(campaigns, metrics)
    loop.start()
    wait_until(lambda: campaigns.tried[2] > 0 and campaigns.tried[1] > 1)
    loop.stop()
    counted = sample(metrics, "ddlp_disagreements_total", campaign="2", code="PROPOSAL-OMITS")
    assert counted is not None
    assert counted >= 1


def test_loop__what_all_share_fails__ends_where_somebody_asked_for_that(
    campaigns: Campaigns,
) -> None:
    campaigns.faults[SHARED] = ChainError("the node is gone: start it")
    told = threading.Event()
    loop = Loop(campaigns, Metrics(), on_failure=told.set)
    loop.start()
    assert told.wait(10)
    assert str(loop.failure) == "the node is gone: start it"
    assert campaigns.tried == {1: 0, 2: 0}
    loop.stop()


def test_loop__what_all_share_fails__waits_where_nobody_did(campaigns: Campaigns) -> None:
    campaigns.faults[SHARED] = ChainError("the node is gone: start it")
    loop = Loop(campaigns, Metrics())
    loop.start()
    wait_until(lambda: SHARED in loop.paused)
    assert loop.failure is None
    loop.stop()


def test_loop__each_round__measures_how_far_campaigns_are(campaigns: Campaigns) -> None:
    metrics = Metrics()
    loop = Loop(campaigns, metrics)
    assert loop.idle_seconds is None
    loop.start()
    wait_until(lambda: campaigns.steps[2] > 1)
    loop.stop()
    assert loop.idle_seconds is not None
    assert sample(metrics, "ddlp_head_block") in {91, 92}
    assert sample(metrics, "ddlp_lag_blocks", campaign="2") == 4
    assert sample(metrics, "ddlp_log_position", campaign="2") == 7
    assert sample(metrics, "ddlp_epoch_age_seconds", campaign="2") == 11
    counted = sample(metrics, "ddlp_signatures_total", campaign="2")
    # The newest sum, not the sum of sums; a round that was cut short may have measured 1 alone.
    assert counted in {campaigns.signed, campaigns.signed - 1}
    differ = sample(metrics, "ddlp_disagreements_total", campaign="1", code="RECEIPT-DIFFERS")
    assert differ == 2


def test_loop__node_fails_when_asked_what_is_served__is_tried_again(campaigns: Campaigns) -> None:
    loop = Loop(campaigns, Metrics())
    campaigns.faults["served"] = ChainError("the node is gone: start it")
    loop._round()
    loop._round()
    assert (campaigns.asked, campaigns.steps[1]) == (2, 1)  # once a round, and no error comes out
    del campaigns.faults["served"]
    loop._round()
    assert campaigns.steps[1] == 2


def test_loop__campaign_that_is_over__is_stepped_and_told_of_no_more(campaigns: Campaigns) -> None:
    metrics = Metrics()
    loop = Loop(campaigns, metrics)
    loop._round()
    assert sample(metrics, "ddlp_epoch_age_seconds", campaign="1") is not None
    campaigns.over.add(1)
    steps = campaigns.steps[1]
    loop._round()
    assert campaigns.steps[1] == steps
    for name in ("epoch_age_seconds", "lag_blocks", "log_position", "circuit_open"):
        assert sample(metrics, f"ddlp_{name}", campaign="1") is None
        assert sample(metrics, f"ddlp_{name}", campaign="2") is not None
    campaigns.over.add(2)
    loop._round()
    assert sample(metrics, "ddlp_head_block") == campaigns.head()  # told though nothing is stepped
