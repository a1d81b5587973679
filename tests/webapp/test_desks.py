"""One suite for the desk in memory that tests of the page use and for the real one over a gateway:
offers, earnings, histories and appeals give the same answers and the same refusals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from oracle.community.community import Community
from oracle.errors import DDLPError, GatewayRefusal, UnknownCampaign
from oracle.evidence import entries
from oracle.evidence.hashing import ZERO32, sha256
from oracle.evidence.results import AGREED
from oracle.evidence.signing import sign
from oracle.ports import LabelingDesk, LabelRecord
from tests.support.desk import DeskScene
from tests.support.gateway import GatewayScene
from tests.support.people import community_in
from tests.support.world import TOKEN
from tests.webapp.browser_double import ORIGIN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_appeals import REASONS, VERDICTS
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app

MONTHS = 90 * 86_400


class InMemory:
    """The desk in memory."""

    number = 1

    def __init__(self, privacy: str = "public") -> None:
        self.people: list[bytes] = []
        self.clock = Clock()
        self.fake = FakeDesk(now=self.clock)
        self.fake.restricted = privacy == "restricted"
        self.desk: LabelingDesk = self.fake
        self.experts: set[bytes] = set()
        self.fake.check_expert = self._check_expert

    def _check_expert(self, campaign: int, contributor: bytes) -> None:
        if contributor not in self.experts:
            raise GatewayRefusal("no_expert", "only experts answer here")

    def now(self) -> float:
        return self.clock()

    def joined(self) -> None:
        """Whoever has delegated may label at once."""

    def settle(self, outcomes: Mapping[int, str]) -> None:
        self.fake.earnings.outcomes = dict(outcomes)
        self.fake.finalize()

    def refuse(self, refusal: GatewayRefusal) -> None:
        def check(campaign: int, contributor: bytes) -> None:
            raise refusal

        self.fake.check_qualified = check

    def close(self) -> None:
        self.fake.view = replace(self.fake.view, accepting=False)

    def pass_months(self) -> None:
        self.clock.seconds += MONTHS

    def rows(self) -> list[entries.LogRow]:
        return list(self.fake.rows)

    def item_id(self, number: int) -> bytes:
        return self.fake.item_id(number)


class OverGateway:
    """The real desk."""

    number = 7

    def __init__(self, folder: Path, privacy: str = "public") -> None:
        self.scene = GatewayScene(folder, privacy=privacy)
        self.stage = DeskScene(self.scene)
        self.desk: LabelingDesk = self.stage.desk
        self.experts = self.stage.experts
        self.people: list[bytes] = []  # who is owed something by the receipt

    def now(self) -> float:
        return self.scene.chain.newest.timestamp

    def joined(self) -> None:
        self.scene.pass_anchors(2)

    def settle(self, outcomes: Mapping[int, str]) -> None:
        closed = {item: (int(answer), AGREED) for item, answer in outcomes.items()}
        self.stage.settle(1, closed, dict.fromkeys(self.people, TOKEN))

    def refuse(self, refusal: GatewayRefusal) -> None:
        self.stage.refusal = refusal

    def close(self) -> None:
        self.scene.chain.close()
        self.scene.gateway.follow()

    def pass_months(self) -> None:
        newest = self.scene.chain.newest
        self.scene.chain.newest = replace(newest, timestamp=newest.timestamp + MONTHS)

    def rows(self) -> list[entries.LogRow]:
        return self.scene.gateway.rows()

    def item_id(self, number: int) -> bytes:
        return self.scene.gateway.item_ids[number]


Stage = InMemory | OverGateway


class Person(BrowserDouble):
    """Somebody at the page, before either desk."""

    def __init__(self, stage: Stage, community: Community, name: str) -> None:
        app = create_app(stage.desk, community, Settings((ORIGIN,), b"k" * 32), now=stage.now)
        super().__init__(app, name, now=stage.now, number=stage.number)
        self.stage, self.desk = stage, stage.desk
        self._sequence = 0
        assert self.sign_in().status_code == 201
        assert self.delegate().status_code == 201
        stage.people.append(self.address)
        stage.joined()

    def label(self, answer: str, count: int = 1) -> list[int]:
        """Answer so many items alike; return their numbers."""
        items = [item["number"] for item in self.lease(count).get_json()["items"]]
        self._sequence += 1
        assert self.submit(dict.fromkeys(items, answer), self._sequence).status_code == 201
        return items

    def labels(self) -> dict[int, LabelRecord]:
        found, _ = self.desk.earnings.history(self.number, self.address)
        return {one.item: one for one in found}

    def objects(self, label: LabelRecord, reason: str = REASONS[0]) -> bytes:
        """The entry of an appeal."""
        entry = entries.Appeal(
            self.address,
            label.submission,
            label.index,
            sha256(reason.encode()),
            entries.NO_SIGNATURE,
        )
        return self.signed(entry)

    def finds(self, item: bytes, answer: str, reason: str = VERDICTS[0]) -> bytes:
        """The entry of an expert's answer."""
        return bytes.fromhex(self.adjudication(item, answer, reason)["entry"][2:])

    def signed(self, entry: entries.Appeal) -> bytes:
        signature = sign(self.key, entry.struct(self.number).digest(self.domain))
        return entries.encode_entry(replace(entry, signature=signature))


