from __future__ import annotations

from tests.webapp.browser_double import CAMPAIGN, BrowserDouble
from tests.webapp.fake_desk import UNIT, FakeDesk


def test_claim__finalized_pay__moves_it_all(contributor: BrowserDouble, desk: FakeDesk) -> None:
    contributor.lease()
    contributor.submit({0: "3", 1: "4"})
    before = contributor.status()
    assert (before["pending"], before["earned"]) == (2, "0")
    desk.finalize()
    earned = contributor.status()
    assert (earned["pending"], earned["earned"], earned["claimed"]) == (0, str(UNIT // 10), "0")

    answer = contributor.post(f"{CAMPAIGN}/claims")
    assert answer.status_code == 201
    body = answer.get_json()
    assert (body["amount"], body["balance"]) == (str(UNIT // 10), str(UNIT // 10))
    assert len(body["transaction"]) == 66
    assert contributor.status()["claimed"] == str(UNIT // 10)


def test_claim__nothing_finalized__says_when(contributor: BrowserDouble) -> None:
    answer = contributor.post(f"{CAMPAIGN}/claims")
    assert answer.status_code == 422
    assert "nothing to claim yet" in answer.get_json()["detail"]
    assert contributor.status()["balance"] == "0"


def test_status__amounts__are_texts_of_base_units(contributor: BrowserDouble) -> None:
    status = contributor.status()
    for name in ("earned", "claimed", "balance", "reward", "expectedReward"):
        assert status[name].isdecimal()
    assert status["sessionKeys"] == ["0x" + contributor.session_address.hex()]
