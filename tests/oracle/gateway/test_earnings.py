"""Earnings over a real gateway: sums, every label's fate by receipts, claims of all, appeals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import GatewayRefusal, InputError, UnknownCampaign
from oracle.evidence import entries
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.hashing import ZERO32, sha256
from oracle.evidence.results import AGREED, AMBIGUOUS
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Receipt
from oracle.gateway.earnings import CLAIM_SECONDS, KEPT_SECONDS, Wallets
from oracle.gateway.outcomes import APPEAL_SECONDS, REASONS, VERDICTS
from oracle.ports import Claimed, LabelRecord, LoggedEntry
from tests.support.desk import DeskScene
from tests.support.gateway import GatewayScene, MemoryChain
from tests.support.world import TOKEN, key_of

ANN, BEN, CAT, DAN = (address_of(key_of(name)) for name in ("ann", "ben", "cat", "dan"))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[GatewayScene]:
    opened = GatewayScene(tmp_path)
    opened.join("ann", "ben", "cat")
    yield opened
    opened.close()


class Desk(DeskScene):
    """Earnings and appeals over one scene, whose chain pays at once."""

    def __init__(self, scene: GatewayScene) -> None:
        super().__init__(scene)
        self.earnings, self.appeals = self.desk.earnings, self.desk.appeals

    def owe(
        self, epoch: int, items: dict[int, tuple[int, int]], cumulative: int, *, final: bool = True
    ) -> Receipt:
        """Post a receipt that owes Ann so much in all."""
        return self.settle(epoch, items, {ANN: cumulative}, final=final)

    def labels(self) -> dict[int, LabelRecord]:
        return {one.item: one for one in self.earnings.history(7, ANN)[0]}

    def appeal(
        self, label: LabelRecord, *, name: str = "ann", reason: str = REASONS[0], **changes: Any
    ) -> LoggedEntry:
        """Sign and hand in Ann's appeal; `name` signs."""
        entry = entries.Appeal(
            ANN, label.submission, label.index, sha256(reason.encode()), entries.NO_SIGNATURE
        )
        entry = replace(entry, **changes)
        digest = entry.struct(7).digest(self.scene.chain.known.escrow_domain)
        signed = replace(entry, signature=sign(key_of(name), digest))
        return self.appeals.appeal(7, ANN, entries.encode_entry(signed))

    def answer(self, about: int, found: int, *, name: str = "cat", **changes: Any) -> LoggedEntry:
        """Sign and hand in an expert's answer; `name` signs."""
        gateway = self.scene.gateway
        entry = entries.Adjudication(
            address_of(key_of("cat")),
            gateway.item_ids[about],
            gateway.manifest.answer_digests[found],
            sha256(VERDICTS[0].encode()),
            entries.NO_SIGNATURE,
        )
        entry = replace(entry, **changes)
        digest = entry.struct(7).digest(self.scene.chain.known.escrow_domain)
        signed = replace(entry, signature=sign(key_of(name), digest))
        return self.appeals.answer(7, entry.expert, entries.encode_entry(signed))


@pytest.fixture
def desk(scene: GatewayScene) -> Desk:
    return Desk(scene)


def truth(desk: Desk, item: int) -> int:
    return int(desk.scene.truth[item])


class AskedChain(MemoryChain):
    """Counts what is asked of its newest state."""

    def __init__(self) -> None:
        self.paid, self.asked = {}, 0

    def balance(self, token: bytes, account: bytes) -> int:
        self.asked += 1
        return super().balance(token, account)

    def claimed(self, campaign: int, account: bytes) -> Claimed:
        self.asked += 1
        return super().claimed(campaign, account)