@pytest.fixture(params=[InMemory, OverGateway])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    yield from opened(request.param, tmp_path)


@pytest.fixture(params=[InMemory, OverGateway])
def restricted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A campaign that shows its items to those who work on them alone."""
    yield from opened(request.param, tmp_path, privacy="restricted")


def opened(kind: type[Stage], folder: Path, **privacy: str) -> Iterator[Stage]:
    if kind is InMemory:
        yield InMemory(**privacy)
        return
    over = OverGateway(folder, **privacy)
    yield over
    over.scene.close()


@pytest.fixture
def community(stage: Stage) -> Iterator[Community]:
    with community_in(now=stage.now) as opened:
        yield opened


@pytest.fixture
def person(stage: Stage, community: Community) -> Person:
    return Person(stage, community, "person")


def code(call: object, *arguments: object) -> str:
    """How a desk refuses a call, by class and code."""
    with pytest.raises(DDLPError) as caught:
        call(*arguments)  # type: ignore[operator]
    error = caught.value
    return error.code if isinstance(error, GatewayRefusal) else type(error).__name__


def test_item__restricted__is_shown_to_those_who_were_given_it_alone(restricted: Stage) -> None:
    with community_in(now=restricted.now) as community:
        owner, other = (Person(restricted, community, name) for name in ("owner", "other"))
        item = owner.label("3")[0]
        theirs = other.lease(1).get_json()["items"][0]["number"]
        paths = [f"/campaigns/{owner.number}/items/{item}{side}" for side in ("", "/second")]
        visitor = BrowserDouble(owner.http.application, "visitor", number=owner.number)

    desk, number = restricted.desk, owner.number
    assert desk.item(number, item, owner.address).first is not None
    strangers = [None, bytes(20)] + ([other.address] if theirs != item else [])
    for viewer in strangers:
        assert code(desk.item, number, item, viewer) == "ITEM-RESTRICTED"
        assert code(desk.media, number, item, viewer) == "ITEM-RESTRICTED"
    for path in paths:
        for browser in (visitor, *([other] if theirs != item else [])):
            answer = browser.get(path)
            assert answer.status_code == 403
            assert "sign in" in answer.text
            assert answer.headers["Cache-Control"] == "no-store"


def test_item__restricted_and_appealed__is_shown_to_the_expert_who_answers(
    restricted: Stage,
) -> None:
    with community_in(now=restricted.now) as community:
        owner, expert = (Person(restricted, community, name) for name in ("owner", "expert"))
        appealed, other = owner.label("3", 2)
        restricted.settle({appealed: "4", other: "4"})
        restricted.experts.add(expert.address)
        desk, number = restricted.desk, owner.number
        assert code(desk.item, number, appealed, expert.address) == "ITEM-RESTRICTED"
        desk.appeals.appeal(number, owner.address, owner.objects(owner.labels()[appealed]))
    assert desk.item(number, appealed, expert.address).first is not None
    assert code(desk.item, number, other, expert.address) == "ITEM-RESTRICTED"


def test_item__public__is_shown_to_anybody(stage: Stage) -> None:
    assert stage.desk.item(stage.number, 0, None) == stage.desk.item(stage.number, 0, bytes(20))


def test_offers__open_locked_and_closed__are_told(stage: Stage, person: Person) -> None:
    market = stage.desk.market
    (offer,) = market.offers(None)
    view = stage.desk.campaign(stage.number)
    assert offer.campaign == view
    assert offer.remaining == view.item_count - view.items_closed
    assert (offer.seconds_per_item, offer.seconds_measured) == (view.seconds_per_item, False)
    assert offer.hourly == view.expected_reward * 3600 // view.seconds_per_item
    assert offer.requester.campaigns == 1
    assert offer.requester.seconds_to_pay is None
    assert offer.wait_seconds is not None
    assert offer.lock is None
    assert market.offers(person.address)[0].lock is None
    stage.refuse(GatewayRefusal("unqualified", "this campaign has a short exam: pass it first"))
    lock = market.offers(person.address)[0].lock
    assert lock is not None
    assert (lock.code, lock.wait_seconds) == ("unqualified", 0)
    stage.close()
    lock = market.offers(None)[0].lock
    assert lock is not None
    assert lock.code == "closed"


def test_earnings__pending_then_final_then_claimed_once(stage: Stage, person: Person) -> None:
    earnings = stage.desk.earnings
    assert earnings.overview(person.address).campaigns == ()
    assert code(earnings.claim_all, person.address) == "InputError"
    assert code(earnings.claim_call, person.address) == "InputError"
    items = person.label("3", 2)
    (line,) = earnings.overview(person.address).campaigns
    assert (line.campaign, line.submitted, line.pending) == (stage.number, 2, 2)
    view = stage.desk.campaign(stage.number)
    assert (line.title, line.expected) == (view.title, 2 * view.expected_reward)
    assert (line.earned, line.claimed, line.locked, line.locked_until) == (0, 0, 0, None)
    assert line.readable

    assert stage.desk.status(stage.number, person.address).covered == 0
    stage.settle(dict.fromkeys(items, "3"))
    assert stage.desk.status(stage.number, person.address).covered > 0
    overview = earnings.overview(person.address)
    (line,) = overview.campaigns
    assert line.pending == 0
    assert line.claimable == line.earned == overview.claimable > 0
    assert earnings.claim_call(person.address)
    claimed = earnings.claim_all(person.address)
    assert (claimed.amount, claimed.campaigns) == (line.earned, 1)
    assert claimed.balance == line.earned
    assert [len(one) for one in claimed.transactions] == [32]
    after = earnings.overview(person.address)
    assert (after.claimable, after.balance) == (0, line.earned)
    assert code(earnings.claim_all, person.address) == "InputError"


def test_history__each_label_by_its_fate__page_by_page(stage: Stage, person: Person) -> None:
    agreed, differed, open_ = person.label("3", 3)
    assert {one.status for one in person.labels().values()} == {"waiting"}
    stage.settle({agreed: "3", differed: "4"})
    earnings, labels = stage.desk.earnings, person.labels()
    assert {item: one.status for item, one in labels.items()} == {
        agreed: "agreed",
        differed: "differed",
        open_: "waiting",
    }
    assert {one.answer for one in labels.values()} == {"3"}
    assert [labels[item].outcome for item in (agreed, differed, open_)] == ["3", "4", None]
    assert labels[agreed].receipt is not None
    assert labels[open_].receipt is None
    assert [item for item, one in labels.items() if one.appeal_until] == [differed]
    assert [one.index for one in labels.values()] == [0, 1, 2]
    assert earnings.history(stage.number, b"\x07" * 20) == ([], None)
    with pytest.raises(UnknownCampaign):
        earnings.history(99, person.address)


def test_history__eleven_submissions__ten_and_then_the_rest(stage: Stage, person: Person) -> None:
    earnings, items = stage.desk.earnings, [person.label("3") for _ in range(11)]
    newest, older = earnings.history(stage.number, person.address)
    assert [one.item for one in newest] == [item for (item,) in reversed(items[1:])]
    assert older == newest[-1].position
    rest, end = earnings.history(stage.number, person.address, older)
    assert ([one.item for one in rest], end) == (items[0], None)


def test_appeals__asked_answered_and_shown(
    stage: Stage, person: Person, community: Community
) -> None:
    expert, appeals = Person(stage, community, "expert"), stage.desk.appeals
    stage.experts.add(expert.address)
    (item,) = person.label("3")
    stage.settle({item: "4"})
    assert set(appeals.choices(stage.number).values()) == set("0123456789")
    assert set(REASONS) <= set(appeals.reasons.values())
    assert set(VERDICTS) <= set(appeals.verdicts.values())
    assert list(appeals.waiting(stage.number, expert.address)) == []
    label = person.labels()[item]
    entry = person.objects(label)
    logged = appeals.appeal(stage.number, person.address, entry)
    assert appeals.appeal(stage.number, person.address, entry) == logged
    (case,) = appeals.waiting(stage.number, expert.address)
    assert (case.position, case.item, case.reason) == (logged.row.position, item, REASONS[0])
    assert (case.answer, case.outcome, case.answers) == ("3", "4", (("3", 1),))
    view = person.labels()[item].appeal
    assert view is not None
    assert (view.position, view.reason, view.answer) == (case.position, REASONS[0], None)
    assert person.labels()[item].appeal_until is None
    found = expert.finds(case.item_id, "3")
    answered = appeals.answer(stage.number, expert.address, found)
    assert appeals.answer(stage.number, expert.address, found) == answered
    assert list(appeals.waiting(stage.number, expert.address)) == []
    view = person.labels()[item].appeal
    assert view is not None
    assert (view.answer, view.verdict, view.expert) == ("3", VERDICTS[0], expert.address)


def test_appeals__that_may_not_be__are_refused_alike_and_change_nothing(
    stage: Stage, person: Person, community: Community
) -> None:
    expert, appeals, number = Person(stage, community, "expert"), stage.desk.appeals, stage.number
    agreed, differed = person.label("3", 2)
    stage.settle({agreed: "3", differed: "4"})
    labels = person.labels()
    rows = stage.rows()
    appeal = partial(code, appeals.appeal, number)
    assert appeal(person.address, person.objects(labels[agreed])) == "APPEAL-LABEL"
    assert appeal(person.address, person.objects(labels[differed], "No.")) == "APPEAL-REASON"
    unknown = replace(labels[differed], submission=ZERO32)
    assert appeal(person.address, person.objects(unknown)) == "APPEAL-LABEL"
    entry = person.objects(labels[differed])
    assert appeal(expert.address, entry) == "InputError"
    forged = entry[:-65] + bytes([17]) * 64 + b"\x1b"
    assert appeal(person.address, forged) == "APPEAL-SIGNATURE"
    assert appeal(person.address, b"\x07") == "FormatError"
    assert stage.rows() == rows

    appeals.appeal(number, person.address, entry)
    again = person.objects(labels[differed], REASONS[1])
    assert appeal(person.address, again) == "APPEAL-LABEL"
    answer, item = partial(code, appeals.answer, number), stage.item_id(differed)
    rows = stage.rows()
    assert code(appeals.waiting, number, expert.address) == "no_expert"
    assert answer(expert.address, expert.finds(item, "3")) == "no_expert"
    stage.experts.update({expert.address, person.address})
    assert list(appeals.waiting(number, person.address)) == []
    assert answer(person.address, person.finds(item, "3")) == "ADJUDICATION-EXPERT"
    assert answer(expert.address, expert.finds(item, "3", "No.")) == "ADJUDICATION-REASON"
    assert answer(expert.address, expert.finds(item, "ten")) == "ADJUDICATION-ANSWER"
    other = expert.finds(stage.item_id(agreed), "3")
    assert answer(expert.address, other) == "ADJUDICATION-APPEAL"
    found = expert.finds(item, "3")
    assert answer(person.address, found) == "InputError"
    forged = found[:-65] + bytes([17]) * 64 + b"\x1b"
    assert answer(expert.address, forged) == "ADJUDICATION-SIGNATURE"
    assert stage.rows() == rows
    appeals.answer(number, expert.address, found)
    assert answer(expert.address, expert.finds(item, "4")) == "ADJUDICATION-APPEAL"


def test_appeal__months_after__is_late(stage: Stage, person: Person) -> None:
    (item,) = person.label("3")
    stage.settle({item: "4"})
    label = person.labels()[item]
    stage.pass_months()
    rows = stage.rows()
    entry = person.objects(label)
    assert code(stage.desk.appeals.appeal, stage.number, person.address, entry) == "APPEAL-LATE"
    assert stage.rows() == rows