def test_wallets__asked_again_within_seconds__is_what_the_chain_said() -> None:
    chain, elapsed = AskedChain(), [0.0]
    wallets = Wallets(chain, bytes(20), lambda: elapsed[0])

    def asked() -> list[int]:
        return [wallets.balance(ANN), wallets.claimed(7, ANN), wallets.claimed(8, ANN)]

    assert asked() == asked() == [0, 0, 0]
    assert chain.asked == 3
    chain.paid[ANN] = 5
    assert asked() == [0, 0, 0]
    assert wallets.balance(BEN) == 0
    assert chain.asked == 4
    elapsed[0] += KEPT_SECONDS
    assert asked() == [5, 5, 5]

    chain.paid[ANN] = 7
    wallets.forget(ANN)
    assert asked() == [7, 7, 7]
    # The wallet itself sends a transaction: it may be in any block from now on.
    wallets.expect_claim(ANN)
    for paid in (8, 9):
        chain.paid[ANN] = paid
        assert asked() == [paid] * 3
    elapsed[0] += CLAIM_SECONDS
    assert asked() == [9, 9, 9]
    chain.paid[ANN] = 10
    assert asked() == [9, 9, 9]


def test_wallets__claimed_while_the_chain_is_asked__is_asked_again() -> None:
    chain = AskedChain()
    wallets = Wallets(chain, bytes(20))
    ask = chain.balance

    def ask_then_claim(token: bytes, account: bytes) -> int:
        before = ask(token, account)
        chain.paid[ANN] = 5
        wallets.forget(ANN)
        return before

    chain.balance = ask_then_claim  # type: ignore[method-assign]
    assert wallets.balance(ANN) == 0
    chain.balance = ask  # type: ignore[method-assign]
    assert wallets.balance(ANN) == 5


def test_overview__pending__locked__claimable__claimed(desk: Desk) -> None:
    assert desk.earnings.overview(ANN).campaigns == ()
    items = desk.scene.lease("ann", 3)
    desk.scene.gateway.submit(**desk.scene.submission("ann", items))
    (line,) = desk.earnings.overview(ANN).campaigns
    assert (line.submitted, line.pending, line.earned, line.locked) == (3, 3, 0, 0)
    assert line.expected > 0
    with pytest.raises(InputError, match="nothing to claim yet"):
        desk.earnings.claim_all(ANN)

    closed = {item: (truth(desk, item), AGREED) for item in items}
    desk.owe(1, closed, 5 * TOKEN)
    desk.owe(2, closed, 7 * TOKEN, final=False)
    (line,) = desk.earnings.overview(ANN).campaigns
    assert (line.pending, line.earned, line.claimable) == (0, 5 * TOKEN, 5 * TOKEN)
    chain = desk.scene.chain
    assert (line.locked, line.locked_until) == (
        2 * TOKEN,
        chain.block(chain.known.settlements[-1].posted_block).timestamp
        + chain.known.window_seconds,
    )
    assert desk.earnings.claim_call(ANN)[:4] != bytes(4)
    result = desk.earnings.claim_all(ANN)
    assert (result.amount, result.balance, result.campaigns) == (5 * TOKEN, 5 * TOKEN, 1)
    assert desk.earnings.overview(ANN).claimable == 0
    for call in (desk.earnings.claim_all, desk.earnings.claim_call):
        with pytest.raises(InputError, match="nothing to claim yet"):
            call(ANN)
    assert desk.earnings.overview(BEN).campaigns == ()


def test_overview__evidence_that_is_gone__says_so_and_hides_no_other(desk: Desk) -> None:
    desk.scene.work("ann", 2)
    receipt = desk.owe(1, {}, TOKEN)
    path = desk.scene.folder / "content"
    for one in path.rglob(f"*{Link(DAG_CBOR, receipt.evidence)}*"):
        one.unlink()
    (line,) = desk.earnings.overview(ANN).campaigns
    assert not line.readable
    assert line.submitted == 2
    with pytest.raises(InputError, match="nothing to claim yet"):
        desk.earnings.claim_all(ANN)


def test_history__each_fate__by_the_receipt_that_closed_the_item(desk: Desk) -> None:
    items = desk.scene.lease("ann", 4)
    desk.scene.gateway.submit(**desk.scene.submission("ann", items))
    agreed, differed, ambiguous, waiting = items
    closed = {
        agreed: (truth(desk, agreed), AGREED),
        differed: ((truth(desk, differed) + 1) % 10, AGREED),
    }
    first = desk.owe(1, closed, TOKEN)
    second = desk.owe(2, {**closed, ambiguous: (0, AMBIGUOUS)}, TOKEN, final=False)
    labels = desk.labels()
    assert {item: one.status for item, one in labels.items()} == {
        agreed: "agreed",
        differed: "differed",
        ambiguous: "locked",
        waiting: "waiting",
    }
    receipt = labels[agreed].receipt
    assert receipt is not None
    assert receipt.cid == str(Link(DAG_CBOR, first.evidence))
    assert receipt.digest == first.digest(desk.scene.chain.known.board_domain)
    locked = labels[ambiguous].receipt
    assert locked is not None
    assert locked.epoch == second.epoch
    assert labels[differed].outcome == str((truth(desk, differed) + 1) % 10)
    assert labels[differed].answer == desk.scene.truth[differed]
    assert labels[waiting].receipt is None
    assert labels[agreed].reward == desk.scene.gateway.manifest.reward
    assert [one.item for one in labels.values() if one.appeal_until] == [differed]
    assert desk.earnings.history(7, BEN) == ([], None)
    with pytest.raises(UnknownCampaign):
        desk.earnings.history(8, ANN)

    desk.scene.gateway.erase(ANN)
    assert desk.labels()[differed].answer is None
    assert desk.labels()[differed].status == "closed"


def test_history__many_submissions__page_by_page(desk: Desk) -> None:
    for _ in range(12):
        desk.scene.work("ann", 1)
    newest, older = desk.earnings.history(7, ANN)
    assert len(newest) == 10
    assert older == newest[-1].position
    rest, end = desk.earnings.history(7, ANN, older)
    assert (len(rest), end) == (2, None)
    positions = [one.position for one in (*newest, *rest)]
    assert positions == sorted(positions, reverse=True)


def test_appeal__of_a_label_that_differs__is_logged_and_answered(desk: Desk) -> None:
    (item,) = desk.scene.lease("ann", 1)
    desk.scene.gateway.submit(**desk.scene.submission("ann", [item]))
    desk.owe(1, {item: ((truth(desk, item) + 1) % 10, AGREED)}, TOKEN)
    logged = desk.appeal(desk.labels()[item])
    assert desk.appeal(desk.labels()[item]).row.position == logged.row.position
    appeal = desk.labels()[item].appeal
    assert appeal is not None
    assert (appeal.position, appeal.reason, appeal.answer) == (
        logged.row.position,
        REASONS[0],
        None,
    )
    before = desk.scene.gateway.rows()
    with pytest.raises(GatewayRefusal, match="was appealed before"):
        desk.appeal(desk.labels()[item], reason=REASONS[1])
    assert desk.scene.gateway.rows() == before

    desk.experts = {CAT}
    (case,) = desk.appeals.waiting(7, CAT)
    assert (case.item, case.reason, case.answer) == (item, REASONS[0], desk.scene.truth[item])
    assert case.outcome == str((truth(desk, item) + 1) % 10)
    assert case.answers == ((desk.scene.truth[item], 1),)
    answered = desk.answer(item, truth(desk, item))
    assert desk.answer(item, truth(desk, item)).row.position == answered.row.position
    assert desk.appeals.waiting(7, CAT) == []
    view = desk.labels()[item].appeal
    assert view is not None
    assert (view.answer, view.expert, view.verdict) == (desk.scene.truth[item], CAT, VERDICTS[0])
    after = desk.scene.gateway.rows()
    with pytest.raises(GatewayRefusal, match="another expert was faster"):
        desk.answer(item, (truth(desk, item) + 1) % 10)
    assert desk.scene.gateway.rows() == after


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "You are all wrong, says Ann of 1 Main Street."}, "APPEAL-REASON"),
        ({"index": 1}, "APPEAL-LABEL"),
        ({"submission": ZERO32}, "APPEAL-LABEL"),
        ({"name": "ben"}, "APPEAL-SIGNATURE"),
    ],
)
def test_appeal__that_cannot_be__changes_nothing(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    (item,) = desk.scene.lease("ann", 1)
    desk.scene.gateway.submit(**desk.scene.submission("ann", [item]))
    with pytest.raises(GatewayRefusal, match="isn't judged yet"):
        desk.appeal(desk.labels()[item])
    desk.owe(1, {item: ((truth(desk, item) + 1) % 10, AGREED)}, TOKEN)
    before = desk.scene.gateway.rows()
    with pytest.raises(GatewayRefusal) as refused:
        desk.appeal(desk.labels()[item], **changes)
    assert refused.value.code == code
    with pytest.raises(InputError, match="another wallet"):
        desk.appeal(desk.labels()[item], contributor=BEN)
    assert desk.scene.gateway.rows() == before


def test_appeal__after_its_time__is_refused_and_the_last_second_is_not(desk: Desk) -> None:
    items = desk.scene.lease("ann", 2)
    desk.scene.gateway.submit(**desk.scene.submission("ann", items))
    desk.owe(1, {item: ((truth(desk, item) + 1) % 10, AGREED) for item in items}, TOKEN)
    until = desk.labels()[items[0]].appeal_until
    assert until is not None
    final = desk.scene.chain.block(desk.scene.chain.known.settlements[0].finalized_block or 0)
    assert until == final.timestamp + APPEAL_SECONDS
    chain, newest = desk.scene.chain, desk.scene.chain.newest
    chain.newest = replace(newest, timestamp=until)
    desk.appeal(desk.labels()[items[0]])
    chain.newest = replace(newest, timestamp=until + 1)
    before = desk.scene.gateway.rows()
    with pytest.raises(GatewayRefusal) as refused:
        desk.appeal(desk.labels()[items[1]])
    assert refused.value.code == "APPEAL-LATE"
    assert desk.scene.gateway.rows() == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expert": BEN, "name": "ben"}, "no_expert"),
        ({"reason": sha256(b"Ann is a friend of mine.")}, "ADJUDICATION-REASON"),
        ({"answer_digest": ZERO32}, "ADJUDICATION-ANSWER"),
        ({"item": ZERO32}, "ADJUDICATION-APPEAL"),
        ({"expert": ANN, "name": "ann"}, "ADJUDICATION-EXPERT"),  # of one's own label
        ({"expert": DAN, "name": "dan"}, "ADJUDICATION-EXPERT"),  # who hasn't delegated
        ({"name": "ben"}, "ADJUDICATION-SIGNATURE"),
    ],
)
def test_answer__that_may_not_be__changes_nothing(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    desk.experts = {CAT, ANN, DAN}
    (item,) = desk.scene.lease("ann", 1)
    desk.scene.gateway.submit(**desk.scene.submission("ann", [item]))
    desk.owe(1, {item: ((truth(desk, item) + 1) % 10, AGREED)}, TOKEN)
    with pytest.raises(GatewayRefusal, match="no appeal about this item waits"):
        desk.answer(item, truth(desk, item))
    desk.appeal(desk.labels()[item])
    assert desk.appeals.waiting(7, ANN) == []
    assert [case.item for case in desk.appeals.waiting(7, CAT)] == [item]
    with pytest.raises(GatewayRefusal, match="only experts"):
        desk.appeals.waiting(7, BEN)
    before = desk.scene.gateway.rows()
    with pytest.raises(GatewayRefusal) as refused:
        desk.answer(item, truth(desk, item), **changes)
    assert refused.value.code == code
    assert desk.scene.gateway.rows() == before
